//! What the API server evaluates to save calls: CEL, at most 1 KiB each. The rules decide again themselves, so a condition may let too much
//! through, never too little, and it must not fail on any request: it is evaluated for every operation on its resource.

/// A member of a set is deleted with a grace period of 0, and not by its kubelet. Of a governed set the role says that it is one, whatever its references do.
pub const POD_FORCED: &str = "oldObject != null && has(request.options) && request.options != null && \
     has(request.options.gracePeriodSeconds) && request.options.gracePeriodSeconds == 0 && \
     (has(oldObject.metadata.ownerReferences) && \
     oldObject.metadata.ownerReferences.exists(r, has(r.kind) && r.kind == 'StatefulSet') || \
     has(oldObject.metadata.labels) && 'stateward.dev/role' in oldObject.metadata.labels) && \
     !(has(request.userInfo.groups) && 'system:nodes' in request.userInfo.groups)";

/// Any pod is evicted with a grace period of 0.
pub const EVICTION_FORCED: &str = "object != null && has(object.deleteOptions) && object.deleteOptions != null && \
     has(object.deleteOptions.gracePeriodSeconds) && object.deleteOptions.gracePeriodSeconds == 0";

/// A set's status gets an owner.
pub const OWNER_ADDED: &str = "object != null && oldObject != null && has(object.metadata.ownerReferences) && \
     (size(object.metadata.ownerReferences) > 100 || object.metadata.ownerReferences.exists(r, !(has(oldObject.metadata.ownerReferences) && \
     oldObject.metadata.ownerReferences.exists(o, \
     o.apiVersion == r.apiVersion && o.kind == r.kind && o.name == r.name && o.uid == r.uid))))";

/// A Service is deleted, or has members' names no more.
pub const SERVICE_REMOVED: &str = "oldObject != null && (object == null || \
     has(oldObject.spec) && has(oldObject.spec.clusterIP) && oldObject.spec.clusterIP == 'None' && \
     !(has(object.spec) && has(object.spec.clusterIP) && object.spec.clusterIP == 'None' && \
     !(has(object.spec.type) && object.spec.type == 'ExternalName')))";

#[cfg(test)]
mod tests {
    use cel::{Context, Program, Value};
    use stateward_sdk::family::Family;
    use stateward_sdk::testing::json;

    use super::*;
    use crate::OrderedIdentity;

    type Json = serde_json::Value;

    fn is_true(condition: &str, request: &Json) -> bool {
        let mut context = Context::default();
        context.add_variable("object", request["object"].clone()).unwrap();
        context.add_variable("oldObject", request["oldObject"].clone()).unwrap();
        context.add_variable("request", request.clone()).unwrap();
        match Program::compile(condition).unwrap().execute(&context) {
            Ok(Value::Bool(answer)) => answer,
            other => panic!("{other:?} for {request}: {condition}"),
        }
    }

