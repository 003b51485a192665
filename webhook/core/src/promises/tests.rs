use serde_json::json;

use super::{Kept, PROMISES, PromiseRule, PromiseTable, Reason, State};
use crate::admit::{Facts, Route, validate};
use crate::evaluate::{EvaluateError, Judgement, Undecided, UndecidedReason};
use crate::manifest::{Action, Manifest, Read, Rule, Severity};
use crate::policy::Policy;
use crate::policy_set::PolicySet;
use crate::request::{GroupVersionKind, Operation};
use crate::resources::{Mode, WasmPolicy};
use crate::testing::{block_on, broken_rules, component, facts, manifest, request, rule, set, wasm_policy};

/// One rule for each promise but the last three, which share `demo/contract`; `demo/minor` breaks nothing.
fn policies(judge: Option<Result<Vec<Judgement>, EvaluateError>>) -> PolicySet {
    policies_with(judge, |_| {})
}

fn policies_with(
    judge: Option<Result<Vec<Judgement>, EvaluateError>>,
    change: impl FnOnce(&mut WasmPolicy),
) -> PolicySet {
    let of =
        |id: &str, category: String, severity| Rule { category, severity, ..rule(id, Action::Audit, Action::Deny) };
    let mut rules: Vec<Rule> = PROMISES[..6]
        .iter()
        .map(|promise| of(&format!("demo/{promise}"), (*promise).to_owned(), Severity::High))
        .collect();
    rules.push(of("demo/contract", PROMISES[6..].join(", "), Severity::Medium));
    rules.push(of("demo/minor", "ordered, own volume".to_owned(), Severity::Low));
    let manifest = Manifest { rules, ..manifest() };
    let component = match judge {
        Some(answer) => component(manifest, move |_, _| answer.clone()),
        None => component(manifest.clone(), broken_rules(&manifest)),
    };
    set(vec![Policy::new(&wasm_policy("p", change), component).unwrap()])
}

fn promises(set: &PolicySet, object: &serde_json::Value) -> Vec<Kept> {
    let object = object.to_string();
    let facts = Facts { trace: true, ..facts() };
    let verdict = block_on(validate(set, &request(Operation::Create, &object), Route::All, &facts));
    PromiseTable::new(set).of(&object, &verdict)
}

fn state(kept: &[Kept], promise: &str) -> State {
    kept.iter().find(|each| each.promise == promise).unwrap().state.clone()
}

fn reason(rule: &str, words: &str) -> Reason {
    Reason::of(rule, words.to_owned())
}

fn governed(broken: &[&str]) -> serde_json::Value {
    let annotations = json!({"stateward.dev/writes": "manager-only"});
    json!({"metadata": {"annotations": annotations}, "spec": {"replicas": 3, "broken": broken}})
}

#[test]
fn what_nothing_breaks_is_kept() {
    let kept = promises(&policies(None), &governed(&[]));
    assert_eq!(kept.iter().map(|each| each.promise).collect::<Vec<_>>(), PROMISES);
    assert!(kept.iter().all(|each| each.state == State::Kept), "{kept:?}");
}

#[test]
fn a_finding_breaks_all_promises_of_its_category_and_a_minor_one_none() {
    let kept = promises(&policies(None), &governed(&["demo/remote", "demo/contract", "demo/minor"]));
    let broken: Vec<_> = kept.iter().filter(|each| each.state != State::Kept).map(|each| each.promise).collect();
    assert_eq!(broken, ["remote", "one writer", "synchronised", "backed up"]);
    assert_eq!(state(&kept, "remote"), State::Broken(vec!["demo/remote".to_owned()]));
}

#[test]
fn what_nobody_could_look_into_is_undecided() {
    let lacking = Undecided { rule: 1, reason: UndecidedReason::NeedsUser };
    let answer = vec![Judgement { findings: Vec::new(), undecided: vec![lacking] }];
    let kept = promises(&policies(Some(Ok(answer))), &governed(&[]));
    assert_eq!(state(&kept, "identified"), State::Undecided(vec![reason("demo/identified", "nobody asked")]));
    assert_eq!(state(&kept, "ordered"), State::Kept);
    let failed = promises(&policies(Some(Err(EvaluateError::GaveUp { message: "no".to_owned() }))), &governed(&[]));
    assert!(failed.iter().all(|each| matches!(each.state, State::Undecided(_))), "{failed:?}");
    let none = promises(&set(Vec::new()), &governed(&[]));
    assert!(none.iter().all(|each| matches!(each.state, State::Undecided(_))), "{none:?}");
}

