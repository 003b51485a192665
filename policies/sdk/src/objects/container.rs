//! Containers of pods.

use serde::Deserialize;

use super::{absent, present};
use crate::text::Text;

/// A container or an init container.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Container<'a> {
    /// Unique in the pod.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub name: Text<'a>,
    /// Of an init container: `Always` makes it a sidecar.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub restart_policy: Text<'a>,
    /// Whether there is one.
    #[serde(rename = "readinessProbe", default, deserialize_with = "present")]
    pub has_readiness_probe: bool,
    /// File systems it sees.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub volume_mounts: Vec<VolumeMount<'a>>,
    /// Block devices it sees.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub volume_devices: Vec<VolumeDevice<'a>>,
    /// Its environment; `None` when the list is absent.
    #[serde(borrow)]
    pub env: Option<Vec<EnvVar<'a>>>,
}

/// One of `volumeMounts`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeMount<'a> {
    /// Of the volume.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub name: Text<'a>,
    /// The container cannot write to it.
    #[serde(default, deserialize_with = "absent")]
    pub read_only: bool,
}

/// One of `volumeDevices`.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct VolumeDevice<'a> {
    /// Of the volume.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub name: Text<'a>,
}

/// One of `env`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvVar<'a> {
    /// The variable.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub name: Text<'a>,
    /// Instead of a value.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub value_from: EnvVarSource<'a>,
}

/// `valueFrom` of a variable.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvVarSource<'a> {
    /// A field of the pod.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub field_ref: FieldRef<'a>,
}

/// `fieldRef` of a variable.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldRef<'a> {
    /// `metadata.labels['KEY']`, ..
    #[serde(borrow, default, deserialize_with = "absent")]
    pub field_path: Text<'a>,
}

impl Container<'_> {
    /// An init container that stays on (1.28 beta, 1.33 stable).
    pub fn is_sidecar(&self) -> bool {
        self.restart_policy.as_str() == "Always"
    }
}
