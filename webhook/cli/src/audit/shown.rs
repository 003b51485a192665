//! A stored object as a person reads it: YAML, without what only the API server writes, and without values that may be secret.

use serde_json::{Map, Value};
use stateward_core::request::GroupVersionResource;

use stateward_manifests::{Document, read_text, to_yaml};

/// In place of a file's name: `statefulsets.apps/shop/ledger`.
pub(super) fn title(resource: &GroupVersionResource<'_>, namespace: Option<&str>, name: &str) -> String {
    let GroupVersionResource { group, resource, .. } = resource;
    let group = if group.is_empty() { String::new() } else { format!(".{group}") };
    let namespace = namespace.map(|namespace| format!("{namespace}/")).unwrap_or_default();
    format!("{resource}{group}/{namespace}{name}")
}

/// The object as a file of this name would have it.
pub(super) fn document(title: &str, json: &str) -> Option<Document> {
    let mut object: Value = serde_json::from_str(json).ok()?;
    redact(&mut object);
    read_text(title, to_yaml(&object)).objects.pop()
}

fn redact(object: &mut Value) {
    let is_data = matches!(object.get("kind").and_then(Value::as_str), Some("Secret" | "ConfigMap"));
    let Some(members) = object.as_object_mut() else { return };
    if is_data {
        for field in ["data", "stringData", "binaryData"] {
            for value in members.get_mut(field).and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
                *value = HIDDEN.into();
            }
        }
    }
    if let Some(metadata) = members.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            // The whole object once more, with its values.
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
    }
    members.values_mut().for_each(redact_containers);
}

/// Wherever a kind has its pod template.
fn redact_containers(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(redact_containers),
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::Array(containers) if CONTAINERS.contains(&key.as_str()) => {
                        containers.iter_mut().for_each(redact_container);
                    }
                    value => redact_containers(value),
                }
            }
        }
        _ => {}
    }
}

fn redact_container(container: &mut Value) {
    for variable in container.get_mut("env").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(value) = variable.get_mut("value") {
            *value = HIDDEN.into();
        }
    }
    for field in ["command", "args"] {
        for word in container.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten() {
            *word = HIDDEN.into();
        }
    }
}

const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

const HIDDEN: &str = "(not shown)";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_may_be_secret_is_not_shown() {
        let container = json!({
            "name": "db", "image": "db:1", "env": [{ "name": "PASSWORD", "value": "hunter2" }], "args": ["--password=hunter2"],
            "command": ["sh", "-c", "hunter2"], "livenessProbe": { "exec": { "command": ["true"] } },
        });
        let object = json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {
                "name": "db", "namespace": "shop", "managedFields": [{}],
                "annotations": { "kubectl.kubernetes.io/last-applied-configuration": "hunter2", "a": "b" },
            },
            "spec": { "template": { "spec": { "containers": [container], "initContainers": [container] } } },
        });
        let document = document("statefulsets.apps/shop/db", &object.to_string()).unwrap();
        let at = document.locate("/spec/template/spec/containers/0/env/0/value");
        assert_eq!(at.followed, 8);
        let text = document.excerpt(&at).text;
        assert!(text.contains("value: (not shown)") && !text.contains("hunter2"), "{text}");
        let yaml = to_yaml(&serde_json::from_str(&document.json).unwrap());
        assert!(!yaml.contains("hunter2") && !yaml.contains("managedFields") && yaml.contains("image: db:1"), "{yaml}");
        let secret =
            json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s" }, "data": { "a": "hunter2" } });
        let shown = super::document("secrets/shop/s", &secret.to_string()).unwrap();
        assert!(!shown.json.contains("hunter2"), "{}", shown.json);
    }

    #[test]
    fn a_title_says_where_the_object_is() {
        let of = |group: &'static str, resource: &'static str| GroupVersionResource {
            group: group.into(),
            resource: resource.into(),
            ..GroupVersionResource::default()
        };
        assert_eq!(title(&of("apps", "statefulsets"), Some("shop"), "ledger"), "statefulsets.apps/shop/ledger");
        assert_eq!(title(&of("", "namespaces"), None, "shop"), "namespaces/shop");
    }
}
