mod asked;

use std::sync::Mutex;

use super::*;
use crate::evaluate::{Finding, Undecided, UndecidedReason};
use crate::inventory::{Fields, StoredInventory};
use crate::manifest::{Action, Manifest, Rule};
use crate::policy::Policy;
use crate::request::{GroupVersionKind, Operation, User};
use crate::resources::{Mode, PolicyExemption, WasmPolicy};
use crate::testing::{
    self, block_on, component, facts, facts_with, finding, manifest, object, policy, request, rule, set, subject,
    wasm_policy,
};
use crate::verdict::{BuiltinExemption, StepKind};

fn judge(set: &PolicySet, request: &Request<'_>) -> Verdict {
    block_on(validate(set, request, Route::All, &facts()))
}

/// `rule=action` of all rulings, in their order.
fn actions(verdict: &Verdict) -> Vec<String> {
    verdict.rulings.iter().map(|ruling| format!("{}={}", ruling.rule, ruling.action)).collect()
}

fn steps(verdict: &Verdict) -> Vec<(StepKind, Action)> {
    verdict.rulings.iter().flat_map(|ruling| &ruling.steps).map(|step| (step.by, step.action)).collect()
}

fn namespace(labels: &[(&str, &str)]) -> StoredInventory {
    let labels: serde_json::Map<String, serde_json::Value> =
        labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect();
    let object =
        serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "prod", "labels": labels}});
    let mut inventory = StoredInventory::default();
    inventory.insert_json(&object.to_string(), None, &Fields::default()).unwrap();
    inventory
}

#[test]
fn nothing_wrong_is_a_plain_yes() {
    let verdict = judge(&set(vec![policy("p", |_| {})]), &request(Operation::Create, &object(&[])));
    assert!(verdict.allowed && verdict.response == crate::verdict::Response::default() && verdict.patch.is_none());
}

#[test]
fn denies_with_rule_field_and_way_out() {
    let verdict = judge(
        &set(vec![policy("p", |_| {})]),
        &request(Operation::Create, &object(&["demo/deny", "demo/warn", "demo/strict"])),
    );
    assert_eq!(actions(&verdict), ["demo/deny=deny", "demo/warn=warn", "demo/strict=audit"]);
    insta::assert_debug_snapshot!(verdict.response);
}

#[test]
fn a_namespace_raises_the_profile_and_never_lowers_it() {
    let all = object(&["demo/deny", "demo/warn", "demo/strict"]);
    let actions_in = |policy, inventory| {
        actions(&block_on(validate(
            &set(vec![policy]),
            &request(Operation::Create, &all),
            Route::All,
            &facts_with(inventory),
        )))
    };
    let strict = |p: &mut WasmPolicy| p.spec.profile = crate::manifest::Profile::Strict;
    let (low, high) = (
        ["demo/deny=deny", "demo/warn=warn", "demo/strict=audit"],
        ["demo/deny=deny", "demo/warn=deny", "demo/strict=deny"],
    );
    assert_eq!(actions_in(policy("p", |_| {}), namespace(&[])), low);
    assert_eq!(actions_in(policy("p", |_| {}), namespace(&[(crate::contract::PROFILE, "strict")])), high);
    assert_eq!(actions_in(policy("p", strict), namespace(&[(crate::contract::PROFILE, "baseline")])), high);
    assert_eq!(actions_in(policy("p", |_| {}), namespace(&[(crate::contract::PROFILE, "nonsense")])), low);
    assert_eq!(actions_in(policy("p", |_| {}), StoredInventory::default()), low);
}

#[test]
fn every_step_lowers_in_order() {
    let mut manifest = manifest();
    manifest.version = "0.2.0".to_owned();
    manifest.rules.push(Rule { since: "0.2.0".to_owned(), ..rule("demo/new", Action::Deny, Action::Deny) });
    let lowered = |call: &Call<'_>, _: &Request<'_>| {
        let findings = call.units[0]
            .rules
            .iter()
            .map(|&rule| Finding { at_most: (rule == 0).then_some(Action::Warn), ..finding(rule) })
            .collect();
        Ok(vec![Judgement { findings, undecided: vec![] }])
    };
    let resource = wasm_policy("p", |p| {
        p.spec.mode = Mode::Audit;
        p.spec.profile_version = Some("v0.1".to_owned());
        p.spec.actions.insert("demo/warn".to_owned(), Action::Deny);
        p.spec.actions.insert("demo/strict".to_owned(), Action::Off);
    });
    let policy = Policy::new(&resource, component(manifest, lowered)).unwrap();
    let verdict = judge(&set(vec![policy]), &request(Operation::Create, "{}"));
    assert_eq!(actions(&verdict), ["demo/deny=audit", "demo/warn=audit", "demo/new=audit"]);
    use StepKind::{AtMost, Mode as ModeStep, Override, Profile, ProfileVersion};
    assert_eq!(
        steps(&verdict),
        [
            (Profile, Action::Deny),
            (AtMost, Action::Warn),
            (ModeStep, Action::Audit),
            (Override, Action::Deny),
            (ModeStep, Action::Audit),
            (Profile, Action::Deny),
            (ProfileVersion, Action::Warn),
            (ModeStep, Action::Audit),
        ]
    );
}

