//! Refuses changes of protected keys, on every way that leads to an object's metadata.

use stateward_sdk::prelude::*;

use crate::Settings;
use crate::conditions::{self, BINDING_CREATED, POD_UPDATED, SET_UPDATED};
use crate::keys::{GOVERNED, Key, MANAGER, MANAGER_HOST, WRITES, is_governed, is_opt_out, manager_name};
use crate::member::{MemberKeys, Owner, SET_FIELDS, adopter_of, look_up};
use crate::refusal::REFUSAL;

/// §6.5 of the contract.
pub const ROLE_CHANGE: Rule = Rule {
    id: "manager-writes/role-change",
    title: "A role stays what it is",
    description: "A pod keeps its role as long as it lives. Labels can be changed through pods, their status, and bindings, which overwrite the \
                  pod's labels; annotations of a set also through its status. One changed label makes a second manager, or leaves none \
                  (grafana/jsonnet-libs#1652).",
    compares: true,
    needs_user: true,
    subjects: &[
        Subject::of(Resource::PODS, POD_UPDATED).when(conditions::POD_KEYS_DIFFER).fail_closed(),
        Subject::of(Resource::PODS.sub("status"), POD_UPDATED).when(conditions::POD_KEYS_DIFFER).fail_closed(),
        Subject::of(Resource::PODS.sub("binding"), BINDING_CREATED).when(conditions::WITH_KEYS).fail_closed(),
        Subject::of(Resource::BINDINGS, BINDING_CREATED).when(conditions::WITH_KEYS).fail_closed(),
        Subject::of(Resource::STATEFUL_SETS, SET_UPDATED).when(conditions::SET_KEYS_DIFFER).fail_closed(),
        Subject::of(Resource::STATEFUL_SETS.sub("status"), SET_UPDATED)
            .when(conditions::SET_STATUS_KEYS_DIFFER)
            .fail_closed(),
    ],
    reads: &[Read::by_name(StatefulSet::KIND, SET_FIELDS)],
    ..REFUSAL
};

/// Fires on a pod's changed keys, unless the controller adopts it and it becomes a worker.
pub fn role_change_of_pod(pod: &Pod, cx: &Context<Settings>, out: &mut Findings) {
    let Some(old) = cx.old().and_then(Object::as_pod) else { return };
    if differing(&old.metadata, &pod.metadata).next().is_none() {
        return;
    }
    if let Some(owner) = adopter_of(old, pod) {
        let Some(user) = cx.user() else { return out.needs_user() };
        if cx.settings.is_controller(&user.username) {
            match look_up(owner, cx, false) {
                Owner::Unknown => return out.unavailable::<StatefulSet>(),
                Owner::WithoutUid => return out.undecided(format!("StatefulSet `{}` has no uid here", owner.name)),
                Owner::Governed(set) if joins_as_worker(&set, old, pod, cx) => return,
                Owner::Governed(_) | Owner::Other => {}
            }
        }
    }
    report_all(&old.metadata, &pod.metadata, "/metadata", "", out);
}

/// Fires on a pod's keys that change through its status.
pub fn role_change_of_pod_status(pod: &Pod, cx: &Context<Settings>, out: &mut Findings) {
    if let Some(old) = cx.old().and_then(Object::as_pod) {
        report_all(&old.metadata, &pod.metadata, "/metadata", "", out);
    }
}

/// Fires on a binding that would write keys onto the pod, whoever asks.
pub fn role_change_of_binding(binding: &Binding, _: &Context<Settings>, out: &mut Findings) {
    report_all(&ObjectMeta::default(), &binding.metadata, "/metadata", "", out);
}

/// Fires on a set's changed keys, unless they follow the contract.
pub fn role_change_of_set(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    let Some(old) = cx.old().and_then(Object::as_stateful_set) else { return };
    let is_leaving = is_opt_out(old, set.metadata.annotations.get(WRITES));
    for key in differing(&old.metadata, &set.metadata) {
        let value = key.of(&set.metadata);
        let is_named = is_governed(set) && value.is_some() && value == manager_name(set).as_deref();
        if key != Key::annotation(MANAGER) || !(is_named || is_leaving && value.is_none()) {
            report(key, &old.metadata, &set.metadata, "/metadata", "", out);
        }
    }
    let (before, after) = (&old.spec.template.metadata, &set.spec.template.metadata);
    for key in differing(before, after) {
        let (was, is) = (key.of(before), key.of(after));
        let is_joining = is_governed(set) && was.is_none() && is == Some("true");
        if key != Key::label(GOVERNED) || !(is_joining || is_leaving && is.is_none()) {
            report(key, before, after, "/spec/template/metadata", "template", out);
        }
    }
}

