//! Refuses that the first ordinal moves under members that have a role.

use stateward_sdk::prelude::*;

use crate::Settings;
use crate::conditions::{self, SET_UPDATED};
use crate::keys::{SET, is_governed};

/// §6.7 of the contract.
pub const MOVED_MANAGER: Rule = Rule {
    id: "manager-writes/moved-manager",
    title: "The manager stays the first pod",
    description: "The manager is the pod of the first ordinal, and running pods keep the role they were made with. When `ordinals.start` (KEP-3335) \
                  goes from 0 to 1, pod 0 is deleted and pod 1 stays a worker: nobody writes. Back to 0, a new pod 0 becomes manager beside the old \
                  one: two write.",
    category: promise::ONE_WRITER,
    severity: Severity::Critical,
    baseline: Action::Deny,
    strict: Action::Deny,
    when_undecided: Action::Deny,
    fixed: true,
    compares: true,
    subjects: &[Subject::of(Resource::STATEFUL_SETS, SET_UPDATED).when(conditions::SET_START_MOVED).fail_closed()],
    reads: &[Read::of(Pod::KIND, &[]).live()],
    ..Rule::VALIDATE
};

/// Fires on a governed set whose first ordinal changes while it has members, by its own words or by a look at its pods: `status.replicas` lags,
/// and a pod that is on its way out still writes. Members with a role are found by their set's label, whatever their number; of pods without it
/// only the two are asked for that would be manager. A set that leaves the contract in the same request, or joins it, is looked at as well.
pub fn moved_manager(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    let Some(old) = cx.old().and_then(Object::as_stateful_set) else { return };
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
    let Some(members) = cx.list_live::<Pod>(&format!("{SET}={name}")) else { return out.unavailable::<Pod>() };
    if let Some(pod) = members.iter().find(|pod| parent_of(&pod.metadata.name) == Some(name)) {
        return still_there(&pod.metadata.name, out);
    }
    for start in [before, after] {
        let pod = format!("{name}-{start}");
        match cx.find_live::<Pod>(&pod) {
            Found::Found(_) => return still_there(&pod, out),
            Found::Absent => {}
            Found::Unknown => return out.unavailable::<Pod>(),
        }
    }
}

fn still_there(pod: &str, out: &mut Findings) {
    say(format!("pod `{pod}` is still there, with the role that it was made with"), out);
}

fn say(message: String, out: &mut Findings) {
    out.finding("/spec/ordinals/start", "ordinals.start", message)
        .hint("scale the set to 0, wait until its pods are gone, and change `ordinals.start` then");
}
