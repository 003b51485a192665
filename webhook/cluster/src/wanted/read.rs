//! One stored object into the resource that core knows, or what is wrong with it and where.

use kube::api::DynamicObject;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use stateward_core::exemption;
use stateward_core::policy::SpecError;
use stateward_core::resources::{ObjectMeta, PolicyExemption, WasmPolicy, WasmPolicySpec};

use super::StoredPolicy;
use crate::crds::status::WasmPolicyStatus;

/// A policy; its spec may be unreadable where the definition in the cluster is older or newer than this program.
pub(super) fn policy(object: &DynamicObject) -> StoredPolicy {
    let metadata = metadata(object);
    // Ours; what cannot be read of it is written anew.
    let status: WasmPolicyStatus =
        object.data.get("status").and_then(|status| serde_json::from_value(status.clone()).ok()).unwrap_or_default();
    let resource = field(object, "spec").map(|mut spec: WasmPolicySpec| {
        if spec.profile_version.is_none() {
            spec.profile_version.clone_from(&status.profile_version);
        }
        WasmPolicy { metadata: metadata.clone(), spec }
    });
    StoredPolicy {
        name: metadata.name,
        uid: object.metadata.uid.clone().unwrap_or_default(),
        generation: object.metadata.generation.unwrap_or_default(),
        resource,
        status,
    }
}

/// An exemption in its namespace.
pub(super) fn exemption(object: &DynamicObject) -> Result<PolicyExemption, SpecError> {
    Ok(PolicyExemption {
        metadata: ObjectMeta { made_by: made_by(object), ..metadata(object) },
        spec: field(object, "spec")?,
    })
}

fn made_by(object: &DynamicObject) -> Option<String> {
    exemption::made_by(&json!({ "metadata": object.metadata }).to_string())
}

fn metadata(object: &DynamicObject) -> ObjectMeta {
    ObjectMeta {
        name: object.metadata.name.clone().unwrap_or_default(),
        namespace: object.metadata.namespace.clone(),
        creation_timestamp: object.metadata.creation_timestamp.as_ref().map(|time| time.0),
        made_by: None,
    }
}

fn field<T: DeserializeOwned>(object: &DynamicObject, name: &str) -> Result<T, SpecError> {
    let value = object.data.get(name).unwrap_or(&Value::Null);
    serde_path_to_error::deserialize(value).map_err(|error| {
        let mut path = format!("/{name}");
        for segment in error.path().iter() {
            use serde_path_to_error::Segment;
            match segment {
                Segment::Seq { index } => path.push_str(&format!("/{index}")),
                Segment::Map { key } | Segment::Enum { variant: key } => {
                    path.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1")));
                }
                Segment::Unknown => {}
            }
        }
        SpecError::new(path, error.inner().to_string())
    })
}
