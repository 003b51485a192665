//! Volumes of pods.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use crate::text::Text;
use crate::view::{OrDefault, Present, view};

/// A volume of a pod. Read by hand and not as a view: one without any source is an `emptyDir`, as the server makes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Volume<'a> {
    /// What mounts name.
    pub name: Text<'a>,
    /// A claim by its name.
    pub persistent_volume_claim: Option<ClaimVolume<'a>>,
    /// A part of the node's file system.
    pub host_path: Option<HostPathVolume<'a>>,
    /// `emptyDir`: gone with the pod.
    pub is_empty_dir: bool,
    /// `ephemeral`: a claim that is made with the pod and gone with it.
    pub is_ephemeral: bool,
}

view! {
    /// `persistentVolumeClaim` of a volume.
    pub struct ClaimVolume<'a> {
        /// In the pod's namespace.
        "claimName" => pub claim_name: Text<'a>,
        /// Every mount of it is read-only.
        "readOnly" => pub read_only: bool,
    }
}

view! {
    /// `hostPath` of a volume.
    pub struct HostPathVolume<'a> {
        /// On the node.
        "path" => pub path: Text<'a>,
        /// `Directory`, `File`, `Socket`, .., or what a later version knows; absent and empty: not checked.
        "type" => pub kind: Text<'a>,
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Volume<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Volume<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Volume<'de>, M::Error> {
                let mut volume = Volume::default();
                let mut has_source = false;
                while let Some(key) = members.next_key::<Text<'de>>()? {
                    match key.as_str() {
                        "name" => volume.name = members.next_value::<OrDefault<_>>()?.0,
                        "persistentVolumeClaim" => {
                            volume.persistent_volume_claim = members.next_value()?;
                            has_source |= volume.persistent_volume_claim.is_some();
                        }
                        "hostPath" => {
                            volume.host_path = members.next_value()?;
                            has_source |= volume.host_path.is_some();
                        }
                        other => {
                            let is_there = members.next_value::<Present>()?.0;
                            volume.is_empty_dir |= is_there && other == "emptyDir";
                            volume.is_ephemeral |= is_there && other == "ephemeral";
                            has_source |= is_there;
                        }
                    }
                }
                volume.is_empty_dir |= !has_source;
                Ok(volume)
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

#[cfg(test)]
mod tests {
    use super::Volume;

    fn read(json: &str) -> Volume<'_> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn reads_its_source() {
        assert!(read(r#"{"name": "a", "emptyDir": {}}"#).is_empty_dir);
        assert!(read(r#"{"name": "a", "ephemeral": {"volumeClaimTemplate": {}}}"#).is_ephemeral);
        let claim = read(r#"{"persistentVolumeClaim": {"claimName": "pool", "readOnly": true}, "name": "a"}"#);
        assert_eq!(claim.name.as_str(), "a");
        assert!(claim.persistent_volume_claim.is_some_and(|claim| claim.read_only && *claim.claim_name == *"pool"));
        let host_path = read(r#"{"name": "a", "hostPath": {"path": "/run/x", "type": "Socket"}}"#).host_path.unwrap();
        assert_eq!((host_path.path.as_str(), host_path.kind.as_str()), ("/run/x", "Socket"));
        let other = read(r#"{"name": "a", "csi": {"driver": "x"}}"#);
        assert_eq!(other, Volume { name: "a".into(), ..Volume::default() });
    }

    #[test]
    fn no_source_is_an_empty_dir() {
        assert!(read(r#"{"name": "a"}"#).is_empty_dir);
        assert!(read(r#"{"name": "a", "csi": null, "persistentVolumeClaim": null}"#).is_empty_dir);
        assert!(serde_json::from_str::<Volume<'_>>("[]").is_err());
        assert!(serde_json::from_str::<Volume<'_>>(r#"{"name": 1}"#).is_err());
    }
}
