//! Pods and pod templates.

use serde::Deserialize;

use super::{Container, ObjectMeta, absent};
use crate::text::Text;

/// A Pod.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Pod<'a> {
    /// Name, labels, owner, ..
    #[serde(borrow, default, deserialize_with = "absent")]
    pub metadata: ObjectMeta<'a>,
    /// What it runs.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub spec: PodSpec<'a>,
}

/// What pods are made from.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct PodTemplate<'a> {
    /// Labels and annotations of each pod.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub metadata: ObjectMeta<'a>,
    /// What each pod runs.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub spec: PodSpec<'a>,
}

/// `spec` of a pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodSpec<'a> {
    /// Absent: 30.
    pub termination_grace_period_seconds: Option<i64>,
    /// Run beside each other.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub containers: Vec<Container<'a>>,
    /// Run one after the other before the containers; those that restart always stay on as sidecars.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub init_containers: Vec<Container<'a>>,
    /// What containers may mount.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub volumes: Vec<Volume<'a>>,
}

/// A volume of a pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Volume<'a> {
    /// What mounts name.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub name: Text<'a>,
    /// A claim by its name.
    #[serde(borrow)]
    pub persistent_volume_claim: Option<ClaimVolume<'a>>,
}

/// `persistentVolumeClaim` of a volume.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimVolume<'a> {
    /// In the pod's namespace.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub claim_name: Text<'a>,
    /// Every mount of it is read-only.
    #[serde(default, deserialize_with = "absent")]
    pub read_only: bool,
}

impl<'a> PodSpec<'a> {
    /// Containers and init containers. Ephemeral ones do not count: nothing may depend on them.
    pub fn all_containers(&self) -> impl Iterator<Item = &Container<'a>> {
        self.init_containers.iter().chain(&self.containers)
    }

    /// Every container that mounts the volume mounts it read-only. A volume that nobody mounts is as good as written: it is attached all the same.
    pub fn only_reads(&self, volume: &str) -> bool {
        let mut mounts = self.all_containers().flat_map(|container| &container.volume_mounts).filter(|mount| *mount.name == *volume).peekable();
        let is_mapped = self.all_containers().flat_map(|container| &container.volume_devices).any(|device| *device.name == *volume);
        !is_mapped && mounts.peek().is_some() && mounts.all(|mount| mount.read_only)
    }

    /// What runs as long as the pod: containers and native sidecars.
    pub fn running_containers(&self) -> impl Iterator<Item = &Container<'a>> {
        self.init_containers.iter().filter(|container| container.is_sidecar()).chain(&self.containers)
    }
}
