//! From schemars' JSON Schema to Kubernetes' structural schema: no references, no nulls, one type each.

use serde_json::{Map, Value};

/// What the API server takes in a CustomResourceDefinition.
pub(super) fn structural(schema: Value) -> Value {
    let Value::Object(schema) = schema else { return any() };
    let mut schema = merged(schema);
    // Unknown fields are pruned or refused by the client's `fieldValidation`; structural schemas cannot forbid them beside properties.
    if schema.get("additionalProperties").is_some_and(Value::is_boolean) {
        let is_open = schema.get("additionalProperties") == Some(&Value::Bool(true));
        schema.remove("additionalProperties");
        if is_open && !schema.contains_key("properties") {
            schema.insert(PRESERVE.to_owned(), Value::Bool(true));
        }
    }
    if let Some(Value::String(description)) = schema.get_mut("description") {
        // Links of rustdoc.
        *description = description.replace("[`", "`").replace("`]", "`");
    }
    for word in ["$schema", "title", "nullable", "definitions", "components"] {
        schema.remove(word);
    }
    // Numbers of Rust's own width.
    if schema.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("uint")) {
        schema.remove("format");
    }
    // Defaults that `kubectl get -o yaml` should show: words, not empty lists.
    if schema.get("default").is_some_and(|default| !default.is_string()) {
        schema.remove("default");
    }
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        for (_, property) in properties.iter_mut() {
            *property = structural(property.take());
        }
    }
    for word in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get_mut(word) {
            *inner = structural(inner.take());
        }
    }
    Value::Object(schema)
}

/// Without alternatives: `null` is the same as absent, and alternatives of words are one enumeration.
fn merged(mut schema: Map<String, Value>) -> Map<String, Value> {
    if let Some(Value::Array(types)) = schema.get("type") {
        let first = types.iter().find(|name| *name != "null").cloned().unwrap_or_default();
        schema.insert("type".to_owned(), first);
    }
    let alternatives: Vec<Value> = ["anyOf", "oneOf", "allOf"]
        .iter()
        .filter_map(|word| schema.remove(*word))
        .flat_map(|list| if let Value::Array(list) = list { list } else { Vec::new() })
        .collect();
    let mut words = Vec::new();
    let mut meanings = Vec::new();
    for alternative in alternatives {
        let Value::Object(alternative) = alternative else { continue };
        let alternative = merged(alternative);
        let description = alternative.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
        let of_it = alternative.get("const").cloned().into_iter().chain(enumerated(&alternative));
        let before = words.len();
        words.extend(of_it);
        match words.get(before) {
            // What says no more than the word itself is left out.
            Some(Value::String(word)) if words.len() == before + 1 && description.trim_matches(['`', '.']) != word => {
                meanings.push(format!("`{word}`: {description}"));
            }
            Some(_) => {}
            None => {
                for (key, value) in alternative {
                    schema.entry(key).or_insert(value);
                }
            }
        }
    }
    if !words.is_empty() {
        let description = schema.get("description").and_then(Value::as_str).unwrap_or_default();
        let described = [&[description.to_owned()][..], &meanings].concat().join("\n");
        schema.insert("description".to_owned(), Value::String(described.trim().to_owned()));
        schema.insert("type".to_owned(), Value::from("string"));
        schema.insert("enum".to_owned(), Value::Array(words));
    }
    if let Some(Value::Array(words)) = schema.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    schema
}

fn enumerated(schema: &Map<String, Value>) -> Vec<Value> {
    schema.get("enum").and_then(Value::as_array).cloned().unwrap_or_default()
}

fn any() -> Value {
    Value::Object(Map::from_iter([(PRESERVE.to_owned(), Value::Bool(true))]))
}

const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";
