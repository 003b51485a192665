//! Services.

use super::{ObjectMeta, Stored};
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
        /// Pods have their DNS names before they are ready.
        "publishNotReadyAddresses" => pub publish_not_ready_addresses: bool,
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
