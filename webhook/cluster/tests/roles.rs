//! `stateward roles` without a cluster: a running set as the API server stores it, whole and then broken in one way after the other.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};
use stateward_cluster::roles::{Endpoint, Facts, Member, SetView, Stamp, judge, judge_governed};

/// A set of three, as it should be, and what is around it.
#[derive(Clone)]
struct Scene {
    set: Value,
    others: Vec<Value>,
    pods: Vec<Value>,
    services: Vec<Value>,
    endpoints: Vec<Endpoint>,
}

impl Scene {
    fn whole() -> Self {
        Self {
            set: set("ledger", "1"),
            others: Vec::new(),
            pods: vec![pod(0), pod(1), pod(2)],
            services: vec![
                service("ledger", &json!({ "app": "ledger" }), true),
                service(
                    "ledger-write",
                    &json!({ "stateward.dev/role": "manager", "stateward.dev/set": "ledger" }),
                    false,
                ),
                service("ledger-read", &json!({ "app": "ledger" }), false),
            ],
            endpoints: vec![endpoint("ledger-write", "ledger-0")],
        }
    }

    fn facts(&self) -> Facts {
        let text = |objects: &[Value]| objects.iter().map(Value::to_string).collect::<Vec<_>>();
        let mut sets = vec![self.set.clone()];
        sets.extend(self.others.clone());
        Facts {
            namespace: "shop".to_owned(),
            sets: text(&sets),
            pods: Some(text(&self.pods)),
            services: Some(text(&self.services)),
            endpoints: Some(self.endpoints.clone()),
            ..Facts::default()
        }
    }

    fn seen(&self) -> SetView {
        judge(&self.facts(), "ledger").unwrap()
    }

    /// The problems as a person reads them.
    fn told(&self) -> String {
        let told = self
            .seen()
            .problems
            .into_iter()
            .map(|problem| format!("{}: {}\n  {}\n", problem.kind, problem.message, problem.hint));
        told.collect()
    }

    fn kinds(&self) -> Vec<&'static str> {
        self.seen().problems.iter().map(|problem| problem.kind).collect()
    }

    fn but(change: impl FnOnce(&mut Self)) -> Self {
        let mut scene = Self::whole();
        change(&mut scene);
        scene
    }
}

fn set(name: &str, uid: &str) -> Value {
    json!({
        "metadata": {
            "name": name, "uid": uid,
            "annotations": { "stateward.dev/writes": "manager-only", "stateward.dev/manager": format!("{name}-0") },
        },
        "spec": {
            "replicas": 3, "serviceName": "ledger", "updateStrategy": { "type": "RollingUpdate" },
            "template": { "metadata": { "labels": { "app": "ledger", "stateward.dev/governed": "true" } } },
        },
    })
}

