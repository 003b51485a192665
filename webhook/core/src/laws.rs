//! Laws that hold for all sets of policies and all requests.
//!
//! One component stands for all: what it finds is written in the object (`spec.broken`: rule, place, at-most), so that any combination of
//! findings, modes, profiles, overrides, exemptions and old objects comes up.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::admit::{Route, mutate, validate};
use crate::evaluate::{
    Call, Change, Component, EvaluateError, Finding, Judgement, Mutation, Outcome, Undecided, UndecidedReason,
};
use crate::manifest::{Action, Manifest, Profile, Rule};
use crate::policy::Policy;
use crate::policy_set::PolicySet;
use crate::request::{Operation, Request};
use crate::resources::{FailurePolicy, Mode, PolicyExemption, WasmPolicy};
use crate::testing::{block_on, component_with, facts, request, rule, wasm_policy};
use crate::verdict::{StepKind, Verdict};

const RULES: usize = 5;

/// Rules 0 to 4 validate (2 and 3 are newer), 5 and 6 change: idempotent, 6 newer.
fn law_manifest(name: &str) -> Manifest {
    let actions = [
        (Action::Deny, Action::Deny),
        (Action::Warn, Action::Deny),
        (Action::Audit, Action::Warn),
        (Action::Off, Action::Deny),
        (Action::Warn, Action::Warn),
    ];
    let mut rules: Vec<Rule> = actions
        .iter()
        .enumerate()
        .map(|(n, (baseline, strict))| rule(&format!("law/r{n}"), *baseline, *strict))
        .collect();
    rules[0].when_undecided = Action::Deny;
    rules[4].compares = true;
    rules.extend(["law/label", "law/restore"].map(|id| rule(id, Action::Apply, Action::Apply)));
    for newer in [2, 3, 6] {
        rules[newer].since = "0.2.0".to_owned();
    }
    Manifest { name: name.to_owned(), version: "0.2.0".to_owned(), rules, ..crate::testing::manifest() }
}

fn law_component(name: &str) -> Component {
    let judge = |call: &Call<'_>, request: &Request<'_>| {
        let object: Value = serde_json::from_str(request.subject().unwrap_or("{}"))
            .map_err(|error| EvaluateError::GaveUp { message: error.to_string() })?;
        if object["spec"]["trap"] == true {
            return Err(EvaluateError::Trapped { reason: "unreachable".to_owned() });
        }
        let all = object["spec"]["broken"].as_array().cloned().unwrap_or_default();
        let judge = |unit: &crate::evaluate::Unit<'_>| {
            let mut judgement = Judgement::default();
            for entry in all.iter().filter(|entry| unit.rules.contains(&(entry["rule"].as_u64().unwrap() as u32))) {
                let rule = entry["rule"].as_u64().unwrap() as u32;
                if entry["undecided"] == true {
                    judgement.undecided.push(Undecided { rule, reason: UndecidedReason::Other("x".to_owned()) });
                    continue;
                }
                let at_most =
                    entry["at"].as_u64().map(|n| [Action::Off, Action::Audit, Action::Warn, Action::Deny][n as usize]);
                let place = entry["place"].as_str().unwrap().to_owned();
                judgement.findings.push(Finding {
                    rule,
                    path: format!("/spec/{place}"),
                    place,
                    message: "is wrong".to_owned(),
                    hint: None,
                    at_most,
                    remedy: None,
                });
            }
            judgement
        };
        Ok(call.units.iter().map(judge).collect())
    };
    let change = |call: &Call<'_>, request: &Request<'_>| {
        let object: Value = serde_json::from_str(request.object.as_deref().unwrap_or("{}"))
            .map_err(|error| EvaluateError::GaveUp { message: error.to_string() })?;
        let mutation = |&rule: &u32| {
            let change = if rule == 5 {
                json!({"metadata": {"labels": {"law~/x": "set"}}})
            } else {
                json!({"spec": {"restored": object["metadata"]["name"]}})
            };
            Mutation { rule, change: Change::MergePatch(change.to_string()), note: None }
        };
        Ok(Outcome { mutations: call.units[0].rules.iter().map(mutation).collect(), undecided: vec![] })
    };
    component_with(law_manifest(name), judge, change)
}

