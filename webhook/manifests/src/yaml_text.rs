//! Values as YAML, for people to read.

use serde_json::Value;

/// Writes a value as a YAML document.
pub fn to_yaml(value: &Value) -> String {
    // Text, numbers, lists and maps with text for keys: nothing in JSON that YAML cannot say.
    serde_saphyr::to_string(value).unwrap_or_else(|_| format!("{value:#}\n"))
}

#[cfg(test)]
mod tests {
    use super::to_yaml;
    use crate::read_data_text;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn read_back(yaml: &str) -> Value {
        let read = read_data_text("x.yaml", yaml.to_owned());
        assert!(read.errors.is_empty(), "{:?}\n{yaml}", read.errors);
        read.documents[0].value()
    }

    #[test]
    fn reads_as_people_write_it() {
        let value =
            json!({"kind": "StatefulSet", "spec": {"modes": ["a"], "on": true, "text": "yes", "version": "1.0"}});
        assert_eq!(
            to_yaml(&value),
            "kind: StatefulSet\nspec:\n  modes:\n  - a\n  \"on\": true\n  text: \"yes\"\n  version: \"1.0\"\n"
        );
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[ -~]{0,12}".prop_map(Value::from),
            prop_oneof![
                Just("yes"),
                Just("0755"),
                Just("null"),
                Just("~"),
                Just("1e3"),
                Just("a: b"),
                Just("- x"),
                Just("*a"),
                Just("a\nb\n")
            ]
            .prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[ -~]{1,8}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in values()) {
            // A document that is nothing at all is skipped by the reader.
            prop_assume!(!value.is_null());
            prop_assert_eq!(read_back(&to_yaml(&value)), value);
        }
    }
}
