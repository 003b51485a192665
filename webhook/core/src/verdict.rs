//! Our answer to one request, and how each part of it came about.

use crate::evaluate::{EvaluateError, UndecidedReason};
use crate::manifest::{Action, Severity};
use crate::resources::FailurePolicy;

/// Our answer to one request. What goes over the wire is in `response`; the rest is for reports, metrics and traces.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Whether the request may go on.
    pub allowed: bool,
    /// Every finding with the action it ended with, worst first.
    pub rulings: Vec<Ruling>,
    /// Rules that lacked a fact.
    pub undecided: Vec<UndecidedRuling>,
    /// Policies that broke.
    pub failures: Vec<Failure>,
    /// Mutation only: what was changed (or, where the policy's mode forbids it, would have been), in order.
    pub changes: Vec<AppliedChange>,
    /// Mutation only: one patch from before to after; `None` when nothing changed.
    pub patch: Option<json_patch::Patch>,
    /// Mutation only: the changed object as JSON text; `None` when nothing changed.
    pub object: Option<String>,
    /// The built-in exemption that applied, if one did.
    pub exempt: Option<BuiltinExemption>,
    /// What each call of a component cost, the ratchet's included.
    pub costs: Vec<CallCost>,
    /// What the API server is told.
    pub response: Response,
    /// Which policies matched and why not; only when asked for.
    pub trace: Option<crate::trace::Trace>,
}

/// What one call of a component cost.
#[derive(Clone, Debug, PartialEq)]
pub struct CallCost {
    /// Name of the (first) policy that called.
    pub policy: String,
    /// Waiting for a permit.
    pub queued: std::time::Duration,
    /// Instantiation, run and drop.
    pub ran: std::time::Duration,
}

/// A finding with the action it ended with.
#[derive(Clone, Debug, PartialEq)]
pub struct Ruling {
    /// Name of the policy.
    pub policy: String,
    /// `family/name`.
    pub rule: String,
    /// Of the rule.
    pub severity: Severity,
    /// The final action; never `Apply`.
    pub action: Action,
    /// How it got there, in order; the first is the profile's default or the override.
    pub steps: Vec<Step>,
    /// JSON Pointer into the object.
    pub path: String,
    /// The stable name of the place.
    pub place: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
    /// A change that would repair it.
    pub remedy: Option<crate::evaluate::Change>,
    /// What made an audit of it; one of [`Ruling::steps`] is its.
    pub exemption: Option<ExemptedBy>,
}

/// A `PolicyExemption` that covers a finding.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ExemptedBy {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Why, in the words of who wrote it.
    pub reason: String,
    /// From then on the finding counts again.
    pub expires: jiff::Timestamp,
}

/// One step of a finding's way to its action: what decided, and what it left.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Step {
    /// Which step.
    pub by: StepKind,
    /// The action after it.
    pub action: Action,
    /// What names it: the profile, the exemption with its reason, the old finding's place.
    pub detail: String,
}

/// The steps in the order in which they are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepKind {
    /// The rule's default in the profile in force.
    Profile,
    /// The policy's `actions`.
    Override,
    /// The rule is newer than the policy's `profileVersion`.
    ProfileVersion,
    /// The finding's own `at-most`.
    AtMost,
    /// The policy's `mode`.
    Mode,
    /// A `PolicyExemption`.
    Exemption,
    /// The old object was already wrong there.
    Ratchet,
    /// What undecided means for the rule.
    WhenUndecided,
    /// The rule is off, and puts back what the old object has.
    PutBack,
}

/// A rule that could not be decided, with what that led to.
#[derive(Clone, Debug, PartialEq)]
pub struct UndecidedRuling {
    /// Name of the policy.
    pub policy: String,
    /// `family/name`.
    pub rule: String,
    /// Which fact was missing.
    pub reason: UndecidedReason,
    /// The final action; never `Apply`.
    pub action: Action,
    /// How it got there.
    pub steps: Vec<Step>,
}

/// A policy that broke, with what that led to.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// Name of the policy.
    pub policy: String,
    /// What broke.
    pub error: EvaluateError,
    /// What was done: `Fail` refused the request. It is not always the policy's own: fail-closed rules refuse, mutation never does.
    pub failure_policy: FailurePolicy,
}

/// One change by a mutating rule.
#[derive(Clone, Debug, PartialEq)]
pub struct AppliedChange {
    /// Name of the policy.
    pub policy: String,
    /// `family/name`.
    pub rule: String,
    /// `Apply`: made. `Warn`, `Audit`: only said.
    pub action: Action,
    /// How it got there.
    pub steps: Vec<Step>,
    /// From what the former change left; JSON Patch.
    pub patch: json_patch::Patch,
    /// Why, in the rule's words.
    pub note: Option<String>,
}

/// Requests that no rule judges, decided by the host (DESIGN section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BuiltinExemption {
    /// The garbage collector or the namespace controller.
    ControllerAccount,
    /// An UPDATE of an object that is being deleted.
    BeingDeleted,
    /// An UPDATE of nothing but finalizers or managedFields.
    FinalizersOnly,
    /// A mirror pod made by its node.
    MirrorPod,
}

/// What the API server is told beside `allowed`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Response {
    /// Present when not allowed.
    pub status: Option<Status>,
    /// Single lines of at most 256 characters, worst first, 4,096 in all.
    pub warnings: Vec<String>,
    /// Key (without the webhook's name) and value.
    pub audit_annotations: Vec<(String, String)>,
}

/// A `metav1.Status` in short.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// 403, 422, 429 or 500.
    pub code: u16,
    /// `Forbidden`, `Invalid`, `TooManyRequests`, `InternalError`.
    pub reason: &'static str,
    /// All denials, each `[rule] path: message; hint`.
    pub message: String,
    /// One for each denial; kubectl prints only these with 422.
    pub causes: Vec<Cause>,
    /// For `details`.
    pub kind: String,
    /// For `details`.
    pub name: String,
    /// For `details`.
    pub group: String,
    /// With 429.
    pub retry_after_seconds: Option<u32>,
}

/// One entry of `details.causes`.
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    /// `FieldValueInvalid`, or the rule's id where no field is meant.
    pub reason: String,
    /// `[rule] message; hint`.
    pub message: String,
    /// `spec.template.spec.terminationGracePeriodSeconds`, as Kubernetes writes paths.
    pub field: String,
}
