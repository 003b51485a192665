//! What the cluster shows of a `WasmPolicy`: conditions, and which replica runs which generation.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `status` of a `WasmPolicy`. Each replica writes its own entry of `replicas`; the leader writes the rest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WasmPolicyStatus {
    /// The generation that the conditions are about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `SettingsValid`, `ComponentLoaded`, `Degraded`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// What runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<ComponentStatus>,
    /// The version whose defaults are in force where `spec.profileVersion` says nothing: the one that first made the policy Ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile_version: Option<String>,
    /// How many rules are in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_count: Option<i64>,
    /// What the last scan of what is stored found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditStatus>,
    /// Which replica runs which generation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub replicas: Vec<ReplicaStatus>,
}

/// As Kubernetes' `metav1.Condition`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// `Ready`, ..
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// A word for programs.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// The generation that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When `status` last changed.
    #[schemars(extend("format" = "date-time"))]
    pub last_transition_time: String,
}

/// What the policy said of what is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditStatus {
    /// When the scan began that first found this. While scans find the same it is written once a day; the metric
    /// `stateward_audit_last_scan_timestamp_seconds` has each of them.
    #[schemars(extend("format" = "date-time"))]
    pub last_scan: String,
    /// Objects that the policy judged.
    pub objects: i64,
    /// Findings that would refuse a request.
    pub deny: i64,
    /// Findings that would be warned of.
    pub warn: i64,
    /// Findings that are only reported.
    pub audit: i64,
    /// Rules that lacked a fact, each on one object.
    pub undecided: i64,
    /// Objects on which the policy broke.
    pub errors: i64,
}

/// A component as it was loaded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentStatus {
    /// `sha256:..`.
    pub digest: String,
    /// Its own version.
    pub version: String,
}

/// One replica's view of one policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaStatus {
    /// The pod's name.
    pub name: String,
    /// `metadata.generation` of what it has read last.
    pub generation: i64,
    /// Whether that is what it enforces; else its last good version, or nothing.
    pub loaded: bool,
    /// Whether it enforces the policy at all.
    pub enforced: bool,
    /// Of the component that it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The component's own version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// How many rules it enforces.
    #[serde(default)]
    pub rule_count: i64,
    /// What kept the last load from succeeding, by the part that is wrong: `component`, `settings`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub errors: BTreeMap<String, String>,
    /// It was asked when a member was made, on the path whose failures refuse: then they may.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub member_seen: bool,
    /// Kinds that its rules look up and that cannot be, each with the permission or the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}