#[test]
fn what_was_wrong_before_is_a_warning() {
    let set = set(vec![policy("p", |_| {}), policy("q", |_| {})]);
    let new = object(&["demo/deny"]);
    let update = |old: &str| {
        judge(&set, &Request { old_object: Some(old.to_owned().into()), ..request(Operation::Update, &new) })
    };
    let (was_wrong, was_right) = (update(&new), update(&object(&[])));
    assert!(was_wrong.allowed && !was_right.allowed);
    assert_eq!(actions(&was_wrong), ["demo/deny=warn", "demo/deny=warn"]);
    assert_eq!(steps(&was_wrong)[..2], [(StepKind::Profile, Action::Deny), (StepKind::Ratchet, Action::Warn)]);
    // Both policies share one call, and the ratchet's.
    assert_eq!(was_wrong.costs.len(), 2);
    // An admitted UPDATE is not judged twice.
    assert_eq!(judge(&set, &request(Operation::Update, &object(&["demo/warn"]))).costs.len(), 1);
}

#[test]
fn rules_that_compare_are_not_ratcheted() {
    let mut manifest = manifest();
    manifest.rules[0].compares = true;
    let judge_all = testing::broken_rules(&manifest);
    let policy = Policy::new(&wasm_policy("p", |_| {}), component(manifest, judge_all)).unwrap();
    let new = object(&["demo/deny"]);
    let verdict = judge(
        &set(vec![policy]),
        &Request { old_object: Some(new.as_str().into()), ..request(Operation::Update, &new) },
    );
    assert!(!verdict.allowed);
}

#[test]
fn a_failing_ratchet_changes_nothing() {
    let calls = Mutex::new(0);
    let once = move |call: &Call<'_>, _: &Request<'_>| {
        *calls.lock().unwrap() += 1;
        if *calls.lock().unwrap() > 1 {
            return Err(EvaluateError::TimedOut { limit_ms: 200 });
        }
        Ok(call.units.iter().map(|_| Judgement { findings: vec![finding(0)], undecided: vec![] }).collect())
    };
    let policy = Policy::new(&wasm_policy("p", |_| {}), component(manifest(), once)).unwrap();
    let verdict = judge(&set(vec![policy]), &request(Operation::Update, "{}"));
    assert!(!verdict.allowed && verdict.failures.is_empty());
}

fn failing(name: &str, change: impl FnOnce(&mut WasmPolicy)) -> Policy {
    let fail = |_: &Call<'_>, _: &Request<'_>| Err(EvaluateError::TimedOut { limit_ms: 200 });
    let mut manifest = manifest();
    manifest.name = name.to_owned();
    Policy::new(&wasm_policy(name, change), component(manifest, fail)).unwrap()
}

#[test]
fn the_failure_policy_decides_what_a_failure_means() {
    let ignore = |p: &mut WasmPolicy| p.spec.failure_policy = FailurePolicy::Ignore;
    let request = request(Operation::Create, "{}");
    let refused =
        judge(&set(vec![failing("broken", |_| {}), failing("ignored", ignore), policy("good", |_| {})]), &request);
    assert!(!refused.allowed);
    insta::assert_debug_snapshot!(refused.response);
    let allowed = judge(&set(vec![failing("ignored", ignore)]), &request);
    assert!(allowed.allowed);
    assert_eq!(allowed.response.warnings, ["policy `ignored` did not finish within 200 ms; it was not enforced"]);
}

#[test]
fn a_broken_policy_does_not_silence_its_neighbour() {
    let verdict = judge(
        &set(vec![failing("broken", |_| {}), policy("good", |_| {})]),
        &request(Operation::Create, &object(&["demo/deny"])),
    );
    let status = verdict.response.status.unwrap();
    assert_eq!(status.code, 403);
    assert_eq!(
        status.message,
        "[demo/deny] spec.broken: is broken; mend it\npolicy `broken` did not finish within 200 ms"
    );
}

#[test]
fn answers_that_do_not_fit_the_call_are_failures() {
    for (answer, reason) in [
        (vec![], "0 judgements for 1 policies"),
        (vec![Judgement { findings: vec![finding(99)], undecided: vec![] }], "rule 99 was not asked for"),
        (vec![Judgement { findings: vec![finding(3)], undecided: vec![] }], "rule 3 was not asked for"),
    ] {
        let policy =
            Policy::new(&wasm_policy("p", |_| {}), component(manifest(), move |_, _| Ok(answer.clone()))).unwrap();
        let verdict = judge(&set(vec![policy]), &request(Operation::Create, "{}"));
        assert_eq!(verdict.failures[0].error, EvaluateError::BadAnswer { reason: reason.to_owned() });
    }
}

