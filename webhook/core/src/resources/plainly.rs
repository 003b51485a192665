//! Values that serde would read by other rules than people write them, or word in terms of its reader.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::de::value::StrDeserializer;
use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
use serde_json::Value;

use crate::manifest::Action;

/// A time, or nothing.
pub(super) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let wrong = |value: &dyn fmt::Display| {
        D::Error::custom(format_args!(
            "`{value}` is not a time, expected an RFC 3339 time such as 2026-12-31T00:00:00Z"
        ))
    };
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::String(text) => text.parse().map(Some).map_err(|_| wrong(&text)),
        other => Err(wrong(&other)),
    }
}

/// Actions by rule id.
pub(super) fn actions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Action>, D::Error> {
    let written = BTreeMap::<String, Written>::deserialize(deserializer)?;
    Ok(written.into_iter().map(|(id, Written(action))| (id, action)).collect())
}

struct Written(Action);

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Word;
        impl Visitor<'_> for Word {
            type Value = Written;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one of `Off`, `Audit`, `Warn`, `Deny`, `Apply`")
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<Written, E> {
                Action::deserialize(StrDeserializer::new(word)).map(Written)
            }

            /// YAML 1.1 reads a plain `Off` as a boolean, and people write it plainly.
            fn visit_bool<E: Error>(self, is_on: bool) -> Result<Written, E> {
                if is_on { Err(E::invalid_type(Unexpected::Bool(true), &self)) } else { Ok(Written(Action::Off)) }
            }
        }
        deserializer.deserialize_any(Word)
    }
}
