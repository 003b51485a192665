//! Keeps a hostile JSON Schema from costing more than its size: `$ref` in circles never ends, `$ref` in layers doubles at each.

use std::collections::HashMap;

use serde_json::Value;

/// Refuses references to other documents, circles, and schemas that unfold to more than [`MAX_NODES`].
pub(crate) fn check(schema: &Value) -> Result<(), String> {
    let mut unfolding = Unfolding { root: schema, known: HashMap::new() };
    unfolding.nodes(schema, 0).map(drop)
}

struct Unfolding<'a> {
    root: &'a Value,
    /// By pointer: how many nodes the target unfolds to; `None` while it is being counted.
    known: HashMap<&'a str, Option<u64>>,
}

impl<'a> Unfolding<'a> {
    /// How many nodes the value has once every reference is replaced by what it refers to.
    fn nodes(&mut self, value: &'a Value, depth: usize) -> Result<u64, String> {
        if depth > MAX_DEPTH {
            return Err(format!("it is more than {MAX_DEPTH} levels deep"));
        }
        let mut nodes = 1_u64;
        match value {
            Value::Object(members) => {
                for (key, member) in members {
                    nodes += match (key.as_str(), member) {
                        ("$ref", Value::String(reference)) => self.referred(reference, depth)?,
                        ("$dynamicRef" | "$recursiveRef" | "$id", Value::String(_)) => {
                            return Err(format!("`{key}` is not supported; use `$ref` with `#/..`"));
                        }
                        _ => self.nodes(member, depth + 1)?,
                    };
                }
            }
            Value::Array(items) => {
                for item in items {
                    nodes += self.nodes(item, depth + 1)?;
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        if nodes > MAX_NODES {
            return Err(format!("it unfolds to more than {MAX_NODES} nodes"));
        }
        Ok(nodes)
    }

    fn referred(&mut self, reference: &'a str, depth: usize) -> Result<u64, String> {
        match self.known.get(reference) {
            Some(Some(nodes)) => return Ok(*nodes),
            Some(None) => return Err(format!("`$ref: {reference}` leads round in a circle")),
            None => {}
        }
        let target = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
        let Some(target) = target else {
            return Err(format!("`$ref: {reference}` is not a pointer into the schema (`#/..`)"));
        };
        self.known.insert(reference, None);
        let nodes = self.nodes(target, depth + 1)?;
        self.known.insert(reference, Some(nodes));
        Ok(nodes)
    }
}

const MAX_NODES: u64 = 20_000;
const MAX_DEPTH: usize = 64;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn plain_references_pass() {
        let schema = json!({ "properties": { "a": { "$ref": "#/$defs/a" }, "b": { "$ref": "#/$defs/a" } }, "$defs": { "a": { "type": "string" } } });
        assert_eq!(check(&schema), Ok(()));
    }

    #[test]
    fn refuses_circles_layers_and_strangers() {
        let mut layers = json!({ "$defs": { "l0": { "type": "string" } } });
        for layer in 1..20 {
            let below = format!("#/$defs/l{}", layer - 1);
            layers["$defs"][format!("l{layer}")] = json!({ "allOf": [{ "$ref": below }, { "$ref": below }] });
        }
        for (schema, words) in [
            (json!({ "$ref": "#" }), "circle"),
            (
                json!({ "$defs": { "a": { "items": { "$ref": "#/$defs/b" } }, "b": { "items": { "$ref": "#/$defs/a" } } } }),
                "circle",
            ),
            (layers, "unfolds"),
            (json!({ "$ref": "http://example.com/a.json" }), "not a pointer"),
            (json!({ "$ref": "#/$defs/none" }), "not a pointer"),
            (json!({ "$dynamicRef": "#a" }), "not supported"),
        ] {
            let error = check(&schema).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
