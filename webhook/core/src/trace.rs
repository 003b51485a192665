//! Why a verdict is what it is: which policies matched, and why the others did not.

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
    /// The profile in force and where it came from.
    pub profile: String,
    /// Ids of the rules that ran.
    pub rules: Vec<String>,
    /// Microseconds of its component's call, which it may share with other policies.
    pub ran_us: Option<u64>,
}

impl Trace {
    /// Notes what a policy's call took.
    pub(crate) fn ran(&mut self, policy: &str, ran: std::time::Duration) {
        if let Some(trace) = self.policies.iter_mut().find(|trace| trace.policy == policy) {
            trace.ran_us = u64::try_from(ran.as_micros()).ok();
        }
    }
}
