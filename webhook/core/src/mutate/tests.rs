use super::*;
use crate::evaluate::{Call, Change, Mutation, Undecided, UndecidedReason};
use crate::policy::Policy;
use crate::request::User;
use crate::resources::{FailurePolicy, Mode, WasmPolicy};
use crate::testing::{block_on, component_with, facts, manifest, request, set, wasm_policy};

const OBJECT: &str = r#"{"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"db","namespace":"prod"},"spec":{"replicas":1}}"#;

/// A policy whose mutating rule, index 3, answers these changes.
fn changing(name: &str, changes: Vec<Change>, change: impl FnOnce(&mut WasmPolicy)) -> Policy {
    let mut manifest = manifest();
    manifest.name = name.to_owned();
    let mutations: Vec<Mutation> =
        changes.into_iter().map(|change| Mutation { rule: 3, change, note: Some("why".to_owned()) }).collect();
    let answer = move |_: &Call<'_>, _: &Request<'_>| Ok(Outcome { mutations: mutations.clone(), undecided: vec![] });
    Policy::new(&wasm_policy(name, change), component_with(manifest, |_, _| Ok(vec![]), answer)).unwrap()
}

fn merge(text: &str) -> Change {
    Change::MergePatch(text.to_owned())
}

fn run(policies: Vec<Policy>, request: &Request<'_>) -> Verdict {
    block_on(mutate(&set(policies), request, &facts()))
}

fn patch_of(verdict: &Verdict) -> String {
    verdict.patch.as_ref().map(ToString::to_string).unwrap_or_default()
}

