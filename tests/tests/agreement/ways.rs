//! The three ways to be judged say the same of what is stored: a server that is asked as the API server asks, `check` and `audit`; with exemptions, and
//! namespaces that raise the profile.
//!
//! What is stored is what the server's mutation made of the objects, of the neighbours, too. `check` is asked about that, and about the objects as they were
//! written: of both it says what the server says of what is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use serde_json::{Value, json};
use stateward_core::request::GroupVersionKind;
use stateward_manifests::kinds;
use stateward_sdk::bindings::stateward::policy::types::RuleKind;
use stateward_tests::client::{Connection, Protocol};
use stateward_tests::server::Serve;
use stateward_tests::{root, stateward};

use crate::case::Case;
use crate::objects;

/// Of one object, `deny family/rule`, ..
type Said = BTreeMap<(String, String, String), BTreeSet<String>>;

/// Compares all objects of all cases.
pub(crate) fn agree(cases: &mut [Case]) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (mut cluster, mut exemptions) = (objects::cluster(), Vec::new());
    let expires = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24);
    for (number, case) in cases.iter_mut().enumerate() {
        let namespace = format!("case-{number}");
        case.move_to(&namespace);
        // Of what has no name yet nobody is told apart in an answer.
        case.objects.retain(|object| object["metadata"]["name"].is_string());
        // The API server converts what it no longer serves before it asks.
        for set in case.objects.iter_mut().filter(|object| object["kind"] == "StatefulSet") {
            set["apiVersion"] = "apps/v1".into();
        }
        let profile = if number % 3 == 0 { "strict" } else { "baseline" };
        cluster.push(json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": { "name": namespace, "labels": { "stateward.dev/profile": profile, "kubernetes.io/metadata.name": namespace } },
        }));
        let named = case.objects.first().map(|object| object["metadata"]["name"].clone());
        if let Some(name) = named.filter(|_| number % 4 == 0) {
            exemptions.push(json!({
                "apiVersion": "stateward.dev/v1alpha1", "kind": "PolicyExemption",
                "metadata": { "name": "some", "namespace": namespace },
                "spec": {
                    "rules": ["remote-volumes/*", "ordered-identity/zero-grace"], "names": [name],
                    "reason": "to see", "expires": expires,
                },
            }));
        }
    }
    let list = |items: &[Value]| json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string();
    std::fs::create_dir(path("policies")).unwrap();
    std::fs::copy(root().join("deploy/base/policies.yaml"), path("policies/policies.yaml")).unwrap();
    std::fs::write(path("policies/exemptions.json"), list(&exemptions)).unwrap();

    std::fs::create_dir(path("cluster")).unwrap();
    std::fs::write(path("cluster/cluster.json"), list(&cluster)).unwrap();
    std::fs::write(path("cluster/objects.json"), list(&written(cases))).unwrap();
    let stored = with_server(folder.path(), async |_, connection| {
        let mut stored = Vec::new();
        for object in cases.iter().flat_map(|case| &case.objects) {
            stored.push(admit(connection, object).await);
        }
        stored
    });
    std::fs::rename(path("cluster/objects.json"), path("written.json")).unwrap();
    std::fs::write(path("cluster/objects.json"), list(&stored)).unwrap();
    let served = with_server(folder.path(), async |serve, connection| judge(serve, connection, &stored).await);
    let ways = [("check", "written.json"), ("check", "cluster/objects.json"), ("audit", "cluster/objects.json")];
    let ways = ways.map(|(command, objects)| (format!("{command} {objects}"), run(command, folder.path(), objects)));

    let said: usize = served.values().map(BTreeSet::len).sum();
    println!("{} objects, {said} times a rule had something to say", served.len());
    assert!(said > served.len() / 2, "{said} of {}", served.len());
    let mut differences: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (object, server) in &served {
        for (way, others) in &ways {
            let other = others.get(object).cloned().unwrap_or_default();
            for line in server.symmetric_difference(&other) {
                let who = if server.contains(line) { "the server" } else { way };
                differences
                    .entry(format!("{line}: of server and {way} only {who}"))
                    .or_default()
                    .push(format!("{object:?}"));
            }
        }
    }
    let words = differences.iter().map(|(line, of)| format!("{line}: {} times, {}", of.len(), of[0]));
    assert!(differences.is_empty(), "{}", words.collect::<Vec<_>>().join("\n"));
}

fn written(cases: &[Case]) -> Vec<Value> {
    cases.iter().flat_map(|case| case.objects.iter().cloned()).collect()
}

