//! Who wrote a protected key, by what `metadata.managedFields` say.
//!
//! A field manager is a name that the client chose, and what the webhook writes is put down to whoever asked. So it proves nothing: it is a lead to follow.
//! Only what is telling is answered: on a Pod everything that is not the StatefulSet controller's own request, on a StatefulSet what came through a subresource,
//! and keys of pods, which the webhook never writes there.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::contract::{GOVERNED, MANAGER, PROTECTED_ANNOTATIONS, PROTECTED_LABELS};

/// What one entry of `managedFields` says of one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suspected {
    /// The protected key.
    pub key: String,
    /// `label`, `annotation`, `template label` or `template annotation`.
    pub place: &'static str,
    /// The field manager.
    pub manager: String,
    /// `Apply` or `Update`.
    pub operation: String,
    /// `status`, where it came through that.
    pub subresource: Option<String>,
    /// When it wrote last, as the API server has it.
    pub time: Option<String>,
}

/// Of a Pod or a StatefulSet as it is stored, in the order of its entries; nothing of other kinds, and of what cannot be read.
pub fn suspected(kind: &str, json: &str) -> Vec<Suspected> {
    // Most objects have no key of ours, and need no second look.
    if !matches!(kind, "Pod" | "StatefulSet") || !json.contains("\"f:stateward.dev/") {
        return Vec::new();
    }
    let Ok(Object { metadata }) = serde_json::from_str(json) else { return Vec::new() };
    metadata.managed_fields.into_iter().flat_map(|entry| of_entry(kind, entry)).collect()
}

fn of_entry(kind: &str, entry: Entry) -> Vec<Suspected> {
    let Entry { manager, operation, subresource, time, fields } = entry;
    let template = fields.spec.template.metadata;
    let places = [
        ("label", PROTECTED_LABELS, fields.metadata.labels),
        ("annotation", PROTECTED_ANNOTATIONS, fields.metadata.annotations),
        (TEMPLATE_LABEL, PROTECTED_LABELS, template.labels),
        ("template annotation", PROTECTED_ANNOTATIONS, template.annotations),
    ];
    let subresource = Some(subresource).filter(|name| !name.is_empty());
    let is_expected = |key: &str, place: &str| match kind {
        _ if subresource.is_some() => false,
        // Who had set fields before anybody applied them is not known any more.
        _ if manager == BEFORE_APPLY => true,
        "Pod" => CONTROLLERS.contains(&manager.as_str()) && operation == "Update",
        _ => (place, key) == (TEMPLATE_LABEL, GOVERNED) || (place, key) == ("annotation", MANAGER),
    };
    let mut all = Vec::new();
    for (place, protected, owned) in places {
        let keys = owned.keys().filter_map(|field| field.strip_prefix("f:"));
        for key in keys.filter(|key| protected.contains(key) && !is_expected(key, place)) {
            all.push(Suspected {
                key: key.to_owned(),
                place,
                manager: manager.clone(),
                operation: operation.clone(),
                subresource: subresource.clone(),
                time: time.clone(),
            });
        }
    }
    all
}

#[derive(Deserialize)]
struct Object {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "managedFields", default)]
    managed_fields: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    manager: String,
    #[serde(default)]
    operation: String,
    #[serde(default)]
    subresource: String,
    #[serde(default)]
    time: Option<String>,
    #[serde(rename = "fieldsV1", default)]
    fields: Fields,
}

/// `fieldsV1`: of an object's fields those whose keys are ours to look at.
#[derive(Default, Deserialize)]
struct Fields {
    #[serde(rename = "f:metadata", default)]
    metadata: Maps,
    #[serde(rename = "f:spec", default)]
    spec: Spec,
}

#[derive(Default, Deserialize)]
struct Spec {
    #[serde(rename = "f:template", default)]
    template: Template,
}

#[derive(Default, Deserialize)]
struct Template {
    #[serde(rename = "f:metadata", default)]
    metadata: Maps,
}

#[derive(Default, Deserialize)]
struct Maps {
    #[serde(rename = "f:labels", default)]
    labels: BTreeMap<String, IgnoredAny>,
    #[serde(rename = "f:annotations", default)]
    annotations: BTreeMap<String, IgnoredAny>,
}