/// Rules 0 (closed on CREATE), 1 and 2 (open), in one component that fails or answers.
fn closed_manifest() -> Manifest {
    let mut manifest = manifest();
    manifest.rules[0].subjects = vec![subject("statefulsets", &[Operation::Update])];
    let mut closed = subject("statefulsets", &[Operation::Create]);
    closed.fail_closed = true;
    manifest.rules[0].subjects.push(closed);
    manifest
}

#[test]
fn each_rule_runs_on_one_route() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let note = move |call: &Call<'_>, _: &Request<'_>| {
        seen.lock().unwrap().extend(call.units.iter().map(|unit| unit.rules.to_vec()));
        Ok(call.units.iter().map(|_| Judgement::default()).collect())
    };
    let policy = Policy::new(&wasm_policy("p", |_| {}), component(closed_manifest(), note)).unwrap();
    let set = set(vec![policy]);
    for (operation, route, rules) in [
        (Operation::Create, Route::Closed, &[&[0][..]][..]),
        (Operation::Create, Route::Fail, &[&[1, 2]]),
        (Operation::Create, Route::Ignore, &[]),
        (Operation::Create, Route::All, &[&[0, 1, 2]]),
        (Operation::Update, Route::Closed, &[]),
        (Operation::Update, Route::Fail, &[&[0, 1, 2]]),
        (Operation::Delete, Route::All, &[]),
    ] {
        asked.lock().unwrap().clear();
        block_on(validate(&set, &request(operation, "{}"), route, &facts()));
        assert_eq!(*asked.lock().unwrap(), rules, "{operation} {route:?}");
    }
}

/// Whatever its policy's `failurePolicy`: where nobody waits for it, its failure refuses nothing.
#[test]
fn a_rule_that_nobody_waits_for_runs_on_the_route_that_is_ignored() {
    let mut manifest = manifest();
    manifest.rules[0].fixed = true;
    manifest.rules[0].when_undecided = Action::Audit;
    let fail = |_: &Call<'_>, _: &Request<'_>| Err(EvaluateError::Overloaded { waiting: 64 });
    for (failure_policy, on_fail, on_ignore) in
        [(FailurePolicy::Fail, &[1, 2][..], &[0][..]), (FailurePolicy::Ignore, &[], &[0, 1, 2])]
    {
        let of = |p: &mut WasmPolicy| p.spec.failure_policy = failure_policy;
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let note = move |call: &Call<'_>, _: &Request<'_>| {
            seen.lock().unwrap().extend(call.units.iter().flat_map(|unit| unit.rules.to_vec()));
            Ok(call.units.iter().map(|_| Judgement::default()).collect())
        };
        let noting = set(vec![Policy::new(&wasm_policy("p", of), component(manifest.clone(), note)).unwrap()]);
        for (route, rules) in [(Route::Fail, on_fail), (Route::Ignore, on_ignore), (Route::Closed, &[])] {
            asked.lock().unwrap().clear();
            block_on(validate(&noting, &request(Operation::Create, "{}"), route, &facts()));
            assert_eq!(*asked.lock().unwrap(), rules, "{failure_policy:?} {route:?}");
        }
        let failing = set(vec![Policy::new(&wasm_policy("p", of), component(manifest.clone(), fail)).unwrap()]);
        let verdict = block_on(validate(&failing, &request(Operation::Create, "{}"), Route::Ignore, &facts()));
        assert!(verdict.allowed && verdict.failures.len() == 1, "{failure_policy:?}");
    }
}

#[test]
fn a_failure_of_a_fail_closed_rule_always_refuses() {
    let fail = |_: &Call<'_>, _: &Request<'_>| Err(EvaluateError::Overloaded { waiting: 64 });
    let ignore = |p: &mut WasmPolicy| p.spec.failure_policy = FailurePolicy::Ignore;
    let set = set(vec![Policy::new(&wasm_policy("p", ignore), component(closed_manifest(), fail)).unwrap()]);
    for (route, allowed) in [(Route::Closed, false), (Route::Fail, true), (Route::Ignore, true), (Route::All, false)] {
        assert_eq!(
            block_on(validate(&set, &request(Operation::Create, "{}"), route, &facts())).allowed,
            allowed,
            "{route:?}"
        );
    }
}

