//! What `/policies` shows of what was asked for and what is in force.

use stateward_core::policy_set::PolicySet;
use stateward_core::resources::WasmPolicy;
use stateward_server::PolicyStatus;

/// One for each resource, in name order. `errors` tells what kept the last load of a policy from succeeding.
pub(super) fn of(set: &PolicySet, resources: &[WasmPolicy], errors: impl Fn(&str) -> Vec<String>) -> Vec<PolicyStatus> {
    let mut statuses: Vec<PolicyStatus> = resources
        .iter()
        .map(|resource| {
            let name = &resource.metadata.name;
            // What is in force may be an older version than what the resource says now.
            match set.policies().iter().find(|policy| policy.name == *name) {
                Some(policy) => PolicyStatus {
                    name: name.clone(),
                    component: policy.component.reference.clone(),
                    digest: Some(policy.component.digest.clone()),
                    loaded: true,
                    generation: None,
                    mode: policy.mode,
                    profile: policy.profile,
                    failure_policy: policy.failure_policy,
                    rules: policy.rule_ids().map(str::to_owned).collect(),
                    errors: errors(name),
                },
                None => PolicyStatus {
                    name: name.clone(),
                    component: resource.spec.component.clone(),
                    digest: None,
                    loaded: false,
                    generation: None,
                    mode: resource.spec.mode,
                    profile: resource.spec.profile,
                    failure_policy: resource.spec.failure_policy,
                    rules: Vec::new(),
                    errors: errors(name),
                },
            }
        })
        .collect();
    statuses.sort_by(|a, b| a.name.cmp(&b.name));
    statuses
}
