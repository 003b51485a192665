//! What all objects have, and how they select each other.

use crate::text::{Map, Text};
use crate::view::view;

view! {
    /// `metadata`.
    pub struct ObjectMeta<'a> {
        /// Empty while a `generateName` waits for the server.
        "name" => pub name: Text<'a>,
        /// The server appends five characters to it.
        "generateName" => pub generate_name: Text<'a>,
        /// Empty in files that leave it out.
        "namespace" => pub namespace: Text<'a>,
        /// Empty before the server has stored the object.
        "uid" => pub uid: Text<'a>,
        /// The server counts every change of `spec`.
        "generation" => pub generation: i64,
        /// RFC 3339 in UTC without fractions, as the server writes it: comparable as text.
        "creationTimestamp" => pub creation_timestamp: Text<'a>,
        /// When it is to be gone; empty: nobody has deleted it.
        "deletionTimestamp" => pub deletion_timestamp: Text<'a>,
        /// What selectors look at.
        "labels" => pub labels: Map<'a>,
        /// What selectors do not look at.
        "annotations" => pub annotations: Map<'a>,
        /// What must be done before it goes.
        "finalizers" => pub finalizers: Vec<Text<'a>>,
        /// Whose it is.
        "ownerReferences" => pub owner_references: Vec<OwnerReference<'a>>,
    }
}

view! {
    /// One of `metadata.ownerReferences`.
    pub struct OwnerReference<'a> {
        /// `GROUP/VERSION`, or the version alone for the core group.
        "apiVersion" => pub api_version: Text<'a>,
        /// `StatefulSet`, ..
        "kind" => pub kind: Text<'a>,
        /// In the object's own namespace, or cluster-scoped.
        "name" => pub name: Text<'a>,
        /// Which object of that name.
        "uid" => pub uid: Text<'a>,
        /// Whether the owner manages the object; of one object at most one does.
        "controller" => pub controller: bool,
    }
}

view! {
    /// `metav1.LabelSelector`.
    pub struct LabelSelector<'a> {
        /// All must be equal.
        "matchLabels" => pub match_labels: Map<'a>,
        /// All must hold.
        "matchExpressions" => pub match_expressions: Vec<LabelRequirement<'a>>,
    }
}

view! {
    /// One of `matchExpressions`.
    pub struct LabelRequirement<'a> {
        /// The label's key.
        "key" => pub key: Text<'a>,
        /// `In`, `NotIn`, `Exists`, `DoesNotExist`.
        "operator" => pub operator: Text<'a>,
        /// For `In` and `NotIn`.
        "values" => pub values: Vec<Text<'a>>,
    }
}

impl<'a> ObjectMeta<'a> {
    /// The owner that manages the object.
    pub fn controller(&self) -> Option<&OwnerReference<'a>> {
        self.owner_references.iter().find(|owner| owner.controller)
    }

    /// The `apps` StatefulSet that manages the object, if one does.
    pub fn controlling_set(&self) -> Option<&OwnerReference<'a>> {
        self.controller().filter(|owner| owner.kind.as_str() == "StatefulSet" && owner.group() == "apps")
    }
}

impl OwnerReference<'_> {
    /// The group of `apiVersion`; empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }
}

impl LabelSelector<'_> {
    /// Nothing in it: it selects everything, and a StatefulSet may not have it.
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }

    /// Whether labels are selected. `None`: an operator is not known, and nothing else rules them out. An empty selector selects everything.
    pub fn selects(&self, labels: &Map) -> Option<bool> {
        if !self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value)) {
            return Some(false);
        }
        let mut all = Some(true);
        for requirement in &self.match_expressions {
            let value = labels.get(&requirement.key);
            let listed = value.is_some_and(|value| requirement.values.iter().any(|each| **each == *value));
            let holds = match requirement.operator.as_str() {
                "In" => listed,
                "NotIn" => !listed,
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => {
                    all = None;
                    continue;
                }
            };
            if !holds {
                return Some(false);
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::{LabelSelector, ObjectMeta};

    #[test]
    fn one_part_that_does_not_hold_is_enough() {
        let selects = |selector: &str| {
            let labels: ObjectMeta<'_> = serde_json::from_str(r#"{"labels": {"app": "db"}}"#).unwrap();
            serde_json::from_str::<LabelSelector<'_>>(selector).unwrap().selects(&labels.labels)
        };
        let unknown = r#"{"key": "app", "operator": "Like"}"#;
        for (selector, answer) in [
            ("{}".to_owned(), Some(true)),
            (r#"{"matchLabels": {"app": "db"}}"#.to_owned(), Some(true)),
            (format!(r#"{{"matchLabels": {{"app": "db"}}, "matchExpressions": [{unknown}]}}"#), None),
            (format!(r#"{{"matchLabels": {{"app": "x"}}, "matchExpressions": [{unknown}]}}"#), Some(false)),
            (format!(r#"{{"matchExpressions": [{unknown}, {{"key": "a", "operator": "Exists"}}]}}"#), Some(false)),
            (format!(r#"{{"matchExpressions": [{unknown}, {{"key": "app", "operator": "Exists"}}]}}"#), None),
        ] {
            assert_eq!(selects(&selector), answer, "{selector}");
        }
    }
}
