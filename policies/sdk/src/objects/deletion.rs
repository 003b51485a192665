//! How something is to be deleted.

use super::ObjectMeta;
use crate::text::Text;
use crate::view::view;

view! {
    /// `policy/v1` Eviction: a deletion that a disruption budget may refuse.
    pub struct Eviction<'a> {
        /// Of the pod.
        "metadata" => pub metadata: ObjectMeta<'a>,
        /// How.
        "deleteOptions" => pub delete_options: DeleteOptions<'a>,
    }
}

view! {
    /// `metav1.DeleteOptions`.
    pub struct DeleteOptions<'a> {
        /// `None`: as the object says; 0: at once.
        "gracePeriodSeconds" => pub grace_period_seconds: Option<i64>,
        /// `Orphan`, `Background`, `Foreground`; empty: as the kind has it.
        "propagationPolicy" => pub propagation_policy: Text<'a>,
        /// The older way to say `Orphan`.
        "orphanDependents" => pub orphan_dependents: Option<bool>,
    }
}
