//! Gives each member its role: computed from the set and the pod's name, whatever the pod brought.

use stateward_sdk::prelude::*;

use crate::Settings;
use crate::conditions::{self, POD_CREATED, POD_UPDATED};
use crate::environment;
use crate::keys::{Key, carries_keys};
use crate::member::{MemberKeys, Owner, SET_FIELDS, adopter_of, look_up, owner_of};

/// §6.3 and §6.4 of the contract.
pub const STAMP_POD: Rule = Rule {
    id: "manager-writes/stamp-pod",
    title: "Members of governed sets carry their role",
    description: "A pod that the StatefulSet controller makes for a governed set gets its role (`manager` for the first ordinal, else `worker`), the \
                  set's name, whether it may write, its ordinal and the manager's host; what the template or the pod brought is overwritten, since a \
                  template's role would make every member the manager. A pod that is adopted becomes a worker until it is made anew, and a restored \
                  pod comes in without a role.",
    category: promise::ONE_WRITER,
    severity: Severity::High,
    fixed: true,
    needs_user: true,
    subjects: &[
        Subject::of(Resource::PODS, POD_CREATED).when(conditions::POD_TO_STAMP),
        Subject::of(Resource::PODS, POD_UPDATED).when(conditions::POD_ADOPTED),
    ],
    reads: &[Read::by_name(StatefulSet::KIND, SET_FIELDS).live()],
    ..Rule::MUTATE
};

/// Writes a new member's keys, strips a restored pod's, and makes an adopted pod a worker.
pub fn stamp_pod(pod: &Pod, cx: &Context<Settings>, out: &mut Changes) {
    match (cx.operation(), cx.old().and_then(Object::as_pod)) {
        (Operation::Create, _) => stamp_new(pod, cx, out),
        (Operation::Update, Some(old)) => {
            if let Some(owner) = adopter_of(old, pod)
                && let Some(keys) = keys_by_controller(pod, owner, cx, out)
                && !keys.are_on(&pod.metadata)
            {
                write(&keys.as_worker(), pod, "an adopted pod is a worker until it is made anew", out);
            }
        }
        _ => {}
    }
}

fn stamp_new(pod: &Pod, cx: &Context<Settings>, out: &mut Changes) {
    let owner = owner_of(pod);
    match cx.user() {
        Some(user) if cx.settings.is_restorer(&user.username) => strip(pod, out),
        None if owner.is_none() && carries_keys(&pod.metadata) => out.needs_user(),
        _ => {
            if let Some(owner) = owner
                && let Some(keys) = keys_by_controller(pod, owner, cx, out)
            {
                write(&keys, pod, "the role of a member is computed from its set", out);
                if cx.settings.stamp_environment {
                    environment::stamp(pod, out);
                }
            }
        }
    }
}

/// The keys of a governed set's member, if it is the controller that asks.
fn keys_by_controller(
    pod: &Pod,
    owner: &OwnerReference,
    cx: &Context<Settings>,
    out: &mut Changes,
) -> Option<MemberKeys> {
    if cx.user().is_some_and(|user| !cx.settings.is_controller(&user.username)) {
        return None;
    }
    match look_up(owner, cx, true) {
        Owner::Other => None,
        Owner::Unknown => {
            out.unavailable::<StatefulSet>();
            None
        }
        Owner::WithoutUid => {
            out.undecided(format!("StatefulSet `{}` has no uid here", owner.name));
            None
        }
        Owner::Governed(_) if cx.user().is_none() => {
            out.needs_user();
            None
        }
        Owner::Governed(set) => MemberKeys::computed(&set, &pod.metadata.name, cx.namespace()),
    }
}

fn write(keys: &MemberKeys, pod: &Pod, note: &str, out: &mut Changes) {
    let mut patch = MergePatch::default();
    for (key, value) in keys.differences(&pod.metadata) {
        patch.set_or_remove(&["metadata", key.map], key.name, value);
    }
    out.merge(&patch, note);
}

