//! Names members that have no role yet, and how they get one.

use stateward_sdk::prelude::*;

use crate::Settings;
use crate::conditions::{self, SET_CREATED, SET_UPDATED};
use crate::keys::{Key, ROLE, is_governed};

/// §6.7 of the contract.
pub const UNSTAMPED_MEMBERS: Rule = Rule {
    id: "manager-writes/unstamped-members",
    title: "Every running member has its role",
    description: "A role is given when a pod is made, and nothing is restarted for it. Members that ran before the set joined the contract, that \
                  `updateStrategy: OnDelete` or a `partition` keeps, or that were made while the webhook was away have none until they are made anew: \
                  the write Service does not lead to them, and nothing tells them not to write.",
    category: promise::ONE_WRITER,
    severity: Severity::Medium,
    baseline: Action::Audit,
    strict: Action::Warn,
    subjects: &[
        Subject::of(Resource::STATEFUL_SETS, SET_CREATED).when(conditions::SET_DECLARED),
        Subject::of(Resource::STATEFUL_SETS, SET_UPDATED).when(conditions::SET_DECLARED),
    ],
    reads: &[Read::of(
        Pod::KIND,
        &["/metadata/labels/stateward.dev~1role", "/metadata/ownerReferences", "/metadata/deletionTimestamp"],
    )
    .live()],
    ..Rule::VALIDATE
};

/// Fires on a governed set with such members. A set that is being made has none of its own; one from a file that no API server has stored neither.
pub fn unstamped_members(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    let is_being_made = cx.operation() == Operation::Create && cx.user().is_some();
    if !is_governed(set) || is_being_made || set.metadata.uid.is_empty() {
        return;
    }
    let Some(labels) = selector_of(set) else {
        return out.undecided("the set's selector has expressions, and pods are looked up by labels");
    };
    let Some(pods) = cx.list_live::<Pod>(&labels) else { return out.unavailable::<Pod>() };
    let role = Key::label(ROLE);
    let mut members: Vec<(i64, &str)> = pods
        .iter()
        .filter(|pod| role.of(&pod.metadata).is_none() && pod.metadata.deletion_timestamp.is_empty())
        .filter(|pod| pod.metadata.controlling_set().is_some_and(|owner| owner.uid == set.metadata.uid))
        .filter_map(|pod| Some((member_of(&pod.metadata.name)?.1, pod.metadata.name.as_str())))
        .collect();
    // The order of a rolling update: workers first, and the manager, which is the first ordinal, when all others have their role.
    members.sort_unstable_by(|a, b| b.cmp(a));
    let Some((_, next)) = members.first() else { return };
    let names: Vec<String> = members.iter().take(MOST_NAMES).map(|(_, name)| format!("`{name}`")).collect();
    let more = members.len().saturating_sub(MOST_NAMES);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let (word, have) = if members.len() == 1 { ("member", "has") } else { ("members", "have") };
    out.finding(
        "/metadata/annotations/stateward.dev~1writes",
        "annotations[stateward.dev/writes]",
        format!("{} {word} {have} no role: {}{more}", members.len(), names.join(", ")),
    )
    .hint(format!(
        "make them anew one after the other, in this order: `kubectl delete pod {next} --namespace {}`, and the next one when it is Ready",
        cx.namespace()
    ));
}

/// As a label selector; `None` when it is more than labels.
fn selector_of(set: &StatefulSet) -> Option<String> {
    let selector = &set.spec.selector;
    let labels: Vec<String> = selector.match_labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    (selector.match_expressions.is_empty() && !labels.is_empty()).then(|| labels.join(","))
}

/// A message is read in a terminal.
const MOST_NAMES: usize = 5;
