//! The guard on every request that we know of: no expression fails, and nothing that our own rules let through is refused. What an API server makes of
//! it is tested with one, in `tests/cluster`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use cel::Value;
use serde_json::{Map, Value as Json, json};
use stateward_cases::Runner;
use stateward_cluster::guard::{Guard, guard};
use stateward_core::manifest::Profile;
use stateward_core::policy::Policy;
use stateward_core::policy_set::PolicySet;
use stateward_core::resources::{Mode, WasmPolicy};
use stateward_core::verdict::Verdict;
use stateward_native::{NativeBinder, component};
use stateward_rules_tests::cel::evaluate;
use stateward_rules_tests::reviews::{captured, is_sent, review_of, sent};
use stateward_rules_tests::{block_on, case_files, default_policies};

#[test]
fn what_is_derived_from_the_shipped_policies() {
    let Guard { policy, binding } = derived(&of(|_| {}));
    insta::assert_json_snapshot!("policy", policy);
    insta::assert_json_snapshot!("binding", binding);
}

#[test]
fn no_guard_where_nobody_enforces() {
    for mode in [Mode::Warn, Mode::Audit] {
        let set = of(|policy| policy.spec.mode = mode);
        assert_eq!(guard(&set, "stateward-system", None), None, "{mode:?}");
    }
    let others = PolicySet::new(vec![], vec![]).unwrap();
    assert_eq!(guard(&others, "stateward-system", None), None);
}

