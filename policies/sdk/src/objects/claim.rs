//! PersistentVolumeClaims, and the templates of them.

use serde::Deserialize;

use super::{ObjectMeta, Stored, absent, present};
use crate::pointer::Pointer;
use crate::rule::Kind;
use crate::text::Text;

/// A PersistentVolumeClaim, or a template of one.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct PersistentVolumeClaim<'a> {
    /// Name, labels, annotations.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub metadata: ObjectMeta<'a>,
    /// What is wanted.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub spec: ClaimSpec<'a>,
}

/// `spec` of a claim.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimSpec<'a> {
    /// `ReadWriteOnce`, `ReadWriteOncePod`, `ReadWriteMany`, `ReadOnlyMany`, or what a later version knows.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub access_modes: Vec<Text<'a>>,
    /// `None`: the default class; empty: static volumes only.
    #[serde(borrow)]
    pub storage_class_name: Option<Text<'a>>,
    /// How much.
    #[serde(default, deserialize_with = "absent")]
    pub resources: ClaimResources,
}

/// `resources` of a claim.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct ClaimResources {
    /// At least.
    #[serde(default, deserialize_with = "absent")]
    pub requests: ClaimRequests,
}

/// `resources.requests` of a claim.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct ClaimRequests {
    /// Whether bytes are asked for.
    #[serde(rename = "storage", default, deserialize_with = "present")]
    pub has_storage: bool,
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
