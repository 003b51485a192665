//! How members stop.

use stateward_sdk::prelude::*;

/// OR-11 of the rule catalogue.
pub const ZERO_GRACE: Rule = Rule {
    id: "ordered-identity/zero-grace",
    title: "Members get time to stop",
    description: "With `terminationGracePeriodSeconds: 0` a pod's object vanishes before its node has stopped the containers. The StatefulSet \
                  then starts a replacement of the same name: two processes with one identity write to one volume. One second is enough.",
    category: "Shutdown",
    severity: Severity::Critical,
    baseline: Action::Deny,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// Fires on a grace period of 0 in the template. Absent is 30.
pub fn zero_grace(set: &StatefulSet, _: &Context<NoSettings>, out: &mut Findings) {
    if set.spec.template.spec.termination_grace_period_seconds == Some(0) {
        out.finding(
            "/spec/template/spec/terminationGracePeriodSeconds",
            "terminationGracePeriodSeconds",
            "with 0 a member's replacement may start while the member still runs",
        )
        .hint("write at least 1; 30 or more for a database");
    }
}

#[cfg(test)]
mod tests {
    use super::ZERO_GRACE;
    use crate::OrderedIdentity;
    use stateward_sdk::testing::{Said, Test, json};

    fn with_grace(seconds: Option<i64>) -> Said {
        let mut set = json!({"kind": "StatefulSet", "metadata": {"name": "db"}, "spec": {"template": {"spec": {}}}});
        if let Some(seconds) = seconds {
            set["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = seconds.into();
        }
        Test::<OrderedIdentity>::create(set).judge(&ZERO_GRACE)
    }

    #[test]
    fn refuses_zero_alone() {
        assert_eq!(with_grace(Some(0)).paths(), ["/spec/template/spec/terminationGracePeriodSeconds"]);
        for accepted in [Some(1), Some(30), None] {
            assert!(with_grace(accepted).is_silent(), "{accepted:?}");
        }
    }
}
