//! Refuses that the first ordinal moves under members that have a role.

use stateward_sdk::prelude::*;

use crate::Settings;
use crate::adopted_pod::MEMBER_FIELDS;
use crate::conditions::{self, SET_CREATED, SET_UPDATED};
use crate::keys::{SET, is_governed};
use crate::member::{is_managing_elsewhere, member_left};
use crate::refusal::REFUSAL;

/// §6.7 of the contract.
pub const MOVED_MANAGER: Rule = Rule {
    id: "manager-writes/moved-manager",
    title: "The manager stays the first pod",
    description: "The manager is the pod of the first ordinal, and running pods keep the role they were made with. When `ordinals.start` (KEP-3335) \
                  goes from 0 to 1, pod 0 is deleted and pod 1 stays a worker: nobody writes. Back to 0, a new pod 0 becomes manager beside the old \
                  one: two write. The same holds for a set that is made again beside the pods that an earlier one left.",
    compares: true,
    subjects: &[
        Subject::of(Resource::STATEFUL_SETS, SET_CREATED).when(conditions::SET_DECLARED),
        Subject::of(Resource::STATEFUL_SETS, SET_UPDATED).when(conditions::SET_START_MOVED).fail_closed(),
    ],
    reads: &[Read::of(Pod::KIND, MEMBER_FIELDS).live()],
    ..REFUSAL
};

/// Fires on a governed set whose first ordinal changes while it has members, by its own words or by a look at its pods; of those without a role only
/// the two are asked for that would be manager. A set that leaves the contract in the same request, or joins it, is looked at as well.
pub fn moved_manager(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    let Some(old) = cx.old().and_then(Object::as_stateful_set) else { return judge_new(set, cx, out) };
    let (before, after) = (old.start(), set.start());
    if before == after || !(is_governed(set) || is_governed(old)) {
        return;
    }
    let name = &set.metadata.name;
    if old.is_live() || set.is_live() {
        let message = format!(
            "the manager would be `{name}-{after}` instead of `{name}-{before}`, and running members keep their roles"
        );
        return say(message, out);
    }
    // Two changes in a row: what the controller does for the first may come after the second.
    if old.status.observed_generation < old.metadata.generation {
        let message = "the StatefulSet controller has not followed the last change of the set yet".to_owned();
        return say(message, out);
    }
    match member_left(name, &[before, after], cx) {
        Found::Found(pod) => say(format!("pod `{pod}` is still there, with the role that it was made with"), out),
        Found::Absent => {}
        Found::Unknown => out.unavailable::<Pod>(),
    }
}

/// Fires on a governed set that is made while a pod of an earlier one is manager under another number, on its way out or not. Without a user nothing
/// is made. This is said early for whoever makes the set: nothing rests on it, so where pods cannot be looked up it is silent; the second manager
/// itself waits until the first is gone ([`second-manager`](crate::second_manager)).
fn judge_new(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    if cx.operation() != Operation::Create || cx.user().is_none() || !is_governed(set) {
        return;
    }
    let name = &set.metadata.name;
    let Some(pods) = cx.list_live::<Pod>(&format!("{SET}={name}")) else { return };
    if let Some(pod) = pods.iter().find(|pod| is_managing_elsewhere(pod, set)) {
        let pod = &pod.metadata.name;
        out.finding(
            "/spec/ordinals/start",
            "ordinals.start",
            format!("the manager would be `{name}-{}`, and pod `{pod}` of an earlier set still is one", set.start()),
        )
        .hint(format!(
            "make the set with the `ordinals.start` that it had, or delete pod `{pod}` and wait until it is gone"
        ));
    }
}

fn say(message: String, out: &mut Findings) {
    out.finding("/spec/ordinals/start", "ordinals.start", message)
        .hint("scale the set to 0, wait until its pods are gone, and change `ordinals.start` then");
}