fn strip(pod: &Pod, out: &mut Changes) {
    let mut patch = MergePatch::default();
    for key in Key::protected().filter(|key| key.of(&pod.metadata).is_some()) {
        patch.remove(&["metadata", key.map], key.name);
    }
    out.merge(&patch, "a restored pod comes in without a role");
}

#[cfg(test)]
mod tests {
    use super::STAMP_POD;
    use crate::ManagerWrites;
    use crate::examples::{bare_pod, governed_set, made_by_controller, owned_pod, plain_set, reference, with_keys};
    use crate::settings::CONTROLLER_ACCOUNT;
    use serde_json::Value;
    use stateward_sdk::testing::{Test, json};

    fn stamped(test: &Test<ManagerWrites>) -> Value {
        let changed = test.change(&[&STAMP_POD]);
        assert!(changed.undecided.is_empty(), "{:?}", changed.undecided);
        assert_eq!(
            test.with_object(&changed.object).change(&[&STAMP_POD]).changes,
            0,
            "a second stamping changes nothing"
        );
        changed.object
    }

    fn is_unchanged(test: &Test<ManagerWrites>) -> bool {
        let changed = test.change(&[&STAMP_POD]);
        changed.changes == 0 && changed.undecided.is_empty()
    }

    #[test]
    fn the_first_pod_is_the_manager() {
        assert_eq!(stamped(&made_by_controller(owned_pod("db-0"))), with_keys(owned_pod("db-0"), "manager", "0"));
        assert_eq!(stamped(&made_by_controller(owned_pod("db-1"))), with_keys(owned_pod("db-1"), "worker", "1"));
        let mut shifted = governed_set();
        shifted["spec"]["ordinals"] = json!({"start": 2});
        let test = |name| stamped(&Test::create(owned_pod(name)).by(CONTROLLER_ACCOUNT).beside(shifted.clone()));
        assert_eq!(test("db-2")["metadata"]["labels"]["stateward.dev/role"], "manager");
        assert_eq!(test("db-0")["metadata"]["labels"]["stateward.dev/role"], "worker");
        assert_eq!(test("db-0")["metadata"]["annotations"]["stateward.dev/manager-host"], "db-2.db-peers.shop.svc");
    }

    #[test]
    fn what_the_pod_brought_is_overwritten() {
        let mut forged = with_keys(owned_pod("db-1"), "manager", "0");
        forged["metadata"]["annotations"]["stateward.dev/manager"] = "db-1".into();
        assert_eq!(stamped(&made_by_controller(forged)), with_keys(owned_pod("db-1"), "worker", "1"));
    }

    #[test]
    fn without_a_service_there_is_no_manager_host() {
        let mut set = governed_set();
        set["spec"]["serviceName"] = "".into();
        let pod = with_keys(owned_pod("db-0"), "manager", "0");
        let pod = stamped(&Test::create(pod).by(CONTROLLER_ACCOUNT).beside(set));
        assert_eq!(pod["metadata"]["annotations"].get("stateward.dev/manager-host"), None);
    }

    #[test]
    fn nobody_else_gets_a_role() {
        let by = |username: &str, pod: Value| Test::create(pod).by(username).beside(governed_set());
        assert!(is_unchanged(&by("alice", owned_pod("db-0"))));
        assert!(is_unchanged(&by(CONTROLLER_ACCOUNT, bare_pod("db-0"))));
        assert!(is_unchanged(&by(CONTROLLER_ACCOUNT, owned_pod("other-0"))));
        assert!(is_unchanged(&Test::create(owned_pod("db-0")).by(CONTROLLER_ACCOUNT).beside(plain_set())));
        for (api_version, uid) in [("apps/v1", "uid-2"), ("apps.kruise.io/v1beta1", "uid-1")] {
            let mut pod = owned_pod("db-0");
            pod["metadata"]["ownerReferences"] = reference(api_version, uid);
            assert!(is_unchanged(&by(CONTROLLER_ACCOUNT, pod)), "{api_version} {uid}");
        }
    }

