use super::*;
use crate::resources::{LabelSelector, MatchCondition, ResourceRule};
use crate::testing::{broken_rules, component, manifest, rule, wasm_policy};

/// [`manifest`] with two fixed rules in a family of their own.
fn with_fixed() -> Manifest {
    let mut manifest = manifest();
    for id in ["role/forged", "role/unbound"] {
        manifest.rules.push(Rule { fixed: true, ..rule(id, Action::Deny, Action::Deny) });
    }
    manifest.rules.push(rule("role/style", Action::Audit, Action::Warn));
    manifest
}

fn bind(change: impl FnOnce(&mut WasmPolicy)) -> Result<Policy, Vec<SpecError>> {
    let manifest = with_fixed();
    let judge = broken_rules(&manifest);
    Policy::new(&wasm_policy("p", change), component(manifest, judge))
}

#[track_caller]
fn selects_rules(patterns: &[&str], expected: &[&str]) {
    let policy = bind(|p| p.spec.rules = patterns.iter().map(|p| (*p).to_owned()).collect()).unwrap();
    assert_eq!(policy.rule_ids().collect::<Vec<_>>(), expected);
}

#[track_caller]
fn refuses(change: impl FnOnce(&mut WasmPolicy), path: &str, message: &str) {
    let errors = bind(change).map(|_| ()).unwrap_err();
    let told: Vec<(&str, &str)> = errors.iter().map(|error| (error.path.as_str(), error.message.as_str())).collect();
    assert_eq!(told, [(path, message)]);
}

#[test]
fn selects_rules_by_id_family_or_all() {
    let all = ["demo/deny", "demo/warn", "demo/strict", "demo/change", "role/forged", "role/unbound", "role/style"];
    selects_rules(&["*"], &all);
    selects_rules(&["demo/*"], &all[..4]);
    selects_rules(&["demo/warn", "demo/deny", "demo/warn"], &all[..2]);
    selects_rules(&["role/*"], &all[4..]);
    selects_rules(&["role/style"], &all[6..]);
}

#[test]
fn refuses_selections_that_select_nothing() {
    refuses(
        |p| p.spec.rules = vec!["demo/*".into(), "demo/nope".into()],
        "/spec/rules/1",
        "`demo/nope` selects no rule of component `demo`",
    );
    refuses(
        |p| p.spec.rules = vec!["nope/*".into(), "demo/*".into()],
        "/spec/rules/0",
        "`nope/*` selects no rule of component `demo`",
    );
    refuses(|p| p.spec.rules = vec![], "/spec/rules", "selects no rule");
}

#[test]
fn refuses_fixed_rules_in_part() {
    refuses(
        |p| p.spec.rules = vec!["role/forged".into()],
        "/spec/rules",
        "fixed rules are selected together or not at all; missing: role/unbound",
    );
    refuses(
        |p| p.spec.actions = [("role/forged".to_owned(), Action::Audit)].into(),
        "/spec/actions/role~1forged",
        "rule `role/forged` is fixed: it cannot be overridden",
    );
    refuses(
        |p| p.spec.matches.object_selector = Some(LabelSelector::default()),
        "/spec/match/objectSelector",
        "a policy with fixed rules cannot use `objectSelector`",
    );
    refuses(
        |p| p.spec.matches.match_conditions = vec![MatchCondition { name: "c".into(), expression: "true".into() }],
        "/spec/match/matchConditions",
        "a policy with fixed rules cannot use `matchConditions`",
    );
    assert!(bind(|p| p.spec.matches.namespace_selector = Some(LabelSelector::default())).is_ok());
    // Without the fixed ones everything is allowed.
    let narrowed = bind(|p| {
        p.spec.rules = vec!["demo/*".into(), "role/style".into()];
        p.spec.matches.object_selector = Some(LabelSelector::default());
    });
    assert!(narrowed.is_ok());
}

#[test]
fn refuses_actions_that_do_not_fit() {
    let with = |id: &'static str, action| move |p: &mut WasmPolicy| p.spec.actions = [(id.to_owned(), action)].into();
    refuses(with("demo/nope", Action::Warn), "/spec/actions/demo~1nope", "component `demo` has no rule `demo/nope`");
    refuses(
        with("demo/deny", Action::Apply),
        "/spec/actions/demo~1deny",
        "rule `demo/deny` judges, it cannot be `Apply`",
    );
    refuses(
        with("demo/change", Action::Warn),
        "/spec/actions/demo~1change",
        "rule `demo/change` changes objects, it can only be `Apply` or `Off`",
    );
    refuses(
        |p| {
            p.spec.rules = vec!["demo/deny".into()];
            p.spec.actions.insert("demo/warn".into(), Action::Off);
        },
        "/spec/actions/demo~1warn",
        "rule `demo/warn` is not selected by this policy",
    );
    assert!(bind(with("demo/change", Action::Off)).is_ok());
}