/// Fires on a set's keys that change through its status.
pub fn role_change_of_set_status(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    if let Some(old) = cx.old().and_then(Object::as_stateful_set) {
        report_all(&old.metadata, &set.metadata, "/metadata", "", out);
    }
}

/// What stamping an adopted pod leaves: a worker that may not write, of this set and ordinal. The host may still be the old one's.
fn joins_as_worker(set: &StatefulSet, old: &Pod, pod: &Pod, cx: &Context<Settings>) -> bool {
    let Some(keys) = MemberKeys::computed(set, &pod.metadata.name, cx.namespace()) else { return false };
    let is_kept = |key: Key| {
        key == Key::annotation(MANAGER_HOST)
            && matches!(key.of(&pod.metadata), value if value.is_none() || value == key.of(&old.metadata))
    };
    let governed = Key::label(GOVERNED);
    let is_same_label = governed.of(&old.metadata) == governed.of(&pod.metadata);
    is_same_label
        && keys.as_worker().differences(&pod.metadata).iter().all(|(key, _)| is_kept(*key) || *key == governed)
}

fn differing<'m>(old: &'m ObjectMeta, new: &'m ObjectMeta) -> impl Iterator<Item = Key> + 'm {
    Key::protected().filter(|key| key.of(old) != key.of(new))
}

fn report_all(old: &ObjectMeta, new: &ObjectMeta, metadata: &str, owner: &str, out: &mut Findings) {
    for key in differing(old, new) {
        report(key, old, new, metadata, owner, out);
    }
}

fn report(key: Key, old: &ObjectMeta, new: &ObjectMeta, metadata: &str, owner: &str, out: &mut Findings) {
    let (word, name) = (key.word(), key.name);
    let (change, hint) = match (key.of(old), key.of(new)) {
        (Some(was), Some(is)) => (format!("changes from `{was}` to `{is}`"), format!("leave it `{was}`")),
        (Some(was), None) => (format!("is removed; it was `{was}`"), format!("keep `{name}: {was}`")),
        (None, is) => (format!("is added with `{}`", is.unwrap_or_default()), "leave it out".to_owned()),
    };
    out.finding(key.path(metadata), key.place(owner), format!("protected {word} `{name}` {change}")).hint(format!(
        "{hint}: a member's role follows from its set and name, and only making the pod anew changes it"
    ));
}

#[cfg(test)]
mod tests {
    use super::ROLE_CHANGE;
    use crate::ManagerWrites;
    use crate::examples::{bare_pod, governed_set, owned_pod, plain_set, reference, with_keys};
    use crate::settings::CONTROLLER_ACCOUNT;
    use serde_json::Value;
    use stateward_sdk::testing::{Said, Test, json};

    fn update(old: Value, new: Value) -> Test<ManagerWrites> {
        Test::update(old, new).by("alice").beside(governed_set())
    }

    fn of_set(old: Value, new: Value) -> Said {
        update(old, new).judge(&ROLE_CHANGE)
    }

    fn worker() -> Value {
        with_keys(owned_pod("db-1"), "worker", "1")
    }

    #[test]
    fn keys_of_pods_stay_what_they_are() {
        for user in ["alice", CONTROLLER_ACCOUNT, "system:kube-scheduler"] {
            let mut relabelled = worker();
            relabelled["metadata"]["labels"]["stateward.dev/role"] = "manager".into();
            let test = update(worker(), relabelled).by(user);
            assert_eq!(test.judge(&ROLE_CHANGE).places(), ["labels[stateward.dev/role]"]);
            assert_eq!(test.to_subresource("status").judge(&ROLE_CHANGE).places(), ["labels[stateward.dev/role]"]);
            assert_eq!(update(worker(), owned_pod("db-1")).by(user).judge(&ROLE_CHANGE).findings.len(), 5);
        }
        let mut other = worker();
        other["metadata"]["labels"]["tier"] = "x".into();
        assert!(update(worker(), other).judge(&ROLE_CHANGE).is_silent());
    }

