//! Components that do not load, and what happens to the policies that name them.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::json;
use stateward_core::admit::{self, Route};
use stateward_engine::{FetchError, LoadedPolicies, PolicyLoader};
use stateward_tests::guests;

use crate::harness::{NEIGHBOUR, PATIENCE, engine, facts, fetch, load, no_services, policy, request, runtime};

/// What is said of a policy that runs the guest; its neighbour must have loaded.
fn refusal(guest: &str) -> String {
    refusal_of(&runtime(2).block_on(load(&[policy("bad", guest, &json!({})), policy(NEIGHBOUR, "good", &json!({}))])))
}

/// The same for bytes.
fn refusal_of_bytes(bytes: &[u8]) -> String {
    let fetch =
        |reference: &str| if reference == "file:bytes" { Ok(Cow::Owned(bytes.to_owned())) } else { fetch(reference) };
    let policies = [policy("bad", "bytes", &json!({})), policy(NEIGHBOUR, "good", &json!({}))];
    let loader = PolicyLoader::new(Arc::clone(engine()));
    refusal_of(&runtime(2).block_on(loader.load(&policies, &[], &fetch)))
}

fn refusal_of(loaded: &LoadedPolicies) -> String {
    let names: Vec<_> = loaded.set.policies().iter().map(|policy| policy.name.as_str()).collect();
    assert_eq!(names, [NEIGHBOUR]);
    said(loaded)
}