#[test]
fn reads_limits_in_kubernetes_units() {
    let with = |timeout: &str, memory: &str| {
        bind(|p| p.spec.limits = LimitsSpec { timeout: Some(timeout.into()), memory: Some(memory.into()) })
    };
    for (timeout, memory, expected) in [
        ("200ms", "64Mi", Limits { timeout: Duration::from_millis(200), memory: 64 << 20 }),
        ("1s", "1Mi", Limits { timeout: Duration::from_secs(1), memory: 1 << 20 }),
        ("1.5s", "2000Ki", Limits { timeout: Duration::from_millis(1500), memory: 2000 << 10 }),
        ("10s", "2M", Limits { timeout: Duration::from_secs(10), memory: 2_000_000 }),
    ] {
        assert_eq!(with(timeout, memory).unwrap().limits, expected);
    }
    for timeout in ["0s", "11s", "", "ms", "1", "-1s", "1m", "1e3s", "99999999999s", "0.1ms"] {
        assert_eq!(with(timeout, "64Mi").map(|_| ()).unwrap_err()[0].path, "/spec/limits/timeout", "{timeout}");
    }
    for memory in ["65Mi", "1Gi", "0", "", "Mi", "-1Mi", "1.5Mi", "18446744073709551615Gi"] {
        assert_eq!(with("1s", memory).map(|_| ()).unwrap_err()[0].path, "/spec/limits/memory", "{memory}");
    }
}

#[test]
fn answers_every_error_with_its_place() {
    let errors = bind(|p| {
        p.spec.rules = vec!["demo/*".into(), "typo/*".into()];
        p.spec.actions.insert("demo/gone".into(), Action::Warn);
        p.spec.profile_version = Some("0.1".into());
        p.spec.limits.timeout = Some("soon".into());
        p.spec.matches.resource_rules =
            vec![ResourceRule { resources: vec!["Pods".into()], ..serde_json::from_str("{}").unwrap() }];
        p.spec.matches.object_selector =
            serde_json::from_str(r#"{"matchExpressions":[{"key":"a b","operator":"In"}]}"#).unwrap();
        p.spec.matches.match_conditions = vec![MatchCondition { name: "c".into(), expression: "object.".into() }];
    })
    .map(|_| ())
    .unwrap_err();
    let told: Vec<String> =
        errors.iter().map(|error| format!("{error} [{}]", error.hint.as_deref().unwrap_or("-"))).collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_setting_is_of_a_selected_family() {
    let mut manifest = manifest();
    manifest.rules.push(rule("law/deny", Action::Deny, Action::Deny));
    let schema = r#"{"properties": {"of-demo": {"x-families": ["demo"]}, "of/both": {"x-families": ["demo", "law"]}, "of-anybody": {}}}"#;
    schema.clone_into(&mut manifest.settings_schema);
    let told = |rules: &str, settings: &str| -> Vec<String> {
        let policy = wasm_policy("p", |p| {
            p.spec.rules = vec![rules.to_owned()];
            p.spec.settings = serde_json::from_str(settings).unwrap();
        });
        let errors = Policy::new(&policy, component(manifest.clone(), broken_rules(&manifest))).err();
        errors
            .into_iter()
            .flatten()
            .map(|error| format!("{error}; {}", error.hint.as_deref().unwrap_or_default()))
            .collect()
    };
    let all = r#"{"of-demo": 1, "of/both": 1, "of-anybody": 1}"#;
    assert_eq!(told("*", all), [""; 0]);
    assert_eq!(told("demo/deny", all), [""; 0]);
    assert_eq!(
        told("law/*", all),
        [
            "/spec/settings/of-demo: no rule of this policy reads `of-demo`; it is for `demo/*`: set it in the policy that selects them"
        ]
    );
    // The schema itself refuses what it does not know.
    assert_eq!(told("law/*", r#"{"unknown": 1}"#), [""; 0]);
}
