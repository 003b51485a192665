//! Refuses that a pod which the controller did not make becomes a member with a role that it was not given.

use stateward_sdk::prelude::*;

use crate::Settings;
use crate::conditions::{self, POD_UPDATED, SET_CREATED};
use crate::keys::{GOVERNED, Key, MANAGER_HOST, ORDINAL, ROLE, SET, WRITE, is_governed, stamped_set};
use crate::member::{MemberKeys, Reference, SET_FIELDS, is_managing_elsewhere, sets_meant};
use crate::refusal::REFUSAL;

/// Fact 8 of the contract: adoption.
pub const ADOPTED_POD: Rule = Rule {
    id: "manager-writes/adopted-pod",
    title: "An adopted pod brings no role",
    description: "The StatefulSet controller adopts pods that have a member's name and labels, whoever made them: pods that were left behind by \
                  `kubectl delete --cascade=orphan`, or one that waited for its set. Only the controller may adopt for a governed set, and the pod then \
                  carries exactly the keys of its name, or those of a worker. A pod with a role is adopted by its governed set alone: one that was made anew without \
                  `writes` would have left the contract with its manager running. A new set does not start beside pods whose role it would change.",
    compares: true,
    needs_user: true,
    subjects: &[
        Subject::of(Resource::PODS, POD_UPDATED).when(conditions::POD_ADOPTED).fail_closed(),
        Subject::of(Resource::STATEFUL_SETS, SET_CREATED).when(conditions::SET_DECLARED),
    ],
    reads: &[Read::by_name(StatefulSet::KIND, SET_FIELDS).live(), Read::of(Pod::KIND, MEMBER_FIELDS).live()],
    ..REFUSAL
};

/// What rules about a set's members read of its pods.
pub const MEMBER_FIELDS: &[&str] = &[
    "/metadata/labels/stateward.dev~1role",
    "/metadata/labels/stateward.dev~1set",
    "/metadata/annotations/stateward.dev~1write",
    "/metadata/annotations/stateward.dev~1ordinal",
    "/metadata/deletionTimestamp",
];

/// Fires on a pod that gets a reference to a governed set from anybody but the controller, or keeps keys that do not fit; and on one with a role that
/// gets a reference to anything else.
pub fn adopted_pod(pod: &Pod, cx: &Context<Settings>, out: &mut Findings) {
    let Some(old) = cx.old().and_then(Object::as_pod) else { return };
    let before = old.metadata.controller().map(|owner| owner.uid.as_str());
    let Some(owner) = pod.metadata.controller().filter(|owner| before != Some(owner.uid.as_str())) else { return };
    if stamped_set(&old.metadata).is_some_and(|set| departs(set, owner, old, cx, out)) {
        return;
    }
    for set in sets_meant(pod, Some(owner)) {
        judge(set, owner, pod, cx, out);
    }
}

/// Of a pod with a role that its set has let go: whoever takes it instead would have a manager, and not be in the contract.
fn departs(set: &str, owner: &OwnerReference, pod: &Pod, cx: &Context<Settings>, out: &mut Findings) -> bool {
    let names_set = owner.kind.as_str() == "StatefulSet" && owner.group() == "apps" && owner.name.as_str() == set;
    let goes_on = || match cx.find_live::<StatefulSet>(set) {
        Found::Found(set) => is_governed(&set),
        Found::Absent => false,
        Found::Unknown => true,
    };
    if names_set && goes_on() {
        return false;
    }
    let role = Key::label(ROLE).of(&pod.metadata).unwrap_or_default();
    let (adopter, pod) = (format!("{} `{}`", owner.kind, owner.name), &pod.metadata.name);
    let message = format!("pod `{pod}` is a {role} of `{set}`, and {adopter}, which would adopt it, is not governed");
    let hint = if names_set {
        format!(
            "give {adopter} the annotation `stateward.dev/writes: manager-only`, or delete the pod: it is made anew, without a role"
        )
    } else {
        format!("delete the pod, or change its labels so that {adopter} does not select it")
    };
    out.finding("/metadata/ownerReferences", "ownerReferences", message).hint(hint);
    true
}

