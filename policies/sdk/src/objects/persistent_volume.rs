//! PersistentVolumes.

use super::{ObjectMeta, Stored};
use crate::rule::Kind;
use crate::text::Text;
use crate::view::{Present, view};

view! {
    /// A PersistentVolume.
    pub struct PersistentVolume<'a> {
        /// Name, labels, ..
        "metadata" => pub metadata: ObjectMeta<'a>,
        /// What it is.
        "spec" => pub spec: PersistentVolumeSpec<'a>,
    }
}

view! {
    /// `spec` of a PersistentVolume.
    pub struct PersistentVolumeSpec<'a> {
        /// The class it belongs to.
        "storageClassName" => pub storage_class_name: Text<'a>,
        /// A disk or a folder of one node.
        "local" => pub local: Present,
        /// A folder of whatever node the pod runs on.
        "hostPath" => pub host_path: Present,
        /// A CSI driver's.
        "csi" => pub csi: CsiSource<'a>,
    }
}

view! {
    /// `csi` of a PersistentVolume.
    pub struct CsiSource<'a> {
        /// The driver's name.
        "driver" => pub driver: Text<'a>,
    }
}

impl<'a> Stored<'a> for PersistentVolume<'a> {
    const KIND: Kind = Kind { group: "", version: "v1", kind: "PersistentVolume" };
    const NAMESPACED: bool = false;
}
