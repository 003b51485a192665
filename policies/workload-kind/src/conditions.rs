//! What the API server evaluates to save calls: CEL, at most 1 KiB each. The rules decide again themselves, so a condition may let too much
//! through, never too little. It must not fail on any object.

/// Nobody controls the object.
macro_rules! is_top {
    () => {
        "!(has(object.metadata.ownerReferences) && \
         object.metadata.ownerReferences.exists(r, has(r.controller) && r.controller == true))"
    };
}

/// Some volume of the template names a claim.
macro_rules! template_has_claim {
    () => {
        "(has(object.spec) && has(object.spec.template) && has(object.spec.template.spec) && \
         has(object.spec.template.spec.volumes) && object.spec.template.spec.volumes.exists(v, has(v.persistentVolumeClaim)))"
    };
}

/// A Deployment or a ReplicaSet whose pods mount a claim.
pub const TEMPLATE_WITH_CLAIM: &str = concat!("object != null && ", template_has_claim!());

/// The same, where nobody controls it: not the ReplicaSets of Deployments.
pub const TOP_TEMPLATE_WITH_CLAIM: &str = concat!("object != null && ", is_top!(), " && ", template_has_claim!());

/// A Deployment or a ReplicaSet that nobody controls and whose pods mount no claim.
pub const TOP_TEMPLATE_WITHOUT_CLAIM: &str = concat!("object != null && ", is_top!(), " && !", template_has_claim!());

/// A Pod that nobody controls, that restarts and that mounts no claim.
pub const LONE_POD_WITHOUT_CLAIM: &str = concat!(
    "object != null && ",
    is_top!(),
    " && has(object.spec) && !(has(object.spec.volumes) && object.spec.volumes.exists(v, has(v.persistentVolumeClaim))) && ",
    "!(has(object.spec.restartPolicy) && object.spec.restartPolicy in ['OnFailure', 'Never'])"
);

/// A Pod that mounts a claim with a member's name; not one that the StatefulSet controller makes with the claim of a template: `data-a-b-0` in the volume
/// `data` of `a-b-0`. Every set with a dash in its name would wait for us, since that could also be a claim of `b-0`.
pub const POD_WITH_FOREIGN_CLAIM: &str = "object != null && has(object.spec) && has(object.spec.volumes) && object.spec.volumes.exists(v, \
     has(v.persistentVolumeClaim) && has(v.persistentVolumeClaim.claimName) && \
     v.persistentVolumeClaim.claimName.matches('-[0-9]+$') && \
     !(request.userInfo.username == 'system:serviceaccount:kube-system:statefulset-controller' && \
     has(object.metadata.ownerReferences) && \
     object.metadata.ownerReferences.exists(r, has(r.controller) && r.controller == true && r.kind == 'StatefulSet') && \
     has(v.name) && has(object.metadata.name) && object.metadata.name.contains('-') && \
     v.persistentVolumeClaim.claimName == v.name + '-' + object.metadata.name))";

#[cfg(test)]
mod tests {
    use cel::{Context, Program, Value};
    use stateward_sdk::family::Family;
    use stateward_sdk::testing::json;

    use super::*;
    use crate::WorkloadKind;

    type Json = serde_json::Value;

    fn on(condition: &str, object: &Json) -> bool {
        by("alice", condition, object)
    }

    fn by(username: &str, condition: &str, object: &Json) -> bool {
        let mut context = Context::default();
        context.add_variable("object", object.clone()).unwrap();
        context.add_variable("request", json!({"userInfo": {"username": username}})).unwrap();
        match Program::compile(condition).unwrap().execute(&context) {
            Ok(Value::Bool(answer)) => answer,
            other => panic!("{other:?} for {object}: {condition}"),
        }
    }

