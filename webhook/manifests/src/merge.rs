//! YAML's merge key `<<`, on JSON texts: a mapping's own keys win, then the first of the merged mappings that has a key.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The mapping `own` with what `merges` add to it.
pub(crate) fn merge(own: &str, merges: &[String]) -> Result<String, String> {
    let mut entries = own_entries(own)?;
    let mut known: HashSet<String> = entries.iter().map(|(key, _)| key.clone()).collect();
    for merge in merges {
        let mappings: Vec<&RawValue> = match serde_json::from_str(merge) {
            Ok(list) => list,
            Err(_) => vec![serde_json::from_str(merge).map_err(|_| WRONG_VALUE.to_owned())?],
        };
        for mapping in mappings {
            for (key, value) in own_entries(mapping.get())? {
                if known.insert(key.clone()) {
                    entries.push((key, value));
                }
            }
        }
    }
    let mut json = String::with_capacity(own.len());
    for (key, value) in &entries {
        json.push(if json.is_empty() { '{' } else { ',' });
        json.push_str(&serde_json::Value::from(key.as_str()).to_string());
        json.push(':');
        json.push_str(value.get());
    }
    json.push_str(if json.is_empty() { "{}" } else { "}" });
    Ok(json)
}

fn own_entries(mapping: &str) -> Result<Vec<(String, &RawValue)>, String> {
    serde_json::from_str::<Entries<'_>>(mapping).map(|entries| entries.0).map_err(|_| WRONG_VALUE.to_owned())
}

/// A JSON object's entries in their order.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

const WRONG_VALUE: &str = "the value of `<<` is neither a mapping nor a list of mappings";
