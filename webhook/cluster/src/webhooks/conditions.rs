//! The conditions of subjects, joined: the API server asks us only when one of the rules that would be asked has something to say.
//!
//! All conditions of an entry must be true, so each is about one resource and true for every other. They never hide a request that a rule
//! wants: what none of them knows is let through. Each subject's condition is evaluated only for its own resource, subresource and operation; an
//! error in it would refuse every such request, or skip it.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::admissionregistration::v1::MatchCondition;
use stateward_core::request::Operation;

use super::rules::{Calls, When};

/// True for the probe: `stateward_core::contract::PROBE` on a StatefulSet.
pub(super) const PROBED: &str =
    "object != null && has(object.metadata.annotations) && 'stateward.dev/probe' in object.metadata.annotations";

/// One condition for each resource that is not always of interest, in the resources' order.
pub(super) fn joined(calls: &Calls<'_>) -> Vec<MatchCondition> {
    let mut resources: BTreeMap<(&str, &str), Resource<'_>> = BTreeMap::new();
    for (of, operations) in calls {
        // Versions of one resource differ in nothing that a request says of itself: the API server tells the version that was asked for.
        let resource = resources.entry((&of.group, &of.resource)).or_default();
        for (&operation, when) in operations {
            let known = resource.0.entry(&of.subresource).or_default();
            match (known.entry(operation).or_insert_with(|| When::Any(BTreeSet::new())), when) {
                (When::Any(known), When::Any(conditions)) => known.extend(conditions),
                (known, _) => *known = When::Always,
            }
        }
    }
    resources
        .into_iter()
        .filter_map(|((group, name), resource)| {
            let when = resource.when()?;
            let dot = if group.is_empty() { "" } else { "." };
            Some(MatchCondition {
                name: format!("{name}{dot}{group}"),
                expression: format!(
                    "request.resource.group != '{group}' || request.resource.resource != '{name}' || ({when})"
                ),
            })
        })
        // Where there are too many, the rest is sent unconditionally.
        .take(MOST)
        .collect()
}

/// What is asked about one resource and what is below it.
#[derive(Default)]
struct Resource<'a>(BTreeMap<&'a str, BTreeMap<Operation, When<'a>>>);

impl Resource<'_> {
    /// `None`: always.
    fn when(&self) -> Option<String> {
        let mut chain = String::new();
        for (subresource, operations) in &self.0 {
            let Some(when) = of_operations(operations) else { continue };
            let is_it = match *subresource {
                // Absent for the main resource.
                "" => "!has(request.subResource) || request.subResource == ''".to_owned(),
                subresource => format!("has(request.subResource) && request.subResource == '{subresource}'"),
            };
            chain.push_str(&format!("({is_it}) ? ({when}) : "));
        }
        (!chain.is_empty()).then(|| chain + "true")
    }
}

/// `None`: always.
fn of_operations(operations: &BTreeMap<Operation, When<'_>>) -> Option<String> {
    let conditional = operations.iter().filter_map(|(operation, when)| match when {
        When::Always => None,
        When::Any(conditions) => Some((*operation, conditions)),
    });
    let mut alike: BTreeMap<&BTreeSet<&str>, Vec<String>> = BTreeMap::new();
    for (operation, conditions) in conditional {
        alike.entry(conditions).or_default().push(format!("request.operation == '{operation}'"));
    }
    let mut chain = String::new();
    for (conditions, is_it) in alike {
        let mut conditions: Vec<&str> = conditions.iter().copied().collect();
        // The shorter is the cheaper; what comes first may spare the rest.
        conditions.sort_by_key(|condition| (condition.len(), *condition));
        let any = conditions.iter().map(|condition| format!("({condition})")).collect::<Vec<_>>().join(" || ");
        chain.push_str(&format!("({}) ? ({any}) : ", is_it.join(" || ")));
    }
    (!chain.is_empty()).then(|| chain + "true")
}

/// The API server's limit.
const MOST: usize = 64;
