//! The CustomResourceDefinitions of `WasmPolicy` and `PolicyExemption`, from the types that the server reads them into.
//!
//! `deploy/crds` holds them as files; a test compares. What a schema cannot say is said in CEL, so that the API server refuses it with the field.

mod schema;
pub mod status;

use schemars::JsonSchema;
use serde_json::{Value, json};
use stateward_core::resources::{PolicyExemptionSpec, WasmPolicySpec};

use schema::structural;
use status::WasmPolicyStatus;

/// `stateward.dev`.
pub const GROUP: &str = "stateward.dev";

/// The only version so far.
pub const VERSION: &str = "v1alpha1";

/// Of `WasmPolicy`, cluster-scoped.
pub fn wasm_policies() -> Value {
    let mut spec = schema_of::<WasmPolicySpec>();
    for (path, more) in POLICY_LIMITS {
        add(&mut spec, path, more);
    }
    let columns = [
        ("Component", "string", ".spec.component", "What it runs."),
        ("Mode", "string", ".spec.mode", "Caps its actions."),
        ("Profile", "string", ".spec.profile", "The least profile in force; a namespace may raise itself."),
        ("Rules", "integer", ".status.ruleCount", "How many rules are in force."),
        (
            "Ready",
            "string",
            ".status.conditions[?(@.type=='Ready')].status",
            "Whether every replica enforces it as it is written.",
        ),
        ("Age", "date", ".metadata.creationTimestamp", ""),
    ];
    definition(
        &Names { kind: "WasmPolicy", plural: "wasmpolicies", short: "wp", scope: "Cluster" },
        &columns,
        &json!({
            "description": "One installed policy: a component's rules with settings, match and modes.",
            "type": "object",
            "required": ["spec"],
            "properties": { "spec": spec, "status": schema_of::<WasmPolicyStatus>() },
        }),
    )
}

/// Of `PolicyExemption`, namespaced.
pub fn policy_exemptions() -> Value {
    let mut spec = schema_of::<PolicyExemptionSpec>();
    for (path, more) in EXEMPTION_LIMITS {
        add(&mut spec, path, more);
    }
    let columns = [
        ("Rules", "string", ".spec.rules", "What is not enforced."),
        ("Reason", "string", ".spec.reason", "Why."),
        (
            "Expires",
            "date",
            ".spec.expires",
            "From then on it is as if it were not there; default: 90 days after its creation.",
        ),
        ("Age", "date", ".metadata.creationTimestamp", ""),
    ];
    definition(
        &Names { kind: "PolicyExemption", plural: "policyexemptions", short: "pex", scope: "Namespaced" },
        &columns,
        &json!({
            "description": "Turns Deny and Warn of some rules into Audit, for some objects of its namespace, for a time.",
            "type": "object",
            "required": ["spec"],
            "properties": { "spec": spec },
        }),
    )
}

struct Names {
    kind: &'static str,
    plural: &'static str,
    short: &'static str,
    scope: &'static str,
}

fn definition(names: &Names, columns: &[(&str, &str, &str, &str)], schema: &Value) -> Value {
    let Names { kind, plural, short, scope } = names;
    let columns: Vec<Value> = columns
        .iter()
        .map(|(name, of, path, description)| {
            let mut column = json!({ "name": name, "type": of, "jsonPath": path });
            if !description.is_empty() {
                add(&mut column, "", &json!({ "description": description }).to_string());
            }
            column
        })
        .collect();
    let mut version = json!({
        "name": VERSION,
        "served": true,
        "storage": true,
        "additionalPrinterColumns": columns,
        "schema": { "openAPIV3Schema": schema },
    });
    if schema.pointer("/properties/status").is_some() {
        add(&mut version, "", r#"{"subresources":{"status":{}}}"#);
    }
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.{GROUP}") },
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind,
                "listKind": format!("{kind}List"),
                "plural": plural,
                "singular": kind.to_lowercase(),
                "shortNames": [short],
                "categories": ["stateward"],
            },
            "scope": scope,
            "versions": [version],
        },
    })
}

fn schema_of<T: JsonSchema>() -> Value {
    let settings = schemars::generate::SchemaSettings::openapi3().with(|settings| settings.inline_subschemas = true);
    structural(settings.into_generator().into_root_schema_for::<T>().to_value())
}

/// Adds JSON members to the schema at a JSON Pointer.
fn add(schema: &mut Value, path: &str, members: &str) {
    let members = serde_json::from_str::<serde_json::Map<String, Value>>(members).unwrap_or_default();
    if let Some(at) = schema.pointer_mut(path).and_then(Value::as_object_mut) {
        at.extend(members);
    }
}

