//! Why a verdict is what it is: which policies matched, and why the others did not.

use crate::manifest::Profile;

/// Which policies matched and why not. The steps of each finding are in [`crate::verdict::Ruling::steps`].
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Trace {
    /// What was known of the namespace: its labels, or that it is not known here.
    pub namespace: Option<String>,
    /// One for each policy of the set, in name order.
    pub policies: Vec<PolicyTrace>,
    /// What came of judging the old object; `None` when no denial asked for it.
    pub ratchet: Option<String>,
}

/// What became of one policy.
#[derive(Clone, Debug, serde::Serialize)]
pub struct PolicyTrace {
    /// Its name.
    pub policy: String,
    /// Why it had nothing to say; `None` when it matched.
    pub skipped: Option<String>,
    /// The profile in force.
    pub profile: Profile,
    /// Where it comes from.
    pub profile_from: ProfileSource,
    /// Ids of the rules that ran.
    pub rules: Vec<String>,
    /// Microseconds of its component's call, which it may share with other policies.
    pub ran_us: Option<u64>,
}

/// Where a profile comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileSource {
    /// The policy asks for it, and the namespace for no stricter one.
    Policy,
    /// A namespace that is not known here may ask for a stricter one.
    UnknownNamespace,
    /// The namespace's label.
    Namespace,
}

impl ProfileSource {
    /// `strict (label of the namespace)`; what is the policy's own needs no words.
    pub fn describe(self, profile: Profile) -> String {
        match self {
            Self::Policy => profile.to_string(),
            Self::UnknownNamespace | Self::Namespace => format!("{profile} ({self})"),
        }
    }
}

impl std::fmt::Display for ProfileSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Policy => "the policy",
            Self::UnknownNamespace => "the namespace is not known here",
            Self::Namespace => "label of the namespace",
        })
    }
}

impl serde::Serialize for ProfileSource {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Trace {
    /// Notes what a policy's call took.
    pub(crate) fn ran(&mut self, policy: &str, ran: std::time::Duration) {
        if let Some(trace) = self.policies.iter_mut().find(|trace| trace.policy == policy) {
            trace.ran_us = u64::try_from(ran.as_micros()).ok();
        }
    }
}
