//! Containers of pods.

use crate::text::Text;
use crate::view::{Present, view};

view! {
    /// A container or an init container.
    pub struct Container<'a> {
        /// Unique in the pod.
        "name" => pub name: Text<'a>,
        /// What it runs.
        "image" => pub image: Text<'a>,
        /// Instead of the image's entry point.
        "command" => pub command: Vec<Text<'a>>,
        /// Of the entry point.
        "args" => pub args: Vec<Text<'a>>,
        /// Of an init container: `Always` makes it a sidecar.
        "restartPolicy" => pub restart_policy: Text<'a>,
        /// Whether there is one.
        "readinessProbe" => pub readiness_probe: Present,
        /// File systems it sees.
        "volumeMounts" => pub volume_mounts: Vec<VolumeMount<'a>>,
        /// Block devices it sees.
        "volumeDevices" => pub volume_devices: Vec<VolumeDevice<'a>>,
        /// Its environment; `None` when the list is absent.
        "env" => pub env: Option<Vec<EnvVar<'a>>>,
    }
}

view! {
    /// One of `volumeMounts`.
    pub struct VolumeMount<'a> {
        /// Of the volume.
        "name" => pub name: Text<'a>,
        /// In the container.
        "mountPath" => pub mount_path: Text<'a>,
        /// The container cannot write to it.
        "readOnly" => pub read_only: bool,
    }
}

view! {
    /// One of `volumeDevices`.
    pub struct VolumeDevice<'a> {
        /// Of the volume.
        "name" => pub name: Text<'a>,
    }
}

view! {
    /// One of `env`.
    pub struct EnvVar<'a> {
        /// The variable.
        "name" => pub name: Text<'a>,
        /// In so many words.
        "value" => pub value: Text<'a>,
        /// Instead of a value.
        "valueFrom" => pub value_from: Option<EnvVarSource<'a>>,
    }
}

view! {
    /// `valueFrom` of a variable.
    pub struct EnvVarSource<'a> {
        /// A field of the pod.
        "fieldRef" => pub field_ref: FieldRef<'a>,
    }
}

view! {
    /// `fieldRef` of a variable.
    pub struct FieldRef<'a> {
        /// `metadata.labels['KEY']`, ..
        "fieldPath" => pub field_path: Text<'a>,
    }
}

impl Container<'_> {
    /// An init container that stays on (1.28 beta, 1.33 stable).
    pub fn is_sidecar(&self) -> bool {
        self.restart_policy.as_str() == "Always"
    }
}
