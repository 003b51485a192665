//! How members come to a new template: one after the other, the last one first.

use stateward_sdk::prelude::*;

use crate::Settings;

/// OR-5 of the rule catalogue.
pub const ON_DELETE_UPDATE: Rule = Rule {
    id: "ordered-identity/on-delete-update",
    title: "The controller updates members in order",
    description: "With `OnDelete` a new template changes nothing until somebody deletes the members, in an order that nothing enforces. Until then \
                  some run the old template, and whoever is replaced after a failure comes back with the new one. Operators use it to order restarts \
                  themselves, the manager last.",
    category: promise::ORDERED,
    severity: Severity::Low,
    baseline: Action::Audit,
    strict: Action::Warn,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// OR-6 of the rule catalogue.
///
/// The catalogue counts from 0; the controller counts the partition from `ordinals.start` (`newVersionedStatefulSetPod`), and so does the message.
pub const FROZEN_PARTITION: Rule = Rule {
    id: "ordered-identity/frozen-partition",
    title: "Every member gets a new template",
    description: "Members below `rollingUpdate.partition` keep their template, and come back with it when they are deleted. A canary that was \
                  forgotten stops all later updates without a word.",
    category: promise::ORDERED,
    severity: Severity::Medium,
    baseline: Action::Warn,
    strict: Action::Warn,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// OR-7 of the rule catalogue.
///
/// What counts is the number in effect: as the controller does, shares are rounded down to no less than 1 (`getStatefulSetMaxUnavailable`); the
/// field's own documentation says up. 1 is the default and never too many, of however few; any more than half of the set is more than 1.
pub const BATCH_UPDATE: Rule = Rule {
    id: "ordered-identity/batch-update",
    title: "Members are updated one after the other",
    description: "With `maxUnavailable` above 1 several members are down at once: a quorum may be lost, and a worker may restart beside the one that it \
                  synchronises from. With `Parallel` there is no order inside a batch either (KEP-961).",
    category: "ordered, available",
    severity: Severity::Medium,
    baseline: Action::Warn,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// OR-8 of the rule catalogue.
pub const RECREATE_UPDATE: Rule = Rule {
    id: "ordered-identity/recreate-update",
    title: "An update leaves members running",
    description: "An update of type `Recreate` (1.37 alpha, KEP-3541) takes all members down together: nobody serves, and nobody is left to \
                  synchronise from.",
    category: "ordered, available",
    severity: Severity::High,
    baseline: Action::Warn,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// OR-13 of the rule catalogue.
///
/// With `OnDelete` the controller never calls a roll-out done (`completeRollingUpdate`), so there is none that could be unfinished.
pub const STALLED_ROLLOUT: Rule = Rule {
    id: "ordered-identity/stalled-rollout",
    title: "One roll-out is done before the next begins",
    description: "While a member of the last roll-out is not ready, the controller waits for it before it updates any other: also when the new template \
                  is the repair. Such a member must be deleted by hand (kubernetes/kubernetes#67250).",
    category: "ordered, available",
    severity: Severity::Low,
    baseline: Action::Audit,
    strict: Action::Warn,
    compares: true,
    subjects: &[Subject::of(Resource::STATEFUL_SETS, &[Operation::Update])],
    ..Rule::VALIDATE
};

/// Fires on `OnDelete`. Absent is `RollingUpdate`.
pub fn on_delete_update(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    match set.update_type() {
        Some(UpdateType::RollingUpdate | UpdateType::Recreate) => {}
        Some(UpdateType::OnDelete) => {
            out.finding(TYPE, PLACE, "`OnDelete` updates a member only when somebody deletes it")
                .hint("write `RollingUpdate`, or leave it out; keep it if an operator restarts members in order");
        }
        None => unknown_type(set, out),
    }
}

/// Fires on an update type that takes all pods down together.
pub fn recreate_update(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    match set.update_type() {
        Some(UpdateType::RollingUpdate | UpdateType::OnDelete) => {}
        Some(UpdateType::Recreate) => {
            out.finding(TYPE, PLACE, "`Recreate` takes all members down together")
                .hint("write `RollingUpdate`, or leave it out")
                .remedy(Remedy::set(TYPE, "RollingUpdate"));
        }
        None => unknown_type(set, out),
    }
}

/// Fires on a partition above 0 of a rolling update; says which members it leaves behind.
pub fn frozen_partition(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    let partition = set.spec.update_strategy.rolling_update.partition;
    if partition <= 0 || !is_rolling(set, out) {
        return;
    }
    let (start, replicas) = (set.start(), set.replicas());
    let who = match partition {
        _ if replicas == 1 => format!("the only member, {start}, is never updated"),
        _ if partition >= replicas && replicas > 0 => format!("all {replicas} members are never updated"),
        1 => format!("member {start} is never updated"),
        _ => format!("members {start} to {} are never updated", start.saturating_add(partition - 1)),
    };
    out.finding(
        "/spec/updateStrategy/rollingUpdate/partition",
        "updateStrategy.rollingUpdate.partition",
        format!("with partition {partition} {who}"),
    )
    .hint("write `partition: 0`, or leave it out, once the new template has proved itself");
}

/// Fires on several members that may be down at once in a rolling update.
pub fn batch_update(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    let Some(limit) = &set.spec.update_strategy.rolling_update.max_unavailable else { return };
    let replicas = set.replicas();
    let what = match (limit, limit.percent()) {
        (IntOrString::Int(..=1), _) => return,
        (IntOrString::Int(number), _) => format!("{number} of {replicas} members may be down at once"),
        (IntOrString::String(text), None) => {
            return out.undecided(format!("`maxUnavailable: {text}` is neither a number nor a percentage"));
        }
        (IntOrString::String(text), Some(percent)) => {
            let down = percent.saturating_mul(replicas) / 100;
            if down <= 1 {
                return;
            }
            format!("{text} of the set may be down at once: {down} of {replicas} members")
        }
    };
    if is_rolling(set, out) {
        out.finding(MAX_UNAVAILABLE, "updateStrategy.rollingUpdate.maxUnavailable", what)
            .hint("write `maxUnavailable: 1`, or leave it out")
            .remedy(Remedy::set(MAX_UNAVAILABLE, 1));
    }
}

/// Fires on an UPDATE of the template of a set whose last roll-out is not done.
pub fn stalled_rollout(_: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    let Some(Object::StatefulSet(old)) = cx.old() else { return };
    let (current, update) = (&old.status.current_revision, &old.status.update_revision);
    if current == update || old.update_type() == Some(UpdateType::OnDelete) || !cx.changes_template() {
        return;
    }
    if old.update_type().is_none() {
        return unknown_type(old, out);
    }
    out.finding(
        "/spec/template",
        "template",
        format!("the last roll-out (`{current}` to `{update}`) is not done, and this one waits for the same members"),
    )
    .hint("wait for `kubectl rollout status`, or delete by hand, after this change, a member that never gets ready");
}

/// Only rolling updates have a partition and a limit.
fn is_rolling(set: &StatefulSet, out: &mut Findings) -> bool {
    match set.update_type() {
        Some(update_type) => update_type == UpdateType::RollingUpdate,
        None => {
            unknown_type(set, out);
            false
        }
    }
}

fn unknown_type(set: &StatefulSet, out: &mut Findings) {
    out.undecided(format!("`updateStrategy.type: {}` is not known here", set.spec.update_strategy.kind));
}

const MAX_UNAVAILABLE: &str = "/spec/updateStrategy/rollingUpdate/maxUnavailable";
const TYPE: &str = "/spec/updateStrategy/type";
const PLACE: &str = "updateStrategy.type";

#[cfg(test)]
mod tests {
    use super::{BATCH_UPDATE, FROZEN_PARTITION};
    use crate::OrderedIdentity;
    use proptest::prelude::*;
    use serde_json::Value;
    use stateward_sdk::testing::{Said, Test, json};

    fn judge(rule: &stateward_sdk::rule::Rule, replicas: i64, start: i64, rolling_update: Value) -> Said {
        let set = json!({"kind": "StatefulSet", "metadata": {"name": "db"}, "spec": {"replicas": replicas, "ordinals": {"start": start},
            "updateStrategy": {"rollingUpdate": rolling_update}}});
        Test::<OrderedIdentity>::create(set).judge(rule)
    }

    proptest! {
        /// What the controller computes (`getStatefulSetMaxUnavailable`).
        #[test]
        fn a_share_is_judged_as_the_number_that_it_is(percent in 1..=100_i64, replicas in 0..200_i64) {
            let down = (percent * replicas / 100).max(1);
            let said = judge(&BATCH_UPDATE, replicas, 0, json!({"maxUnavailable": format!("{percent}%")}));
            prop_assert_eq!(said.is_silent(), down == 1);
            let said = judge(&BATCH_UPDATE, replicas, 0, json!({"maxUnavailable": down}));
            prop_assert_eq!(said.is_silent(), down == 1);
        }

        #[test]
        fn every_partition_is_reported(partition in 1..=i64::from(i32::MAX), replicas in 0..5_i64, start in 0..5_i64) {
            prop_assert_eq!(judge(&FROZEN_PARTITION, replicas, start, json!({"partition": partition})).findings.len(), 1);
        }
    }
}
