//! The files of `deploy/crds` are what the types say. `UPDATE_CRDS=1` writes them anew.

use std::path::{Path, PathBuf};

use serde_json::Value;
use stateward_cluster::crds;

#[test]
fn files_are_what_the_types_say() {
    for definition in [crds::wasm_policies(), crds::policy_exemptions()] {
        let name = definition["metadata"]["name"].as_str().unwrap();
        let file = folder().join(format!("{name}.yaml"));
        let text = format!("{GENERATED}{}", stateward_manifests::to_yaml(&definition));
        if std::env::var_os("UPDATE_CRDS").is_some() {
            std::fs::create_dir_all(folder()).unwrap();
            std::fs::write(&file, &text).unwrap();
        }
        let written = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(written, text, "{}; hint: UPDATE_CRDS=1 cargo test -p stateward-cluster", file.display());
    }
}

/// What the API server asks of a structural schema: a type for every field, and nothing that it does not know.
#[test]
fn schemas_are_structural() {
    for definition in [crds::wasm_policies(), crds::policy_exemptions()] {
        let schema = definition.pointer("/spec/versions/0/schema/openAPIV3Schema").unwrap();
        let mut wrong = Vec::new();
        check(schema, "", &mut wrong);
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

fn check(schema: &Value, path: &str, wrong: &mut Vec<String>) {
    let Some(members) = schema.as_object() else {
        wrong.push(format!("{path}: not an object"));
        return;
    };
    if !members.contains_key("type") && !members.contains_key("x-kubernetes-preserve-unknown-fields") {
        wrong.push(format!("{path}: no type"));
    }
    for (word, value) in members {
        match word.as_str() {
            "properties" => {
                for (name, property) in value.as_object().into_iter().flatten() {
                    check(property, &format!("{path}.{name}"), wrong);
                }
            }
            "items" | "additionalProperties" => check(value, &format!("{path}[]"), wrong),
            word if KNOWN.contains(&word) => {}
            word => wrong.push(format!("{path}: `{word}`")),
        }
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crds")
}

const GENERATED: &str =
    "# Generated from the types in webhook/core/src/resources.rs by `UPDATE_CRDS=1 cargo test -p stateward-cluster`.\n";

const KNOWN: &[&str] = &[
    "type",
    "description",
    "enum",
    "default",
    "format",
    "required",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "maxProperties",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
];
