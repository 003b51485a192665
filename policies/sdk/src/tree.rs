//! JSON as it is, to compare parts of objects that no view covers whole. Slower than a view: for rules that have a reason to ask.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::text::Text;
use crate::view::view;

/// Any JSON. Two are equal if they mean the same: neither the order of members counts nor members that are `null`.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Tree<'a> {
    /// `null`, as good as absent.
    #[default]
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// A text.
    Text(Text<'a>),
    /// A list.
    List(Vec<Self>),
    /// An object's members in the order of their keys.
    Object(Vec<(Text<'a>, Self)>),
}

view! {
    /// An object that makes pods.
    pub struct Templated<'a> {
        /// What is wanted.
        "spec" => pub spec: TemplatedSpec<'a>,
    }
}

view! {
    /// `spec` of such an object.
    pub struct TemplatedSpec<'a> {
        /// What pods are made from.
        "template" => pub template: Tree<'a>,
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Tree<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Tree<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("JSON")
            }

            fn visit_unit<E>(self) -> Result<Tree<'de>, E> {
                Ok(Tree::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Tree<'de>, E> {
                Ok(Tree::Bool(value))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Tree<'de>, E> {
                Ok(Tree::Int(number.into()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Tree<'de>, E> {
                Ok(Tree::Int(number.into()))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Tree<'de>, E> {
                Ok(Tree::Float(number))
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Tree<'de>, E> {
                Ok(Tree::Text(text.into()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Tree<'de>, E> {
                Ok(Tree::Text(Text::owned(text)))
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut elements: S) -> Result<Tree<'de>, S::Error> {
                let mut list = Vec::new();
                while let Some(element) = elements.next_element()? {
                    list.push(element);
                }
                Ok(Tree::List(list))
            }

            fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Tree<'de>, M::Error> {
                let mut object: Vec<(Text<'de>, Tree<'de>)> = Vec::new();
                while let Some((key, value)) = members.next_entry()? {
                    if value != Tree::Null {
                        object.push((key, value));
                    }
                }
                object.sort_by(|(a, _), (b, _)| a.cmp(b));
                Ok(Tree::Object(object))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::Tree;

    fn are_equal(a: &str, b: &str) -> bool {
        serde_json::from_str::<Tree<'_>>(a).unwrap() == serde_json::from_str::<Tree<'_>>(b).unwrap()
    }

    #[test]
    fn what_means_the_same_is_equal() {
        assert!(are_equal(r#"{"a": 1, "b": [true, "x\u0079"], "c": null}"#, r#"{"b": [true, "xy"], "a": 1}"#));
        for (a, b) in [
            (r#"{"a": 1}"#, r#"{"a": 2}"#),
            (r#"{"a": 1}"#, r#"{"a": "1"}"#),
            (r#"{"a": {}}"#, r#"{}"#),
            ("[1, 2]", "[2, 1]"),
            ("[null]", "[]"),
            ("1.5", "1"),
            ("-1", "1"),
        ] {
            assert!(!are_equal(a, b), "{a} {b}");
        }
    }
}
