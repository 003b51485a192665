use cel::{Context, Program, Value};
use stateward_sdk::family::Family;
use stateward_sdk::testing::json;

use super::*;
use crate::ManagerWrites;
use crate::settings::CONTROLLER_ACCOUNT;

type Json = serde_json::Value;

fn is_true(condition: &str, object: &Json, old: &Json, username: &str, groups: &[&str]) -> bool {
    let mut context = Context::default();
    context.add_variable("object", object.clone()).unwrap();
    context.add_variable("oldObject", old.clone()).unwrap();
    context.add_variable("request", json!({"userInfo": {"username": username, "groups": groups}})).unwrap();
    match Program::compile(condition).unwrap().execute(&context) {
        Ok(Value::Bool(answer)) => answer,
        other => panic!("{other:?} for {object} and {old}: {condition}"),
    }
}

fn on(condition: &str, object: &Json) -> bool {
    is_true(condition, object, &Json::Null, "alice", &[])
}

fn between(condition: &str, old: &Json, object: &Json) -> bool {
    is_true(condition, object, old, "alice", &[])
}

fn pod(metadata: Json) -> Json {
    json!({"metadata": metadata, "spec": {}})
}

fn owner(kind: &str) -> Json {
    json!([{"apiVersion": "apps/v1", "kind": kind, "name": "db", "uid": "1", "controller": true}])
}

fn all() -> Vec<&'static str> {
    let subjects = ManagerWrites::RULES.iter().flat_map(|rule| rule.subjects);
    subjects.filter_map(|subject| subject.condition).collect()
}

#[test]
fn all_are_short_enough_and_never_fail() {
    let objects = [
        Json::Null,
        json!({"metadata": {}}),
        json!({"metadata": {"name": "db-0", "labels": {}, "annotations": {}, "ownerReferences": []}, "spec": {}}),
        json!({"metadata": {"name": "db-0", "labels": {"stateward.dev/role": "manager"}, "ownerReferences": [{"kind": "StatefulSet"}]},
            "spec": {"selector": {}, "template": {}, "volumeClaimTemplates": []}}),
        json!({"metadata": {"name": "db-0", "annotations": {"stateward.dev/writes": ""}}, "spec": {"ordinals": {}, "selector": {"stateward.dev/role": "manager"}}}),
        json!({"metadata": {"name": "db-0", "annotations": {"stateward.dev/writes": ""}, "ownerReferences": owner("StatefulSet")},
            "spec": {"selector": {"matchLabels": {}, "matchExpressions": []}, "template": {"metadata": {}}, "volumeClaimTemplates": [{}]}}),
    ];
    for condition in all() {
        assert!(condition.len() <= 1024, "{} bytes: {condition}", condition.len());
        for object in &objects {
            for old in &objects {
                is_true(condition, object, old, "alice", &["system:authenticated"]);
            }
        }
    }
}

#[test]
fn pods_with_keys_are_judged_whoever_asks() {
    let forged = pod(json!({"name": "x", "annotations": {"stateward.dev/write": "allow"}}));
    assert!(on(WITH_KEYS, &forged));
    assert!(on(POD_TO_STAMP, &forged));
    assert!(is_true(WITH_KEYS, &forged, &Json::Null, "system:node:a", &["system:nodes"]));
    assert!(!on(WITH_KEYS, &pod(json!({"labels": {"app": "db", "stateward.dev/other": "1"}}))));
}

#[test]
fn pods_that_could_be_members_are_judged() {
    let claims = |metadata: Json, username: &str| is_true(POD_CLAIMS_SET, &pod(metadata), &Json::Null, username, &[]);
    assert!(claims(json!({"name": "db-0"}), "alice"));
    assert!(claims(json!({"name": "db-0"}), CONTROLLER_ACCOUNT));
    assert!(claims(json!({"name": "db-0", "ownerReferences": owner("StatefulSet")}), "alice"));
    assert!(!claims(json!({"name": "db-0", "ownerReferences": owner("StatefulSet")}), CONTROLLER_ACCOUNT));
    assert!(claims(json!({"name": "db-0", "ownerReferences": owner("ReplicaSet")}), "alice"));
    assert!(!claims(json!({"name": "web"}), "alice"));
    let named = |spec: Json| json!({"metadata": {"name": "web"}, "spec": spec});
    let hosts = |spec: Json, username: &str| is_true(POD_CLAIMS_SET, &named(spec), &Json::Null, username, &[]);
    assert!(hosts(json!({"hostname": "db-0", "subdomain": "db"}), "alice"));
    assert!(!hosts(json!({"hostname": "db-0", "subdomain": "db"}), CONTROLLER_ACCOUNT));
    for spec in [
        json!({"hostname": "db-0"}),
        json!({"hostname": "db-0", "subdomain": ""}),
        json!({"hostname": "db", "subdomain": "db"}),
    ] {
        assert!(!hosts(spec, "alice"));
    }
}

