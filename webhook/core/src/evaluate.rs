//! The seam between deciding and running: what core asks of a component, and what a component answers.
//! `stateward-engine` implements it with wasmtime; tests implement it with closures.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::inventory::{BoxFuture, Inventory};
use crate::manifest::{Action, Manifest, Profile};
use crate::request::{GroupVersionKind, Request};

/// A rule by its place in [`Manifest::rules`].
pub type RuleIndex = u32;

/// A loaded component: its description and the code behind it.
#[derive(Clone)]
pub struct Component {
    /// As the policy names it: `builtin:stateful`, `file:rules.wasm`, `oci://..`.
    pub reference: String,
    /// `sha256:..` of the Wasm bytes. Policies of the same digest share one call.
    pub digest: String,
    /// What it says of itself, checked at load.
    pub manifest: Arc<Manifest>,
    /// What runs it.
    pub code: Arc<dyn Evaluate>,
}

/// Runs a component. Every call gets a fresh instance, within the call's limits.
pub trait Evaluate: Send + Sync {
    /// One judgement for each unit, in their order.
    fn validate<'a>(&'a self, call: &'a Call<'a>, request: &'a Request<'a>)
    -> BoxFuture<'a, Evaluated<Vec<Judgement>>>;

    /// What the first unit of the call would change.
    fn mutate<'a>(&'a self, call: &'a Call<'a>, request: &'a Request<'a>) -> BoxFuture<'a, Evaluated<Outcome>>;
}

/// One call of one component for one request: the installed policies that use it and match.
#[derive(Clone)]
pub struct Call<'a> {
    /// For names in errors and logs; the first unit's policy when there are several.
    pub policy: &'a str,
    /// Never empty; for `mutate` exactly one.
    pub units: Vec<Unit<'a>>,
    /// The smallest of the units' limits.
    pub limits: Limits,
    /// When the request's time is up.
    pub deadline: Instant,
    /// Answers look-ups.
    pub inventory: Arc<dyn Inventory>,
}

/// One installed policy in a call.
#[derive(Clone, Debug)]
pub struct Unit<'a> {
    /// Ascending indexes into [`Manifest::rules`].
    pub rules: &'a [RuleIndex],
    /// The profile in force for this request.
    pub profile: Profile,
    /// JSON text, already checked.
    pub settings: &'a str,
}

/// What a policy may spend on one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of the guest's own running time.
    pub timeout: Duration,
    /// Of linear memory, bytes.
    pub memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { timeout: Duration::from_millis(200), memory: 64 << 20 }
    }
}

/// An answer, with what it cost.
#[derive(Debug)]
pub struct Evaluated<T> {
    /// A failure is an error; a denial is data inside the answer.
    pub answer: Result<T, EvaluateError>,
    /// Waiting for a permit.
    pub queued: Duration,
    /// Instantiation, run and drop.
    pub ran: Duration,
}

/// One unit's answer to `validate`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judgement {
    /// What is broken.
    pub findings: Vec<Finding>,
    /// What could not be decided.
    pub undecided: Vec<Undecided>,
}

/// A rule is broken. What that leads to is decided by [`crate::verdict`].
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Which rule.
    pub rule: RuleIndex,
    /// JSON Pointer into the object; empty for the object as a whole.
    pub path: String,
    /// A stable name of the place, `volumeClaimTemplates[data]`: what the ratchet and reports compare.
    pub place: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
    /// The rule may lower its action, never raise it.
    pub at_most: Option<Action>,
    /// A change that would repair it.
    pub remedy: Option<Change>,
}

/// A change to an object, as a guest words it.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// RFC 7386.
    MergePatch(String),
    /// RFC 6902.
    JsonPatch(String),
    /// The whole changed object.
    Object(String),
}

/// A rule that lacks a fact.
#[derive(Clone, Debug, PartialEq)]
pub struct Undecided {
    /// Which rule.
    pub rule: RuleIndex,
    /// Which fact.
    pub reason: UndecidedReason,
}

/// The fact that a rule lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UndecidedReason {
    /// Nobody asked: an audit, or a file.
    NeedsUser,
    /// The kind cannot be looked up here.
    Unavailable(GroupVersionKind<'static>),
    /// In the rule's words.
    Other(String),
}

impl UndecidedReason {
    /// All that [`Self::cause`] answers.
    pub const CAUSES: [&'static str; 3] = ["needs_user", "unavailable", "other"];

    /// A closed set for metrics: the kind, and the rule's words, are not.
    pub const fn cause(&self) -> &'static str {
        match self {
            Self::NeedsUser => Self::CAUSES[0],
            Self::Unavailable(_) => Self::CAUSES[1],
            Self::Other(_) => Self::CAUSES[2],
        }
    }
}

impl std::fmt::Display for UndecidedReason {
    /// For whoever reads a report: `v1 Service cannot be looked up here`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NeedsUser => f.write_str("nobody asked: the rule needs a user"),
            Self::Unavailable(kind) => write!(f, "{kind} cannot be looked up here"),
            Self::Other(words) => f.write_str(words),
        }
    }
}

