//! PodDisruptionBudgets.

use super::{LabelSelector, ObjectMeta, Stored};
use crate::rule::Kind;
use crate::text::Text;
use crate::view::view;
use serde::de::{Deserialize, Deserializer, Visitor};

view! {
    /// A PodDisruptionBudget.
    pub struct PodDisruptionBudget<'a> {
        /// Name, labels, ..
        "metadata" => pub metadata: ObjectMeta<'a>,
        /// What is wanted.
        "spec" => pub spec: PodDisruptionBudgetSpec<'a>,
    }
}

view! {
    /// `spec` of a PodDisruptionBudget.
    pub struct PodDisruptionBudgetSpec<'a> {
        /// How many pods must stay.
        "minAvailable" => pub min_available: Option<IntOrString<'a>>,
        /// How many pods may go.
        "maxUnavailable" => pub max_unavailable: Option<IntOrString<'a>>,
        /// Which pods; absent: none, empty: all of the namespace.
        "selector" => pub selector: Option<LabelSelector<'a>>,
    }
}

/// `intstr.IntOrString`: a number, or a text such as `50%`.
#[derive(Clone, Debug, PartialEq)]
pub enum IntOrString<'a> {
    /// So many.
    Int(i64),
    /// A share, or a number in quotes.
    String(Text<'a>),
}

impl IntOrString<'_> {
    /// The percentage, if it is one.
    pub fn percent(&self) -> Option<i64> {
        match self {
            Self::Int(_) => None,
            Self::String(text) => text.strip_suffix('%')?.parse().ok(),
        }
    }

    /// The number, or the share of `whole` rounded up as the disruption controller does. `None`: neither a number nor a percentage.
    pub fn of(&self, whole: i64) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::String(_) => Some(self.percent()?.checked_mul(whole)?.checked_add(99)?.div_euclid(100)),
        }
    }
}

impl Default for IntOrString<'_> {
    fn default() -> Self {
        Self::Int(0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for IntOrString<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = IntOrString<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number or a percentage")
            }

            fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
                Ok(IntOrString::Int(number))
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Self::Value, E> {
                i64::try_from(number).map(IntOrString::Int).map_err(E::custom)
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(IntOrString::String(text.into()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(IntOrString::String(Text::owned(text)))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl<'a> Stored<'a> for PodDisruptionBudget<'a> {
    const KIND: Kind = Kind { group: "policy", version: "v1", kind: "PodDisruptionBudget" };
    const NAMESPACED: bool = true;
}

#[cfg(test)]
mod tests {
    use super::PodDisruptionBudget;

    #[test]
    fn reads_numbers_and_shares() {
        let read = |json: &'static str| serde_json::from_str::<PodDisruptionBudget<'_>>(json);
        let of = |json: &'static str, whole| read(json).unwrap().spec.max_unavailable.unwrap().of(whole);
        assert_eq!(of(r#"{"spec": {"maxUnavailable": 2}}"#, 3), Some(2));
        assert_eq!(of(r#"{"spec": {"maxUnavailable": "50%"}}"#, 3), Some(2));
        assert_eq!(of(r#"{"spec": {"maxUnavailable": "0%"}}"#, 3), Some(0));
        assert_eq!(of(r#"{"spec": {"maxUnavailable": "\u0031%"}}"#, 3), Some(1));
        assert_eq!(of(r#"{"spec": {"maxUnavailable": "many"}}"#, 3), None);
        assert_eq!(read(r#"{"spec": {"maxUnavailable": null}}"#).unwrap().spec.max_unavailable, None);
        assert!(read(r#"{"spec": {"maxUnavailable": []}}"#).is_err());
    }
}