fn any_policy(name: &'static str) -> impl Strategy<Value = WasmPolicy> {
    let action = prop_oneof![Just(Action::Off), Just(Action::Audit), Just(Action::Warn), Just(Action::Deny)];
    let mode = prop_oneof![2 => Just(Mode::Enforce), 1 => Just(Mode::Warn), 1 => Just(Mode::Audit)];
    (
        mode,
        prop_oneof![Just(Profile::Baseline), Just(Profile::Strict)],
        proptest::collection::btree_map(0..RULES, action, 0..3),
        proptest::option::of(Just("v0.1".to_owned())),
        prop_oneof![Just(FailurePolicy::Fail), Just(FailurePolicy::Ignore)],
        proptest::sample::subsequence(
            vec!["law/r0", "law/r1", "law/r2", "law/r3", "law/r4", "law/label", "law/restore"],
            1..=7,
        ),
    )
        .prop_map(move |(mode, profile, actions, profile_version, failure_policy, rules)| {
            wasm_policy(name, |policy| {
                policy.spec.actions = actions
                    .into_iter()
                    .map(|(rule, action)| (format!("law/r{rule}"), action))
                    .filter(|(id, _)| rules.contains(&id.as_str()))
                    .collect();
                policy.spec.rules = rules.into_iter().map(str::to_owned).collect();
                (policy.spec.mode, policy.spec.profile, policy.spec.failure_policy) = (mode, profile, failure_policy);
                policy.spec.profile_version = profile_version;
            })
        })
}

fn any_policies() -> impl Strategy<Value = Vec<WasmPolicy>> {
    (any_policy("a"), any_policy("b"), any_policy("c")).prop_map(|(a, b, c)| vec![a, b, c])
}

fn any_exemptions() -> impl Strategy<Value = Vec<PolicyExemption>> {
    let exemption = (proptest::sample::subsequence(vec!["law/r0", "law/r1", "law/*"], 1..=2), any::<bool>()).prop_map(|(rules, expired)| {
        let expires = if expired { "1960-01-01T00:00:00Z" } else { "1970-02-01T00:00:00Z" };
        serde_json::from_value(json!({"metadata": {"name": "e", "namespace": "prod"}, "spec": {"rules": rules, "selector": {}, "reason": "r", "expires": expires}})).unwrap()
    });
    proptest::collection::vec(exemption, 0..2)
}

fn any_object() -> impl Strategy<Value = String> {
    let broken = (0..RULES, "[xy]", proptest::option::of(0..4usize), proptest::bool::weighted(0.15)).prop_map(
        |(rule, place, at, undecided)| json!({"rule": rule, "place": place, "at": at, "undecided": undecided}),
    );
    (proptest::collection::vec(broken, 0..5), proptest::bool::weighted(0.1), proptest::option::of("[a-z]")).prop_map(
        |(broken, trap, label)| {
            json!({"metadata": {"name": "db", "labels": {"a": label}}, "spec": {"broken": broken, "trap": trap}})
                .to_string()
        },
    )
}

/// CREATE or UPDATE from any other object.
fn any_request() -> impl Strategy<Value = (String, Option<String>)> {
    (any_object(), proptest::option::of(any_object()))
}

fn as_request<'a>((object, old): &'a (String, Option<String>)) -> Request<'a> {
    let operation = if old.is_some() { Operation::Update } else { Operation::Create };
    Request { old_object: old.as_deref().map(Into::into), ..request(operation, object) }
}

/// Half of the policies share one component, the others have one each.
fn bind(policies: &[WasmPolicy], exemptions: &[PolicyExemption]) -> PolicySet {
    let shared = law_component("shared");
    let bound = policies.iter().map(|policy| {
        let component = if policy.metadata.name == "c" { law_component("own") } else { shared.clone() };
        Policy::new(policy, component).unwrap()
    });
    PolicySet::new(bound.collect(), exemptions.to_vec()).unwrap()
}