/// One unit's answer to `mutate`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Applied in this order.
    pub mutations: Vec<Mutation>,
    /// What could not be decided.
    pub undecided: Vec<Undecided>,
}

/// One rule's change.
#[derive(Clone, Debug, PartialEq)]
pub struct Mutation {
    /// Which rule.
    pub rule: RuleIndex,
    /// The change.
    pub change: Change,
    /// Why, for the trace and for `changed` lines.
    pub note: Option<String>,
}

/// The policy broke, or could not be run. `failurePolicy` decides what that means. Texts are for users: no addresses, no paths of the host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluateError {
    /// The guest used up its own time; usually the author's fault.
    #[error("did not finish within {limit_ms} ms")]
    TimedOut {
        /// The policy's limit.
        limit_ms: u64,
    },
    /// The request's time was up first, through waiting or through others.
    #[error("did not answer before the request's time was up")]
    DeadlinePassed,
    /// `unreachable`, a panic, an access out of bounds, the stack.
    #[error("trapped: {reason}")]
    Trapped {
        /// The trap's name, e.g. `wasm unreachable instruction executed`.
        reason: String,
    },
    /// The guest asked for more than its limit.
    #[error("wanted more than {limit_bytes} bytes of memory")]
    OutOfMemory {
        /// The policy's limit.
        limit_bytes: u64,
    },
    /// Larger than the host lifts out of a guest.
    #[error("answered with more than {limit_bytes} bytes")]
    AnswerTooLarge {
        /// 1 MiB and twice the object.
        limit_bytes: u64,
    },
    /// An index out of range, a wrong count, a patch that does not apply, text that is not UTF-8.
    #[error("gave a bad answer: {reason}")]
    BadAnswer {
        /// What is wrong with it.
        reason: String,
    },
    /// The guest said so itself.
    #[error("gave up: {message}")]
    GaveUp {
        /// In the guest's words, cleaned and cut.
        message: String,
    },
    /// A look-up of a kind that no rule declares.
    #[error("looked up {kind}, which none of its rules declares")]
    UndeclaredLookup {
        /// The kind.
        kind: String,
    },
    /// One of the policy's own `matchConditions` could not be evaluated.
    #[error("could not evaluate its match condition `{condition}`: {reason}")]
    ConditionFailed {
        /// The condition's name.
        condition: String,
        /// The error, e.g. a key that the object lacks.
        reason: String,
    },
    /// No permit became free in time, or too many are waiting.
    #[error("is overloaded: {waiting} evaluations are waiting")]
    Overloaded {
        /// How many.
        waiting: usize,
    },
}

/// A field of the object that has a wrong type, as a guest words it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedField<'a> {
    /// JSON Pointer into the object. The guest says so: it may not be there.
    pub path: &'a str,
    /// What was expected and found.
    pub message: &'a str,
    /// The way out.
    pub hint: Option<&'a str>,
}

impl EvaluateError {
    /// What is wrong with the object, where that is what the guest complains about: the form that the contract gives to such an error.
    pub fn malformed_field(&self) -> Option<MalformedField<'_>> {
        let Self::GaveUp { message } = self else { return None };
        let (path, words) = message.split_once(": ").filter(|(path, _)| path.starts_with('/'))?;
        let (message, hint) = words.rsplit_once("; hint: ").map_or((words, None), |(words, hint)| (words, Some(hint)));
        Some(MalformedField { path, message, hint })
    }

    /// A closed set for metrics.
    pub const fn cause(&self) -> &'static str {
        match self {
            Self::TimedOut { .. } => "timeout",
            Self::DeadlinePassed => "deadline",
            Self::Trapped { .. } => "trap",
            Self::OutOfMemory { .. } => "memory",
            Self::AnswerTooLarge { .. } => "answer_size",
            Self::BadAnswer { .. } => "bad_answer",
            Self::GaveUp { .. } => "gave_up",
            Self::UndeclaredLookup { .. } => "undeclared_lookup",
            Self::ConditionFailed { .. } => "condition",
            Self::Overloaded { .. } => "overload",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_may_complain_about_a_field_of_the_object() {
        let gave_up = |message: &str| EvaluateError::GaveUp { message: message.to_owned() };
        let error =
            gave_up("/spec/replicas: expected an integer, found the text \"; hint: x: y\"; hint: write a number");
        assert_eq!(
            error.malformed_field(),
            Some(MalformedField {
                path: "/spec/replicas",
                message: "expected an integer, found the text \"; hint: x: y\"",
                hint: Some("write a number"),
            })
        );
        let error = gave_up("/spec: expected an object, found a list");
        assert_eq!(
            error.malformed_field(),
            Some(MalformedField { path: "/spec", message: "expected an object, found a list", hint: None })
        );
        for message in ["the settings cannot be read: /grace: no", "/spec", "/spec:", ""] {
            assert_eq!(gave_up(message).malformed_field(), None, "{message}");
        }
        assert_eq!(EvaluateError::Trapped { reason: "/spec: no".to_owned() }.malformed_field(), None);
    }
}