    fn all() -> impl Iterator<Item = &'static str> {
        OrderedIdentity::RULES.iter().flat_map(|rule| rule.subjects).filter_map(|subject| subject.condition)
    }

    /// Reviews that a real API server sent, by the names of their files.
    fn captured() -> Vec<(String, Json)> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/cases/reviews");
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        let review =
            |path: &std::path::Path| -> Json { serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() };
        let name = |path: &std::path::Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
        files.map(|path| (name(&path), review(&path)["request"].clone())).collect()
    }

    #[test]
    fn all_are_short_enough_and_never_fail() {
        let owned =
            json!({"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "a", "uid": "1"}]}});
        let objects = [
            Json::Null,
            json!({"metadata": {}}),
            owned,
            json!({"metadata": {"ownerReferences": []}, "spec": {}, "deleteOptions": null}),
            json!({"metadata": {}, "spec": {"clusterIP": "None", "type": "ClusterIP"}, "deleteOptions": {}}),
            json!({"metadata": {}, "spec": {"clusterIP": "10.0.0.1"}, "deleteOptions": {"gracePeriodSeconds": 0}}),
        ];
        let options = [
            json!({}),
            json!({"options": null}),
            json!({"options": {}}),
            json!({"options": {"gracePeriodSeconds": 0}}),
        ];
        for condition in all() {
            assert!(condition.len() <= 1024, "{} bytes: {condition}", condition.len());
            for object in &objects {
                for old in &objects {
                    for options in &options {
                        let mut request = options.clone();
                        request["object"] = object.clone();
                        request["oldObject"] = old.clone();
                        request["userInfo"] = json!({"username": "alice"});
                        is_true(condition, &request);
                    }
                }
            }
        }
    }

    #[test]
    fn of_real_requests_only_those_that_matter_are_sent() {
        let reviews = captured();
        assert!(reviews.len() > 50);
        let sent = |condition: &str, resource: &str| -> Vec<&str> {
            let of_resource = reviews.iter().filter(|(_, request)| {
                let sub = request["subResource"].as_str().map_or_else(String::new, |sub| format!("/{sub}"));
                format!("{}{sub}", request["resource"]["resource"].as_str().unwrap()) == resource
            });
            let mut names: Vec<_> =
                of_resource.filter(|(_, request)| is_true(condition, request)).map(|(name, _)| name.as_str()).collect();
            names.sort_unstable();
            names
        };
        // The captured kubelet is a fake one that is in no group of nodes.
        assert_eq!(sent(POD_FORCED, "pods"), ["delete-pods-by-kubelet-force", "delete-pods-by-user-force"]);
        assert_eq!(sent(EVICTION_FORCED, "pods/eviction"), [""; 0]);
        assert_eq!(sent(OWNER_ADDED, "statefulsets/status"), ["update-statefulsets.status-patch-labels"]);
        assert_eq!(sent(SERVICE_REMOVED, "services"), [""; 0]);
    }

    #[test]
    fn members_are_judged_by_their_role_or_their_reference() {
        let deleted = |metadata: Json| {
            let request = json!({"object": null, "oldObject": {"metadata": metadata}, "userInfo": {"username": "alice"}, "options": {"gracePeriodSeconds": 0}});
            is_true(POD_FORCED, &request)
        };
        let of = |kind: &str| json!({"ownerReferences": [{"apiVersion": "apps/v1", "kind": kind, "name": "db", "uid": "1", "controller": true}]});
        let role = json!({"stateward.dev/role": "worker"});
        assert!(deleted(of("StatefulSet")));
        assert!(!deleted(of("Ledger")));
        assert!(deleted(json!({"labels": role, "ownerReferences": of("Ledger")["ownerReferences"]})));
        assert!(deleted(json!({"labels": role})));
        assert!(!deleted(json!({"labels": {"app": "db"}})));
    }

    #[test]
    fn services_are_judged_when_they_go_or_get_an_address() {
        let service = |address: &str, kind: &str| json!({"metadata": {}, "spec": {"clusterIP": address, "type": kind}});
        let between = |old: Json, new: Json| is_true(SERVICE_REMOVED, &json!({"oldObject": old, "object": new}));
        let headless = || service("None", "ClusterIP");
        assert!(between(headless(), Json::Null));
        assert!(between(headless(), service("", "ExternalName")));
        assert!(between(headless(), service("None", "ExternalName")));
        assert!(between(headless(), service("10.0.0.1", "ClusterIP")));
        assert!(!between(headless(), headless()));
        assert!(!between(service("10.0.0.1", "ClusterIP"), service("10.0.0.2", "NodePort")));
        assert!(!between(Json::Null, headless()));
    }

    #[test]
    fn statuses_are_judged_when_they_get_an_owner() {
        let owned = |uid: &str| json!({"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "a", "uid": uid}]}});
        let between = |old: Json, new: Json| is_true(OWNER_ADDED, &json!({"oldObject": old, "object": new}));
        assert!(between(json!({"metadata": {}}), owned("1")));
        assert!(between(owned("1"), owned("2")));
        assert!(!between(owned("1"), owned("1")));
        assert!(!between(owned("1"), json!({"metadata": {}})));
    }
}
