//! StorageClasses.

use super::{ObjectMeta, Stored};
use crate::rule::Kind;
use crate::text::{Map, Text};
use crate::view::view;

view! {
    /// A StorageClass.
    pub struct StorageClass<'a> {
        /// Name, annotations, age.
        "metadata" => pub metadata: ObjectMeta<'a>,
        /// The driver.
        "provisioner" => pub provisioner: Text<'a>,
        /// What the driver is told.
        "parameters" => pub parameters: Map<'a>,
        /// `Delete`, `Retain`, or what a later version knows; absent and empty: `Delete`.
        "reclaimPolicy" => pub reclaim_policy: Text<'a>,
        /// `Immediate`, `WaitForFirstConsumer`, or what a later version knows; absent and empty: `Immediate`.
        "volumeBindingMode" => pub volume_binding_mode: Text<'a>,
        /// Volumes may grow.
        "allowVolumeExpansion" => pub allow_volume_expansion: bool,
    }
}

impl StorageClass<'_> {
    /// It is for claims that name no class.
    pub fn is_default(&self) -> bool {
        DEFAULT_CLASS.iter().any(|key| self.metadata.annotations.get(key) == Some("true"))
    }

    /// The class of claims that name none. As in Kubernetes: of several defaults the newest, of equally old ones the first by name.
    pub fn default_of(classes: Vec<Self>) -> Option<Self> {
        classes.into_iter().filter(StorageClass::is_default).reduce(|best, each| {
            let newer = each.metadata.creation_timestamp.cmp(&best.metadata.creation_timestamp);
            let is_better = newer.then_with(|| best.metadata.name.cmp(&each.metadata.name)).is_gt();
            if is_better { each } else { best }
        })
    }
}

impl<'a> Stored<'a> for StorageClass<'a> {
    const KIND: Kind = Kind { group: "storage.k8s.io", version: "v1", kind: "StorageClass" };
    const NAMESPACED: bool = false;
}

/// The annotation, and its older name that Kubernetes still reads.
const DEFAULT_CLASS: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
