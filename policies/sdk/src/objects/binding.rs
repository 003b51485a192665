//! Bindings of pods to nodes.

use super::ObjectMeta;
use crate::view::view;

view! {
    /// A Binding. The server writes its labels and annotations onto the pod.
    pub struct Binding<'a> {
        /// Of the pod that is to be bound.
        "metadata" => pub metadata: ObjectMeta<'a>,
    }
}
