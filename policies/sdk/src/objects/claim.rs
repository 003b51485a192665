//! PersistentVolumeClaims, and the templates of them.

use super::{ObjectMeta, Quantity, Stored, member_of};
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
        /// What is; templates have none.
        "status" => pub status: ClaimStatus<'a>,
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
        "resources" => pub resources: ClaimResources<'a>,
        /// `Filesystem`, `Block`, or what a later version knows; absent and empty: `Filesystem`.
        "volumeMode" => pub volume_mode: Text<'a>,
        /// The one volume that it is bound to, or is to be.
        "volumeName" => pub volume_name: Text<'a>,
        /// Which existing volumes will do.
        "selector" => pub selector: Present,
        /// What the volume is filled from.
        "dataSource" => pub data_source: Present,
        /// The same, for any kind.
        "dataSourceRef" => pub data_source_ref: Present,
    }
}

view! {
    /// `status` of a claim.
    pub struct ClaimStatus<'a> {
        /// Of the bound volume.
        "capacity" => pub capacity: ClaimAmounts<'a>,
    }
}

view! {
    /// `resources` of a claim.
    pub struct ClaimResources<'a> {
        /// At least.
        "requests" => pub requests: ClaimAmounts<'a>,
    }
}

view! {
    /// `resources.requests` and `status.capacity` of a claim.
    pub struct ClaimAmounts<'a> {
        /// Bytes.
        "storage" => pub storage: Option<Quantity<'a>>,
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

    /// A device and not a file system. `None`: a mode that is not known here.
    pub fn is_block(&self) -> Option<bool> {
        match self.spec.volume_mode.as_str() {
            "" | "Filesystem" => Some(false),
            "Block" => Some(true),
            _ => None,
        }
    }
}

/// A claim's name read as that of a member's claim: `<template>-<set>-<ordinal>`. Where template and set meet cannot be told from the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberClaim<'n> {
    /// Template and set.
    stem: &'n str,
    /// Whose claim it is.
    pub ordinal: i64,
}

impl<'n> MemberClaim<'n> {
    /// `None`: no set makes such a name.
    pub fn of(name: &'n str) -> Option<Self> {
        let (stem, ordinal) = member_of(name)?;
        stem.contains('-').then_some(Self { stem, ordinal })
    }

    /// Every template with every set that could have made the name.
    pub fn readings(self) -> impl Iterator<Item = (&'n str, &'n str)> {
        readings(self.stem)
    }
}

/// A name taken apart at each of its dashes. Claims of template `data` and set `a-b` are named like those of template `data-a` and set `b`.
pub fn readings(stem: &str) -> impl Iterator<Item = (&str, &str)> {
    let taken_apart =
        stem.match_indices('-').filter_map(|(at, dash)| Some((stem.get(..at)?, stem.get(at + dash.len()..)?)));
    taken_apart.filter(|(template, set)| !template.is_empty() && !set.is_empty())
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

#[cfg(test)]
mod tests {
    use super::{MemberClaim, PersistentVolumeClaim};

    #[test]
    fn a_claims_name_can_be_read_in_several_ways() {
        let claim = MemberClaim::of("data-a-b-3").unwrap();
        assert_eq!(claim.ordinal, 3);
        assert_eq!(claim.readings().collect::<Vec<_>>(), [("data", "a-b"), ("data-a", "b")]);
        assert_eq!(
            MemberClaim::of("data--b-0").unwrap().readings().collect::<Vec<_>>(),
            [("data", "-b"), ("data-", "b")]
        );
        for no in ["data", "data-0", "data-db", "data-db-01", "data-db-", ""] {
            assert_eq!(MemberClaim::of(no), None, "{no}");
        }
    }

    #[test]
    fn absent_is_a_file_system() {
        let is_block = |json: &'static str| serde_json::from_str::<PersistentVolumeClaim<'_>>(json).unwrap().is_block();
        assert_eq!(is_block("{}"), Some(false));
        assert_eq!(is_block(r#"{"spec": {"volumeMode": "Block"}}"#), Some(true));
        assert_eq!(is_block(r#"{"spec": {"volumeMode": "Object"}}"#), None);
    }
}