fn judged(policies: &[WasmPolicy], exemptions: &[PolicyExemption], request: &Request<'_>) -> Verdict {
    block_on(validate(&bind(policies, exemptions), request, Route::All, &facts()))
}

/// What the API server would see, and what the reports would.
fn outcome(verdict: &Verdict) -> String {
    format!(
        "{} {:?} {:?} {:?} {:?}",
        verdict.allowed, verdict.rulings, verdict.undecided, verdict.failures, verdict.response
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn adding_a_policy_never_turns_a_denial_into_an_allow(policies in any_policies(), exemptions in any_exemptions(), input in any_request()) {
        let request = as_request(&input);
        for fewer in [&policies[..1], &policies[1..], &policies[..2]] {
            let (less, all) = (judged(fewer, &exemptions, &request), judged(&policies, &exemptions, &request));
            prop_assert!(less.allowed || !all.allowed);
        }
    }

    #[test]
    fn the_order_of_loading_never_changes_the_verdict(policies in any_policies(), exemptions in any_exemptions(), input in any_request(), order in Just([2usize, 0, 1]).prop_shuffle()) {
        let request = as_request(&input);
        let shuffled: Vec<WasmPolicy> = order.iter().map(|&n| policies[n].clone()).collect();
        prop_assert_eq!(outcome(&judged(&policies, &exemptions, &request)), outcome(&judged(&shuffled, &exemptions, &request)));
        let (a, b) = (bind(&policies, &[]), bind(&shuffled, &[]));
        let (a, b) = (block_on(mutate(&a, &request, &facts())), block_on(mutate(&b, &request, &facts())));
        prop_assert_eq!((outcome(&a), a.patch), (outcome(&b), b.patch));
    }

    #[test]
    fn mode_audit_never_denies_warns_or_changes(mut policies in any_policies(), input in any_request()) {
        for policy in &mut policies {
            policy.spec.mode = Mode::Audit;
        }
        let request = as_request(&input);
        let verdict = judged(&policies, &[], &request);
        prop_assert!(verdict.allowed && verdict.response.status.is_none());
        // A policy that broke is not enforced, and that is said.
        prop_assert!(verdict.response.warnings.len() <= verdict.failures.len());
        let changed = block_on(mutate(&bind(&policies, &[]), &request, &facts()));
        prop_assert!(changed.patch.is_none() && changed.object.is_none() && changed.response.warnings.is_empty());
    }

    #[test]
    fn mode_never_raises(policies in any_policies(), input in any_request()) {
        let request = as_request(&input);
        let mut capped = policies.clone();
        capped[0].spec.mode = Mode::Audit;
        prop_assert!(!judged(&policies, &[], &request).allowed || judged(&capped, &[], &request).allowed);
    }

    #[test]
    fn the_steps_explain_every_action(policies in any_policies(), exemptions in any_exemptions(), input in any_request()) {
        let verdict = judged(&policies, &exemptions, &as_request(&input));
        let all = verdict.rulings.iter().map(|r| (r.action, &r.steps)).chain(verdict.undecided.iter().map(|u| (u.action, &u.steps)));
        for (action, steps) in all {
            prop_assert!(matches!(steps.first().unwrap().by, StepKind::Profile | StepKind::Override));
            prop_assert_eq!(steps.last().unwrap().action, action);
            prop_assert!(action < Action::Apply);
            for pair in steps.windows(2) {
                prop_assert!(pair[0].by < pair[1].by, "steps are taken in order");
                prop_assert!(pair[1].action < pair[0].action, "an action never rises");
            }
        }
        let denied = verdict.rulings.iter().map(|r| r.action).chain(verdict.undecided.iter().map(|u| u.action)).any(|action| action == Action::Deny)
            || verdict.failures.iter().any(|failure| failure.failure_policy == FailurePolicy::Fail);
        prop_assert_eq!(verdict.allowed, !denied);
        prop_assert_eq!(verdict.response.status.is_some(), denied);
    }

    #[test]
    fn an_at_most_never_raises(policies in any_policies(), input in any_request()) {
        let mut free: Value = serde_json::from_str(&input.0).unwrap();
        for entry in free["spec"]["broken"].as_array_mut().unwrap() {
            entry["at"] = Value::Null;
        }
        let lowered = judged(&policies, &[], &as_request(&input));
        let free = (free.to_string(), input.1);
        prop_assert!(lowered.allowed || !judged(&policies, &[], &as_request(&free)).allowed);
    }

    #[test]
    fn the_ratchet_only_lowers(policies in any_policies(), new in any_object(), old in any_object()) {
        let (create, update) = ((new.clone(), None), (new.clone(), Some(old)));
        let (create, update) = (judged(&policies, &[], &as_request(&create)), judged(&policies, &[], &as_request(&update)));
        prop_assert!(update.allowed || !create.allowed);
        // Judged against itself only what compares, could not be decided or broke is refused.
        let same = judged(&policies, &[], &as_request(&(new.clone(), Some(new))));
        let refused = |ruling: &&crate::verdict::Ruling| ruling.action == Action::Deny && ruling.rule != "law/r4";
        prop_assert_eq!(same.rulings.iter().find(refused), None);
    }

    #[test]
    fn one_finding_per_policy_rule_and_place(policies in any_policies(), input in any_request()) {
        let verdict = judged(&policies, &[], &as_request(&input));
        let mut places: Vec<_> = verdict.rulings.iter().map(|r| (&r.policy, &r.rule, &r.place)).collect();
        let count = places.len();
        places.sort_unstable();
        places.dedup();
        prop_assert_eq!(places.len(), count);
    }

    #[test]
    fn a_validating_verdict_has_no_patch_and_worst_comes_first(policies in any_policies(), input in any_request()) {
        let verdict = judged(&policies, &[], &as_request(&input));
        prop_assert!(verdict.patch.is_none() && verdict.object.is_none() && verdict.changes.is_empty());
        prop_assert!(verdict.rulings.windows(2).all(|pair| pair[0].action >= pair[1].action));
    }

    #[test]
    fn the_routes_together_are_the_whole(policies in any_policies(), input in any_request()) {
        let request = as_request(&input);
        let set = bind(&policies, &[]);
        let allowed = |route| block_on(validate(&set, &request, route, &facts())).allowed;
        prop_assert_eq!(allowed(Route::All), allowed(Route::Closed) && allowed(Route::Fail) && allowed(Route::Ignore));
    }

    #[test]
    fn a_second_mutation_changes_nothing(policies in any_policies(), input in any_request()) {
        let set = bind(&policies, &[]);
        let request = as_request(&input);
        let first = block_on(mutate(&set, &request, &facts()));
        prop_assert!(first.allowed);
        prop_assert_eq!(first.patch.is_some(), first.object.is_some());
        if let Some(changed) = &first.object {
            let mut patched: Value = serde_json::from_str(&input.0).unwrap();
            json_patch::patch(&mut patched, first.patch.as_ref().unwrap()).unwrap();
            prop_assert_eq!(&patched, &serde_json::from_str::<Value>(changed).unwrap());
            let again = Request { object: Some(changed.as_str().into()), ..request };
            let second = block_on(mutate(&set, &again, &facts()));
            prop_assert!(second.patch.is_none());
        }
    }

    #[test]
    fn what_was_admitted_is_admitted_again_unchanged(policies in any_policies(), exemptions in any_exemptions(), object in any_object()) {
        let input = (object.clone(), None);
        if judged(&policies, &exemptions, &as_request(&input)).allowed {
            let again = (object.clone(), Some(object));
            prop_assert!(judged(&policies, &exemptions, &as_request(&again)).allowed);
        }
    }
}
