//! Services.

use serde::Deserialize;

use super::{ObjectMeta, Stored, absent};
use crate::rule::Kind;
use crate::text::Text;

/// A Service.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Service<'a> {
    /// Name, labels, ..
    #[serde(borrow, default, deserialize_with = "absent")]
    pub metadata: ObjectMeta<'a>,
    /// What is wanted.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub spec: ServiceSpec<'a>,
}

/// `spec` of a Service.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceSpec<'a> {
    /// An address, or `None`.
    #[serde(rename = "clusterIP", borrow, default, deserialize_with = "absent")]
    pub cluster_ip: Text<'a>,
    /// One address of each family; the first is `clusterIP`.
    #[serde(rename = "clusterIPs", borrow, default, deserialize_with = "absent")]
    pub cluster_ips: Vec<Text<'a>>,
}

impl Service<'_> {
    /// It has no address of its own, so that every pod has a DNS name. An absent `clusterIP` asks for an address.
    pub fn is_headless(&self) -> bool {
        let is_none = |address: &Text<'_>| address.as_str() == "None";
        is_none(&self.spec.cluster_ip) || self.spec.cluster_ips.first().is_some_and(is_none)
    }
}

impl<'a> Stored<'a> for Service<'a> {
    const KIND: Kind = Kind { group: "", version: "v1", kind: "Service" };
    const NAMESPACED: bool = true;
}
