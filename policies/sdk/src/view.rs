//! Views: structs that read the fields they name from a JSON object and skip the rest.
//!
//! Serde's derive would do, with an attribute on every field, twice the code in the guest, and one flaw: its structs accept lists too, so that
//! `spec: []` would be judged as a set without a spec instead of being refused.

use serde::de::{Deserialize, Deserializer, IgnoredAny};

/// Declares views. A field that is absent or `null` has its type's default, as everywhere in Kubernetes.
macro_rules! view {
    (
        $(#[$doc:meta])*
        pub struct $name:ident<'a> {$($fields:tt)*}
    ) => {
        $crate::view::view! { @ [$(#[$doc])*] $name ['a] ['a] {$($fields)*} }
    };
    (
        $(#[$doc:meta])*
        pub struct $name:ident {$($fields:tt)*}
    ) => {
        $crate::view::view! { @ [$(#[$doc])*] $name [] ['de] {$($fields)*} }
    };
    (
        @ [$(#[$doc:meta])*] $name:ident [$($a:lifetime)?] [$de:lifetime] {
            $($(#[$field_doc:meta])* $key:literal => pub $field:ident: $type:ty,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name$(<$a>)? {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl<$de> serde::Deserialize<$de> for $name$(<$a>)? {
            fn deserialize<D: serde::Deserializer<$de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Fields;

                impl<$de> serde::de::Visitor<$de> for Fields {
                    type Value = $name$(<$a>)?;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<M: serde::de::MapAccess<$de>>(self, mut members: M) -> Result<Self::Value, M::Error> {
                        let mut view = Self::Value::default();
                        while let Some(key) = members.next_key::<$crate::text::Text<$de>>()? {
                            match key.as_str() {
                                $($key => view.$field = members.next_value::<$crate::view::OrDefault<$type>>()?.0,)*
                                _ => _ = members.next_value::<serde::de::IgnoredAny>()?,
                            }
                        }
                        Ok(view)
                    }
                }

                deserializer.deserialize_map(Fields)
            }
        }
    };
}

pub(crate) use view;

/// A value, or its default where it is `null`.
pub(crate) struct OrDefault<T>(pub(crate) T);

/// Whether a value is there, whatever it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Present(pub bool);

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for OrDefault<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(|value| Self(value.unwrap_or_default()))
    }
}

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::<IgnoredAny>::deserialize(deserializer).map(|value| Self(value.is_some()))
    }
}

#[cfg(test)]
#[expect(unreachable_pub, reason = "the macro declares what the crate exports")]
mod tests {
    use super::Present;
    use crate::text::Text;

    view! {
        /// One of everything.
        pub struct Example<'a> {
            /// A text.
            "text" => pub text: Text<'a>,
            /// A number that may be absent.
            "number" => pub number: Option<i64>,
            /// Views.
            "list" => pub list: Vec<Inner>,
            /// Anything.
            "any" => pub any: Present,
        }
    }

    view! {
        /// A view that borrows nothing.
        pub struct Inner {
            /// A flag.
            "flag" => pub flag: bool,
        }
    }

    #[test]
    fn reads_what_it_names() {
        let view: Example<'_> = serde_json::from_str(
            r#"{"skipped": [{}], "text": "a", "number": 1, "list": [{"flag": true}, {}], "any": {}}"#,
        )
        .unwrap();
        let list = vec![Inner { flag: true }, Inner { flag: false }];
        assert_eq!(view, Example { text: "a".into(), number: Some(1), list, any: Present(true) });
    }

    #[test]
    fn null_is_absent() {
        let view: Example<'_> =
            serde_json::from_str(r#"{"text": null, "number": null, "list": null, "any": null}"#).unwrap();
        assert_eq!(view, Example::default());
    }

    #[test]
    fn a_list_is_not_an_object() {
        for wrong in ["[]", r#"{"list": [[true]]}"#, r#"{"list": [null]}"#, r#"{"text": 1}"#, "null", "1"] {
            assert!(serde_json::from_str::<Example<'_>>(wrong).is_err(), "{wrong}");
        }
    }
}
