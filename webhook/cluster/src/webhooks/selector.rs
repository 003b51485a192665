//! Which namespaces are sent to us.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use stateward_core::contract;
use stateward_core::resources::LabelRequirement;

use crate::names::UNASKED;

/// All namespaces but ours and the two that a cluster needs to run; with `strict_only`, of those the ones that ask for that profile. The API server
/// itself writes and keeps the label of names. Cluster-scoped objects are sent all the same, a Namespace only when it is selected itself.
pub(crate) fn of(ours: &str, strict_only: bool) -> LabelSelector {
    let mut never = vec![ours];
    never.extend(UNASKED);
    never.sort_unstable();
    never.dedup();
    let mut all = vec![requirement("kubernetes.io/metadata.name", "NotIn", &never)];
    if strict_only {
        all.push(requirement(contract::PROFILE, "In", &["strict"]));
    }
    LabelSelector { match_expressions: Some(all), match_labels: None }
}

/// A policy's own requirement.
pub(crate) fn written(requirement: LabelRequirement) -> LabelSelectorRequirement {
    LabelSelectorRequirement {
        key: requirement.key,
        operator: requirement.operator.name().to_owned(),
        // The API server stores an empty list as an absent one.
        values: (!requirement.values.is_empty()).then_some(requirement.values),
    }
}

fn requirement(key: &str, operator: &str, values: &[&str]) -> LabelSelectorRequirement {
    LabelSelectorRequirement {
        key: key.to_owned(),
        operator: operator.to_owned(),
        values: Some(values.iter().map(|value| (*value).to_owned()).collect()),
    }
}