fn pod(ordinal: u32) -> Value {
    let (role, write) = if ordinal == 0 { ("manager", "allow") } else { ("worker", "deny") };
    let owner =
        json!({ "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "ledger", "uid": "1", "controller": true });
    json!({
        "metadata": {
            "name": format!("ledger-{ordinal}"), "ownerReferences": [owner],
            "labels": { "app": "ledger", "stateward.dev/governed": "true", "stateward.dev/role": role, "stateward.dev/set": "ledger" },
            "annotations": {
                "stateward.dev/write": write, "stateward.dev/ordinal": ordinal.to_string(),
                "stateward.dev/manager-host": "ledger-0.ledger.shop.svc",
            },
        },
        "spec": { "nodeName": format!("node-{ordinal}") },
        "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] },
    })
}

fn service(name: &str, selector: &Value, is_headless: bool) -> Value {
    let address = if is_headless { "None" } else { "10.0.0.1" };
    json!({ "metadata": { "name": name }, "spec": { "clusterIP": address, "selector": selector } })
}

fn endpoint(service: &str, pod: &str) -> Endpoint {
    Endpoint {
        service: service.to_owned(),
        slice: format!("{service}-x7k2p"),
        is_derived: true,
        pod: Some(pod.to_owned()),
        addresses: vec!["10.1.0.1".to_owned()],
        is_ready: true,
    }
}

/// As a member is made while nobody stamps it.
fn unstamp(pod: &mut Value) {
    pod["metadata"]["annotations"] = json!({});
    pod["metadata"]["labels"] = json!({ "app": "ledger" });
}

#[test]
fn a_whole_set_has_no_problem() {
    insta::assert_json_snapshot!(Scene::whole().seen());
}

#[test]
fn members_without_a_role_are_made_anew_from_the_last_to_the_manager() {
    let all = Scene::but(|scene| scene.pods.iter_mut().for_each(unstamp));
    let on_delete = Scene::but(|scene| {
        scene.pods.iter_mut().for_each(unstamp);
        scene.set["spec"]["updateStrategy"] = json!({ "type": "OnDelete" });
    });
    let partitioned = Scene::but(|scene| {
        scene.pods[..2].iter_mut().for_each(unstamp);
        scene.set["spec"]["updateStrategy"]["rollingUpdate"] = json!({ "partition": 2 });
    });
    let worker = Scene::but(|scene| unstamp(&mut scene.pods[1]));
    let manager = Scene::but(|scene| unstamp(&mut scene.pods[0]));
    let told = [all, on_delete, partitioned, worker, manager].map(|scene| scene.told());
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_manager_that_is_away_is_said_and_its_service_is_not_blamed() {
    let away = |change: &dyn Fn(&mut Scene)| {
        Scene::but(|scene| {
            scene.endpoints.clear();
            change(scene);
        })
        .told()
    };
    let told = [
        away(&|scene| scene.set["spec"]["replicas"] = json!(0)),
        away(&|scene| _ = scene.pods.remove(0)),
        away(&|scene| scene.pods[0]["status"]["conditions"] = json!([])),
        away(&|scene| scene.pods[0]["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z")),
        away(&|scene| scene.pods[0]["metadata"]["ownerReferences"][0]["uid"] = json!("0")),
        away(&|scene| {
            let metadata = &mut scene.pods[0]["metadata"];
            metadata["labels"]["stateward.dev/role"] = json!("worker");
            metadata["annotations"]["stateward.dev/write"] = json!("deny");
        }),
    ];
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn roles_that_nobody_computed_are_said() {
    let second = Scene::but(|scene| {
        scene.pods[1]["metadata"]["labels"]["stateward.dev/role"] = json!("manager");
        scene.pods[1]["metadata"]["annotations"]["stateward.dev/write"] = json!("allow");
        scene.endpoints.push(endpoint("ledger-write", "ledger-1"));
    });
    let annotated =
        Scene::but(|scene| scene.pods[2]["metadata"]["annotations"]["stateward.dev/write"] = json!("allow"));
    let elsewhere = Scene::but(|scene| {
        scene.pods[2]["metadata"]["annotations"]["stateward.dev/manager-host"] = json!("evil.example.com")
    });
    let stranger = Scene::but(|scene| {
        scene.pods.push(json!({ "metadata": {
            "name": "loader", "labels": { "stateward.dev/role": "worker", "stateward.dev/set": "ledger" },
        } }));
    });
    // On its way out it still writes; once it has ended it does not.
    let leaving = Scene::but(|scene| {
        let mut old = pod(0);
        old["metadata"]["name"] = json!("ledger-7");
        old["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        scene.pods.push(old);
    });
    let unrecorded =
        Scene::but(|scene| scene.set["metadata"]["annotations"]["stateward.dev/manager"] = json!("ledger-1"));
    let told = [second, annotated, elsewhere, stranger, leaving.clone(), unrecorded].map(|scene| scene.told());
    insta::assert_snapshot!(told.join("\n"));
    let mut ended = leaving;
    ended.pods[3]["status"]["phase"] = json!("Succeeded");
    assert!(!ended.kinds().contains(&"two-writers"), "{:?}", ended.kinds());
}

/// Left from before it was made anew, or forged while nobody judged.
#[test]
fn a_role_beside_a_plain_set_is_said() {
    let plain = |name: &str| {
        Scene::but(|scene| {
            scene.set["metadata"]["annotations"] = json!({});
            for (number, pod) in scene.pods.iter_mut().enumerate() {
                let owner = if number == 0 { Value::Null } else { pod["metadata"]["ownerReferences"].clone() };
                let labels = if number == 0 { pod["metadata"]["labels"].clone() } else { json!({}) };
                pod["metadata"] =
                    json!({ "name": pod["metadata"]["name"], "labels": labels, "ownerReferences": owner });
            }
            scene.pods[0]["metadata"]["name"] = json!(name);
        })
    };
    for name in ["ledger-0", "ledger-7"] {
        let scene = plain(name);
        assert_eq!(scene.kinds(), ["role-of-a-stranger", "undeclared"]);
        assert!(
            scene.told().contains(&format!("pod `{name}` carries the role `manager` of `ledger`")),
            "{}",
            scene.told()
        );
    }
}

#[test]
fn services_that_lead_writes_elsewhere_are_said() {
    let none = Scene::but(|scene| {
        scene.services.remove(1);
        scene.endpoints.clear();
    });
    let all = Scene::but(|scene| scene.services[1]["spec"]["selector"] = json!({ "app": "ledger" }));
    let nobody = Scene::but(|scene| {
        scene.services[1]["spec"]["selector"]["app"] = json!("leger");
        scene.endpoints.clear();
    });
    let nowhere = Scene::but(|scene| scene.endpoints.clear());
    let unlabelled = Scene::but(|scene| {
        scene.services[1]["spec"]["selector"]["app"] = json!("ledger");
        scene.pods[0]["metadata"]["labels"]["app"] = json!("other");
        scene.endpoints.clear();
    });
    let by_hand = Scene::but(|scene| {
        scene.endpoints.push(Endpoint { pod: None, is_derived: false, ..endpoint("ledger-write", "") });
    });
    let shared = Scene::but(|scene| {
        scene.others.push(set("journal", "2"));
        scene.services.push(service("books", &json!({ "app": "ledger" }), false));
    });
    let alone = Scene::but(|scene| {
        scene.set["spec"]["replicas"] = json!(1);
        scene.pods.truncate(1);
        scene.services.push(service("books", &json!({ "app": "ledger" }), false));
    });
    let none_yet = Scene::but(|scene| {
        scene.services.remove(1);
        scene.endpoints.clear();
        scene.pods.clear();
    });
    let told = [none, none_yet, all, nobody, nowhere, unlabelled, by_hand, shared, alone].map(|scene| scene.told());
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn services_of_single_members_and_for_reading_are_no_problem() {
    let pod_name = "statefulset.kubernetes.io/pod-name";
    for (name, selector) in [
        ("ledger-1-direct", json!({ pod_name: "ledger-1" })),
        ("followers", json!({ "stateward.dev/role": "worker", "stateward.dev/set": "ledger" })),
        ("other", json!({ "app": "wiki" })),
        ("outside", json!({})),
    ] {
        let scene = Scene::but(|scene| scene.services.push(service(name, &selector, false)));
        assert!(scene.kinds().is_empty(), "{name}: {}", scene.told());
    }
    // By the manager's name it is for writing as well.
    let named = Scene::but(|scene| scene.services[1]["spec"]["selector"] = json!({ pod_name: "ledger-0" }));
    assert!(named.kinds().is_empty(), "{}", named.told());
    // What the settings say is for reading.
    let mut facts =
        Scene::but(|scene| scene.services.push(service("reports", &json!({ "app": "ledger" }), false))).facts();
    assert_eq!(judge(&facts, "ledger").unwrap().problems.len(), 1);
    facts.settings = vec![serde_json::from_value(json!({ "readOnlyServiceNames": { "add": ["reports"] } })).unwrap()];
    assert!(judge(&facts, "ledger").unwrap().problems.is_empty());
}

#[test]
fn a_set_that_declares_nothing_is_told_how_to_join() {
    let declaring = |writes: Value| Scene::but(|scene| scene.set["metadata"]["annotations"] = writes);
    let told = [json!({}), json!({ "stateward.dev/writes": "any" }), json!({ "stateward.dev/writes": "first" })]
        .map(|writes| declaring(writes).told());
    insta::assert_snapshot!(told.join("\n"));
    let undeclared = declaring(json!({}));
    assert!(judge_governed(&undeclared.facts()).is_empty());
    assert_eq!(undeclared.seen().manager, None);
}

#[test]
fn what_cannot_be_read_is_unknown_and_no_problem() {
    let facts = Facts { pods: None, services: None, endpoints: None, ..Scene::whole().facts() };
    let seen = judge(&facts, "ledger").unwrap();
    assert_eq!((seen.members, seen.ready, seen.unstamped, seen.write_services), (None, None, None, None));
    assert!(seen.problems.is_empty(), "{:?}", seen.problems);
    let facts = Facts { endpoints: None, ..Scene::whole().facts() };
    let seen = judge(&facts, "ledger").unwrap();
    assert_eq!(seen.write_services.unwrap()[0].endpoints, None);
    assert!(seen.problems.is_empty(), "{:?}", seen.problems);
}

#[test]
fn members_that_are_wanted_and_not_there_have_a_line() {
    let scene = Scene::but(|scene| _ = scene.pods.remove(2));
    let names: Vec<String> = scene.seen().members.unwrap().into_iter().map(|member| member.name).collect();
    assert_eq!(names, ["ledger-0", "ledger-1", "ledger-2"]);
    assert_eq!(scene.kinds(), ["members-missing"]);
    let huge = Scene::but(|scene| scene.set["spec"]["replicas"] = json!(2_000_000_000));
    assert_eq!(huge.seen().members.unwrap().len(), 23);
}

#[test]
fn every_kind_of_problem_is_in_the_guide() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = std::fs::read_to_string(root.join("../../deploy/README.md")).unwrap();
    let mut kinds = Vec::new();
    for file in ["problems.rs", "services.rs"] {
        let source = std::fs::read_to_string(root.join("src/roles").join(file)).unwrap();
        let made = source.split("problem(").skip(1).map(str::trim_start).filter_map(|rest| rest.strip_prefix('"'));
        kinds.extend(made.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
    }
    assert!(kinds.len() >= 15, "{kinds:?}");
    for kind in kinds {
        assert!(guide.contains(&format!("`{kind}`")), "deploy/README.md does not know `{kind}`");
    }
}

proptest! {
    /// Whatever some members carry and wherever the set begins: there is one manager, only exact keys are right, and something is said of all others.
    #[test]
    fn only_what_is_computed_is_right(
        start in 0_u32..3,
        roles in prop::collection::vec(prop::option::of(prop_oneof![Just("manager"), Just("worker"), Just("boss")]), 4),
        writes in prop::collection::vec(prop_oneof![Just("allow"), Just("deny")], 4),
    ) {
        let mut scene = Scene::whole();
        scene.set["spec"]["ordinals"] = json!({ "start": start });
        scene.set["spec"]["replicas"] = json!(roles.len());
        scene.set["metadata"]["annotations"]["stateward.dev/manager"] = json!(format!("ledger-{start}"));
        scene.pods.clear();
        for (ordinal, (role, write)) in (start..).zip(roles.iter().zip(&writes)) {
            let mut pod = pod(ordinal);
            let metadata = &mut pod["metadata"];
            match role {
                Some(role) => metadata["labels"]["stateward.dev/role"] = json!(role),
                None => _ = metadata["labels"].as_object_mut().unwrap().remove("stateward.dev/role"),
            }
            metadata["annotations"]["stateward.dev/write"] = json!(write);
            metadata["annotations"]["stateward.dev/manager-host"] = json!(format!("ledger-{start}.ledger.shop.svc"));
            scene.pods.push(pod);
        }
        scene.endpoints = vec![endpoint("ledger-write", &format!("ledger-{start}"))];
        let seen = scene.seen();
        prop_assert_eq!(seen.manager, Some(format!("ledger-{start}")));
        let members = seen.members.unwrap();
        let is_right = |member: &Member| member.stamp == Some(Stamp::Right);
        for (member, (role, write)) in members.iter().zip(roles.iter().zip(&writes)) {
            let expected = if member.ordinal == i64::from(start) { ("manager", "allow") } else { ("worker", "deny") };
            prop_assert_eq!(is_right(member), (*role, *write) == (Some(expected.0), expected.1));
            prop_assert_eq!(is_right(member), member.differences.is_empty());
            let is_told = seen.problems.iter().any(|problem| problem.message.contains(&format!("`{}`", member.name)));
            prop_assert!(is_right(member) || is_told, "{}: {:?}", member.name, seen.problems);
        }
        let writers = roles.iter().zip(&writes).filter(|(role, write)| **role == Some("manager") || **write == "allow").count();
        prop_assert_eq!(seen.problems.iter().any(|problem| problem.kind == "two-writers"), writers > 1);
        prop_assert_eq!(seen.problems.is_empty(), members.iter().all(is_right));
    }
}