#[test]
fn a_rule_that_is_not_asked_about_the_set_keeps_nothing() {
    let no_rule = State::Undecided(vec![Reason::without_rule("no rule in force looks after it".to_owned())]);
    let of = |change: &dyn Fn(&mut WasmPolicy)| promises(&policies_with(None, change), &governed(&[]));
    let elsewhere = [
        of(&|p| p.spec.matches.object_selector = serde_json::from_str(r#"{"matchLabels":{"a":"b"}}"#).unwrap()),
        of(&|p| p.spec.matches.namespace_selector = serde_json::from_str(r#"{"matchLabels":{"a":"b"}}"#).unwrap()),
        of(&|p| {
            let rule = r#"{"resources":["statefulsets"]}"#;
            p.spec.matches.exclude_resource_rules = vec![serde_json::from_str(rule).unwrap()];
        }),
        of(&|p| {
            let never = r#"{"name":"never","expression":"false"}"#;
            p.spec.matches.match_conditions = vec![serde_json::from_str(never).unwrap()];
        }),
    ];
    for kept in elsewhere {
        assert!(kept.iter().all(|each| each.state == no_rule), "{kept:?}");
    }
    let off = of(&|p| p.spec.actions.extend([("demo/ordered".to_owned(), Action::Off)]));
    assert_eq!(state(&off, "ordered"), no_rule);
    assert_eq!(state(&off, "remote"), State::Kept);
    // What is of low severity is not missed.
    let selected = of(&|p| p.spec.rules = vec!["demo/contract".to_owned(), "demo/own volume".to_owned()]);
    assert_eq!(state(&selected, "own volume"), State::Kept);
    assert_eq!(state(&selected, "backed up"), State::Kept);
    assert_eq!(state(&selected, "remote"), no_rule);
}

#[test]
fn some_of_a_promise_s_rules_do_not_keep_it() {
    let pair = |id: &str| Rule {
        category: "remote".to_owned(),
        severity: Severity::High,
        ..rule(id, Action::Audit, Action::Deny)
    };
    let manifest = Manifest { rules: vec![pair("demo/a"), pair("demo/b")], ..manifest() };
    let policy = |name, rule: &str| {
        let component = component(manifest.clone(), broken_rules(&manifest));
        Policy::new(&wasm_policy(name, |p| p.spec.rules = vec![rule.to_owned()]), component).unwrap()
    };
    let of = |policies| state(&promises(&set(policies), &governed(&[])), "remote");
    assert_eq!(of(vec![policy("p", "demo/a")]), State::Undecided(vec![reason("demo/b", "not in force")]));
    assert_eq!(of(vec![policy("p", "demo/a"), policy("q", "demo/b")]), State::Kept);
}

#[test]
fn silence_about_the_contract_keeps_nothing() {
    let of = |annotations: serde_json::Value, replicas: i64| {
        let kept = promises(
            &policies(None),
            &json!({"metadata": {"annotations": annotations}, "spec": {"replicas": replicas}}),
        );
        PROMISES[6..]
            .iter()
            .map(|promise| match state(&kept, promise) {
                State::Kept => "kept",
                State::Broken(_) => "broken",
                State::Undecided(_) => "undecided",
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(of(json!({}), 3), ["undecided", "undecided", "undecided"]);
    assert_eq!(of(json!({}), 1), ["kept", "kept", "undecided"]);
    assert_eq!(of(json!({"stateward.dev/writes": "any"}), 3), ["broken", "undecided", "undecided"]);
    assert_eq!(of(json!({"stateward.dev/writes": "manager-only"}), 3), ["kept", "kept", "kept"]);
    let engine =
        json!({"stateward.dev/writes": "", "stateward.dev/sync": "engine:raft", "stateward.dev/backup": "velero"});
    assert_eq!(of(engine, 3), ["broken", "kept", "kept"]);
    assert_eq!(of(json!({"stateward.dev/backup": "none"}), 1), ["kept", "kept", "broken"]);
}

#[test]
fn no_service_makes_a_second_writer_of_one_member() {
    let services = GroupVersionKind { group: "".into(), version: "v1".into(), kind: "Service".into() };
    let of = |id: &str, baseline, reads: &[&GroupVersionKind<'static>]| Rule {
        category: "reachable by name, one writer".to_owned(),
        severity: Severity::High,
        reads: reads
            .iter()
            .map(|&kind| Read { kind: kind.clone(), fields: Vec::new(), by_name: false, live: false })
            .collect(),
        ..rule(id, baseline, Action::Deny)
    };
    let rules = vec![
        of("demo/services", Action::Warn, &[&services]),
        of("demo/refused", Action::Deny, &[&services]),
        of("demo/other", Action::Warn, &[]),
    ];
    let manifest = Manifest { rules, ..manifest() };
    let component = component(manifest.clone(), broken_rules(&manifest));
    // What the rule refuses is refused, whatever the mode leaves of it.
    let audits = |p: &mut WasmPolicy| p.spec.mode = Mode::Audit;
    let set = set(vec![Policy::new(&wasm_policy("p", audits), component).unwrap()]);
    for (id, replicas, broken) in [
        ("demo/services", 1, vec!["reachable by name"]),
        ("demo/services", 2, vec!["reachable by name", "one writer"]),
        ("demo/refused", 1, vec!["reachable by name", "one writer"]),
        ("demo/other", 1, vec!["reachable by name", "one writer"]),
    ] {
        let kept = promises(
            &set,
            &json!({"metadata": {"annotations": {"stateward.dev/writes": "manager-only"}}, "spec": {"replicas": replicas, "broken": [id]}}),
        );
        let said: Vec<_> =
            kept.iter().filter(|each| matches!(each.state, State::Broken(_))).map(|each| each.promise).collect();
        assert_eq!(said, broken, "{id} {replicas}");
    }
}

#[test]
fn a_finding_about_an_annotation_breaks_the_promise_that_it_makes() {
    let rule = PromiseRule::of(&Rule {
        category: PROMISES[6..].join(", "),
        severity: Severity::Medium,
        ..rule("demo/contract", Action::Audit, Action::Deny)
    });
    let at = |path: &str| rule.meant(path).iter().map(|&at| PROMISES[at]).collect::<Vec<_>>();
    assert_eq!(at("/metadata/annotations/stateward.dev~1sync"), ["synchronised"]);
    assert_eq!(at("/metadata/annotations/stateward.dev~1backup"), ["backed up"]);
    assert_eq!(at("/metadata/annotations/stateward.dev~1writes"), ["one writer"]);
    assert_eq!(at("/spec/ordinals/start"), PROMISES[6..]);
    let of_order = PromiseRule::of(&Rule {
        category: "ordered".to_owned(),
        ..crate::testing::rule("demo/ordered", Action::Warn, Action::Warn)
    });
    assert_eq!(
        of_order.meant("/metadata/annotations/stateward.dev~1sync"),
        of_order.promises,
        "it stands for none of the three"
    );
}
