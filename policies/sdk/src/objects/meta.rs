//! What all objects have, and how they select each other.

use serde::Deserialize;

use super::absent;
use crate::text::{Map, Text};

/// `metadata`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectMeta<'a> {
    /// Empty while a `generateName` waits for the server.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub name: Text<'a>,
    /// The server appends five characters to it.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub generate_name: Text<'a>,
    /// Empty in files that leave it out.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub namespace: Text<'a>,
    /// Empty before the server has stored the object.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub uid: Text<'a>,
    /// RFC 3339 in UTC without fractions, as the server writes it: comparable as text.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub creation_timestamp: Text<'a>,
    /// What selectors look at.
    #[serde(borrow, default)]
    pub labels: Map<'a>,
    /// What selectors do not look at.
    #[serde(borrow, default)]
    pub annotations: Map<'a>,
    /// Whose it is.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub owner_references: Vec<OwnerReference<'a>>,
}

/// One of `metadata.ownerReferences`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnerReference<'a> {
    /// `GROUP/VERSION`, or the version alone for the core group.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub api_version: Text<'a>,
    /// `StatefulSet`, ..
    #[serde(borrow, default, deserialize_with = "absent")]
    pub kind: Text<'a>,
    /// In the object's own namespace, or cluster-scoped.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub name: Text<'a>,
    /// Which object of that name.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub uid: Text<'a>,
    /// Whether the owner manages the object; of one object at most one does.
    #[serde(default, deserialize_with = "absent")]
    pub controller: bool,
}

/// `metav1.LabelSelector`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LabelSelector<'a> {
    /// All must be equal.
    #[serde(borrow, default)]
    pub match_labels: Map<'a>,
    /// All must hold.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub match_expressions: Vec<LabelRequirement<'a>>,
}

/// One of `matchExpressions`.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct LabelRequirement<'a> {
    /// The label's key.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub key: Text<'a>,
    /// `In`, `NotIn`, `Exists`, `DoesNotExist`.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub operator: Text<'a>,
    /// For `In` and `NotIn`.
    #[serde(borrow, default, deserialize_with = "absent")]
    pub values: Vec<Text<'a>>,
}

impl<'a> ObjectMeta<'a> {
    /// The owner that manages the object.
    pub fn controller(&self) -> Option<&OwnerReference<'a>> {
        self.owner_references.iter().find(|owner| owner.controller)
    }
}

impl OwnerReference<'_> {
    /// The group of `apiVersion`; empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }
}

impl LabelSelector<'_> {
    /// Whether labels are selected; `None` when an operator is not known. An empty selector selects everything.
    pub fn selects(&self, labels: &Map) -> Option<bool> {
        let mut all = self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value));
        for requirement in &self.match_expressions {
            let value = labels.get(&requirement.key);
            let listed = value.is_some_and(|value| requirement.values.iter().any(|each| **each == *value));
            all &= match requirement.operator.as_str() {
                "In" => listed,
                "NotIn" => !listed,
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => return None,
            };
        }
        Some(all)
    }
}