#[test]
fn undecided_means_what_the_rule_says() {
    let kind = GroupVersionKind { group: "apps".into(), version: "v1".into(), kind: "StatefulSet".into() };
    let mut manifest = manifest();
    manifest.rules[0].when_undecided = Action::Deny;
    manifest.rules[1].when_undecided = Action::Deny;
    let undecided = move |call: &Call<'_>, _: &Request<'_>| {
        let all = call.units[0]
            .rules
            .iter()
            .map(|&rule| Undecided { rule, reason: UndecidedReason::Unavailable(kind.clone()) });
        Ok(vec![Judgement { findings: vec![], undecided: all.collect() }])
    };
    let verdict = |change: fn(&mut WasmPolicy)| {
        let policy = Policy::new(&wasm_policy("p", change), component(manifest.clone(), undecided.clone())).unwrap();
        judge(&set(vec![policy]), &request(Operation::Create, "{}"))
    };
    let enforced = verdict(|_| {});
    let told: Vec<String> = enforced.undecided.iter().map(|u| format!("{}={}", u.rule, u.action)).collect();
    // Not knowing is never worse than knowing the worst: `demo/warn` only warns when it is broken.
    assert_eq!(told, ["demo/deny=deny", "demo/warn=warn", "demo/strict=audit"]);
    insta::assert_debug_snapshot!(enforced.response);
    assert!(verdict(|p| p.spec.mode = Mode::Warn).allowed);
}

fn exemption(change: impl FnOnce(&mut PolicyExemption)) -> PolicyExemption {
    let mut exemption: PolicyExemption = serde_json::from_str(
        r#"{"metadata":{"name":"migration","namespace":"prod"},"spec":{"rules":["demo/*"],"names":["db"],"reason":"moves next week","expires":"1970-01-02T00:00:00Z"}}"#,
    )
    .unwrap();
    change(&mut exemption);
    exemption
}

#[test]
fn an_exemption_turns_denials_into_audit_and_says_so() {
    let exempted = |change: fn(&mut PolicyExemption)| {
        let set = PolicySet::new(vec![policy("p", |_| {})], vec![exemption(change)]).unwrap();
        judge(&set, &request(Operation::Create, &object(&["demo/deny", "demo/warn"])))
    };
    let verdict = exempted(|_| {});
    assert!(verdict.allowed && verdict.response.warnings.is_empty());
    insta::assert_debug_snapshot!(verdict.response.audit_annotations);
    let by = verdict.rulings[0].exemption.as_ref().unwrap();
    assert_eq!((&*by.namespace, &*by.name, &*by.reason), ("prod", "migration", "moves next week"));
    let covers = |change| exempted(change).allowed;
    assert!(covers(|e| e.spec.rules = vec!["demo/deny".into()]));
    assert!(!covers(|e| e.spec.rules = vec!["demo/warn".into()]));
    assert!(!covers(|e| e.spec.names = vec!["other".into()]));
    let selected = |selector: &'static str| {
        let with = |names: &[&str]| {
            let names = names.iter().map(|&name| name.to_owned()).collect();
            let exemption = exemption(|e| {
                e.spec.names = names;
                e.spec.selector = serde_json::from_str(selector).unwrap();
            });
            let set = PolicySet::new(vec![policy("p", |_| {})], vec![exemption]).unwrap();
            judge(&set, &request(Operation::Create, &object(&["demo/deny"]))).allowed
        };
        [with(&[]), with(&["db"]), with(&["other"])]
    };
    assert_eq!(selected("null"), [false, true, false], "one that names nothing exempts nothing");
    assert_eq!(selected("{}"), [true; 3]);
    assert_eq!(selected(r#"{"matchLabels":{"app":"db"}}"#), [true; 3]);
    assert_eq!(selected(r#"{"matchLabels":{"app":"web"}}"#), [false, true, false]);
    assert!(!covers(|e| e.spec.expires = Some(jiff::Timestamp::UNIX_EPOCH)));
    assert!(!covers(|e| e.metadata.namespace = Some("other".into())));
    assert!(!covers(|e| e.spec.reason.clear()), "one that says no reason exempts nothing");
    assert!(!covers(|e| e.spec.rules.push("demo/dney".into())), "one with a slip of the pen exempts nothing");
}

/// The manifest's rule 0 as a fixed one.
fn fixed_policy() -> Policy {
    let mut manifest = manifest();
    manifest.rules[0].fixed = true;
    let broken = testing::broken_rules(&manifest);
    Policy::new(&wasm_policy("p", |_| {}), component(manifest, broken)).unwrap()
}

#[test]
fn fixed_rules_are_not_exempted() {
    let set = PolicySet::new(vec![fixed_policy()], vec![exemption(|_| {})]).unwrap();
    let told = set.exemption_complaints(jiff::Timestamp::UNIX_EPOCH);
    assert!(!told[0].refused, "{told:?}");
    let verdict = judge(&set, &request(Operation::Create, &object(&["demo/deny", "demo/warn"])));
    assert_eq!(actions(&verdict), ["demo/deny=deny", "demo/warn=audit"]);
}
