//! The configurations of the shipped policies: which requests they send to us, on every request that we know of. What an API server makes of them
//! is tested with one, in `tests/cluster`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeSet;

use cel::Value;
use k8s_openapi::api::admissionregistration::v1::{MatchCondition, RuleWithOperations};
use serde_json::{Map, Value as Json};
use stateward_cluster::webhooks::{Configurations, Entry, Reach, Registration, configurations};
use stateward_core::evaluate::Component;
use stateward_core::policy::Policy;
use stateward_core::policy_set::{Asked, Asker, PolicySet};
use stateward_core::resources::WasmPolicy;
use stateward_native::component;
use stateward_rules_tests::cel::evaluate;
use stateward_rules_tests::reviews::{captured, is_sent, review_of, sent, text};
use stateward_rules_tests::{case_files, default_policies};

#[test]
fn what_is_registered_for_the_shipped_policies() {
    insta::assert_json_snapshot!("mutating", derived(&shipped()).mutating);
    insta::assert_json_snapshot!("validating", derived(&shipped()).validating);
}

#[test]
fn what_is_asked_of_the_reviews_of_a_real_cluster() {
    let set = shipped();
    let table: Vec<String> = law_on(&set, captured())
        .into_iter()
        .map(|(name, called)| {
            let called: Vec<&str> = called.into_iter().map(asked_at).collect();
            format!("{name}: {}", if called.is_empty() { "-".to_owned() } else { called.join(" ") })
        })
        .collect();
    assert!(table.len() >= 60, "{} reviews", table.len());
    insta::assert_snapshot!(table.join("\n"));
}

#[test]
fn every_case_is_asked_exactly_as_its_rules_want() {
    let requests = case_files();
    let requests = requests
        .files
        .iter()
        .flat_map(|file| &file.cases)
        .map(|case| (case.name.clone(), sent(review_of(case.request()))));
    let requests: Vec<_> = requests.collect();
    assert!(law_on(&shipped(), requests.clone()).len() > 300);
    // In strict other rules speak, and other conditions stand alone.
    let strict = |policy: &mut WasmPolicy| policy.spec.profile = stateward_core::manifest::Profile::Strict;
    law_on(&of(default_policies(), strict, &component()), requests);
}

/// One policy at a time: what another one wants cannot cover up for a condition.
#[test]
fn every_family_alone_is_asked_exactly_as_its_rules_want() {
    for policy in default_policies() {
        law_on(&of(vec![policy], |_| {}, &component()), captured());
    }
}

#[test]
fn conditions_of_components_that_we_did_not_test_are_left_out() {
    let custom = Component { reference: "file:custom.wasm".to_owned(), ..component() };
    let set = of(default_policies(), |_| {}, &custom);
    let of_custom = entries(&derived(&set));
    let of_builtin = entries(&derived(&shipped()));
    for ((entry, rules, conditions), (same, same_rules, _)) in of_custom.iter().zip(&of_builtin) {
        assert_eq!((entry, rules), (same, same_rules));
        // Where none of our rules is about sets, they are asked about for the probe alone.
        let is_probes = |condition: &MatchCondition| condition.expression.contains("'stateward.dev/probe' in");
        assert!(conditions.iter().all(is_probes), "{entry}: {conditions:?}");
    }
    law_on(&set, captured());
}

#[test]
fn the_probe_is_let_through_on_every_validating_path() {
    for policy in default_policies() {
        let name = policy.metadata.name.clone();
        let set = of(vec![policy], |_| {}, &component());
        let probe: Json = serde_json::json!({
            "resource": {"group": "apps", "version": "v1", "resource": "statefulsets"},
            "operation": "CREATE",
            "userInfo": {"username": "system:serviceaccount:stateward-system:stateward"},
            "object": {"metadata": {"name": "probe", "annotations": {"stateward.dev/probe": "true"}}},
            "oldObject": null,
        });
        for (entry, rules, conditions) in entries(&derived(&set)) {
            let called = is_called(&rules, &conditions, &probe, "probe");
            assert!(called || entry.mutates(), "{name}: {entry}");
        }
    }
}

/// The path, and whether only namespaces in `strict` are asked about.
fn asked_at(entry: Entry) -> &'static str {
    if entry == Entry::MutateStrict { "/mutate(strict)" } else { entry.path() }
}

