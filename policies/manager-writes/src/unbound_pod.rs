//! Refuses pods that claim to be members and do not come from the StatefulSet controller.

use stateward_sdk::prelude::*;

use crate::Settings;
use crate::conditions::{self, POD_CREATED};
use crate::keys::{carries_keys, is_governed};
use crate::member::{Reference, SET_FIELDS, sets_meant};
use crate::refusal::REFUSAL;

/// §6.4 of the contract.
pub const UNBOUND_POD: Rule = Rule {
    id: "manager-writes/unbound-pod",
    title: "Members of governed sets come from the controller",
    description: "Anyone who may create pods can write an owner reference, or labels by which the controller adopts the pod: as good as being its first \
                  member. A host name and a subdomain are enough to be found under a member's DNS name. Members of a governed set come from the StatefulSet controller's account, with the set's name and uid.",
    needs_user: true,
    subjects: &[Subject::of(Resource::PODS, POD_CREATED).when(conditions::POD_CLAIMS_SET).fail_closed()],
    reads: &[Read::by_name(StatefulSet::KIND, SET_FIELDS).live()],
    ..REFUSAL
};

/// Fires on a pod that claims a governed set, by a controller reference or by name and labels, unless the controller made it, or a restorer
/// without keys and without a controller reference; and on one that would be found under a member's DNS name.
pub fn unbound_pod(pod: &Pod, cx: &Context<Settings>, out: &mut Findings) {
    let metadata = &pod.metadata;
    let controller = metadata.controller();
    if judge_host(pod, cx, out) {
        return;
    }
    // A node makes mirrors of its static pods; NodeRestriction lets it make no others.
    if controller.is_none() && is_in_group(cx, "system:nodes") {
        return;
    }
    let is_others = controller.is_some_and(|owner| owner.kind.as_str() != "StatefulSet");
    if is_others && is_in_group(cx, "system:serviceaccounts:kube-system") {
        // The built-in controllers refer to what they made the pod for: a Job, a ReplicaSet.
        return;
    }
    for set in sets_meant(pod, controller) {
        if judge(set, pod, controller, cx, out) {
            return;
        }
    }
}

/// Whether the pod would be found under a member's DNS name, `<hostname>.<subdomain>`, and that was dealt with. Whoever made it, and whatever its labels are:
/// those of a pod, and what a Service selects, change later. The controller makes a member's host name its name; a restored pod brings its own back.
fn judge_host(pod: &Pod, cx: &Context<Settings>, out: &mut Findings) -> bool {
    let (name, host, service) = (&pod.metadata.name, pod.spec.hostname.as_str(), pod.spec.subdomain.as_str());
    let Some(set) = parent_of(host).filter(|_| !service.is_empty()) else { return false };
    match cx.find_live::<StatefulSet>(set) {
        Found::Unknown => {
            out.unavailable::<StatefulSet>();
            return true;
        }
        Found::Found(found) if is_governed(&found) && found.service_name() == Some(service) => {}
        Found::Found(_) | Found::Absent => return false,
    }
    let Some(user) = cx.user() else {
        out.needs_user();
        return true;
    };
    let is_its_own =
        name.as_str() == host && (cx.settings.is_controller(&user.username) || cx.settings.is_restorer(&user.username));
    if !is_its_own {
        out.finding(
            "/spec/hostname",
            "hostname",
            format!(
                "`{name}` would be found under `{host}.{service}`, the DNS name of a member of the governed set `{set}`"
            ),
        )
        .hint("choose another `hostname` or `subdomain`; an indexed Job: another name or `subdomain`");
    }
    !is_its_own
}

/// Whether the pod claims this set and that was dealt with.
fn judge(
    name: &str,
    pod: &Pod,
    controller: Option<&OwnerReference>,
    cx: &Context<Settings>,
    out: &mut Findings,
) -> bool {
    let metadata = &pod.metadata;
    let set = match cx.find_live::<StatefulSet>(name) {
        Found::Unknown => {
            out.unavailable::<StatefulSet>();
            return true;
        }
        Found::Found(set) if is_governed(&set) => set,
        Found::Found(_) | Found::Absent => return false,
    };
    // `db-07`: the controller would adopt it once it has the labels, which `adopted-pod` refuses, since it is no member; until it is deleted the controller
    // would do nothing else for the set.
    let is_in_the_way = parent_of(&metadata.name) == Some(name) && member_of(&metadata.name).is_none();
    let is_bound = match controller {
        Some(owner) => match Reference::of(owner, &set) {
            Reference::Own => true,
            Reference::Claim => false,
            Reference::Other if is_in_the_way => false,
            Reference::Other => return false,
            Reference::WithoutUid => {
                out.undecided(format!("StatefulSet `{name}` has no uid here"));
                return true;
            }
        },
        None => match set.spec.selector.selects(&metadata.labels) {
            Some(true) => false,
            Some(false) if is_in_the_way => false,
            Some(false) => return false,
            None => {
                let reason = format!("the selector of StatefulSet `{name}` has an operator that is not known here");
                out.undecided(reason);
                return true;
            }
        },
    };
    let Some(user) = cx.user() else {
        out.needs_user();
        return true;
    };
    let is_member = is_bound && cx.settings.is_controller(&user.username);
    let is_restored = controller.is_none() && !carries_keys(metadata) && cx.settings.is_restorer(&user.username);
    if !is_member && !is_restored {
        report(name, metadata, controller.is_some(), out);
    }
    true
}

