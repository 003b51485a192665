//! What one entry is called for, and the `rules` that say so: exactly the union of its subjects, in as few lines as that takes.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::admissionregistration::v1::RuleWithOperations;
use stateward_core::policy_set::Asked;
use stateward_core::request::{GroupVersionResource, Operation};

use super::{Entry, conditions};

/// All that one entry is called for.
pub(super) type Calls<'a> = BTreeMap<GroupVersionResource<'static>, BTreeMap<Operation, When<'a>>>;

/// When one operation on one resource is of interest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum When<'a> {
    /// A rule has no condition.
    Always,
    /// One of these is true.
    Any(BTreeSet<&'a str>),
}

/// Of an entry with at least one rule.
pub(super) fn calls<'a>(entry: Entry, asked: &[&Asked<'a>]) -> Calls<'a> {
    let mut calls = Calls::new();
    let mut add = |resource: GroupVersionResource<'static>, operation, condition: Option<&'a str>| {
        let when = calls.entry(resource).or_default().entry(operation).or_insert_with(|| When::Any(BTreeSet::new()));
        match (when, condition) {
            (When::Any(conditions), Some(condition)) => {
                conditions.insert(condition);
            }
            (when, _) => *when = When::Always,
        }
    };
    for asked in asked {
        add(asked.resource.clone(), asked.operation, asked.condition);
    }
    if !entry.mutates() {
        // Whatever is installed, the probe asks every validating path.
        add(stateful_sets(), Operation::Create, Some(conditions::PROBED));
    }
    calls
}

/// Resources with the same operations share a rule.
pub(super) fn rules(calls: &Calls<'_>) -> Vec<RuleWithOperations> {
    let mut alike: BTreeMap<(&str, &str, Vec<Operation>), Vec<String>> = BTreeMap::new();
    for (resource, operations) in calls {
        let path = match resource.subresource.as_ref() {
            "" => resource.resource.to_string(),
            subresource => format!("{}/{subresource}", resource.resource),
        };
        let operations = operations.keys().copied().collect();
        alike.entry((&resource.group, &resource.version, operations)).or_default().push(path);
    }
    let rule = |((group, version, operations), resources): ((&str, &str, Vec<Operation>), _)| RuleWithOperations {
        api_groups: Some(vec![group.to_owned()]),
        api_versions: Some(vec![version.to_owned()]),
        operations: Some(operations.iter().map(Operation::to_string).collect()),
        resources: Some(resources),
        // A resource has one scope; a rule need not repeat it.
        scope: Some("*".to_owned()),
    };
    alike.into_iter().map(rule).collect()
}

fn stateful_sets() -> GroupVersionResource<'static> {
    GroupVersionResource {
        group: "apps".into(),
        version: "v1".into(),
        resource: "statefulsets".into(),
        subresource: "".into(),
    }
}
