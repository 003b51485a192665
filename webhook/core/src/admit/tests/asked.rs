//! Who is asked about a request, and who is not: accounts and objects that are let through, selectors, conditions, calls that policies share.

use super::*;

#[test]
fn the_two_accounts_are_not_judged() {
    let set = set(vec![fixed_policy()]);
    let mut request = request(Operation::Update, "{}");
    request.object = Some(object(&["demo/deny"]).into());
    for (username, exempt) in [
        ("system:serviceaccount:kube-system:generic-garbage-collector", true),
        ("system:serviceaccount:kube-system:namespace-controller", true),
        ("system:serviceaccount:default:namespace-controller", false),
        ("alice", false),
    ] {
        request.user = Some(User { username: username.into(), ..User::default() });
        let verdict = judge(&set, &request);
        assert_eq!(
            (verdict.allowed, verdict.exempt.is_some(), verdict.costs.is_empty()),
            (exempt, exempt, exempt),
            "{username}"
        );
    }
}

#[test]
fn objects_that_are_on_their_way_out_are_let_go() {
    let broken = |metadata: &str| format!(r#"{{"metadata":{metadata},"spec":{{"broken":["demo/deny","demo/warn"]}}}}"#);
    let right = |metadata: &str| format!(r#"{{"metadata":{metadata},"spec":{{}}}}"#);
    let deleted = r#"{"name":"db","deletionTimestamp":"2026-01-01T00:00:00Z"}"#;
    for (old, new, exempt) in [
        (right(deleted), broken(deleted), Some(BuiltinExemption::BeingDeleted)),
        (right(r#"{"name":"db","deletionTimestamp":null}"#), broken("{}"), None),
        (
            broken(r#"{"name":"db","finalizers":["a"],"managedFields":[1]}"#),
            broken(r#"{"name":"db"}"#),
            Some(BuiltinExemption::FinalizersOnly),
        ),
        (right(r#"{"name":"db","finalizers":["a"]}"#), broken(r#"{"name":"db"}"#), None),
    ] {
        let request = Request { old_object: Some(old.as_str().into()), ..request(Operation::Update, &new) };
        let verdict = judge(&set(vec![policy("p", |_| {})]), &request);
        assert_eq!((verdict.allowed, verdict.exempt), (exempt.is_some(), exempt), "{old} {new}");
        assert_eq!(
            judge(&set(vec![fixed_policy()]), &request)
                .rulings
                .iter()
                .filter(|ruling| ruling.rule == "demo/deny")
                .count(),
            1
        );
    }
}

#[test]
fn mirror_pods_of_nodes_are_let_through() {
    let mut manifest = manifest();
    manifest.rules[0].subjects = vec![subject("pods", &[Operation::Create])];
    let broken = testing::broken_rules(&manifest);
    let set = set(vec![Policy::new(&wasm_policy("p", |_| {}), component(manifest, broken)).unwrap()]);
    let pod = |annotations: &str| {
        format!(r#"{{"metadata":{{"name":"m","annotations":{annotations}}},"spec":{{"broken":["demo/deny"]}}}}"#)
    };
    for (annotations, group, allowed) in [
        (r#"{"kubernetes.io/config.mirror":"x"}"#, "system:nodes", true),
        (r#"{"kubernetes.io/config.mirror":"x"}"#, "system:authenticated", false),
        ("{}", "system:nodes", false),
    ] {
        let pod = pod(annotations);
        let mut request = request(Operation::Create, &pod);
        (request.resource.group, request.resource.resource) = ("".into(), "pods".into());
        request.user = Some(User { groups: vec![group.into()], ..User::default() });
        assert_eq!(judge(&set, &request).allowed, allowed, "{annotations} {group}");
    }
}

#[test]
fn denied_evictions_ask_to_try_again() {
    let mut manifest = manifest();
    manifest.rules[0].subjects = vec![subject("pods/eviction", &[Operation::Create])];
    let broken = testing::broken_rules(&manifest);
    let set = set(vec![Policy::new(&wasm_policy("p", |_| {}), component(manifest, broken)).unwrap()]);
    let object = object(&["demo/deny"]);
    let mut request = request(Operation::Create, &object);
    request.resource = subject("pods/eviction", &[]).resource;
    let status = judge(&set, &request).response.status.unwrap();
    assert_eq!((status.code, status.reason, status.retry_after_seconds), (429, "TooManyRequests", Some(1)));
}

#[test]
fn selectors_look_where_kubernetes_looks() {
    let judged = |change: fn(&mut WasmPolicy), request: &Request<'_>, inventory: StoredInventory| {
        !block_on(validate(&set(vec![policy("p", change)]), request, Route::All, &facts_with(inventory)))
            .costs
            .is_empty()
    };
    let prod = |p: &mut WasmPolicy| {
        p.spec.matches.namespace_selector = serde_json::from_str(r#"{"matchLabels":{"env":"prod"}}"#).unwrap()
    };
    let not_prod = |p: &mut WasmPolicy| {
        p.spec.matches.namespace_selector =
            serde_json::from_str(r#"{"matchExpressions":[{"key":"env","operator":"NotIn","values":["prod"]}]}"#)
                .unwrap();
    };
    let create = request(Operation::Create, "{}");
    assert!(judged(prod, &create, namespace(&[("env", "prod")])));
    assert!(!judged(prod, &create, namespace(&[("env", "test")])));
    assert!(!judged(prod, &create, StoredInventory::default()), "an unknown namespace has no labels");
    assert!(judged(not_prod, &create, StoredInventory::default()));
    let mut cluster_scoped = create.clone();
    cluster_scoped.namespace = None;
    assert!(judged(prod, &cluster_scoped, StoredInventory::default()), "cluster-scoped objects are never left out");

    let app = |p: &mut WasmPolicy| {
        p.spec.matches.object_selector = serde_json::from_str(r#"{"matchLabels":{"app":"db"}}"#).unwrap()
    };
    let (labelled, bare) = (r#"{"metadata":{"labels":{"app":"db"}}}"#, r#"{"metadata":{}}"#);
    for (new, old, expected) in
        [(labelled, bare, true), (bare, labelled, true), (bare, bare, false), ("{}", "{}", false)]
    {
        let update = Request { old_object: Some(old.into()), ..request(Operation::Update, new) };
        assert_eq!(judged(app, &update, StoredInventory::default()), expected, "{new} {old}");
    }
}

#[test]
fn namespace_objects_are_matched_by_their_own_labels() {
    let mut manifest = manifest();
    manifest.rules[0].subjects = vec![subject("namespaces", &[Operation::Create])];
    let broken = testing::broken_rules(&manifest);
    let prod = |p: &mut WasmPolicy| {
        p.spec.matches.namespace_selector = serde_json::from_str(r#"{"matchLabels":{"env":"prod"}}"#).unwrap()
    };
    let set = set(vec![Policy::new(&wasm_policy("p", prod), component(manifest, broken)).unwrap()]);
    for (env, judged) in [("prod", true), ("test", false)] {
        let object = format!(r#"{{"metadata":{{"name":"prod","labels":{{"env":"{env}"}}}}}}"#);
        let mut request = request(Operation::Create, &object);
        (request.resource.group, request.resource.resource) = ("".into(), "namespaces".into());
        // The Inventory's older labels do not count.
        let verdict = block_on(validate(&set, &request, Route::All, &facts_with(namespace(&[("env", "other")]))));
        assert_eq!(!verdict.costs.is_empty(), judged, "{env}");
    }
}

#[test]
fn a_namespace_that_changes_is_judged_by_the_stricter_of_both_its_profiles() {
    let mut manifest = manifest();
    for rule in &mut manifest.rules {
        rule.subjects = ["namespaces", "namespaces/status"].map(|name| subject(name, &[Operation::Update])).to_vec();
    }
    let broken = testing::broken_rules(&manifest);
    let prod = |p: &mut WasmPolicy| {
        p.spec.matches.namespace_selector = serde_json::from_str(r#"{"matchLabels":{"env":"prod"}}"#).unwrap()
    };
    let set = set(vec![Policy::new(&wasm_policy("p", prod), component(manifest, broken)).unwrap()]);
    let namespace = |env: &str, profile: &str| {
        let labels = serde_json::json!({"env": env, (crate::contract::PROFILE): profile});
        serde_json::json!({"metadata": {"name": "prod", "labels": labels}, "spec": {"broken": ["demo/warn"]}})
            .to_string()
    };
    let judged = |subresource: &'static str, old: &str, new: &str| {
        // What was wrong before is a warning, in whatever profile.
        let old = old.replace("demo/warn", "");
        let mut request = Request { old_object: Some(old.into()), ..request(Operation::Update, new) };
        (request.resource.group, request.resource.resource) = ("".into(), "namespaces".into());
        request.resource.subresource = subresource.into();
        actions(&judge(&set, &request))
    };
    for (old, new, action) in [
        ("strict", "", "demo/warn=deny"),
        ("strict", "baseline", "demo/warn=deny"),
        ("strict", "none", "demo/warn=deny"),
        ("", "strict", "demo/warn=deny"),
        ("none", "baseline", "demo/warn=warn"),
    ] {
        assert_eq!(judged("", &namespace("prod", old), &namespace("prod", new)), [action], "{old} {new}");
    }
    // Selectors match the new labels; of a subresource's request the stored ones, as the API server does.
    let (test, prod) = (namespace("test", ""), namespace("prod", ""));
    assert_eq!(judged("", &test, &prod), ["demo/warn=warn"]);
    assert_eq!(judged("", &prod, &test), [""; 0]);
    assert_eq!(judged("status", &test, &prod), [""; 0]);
    assert_eq!(judged("status", &prod, &test), ["demo/warn=warn"]);
}

#[test]
fn conditions_decide_or_fail_as_in_kubernetes() {
    let verdict = |conditions: &'static [&'static str], failure_policy| {
        let policy = policy("p", |p| {
            p.spec.failure_policy = failure_policy;
            let named = |(n, expression): (usize, &&str)| crate::resources::MatchCondition {
                name: format!("c{n}"),
                expression: (*expression).to_owned(),
            };
            p.spec.matches.match_conditions = conditions.iter().enumerate().map(named).collect();
        });
        judge(&set(vec![policy]), &request(Operation::Create, &object(&["demo/deny"])))
    };
    use FailurePolicy::{Fail, Ignore};
    assert!(!verdict(&["true"], Fail).allowed);
    assert!(verdict(&["true", "false"], Fail).allowed);
    assert!(verdict(&["object.nope.x", "false"], Fail).allowed, "one that is false decides, whatever fails");
    let failed = verdict(&["object.nope.x == 1", "true"], Fail);
    assert_eq!(
        failed.response.status.unwrap().message,
        "policy `p` could not evaluate its match condition `c0`: no such key: nope"
    );
    assert!(verdict(&["object.nope.x == 1"], Ignore).allowed);
    let unasked = verdict(&["request.userInfo.username == 'a'"], Fail);
    assert_eq!(
        unasked.undecided.iter().map(|u| (u.rule.as_str(), u.action)).collect::<Vec<_>>()[0],
        ("demo/deny", Action::Audit)
    );
    assert!(unasked.allowed && unasked.costs.is_empty());
}

#[test]
fn policies_of_one_component_share_a_call_with_the_smallest_limits() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&seen);
    let code = component(manifest(), move |call, _| {
        note.lock().unwrap().push((call.policy.to_owned(), call.units.len(), call.limits));
        Ok(call.units.iter().map(|_| Judgement::default()).collect())
    });
    let bind = |name, timeout: &str, memory: &str| {
        let limits = crate::resources::LimitsSpec { timeout: Some(timeout.into()), memory: Some(memory.into()) };
        Policy::new(&wasm_policy(name, |p| p.spec.limits = limits), code.clone()).unwrap()
    };
    judge(&set(vec![bind("b", "100ms", "64Mi"), bind("a", "1s", "32Mi")]), &request(Operation::Create, "{}"));
    let smallest = crate::evaluate::Limits { timeout: std::time::Duration::from_millis(100), memory: 32 << 20 };
    assert_eq!(*seen.lock().unwrap(), [("a".to_owned(), 2, smallest)]);
}

#[test]
fn the_trace_says_why_not() {
    let set = set(vec![
        policy("audits", |p| p.spec.mode = Mode::Audit),
        policy("elsewhere", |p| {
            p.spec.matches.namespace_selector = serde_json::from_str(r#"{"matchLabels":{"a":"b"}}"#).unwrap()
        }),
        policy("never", |p| {
            p.spec.matches.match_conditions =
                vec![crate::resources::MatchCondition { name: "no".into(), expression: "false".into() }]
        }),
        policy("others", |p| {
            p.spec.matches.resource_rules = vec![serde_json::from_str(r#"{"resources":["pods"]}"#).unwrap()]
        }),
    ]);
    let facts = Facts { trace: true, ..facts_with(namespace(&[("team", "x")])) };
    let object = object(&["demo/deny"]);
    let verdict = block_on(validate(&set, &request(Operation::Create, &object), Route::All, &facts));
    insta::assert_json_snapshot!(verdict.trace);
}
