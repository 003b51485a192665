//! StatefulSets beside the object under review: little is asked of many.

use super::{LabelSelector, ObjectMeta, StatefulSet, Stored};
use crate::rule::Kind;
use crate::text::Text;
use crate::view::view;

view! {
    /// One of all StatefulSets in a namespace.
    pub struct SiblingSet<'a> {
        /// Name, labels, ..
        "metadata" => pub metadata: ObjectMeta<'a>,
        /// What is wanted.
        "spec" => pub spec: SiblingSetSpec<'a>,
        /// What is.
        "status" => pub status: SiblingSetStatus,
    }
}

view! {
    /// `spec`.
    pub struct SiblingSetSpec<'a> {
        /// Absent: 1.
        "replicas" => pub replicas: Option<i64>,
        /// The governing Service; absent and empty are the same.
        "serviceName" => pub service_name: Text<'a>,
        /// Which pods are its own.
        "selector" => pub selector: LabelSelector<'a>,
        /// What its pods are made from.
        "template" => pub template: SiblingTemplate<'a>,
    }
}

view! {
    /// `spec.template`.
    pub struct SiblingTemplate<'a> {
        /// Labels and annotations of each pod.
        "metadata" => pub metadata: ObjectMeta<'a>,
    }
}

view! {
    /// `status`.
    pub struct SiblingSetStatus {
        /// How many pods there are.
        "replicas" => pub replicas: i64,
    }
}

impl SiblingSet<'_> {
    /// It has pods, or wants some.
    pub fn is_live(&self) -> bool {
        self.spec.replicas.unwrap_or(1) > 0 || self.status.replicas > 0
    }
}

impl<'a> Stored<'a> for SiblingSet<'a> {
    const KIND: Kind = StatefulSet::KIND;
    const NAMESPACED: bool = true;
}