/// Beside the types: lengths, so that CEL's cost can be bounded, and what only CEL can say.
const POLICY_LIMITS: &[(&str, &str)] = &[
    (
        "/properties/component",
        r#"{"maxLength":512,"x-kubernetes-validations":[{"rule":"self.matches('^(builtin:[a-z0-9-]+|file:.+|oci://.+)$')","message":"must be `builtin:NAME`, `file:PATH` or `oci://HOST/REPO:TAG[@sha256:..]`"}]}"#,
    ),
    ("/properties/rules", r#"{"minItems":1,"maxItems":256,"x-kubernetes-list-type":"set"}"#),
    (
        "/properties/rules/items",
        r#"{"maxLength":128,"x-kubernetes-validations":[{"rule":"self.matches('^([*]|[a-z0-9-]+/([*]|[a-z0-9-]+))$')","message":"must be `family/rule`, `family/*` or `*`"}]}"#,
    ),
    ("/properties/actions", r#"{"maxProperties":256}"#),
    (
        "/properties/profileVersion",
        r#"{"maxLength":32,"x-kubernetes-validations":[{"rule":"self.matches('^v[0-9]+[.][0-9]+$')","message":"must be a version like `v0.1`"}]}"#,
    ),
    (
        "/properties/limits/properties/timeout",
        r#"{"maxLength":16,"x-kubernetes-validations":[{"rule":"self.matches('^[0-9]{1,6}([.][0-9]{1,6})?m?s$')","message":"must be a duration like `200ms` or `1s`, at most 10s"}]}"#,
    ),
    (
        "/properties/limits/properties/memory",
        r#"{"maxLength":16,"x-kubernetes-validations":[{"rule":"self.matches('^[0-9]+(k|Ki|M|Mi|G|Gi)?$')","message":"must be a quantity like `64Mi`, at most 64Mi"}]}"#,
    ),
    ("/properties/match/properties/matchConditions", MATCH_CONDITIONS),
    ("/properties/match/properties/matchConditions/items/properties/name", r#"{"minLength":1,"maxLength":128}"#),
    ("/properties/match/properties/matchConditions/items/properties/expression", r#"{"minLength":1,"maxLength":1024}"#),
    ("/properties/match/properties/resourceRules", r#"{"maxItems":64}"#),
    ("/properties/match/properties/excludeResourceRules", r#"{"maxItems":64}"#),
    ("/properties/match/properties/namespaceSelector/properties/matchExpressions", EXPRESSIONS),
    ("/properties/match/properties/namespaceSelector/properties/matchExpressions/items", REQUIREMENT),
    ("/properties/match/properties/objectSelector/properties/matchExpressions", EXPRESSIONS),
    ("/properties/match/properties/objectSelector/properties/matchExpressions/items", REQUIREMENT),
];

const EXEMPTION_LIMITS: &[(&str, &str)] = &[
    (
        "",
        r#"{"x-kubernetes-validations":[{"rule":"has(self.names) && self.names.size() > 0 || has(self.selector)","message":"needs `names` or a `selector`; `selector: {}` is every object of the namespace"}]}"#,
    ),
    ("/properties/rules", r#"{"minItems":1,"maxItems":256,"x-kubernetes-list-type":"set"}"#),
    (
        "/properties/rules/items",
        r#"{"maxLength":128,"x-kubernetes-validations":[{"rule":"self.matches('^[a-z0-9-]+/([*]|[a-z0-9-]+)$')","message":"must be `family/rule` or `family/*`"}]}"#,
    ),
    ("/properties/names", r#"{"maxItems":256,"x-kubernetes-list-type":"set"}"#),
    ("/properties/names/items", r#"{"minLength":1,"maxLength":253}"#),
    ("/properties/reason", r#"{"minLength":1,"maxLength":1024}"#),
    ("/properties/selector/properties/matchExpressions", EXPRESSIONS),
    ("/properties/selector/properties/matchExpressions/items", REQUIREMENT),
];

/// At most as many as a webhook configuration may have.
const MATCH_CONDITIONS: &str =
    r#"{"maxItems":64,"x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["name"]}"#;

const EXPRESSIONS: &str = r#"{"maxItems":64}"#;

const REQUIREMENT: &str = r#"{"x-kubernetes-validations":[{"rule":"(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)","message":"`In` and `NotIn` need values, `Exists` and `DoesNotExist` have none"}]}"#;
