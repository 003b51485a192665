//! Borrowed views of Kubernetes objects, with only the fields that rules read.
//!
//! They forgive what a server would: unknown fields, `null` for absent, enum values of later versions (kept as text, so that the one rule
//! which reads the value is undecided). They do not forgive wrong types.

mod binding;
mod budget;
mod claim;
mod container;
mod deletion;
mod deployment;
mod meta;
mod namespace;
mod persistent_volume;
mod pod;
mod quantity;
mod service;
mod sibling;
mod spread;
mod stateful_set;
mod storage_class;
mod unreadable;
mod volume;

pub use binding::Binding;
pub use budget::{IntOrString, PodDisruptionBudget};
pub use claim::{ClaimSpec, ClaimTemplate, MemberClaim, PersistentVolumeClaim, readings};
pub use container::{Container, EnvVar, VolumeDevice, VolumeMount};
pub use deletion::{DeleteOptions, Eviction};
pub use deployment::{Deployment, ReplicaSet, WorkloadSpec};
pub use meta::{LabelSelector, ObjectMeta, OwnerReference};
pub use namespace::Namespace;
pub use persistent_volume::PersistentVolume;
pub use pod::{ContainerPlace, Pod, PodSpec, PodTemplate};
pub use quantity::Quantity;
pub use service::{Service, ServicePort};
pub use sibling::SiblingSet;
pub use spread::{Affinity, AntiAffinityTerm, PodAffinityTerm, PodAntiAffinity, TopologySpreadConstraint};
pub use stateful_set::{POD_INDEX, POD_NAME, StatefulSet, UpdateType, member_of, parent_of};
pub use storage_class::StorageClass;
pub use volume::{ClaimVolume, HostPathVolume, Volume};

use serde::de::Deserialize;

use crate::bindings::stateward::policy::types::{GroupVersionResource, UndecidedReason};
use crate::context::{Call, Found};
use crate::rule::Kind;
use crate::view::view;