#[test]
fn changes_of_pods_are_judged() {
    let plain = pod(json!({"name": "db-0", "labels": {"app": "db"}}));
    let manager = pod(json!({"name": "db-0", "labels": {"app": "db", "stateward.dev/role": "manager"}}));
    let worker = pod(json!({"name": "db-0", "labels": {"app": "db", "stateward.dev/role": "worker"}}));
    let owned = pod(json!({"name": "db-0", "labels": {"app": "x"}, "ownerReferences": owner("StatefulSet")}));
    for (old, new, differs) in [
        (&plain, &manager, true),
        (&manager, &plain, true),
        (&manager, &worker, true),
        (&worker, &worker, false),
        (&plain, &owned, true),
        (&owned, &owned, false),
        (&owned, &plain, false),
    ] {
        assert_eq!(between(POD_KEYS_DIFFER, old, new), differs, "{old} {new}");
    }
    assert!(between(POD_ADOPTED, &plain, &owned) && !between(POD_ADOPTED, &plain, &manager));
}

#[test]
fn new_sets_with_intent_or_keys_are_judged() {
    assert!(!on(
        SET_WITH_KEYS,
        &json!({"metadata": {"annotations": {"a": "b"}}, "spec": {"template": {"metadata": {"labels": {"app": "db"}}}}})
    ));
    for set in [
        json!({"metadata": {"annotations": {"stateward.dev/writes": "any"}}}),
        json!({"metadata": {}, "spec": {"template": {"metadata": {"labels": {"stateward.dev/governed": "true"}}}}}),
        json!({"metadata": {}, "spec": {"template": {"metadata": {"annotations": {"stateward.dev/write": "allow"}}}}}),
        json!({"metadata": {}, "spec": {"selector": {"matchLabels": {"stateward.dev/role": "manager"}}}}),
        json!({"metadata": {}, "spec": {"selector": {"matchExpressions": [{"key": "stateward.dev/role", "operator": "DoesNotExist"}]}}}),
        json!({"metadata": {}, "spec": {"volumeClaimTemplates": [{"metadata": {"labels": {"stateward.dev/set": "db"}}}]}}),
    ] {
        assert!(on(SET_WITH_KEYS, &set), "{set}");
    }
}

#[test]
fn changes_of_sets_are_judged() {
    let set = |writes: Json, label: Json| {
        let mut set =
            json!({"metadata": {"annotations": {}}, "spec": {"template": {"metadata": {"labels": {"app": "db"}}}}});
        if !writes.is_null() {
            set["metadata"]["annotations"]["stateward.dev/writes"] = writes;
        }
        if !label.is_null() {
            set["spec"]["template"]["metadata"]["labels"]["stateward.dev/governed"] = label;
        }
        set
    };
    let plain = set(Json::Null, Json::Null);
    let declared = set(json!("manager-only"), Json::Null);
    let labelled = set(json!("manager-only"), json!("true"));
    for (old, new, differs) in [
        (&plain, &plain, false),
        (&plain, &declared, true),
        (&declared, &labelled, true),
        (&labelled, &plain, true),
        (&labelled, &labelled, false),
    ] {
        assert_eq!(between(SET_KEYS_DIFFER, old, new), differs, "{old} {new}");
    }
    assert!(
        between(SET_STATUS_KEYS_DIFFER, &declared, &plain) && !between(SET_STATUS_KEYS_DIFFER, &declared, &labelled)
    );
    assert!(
        between(SET_STAMPED, &labelled, &plain)
            && between(SET_STAMPED, &plain, &declared)
            && !between(SET_STAMPED, &plain, &plain)
    );
    assert!(
        on(SET_DECLARED, &declared)
            && !on(SET_DECLARED, &plain)
            && on(SET_UNDECLARED, &plain)
            && !on(SET_UNDECLARED, &declared)
    );
}

#[test]
fn a_moved_start_of_a_set_with_intent_is_judged() {
    let set = |start: Json, annotations: Json| json!({"metadata": {"annotations": annotations}, "spec": {"ordinals": {"start": start}}});
    let (at_0, at_1) = (set(json!(0), json!({"stateward.dev/writes": "any"})), set(json!(1), json!({})));
    assert!(between(SET_START_MOVED, &at_0, &at_1) && between(SET_START_MOVED, &at_1, &at_0));
    let absent = json!({"metadata": {"annotations": {"stateward.dev/writes": "manager-only"}}, "spec": {}});
    assert!(between(SET_START_MOVED, &absent, &at_1) && !between(SET_START_MOVED, &absent, &at_0));
    assert!(!between(SET_START_MOVED, &set(json!(0), json!({})), &at_1));
}

