//! Namespaces.

use super::{ObjectMeta, Stored};
use crate::rule::Kind;
use crate::view::view;

view! {
    /// A Namespace.
    pub struct Namespace<'a> {
        /// Name, labels, ..
        "metadata" => pub metadata: ObjectMeta<'a>,
    }
}

impl<'a> Stored<'a> for Namespace<'a> {
    const KIND: Kind = Kind { group: "", version: "v1", kind: "Namespace" };
    const NAMESPACED: bool = false;
}