/// The object under review, by the resource it was sent to.
#[derive(Clone, Debug)]
pub enum Object<'a> {
    /// `statefulsets`.
    StatefulSet(StatefulSet<'a>),
    /// `statefulsets/status`: a whole StatefulSet.
    StatefulSetStatus(StatefulSet<'a>),
    /// `statefulsets/scale`: the stored set with the Scale's replicas.
    Scale(StatefulSet<'a>),
    /// `pods`.
    Pod(Pod<'a>),
    /// `pods/status`: a whole Pod.
    PodStatus(Pod<'a>),
    /// `pods/binding` and the legacy `bindings`.
    Binding(Binding<'a>),
    /// `pods/eviction`.
    Eviction(Eviction<'a>),
    /// `deployments`.
    Deployment(Deployment<'a>),
    /// `deployments/scale`: the stored Deployment with the Scale's replicas.
    DeploymentScale(Deployment<'a>),
    /// `replicasets`.
    ReplicaSet(ReplicaSet<'a>),
    /// `replicasets/scale`: the stored ReplicaSet with the Scale's replicas.
    ReplicaSetScale(ReplicaSet<'a>),
    /// `services`.
    Service(Service<'a>),
    /// `persistentvolumeclaims`.
    PersistentVolumeClaim(PersistentVolumeClaim<'a>),
    /// `poddisruptionbudgets`.
    PodDisruptionBudget(PodDisruptionBudget<'a>),
    /// `namespaces`, also `namespaces/status` and `namespaces/finalize`: a whole Namespace.
    Namespace(Namespace<'a>),
    /// Nothing that rules here know.
    Other,
}

/// What there is to judge.
#[expect(clippy::large_enum_variant, reason = "a call has one")]
pub enum Judged<'a> {
    /// The object.
    Object(Object<'a>),
    /// It is needed and cannot be had: every rule is undecided.
    Unknown(UndecidedReason),
}

/// A kind that can be looked up.
pub trait Stored<'a>: Deserialize<'a> {
    /// Its group, version and name.
    const KIND: Kind;
    /// Whether objects of it live in namespaces.
    const NAMESPACED: bool;
}

impl<'a> Object<'a> {
    /// Reads the object of a request to a resource. A Scale is not enough by itself: see [`Judged::read`].
    pub fn parse(resource: &GroupVersionResource, json: &'a str) -> Result<Self, String> {
        let parts = (resource.group.as_str(), resource.resource.as_str(), resource.subresource.as_str());
        Ok(match parts {
            ("apps", "statefulsets", "") => Self::StatefulSet(read(json)?),
            ("apps", "statefulsets", "status") => Self::StatefulSetStatus(read(json)?),
            ("", "pods", "") => Self::Pod(read(json)?),
            ("", "pods", "status") => Self::PodStatus(read(json)?),
            ("", "pods", "binding") | ("", "bindings", "") => Self::Binding(read(json)?),
            ("", "pods", "eviction") => Self::Eviction(read(json)?),
            ("apps", "deployments", "") => Self::Deployment(read(json)?),
            ("apps", "replicasets", "") => Self::ReplicaSet(read(json)?),
            ("", "services", "") => Self::Service(read(json)?),
            ("", "persistentvolumeclaims", "") => Self::PersistentVolumeClaim(read(json)?),
            ("policy", "poddisruptionbudgets", "") => Self::PodDisruptionBudget(read(json)?),
            ("", "namespaces", "" | "status" | "finalize") => Self::Namespace(read(json)?),
            _ => Self::Other,
        })
    }

    /// The StatefulSet, whichever way it came.
    pub fn as_stateful_set(&self) -> Option<&StatefulSet<'a>> {
        match self {
            Self::StatefulSet(set) | Self::StatefulSetStatus(set) | Self::Scale(set) => Some(set),
            _ => None,
        }
    }

    /// The Service.
    pub fn as_service(&self) -> Option<&Service<'a>> {
        match self {
            Self::Service(service) => Some(service),
            _ => None,
        }
    }

    /// The Pod, whichever way it came.
    pub fn as_pod(&self) -> Option<&Pod<'a>> {
        match self {
            Self::Pod(pod) | Self::PodStatus(pod) => Some(pod),
            _ => None,
        }
    }
}

impl<'c> Judged<'c> {
    /// Reads what a call is about: the object, on DELETE the old one, for a Scale the stored set.
    pub fn read(call: &'c Call<'_>) -> Result<Self, String> {
        let request = call.request();
        let Some(json) = request.object.as_deref().or(request.old_object.as_deref()) else {
            return Ok(Self::Object(Object::Other));
        };
        let resource = &request.resource;
        match (resource.group.as_str(), resource.resource.as_str(), resource.subresource.as_str()) {
            ("apps", "statefulsets", "scale") => scaled(call, json, |mut set: StatefulSet<'c>, replicas| {
                set.spec.replicas = Some(replicas);
                Object::Scale(set)
            }),
            ("apps", "deployments", "scale") => scaled(call, json, |mut deployment: Deployment<'c>, replicas| {
                deployment.spec.replicas = Some(replicas);
                Object::DeploymentScale(deployment)
            }),
            ("apps", "replicasets", "scale") => scaled(call, json, |mut set: ReplicaSet<'c>, replicas| {
                set.spec.replicas = Some(replicas);
                Object::ReplicaSetScale(set)
            }),
            _ => Object::parse(resource, json).map(Self::Object).map_err(|error| named(&request.kind.kind, error)),
        }
    }
}

/// The stored object with the replicas that the Scale asks for.
fn scaled<'c, T: Stored<'c>>(
    call: &'c Call<'_>,
    json: &str,
    with_replicas: impl FnOnce(T, i64) -> Object<'c>,
) -> Result<Judged<'c>, String> {
    let scale: Scale<'_> = read(json).map_err(|error| named("Scale", error))?;
    let request = call.request();
    let name = request.name.as_deref().unwrap_or(&scale.metadata.name);
    let namespace = request.namespace.as_deref().unwrap_or(&scale.metadata.namespace);
    let kind = T::KIND.kind;
    Ok(match call.find::<T>(Some(namespace), name, false) {
        Found::Unknown => Judged::Unknown(UndecidedReason::Unavailable(T::KIND.into())),
        // It is there, or it could not be scaled: what answers is behind.
        Found::Absent => Judged::Unknown(UndecidedReason::Other(format!("{kind} `{name}` is not known here yet"))),
        Found::Found(stored) => Judged::Object(with_replicas(stored, scale.spec.replicas.unwrap_or(0))),
    })
}

view! {
    /// `autoscaling/v1` Scale.
    pub struct Scale<'a> {
        /// Of the set.
        "metadata" => pub metadata: ObjectMeta<'a>,
        /// What is wanted.
        "spec" => pub spec: ScaleSpec,
    }
}

view! {
    /// `spec` of a Scale.
    pub struct ScaleSpec {
        /// Absent: 0. The Go type omits it, and nothing defaults a Scale.
        "replicas" => pub replicas: Option<i64>,
    }
}

/// An error that names no field names the object.
fn named(kind: &str, error: String) -> String {
    if error.starts_with('/') { error } else { format!("the {kind} cannot be read: {error}") }
}

/// Reads a view. The error says which field has a wrong type.
pub fn read<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, String> {
    serde_json::from_str(json).map_err(|error| unreadable::describe(json, &error))
}
