//! Pods and pod templates.

use super::{Affinity, Container, ObjectMeta, Stored, TopologySpreadConstraint, Volume};
use crate::pointer::Pointer;
use crate::rule::Kind;
use crate::text::{Map, Text};
use crate::view::view;

view! {
    /// A Pod.
    pub struct Pod<'a> {
        /// Name, labels, owner, ..
        "metadata" => pub metadata: ObjectMeta<'a>,
        /// What it runs.
        "spec" => pub spec: PodSpec<'a>,
        /// How it is.
        "status" => pub status: PodStatus<'a>,
    }
}

view! {
    /// `status` of a Pod.
    pub struct PodStatus<'a> {
        /// `Pending`, `Running`, `Succeeded`, `Failed`, `Unknown`.
        "phase" => pub phase: Text<'a>,
    }
}

view! {
    /// What pods are made from.
    pub struct PodTemplate<'a> {
        /// Labels and annotations of each pod.
        "metadata" => pub metadata: ObjectMeta<'a>,
        /// What each pod runs.
        "spec" => pub spec: PodSpec<'a>,
    }
}

view! {
    /// `spec` of a pod.
    pub struct PodSpec<'a> {
        /// Absent: 30.
        "terminationGracePeriodSeconds" => pub termination_grace_period_seconds: Option<i64>,
        /// Run beside each other.
        "containers" => pub containers: Vec<Container<'a>>,
        /// Run one after the other before the containers; those that restart always stay on as sidecars.
        "initContainers" => pub init_containers: Vec<Container<'a>>,
        /// Of a member the StatefulSet controller writes it: the pod's name.
        "hostname" => pub hostname: Text<'a>,
        /// Of a member the StatefulSet controller writes it: the governing Service.
        "subdomain" => pub subdomain: Text<'a>,
        /// `hostname` inside answers with the whole DNS name.
        "setHostnameAsFQDN" => pub set_hostname_as_fqdn: bool,
        /// What `hostname` inside answers, whatever the pod's name is.
        "hostnameOverride" => pub hostname_override: Text<'a>,
        /// Shares the node's addresses and ports.
        "hostNetwork" => pub host_network: bool,
        /// Where it runs; of a template: where all of them do.
        "nodeName" => pub node_name: Text<'a>,
        /// Labels of nodes that it may run on.
        "nodeSelector" => pub node_selector: Map<'a>,
        /// What containers may mount.
        "volumes" => pub volumes: Vec<Volume<'a>>,
        /// Where pods may run: beside which other pods.
        "affinity" => pub affinity: Affinity<'a>,
        /// How evenly pods are spread.
        "topologySpreadConstraints" => pub topology_spread_constraints: Vec<TopologySpreadConstraint<'a>>,
        /// The account that its containers speak for; absent: `default`.
        "serviceAccountName" => pub service_account_name: Text<'a>,
        /// `Always`, `OnFailure`, `Never`; absent: `Always`.
        "restartPolicy" => pub restart_policy: Text<'a>,
    }
}

impl Pod<'_> {
    /// Its containers have ended and are not started again.
    pub fn is_terminal(&self) -> bool {
        matches!(self.status.phase.as_str(), "Succeeded" | "Failed")
    }
}

/// Where a container is in a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContainerPlace {
    list: &'static str,
    index: usize,
}

impl ContainerPlace {
    /// Its path, given that of the `spec` of the pod.
    pub fn path(self, pod_spec: &str) -> Pointer {
        Pointer::new(pod_spec).key(self.list).index(self.index)
    }

    /// `initContainers[clone]`, given its name.
    pub fn of(self, name: &str) -> String {
        format!("{}[{name}]", self.list)
    }
}

impl<'a> PodSpec<'a> {
    /// Containers and init containers. Ephemeral ones do not count: nothing may depend on them.
    pub fn all_containers(&self) -> impl Iterator<Item = &Container<'a>> {
        self.init_containers.iter().chain(&self.containers)
    }

    /// How long it has to stop. Absent: 30 seconds.
    pub fn grace(&self) -> i64 {
        self.termination_grace_period_seconds.unwrap_or(30)
    }

    /// Containers and init containers with where they are.
    pub fn placed_containers(&self) -> impl Iterator<Item = (ContainerPlace, &Container<'a>)> {
        let placed = |list| move |(index, container)| (ContainerPlace { list, index }, container);
        let init_containers = self.init_containers.iter().enumerate().map(placed(INIT_CONTAINERS));
        init_containers.chain(self.containers.iter().enumerate().map(placed(CONTAINERS)))
    }

    /// Every container that mounts the volume mounts it read-only. A volume that nobody mounts is as good as written: it is attached all the same.
    pub fn only_reads(&self, volume: &str) -> bool {
        let mut mounts = self
            .all_containers()
            .flat_map(|container| &container.volume_mounts)
            .filter(|mount| *mount.name == *volume)
            .peekable();
        let is_mapped =
            self.all_containers().flat_map(|container| &container.volume_devices).any(|device| *device.name == *volume);
        !is_mapped && mounts.peek().is_some() && mounts.all(|mount| mount.read_only)
    }

    /// What runs as long as the pod, with where it is.
    pub fn placed_running_containers(&self) -> impl Iterator<Item = (ContainerPlace, &Container<'a>)> {
        self.placed_containers().filter(|(place, container)| place.list == CONTAINERS || container.is_sidecar())
    }

    /// What runs as long as the pod: containers and native sidecars.
    pub fn running_containers(&self) -> impl Iterator<Item = &Container<'a>> {
        self.init_containers.iter().filter(|container| container.is_sidecar()).chain(&self.containers)
    }
}

impl<'a> Stored<'a> for Pod<'a> {
    const KIND: Kind = Kind { group: "", version: "v1", kind: "Pod" };
    const NAMESPACED: bool = true;
}

const CONTAINERS: &str = "containers";
const INIT_CONTAINERS: &str = "initContainers";
