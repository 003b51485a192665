//! The YAML that administrators write: `WasmPolicy` and `PolicyExemption` of `stateward.dev/v1alpha1`, from a file or from the cluster.

mod plainly;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::manifest::{Action, Profile};
use crate::request::Operation;

/// `apiVersion` of both kinds.
pub const API_VERSION: &str = "stateward.dev/v1alpha1";

/// One installed policy: a component's rules with settings, match and modes. Cluster-scoped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WasmPolicy {
    /// Name, and what else the object carries.
    pub metadata: ObjectMeta,
    /// What is asked for.
    pub spec: WasmPolicySpec,
}

/// The part of an object's metadata that policies use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectMeta {
    /// Unique within its kind (and namespace).
    pub name: String,
    /// `None` for cluster-scoped objects, or where a file leaves it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Written by the API server; `None` in files.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "plainly::time")]
    pub creation_timestamp: Option<jiff::Timestamp>,
    /// With what it was made: see [`made_by`](crate::exemption::made_by). Its reader says it, of exemptions.
    #[serde(skip)]
    pub made_by: Option<String>,
}

/// What a [`WasmPolicy`] asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WasmPolicySpec {
    /// `builtin:NAME`, `file:PATH`, `oci://HOST/REPO:TAG[@sha256:..]`.
    pub component: String,
    /// Ids or `family/*`; default: all.
    #[serde(default = "all_rules")]
    pub rules: Vec<String>,
    /// Caps every action.
    #[serde(default, deserialize_with = "plainly::mode")]
    pub mode: Mode,
    /// The rules' defaults.
    #[serde(default, deserialize_with = "plainly::profile")]
    pub profile: Profile,
    /// Overrides by rule id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "plainly::actions")]
    pub actions: BTreeMap<String, Action>,
    /// A rule that is newer is at most Warn, so that an upgrade never adds denials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile_version: Option<String>,
    /// Checked against the component's JSON Schema.
    #[serde(default)]
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// What it is about, within its rules' subjects.
    #[serde(default, rename = "match")]
    pub matches: Match,
    /// What a failure of the policy means.
    #[serde(default)]
    pub failure_policy: FailurePolicy,
    /// What it may spend on one request.
    #[serde(default)]
    pub limits: LimitsSpec,
}

impl WasmPolicySpec {
    /// All rules of a component, with the defaults of every field.
    pub fn of(component: String) -> Self {
        Self {
            component,
            rules: all_rules(),
            mode: Mode::default(),
            profile: Profile::default(),
            actions: BTreeMap::new(),
            profile_version: None,
            settings: serde_json::Map::new(),
            matches: Match::default(),
            failure_policy: FailurePolicy::default(),
            limits: LimitsSpec::default(),
        }
    }
}

/// Caps a policy's actions, so that a roll-out goes Audit, Warn, Enforce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    /// Nothing is refused, warned about or changed; all of it is recorded.
    Audit,
    /// Nothing is refused or changed.
    Warn,
    /// As the rules say.
    #[default]
    Enforce,
}

/// What a failure of a policy means. As in Kubernetes' webhook configurations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FailurePolicy {
    /// The request is refused.
    #[default]
    Fail,
    /// The request goes on.
    Ignore,
}

/// As in ValidatingAdmissionPolicy's `matchConstraints`, plus `matchConditions`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Match {
    /// Narrows the rules' subjects; empty: all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resource_rules: Vec<ResourceRule>,
    /// Taken away again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude_resource_rules: Vec<ResourceRule>,
    /// On the namespace's labels; a Namespace object is matched by its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// On the labels of the object or the old object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_selector: Option<LabelSelector>,
    /// CEL over `request`, `object`, `oldObject`; all must be true. At most 1 KiB each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub match_conditions: Vec<MatchCondition>,
}

/// As in ValidatingAdmissionPolicy's `resourceRules`. In `resources`, `*` is all main resources, `*/*` the subresources too, `pods/*` pods and all
/// that is below them, `*/scale` all scales.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResourceRule {
    /// `""` is the core group.
    #[serde(default = "star")]
    pub api_groups: Vec<String>,
    /// `v1`, ..
    #[serde(default = "star")]
    pub api_versions: Vec<String>,
    /// `statefulsets`, `statefulsets/scale`, ..
    #[serde(default = "star_and_below")]
    pub resources: Vec<String>,
    /// Empty: all.
    #[serde(default)]
    pub operations: Vec<OperationOrAll>,
    /// Names; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,
}

/// An operation, or `*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OperationOrAll {
    /// One.
    One(Operation),
    /// `*`.
    All(Star),
}

/// The text `*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Star {
    /// `*`.
    #[serde(rename = "*")]
    Star,
}

/// Kubernetes' label selector. Empty selects everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LabelSelector {
    /// All must be equal.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// All must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<LabelRequirement>,
}

/// One requirement of a label selector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LabelRequirement {
    /// The label's key.
    pub key: String,
    /// How it is compared.
    pub operator: LabelOperator,
    /// For `In` and `NotIn`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// Kubernetes' selector operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LabelOperator {
    /// The label is there with one of the values.
    In,
    /// The label is not there, or has another value.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is not there.
    DoesNotExist,
}

impl LabelOperator {
    /// As Kubernetes writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::In => "In",
            Self::NotIn => "NotIn",
            Self::Exists => "Exists",
            Self::DoesNotExist => "DoesNotExist",
        }
    }
}

/// A named CEL expression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MatchCondition {
    /// For the trace.
    pub name: String,
    /// CEL that is true or false.
    pub expression: String,
}

/// What a policy may spend on one request, in Kubernetes' units.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LimitsSpec {
    /// `200ms`, `1s`; default 200ms, at most 10s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// `64Mi`; default 64Mi, at most 64Mi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
}

/// Turns Deny and Warn of some rules into Audit, for some objects of its namespace, for a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyExemption {
    /// Name and namespace.
    pub metadata: ObjectMeta,
    /// What is exempt.
    pub spec: PolicyExemptionSpec,
}

/// What a [`PolicyExemption`] asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyExemptionSpec {
    /// Rule ids or `family/*`; never empty.
    pub rules: Vec<String>,
    /// Object names, compared whole; without any there must be a `selector`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// On the object's labels, beside the names; `{}` is every object of the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// For whoever reads the audit log.
    pub reason: String,
    /// From then on it is as if it were not there. Default: 90 days after `metadata.creationTimestamp`; where there is none, in files, it must be
    /// given: the age of a file says when it was copied.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "plainly::time")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub expires: Option<jiff::Timestamp>,
}

fn all_rules() -> Vec<String> {
    vec!["*".to_owned()]
}

fn star_and_below() -> Vec<String> {
    vec!["*/*".to_owned()]
}

fn star() -> Vec<String> {
    vec!["*".to_owned()]
}