#[test]
fn it_follows_the_policys_accounts_and_namespaces() {
    let set = of(|policy| {
        policy.spec.matches.namespace_selector =
            Some(serde_json::from_value(json!({"matchLabels": {"tier": "data"}, "matchExpressions": [{"key": "lab", "operator": "DoesNotExist"}]})).unwrap());
        policy.spec.settings = json!({"controllerAccounts": {"add": ["it's \\me"]}}).as_object().unwrap().clone();
    });
    let policy = serde_json::to_value(derived(&set).policy).unwrap();
    let expressions = &policy["spec"]["matchConstraints"]["namespaceSelector"]["matchExpressions"];
    let wanted = json!([
        {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-node-lease", "kube-system", "stateward-system"]},
        {"key": "tier", "operator": "In", "values": ["data"]},
        {"key": "lab", "operator": "DoesNotExist"},
    ]);
    assert_eq!(*expressions, wanted);
    for (who, is_refused) in [("it's \\me", false), ("alice", true)] {
        let mut request = member("db-0", "manager");
        request["userInfo"]["username"] = who.into();
        assert_eq!(refusals(&derived(&set), &request, who).is_empty(), !is_refused, "{who}");
    }
}

/// A selector cannot say "or": an expression does.
#[test]
fn two_policies_share_the_contract_by_namespace() {
    let shipped = default_policies().into_iter().find(|policy| policy.metadata.name == "manager-writes").unwrap();
    let policies = ["In", "NotIn"].map(|operator| {
        let mut policy = shipped.clone();
        policy.metadata.name = operator.to_owned();
        let expressions = json!({"matchExpressions": [
            {"key": "team", "operator": operator, "values": ["a"]},
            {"key": "lab", "operator": "DoesNotExist"},
        ]});
        policy.spec.matches.namespace_selector = Some(serde_json::from_value(expressions).unwrap());
        Policy::new(&policy, component()).unwrap()
    });
    let guard = derived(&PolicySet::new(policies.into(), vec![]).unwrap_or_else(|errors| panic!("{errors:?}")));
    for (labels, is_covered) in
        [(json!({"team": "a"}), true), (json!({}), true), (json!({"team": "a", "lab": ""}), false), (Json::Null, true)]
    {
        let mut request = member("db-0", "manager");
        request["userInfo"]["username"] = "alice".into();
        request["namespaceObject"] = json!({"metadata": {"labels": labels}});
        if labels.is_null() {
            request["namespaceObject"] = json!({"metadata": {}});
        }
        assert_eq!(!refusals(&guard, &request, "namespace").is_empty(), is_covered, "{labels}");
    }
}

#[test]
fn what_is_said_to_the_reviews_of_a_real_cluster() {
    let guard = derived(&of(|_| {}));
    let table: Vec<String> = captured()
        .into_iter()
        .map(|(name, review)| {
            let said = refusals(&guard, &review, &name);
            format!("{name}: {}", if said.is_empty() { "-".to_owned() } else { said.join(" | ") })
        })
        .collect();
    assert!(table.len() >= 60, "{} reviews", table.len());
    insta::assert_snapshot!(table.join("\n"));
}

/// What our webhooks stamp and let through, of all families' cases.
#[test]
fn what_our_own_rules_let_through_is_let_through() {
    let (files, binder) = (case_files(), NativeBinder::default());
    let runner = block_on(Runner::new(default_policies(), &binder)).unwrap();
    let shipped = derived(&of(|_| {}));
    let (mut wrong, mut judged) = (Vec::new(), 0);
    for file in &files.files {
        for case in &file.cases {
            let place = format!("{}:{}: {}", file.data.file, case.position.line, case.name);
            // Whatever comes of it: nothing fails.
            refusals(&shipped, &sent(review_of(case.request())), &place);
            if !case.rule.starts_with("manager-writes/") {
                continue;
            }
            for profile in [Profile::Baseline, Profile::Strict] {
                let admitted = block_on(runner.admit(file, case, profile)).unwrap();
                if is_refused(&admitted.verdict) {
                    continue;
                }
                judged += 1;
                let said = refusals(&derived(&admitted.policies), &sent(review_of(&admitted.request)), &place);
                if !said.is_empty() {
                    wrong.push(format!("{place}, {profile}: {}", said.join(" | ")));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "refused by the guard alone:\n{}", wrong.join("\n"));
    assert!(judged > 300, "only {judged} are let through by the contract's rules");
}

/// By a rule that the guard stands in for.
fn is_refused(verdict: &Verdict) -> bool {
    let is_contracts = |rule: &str| CONTRACT.contains(&rule.trim_start_matches("manager-writes/"));
    verdict.rulings.iter().any(|ruling| is_contracts(&ruling.rule))
        || verdict.undecided.iter().any(|undecided| is_contracts(&undecided.rule))
}

#[test]
fn objects_with_nothing_in_them_fail_nothing() {
    let guard = derived(&of(|_| {}));
    let resources = [
        ("", "pods", ""),
        ("", "pods", "status"),
        ("", "pods", "binding"),
        ("", "bindings", ""),
        ("apps", "statefulsets", ""),
        ("apps", "statefulsets", "status"),
    ];
    let empty = json!({"metadata": {}});
    let hollow = json!({"metadata": {"name": "db-0"}, "spec": {"template": {}, "selector": {}, "volumeClaimTemplates": [{}]}, "status": {}});
    for (group, resource, subresource) in resources {
        for operation in ["CREATE", "UPDATE", "DELETE"] {
            for (object, old) in [
                (&empty, &Json::Null),
                (&Json::Null, &empty),
                (&empty, &empty),
                (&hollow, &hollow),
                (&Json::Null, &Json::Null),
            ] {
                let request = sent(json!({
                    "resource": {"group": group, "version": "v1", "resource": resource}, "subResource": subresource,
                    "operation": operation, "userInfo": {"username": "alice"}, "object": object, "oldObject": old,
                }));
                assert_eq!(refusals(&guard, &request, resource), Vec::<String>::new());
            }
        }
    }
}

/// A pod that the controller makes, as it is stamped.
fn member(name: &str, role: &str) -> Json {
    let write = if role == "manager" { "allow" } else { "deny" };
    json!({
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "operation": "CREATE",
        "userInfo": {"username": stateward_core::contract::CONTROLLER_ACCOUNT},
        "object": {"metadata": {
            "name": name,
            "labels": {"stateward.dev/role": role, "stateward.dev/set": "db"},
            "annotations": {"stateward.dev/write": write, "stateward.dev/ordinal": name.trim_start_matches("db-")},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "1", "controller": true}],
        }},
        "oldObject": null,
    })
}

/// The messages with which the guard refuses, as the API server finds them: variables first, and all of them, though it evaluates only those that it
/// needs.
fn refusals(guard: &Guard, request: &Json, name: &str) -> Vec<String> {
    let spec = guard.policy.spec.as_ref().unwrap();
    if !is_matched(guard, request) {
        return vec![];
    }
    let mut conditions = spec.match_conditions.iter().flatten();
    let is_asked = conditions.all(|each| evaluate(&each.expression, request, &Map::new(), name) == Value::Bool(true));
    let mut variables = Map::new();
    for variable in spec.variables.iter().flatten() {
        let value = evaluate(&variable.expression, request, &variables, name);
        variables.insert(variable.name.clone(), value.json().unwrap_or_else(|error| panic!("{name}: {error}")));
    }
    let mut said = Vec::new();
    for validation in spec.validations.iter().flatten() {
        match evaluate(&validation.expression, request, &variables, name) {
            Value::Bool(true) => {}
            Value::Bool(false) => {
                let message = validation.message_expression.as_ref().unwrap();
                match evaluate(message, request, &variables, name) {
                    Value::String(message) => said.push(message.to_string()),
                    other => panic!("{name}: {other:?}: {message}"),
                }
            }
            other => panic!("{name}: {other:?}: {}", validation.expression),
        }
    }
    // What is not asked about would have been let through.
    assert!(is_asked || said.is_empty(), "{name}: not asked, and {said:?}");
    said
}

fn is_matched(guard: &Guard, request: &Json) -> bool {
    let constraints = guard.policy.spec.as_ref().and_then(|spec| spec.match_constraints.as_ref()).unwrap();
    let mut rules = constraints.resource_rules.iter().flatten();
    rules.any(|rule| is_sent(&rule.api_groups, &rule.resources, &rule.operations, request))
}

fn derived(set: &PolicySet) -> Guard {
    guard(set, "stateward-system", Some("2c1b1d5e-0000-4000-8000-000000000001")).unwrap()
}

/// The shipped policies, with a change in that of the contract.
fn of(change: impl Fn(&mut WasmPolicy)) -> PolicySet {
    let mut policies = default_policies();
    policies.iter_mut().filter(|policy| policy.metadata.name == "manager-writes").for_each(change);
    let bound = policies.iter().map(|policy| Policy::new(policy, component()).unwrap()).collect();
    PolicySet::new(bound, vec![]).unwrap_or_else(|errors| panic!("{errors:?}"))
}

/// The rules that the guard stands in for.
const CONTRACT: [&str; 4] = ["forged-role", "unbound-pod", "role-change", "contract-change"];