/// Runs something beside a server that has what is in the folder.
fn with_server<T>(folder: &Path, then: impl AsyncFnOnce(&Serve, &mut Connection) -> T) -> T {
    let flag = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (policies, cluster) = (flag("policies"), flag("cluster"));
    let serve = Serve::start(&["--policies", &policies, "--inventory", &cluster, "--drain-delay", "0"]).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = serve.endpoint().unwrap().connect(Protocol::Http2).await.unwrap();
        then(&serve, &mut connection).await
    })
}

/// What would be stored were nobody to refuse it.
async fn admit(connection: &mut Connection, object: &Value) -> Value {
    let answer: Value = serde_json::from_str(&post(connection, "/mutate", object).await).unwrap();
    let mut object = object.clone();
    if let Some(patch) = answer["response"]["patch"].as_str() {
        let patch = base64::engine::general_purpose::STANDARD.decode(patch).unwrap();
        let patch: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
        json_patch::patch(&mut object, &patch).unwrap();
    }
    object
}

/// Posts every object to all validating calls, and answers what was said.
async fn judge(serve: &Serve, connection: &mut Connection, stored: &[Value]) -> Said {
    let (mut said, asked) = (Said::new(), judged());
    // The server remembers 1,000 answers.
    for some in stored.chunks(300) {
        for object in some {
            said.insert(key(object), BTreeSet::new());
            for path in ["/validate/closed", "/validate/fail", "/validate/ignore"] {
                post(connection, path, object).await;
            }
        }
        let told: Value = serde_json::from_str(&serve.get("/decisions").unwrap().1).unwrap();
        for decision in told["decisions"].as_array().unwrap() {
            let text = |field: &str| decision[field].as_str().unwrap_or_default().to_owned();
            let Some(lines) = said.get_mut(&(text("namespace"), text("kind"), text("name"))) else { continue };
            let rules = decision["rules"].as_array().into_iter().flatten().filter_map(Value::as_str);
            lines.extend(rules.filter(|line| is_compared(line, &asked)).map(str::to_owned));
        }
    }
    said
}

async fn post(connection: &mut Connection, path: &str, object: &Value) -> String {
    let api_version = object["apiVersion"].as_str().unwrap();
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let kind = object["kind"].as_str().unwrap();
    let of = GroupVersionKind { group: group.into(), version: version.into(), kind: kind.into() };
    let resource = kinds::resource(&of).resource;
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "1", "operation": "CREATE", "dryRun": false, "object": object, "oldObject": null,
            "kind": { "group": group, "version": version, "kind": kind },
            "resource": { "group": group, "version": version, "resource": resource },
            "name": object["metadata"]["name"], "namespace": object["metadata"]["namespace"],
            "userInfo": { "username": "alice", "groups": ["system:authenticated"] },
        },
    });
    let answer = connection.post(path, review.to_string()).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}

/// By the rules that judge and need no user: those are decided when somebody asks, and undecided of what is stored.
fn is_compared(line: &str, judged: &BTreeSet<String>) -> bool {
    line.split_once(' ').is_some_and(|(_, rule)| judged.contains(rule))
}

fn judged() -> BTreeSet<String> {
    let rules = stateward_stateful::describe().rules.into_iter();
    let judging = rules.filter(|rule| rule.kind == RuleKind::Validate && !rule.needs_user).map(|rule| rule.id);
    judging.filter(|rule| !USER_BOUND.contains(&rule.as_str())).collect()
}

fn key(object: &Value) -> (String, String, String) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&object["metadata"]["namespace"]), text(&object["kind"]), text(&object["metadata"]["name"]))
}

fn run(command: &str, folder: &Path, objects: &str) -> Said {
    let output = Command::new(stateward())
        .args([command, "-o", "json"])
        .arg(folder.join(objects))
        .arg("--policies")
        .arg(folder.join("policies"))
        .arg("--inventory")
        .arg(folder.join("cluster/cluster.json"))
        .output()
        .unwrap();
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let (judged, mut said) = (judged(), Said::new());
    let results = report["results"].as_array().unwrap().iter();
    let results = results.map(|one| (one, one["action"].as_str().unwrap_or_default().to_lowercase()));
    let undecided = report["undecided"].as_array().unwrap().iter().map(|one| (one, "undecided".to_owned()));
    for (one, word) in results.chain(undecided) {
        let text = |field: &str| one[field].as_str().unwrap_or_default().to_owned();
        let line = format!("{word} {}", text("rule"));
        if is_compared(&line, &judged) {
            said.entry((text("namespace"), text("kind"), text("name"))).or_default().insert(line);
        }
    }
    said
}

/// Rules that say something else where it is known who asks, without needing it: a person's pod is judged by others, and of a set that somebody makes now no
/// member is there.
const USER_BOUND: [&str; 3] =
    ["manager-writes/missing-role", "manager-writes/rival-claim", "manager-writes/unstamped-members"];