    #[test]
    fn without_facts_nothing_changes() {
        let no_user = Test::<ManagerWrites>::create(owned_pod("db-0")).beside(governed_set()).change(&[&STAMP_POD]);
        let no_look_up = Test::<ManagerWrites>::create(owned_pod("db-0")).by(CONTROLLER_ACCOUNT).change(&[&STAMP_POD]);
        let mut no_uid = governed_set();
        no_uid["metadata"]["uid"] = Value::Null;
        let no_uid = Test::<ManagerWrites>::create(owned_pod("db-0"))
            .by(CONTROLLER_ACCOUNT)
            .beside(no_uid)
            .change(&[&STAMP_POD]);
        for changed in [no_user, no_look_up, no_uid] {
            assert_eq!((changed.changes, changed.undecided.len()), (0, 1));
        }
        // A pod of a set that has nothing to do with the contract needs no user.
        assert!(is_unchanged(&Test::create(owned_pod("db-0")).beside(plain_set())));
    }

    #[test]
    fn a_restored_pod_comes_in_without_keys() {
        let settings = json!({"restorers": ["system:serviceaccount:velero:velero"]});
        let test = |pod| {
            Test::<ManagerWrites>::create(pod).by("system:serviceaccount:velero:velero").settings(settings.clone())
        };
        let restored = stamped(&test(with_keys(bare_pod("db-0"), "manager", "0")));
        assert_eq!(
            restored["metadata"],
            json!({"name": "db-0", "namespace": "shop", "labels": {"app": "db"}, "annotations": {}})
        );
    }

    #[test]
    fn an_adopted_pod_is_a_worker_unless_its_keys_are_right() {
        let adopt = |pod: Value| {
            let mut adopted = pod.clone();
            adopted["metadata"]["ownerReferences"] = reference("apps/v1", "uid-1");
            Test::<ManagerWrites>::update(pod, adopted).by(CONTROLLER_ACCOUNT).beside(governed_set())
        };
        assert_eq!(stamped(&adopt(bare_pod("db-0"))), with_keys(owned_pod("db-0"), "worker", "0"));
        assert!(is_unchanged(&adopt(with_keys(bare_pod("db-0"), "manager", "0"))));
        assert!(is_unchanged(&adopt(with_keys(bare_pod("db-1"), "worker", "1"))));
        assert_eq!(
            stamped(&adopt(with_keys(bare_pod("db-1"), "manager", "1"))),
            with_keys(owned_pod("db-1"), "worker", "1")
        );
        // Any other update leaves the keys to validation.
        let update = Test::update(owned_pod("db-0"), with_keys(owned_pod("db-0"), "manager", "0"))
            .by(CONTROLLER_ACCOUNT)
            .beside(governed_set());
        assert!(is_unchanged(&update));
    }

    #[test]
    fn the_environment_knows_the_role() {
        let mut pod = owned_pod("db-0");
        let wrong = json!({"name": "STATEWARD_ROLE", "value": "manager"});
        pod["spec"] = json!({
            "initContainers": [{"name": "init", "env": [{"name": "A", "value": "$(STATEWARD_ROLE)"}]}],
            "containers": [{"name": "db"}, {"name": "log", "env": [{"name": "A", "value": "1"}, wrong]}, {"name": "none", "env": null}]});
        let pod = stamped(&made_by_controller(pod).settings(json!({"stampEnvironment": true})));
        let right = json!({"name": "STATEWARD_ROLE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['stateward.dev/role']"}}});
        assert_eq!(
            pod["spec"],
            json!({
            "initContainers": [{"name": "init", "env": [right, {"name": "A", "value": "$(STATEWARD_ROLE)"}]}],
            "containers": [{"name": "db", "env": [right]}, {"name": "log", "env": [{"name": "A", "value": "1"}, right]}, {"name": "none", "env": [right]}]})
        );
    }
}
