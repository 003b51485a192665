//! The part of an object that says what it is.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// What every object has. Read from JSON that is known to be an object.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Header<'a> {
    #[serde(borrow)]
    pub(crate) api_version: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    metadata: Option<Metadata<'a>>,
    #[serde(borrow)]
    pub(crate) items: Option<&'a RawValue>,
}

impl Header<'_> {
    /// Namespace and name. Kubernetes takes an empty one as an absent one.
    pub(crate) fn names(&self) -> (Option<String>, Option<String>) {
        let filled = |text: &Option<Cow<'_, str>>| text.as_deref().filter(|text| !text.is_empty()).map(str::to_owned);
        let names = self.metadata.as_ref().map(|Metadata(Names { namespace, name })| (filled(namespace), filled(name)));
        names.unwrap_or_default()
    }
}

/// An object, and nothing else: a derived `Deserialize` takes a list for its fields in order, too.
struct Metadata<'a>(Names<'a>);

#[derive(Deserialize)]
struct Names<'a> {
    #[serde(borrow)]
    namespace: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Metadata<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MetadataVisitor;
        impl<'de> Visitor<'de> for MetadataVisitor {
            type Value = Metadata<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                Names::deserialize(MapAccessDeserializer::new(map)).map(Metadata)
            }
        }
        deserializer.deserialize_map(MetadataVisitor)
    }
}