#[test]
fn answers_one_patch_for_all_changes() {
    let first = changing("a", vec![merge(r#"{"metadata":{"annotations":{"x/y":"1"}}}"#)], |_| {});
    let second = changing(
        "b",
        vec![
            Change::JsonPatch(r#"[{"op":"test","path":"/metadata/annotations/x~1y","value":"1"},{"op":"add","path":"/metadata/labels","value":{"a":"b"}}]"#.to_owned()),
            merge(r#"{"spec":{"replicas":null}}"#),
        ],
        |_| {},
    );
    // In name order, whatever the order of loading.
    let verdict = run(vec![second, first], &request(Operation::Create, OBJECT));
    insta::assert_snapshot!(patch_of(&verdict));
    assert_eq!(
        verdict.changes.iter().map(|change| (change.policy.as_str(), change.action)).collect::<Vec<_>>(),
        [("a", Action::Apply), ("b", Action::Apply), ("b", Action::Apply)]
    );
    let after: Value = serde_json::from_str(verdict.object.as_deref().unwrap()).unwrap();
    let mut patched: Value = serde_json::from_str(OBJECT).unwrap();
    json_patch::patch(&mut patched, verdict.patch.as_ref().unwrap()).unwrap();
    assert_eq!(patched, after);
}

#[test]
fn no_change_is_no_patch() {
    for changes in
        [vec![], vec![merge("{}")], vec![merge(r#"{"spec":{"replicas":2}}"#), merge(r#"{"spec":{"replicas":1}}"#)]]
    {
        let verdict = run(vec![changing("a", changes, |_| {})], &request(Operation::Create, OBJECT));
        assert!(verdict.allowed && verdict.patch.is_none() && verdict.object.is_none());
    }
    assert!(
        run(vec![changing("a", vec![merge(r#"{"x":1}"#)], |_| {})], &request(Operation::Delete, OBJECT))
            .patch
            .is_none()
    );
}

#[test]
fn a_mode_below_enforce_only_says_what_it_would_change() {
    let change = || vec![merge(r#"{"spec":{"replicas":2}}"#)];
    let warns = run(vec![changing("a", change(), |p| p.spec.mode = Mode::Warn)], &request(Operation::Create, OBJECT));
    assert!(warns.patch.is_none());
    assert_eq!(warns.response.warnings, ["[demo/change] spec.replicas: would be changed: why"]);
    let audits = run(vec![changing("a", change(), |p| p.spec.mode = Mode::Audit)], &request(Operation::Create, OBJECT));
    assert!(audits.patch.is_none() && audits.response.warnings.is_empty());
    assert_eq!(
        audits.response.audit_annotations,
        [("would-change".to_owned(), "[demo/change] spec.replicas: would be changed: why".to_owned())]
    );
    let off = run(
        vec![changing("a", change(), |p| p.spec.actions = [("demo/change".to_owned(), Action::Off)].into())],
        &request(Operation::Create, OBJECT),
    );
    assert!(off.costs.is_empty());
}

#[test]
fn a_change_that_does_not_apply_discards_the_policy_as_a_whole() {
    let bad = |change: Change| {
        let policies = vec![
            changing("a-good", vec![merge(r#"{"spec":{"replicas":2}}"#)], |_| {}),
            changing("b-bad", vec![merge(r#"{"spec":{"half":true}}"#), change], |p| {
                p.spec.failure_policy = FailurePolicy::Fail
            }),
            changing("c-good", vec![merge(r#"{"metadata":{"labels":{"c":"c"}}}"#)], |_| {}),
        ];
        let verdict = run(policies, &request(Operation::Create, OBJECT));
        assert!(verdict.allowed, "mutation fails open");
        assert_eq!(
            patch_of(&verdict),
            r#"[{"op":"add","path":"/metadata/labels","value":{"c":"c"}},{"op":"replace","path":"/spec/replicas","value":2}]"#
        );
        assert_eq!(verdict.failures.len(), 1);
        assert_eq!(verdict.response.warnings.len(), 1);
        verdict.failures[0].error.to_string()
    };
    let json_patch = |text: &str| Change::JsonPatch(text.to_owned());
    let told: Vec<String> = [
        json_patch(r#"[{"op":"add","path":"/no/such","value":1}]"#),
        json_patch(r#"[{"op":"test","path":"/kind","value":"Pod"}]"#),
        json_patch("nonsense"),
        merge("[]"),
        merge(r#"{"metadata":{"name":"other"}}"#),
        merge(r#"{"metadata":{"namespace":"other"}}"#),
        merge(r#"{"metadata":{"uid":"1"}}"#),
        merge(r#"{"kind":"Pod"}"#),
        Change::Object("{}".to_owned()),
        Change::Object("7".to_owned()),
    ]
    .map(bad)
    .into();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn the_template_of_a_live_set_is_only_put_back() {
    let set = |replicas: u32, template: &str| {
        format!(
            r#"{{"kind":"StatefulSet","metadata":{{"name":"db"}},"spec":{{"replicas":{replicas},"template":{template}}}}}"#
        )
    };
    let (with, without, other) = (
        r#"{"metadata":{"labels":{"a":"b","g":"true"}}}"#,
        r#"{"metadata":{"labels":{"a":"b"}}}"#,
        r#"{"metadata":{"labels":{"a":"c"}}}"#,
    );
    let put_back = || vec![merge(r#"{"spec":{"template":{"metadata":{"labels":{"g":"true"}}}}}"#)];
    for (old, new, is_changed) in [
        (set(1, with), set(1, without), true),
        (set(1, with), set(1, other), true),
        (set(1, without), set(1, without), false),
        (set(0, without), set(0, without), true),
    ] {
        let request = Request { old_object: Some(old.as_str().into()), ..request(Operation::Update, &new) };
        let verdict = run(vec![changing("a", put_back(), |_| {})], &request);
        assert_eq!((verdict.patch.is_some(), verdict.failures.is_empty()), (is_changed, is_changed), "{old} {new}");
    }
}

#[test]
fn a_rule_that_is_off_puts_back_what_it_wrote_and_nothing_else() {
    let set =
        |class: &str| format!(r#"{{"kind":"StatefulSet","metadata":{{"name":"db"}},"spec":{{"class":{class}}}}}"#);
    let run = |compares: bool, mode: Mode, operation: Operation, old: &str| {
        let mut manifest = manifest();
        manifest.rules[3].compares = compares;
        (manifest.rules[3].baseline, manifest.rules[3].strict) = (Action::Off, Action::Off);
        let mutation =
            Mutation { rule: 3, change: merge(r#"{"spec":{"class":"fast"}}"#), note: Some("why".to_owned()) };
        let answer =
            move |_: &Call<'_>, _: &Request<'_>| Ok(Outcome { mutations: vec![mutation.clone()], undecided: vec![] });
        let component = component_with(manifest, |_, _| Ok(vec![]), answer);
        let policy = Policy::new(&wasm_policy("a", |p| p.spec.mode = mode), component).unwrap();
        let (old, new) = (set(old), set("null"));
        let request = Request { old_object: Some(old.as_str().into()), ..request(operation, &new) };
        let verdict = run(vec![policy], &request);
        assert!(verdict.allowed);
        (patch_of(&verdict), verdict.failures.first().map(|failure| failure.error.to_string()))
    };
    let nothing = (String::new(), None);
    let put_back = (r#"[{"op":"replace","path":"/spec/class","value":"fast"}]"#.to_owned(), None);
    assert_eq!(run(true, Mode::Enforce, Operation::Update, r#""fast""#), put_back);
    assert_eq!(run(true, Mode::Warn, Operation::Update, r#""fast""#), nothing);
    assert_eq!(run(true, Mode::Enforce, Operation::Create, r#""fast""#), nothing);
    assert_eq!(run(false, Mode::Enforce, Operation::Update, r#""fast""#), nothing);
    let (patch, error) = run(true, Mode::Enforce, Operation::Update, r#""slow""#);
    assert!(patch.is_empty());
    assert!(error.unwrap().contains("it is off and changes `/spec/class` to something else than it was"));
}

#[test]
fn undecided_changes_nothing_and_refuses_nothing() {
    let mut manifest = manifest();
    manifest.rules[3].when_undecided = Action::Deny;
    let undecided = |_: &Call<'_>, _: &Request<'_>| {
        Ok(Outcome { mutations: vec![], undecided: vec![Undecided { rule: 3, reason: UndecidedReason::NeedsUser }] })
    };
    let policy =
        Policy::new(&wasm_policy("a", |_| {}), component_with(manifest, |_, _| Ok(vec![]), undecided)).unwrap();
    let verdict = run(vec![policy], &request(Operation::Create, OBJECT));
    assert!(verdict.allowed && verdict.patch.is_none());
    assert_eq!(
        verdict.response.audit_annotations,
        [("undecided".to_owned(), "[demo/change] could not be decided: it is not known here who asks".to_owned())]
    );
}

#[test]
fn a_policy_that_breaks_changes_nothing() {
    let fail = |_: &Call<'_>, _: &Request<'_>| Err(EvaluateError::Trapped { reason: "unreachable".to_owned() });
    let broken = Policy::new(&wasm_policy("b", |_| {}), component_with(manifest(), |_, _| Ok(vec![]), fail)).unwrap();
    let verdict = run(
        vec![broken, changing("a", vec![merge(r#"{"spec":{"replicas":2}}"#)], |_| {})],
        &request(Operation::Create, OBJECT),
    );
    assert!(verdict.allowed && verdict.patch.is_some());
    assert_eq!(verdict.failures[0].failure_policy, FailurePolicy::Ignore);
}

#[test]
fn the_two_accounts_and_objects_on_their_way_out_are_not_changed() {
    let change = || vec![changing("a", vec![merge(r#"{"spec":{"replicas":2}}"#)], |_| {})];
    let mut by_collector = request(Operation::Create, OBJECT);
    by_collector.user = Some(User {
        username: "system:serviceaccount:kube-system:generic-garbage-collector".into(),
        ..User::default()
    });
    assert!(run(change(), &by_collector).costs.is_empty());
    let old = OBJECT.replace(r#""name":"db""#, r#""name":"db","deletionTimestamp":"2026-01-01T00:00:00Z""#);
    let deleted = Request { old_object: Some(old.as_str().into()), ..request(Operation::Update, OBJECT) };
    assert!(run(change(), &deleted).patch.is_none());
}
