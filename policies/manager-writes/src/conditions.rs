//! What the API server evaluates to save calls: CEL, at most 1 KiB each. The rules decide again themselves, so a condition may let too much
//! through, never too little. It must not fail on any object: a failure refuses the request, or skips the change.

use stateward_sdk::prelude::Operation;

/// Operations of the subjects.
pub const SET_CREATED: &[Operation] = &[Operation::Create];
/// As above.
pub const SET_UPDATED: &[Operation] = &[Operation::Update];
/// As above.
pub const POD_CREATED: &[Operation] = &[Operation::Create];
/// As above.
pub const POD_UPDATED: &[Operation] = &[Operation::Update];
/// As above.
pub const BINDING_CREATED: &[Operation] = &[Operation::Create];

/// The names of the protected keys after `stateward.dev/`.
macro_rules! keys {
    () => {
        "'governed', 'role', 'set', 'manager', 'write', 'ordinal', 'manager-host'"
    };
}

/// A map of a metadata, empty where it is absent.
macro_rules! map {
    ($metadata:literal, $map:literal) => {
        concat!("has(", $metadata, ".", $map, ") ? ", $metadata, ".", $map, " : {}")
    };
}

/// A metadata carries a protected key.
macro_rules! carries_keys {
    ($metadata:literal) => {
        concat!(
            "[",
            map!($metadata, "labels"),
            ", ",
            map!($metadata, "annotations"),
            "].exists(m, [",
            keys!(),
            "].exists(k, ('stateward.dev/' + k) in m))"
        )
    };
}

/// A key is in one of two maps, or has another value in the other: `$pairs` is a list of such pairs.
macro_rules! keys_differ {
    ($pairs:expr, $more:literal) => {
        concat!(
            $pairs,
            ".exists(p, [[",
            map!("p[0]", "labels"),
            ", ",
            map!("p[1]", "labels"),
            "], [",
            map!("p[0]", "annotations"),
            ", ",
            map!("p[1]", "annotations"),
            "]].exists(q, [",
            $more,
            keys!(),
            "].map(k, 'stateward.dev/' + k).exists(k, (k in q[0]) != (k in q[1]) || k in q[0] && q[0][k] != q[1][k])))"
        )
    };
}

/// The object has a controller that is a StatefulSet.
macro_rules! is_of_set {
    () => {
        "has(object.metadata.ownerReferences) && \
         object.metadata.ownerReferences.exists(r, has(r.controller) && r.controller == true && r.kind == 'StatefulSet')"
    };
}

/// The object has a controller that the old object has not.
macro_rules! controller_added {
    () => {
        "has(object.metadata.ownerReferences) && \
         object.metadata.ownerReferences.exists(r, has(r.controller) && r.controller == true && \
         !(has(oldObject.metadata.ownerReferences) && \
         oldObject.metadata.ownerReferences.exists(o, has(o.controller) && o.controller == true && o.uid == r.uid)))"
    };
}

/// A node asks: it makes mirrors of its static pods.
macro_rules! is_node {
    () => {
        "has(request.userInfo.groups) && 'system:nodes' in request.userInfo.groups"
    };
}

/// Both objects are there.
macro_rules! both {
    () => {
        "object != null && oldObject != null && "
    };
}

/// A pod that a StatefulSet controls, or one with keys to strip.
pub const POD_TO_STAMP: &str =
    concat!("object != null && (", is_of_set!(), " || ", carries_keys!("object.metadata"), ")");

/// A pod that gets a controller.
pub const POD_ADOPTED: &str = concat!(both!(), controller_added!());

/// A pod with protected keys, or a binding that would write them onto one.
pub const WITH_KEYS: &str = concat!("object != null && ", carries_keys!("object.metadata"));

/// A pod with a member's name, by someone else than the controller or without a controller reference; not a node's mirror pod. Whatever it
/// refers to: the controller looks at a reference's uid alone. It names the controller's usual account: where the setting
/// `controllerAccounts` says another, more calls are made.
pub const POD_CLAIMS_SET: &str = concat!(
    "object != null && has(object.metadata.name) && object.metadata.name.matches('-[0-9]+$') && ",
    "(!has(object.metadata.ownerReferences) || ",
    "!object.metadata.ownerReferences.exists(r, has(r.controller) && r.controller == true) || ",
    "request.userInfo.username != 'system:serviceaccount:kube-system:statefulset-controller') && !(",
    is_node!(),
    ")"
);

/// A pod whose protected keys change, or that gets a controller.
pub const POD_KEYS_DIFFER: &str = concat!(
    both!(),
    "(",
    keys_differ!("[[object.metadata, oldObject.metadata]]", ""),
    " || ",
    controller_added!(),
    ")"
);

/// A new set that says who may write, or carries protected keys anywhere.
pub const SET_WITH_KEYS: &str = concat!(
    "object != null && ([object.metadata, ",
    "has(object.spec) && has(object.spec.template) && has(object.spec.template.metadata) ? object.spec.template.metadata : {}, ",
    "has(object.spec) && has(object.spec.selector) && has(object.spec.selector.matchLabels) ? ",
    "{'labels': object.spec.selector.matchLabels} : {}] + ",
    "(has(object.spec) && has(object.spec.volumeClaimTemplates) ? ",
    "object.spec.volumeClaimTemplates.map(c, has(c.metadata) ? c.metadata : {}) : [])).exists(o, [",
    map!("o", "labels"),
    ", ",
    map!("o", "annotations"),
    "].exists(m, ['writes', ",
    keys!(),
    "].exists(k, ('stateward.dev/' + k) in m))) || ",
    "object != null && has(object.spec) && has(object.spec.selector) && has(object.spec.selector.matchExpressions) && ",
    "object.spec.selector.matchExpressions.exists(e, e.key.startsWith('stateward.dev/'))"
);

