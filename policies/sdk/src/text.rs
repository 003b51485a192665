//! Text and maps of texts that borrow from the JSON they were read from.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// A text: borrowed where the JSON has no escapes. A `Cow` would be owned always: serde borrows no `Cow` inside an `Option` or a `Vec`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text<'a>(Cow<'a, str>);

/// Labels or annotations. Few enough for a walk to beat a search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map<'a>(Vec<(Text<'a>, Text<'a>)>);

impl Text<'_> {
    /// A copy, where the JSON has escapes.
    pub fn owned(text: &str) -> Self {
        Self(Cow::Owned(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'a> Map<'a> {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(each, _)| **each == *key).map(|(_, value)| value.as_str())
    }

    /// Whether the key is there.
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// In the order of the JSON.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;

        impl<'de> Visitor<'de> for Texts {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Texts)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Map<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Maps;

        impl<'de> Visitor<'de> for Maps {
            type Value = Map<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Map<'de>, M::Error> {
                let mut map = Vec::new();
                while let Some((key, value)) = members.next_entry::<Text<'de>, Option<Text<'de>>>()? {
                    map.push((key, value.unwrap_or_default()));
                }
                Ok(Map(map))
            }
        }

        deserializer.deserialize_map(Maps)
    }
}

#[cfg(test)]
mod tests {
    use super::{Map, Text};
    use std::borrow::Cow;

    #[test]
    fn borrows_unless_escaped() {
        let texts: Vec<Option<Text<'_>>> = serde_json::from_str(r#"["plain", "es\u0063aped", null]"#).unwrap();
        assert!(matches!(&texts[0], Some(Text(Cow::Borrowed("plain")))));
        assert!(matches!(&texts[1], Some(Text(Cow::Owned(text))) if text == "escaped"));
        assert_eq!(texts[2], None);
    }

    #[test]
    fn null_is_absent() {
        let map: Map<'_> = serde_json::from_str(r#"{"a": null, "b": "x"}"#).unwrap();
        assert_eq!(map.get("a"), Some(""));
        assert_eq!(map.get("b"), Some("x"));
        assert_eq!(map.get("c"), None);
    }

    #[test]
    fn wrong_types_are_errors() {
        let error = serde_json::from_str::<Map<'_>>(r#"{"a": 1}"#).unwrap_err();
        assert_eq!(error.to_string(), "invalid type: integer `1`, expected a text at line 1 column 7");
    }
}
