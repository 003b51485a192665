//! Bindings of pods to nodes.

use serde::Deserialize;

use super::{ObjectMeta, absent};

/// A Binding. The server writes its labels and annotations onto the pod.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Binding<'a> {
    /// Of the pod that is to be bound.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub metadata: ObjectMeta<'a>,
}
