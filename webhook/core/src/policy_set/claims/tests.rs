use proptest::prelude::*;

use super::*;
use crate::policy_set::PolicySet;
use crate::resources::{Mode, WasmPolicy};
use crate::testing::{broken_rules, component, manifest, wasm_policy};

const EVERYWHERE: &str = "{}";
const PROD: &str = r#"{"matchLabels":{"env":"prod"}}"#;
const TEST: &str = r#"{"matchLabels":{"env":"test"}}"#;
const NOT_PROD: &str = r#"{"matchExpressions":[{"key":"env","operator":"NotIn","values":["prod"]}]}"#;

fn fixed(name: &str, selector: &str, mode: Mode) -> Policy {
    let mut manifest = manifest();
    manifest.rules[0].fixed = true;
    let judge = broken_rules(&manifest);
    let change = |policy: &mut WasmPolicy| {
        policy.spec.matches.namespace_selector = serde_json::from_str(selector).unwrap();
        policy.spec.mode = mode;
    };
    Policy::new(&wasm_policy(name, change), component(manifest, judge)).unwrap()
}

type Version<'a> = (&'a str, &'a str, Mode);

fn bind(versions: &[Version<'_>]) -> Vec<Policy> {
    versions.iter().map(|(name, selector, mode)| fixed(name, selector, *mode)).collect()
}

/// `expected`: each policy in force and its mode, then what is said of each that is refused.
#[track_caller]
fn follows(in_force: &[Version<'_>], wanted: &[Version<'_>], expected: &[&str]) {
    // In whatever order they come.
    for reversed in [false, true] {
        let (mut in_force, mut wanted) = (bind(in_force), bind(wanted));
        if reversed {
            in_force.reverse();
            wanted.reverse();
        }
        let (set, errors) = PolicySet::succeed(&in_force, wanted, vec![]);
        let mut told: Vec<String> =
            set.policies().iter().map(|policy| format!("{} {:?}", policy.name, policy.mode)).collect();
        for (name, error) in errors {
            let prefix = "the fixed rule `demo/deny` is already selected by policy ";
            let suffix = error.message.strip_prefix(prefix).unwrap();
            told.push(format!("{name}: {}", suffix.replace(" for some of the same namespaces", "")));
        }
        assert_eq!(told, expected);
    }
}

#[test]
fn a_newcomer_does_not_displace_what_is_in_force() {
    use Mode::{Audit, Enforce, Warn};
    for mode in [Audit, Warn, Enforce] {
        let good = ("m", EVERYWHERE, Warn);
        follows(&[good], &[good, ("a", EVERYWHERE, mode)], &["m Warn", "a: `m`, which is in force"]);
        follows(&[good], &[good, ("z", PROD, mode)], &["m Warn", "z: `m`, which is in force"]);
        // Nor where the one in force stays only because its new version fails.
        follows(&[good], &[("a", EVERYWHERE, mode)], &["m Warn", "a: `m`, which is in force"]);
    }
    let narrowed = [("m", PROD, Enforce), ("a", NOT_PROD, Audit)];
    follows(&[("m", EVERYWHERE, Enforce)], &narrowed, &["a Audit", "m Enforce"]);
}

#[test]
fn of_newcomers_the_stricter_counts() {
    use Mode::{Audit, Enforce, Warn};
    follows(
        &[],
        &[("a", EVERYWHERE, Audit), ("m", PROD, Warn), ("z", EVERYWHERE, Enforce)],
        &[
            "z Enforce",
            "m: `z`, which counts because `Enforce` is stricter than `Warn`",
            "a: `z`, which counts because `Enforce` is stricter than `Audit`",
        ],
    );
    follows(
        &[],
        &[("a", EVERYWHERE, Warn), ("b", EVERYWHERE, Warn)],
        &["a Warn", "b: `a`, which counts because its name comes first"],
    );
}

#[test]
fn a_change_that_contradicts_is_taken_back() {
    use Mode::{Audit, Enforce};
    let in_force = [("a", PROD, Enforce), ("m", TEST, Enforce)];
    let [a, m] = in_force;
    follows(&in_force, &[("a", EVERYWHERE, Audit), m], &["a Enforce", "m Enforce", "a: `m`, which is in force"]);
    follows(&in_force, &[a, ("m", EVERYWHERE, Audit)], &["a Enforce", "m Enforce", "m: `a`, which is in force"]);
    // They change places.
    follows(&in_force, &[("a", TEST, Audit), ("m", PROD, Audit)], &["a Audit", "m Audit"]);
    // `m` cannot, for `a` stays.
    follows(&in_force, &[("m", PROD, Audit)], &["a Enforce", "m Enforce", "m: `a`, which is in force"]);
    // Both move to where nobody was.
    let elsewhere = r#"{"matchLabels":{"env":"new"}}"#;
    follows(
        &in_force,
        &[("a", elsewhere, Audit), ("m", elsewhere, Enforce)],
        &["a Enforce", "m Enforce", "a: `m`, which counts because `Enforce` is stricter than `Audit`"],
    );
    // Who stays does not depend on what a newcomer wants.
    follows(
        &in_force,
        &[("a", EVERYWHERE, Audit), m, ("b", PROD, Enforce)],
        &["a Enforce", "m Enforce", "a: `m`, which is in force", "b: `a`, which is in force"],
    );
}

#[track_caller]
fn contradict(a: &str, b: &str, expected: bool) {
    // In whatever order they are loaded, the later by name is the one that is refused.
    let (a, b) = (("a", a, Mode::Enforce), ("b", b, Mode::Enforce));
    for policies in [bind(&[a, b]), bind(&[b, a])] {
        let errors = PolicySet::new(policies, vec![]).map(|_| ()).err().unwrap_or_default();
        let told: Vec<&str> = errors.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(told, if expected { vec!["b"] } else { vec![] }, "{a:?} {b:?}");
    }
}

#[test]
fn a_fixed_rule_has_one_policy_for_a_namespace() {
    contradict(EVERYWHERE, EVERYWHERE, true);
    contradict(PROD, EVERYWHERE, true);
    contradict(PROD, PROD, true);
    contradict(PROD, r#"{"matchLabels":{"team":"x"}}"#, true);
    contradict(PROD, TEST, false);
    contradict(PROD, r#"{"matchExpressions":[{"key":"env","operator":"NotIn","values":["prod","x"]}]}"#, false);
    contradict(PROD, r#"{"matchExpressions":[{"key":"env","operator":"DoesNotExist"}]}"#, false);
    contradict(PROD, r#"{"matchExpressions":[{"key":"env","operator":"Exists"}]}"#, true);
}

/// Versions of policies with these names, each name at most once.
fn versions(names: &'static [&'static str]) -> impl Strategy<Value = Vec<Version<'static>>> {
    let version = |name: &'static str| {
        let selector = prop::sample::select(vec![EVERYWHERE, PROD, TEST, NOT_PROD]);
        let mode = prop::sample::select(vec![Mode::Audit, Mode::Warn, Mode::Enforce]);
        prop::option::of((Just(name), selector, mode))
    };
    names.iter().map(|name| version(name)).collect::<Vec<_>>().prop_map(|all| all.into_iter().flatten().collect())
}

proptest! {
    /// Whatever is added, those that are in force are what they would be without it, and nothing that is in force is lost.
    #[test]
    fn newcomers_change_nothing_that_is_in_force(
        former in versions(&["b", "d", "f"]),
        wanted in versions(&["b", "d", "f"]),
        added in versions(&["a", "c", "e", "g"]),
    ) {
        let (former, _) = PolicySet::succeed(&[], bind(&former), vec![]);
        let is_former = |name: &str| former.policies().iter().any(|policy| policy.name == name);
        let wanted: Vec<Version<'_>> = wanted.into_iter().filter(|(name, ..)| is_former(name)).collect();
        let shown = |set: &PolicySet| -> Vec<String> {
            let in_force = set.policies().iter().filter(|policy| is_former(&policy.name));
            in_force.map(|policy| format!("{} {:?} {:?}", policy.name, policy.mode, policy.matcher.namespace_selector)).collect()
        };
        let (without, _) = PolicySet::succeed(former.policies(), bind(&wanted), vec![]);
        let (with, _) = PolicySet::succeed(former.policies(), bind(&[wanted, added].concat()), vec![]);
        prop_assert_eq!(shown(&with), shown(&without));
        prop_assert_eq!(shown(&with).len(), former.policies().len());
        prop_assert!(PolicySet::new(with.policies().to_vec(), vec![]).is_ok());
    }
}
