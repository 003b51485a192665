//! What is in force: our own policies and some beside them, exemptions of every sort, namespaces that raise the profile or select a policy.

use std::path::Path;

use serde_json::{Value, json};
use stateward_tests::root;

/// A namespace, and what is exempt there.
pub(crate) struct Namespace {
    pub(crate) object: Value,
    pub(crate) exemption: Option<Value>,
}

/// Of the sorts that there are, the one of this number. `of`: a name that may be exempt.
pub(crate) fn namespace(number: usize, name: &str, of: Option<&str>) -> Namespace {
    let mut labels = json!({
        "stateward.dev/profile": if number.is_multiple_of(3) { "strict" } else { "baseline" },
        "kubernetes.io/metadata.name": name,
    });
    if number % 5 == 1 {
        labels["team"] = "selected".into();
    }
    let in_hours = |hours| jiff::Timestamp::now() + jiff::SignedDuration::from_hours(hours);
    let everything = json!(["remote-volumes/*", "ordered-identity/*", "workload-kind/*", "operations/*"]);
    let spec = match (number % 4, of) {
        (0, Some(of)) => Some(json!({
            "rules": ["remote-volumes/*", "ordered-identity/zero-grace"], "names": [of], "expires": in_hours(24),
        })),
        // Over: it exempts nothing.
        (1, Some(of)) => Some(json!({ "rules": everything, "names": [of], "expires": in_hours(-24) })),
        (2, _) => Some(json!({
            "rules": everything, "expires": in_hours(24), "selector": { "matchLabels": { "app": "db" } },
        })),
        _ => None,
    };
    let exemption = spec.map(|mut spec| {
        spec["reason"] = "to see".into();
        json!({
            "apiVersion": "stateward.dev/v1alpha1", "kind": "PolicyExemption",
            "metadata": { "name": "some", "namespace": name }, "spec": spec,
        })
    });
    let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels } });
    Namespace { object, exemption }
}

/// Writes everything that is in force into a folder that it makes.
pub(crate) fn write_policies(folder: &Path, exemptions: &[Value]) {
    std::fs::create_dir(folder).unwrap();
    std::fs::copy(root().join("deploy/base/policies.yaml"), folder.join("policies.yaml")).unwrap();
    std::fs::write(folder.join("beside.yaml"), BESIDE).unwrap();
    std::fs::write(folder.join("exemptions.json"), list(exemptions)).unwrap();
}

pub(crate) fn list(items: &[Value]) -> String {
    json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string()
}

/// One that only records, where a namespace's label selects it; one that only warns, of objects that meet its condition.
const BESIDE: &str = "\
apiVersion: stateward.dev/v1alpha1
kind: WasmPolicy
metadata: {name: recorded}
spec:
  component: builtin:stateful
  rules: ['ordered-identity/*']
  mode: Audit
  profile: strict
  match: {namespaceSelector: {matchLabels: {team: selected}}}
---
apiVersion: stateward.dev/v1alpha1
kind: WasmPolicy
metadata: {name: warned}
spec:
  component: builtin:stateful
  rules: ['remote-volumes/*', 'workload-kind/*']
  mode: Warn
  failurePolicy: Ignore
  match: {matchConditions: [{name: not-db, expression: \"object.metadata.name != 'db'\"}]}
";
