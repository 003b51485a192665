//! The native guard: the manager contract as a ValidatingAdmissionPolicy, which the API server itself judges when every replica of ours is down.
//!
//! Pure, as [`webhooks`](crate::webhooks): the same policies are the same bytes, with every field that the API server would default. It sees objects
//! after all mutation and cannot tell who wrote a key, so it judges whether keys fit each other when a pod is made, and that they stay afterwards,
//! whoever asks. It looks nothing up: whether a set is governed, its uid and its first ordinal remain the webhooks'.
//!
//! Deliberately says nothing about when: the binding, without which the policy does nothing, is `registration`'s.

mod cel;
mod validations;
mod variables;

use k8s_openapi::api::admissionregistration::v1::{
    MatchResources, NamedRuleWithOperations, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
    ValidatingAdmissionPolicyBindingSpec, ValidatingAdmissionPolicySpec, Validation, Variable,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use stateward_core::contract;
use stateward_core::labels::Selector;
use stateward_core::policy_set::PolicySet;

use crate::names;
use crate::webhooks::{FAIL, closed_conditions, metadata, selector};

/// What the API server judges by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Guard {
    /// How it judges.
    pub policy: ValidatingAdmissionPolicy,
    /// That it judges.
    pub binding: ValidatingAdmissionPolicyBinding,
}

/// Derives both, of our own namespace and our ClusterRole's uid. `None`: no policy enforces the contract.
pub fn guard(set: &PolicySet, namespace: &str, owner: Option<&str>) -> Option<Guard> {
    let enforced_in = contract::enforced_in(set);
    let (only, covered) = match enforced_in.as_slice() {
        [] => return None,
        [only] => (Some(*only), None),
        // A selector cannot say "or".
        several => (None, Some(variables::covered(several))),
    };
    let accounts = contract::controller_accounts(set);
    let all = covered.iter().map(|expression| (variables::COVERED.to_owned(), expression.clone()));
    let all = all.chain(variables::variables(&accounts));
    let policy = ValidatingAdmissionPolicySpec {
        audit_annotations: None,
        failure_policy: Some(FAIL.to_owned()),
        // As for `validate-closed`, so that both are asked about the same. The API server evaluates the words of every validation before it reads whether
        // any is needed (`validator.go`, 1.36): without these, every status that a kubelet writes would pay for all of them.
        match_conditions: Some(closed_conditions(set)).filter(|conditions| !conditions.is_empty()),
        match_constraints: Some(MatchResources {
            exclude_resource_rules: None,
            // All versions of an API are seen, also those that came later.
            match_policy: Some("Equivalent".to_owned()),
            namespace_selector: Some(namespaces(namespace, only)),
            // Users could label themselves out.
            object_selector: Some(LabelSelector::default()),
            resource_rules: Some(resource_rules()),
        }),
        param_kind: None,
        validations: Some(validations::validations(covered.is_some()).into_iter().map(validation).collect()),
        variables: Some(all.map(|(name, expression)| Variable { name, expression }).collect()),
    };
    let binding = ValidatingAdmissionPolicyBindingSpec {
        match_resources: None,
        param_ref: None,
        policy_name: Some(names::APP.to_owned()),
        validation_actions: Some(vec!["Deny".to_owned()]),
    };
    Some(Guard {
        policy: ValidatingAdmissionPolicy { metadata: metadata(owner), spec: Some(policy), status: None },
        binding: ValidatingAdmissionPolicyBinding { metadata: metadata(owner), spec: Some(binding) },
    })
}

/// Those that our webhooks are asked about, as far as the policy selects them.
fn namespaces(ours: &str, only: Option<&Selector>) -> LabelSelector {
    let mut namespaces = selector::of(ours, false);
    let narrowed = only.into_iter().flat_map(Selector::requirements);
    namespaces.match_expressions.get_or_insert_default().extend(narrowed.map(selector::written));
    namespaces
}

/// What writes metadata of pods and sets. A scale carries no keys.
fn resource_rules() -> Vec<NamedRuleWithOperations> {
    let rule = |group: &str, operations: &[&str], resources: &[&str]| {
        let owned = |words: &[&str]| Some(words.iter().map(|&word| word.to_owned()).collect());
        NamedRuleWithOperations {
            api_groups: owned(&[group]),
            api_versions: owned(&["v1"]),
            operations: owned(operations),
            resource_names: None,
            resources: owned(resources),
            // A resource has one scope; a rule need not repeat it.
            scope: Some("*".to_owned()),
        }
    };
    vec![
        rule("", &["CREATE"], &["bindings", "pods", "pods/binding"]),
        rule("", &["UPDATE"], &["pods", "pods/ephemeralcontainers", "pods/resize", "pods/status"]),
        rule("apps", &["CREATE", "UPDATE"], &["statefulsets"]),
        rule("apps", &["UPDATE"], &["statefulsets/status"]),
    ]
}

fn validation(judged: validations::Judged) -> Validation {
    Validation {
        expression: judged.expression,
        // Where the message's own expression fails, and in no other case.
        message: Some("the manager contract of `stateward` is broken".to_owned()),
        message_expression: Some(judged.message),
        reason: Some("Forbidden".to_owned()),
    }
}