    #[test]
    fn an_adopted_pod_may_become_a_worker() {
        let orphan = || with_keys(bare_pod("db-0"), "manager", "5");
        let adopted = |role| with_keys(owned_pod("db-0"), role, "0");
        let by = |user: &str, new| update(orphan(), new).by(user);
        assert!(by(CONTROLLER_ACCOUNT, adopted("worker")).judge(&ROLE_CHANGE).is_silent());
        assert_eq!(by("alice", adopted("worker")).judge(&ROLE_CHANGE).findings.len(), 3);
        assert_eq!(
            update(bare_pod("db-0"), adopted("manager")).by(CONTROLLER_ACCOUNT).judge(&ROLE_CHANGE).findings.len(),
            5
        );
        assert_eq!(
            by(CONTROLLER_ACCOUNT, with_keys(owned_pod("db-0"), "worker", "1")).judge(&ROLE_CHANGE).findings.len(),
            3
        );
        assert!(!by(CONTROLLER_ACCOUNT, adopted("worker")).to_subresource("status").judge(&ROLE_CHANGE).is_silent());
        let mut of_other = adopted("worker");
        of_other["metadata"]["ownerReferences"] = reference("apps/v1", "uid-2");
        assert_eq!(by(CONTROLLER_ACCOUNT, of_other).judge(&ROLE_CHANGE).findings.len(), 3);
        // An adoption that leaves the keys alone changes nothing.
        assert!(
            update(with_keys(bare_pod("db-0"), "manager", "0"), adopted("manager")).judge(&ROLE_CHANGE).is_silent()
        );
    }

    #[test]
    fn an_adoption_without_facts_is_undecided() {
        let adoption = Test::<ManagerWrites>::update(
            with_keys(bare_pod("db-0"), "manager", "5"),
            with_keys(owned_pod("db-0"), "worker", "0"),
        );
        assert!(adoption.clone().beside(governed_set()).judge(&ROLE_CHANGE).is_undecided());
        assert!(adoption.by(CONTROLLER_ACCOUNT).judge(&ROLE_CHANGE).is_undecided());
    }

    #[test]
    fn bindings_carry_no_keys_whoever_asks() {
        let binding = |labels: Value| json!({"kind": "Binding", "metadata": {"name": "db-0", "labels": labels}, "target": {"name": "a"}});
        let judge = |labels: Value| {
            let test = Test::<ManagerWrites>::create(binding(labels)).by("system:kube-scheduler");
            let legacy = test.judge(&ROLE_CHANGE);
            assert_eq!(legacy, test.to_subresource("binding").judge(&ROLE_CHANGE));
            legacy
        };
        assert!(judge(json!({"topology.kubernetes.io/zone": "a"})).is_silent());
        assert_eq!(judge(json!({"stateward.dev/role": "manager"})).places(), ["labels[stateward.dev/role]"]);
    }

    #[test]
    fn sets_join_and_leave_by_the_contract() {
        assert!(of_set(plain_set(), governed_set()).is_silent());
        let mut opted_in = governed_set();
        opted_in["spec"]["template"]["metadata"]["labels"] = json!({"app": "db"});
        assert!(of_set(plain_set(), opted_in.clone()).is_silent());
        assert!(of_set(opted_in, governed_set()).is_silent());
        let mut moved = governed_set();
        moved["spec"]["ordinals"] = json!({"start": 1});
        moved["metadata"]["annotations"]["stateward.dev/manager"] = "db-1".into();
        assert!(of_set(governed_set(), moved).is_silent());

        let mut stopped = governed_set();
        stopped["spec"]["replicas"] = 0.into();
        let mut left = plain_set();
        left["metadata"]["annotations"] = json!({"stateward.dev/writes": "any"});
        assert!(of_set(stopped, left.clone()).is_silent());
        assert_eq!(
            of_set(governed_set(), left).places(),
            ["annotations[stateward.dev/manager]", "template.labels[stateward.dev/governed]"]
        );
    }

    #[test]
    fn other_changes_of_sets_are_refused() {
        let mut unnamed = governed_set();
        unnamed["metadata"]["annotations"] = json!({"stateward.dev/writes": "manager-only"});
        assert_eq!(of_set(governed_set(), unnamed).places(), ["annotations[stateward.dev/manager]"]);
        let mut renamed = governed_set();
        renamed["metadata"]["annotations"]["stateward.dev/manager"] = "db-2".into();
        let test = update(governed_set(), renamed);
        assert_eq!(test.judge(&ROLE_CHANGE).places(), ["annotations[stateward.dev/manager]"]);
        assert_eq!(test.to_subresource("status").judge(&ROLE_CHANGE).places(), ["annotations[stateward.dev/manager]"]);
        let mut templated = governed_set();
        templated["spec"]["template"]["metadata"]["labels"]["stateward.dev/role"] = "manager".into();
        assert_eq!(of_set(governed_set(), templated).places(), ["template.labels[stateward.dev/role]"]);
        let mut unasked = plain_set();
        unasked["spec"]["template"]["metadata"]["labels"]["stateward.dev/governed"] = "true".into();
        assert_eq!(of_set(plain_set(), unasked).places(), ["template.labels[stateward.dev/governed]"]);
        let mut through_status = governed_set();
        through_status["metadata"]["annotations"]["stateward.dev/manager"] = Value::Null;
        assert!(!update(governed_set(), through_status).to_subresource("status").judge(&ROLE_CHANGE).is_silent());
    }
}
