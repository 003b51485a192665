//! What a component says of itself: its rules, who they are about, what they look up. Mirrors `manifest` in `policies/wit/policy.wit`.

mod check;

pub use check::check;

use crate::request::{GroupVersionKind, GroupVersionResource, Operation};
use crate::version::Version;

/// A component's own description.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// The component's name, e.g. `stateful`.
    pub name: String,
    /// Its own version, `MAJOR.MINOR.PATCH`.
    pub version: String,
    /// One sentence.
    pub description: String,
    /// Where to read more.
    pub url: Option<String>,
    /// Units and findings name rules by their index here.
    pub rules: Vec<Rule>,
    /// JSON Schema of a policy's `settings`.
    pub settings_schema: String,
}

/// One check or change.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// `family/name`.
    pub id: String,
    /// Whether it judges or changes.
    pub kind: RuleKind,
    /// A few words.
    pub title: String,
    /// What breaks, and why.
    pub description: String,
    /// A heading to group by.
    pub category: String,
    /// How bad it is where it fires.
    pub severity: Severity,
    /// The component's version that first had it.
    pub since: String,
    /// Its action in profile `baseline`.
    pub baseline: Action,
    /// Its action in profile `strict`.
    pub strict: Action,
    /// What it means at admission when the rule could not be decided.
    pub when_undecided: Action,
    /// Cannot be overridden, exempted or left out alone.
    pub fixed: bool,
    /// Compares the old object with the new: never ratcheted. A mutating rule puts back on UPDATE what the old object has.
    pub compares: bool,
    /// Undecided without a user.
    pub needs_user: bool,
    /// What it judges.
    pub subjects: Vec<Subject>,
    /// What it looks up.
    pub reads: Vec<Read>,
}

impl Rule {
    /// Whether a request goes on without its judgement, whatever its policy's `failurePolicy`, except where a subject is fail-closed. What a fixed rule means
    /// is no choice of the policy's: one that lets pass what it cannot decide lets pass what it was not asked about.
    pub fn is_unawaited(&self) -> bool {
        self.kind == RuleKind::Validate && self.fixed && self.when_undecided != Action::Deny
    }
}

/// Judges or changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleKind {
    /// Answers with findings.
    Validate,
    /// Answers with changes.
    Mutate,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Low,
    /// Will hurt some day.
    Medium,
    /// Hurts at the next failure.
    High,
    /// Loses data.
    Critical,
}

/// What a finding leads to, from nothing to most. `Apply` is for mutating rules alone.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
pub enum Action {
    /// Nothing.
    Off,
    /// An audit annotation and a metric.
    Audit,
    /// A warning to the client.
    Warn,
    /// The request is refused.
    Deny,
    /// The change is made.
    Apply,
}

/// A set of defaults for all rules.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Denies only what is surely wrong.
    #[default]
    Baseline,
    /// The whole lecture.
    Strict,
}

/// What a rule judges.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// Exact; `subresource` empty is the main resource.
    pub resource: GroupVersionResource<'static>,
    /// Never empty.
    pub operations: Vec<Operation>,
    /// CEL for the API server alone, to save calls. The host never evaluates it: its author is not trusted.
    pub condition: Option<String>,
    /// A failed or missing answer refuses the request, whatever the policy's `failurePolicy`.
    pub fail_closed: bool,
}

/// What a rule looks up.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// Of which kind.
    pub kind: GroupVersionKind<'static>,
    /// JSON Pointers; look-ups answer these beside name, namespace, uid and labels.
    pub fields: Vec<String>,
    /// Only look-ups by name answer them; a list is spared what one rule reads of one object.
    pub by_name: bool,
    /// May ask the API server instead of a cache.
    pub live: bool,
}

/// The `v0.1` that pins the defaults of a component's version `0.1.3`.
pub fn profile_version(version: &str) -> Option<String> {
    Version::parse(version).map(|version| version.profile_version().to_string())
}

impl Manifest {
    /// A rule by its index.
    pub fn rule(&self, index: u32) -> Option<&Rule> {
        self.rules.get(index as usize)
    }
}

impl Rule {
    /// The part of the id before the slash.
    pub fn family(&self) -> &str {
        self.id.split_once('/').map_or(self.id.as_str(), |(family, _)| family)
    }

    /// It changes objects, and on UPDATE writes again what the old one has, also where its action is off.
    pub fn puts_back(&self, operation: Operation) -> bool {
        self.kind == RuleKind::Mutate && self.compares && operation == Operation::Update
    }

    /// Its action in a profile.
    pub const fn action(&self, profile: Profile) -> Action {
        match profile {
            Profile::Baseline => self.baseline,
            Profile::Strict => self.strict,
        }
    }
}

impl std::fmt::Display for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Baseline => "baseline",
            Self::Strict => "strict",
        })
    }
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Audit => "audit",
            Self::Warn => "warn",
            Self::Deny => "deny",
            Self::Apply => "apply",
        })
    }
}
