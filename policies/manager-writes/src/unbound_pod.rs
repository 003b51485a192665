//! Refuses pods that claim to be members and do not come from the StatefulSet controller.

use stateward_sdk::prelude::*;

use crate::Settings;
use crate::conditions::{self, POD_CREATED};
use crate::keys::{carries_keys, is_governed};
use crate::member::SET_FIELDS;

/// §6.4 of the contract.
pub const UNBOUND_POD: Rule = Rule {
    id: "manager-writes/unbound-pod",
    title: "Members of governed sets come from the controller",
    description: "Anyone who may create pods can write an owner reference, or labels by which the controller adopts the pod: as good as being its first \
                  member. Members of a governed set come from the StatefulSet controller's account, with the set's name and uid.",
    category: "Manager contract",
    severity: Severity::Critical,
    baseline: Action::Deny,
    strict: Action::Deny,
    when_undecided: Action::Deny,
    fixed: true,
    needs_user: true,
    subjects: &[Subject::of(Resource::PODS, POD_CREATED).when(conditions::POD_CLAIMS_SET).fail_closed()],
    reads: &[Read { kind: StatefulSet::KIND, fields: SET_FIELDS, live: true }],
    ..Rule::VALIDATE
};

/// Fires on a pod that claims a governed set, by a controller reference or by name and labels, unless the controller made it, or a restorer
/// without keys and without a controller reference.
pub fn unbound_pod(pod: &Pod, cx: &Context<Settings>, out: &mut Findings) {
    let metadata = &pod.metadata;
    let controller = metadata.controller();
    let name = match controller {
        Some(owner) if owner.kind.as_str() == "StatefulSet" => owner.name.as_str(),
        // Somebody else's: the StatefulSet controller leaves it alone.
        Some(_) => return,
        // A node makes mirrors of its static pods; NodeRestriction lets it make no others.
        None if is_node(cx) => return,
        None => match member_of(&metadata.name) {
            Some((set, _)) => set,
            None => return,
        },
    };
    let set = match cx.find_live::<StatefulSet>(name) {
        Found::Unknown => return out.unavailable::<StatefulSet>(),
        Found::Absent => return,
        Found::Found(set) => set,
    };
    if !is_governed(&set) {
        return;
    }
    let is_bound = match controller {
        Some(owner) => {
            let is_its_uid = owner.uid.as_str() == set.metadata.uid.as_str();
            if owner.group() != "apps" && !is_its_uid {
                // A StatefulSet of another API: another set of the same name.
                return;
            }
            if set.metadata.uid.is_empty() {
                return out.undecided(format!("StatefulSet `{name}` has no uid here"));
            }
            owner.group() == "apps" && is_its_uid
        }
        None => match set.spec.selector.selects(&metadata.labels) {
            Some(true) => false,
            Some(false) => return,
            None => {
                return out
                    .undecided(format!("the selector of StatefulSet `{name}` has an operator that is not known here"));
            }
        },
    };
    let Some(user) = cx.user() else { return out.needs_user() };
    let is_member = is_bound && cx.settings.is_controller(&user.username);
    let is_restored = controller.is_none() && !carries_keys(metadata) && cx.settings.is_restorer(&user.username);
    if is_member || is_restored {
        return;
    }
    let (path, place) = if controller.is_some() {
        ("/metadata/ownerReferences", "ownerReferences")
    } else {
        ("/metadata/name", "name")
    };
    out.finding(path, place, format!("`{}` would be a member of the governed set `{name}`, which only the StatefulSet controller makes", metadata.name))
        .hint(format!("raise `replicas` of `{name}`, or choose another name or other labels; back-up tools are named in the setting `restorers`"));
}

fn is_node(cx: &Context<Settings>) -> bool {
    cx.user().is_some_and(|user| user.groups.iter().any(|group| group == "system:nodes"))
}

#[cfg(test)]
mod tests {
    use super::UNBOUND_POD;
    use crate::ManagerWrites;
    use crate::examples::{bare_pod, governed_set, made_by_controller, owned_pod, plain_set, reference, with_keys};
    use crate::settings::CONTROLLER_ACCOUNT;
    use serde_json::Value;
    use stateward_sdk::testing::{Said, Test, json};

    fn by(username: &str, pod: Value) -> Said {
        Test::<ManagerWrites>::create(pod).by(username).beside(governed_set()).judge(&UNBOUND_POD)
    }

