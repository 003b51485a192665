//! PersistentVolumeClaims, and the templates of them.

use super::{ObjectMeta, Stored};
use crate::pointer::Pointer;
use crate::rule::Kind;
use crate::text::Text;
use crate::view::{Present, view};

view! {
    /// A PersistentVolumeClaim, or a template of one.
    pub struct PersistentVolumeClaim<'a> {
        /// Name, labels, annotations.
        "metadata" => pub metadata: ObjectMeta<'a>,
        /// What is wanted.
        "spec" => pub spec: ClaimSpec<'a>,
    }
}

view! {
    /// `spec` of a claim.
    pub struct ClaimSpec<'a> {
        /// `ReadWriteOnce`, `ReadWriteOncePod`, `ReadWriteMany`, `ReadOnlyMany`, or what a later version knows.
        "accessModes" => pub access_modes: Vec<Text<'a>>,
        /// `None`: the default class; empty: static volumes only.
        "storageClassName" => pub storage_class_name: Option<Text<'a>>,
        /// How much.
        "resources" => pub resources: ClaimResources,
    }
}

view! {
    /// `resources` of a claim.
    pub struct ClaimResources {
        /// At least.
        "requests" => pub requests: ClaimRequests,
    }
}

view! {
    /// `resources.requests` of a claim.
    pub struct ClaimRequests {
        /// Whether bytes are asked for.
        "storage" => pub storage: Present,
    }
}

/// A claim template with where it is.
#[derive(Clone, Copy, Debug)]
pub struct ClaimTemplate<'s, 'a> {
    /// In `volumeClaimTemplates`.
    pub index: usize,
    /// The template.
    pub claim: &'s PersistentVolumeClaim<'a>,
}

impl PersistentVolumeClaim<'_> {
    /// The class that it names. As in Kubernetes the annotation, older than the field, goes before it; empty: static volumes only.
    pub fn class_name(&self) -> Option<&str> {
        self.metadata.annotations.get(BETA_CLASS).or(self.spec.storage_class_name.as_deref())
    }
}

impl ClaimTemplate<'_, '_> {
    /// Its name; templates without one are named by their place.
    pub fn name(&self) -> String {
        if self.claim.metadata.name.is_empty() { self.index.to_string() } else { self.claim.metadata.name.to_string() }
    }

    /// `volumeClaimTemplates[data]`.
    pub fn place(&self) -> String {
        format!("volumeClaimTemplates[{}]", self.name())
    }

    /// `/spec/volumeClaimTemplates/0`.
    pub fn path(&self) -> Pointer {
        Pointer::new("/spec/volumeClaimTemplates").index(self.index)
    }
}

impl<'a> Stored<'a> for PersistentVolumeClaim<'a> {
    const KIND: Kind = Kind { group: "", version: "v1", kind: "PersistentVolumeClaim" };
    const NAMESPACED: bool = true;
}

const BETA_CLASS: &str = "volume.beta.kubernetes.io/storage-class";
