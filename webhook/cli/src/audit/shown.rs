//! A stored object as a person reads it: YAML, without what only the API server writes, and without values that may be secret.

use serde_json::Value;
use stateward_core::request::GroupVersionResource;

use stateward_manifests::{Document, read_text, to_yaml};
use stateward_report::snippet::redact;

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
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    redact(&mut object);
    read_text(title, to_yaml(&object)).objects.pop()
}

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
