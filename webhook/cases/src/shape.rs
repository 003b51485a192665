//! A case file as it is written: names and types, nothing more.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use stateward_core::manifest::{Action, Profile};
use stateward_core::request::Operation;

/// A whole file. What begins with `x-` is for anchors.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FileShape {
    /// What cases are about that name no rule of their own.
    #[serde(default)]
    pub rule: Option<String>,
    /// Which policy is meant where several have the rule.
    #[serde(default)]
    pub policy: Option<String>,
    /// What cases begin with that bring no object of their own.
    #[serde(default)]
    pub object: Option<Value>,
    #[serde(default)]
    pub neighbours: Vec<Value>,
    #[serde(default)]
    pub known: Vec<String>,
    /// Why a rule has no case of a kind: of the file's rule, or by rule.
    #[serde(default)]
    pub lacks: BTreeMap<String, Value>,
    pub cases: Vec<CaseShape>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CaseShape {
    pub name: String,
    #[serde(default)]
    pub rule: Option<String>,
    #[serde(default)]
    pub policy: Option<String>,
    /// One word, or a list.
    #[serde(default)]
    pub covers: Option<Value>,

    // The request.
    #[serde(default)]
    pub object: Option<Value>,
    #[serde(default)]
    pub patch: Option<Value>,
    #[serde(default)]
    pub old_object: Option<Value>,
    #[serde(default)]
    pub old_patch: Option<Value>,
    #[serde(default)]
    pub operation: Option<Operation>,
    #[serde(default)]
    pub subresource: Option<String>,
    #[serde(default)]
    pub options: Option<Map<String, Value>>,
    /// A name, or `{username, groups, uid}`.
    #[serde(default)]
    pub user: Option<Value>,

    // What is around it.
    #[serde(default)]
    pub neighbours: Vec<Value>,
    #[serde(default)]
    pub known: Vec<String>,
    #[serde(default)]
    pub settings: Map<String, Value>,
    #[serde(default)]
    pub actions: BTreeMap<String, Action>,
    #[serde(default)]
    pub profile: Option<Profile>,

    // What must come of it.
    #[serde(default)]
    pub findings: Vec<FindingShape>,
    #[serde(default)]
    pub undecided: Vec<String>,
    #[serde(default)]
    pub changes: Vec<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FindingShape {
    pub path: String,
    pub place: String,
    /// One action, or one for each profile.
    pub action: Value,
    #[serde(default)]
    pub message: Option<String>,
    #[serde(default)]
    pub hint: Option<String>,
    pub why: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct UserShape {
    pub username: String,
    /// Absent: those that the API server gives to such a name.
    #[serde(default)]
    pub groups: Option<Vec<String>>,
    #[serde(default)]
    pub uid: String,
    #[serde(default)]
    pub extra: BTreeMap<String, Vec<String>>,
}