/// For every request and entry: no condition fails, whoever the request is for, and the entry is called exactly when a rule wants it.
fn law_on(set: &PolicySet, requests: Vec<(String, Json)>) -> Vec<(String, BTreeSet<Entry>)> {
    let entries = entries(&derived(set));
    let asked: Vec<Asked<'_>> = set.asked().collect();
    let wants = |entry: Entry, review: &Json, name: &str| {
        asked.iter().any(|asked| {
            let is_it = asker(entry) == asked.by
                && text(review, "/resource/group") == asked.resource.group
                && text(review, "/resource/resource") == asked.resource.resource
                && text(review, "/subResource") == asked.resource.subresource
                && text(review, "/operation") == asked.operation.to_string();
            is_it && asked.condition.is_none_or(|condition| is_true(condition, review, name))
        })
    };
    requests
        .into_iter()
        .map(|(name, review)| {
            let mut called = BTreeSet::new();
            for (entry, rules, conditions) in &entries {
                let is_called = is_called(rules, conditions, &review, &name);
                assert_eq!(is_called, wants(*entry, &review, &name), "{name}: {entry}");
                if is_called {
                    called.insert(*entry);
                }
            }
            (name, called)
        })
        .collect()
}

/// As the API server decides it. All conditions are evaluated, as it does, also on requests that no rule sends.
fn is_called(rules: &[RuleWithOperations], conditions: &[MatchCondition], review: &Json, name: &str) -> bool {
    let is_true: Vec<bool> = conditions.iter().map(|condition| is_true(&condition.expression, review, name)).collect();
    let is_sent = rules.iter().any(|rule| is_sent(&rule.api_groups, &rule.resources, &rule.operations, review));
    is_sent && is_true.into_iter().all(|is_true| is_true)
}

fn is_true(condition: &str, review: &Json, name: &str) -> bool {
    match evaluate(condition, review, &Map::new(), name) {
        Value::Bool(answer) => answer,
        other => panic!("{name}: {other:?}: {condition}"),
    }
}

type OfEntry = (Entry, Vec<RuleWithOperations>, Vec<MatchCondition>);

fn entries(configurations: &Configurations) -> Vec<OfEntry> {
    let mutating =
        configurations.mutating.webhooks.iter().flatten().map(|webhook| {
            (Entry::named(&webhook.name).unwrap(), webhook.rules.clone(), webhook.match_conditions.clone())
        });
    let validating =
        configurations.validating.webhooks.iter().flatten().map(|webhook| {
            (Entry::named(&webhook.name).unwrap(), webhook.rules.clone(), webhook.match_conditions.clone())
        });
    mutating
        .chain(validating)
        .map(|(entry, rules, conditions)| (entry, rules.unwrap_or_default(), conditions.unwrap_or_default()))
        .collect()
}

fn derived(set: &PolicySet) -> Configurations {
    let registration = Registration {
        namespace: "stateward-system".to_owned(),
        reach: Reach::Service { name: "stateward".to_owned(), port: 443 },
        ca_bundle: Some(b"-----BEGIN CERTIFICATE-----".to_vec()),
        owner: Some("2c1b1d5e-0000-4000-8000-000000000001".to_owned()),
        failing: [Entry::ValidateFail].into(),
    };
    configurations(set, &registration)
}

fn shipped() -> PolicySet {
    of(default_policies(), |_| {}, &component())
}

fn of(mut policies: Vec<WasmPolicy>, change: impl Fn(&mut WasmPolicy), component: &Component) -> PolicySet {
    policies.iter_mut().for_each(change);
    let bound = policies.iter().map(|policy| Policy::new(policy, component.clone()).unwrap()).collect();
    PolicySet::new(bound, vec![]).unwrap_or_else(|errors| panic!("{errors:?}"))
}

const fn asker(entry: Entry) -> Asker {
    match entry {
        Entry::Mutate => Asker::Mutate,
        Entry::MutateStrict => Asker::MutateStrict,
        Entry::ValidateClosed => Asker::Closed,
        Entry::ValidateFail => Asker::Fail,
        Entry::ValidateIgnore => Asker::Ignore,
    }
}