fn said(loaded: &LoadedPolicies) -> String {
    let line = |error: &stateward_engine::PolicyError| {
        let hint = error.error.hint.as_deref().map(|hint| format!("\n  hint: {hint}")).unwrap_or_default();
        let kept = if error.kept { "\n  kept in its last good version" } else { "" };
        format!("{error}{hint}{kept}")
    };
    loaded.errors.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn wasi() {
    insta::assert_snapshot!(refusal("wasi"), @r#"
    policy `bad`: /spec/component: component `file:wasi` does not load: it imports `wasi:clocks/wall-clock@0.2.0`; a policy may import nothing but `stateward:policy/*`
      hint: that is WASI; build for `wasm32-unknown-unknown`, or stub WASI out (`--stub-wasi` of componentize-qjs and componentize-py)
    "#);
}

#[test]
fn endless_describe() {
    insta::assert_snapshot!(refusal("endless_describe"), @"policy `bad`: /spec/component: component `file:endless_describe` does not load: its `describe` did not finish within 2000 ms");
}

#[test]
fn endless_settings() {
    insta::assert_snapshot!(refusal("endless_settings"), @"policy `bad`: /spec/settings: the component broke while it checked them: it did not finish within 1000 ms");
}

#[test]
fn wrong_manifest() {
    insta::assert_snapshot!(refusal("wrong_manifest"), @"policy `bad`: /spec/component: component `file:wrong_manifest` does not load: its manifest is wrong: rule `Not An Id`: the id is not `family/name`, both DNS labels; rule `Not An Id`: the action `apply` in profile `baseline` does not fit a rule that validates; rule `Not An Id`: profile `strict` has `deny`, less than `baseline` has");
}

#[test]
fn circular_schema() {
    insta::assert_snapshot!(refusal("circular_schema"), @"policy `bad`: /spec/component: component `file:circular_schema` does not load: its settings schema is wrong: `$ref: #` leads round in a circle");
}

#[test]
fn a_core_module() {
    insta::assert_snapshot!(refusal_of_bytes(&guests::module("good").unwrap()), @r#"
    policy `bad`: /spec/component: component `file:bytes` does not load: it is not a WebAssembly component but a core module
      hint: wrap it: `wasm-tools component new policy.wasm -o policy.component.wasm`
    "#);
}

#[test]
fn thirty_megabytes_of_junk() {
    insta::assert_snapshot!(refusal_of_bytes(&b"junk".repeat(30 << 18)), @r#"
    policy `bad`: /spec/component: component `file:bytes` does not load: it has 31457280 bytes; 20971520 are the most
      hint: build it in release mode with `opt-level = "s"` and without debug information
    "#);
}

#[test]
fn junk_that_begins_like_a_component() {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    bytes.extend(b"junk".repeat(1 << 18));
    insta::assert_snapshot!(refusal_of_bytes(&bytes), @"policy `bad`: /spec/component: component `file:bytes` does not load: it is not a valid component: malformed section id: 106 (at offset 0xa)");
}

#[test]
fn a_component_without_the_contract() {
    insta::assert_snapshot!(refusal_of_bytes(b"\0asm\x0d\0\x01\0"), @"policy `bad`: /spec/component: component `file:bytes` does not load: it does not fit the contract `stateward:policy@0.1.0`: it does not export `stateward:policy/rules@0.1.0`");
}

#[test]
fn bytes_that_cannot_be_had() {
    let fetch = |reference: &str| match reference {
        "file:good" => fetch(reference),
        _ => Err(FetchError { message: format!("there is no `{reference}`"), hint: Some("build it".to_owned()) }),
    };
    let loader = PolicyLoader::new(Arc::clone(engine()));
    let policies = [policy("bad", "nowhere", &json!({})), policy(NEIGHBOUR, "good", &json!({}))];
    insta::assert_snapshot!(refusal_of(&runtime(2).block_on(loader.load(&policies, &[], &fetch))), @r#"
    policy `bad`: /spec/component: there is no `file:nowhere`
      hint: build it
    "#);
}

#[test]
fn the_last_good_version_stays_until_the_policy_is_gone() {
    runtime(2).block_on(async {
        let loader = PolicyLoader::new(Arc::clone(engine()));
        let enforced = |loaded: &LoadedPolicies| {
            let policies = loaded.set.policies().iter();
            policies
                .map(|policy| format!("{} {} {:?}", policy.name, policy.component.reference, policy.mode))
                .collect::<Vec<_>>()
        };
        let good = [policy("one", "good", &json!({ "mode": "Warn" })), policy("two", "good", &json!({}))];
        let loaded = loader.load(&good, &[], &fetch).await;
        assert_eq!(said(&loaded), "");
        assert_eq!(enforced(&loaded), ["one file:good Warn", "two file:good Enforce"]);

        let broken = [
            policy("one", "wasi", &json!({})),
            policy("two", "good", &json!({ "mode": "Audit", "rules": ["guest/none"] })),
        ];
        let loaded = loader.load(&broken, &[], &fetch).await;
        assert!(loaded.errors.len() == 2 && loaded.errors.iter().all(|error| error.kept), "{}", said(&loaded));
        assert_eq!(enforced(&loaded), ["one file:good Warn", "two file:good Enforce"]);

        let loaded = loader.load(&broken[1..], &[], &fetch).await;
        assert_eq!(enforced(&loaded), ["two file:good Enforce"]);

        let loaded = loader.load(&[policy("two", "trap", &json!({ "mode": "Audit" }))], &[], &fetch).await;
        assert_eq!(said(&loaded), "");
        assert_eq!(enforced(&loaded), ["two file:trap Audit"]);
    });
}

#[test]
fn two_policies_of_one_name() {
    let policies = [policy("one", "good", &json!({ "mode": "Warn" })), policy("one", "good", &json!({}))];
    let loaded = runtime(2).block_on(load(&policies));
    insta::assert_snapshot!(said(&loaded), @"policy `one`: /metadata/name: there are two policies named `one`");
    assert_eq!(in_force(&loaded), ["one Enforce"]);
}

fn in_force(loaded: &LoadedPolicies) -> Vec<String> {
    loaded.set.policies().iter().map(|policy| format!("{} {:?}", policy.name, policy.mode)).collect()
}

async fn denies(loaded: &LoadedPolicies) -> bool {
    !admit::validate(&loaded.set, &request(), Route::All, &facts(PATIENCE, no_services())).await.allowed
}

#[test]
fn a_newcomer_does_not_displace_the_one_in_force_that_has_its_fixed_rules() {
    runtime(2).block_on(async {
        let loader = PolicyLoader::new(Arc::clone(engine()));
        let fixed = |name, mode| policy(name, "fixed", &json!({ "mode": mode, "rules": ["guest/finds"] }));
        let good = fixed("m", "Enforce");
        let loaded = loader.load(std::slice::from_ref(&good), &[], &fetch).await;
        assert!(loaded.errors.is_empty() && denies(&loaded).await);
        // Twice: what was refused must not count as good the next time.
        for (name, beside) in [("a", &good), ("a", &good), ("z", &good), ("a", &policy("m", "wasi", &json!({})))] {
            let loaded = loader.load(&[fixed(name, "Audit"), beside.clone()], &[], &fetch).await;
            assert_eq!(in_force(&loaded), ["m Enforce"]);
            assert!(denies(&loaded).await);
            let refused = loaded.errors.iter().find(|error| error.policy == name).unwrap();
            assert!(
                !refused.kept
                    && refused.error.message.ends_with("policy `m` for some of the same namespaces, which is in force"),
                "{refused}"
            );
        }
        // Of the same name.
        let loaded = loader.load(&[fixed("m", "Audit"), good], &[], &fetch).await;
        assert_eq!(in_force(&loaded), ["m Enforce"]);
        assert!(loaded.errors.len() == 1 && loaded.errors[0].kept, "{}", said(&loaded));

        let loaded = loader.load(&[fixed("a", "Audit")], &[], &fetch).await;
        assert_eq!((said(&loaded), in_force(&loaded)), (String::new(), vec!["a Audit".to_owned()]));
    });
}

#[test]
fn of_two_newcomers_with_the_same_fixed_rules_the_stricter_counts() {
    let fixed = |name, mode| policy(name, "fixed", &json!({ "mode": mode, "rules": ["guest/finds"] }));
    let loaded = runtime(2).block_on(load(&[fixed("a", "Audit"), fixed("m", "Enforce")]));
    assert_eq!(in_force(&loaded), ["m Enforce"]);
    insta::assert_snapshot!(said(&loaded), @r#"
    policy `a`: /spec/match/namespaceSelector: the fixed rule `guest/finds` is already selected by policy `m` for some of the same namespaces, which counts because `Enforce` is stricter than `Audit`
      hint: give the two policies namespace selectors that exclude each other, e.g. `In` and `NotIn` of one label
    "#);
}
