//! Values that serde would read by other rules than people write them, or word in terms of its reader.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use serde::de::value::StrDeserializer;
use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
use serde_json::Value;

use super::Mode;
use crate::manifest::{Action, Profile};

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

/// A mode.
pub(super) fn mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Mode, D::Error> {
    deserializer.deserialize_any(OneOf { noun: "mode", words: "one of `Audit`, `Warn`, `Enforce`", value: PhantomData })
}

/// A profile.
pub(super) fn profile<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Profile, D::Error> {
    deserializer.deserialize_any(OneOf { noun: "profile", words: "`baseline` or `strict`", value: PhantomData })
}

/// One of a few words, none of which is `Off`: people look for it all the same, and YAML 1.1 reads it as a boolean.
struct OneOf<T> {
    noun: &'static str,
    words: &'static str,
    value: PhantomData<T>,
}

impl<T> OneOf<T> {
    fn is_none<E: Error>(&self, word: &str) -> E {
        E::custom(format_args!(
            "`{word}` is not a {}, expected {}; to switch a policy off delete it or write `mode: Audit`, a rule `actions: {{RULE: Off}}`",
            self.noun, self.words
        ))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOf<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words)
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<T, E> {
        if word.eq_ignore_ascii_case("off") {
            return Err(self.is_none(word));
        }
        T::deserialize(StrDeserializer::new(word))
    }

    fn visit_bool<E: Error>(self, is_on: bool) -> Result<T, E> {
        if is_on { Err(E::invalid_type(Unexpected::Bool(true), &self)) } else { Err(self.is_none("Off")) }
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