fn judge(name: &str, owner: &OwnerReference, pod: &Pod, cx: &Context<Settings>, out: &mut Findings) {
    let set = match cx.find_live::<StatefulSet>(name) {
        Found::Unknown => return out.unavailable::<StatefulSet>(),
        Found::Found(set) if is_governed(&set) => set,
        Found::Found(_) | Found::Absent => return,
    };
    let is_own = match Reference::of(owner, &set) {
        Reference::Own => true,
        Reference::Claim => false,
        Reference::Other => return,
        Reference::WithoutUid => return out.undecided(format!("StatefulSet `{name}` has no uid here")),
    };
    let Some(user) = cx.user() else { return out.needs_user() };
    if !(is_own && cx.settings.is_controller(&user.username)) {
        out.finding(
            "/metadata/ownerReferences",
            "ownerReferences",
            format!("`{}` would become a member of the governed set `{name}`, which only the StatefulSet controller adopts for", pod.metadata.name),
        )
        .hint(format!("leave the reference out; to have more members, raise `replicas` of `{name}`"));
        return;
    }
    match MemberKeys::computed(&set, &pod.metadata.name, cx.namespace()) {
        None => {
            out.finding(
                "/metadata/name",
                "name",
                format!("`{}` is not the name of a member of `{name}`", pod.metadata.name),
            )
            .hint(format!("delete the pod, or change its labels so that `{name}` does not select it"));
        }
        Some(keys) if keys.are_on(&pod.metadata) => {}
        Some(keys) => judge_worker(&keys.as_worker(), pod, out),
    }
}

/// Where it finds its manager may be the old set's word, and its template's label is not a role.
fn judge_worker(keys: &MemberKeys, pod: &Pod, out: &mut Findings) {
    for (key, right) in keys.differences(&pod.metadata) {
        if key == Key::annotation(MANAGER_HOST) || key == Key::label(GOVERNED) {
            continue;
        }
        let is = key.of(&pod.metadata).map_or_else(|| "absent".to_owned(), |value| format!("`{value}`"));
        let right = right.map_or_else(|| "absent".to_owned(), |value| format!("`{value}`"));
        out.finding(key.path("/metadata"), key.place(""), format!("{} `{}` is {is}; for an adopted pod it is {right}", key.word(), key.name))
            .hint("if this is the controller, the mutating webhook was away, and it tries again; otherwise delete the pod, and it is made anew with its role");
    }
}

/// Fires on a governed set that is made while pods of its members' names are there whose role would change. Without a user nothing is made: a scan
/// looks at the members themselves. A pod that is on its way out is not adopted, and one that still manages under another number is
/// [`moved-manager`](crate::moved_manager)'s. This is said early for whoever makes the set: nothing rests on it, so where pods cannot be looked up it is
/// silent; each pod is judged again, and closed, when it is adopted or made.
pub fn adopted_pod_of_set(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    if cx.operation() != Operation::Create || cx.user().is_none() || !is_governed(set) {
        return;
    }
    let name = &set.metadata.name;
    let Some(pods) = cx.list_live::<Pod>(&format!("{SET}={name}")) else { return };
    if pods.iter().any(|pod| is_managing_elsewhere(pod, set)) {
        return;
    }
    for pod in pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_empty()) {
        let Some(keys) = MemberKeys::computed(set, &pod.metadata.name, cx.namespace()) else { continue };
        let is_wrong = |key: &Key| [Key::label(ROLE), Key::annotation(WRITE), Key::annotation(ORDINAL)].contains(key);
        let Some((key, right)) = keys.differences(&pod.metadata).into_iter().find(|(key, _)| is_wrong(key)) else {
            continue;
        };
        let is = key.of(&pod.metadata).map_or_else(|| "absent".to_owned(), |value| format!("`{value}`"));
        let pod = &pod.metadata.name;
        let right = right.unwrap_or_default();
        out.finding(
            "/metadata/name",
            "name",
            format!(
                "pod `{pod}` is there already, and its `{}` is {is}; as a member of `{name}` it would be `{right}`",
                key.name
            ),
        )
        .hint(format!("delete pod `{pod}` first: the set makes it anew, with its role"));
    }
}
