//! Why a verdict is what it is: which policies matched, and why the others did not.

/// Which policies matched and why not. The steps of each finding are in [`crate::verdict::Ruling::steps`].
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Trace {
    /// One for each policy of the set, in name order.
    pub policies: Vec<PolicyTrace>,
}

/// What became of one policy.
#[derive(Clone, Debug, serde::Serialize)]
pub struct PolicyTrace {
    /// Its name.
    pub policy: String,
    /// Why it had nothing to say; `None` when it matched.
    pub skipped: Option<String>,
    /// The profile in force and where it came from.
    pub profile: String,
    /// Ids of the rules that ran.
    pub rules: Vec<String>,
    /// Microseconds of its component's call, which it may share with other policies.
    pub ran_us: Option<u64>,
}
