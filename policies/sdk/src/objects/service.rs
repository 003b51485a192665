//! Services.

use super::{IntOrString, ObjectMeta, Stored};
use crate::rule::Kind;
use crate::text::{Map, Text};
use crate::view::view;

view! {
    /// A Service.
    pub struct Service<'a> {
        /// Name, labels, ..
        "metadata" => pub metadata: ObjectMeta<'a>,
        /// What is wanted.
        "spec" => pub spec: ServiceSpec<'a>,
    }
}

view! {
    /// `spec` of a Service.
    pub struct ServiceSpec<'a> {
        /// `ClusterIP`, `NodePort`, `LoadBalancer`, `ExternalName`, or what a later version knows; absent and empty: `ClusterIP`.
        "type" => pub kind: Text<'a>,
        /// An address, or `None`.
        "clusterIP" => pub cluster_ip: Text<'a>,
        /// One address of each family; the first is `clusterIP`.
        "clusterIPs" => pub cluster_ips: Vec<Text<'a>>,
        /// Labels of the pods behind it; empty: somebody else writes its endpoints.
        "selector" => pub selector: Map<'a>,
        /// What it listens on, and where that leads.
        "ports" => pub ports: Vec<ServicePort<'a>>,
        /// Pods have their DNS names before they are ready.
        "publishNotReadyAddresses" => pub publish_not_ready_addresses: bool,
    }
}

view! {
    /// One of `spec.ports`.
    pub struct ServicePort<'a> {
        /// What clients ask for.
        "port" => pub port: i64,
        /// Empty: `TCP`.
        "protocol" => pub protocol: Text<'a>,
        /// A port of the pods, by number or name; absent: `port`.
        "targetPort" => pub target_port: Option<IntOrString<'a>>,
    }
}

impl ServicePort<'_> {
    /// Clients who ask for one get to the same port of the pods by the other.
    pub fn leads_as(&self, other: &Self) -> bool {
        self.port == other.port && self.protocol() == other.protocol() && self.target() == other.target()
    }

    fn protocol(&self) -> &str {
        if self.protocol.is_empty() { "TCP" } else { &self.protocol }
    }

    /// By name, or else by number.
    fn target(&self) -> (Option<&str>, i64) {
        match &self.target_port {
            None | Some(IntOrString::Int(0)) => (None, self.port),
            Some(IntOrString::Int(number)) => (None, *number),
            Some(IntOrString::String(name)) => (Some(name), 0),
        }
    }
}

impl Service<'_> {
    /// It has no address of its own, so that every pod has a DNS name. An absent `clusterIP` asks for an address.
    pub fn is_headless(&self) -> bool {
        let is_none = |address: &Text<'_>| address.as_str() == "None";
        is_none(&self.spec.cluster_ip) || self.spec.cluster_ips.first().is_some_and(is_none)
    }

    /// Whether a pod whose label of a key is `label` is behind it. None is where there is no selector, or an alias (`ExternalName`) in its place.
    pub fn selects<'l>(&self, label: impl Fn(&str) -> Option<&'l str>) -> bool {
        let selector = &self.spec.selector;
        let is_alias = self.is_external() == Some(true);
        !is_alias && !selector.is_empty() && selector.iter().all(|(key, value)| label(key) == Some(value))
    }

    /// It is another name for something elsewhere and has no pods. `None`: a type that is not known here.
    pub fn is_external(&self) -> Option<bool> {
        match self.spec.kind.as_str() {
            "" | "ClusterIP" | "NodePort" | "LoadBalancer" => Some(false),
            "ExternalName" => Some(true),
            _ => None,
        }
    }
}

impl<'a> Stored<'a> for Service<'a> {
    const KIND: Kind = Kind { group: "", version: "v1", kind: "Service" };
    const NAMESPACED: bool = true;
}