#[test]
fn deletions_of_members_by_persons_are_judged() {
    let member = pod(json!({"name": "db-0", "ownerReferences": owner("StatefulSet")}));
    let deleted = |pod: &Json, groups: &[&str]| is_true(MEMBER_DELETED, &Json::Null, pod, "alice", groups);
    assert!(deleted(&member, &["system:masters"]));
    assert!(!deleted(&member, &["system:nodes"]) && !deleted(&member, &["system:serviceaccounts:kube-system"]));
    assert!(!deleted(&pod(json!({"name": "db", "ownerReferences": owner("StatefulSet")})), &[]));
    assert!(!deleted(&pod(json!({"name": "db-0", "ownerReferences": owner("ReplicaSet")})), &[]));
    assert!(!deleted(&pod(json!({"name": "db-0"})), &[]) && !between(MEMBER_DELETED, &member, &member));
    // In disguise.
    let role = json!({"stateward.dev/role": "manager"});
    assert!(deleted(&pod(json!({"name": "db-0", "labels": role, "ownerReferences": owner("Ledger")})), &[]));
    assert!(deleted(&pod(json!({"name": "db-0", "labels": role})), &[]));
    assert!(
        on(MEMBER_EVICTED, &json!({"metadata": {"name": "db-0"}}))
            && !on(MEMBER_EVICTED, &json!({"metadata": {"name": "db"}}))
    );
}

#[test]
fn changes_of_what_could_be_a_write_service_are_judged() {
    let service = |spec: Json| json!({"metadata": {"name": "db"}, "spec": spec});
    let write = service(json!({"selector": {"stateward.dev/role": "manager", "stateward.dev/set": "db"}}));
    let by_name = service(json!({"selector": {"statefulset.kubernetes.io/pod-name": "db-0"}, "type": "ClusterIP"}));
    for old in [&write, &by_name] {
        for new in [&Json::Null, &service(json!({})), &service(json!({"selector": {"app": "db"}}))] {
            assert!(between(WRITE_SERVICE_CHANGED, old, new), "{old} {new}");
        }
        assert!(!between(WRITE_SERVICE_CHANGED, old, old));
    }
    let mut alias = by_name.clone();
    alias["spec"]["type"] = "ExternalName".into();
    assert!(between(WRITE_SERVICE_CHANGED, &by_name, &alias));
    let other = service(json!({"selector": {"app": "db"}}));
    assert!(!between(WRITE_SERVICE_CHANGED, &other, &Json::Null));
    assert!(on(SERVICE_SELECTS, &other) && !on(SERVICE_SELECTS, &service(json!({"selector": {}}))));
}

#[test]
fn members_without_a_key_are_asked_about() {
    let of = |labels: Json, kind: &str| pod(json!({"name": "db-0", "labels": labels, "ownerReferences": owner(kind)}));
    assert!(on(MEMBER_WITHOUT_KEYS, &of(json!({"app": "db"}), "StatefulSet")));
    assert!(!on(MEMBER_WITHOUT_KEYS, &of(json!({"stateward.dev/role": "worker"}), "StatefulSet")));
    assert!(!on(MEMBER_WITHOUT_KEYS, &of(json!({"app": "db"}), "ReplicaSet")));
    assert!(!on(MEMBER_WITHOUT_KEYS, &pod(json!({"name": "db-0"}))));
}

#[test]
fn a_write_services_ports_are_asked_about() {
    let service =
        |ports: Json| json!({"metadata": {}, "spec": {"selector": {"stateward.dev/role": "manager"}, "ports": ports}});
    let (one, other) = (service(json!([{"port": 5432}])), service(json!([{"port": 5433}])));
    assert!(between(WRITE_SERVICE_CHANGED, &one, &other));
    assert!(!between(WRITE_SERVICE_CHANGED, &one, &one));
}

#[test]
fn members_with_a_claim_of_two_readings_are_asked_about() {
    let pod = |kind: &str, name: &str, volume: &str, claim: &str| {
        json!({"metadata": {"name": name, "ownerReferences": owner(kind)},
            "spec": {"volumes": [{"name": "tmp"}, {"name": volume, "persistentVolumeClaim": {"claimName": claim}}]}})
    };
    assert!(on(MEMBER_WITH_RIVAL, &pod("StatefulSet", "a-b-0", "data", "data-a-b-0")));
    assert!(on(MEMBER_WITH_RIVAL, &pod("StatefulSet", "b-0", "data-a", "data-a-b-0")));
    assert!(!on(MEMBER_WITH_RIVAL, &pod("StatefulSet", "b-0", "disk", "data-a-b-0")), "`foreign-claim` asks");
    assert!(!on(MEMBER_WITH_RIVAL, &pod("StatefulSet", "db-0", "data", "data-db-0")));
    assert!(!on(MEMBER_WITH_RIVAL, &pod("Job", "a-b-0", "data", "data-a-b-0")));
    assert!(!on(
        MEMBER_WITH_RIVAL,
        &json!({"metadata": {"name": "a-b-0", "ownerReferences": owner("StatefulSet")}, "spec": {"volumes": [{}]}})
    ));
}