/// The binaries that hold the StatefulSet controller, by which it is called: Kubernetes' own, k3s' and MicroK8s'.
const CONTROLLERS: [&str; 3] = ["kube-controller-manager", "k3s", "kubelite"];
/// What server-side apply calls the owner of all that it found.
const BEFORE_APPLY: &str = "before-first-apply";
const TEMPLATE_LABEL: &str = "template label";

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn entry(manager: &str, operation: &str, subresource: &str, fields: &Value) -> Value {
        json!({
            "manager": manager, "operation": operation, "subresource": subresource, "apiVersion": "v1",
            "time": "2026-01-02T03:04:05Z", "fieldsType": "FieldsV1", "fieldsV1": fields,
        })
    }

    /// `place key by manager`, one a line.
    fn said(kind: &str, entries: &[Value]) -> Vec<String> {
        let object = json!({"kind": kind, "metadata": {"name": "db-0", "managedFields": entries}}).to_string();
        let line = |one: Suspected| {
            let through = one.subresource.map(|name| format!(" through {name}")).unwrap_or_default();
            format!("{} {} by {} {}{through}", one.place, one.key, one.manager, one.operation)
        };
        suspected(kind, &object).into_iter().map(line).collect()
    }

    fn role() -> Value {
        json!({"f:metadata": {"f:labels": {".": {}, "f:app": {}, "f:stateward.dev/role": {}}}, "f:spec": {"f:nodeName": {}}})
    }

    #[test]
    fn on_a_pod_all_but_the_controller_is_told() {
        let made = json!({"f:metadata": {
            "f:labels": {"f:stateward.dev/role": {}, "f:stateward.dev/set": {}},
            "f:annotations": {"f:stateward.dev/write": {}}, "f:ownerReferences": {".": {}, "k:{\"uid\":\"u\"}": {}},
        }});
        let expected = entry("kube-controller-manager", "Update", "", &made);
        assert!(said("Pod", std::slice::from_ref(&expected)).is_empty());
        assert!(said("Pod", &[entry("k3s", "Update", "", &made)]).is_empty());
        let others = [
            expected,
            entry("kubectl-label", "Update", "", &role()),
            entry("kubelet", "Update", "status", &role()),
            entry("kube-controller-manager", "Update", "status", &role()),
            entry("before-first-apply", "Update", "", &role()),
            entry(
                "argocd",
                "Apply",
                "",
                &json!({"f:metadata": {"f:labels": {"f:app": {}, "f:stateward.dev/other": {}}}}),
            ),
        ];
        assert_eq!(
            said("Pod", &others),
            [
                "label stateward.dev/role by kubectl-label Update",
                "label stateward.dev/role by kubelet Update through status",
                "label stateward.dev/role by kube-controller-manager Update through status",
            ]
        );
    }

    #[test]
    fn on_a_set_the_owner_is_expected_where_the_webhook_writes() {
        let stamped = json!({
            "f:metadata": {"f:annotations": {"f:stateward.dev/manager": {}, "f:stateward.dev/writes": {}}},
            "f:spec": {"f:template": {"f:metadata": {"f:labels": {"f:stateward.dev/governed": {}}}}},
        });
        assert!(said("StatefulSet", &[entry("helm", "Update", "", &stamped)]).is_empty());
        assert_eq!(
            said("StatefulSet", &[entry("helm", "Update", "status", &stamped)]),
            [
                "annotation stateward.dev/manager by helm Update through status",
                "template label stateward.dev/governed by helm Update through status"
            ]
        );
        let forged = json!({
            "f:metadata": {"f:labels": {"f:stateward.dev/governed": {}}},
            "f:spec": {"f:template": {"f:metadata": {"f:labels": {"f:stateward.dev/role": {}}}}},
        });
        assert_eq!(
            said("StatefulSet", &[entry("kubectl", "Apply", "", &forged)]),
            ["label stateward.dev/governed by kubectl Apply", "template label stateward.dev/role by kubectl Apply"]
        );
    }

    #[test]
    fn what_cannot_be_read_suspects_nobody() {
        assert!(said("Service", &[entry("kubectl", "Update", "", &role())]).is_empty());
        assert!(
            said("Pod", &[entry("kubectl", "Update", "", &json!({"f:metadata": {"f:stateward.dev/role": 7}}))])
                .is_empty()
        );
        assert!(
            suspected("Pod", r#"{"metadata":{"managedFields":[{"fieldsV1":{"f:metadata":"f:stateward.dev/"#).is_empty()
        );
    }
}
