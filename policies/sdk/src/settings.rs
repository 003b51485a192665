//! Settings of families, joined into the one JSON Schema of their component.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::family::CheckSettings;

/// For families that have nothing to set.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
pub struct NoSettings {}

impl CheckSettings for NoSettings {}

/// The JSON Schema of a component's settings. Every family reads its own fields from the same object, so nothing else is refused by a
/// family; the schema refuses what no family knows.
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
        Value::Object(schema).to_string()
    }
}

/// Reads a unit's settings. Most policies have none, and a fresh instance has better things to do than to find that out by parsing.
pub fn parse<S: CheckSettings>(settings: &str) -> Result<S, String> {
    match settings {
        "" | "{}" => Ok(S::default()),
        text => serde_json::from_str(text).map_err(|error| format!("the settings cannot be read: {error}")),
    }
}

fn join(into: &mut Map<String, Value>, from: Option<Value>) {
    let Some(Value::Object(from)) = from else { return };
    for (key, value) in from {
        into.entry(key).or_insert(value);
    }
}