    fn referring(api_version: &str, uid: &str) -> Value {
        let mut pod = bare_pod("db-0");
        pod["metadata"]["ownerReferences"] = reference(api_version, uid);
        pod
    }

    /// As a back-up tool brings it after its keys were stripped.
    fn keyless(name: &str) -> Value {
        let mut pod = bare_pod(name);
        pod["metadata"]["labels"] = json!({"app": "db"});
        pod
    }

    #[test]
    fn the_controllers_pods_are_accepted() {
        assert!(made_by_controller(owned_pod("db-0")).judge(&UNBOUND_POD).is_silent());
        assert_eq!(by("alice", owned_pod("db-0")).places(), ["ownerReferences"]);
        let settings = json!({"controllerAccounts": ["system:kube-controller-manager"]});
        let test = |username| {
            Test::<ManagerWrites>::create(owned_pod("db-0"))
                .by(username)
                .settings(settings.clone())
                .beside(governed_set())
        };
        assert!(test("system:kube-controller-manager").judge(&UNBOUND_POD).is_silent());
        assert_eq!(test(CONTROLLER_ACCOUNT).judge(&UNBOUND_POD).places(), ["ownerReferences"]);
    }

    #[test]
    fn a_reference_must_be_to_this_very_set() {
        assert_eq!(by(CONTROLLER_ACCOUNT, referring("apps/v1", "uid-2")).places(), ["ownerReferences"]);
        // The controller looks at the uid alone: another group does not make it another set.
        assert_eq!(by(CONTROLLER_ACCOUNT, referring("example.com/v1", "uid-1")).places(), ["ownerReferences"]);
        assert!(
            by("system:serviceaccount:kruise-system:kruise-manager", referring("apps.kruise.io/v1beta1", "uid-9"))
                .is_silent()
        );
    }

    #[test]
    fn name_and_labels_are_as_good_as_a_reference() {
        assert_eq!(by("alice", keyless("db-7")).places(), ["name"]);
        assert!(by("alice", keyless("db")).is_silent());
        assert!(by("alice", keyless("db-07")).is_silent());
        let mut other_labels = keyless("db-7");
        other_labels["metadata"]["labels"] = json!({"app": "web"});
        assert!(by("alice", other_labels).is_silent());
        let mut other_controller = keyless("db-7");
        other_controller["metadata"]["ownerReferences"] =
            json!([{"apiVersion": "batch/v1", "kind": "Job", "name": "db", "uid": "1", "controller": true}]);
        assert!(by("alice", other_controller).is_silent());
        assert!(by("system:node:a", keyless("db-7")).is_silent());
        assert_eq!(by("system:node:a", owned_pod("db-7")).places(), ["ownerReferences"]);
    }

    #[test]
    fn restorers_bring_pods_without_keys_and_owner() {
        let restore = |pod| {
            let test = Test::<ManagerWrites>::create(pod).by("velero").settings(json!({"restorers": ["velero"]}));
            test.beside(governed_set()).judge(&UNBOUND_POD)
        };
        assert!(restore(keyless("db-0")).is_silent());
        assert_eq!(restore(with_keys(keyless("db-0"), "manager", "0")).places(), ["name"]);
        assert_eq!(restore(owned_pod("db-0")).places(), ["ownerReferences"]);
    }

    #[test]
    fn sets_beyond_the_contract_are_left_alone() {
        assert!(
            Test::<ManagerWrites>::create(keyless("db-0"))
                .by("alice")
                .beside(plain_set())
                .judge(&UNBOUND_POD)
                .is_silent()
        );
        assert!(
            Test::<ManagerWrites>::create(keyless("db-0"))
                .by("alice")
                .knowing("StatefulSet")
                .judge(&UNBOUND_POD)
                .is_silent()
        );
    }

    #[test]
    fn without_facts_it_is_undecided() {
        assert!(Test::<ManagerWrites>::create(keyless("db-0")).by("alice").judge(&UNBOUND_POD).is_undecided());
        assert!(
            Test::<ManagerWrites>::create(keyless("db-0")).beside(governed_set()).judge(&UNBOUND_POD).is_undecided()
        );
        let mut set = governed_set();
        set["spec"]["selector"] = json!({"matchExpressions": [{"key": "app", "operator": "Like", "values": ["d*"]}]});
        assert!(
            Test::<ManagerWrites>::create(keyless("db-0")).by("alice").beside(set).judge(&UNBOUND_POD).is_undecided()
        );
    }
}
