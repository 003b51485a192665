//! How members stop.

use stateward_sdk::images::is_database;
use stateward_sdk::prelude::*;

use crate::Settings;

/// OR-11 of the rule catalogue.
pub const ZERO_GRACE: Rule = Rule {
    id: "ordered-identity/zero-grace",
    title: "Members get time to stop",
    description: "With `terminationGracePeriodSeconds: 0` a pod's object vanishes before its node has stopped the containers. The StatefulSet \
                  then starts a replacement of the same name: two processes with one identity write to one volume \
                  (kubernetes/kubernetes#120671). One second is enough.",
    category: promise::IDENTIFIED,
    severity: Severity::Critical,
    baseline: Action::Deny,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// OR-12 of the rule catalogue.
pub const SHORT_GRACE: Rule = Rule {
    id: "ordered-identity/short-grace",
    title: "A database gets time to write down what it holds",
    description: "A database that is killed before it has flushed and closed its files begins with a recovery, or with a full copy from the manager. \
                  Less than the 30 seconds that Kubernetes gives by itself is rarely meant.",
    category: promise::ORDERED,
    severity: Severity::Low,
    baseline: Action::Audit,
    strict: Action::Warn,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// Fires on a grace period of 0 in the template. Absent is 30.
pub fn zero_grace(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    if set.spec.template.spec.grace() == 0 {
        out.finding(GRACE, PLACE, "with 0 a member's replacement may start while the member still runs")
            .hint("write at least 1; 30 or more for a database")
            .remedy(Remedy::set(GRACE, DEFAULT_GRACE));
    }
}

/// Fires on a grace period below 30 in the template of a set that runs a known database.
pub fn short_grace(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    let pod = &set.spec.template.spec;
    let grace = pod.grace();
    if grace >= DEFAULT_GRACE {
        return;
    }
    let database =
        pod.running_containers().find(|container| is_database(&container.image, &cx.settings.database_images));
    if let Some(container) = database {
        out.finding(GRACE, PLACE, format!("{grace} seconds are short for a database (container `{}`)", container.name))
            .hint("write at least 30, or leave it out; as long as a clean stop under load takes")
            .remedy(Remedy::set(GRACE, DEFAULT_GRACE));
    }
}

/// Seconds that Kubernetes gives where nothing is said.
const DEFAULT_GRACE: i64 = 30;
const GRACE: &str = "/spec/template/spec/terminationGracePeriodSeconds";
const PLACE: &str = "terminationGracePeriodSeconds";