    fn with_claim(name: &str) -> Json {
        json!({"volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "data", "persistentVolumeClaim": {"claimName": name}}]})
    }

    fn controlled(by: &str) -> Json {
        json!([{"apiVersion": "apps/v1", "kind": by, "name": "db", "uid": "1", "controller": true}])
    }

    #[test]
    fn all_are_short_enough_and_never_fail() {
        let objects = [
            Json::Null,
            json!({"metadata": {}}),
            json!({"metadata": {"ownerReferences": []}, "spec": {}}),
            json!({"metadata": {"name": "db-0", "ownerReferences": [{"kind": "StatefulSet"}]}, "spec": {"template": {}, "volumes": []}}),
            json!({"metadata": {"ownerReferences": controlled("Job")}, "spec": {"template": {"spec": {}}, "volumes": [{"name": "a"}]}}),
            json!({"metadata": {}, "spec": {"template": {"spec": {"volumes": [{}]}}, "volumes": [{"persistentVolumeClaim": {}}], "restartPolicy": "Never"}}),
        ];
        let subjects = WorkloadKind::RULES.iter().flat_map(|rule| rule.subjects);
        for condition in subjects.filter_map(|subject| subject.condition) {
            assert!(condition.len() <= 1024, "{} bytes: {condition}", condition.len());
            for object in &objects {
                on(condition, object);
            }
        }
    }

    #[test]
    fn templates_are_told_apart() {
        let template = |pod: Json, owners: Json| json!({"metadata": {"ownerReferences": owners}, "spec": {"template": {"spec": pod}}});
        let lone = template(with_claim("data"), json!([]));
        let owned = template(with_claim("data"), controlled("Deployment"));
        let empty = template(json!({}), json!([]));
        for (condition, expected) in [
            (TEMPLATE_WITH_CLAIM, [true, true, false]),
            (TOP_TEMPLATE_WITH_CLAIM, [true, false, false]),
            (TOP_TEMPLATE_WITHOUT_CLAIM, [false, false, true]),
        ] {
            assert_eq!([&lone, &owned, &empty].map(|object| on(condition, object)), expected, "{condition}");
        }
    }

    #[test]
    fn the_controllers_members_with_their_own_claims_are_not_asked_about() {
        let controller = "system:serviceaccount:kube-system:statefulset-controller";
        let pod = |name: &str, claim: &str| json!({"metadata": {"name": name, "ownerReferences": controlled("StatefulSet")}, "spec": with_claim(claim)});
        assert!(!by(controller, POD_WITH_FOREIGN_CLAIM, &pod("db-0", "data-db-0")));
        assert!(by(controller, POD_WITH_FOREIGN_CLAIM, &pod("db-1", "data-db-0")));
        assert!(by(controller, POD_WITH_FOREIGN_CLAIM, &pod("0", "data-db-0")));
        assert!(
            by(controller, POD_WITH_FOREIGN_CLAIM, &pod("b-0", "data-a-b-0")),
            "no template `data` of `b` makes it"
        );
        assert!(!by(controller, POD_WITH_FOREIGN_CLAIM, &pod("a-b-0", "data-a-b-0")));
        let owned_by_a_job = json!({"metadata": {"name": "db-0", "ownerReferences": controlled("Job")}, "spec": with_claim("data-db-0")});
        assert!(by(controller, POD_WITH_FOREIGN_CLAIM, &owned_by_a_job));
        assert!(by("alice", POD_WITH_FOREIGN_CLAIM, &pod("db-0", "data-db-0")));
        assert!(by("alice", POD_WITH_FOREIGN_CLAIM, &pod("web", "data-db-0")));
        assert!(!by("alice", POD_WITH_FOREIGN_CLAIM, &pod("web", "shared")));
        let unnamed = json!({"metadata": {"generateName": "web-"}, "spec": with_claim("data-db-0")});
        assert!(by(controller, POD_WITH_FOREIGN_CLAIM, &unnamed));
    }

    #[test]
    fn lone_pods_that_restart_are_asked_about() {
        let pod =
            |spec: Json, owners: Json| json!({"metadata": {"name": "db", "ownerReferences": owners}, "spec": spec});
        assert!(on(LONE_POD_WITHOUT_CLAIM, &pod(json!({"restartPolicy": "Always"}), json!([]))));
        assert!(!on(LONE_POD_WITHOUT_CLAIM, &pod(json!({"restartPolicy": "Never"}), json!([]))));
        assert!(!on(LONE_POD_WITHOUT_CLAIM, &pod(json!({}), controlled("ReplicaSet"))));
        assert!(!on(LONE_POD_WITHOUT_CLAIM, &pod(with_claim("data"), json!([]))));
    }

    /// Of the reviews that a real API server sent for pods those for which a condition holds, by the names of their files.
    fn sent(condition: &str) -> Vec<String> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/cases/reviews");
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        let mut names: Vec<String> = files
            .filter(|path| {
                let review: Json = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
                let request = &review["request"];
                let is_of_pods = request["resource"]["resource"] == "pods" && request["subResource"].is_null();
                is_of_pods
                    && request["operation"] == "CREATE"
                    && by(request["userInfo"]["username"].as_str().unwrap(), condition, &request["object"])
            })
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn of_real_pods_only_those_that_matter_are_sent() {
        assert_eq!(sent(POD_WITH_FOREIGN_CLAIM), ["create-pods-mounts-foreign-claim"]);
        assert_eq!(sent(LONE_POD_WITHOUT_CLAIM), ["create-pods-generate-name", "create-pods-kubectl-run"]);
    }
}
