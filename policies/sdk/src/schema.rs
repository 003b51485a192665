//! The JSON Schema of a component's settings, made from the families' types.
//!
//! It is made natively and committed beside the component, where a test holds it to the types: a guest that made it would be a third larger.

use serde_json::{Map, Value, json};

use crate::family::Family;

/// A schema in the making. Every family reads its own fields from the same object and ignores the others; the schema refuses what no family knows,
/// and says of each field whose it is: the host refuses it in a policy that selects no rule of theirs.
#[derive(Debug, Default)]
pub struct SettingsSchema {
    properties: Map<String, Value>,
    definitions: Map<String, Value>,
}

impl SettingsSchema {
    /// Adds one family's settings. Families that share a field mean the same by it: the first one's words stay.
    #[must_use]
    pub fn with<F: Family>(mut self) -> Self {
        let mut schema = schemars::schema_for!(F::Settings);
        let object = schema.ensure_object();
        let family = F::RULES.first().and_then(|rule| rule.id.split_once('/')).map_or("", |(family, _)| family);
        for (key, value) in members(object.remove("properties")) {
            let property = self.properties.entry(key).or_insert(value);
            let families =
                property.as_object_mut().map(|property| property.entry(FAMILIES).or_insert_with(|| json!([])));
            if let Some(Value::Array(families)) = families {
                families.push(family.into());
            }
        }
        for (key, value) in members(object.remove("$defs")) {
            self.definitions.entry(key).or_insert(value);
        }
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

fn members(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

/// The families that read a setting. The host knows it by this name.
const FAMILIES: &str = "x-families";