/// A set whose protected keys or `writes` change.
pub const SET_KEYS_DIFFER: &str = concat!(
    both!(),
    keys_differ!(
        "[[object.metadata, oldObject.metadata], \
         [has(object.spec) && has(object.spec.template) && has(object.spec.template.metadata) ? object.spec.template.metadata : {}, \
         has(oldObject.spec) && has(oldObject.spec.template) && has(oldObject.spec.template.metadata) ? oldObject.spec.template.metadata : {}]]",
        "'writes', "
    )
);

/// The same through the set's status, which leaves its template alone.
pub const SET_STATUS_KEYS_DIFFER: &str =
    concat!(both!(), keys_differ!("[[object.metadata, oldObject.metadata]]", "'writes', "));

/// The first ordinal of a set.
macro_rules! start {
    ($set:literal) => {
        concat!(
            "(has(",
            $set,
            ".spec) && has(",
            $set,
            ".spec.ordinals) && has(",
            $set,
            ".spec.ordinals.start) ? ",
            $set,
            ".spec.ordinals.start : 0)"
        )
    };
}

/// A set that says who may write, or did, and whose first ordinal changes.
pub const SET_START_MOVED: &str = concat!(
    both!(),
    start!("object"),
    " != ",
    start!("oldObject"),
    " && [object, oldObject].exists(o, has(o.metadata.annotations) && 'stateward.dev/writes' in o.metadata.annotations)"
);

/// A new set that does not say who may write.
pub const SET_UNDECLARED: &str =
    "object != null && !(has(object.metadata.annotations) && 'stateward.dev/writes' in object.metadata.annotations)";

/// A new set that says who may write.
pub const SET_DECLARED: &str =
    "object != null && has(object.metadata.annotations) && 'stateward.dev/writes' in object.metadata.annotations";

/// A set that is in the contract, or was.
pub const SET_STAMPED: &str = concat!(
    both!(),
    "([object, oldObject].exists(o, has(o.metadata.annotations) && \
     ['writes', 'manager'].exists(k, ('stateward.dev/' + k) in o.metadata.annotations)) || \
     [object, oldObject].exists(o, has(o.spec) && has(o.spec.template) && has(o.spec.template.metadata) && \
     has(o.spec.template.metadata.labels) && 'stateward.dev/governed' in o.spec.template.metadata.labels))"
);

/// A person deletes what could be the first member of a set.
pub const MEMBER_DELETED: &str = concat!(
    "object == null && oldObject != null && has(oldObject.metadata.name) && oldObject.metadata.name.matches('-[0-9]+$') && ",
    "has(oldObject.metadata.ownerReferences) && ",
    "oldObject.metadata.ownerReferences.exists(r, has(r.controller) && r.controller == true && r.kind == 'StatefulSet') && ",
    "!(has(request.userInfo.groups) && ",
    "request.userInfo.groups.exists(g, g in ['system:nodes', 'system:serviceaccounts:kube-system']))"
);

/// An eviction of a pod with a member's name.
pub const MEMBER_EVICTED: &str =
    "object != null && has(object.metadata.name) && object.metadata.name.matches('-[0-9]+$')";

/// A Service that selects pods.
pub const SERVICE_SELECTS: &str =
    "object != null && has(object.spec) && has(object.spec.selector) && size(object.spec.selector) > 0";

/// A Service that could lead to a manager goes, or selects something else, or becomes another type.
pub const WRITE_SERVICE_CHANGED: &str = concat!(
    "oldObject != null && has(oldObject.spec) && has(oldObject.spec.selector) && ",
    "['stateward.dev/role', 'statefulset.kubernetes.io/pod-name'].exists(k, k in oldObject.spec.selector) && ",
    "(object == null || !has(object.spec) || !has(object.spec.selector) || ",
    "object.spec.selector != oldObject.spec.selector || ",
    "(has(object.spec.type) ? object.spec.type : '') != (has(oldObject.spec.type) ? oldObject.spec.type : ''))"
);

#[cfg(test)]
mod tests {
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
        let claims =
            |metadata: Json, username: &str| is_true(POD_CLAIMS_SET, &pod(metadata), &Json::Null, username, &[]);
        assert!(claims(json!({"name": "db-0"}), "alice"));
        assert!(claims(json!({"name": "db-0"}), CONTROLLER_ACCOUNT));
        assert!(claims(json!({"name": "db-0", "ownerReferences": owner("StatefulSet")}), "alice"));
        assert!(!claims(json!({"name": "db-0", "ownerReferences": owner("StatefulSet")}), CONTROLLER_ACCOUNT));
        assert!(claims(json!({"name": "db-0", "ownerReferences": owner("ReplicaSet")}), "alice"));
        assert!(!claims(json!({"name": "web"}), "alice"));
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
            between(SET_STATUS_KEYS_DIFFER, &declared, &plain)
                && !between(SET_STATUS_KEYS_DIFFER, &declared, &labelled)
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
}