fn report(set: &str, metadata: &ObjectMeta, is_referring: bool, out: &mut Findings) {
    let (path, place) =
        if is_referring { ("/metadata/ownerReferences", "ownerReferences") } else { ("/metadata/name", "name") };
    let pod = &metadata.name;
    out.finding(
        path,
        place,
        format!("`{pod}` would be a member of the governed set `{set}`, which only the StatefulSet controller makes"),
    )
    .hint(format!(
        "raise `replicas` of `{set}`, or choose another name or other labels; back-up tools are named in the setting `restorers`"
    ));
}

fn is_in_group(cx: &Context<Settings>, group: &str) -> bool {
    cx.user().is_some_and(|user| user.groups.iter().any(|each| each == group))
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

    /// Labels change later.
    #[test]
    fn a_name_that_is_no_ordinal_is_refused_whatever_its_labels() {
        let mut stranger = bare_pod("db-07");
        stranger["metadata"]["labels"] = json!({"app": "other"});
        assert_eq!(by("alice", stranger.clone()).places(), ["name"]);
        stranger["metadata"]["name"] = "db-7".into();
        assert!(by("alice", stranger.clone()).is_silent(), "it would be a worker, and is scaled away");
        stranger["metadata"]["name"] = "other-07".into();
        assert!(by("alice", stranger).is_silent());
    }

    #[test]
    fn the_controllers_pods_are_accepted() {
        assert!(made_by_controller(owned_pod("db-0")).judge(&UNBOUND_POD).is_silent());
        assert_eq!(by("alice", owned_pod("db-0")).places(), ["ownerReferences"]);
        let settings =
            json!({"controllerAccounts": {"add": ["system:kube-controller-manager"], "remove": [CONTROLLER_ACCOUNT]}});
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
    fn the_uid_is_a_claim_whatever_stands_beside_it() {
        for (api_version, kind, name) in [
            ("apps/v1", "ReplicaSet", "db"),
            ("nope/v1", "Foo", "nope"),
            ("apps/v1", "statefulset", "db"),
            ("apps/v1", "StatefulSet", "wiki"),
            ("apps/v1", "StatefulSet", "nope"),
        ] {
            let mut pod = keyless("db-0");
            pod["metadata"]["ownerReferences"] =
                json!([{"apiVersion": api_version, "kind": kind, "name": name, "uid": "uid-1", "controller": true}]);
            assert_eq!(by("alice", pod).places(), ["ownerReferences"], "{api_version} {kind} {name}");
        }
    }

    #[test]
    fn a_members_dns_name_is_the_members() {
        let found = |name: &str, host: &str, service: &str| {
            let mut pod = keyless(name);
            pod["metadata"]["labels"] = json!({"app": "web"});
            pod["spec"]["hostname"] = host.into();
            pod["spec"]["subdomain"] = service.into();
            pod
        };
        let service = governed_set()["spec"]["serviceName"].as_str().unwrap().to_owned();
        assert_eq!(by("alice", found("spy", "db-0", &service)).places(), ["hostname"]);
        assert_eq!(by("alice", found("db-0", "db-0", &service)).places(), ["hostname"]);
        // The pod of an indexed Job.
        let mut indexed = found("db-0-abcde", "db-0", &service);
        indexed["metadata"]["ownerReferences"] =
            json!([{"apiVersion": "batch/v1", "kind": "Job", "name": "db", "uid": "uid-9", "controller": true}]);
        assert_eq!(by("system:serviceaccount:kube-system:job-controller", indexed).places(), ["hostname"]);
        for (host, service) in [("db-0", "other"), ("web-0", &service), ("db", &service), ("db-0", "")] {
            assert!(by("alice", found("spy", host, service)).is_silent(), "{host}.{service}");
        }
        let mut member = owned_pod("db-0");
        member["spec"]["hostname"] = "db-0".into();
        member["spec"]["subdomain"] = service.as_str().into();
        assert!(made_by_controller(member).judge(&UNBOUND_POD).is_silent());
        let restored =
            Test::<ManagerWrites>::create(found("db-0", "db-0", &service)).by("velero").beside(governed_set());
        assert!(restored.settings(json!({"restorers": ["velero"]})).judge(&UNBOUND_POD).is_silent());
    }

    #[test]
    fn name_and_labels_are_as_good_as_a_reference() {
        assert_eq!(by("alice", keyless("db-7")).places(), ["name"]);
        assert!(by("alice", keyless("db")).is_silent());
        // The controller takes these for members, too.
        for name in ["db-07", "db-00", "db-2147483648", "db-99999999999"] {
            assert_eq!(by("alice", keyless(name)).places(), ["name"], "{name}");
        }
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
