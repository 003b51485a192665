//! `apps/v1` Deployment and ReplicaSet.

use super::{LabelSelector, ObjectMeta, PodTemplate, Stored};
use crate::rule::Kind;
use crate::text::Text;
use crate::view::view;

view! {
    /// A Deployment.
    pub struct Deployment<'a> {
        /// Name, labels, ..
        "metadata" => pub metadata: ObjectMeta<'a>,
        /// What is wanted.
        "spec" => pub spec: WorkloadSpec<'a>,
    }
}

view! {
    /// A ReplicaSet.
    pub struct ReplicaSet<'a> {
        /// Name, labels, owner, ..
        "metadata" => pub metadata: ObjectMeta<'a>,
        /// What is wanted.
        "spec" => pub spec: WorkloadSpec<'a>,
    }
}

view! {
    /// `spec` of a Deployment or a ReplicaSet.
    pub struct WorkloadSpec<'a> {
        /// Absent: 1.
        "replicas" => pub replicas: Option<i64>,
        /// How pods are replaced; ReplicaSets have none.
        "strategy" => pub strategy: DeploymentStrategy<'a>,
        /// Which pods are its own.
        "selector" => pub selector: LabelSelector<'a>,
        /// What its pods are made from.
        "template" => pub template: PodTemplate<'a>,
    }
}

view! {
    /// `strategy` of a Deployment.
    pub struct DeploymentStrategy<'a> {
        /// `RollingUpdate`, `Recreate`, or what a later version knows; absent and empty: `RollingUpdate`.
        "type" => pub kind: Text<'a>,
    }
}

impl WorkloadSpec<'_> {
    /// `replicas` or 1; for a Scale request, the Scale's.
    pub fn replicas(&self) -> i64 {
        self.replicas.unwrap_or(1)
    }
}

impl<'a> Stored<'a> for Deployment<'a> {
    const KIND: Kind = Kind { group: "apps", version: "v1", kind: "Deployment" };
    const NAMESPACED: bool = true;
}

impl<'a> Stored<'a> for ReplicaSet<'a> {
    const KIND: Kind = Kind { group: "apps", version: "v1", kind: "ReplicaSet" };
    const NAMESPACED: bool = true;
}
