//! What the API server evaluates to save calls: CEL, at most 1 KiB each. The rules decide again themselves, so a condition may let too much
//! through, never too little, and it must not fail on any request: it is evaluated for every operation on its resource.

/// A claim with the name of a member's: two dashes at least, and digits at the end.
macro_rules! is_members {
    ($object:literal) => {
        concat!(
            $object,
            " != null && has(",
            $object,
            ".metadata.name) && ",
            $object,
            ".metadata.name.matches('^.+-.+-[0-9]+$')"
        )
    };
}

/// None of Kubernetes' own controllers asks: the garbage collector deletes claims by the thousand.
macro_rules! not_by_controller {
    () => {
        "!(has(request.userInfo.groups) && 'system:serviceaccounts:kube-system' in request.userInfo.groups)"
    };
}

/// The claim templates of a set.
macro_rules! templates {
    ($object:literal) => {
        concat!(
            "has(",
            $object,
            ".spec) && has(",
            $object,
            ".spec.volumeClaimTemplates) && ",
            $object,
            ".spec.volumeClaimTemplates"
        )
    };
}

/// A member's claim is made.
pub const CLAIM_MADE: &str = is_members!("object");

/// The same, and not by the StatefulSet controller; also by the one that makes the claims of ephemeral volumes, which belong to a pod.
pub const CLAIM_MADE_BY_OTHERS: &str = concat!(
    is_members!("object"),
    " && (",
    not_by_controller!(),
    " || has(object.metadata.ownerReferences) && ",
    "object.metadata.ownerReferences.exists(r, has(r.controller) && r.controller == true && r.kind == 'Pod'))"
);

/// A member's claim is deleted.
pub const CLAIM_DELETED: &str = concat!(is_members!("oldObject"), " && ", not_by_controller!());

/// A set has a claim template without a class.
pub const CLASS_LACKING: &str =
    concat!("object != null && ", templates!("object"), ".exists(c, has(c.spec) && !has(c.spec.storageClassName))");

/// A set has a claim template without a class, and had one of that name with it.
pub const CLASS_LOST: &str = concat!(
    "object != null && oldObject != null && ",
    templates!("object"),
    ".exists(c, has(c.metadata) && has(c.metadata.name) && has(c.spec) && !has(c.spec.storageClassName) && ",
    templates!("oldObject"),
    ".exists(o, has(o.metadata) && has(o.metadata.name) && o.metadata.name == c.metadata.name && ",
    "has(o.spec) && has(o.spec.storageClassName)))"
);

#[cfg(test)]
mod tests {
    use cel::{Context, Program, Value};
    use stateward_sdk::family::Family;
    use stateward_sdk::testing::json;

    use super::*;
    use crate::RemoteVolumes;

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
        RemoteVolumes::RULES.iter().flat_map(|rule| rule.subjects).filter_map(|subject| subject.condition)
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

    fn set(templates: Json) -> Json {
        json!({"metadata": {"name": "db"}, "spec": {"volumeClaimTemplates": templates}})
    }

    #[test]
    fn all_are_short_enough_and_never_fail() {
        let objects = [
            Json::Null,
            json!({"metadata": {}}),
            json!({"metadata": {"name": "data-db-0"}, "spec": {}}),
            set(json!([])),
            set(json!([{}])),
            set(json!([{"metadata": {}, "spec": {}}])),
            set(json!([{"metadata": {"name": "data"}}])),
            set(json!([{"metadata": {"name": "data"}, "spec": {"storageClassName": "fast"}}])),
        ];
        let users = [json!({"username": "alice"}), json!({"username": "alice", "groups": ["dev"]})];
        assert_eq!(all().count(), 5);
        for condition in all() {
            assert!(condition.len() <= 1024, "{} bytes: {condition}", condition.len());
            for object in &objects {
                for old in &objects {
                    for user in &users {
                        is_true(condition, &json!({"object": object, "oldObject": old, "userInfo": user}));
                    }
                }
            }
        }
    }

    #[test]
    fn of_real_requests_only_those_that_matter_are_sent() {
        let reviews = captured();
        assert!(reviews.len() > 50);
        let sent = |condition: &str, resource: &str, operation: &str| -> Vec<&str> {
            let of_resource = reviews.iter().filter(|(_, request)| {
                request["resource"]["resource"] == resource
                    && request["subResource"].is_null()
                    && request["operation"] == operation
            });
            let mut names: Vec<_> =
                of_resource.filter(|(_, request)| is_true(condition, request)).map(|(name, _)| name.as_str()).collect();
            names.sort_unstable();
            names
        };
        let claims = "persistentvolumeclaims";
        let by_user = "create-persistentvolumeclaims-by-user";
        assert_eq!(sent(CLAIM_MADE, claims, "CREATE"), ["create-persistentvolumeclaims-by-controller", by_user]);
        assert_eq!(sent(CLAIM_MADE_BY_OTHERS, claims, "CREATE"), [by_user]);
        assert_eq!(sent(CLAIM_DELETED, claims, "DELETE"), ["delete-persistentvolumeclaims-by-user"]);
        assert_eq!(sent(CLASS_LOST, "statefulsets", "UPDATE"), [""; 0]);
    }

    #[test]
    fn names_are_read_as_the_rules_read_them() {
        for (name, is_member) in [("data-db-0", true), ("a-b-c-12", true), ("data-0", false), ("data-db", false)] {
            let request = json!({"object": {"metadata": {"name": name}}, "oldObject": null});
            assert_eq!(is_true(CLAIM_MADE, &request), is_member, "{name}");
        }
    }

    #[test]
    fn classes_that_are_lacking_or_lost_are_seen() {
        let with = || set(json!([{"metadata": {"name": "data"}, "spec": {"storageClassName": "fast"}}]));
        let without = || set(json!([{"metadata": {"name": "data"}, "spec": {}}]));
        let other = || set(json!([{"metadata": {"name": "wal"}, "spec": {}}]));
        let lacks = |object: Json| is_true(CLASS_LACKING, &json!({"object": object, "oldObject": null}));
        let loses = |old: Json, object: Json| is_true(CLASS_LOST, &json!({"object": object, "oldObject": old}));
        assert!(lacks(without()) && !lacks(with()));
        assert!(loses(with(), without()));
        assert!(!loses(with(), with()) && !loses(without(), without()) && !loses(with(), other()));
    }
}
