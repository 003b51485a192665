//! The JSON Schema of a component's settings, made from the families' types.
//!
//! It is made natively and committed beside the component, where a test holds it to the types: a guest that made it would be a third larger.

use schemars::JsonSchema;
use serde_json::{Map, Value};

/// A schema in the making. Every family reads its own fields from the same object and ignores the others; the schema refuses what no family knows.
#[derive(Debug, Default)]
pub struct SettingsSchema {
    properties: Map<String, Value>,
    definitions: Map<String, Value>,
}

impl SettingsSchema {
    /// Adds one family's settings. Families that share a field mean the same by it: the first one's words stay.
    #[must_use]
    pub fn with<S: JsonSchema>(mut self) -> Self {
        let mut schema = schemars::schema_for!(S);
        let object = schema.ensure_object();
        join(&mut self.properties, object.remove("properties"));
        join(&mut self.definitions, object.remove("$defs"));
        self
    }

    /// As JSON text.
    pub fn text(self) -> String {
        let mut schema = Map::new();
        schema.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
        schema.insert("type".to_owned(), "object".into());
        schema.insert("properties".to_owned(), self.properties.into());
        schema.insert("additionalProperties".to_owned(), false.into());
        if !self.definitions.is_empty() {
            schema.insert("$defs".to_owned(), self.definitions.into());
        }
        format!("{:#}\n", Value::Object(schema))
    }
}

fn join(into: &mut Map<String, Value>, from: Option<Value>) {
    let Some(Value::Object(from)) = from else { return };
    for (key, value) in from {
        into.entry(key).or_insert(value);
    }
}
