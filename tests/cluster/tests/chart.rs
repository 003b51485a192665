//! What is installed: `deploy/base` and `deploy/chart` hold the same objects, the code's names, and every right that built-in rules need.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use stateward_cluster::names;
use stateward_cluster_tests::binaries::{self, Program};
use stateward_cluster_tests::{root, skip};
use stateward_manifests::{kinds, read_data_text};

/// Objects by kind, namespace and name.
type Objects = BTreeMap<(String, String, String), Value>;

#[test]
fn the_chart_renders_what_base_holds() {
    let Some((mut base, chart)) = base().zip(chart(&[])) else { return };
    // Helm stores a release in its namespace, so it makes that before any object of the chart.
    base.retain(|(kind, ..), _| kind != "Namespace");
    let names = |objects: &Objects| objects.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&base), names(&chart));
    for (name, object) in base {
        assert_eq!(chart[&name], object, "{name:?}");
    }
}

/// Other values, another namespace: nothing of the defaults is left, and every object is still well-formed.
#[test]
fn values_reach_the_objects() {
    let namespace = ["--namespace", "elsewhere"];
    let settings = [
        "bindAddress=[::]",
        "webhookPort=10250",
        "probeNamespace=probes",
        "policies.mode=Audit",
        "policies.overrides.operations.mode=Warn",
        "priorityClassName=",
        "image.repository=registry.example.com/stateward",
        "image.tag=1.2.3",
        "extraRules[0].apiGroups[0]=batch",
        "extraRules[0].resources[0]=jobs",
        "extraRules[0].verbs[0]=get",
    ];
    let arguments: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).chain(namespace).collect();
    let Some(objects) = chart(&arguments) else { return };
    let text = serde_json::to_string(&objects.values().collect::<Vec<_>>()).unwrap();
    for old in ["stateward-system", "0.0.0.0", "]:9443", "ResourceQuota", "priorityClassName"] {
        assert!(!text.contains(old), "`{old}` is still there");
    }
    let object = |kind: &str, namespace: &str, name: &str| {
        let key = (kind.to_owned(), namespace.to_owned(), name.to_owned());
        objects.get(&key).unwrap_or_else(|| panic!("{key:?}"))
    };
    let container = &object("Deployment", "elsewhere", "stateward")["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], "registry.example.com/stateward:1.2.3");
    assert_eq!(container["args"][2], "--listen=[::]:10250");
    assert_eq!(object("WasmPolicy", "", "operations")["spec"]["mode"], "Warn");
    assert_eq!(object("WasmPolicy", "", "remote-volumes")["spec"]["mode"], "Audit");
    assert_eq!(object("RoleBinding", "probes", "stateward-probe")["subjects"][0]["namespace"], "elsewhere");
    let rules = object("ClusterRole", "", "stateward")["rules"].as_array().unwrap();
    assert!(rules.iter().any(|rule| rule["apiGroups"][0] == "batch"));
}

/// What is claimed has a control plane to be tested on: the oldest folder of `tests/controlplane`.
#[test]
fn the_oldest_kubernetes_that_is_claimed_is_one_of_the_tests() {
    let folders = fs::read_dir(binaries::module()).unwrap().map(|entry| entry.unwrap().file_name());
    let minor = |name: &str| name.strip_prefix("1.")?.parse::<u32>().ok();
    let oldest = folders.filter_map(|name| minor(&name.to_string_lossy())).min().unwrap();
    for (file, claim) in [
        ("deploy/chart/Chart.yaml", format!("kubeVersion: \">=1.{oldest}.0-0\"\n")),
        ("deploy/README.md", format!("Kubernetes 1.{oldest} or newer")),
        ("README.md", format!("cargo xtask test --kubernetes 1.{oldest} ")),
    ] {
        assert!(fs::read_to_string(root().join(file)).unwrap().contains(&claim), "{file} does not say `{claim}`");
    }
}

#[test]
fn the_chart_takes_no_value_that_it_does_not_know() {
    let Some(helm) = helm() else { return };
    let output = template(&helm, &["--set", "replcas=2"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("'replcas' not allowed"), "{said}");
}

#[test]
fn every_value_has_a_schema_with_a_description() {
    let values = read_file("deploy/chart/values.yaml");
    let schema: Value = serde_json::from_str(&text("deploy/chart/values.schema.json")).unwrap();
    check_described(&values[0], &schema, "");
}

#[test]
fn the_charts_kinds_and_version_are_the_projects() {
    for name in ["wasmpolicies", "policyexemptions"] {
        let file = format!("{name}.stateward.dev.yaml");
        assert_eq!(text(&format!("deploy/chart/crds/{file}")), text(&format!("deploy/crds/{file}")), "{file}");
    }
    let chart = read_file("deploy/chart/Chart.yaml").remove(0);
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn base_holds_the_shipped_policies() {
    assert_eq!(text("deploy/base/policies.yaml"), text("policies/builtin/src/default-policies.yaml"));
}

#[test]
fn base_has_the_names_that_the_code_knows() {
    let Some(base) = base() else { return };
    let has = |kind: &str, namespace: &str, name: &str| {
        let key = (kind.to_owned(), namespace.to_owned(), name.to_owned());
        assert!(base.contains_key(&key), "there is no {key:?}");
    };
    has("Namespace", "", names::NAMESPACE);
    has("ClusterRole", "", names::APP);
    for kind in ["Deployment", "Service", "ServiceAccount", "PodDisruptionBudget", "Role", "RoleBinding"] {
        has(kind, names::NAMESPACE, names::APP);
    }
    let service = &base[&("Service".to_owned(), names::NAMESPACE.to_owned(), names::APP.to_owned())];
    assert_eq!(service["spec"]["ports"][0]["targetPort"], "webhook");
    let deployment = &base[&("Deployment".to_owned(), names::NAMESPACE.to_owned(), names::APP.to_owned())];
    let ports = deployment["spec"]["template"]["spec"]["containers"][0]["ports"].as_array().unwrap();
    assert!(ports.iter().any(|port| port["name"] == "webhook" && port["containerPort"] == names::PORT), "{ports:?}");
    let rights = serde_json::to_string(&rules(&base, "Role", names::NAMESPACE)).unwrap();
    assert!(rights.contains(names::CERTIFICATES), "{rights}");
}

/// A rule that looks up a kind which the role does not grant would be undecided in every cluster.
#[test]
fn base_grants_what_built_in_rules_look_up() {
    let Some(base) = base() else { return };
    let granted = rules(&base, "ClusterRole", "");
    let reads = stateward_native::component().manifest;
    let (mut missing, mut surplus) = (BTreeSet::new(), BTreeSet::new());
    for read in reads.rules.iter().flat_map(|rule| &rule.reads) {
        let resource = kinds::resource(&read.kind);
        let needed = match resource.resource.as_ref() {
            // Read live and never watched.
            "pods" => &["get", "list"][..],
            // Followed, and asked for where one was made a moment ago.
            "statefulsets" | "namespaces" => &["get", "list", "watch"],
            _ => &["list", "watch"],
        };
        let allows = |field: &str, value: &str, rule: &Value| {
            rule[field].as_array().is_some_and(|all| all.iter().any(|each| each == value))
        };
        for verb in ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"] {
            let is_granted = granted.iter().any(|rule| {
                allows("apiGroups", &resource.group, rule)
                    && allows("resources", &resource.resource, rule)
                    && allows("verbs", verb, rule)
                    && rule["resourceNames"].is_null()
            });
            let right = format!("{verb} {}.{}", resource.resource, resource.group);
            match (needed.contains(&verb), is_granted) {
                (true, false) => missing.insert(right),
                (false, true) => surplus.insert(right),
                _ => false,
            };
        }
    }
    assert_eq!((missing, surplus), (BTreeSet::new(), BTreeSet::new()), "missing and surplus");
}

/// Least rights: nothing is a wildcard, Secrets are read by name, and nothing gives rights away.
#[test]
fn base_grants_nothing_by_wildcard() {
    let Some(base) = base() else { return };
    let all: Vec<Value> = base
        .iter()
        .filter(|((kind, ..), _)| kind == "ClusterRole" || kind == "Role")
        .flat_map(|(_, role)| role["rules"].as_array().cloned().unwrap_or_default())
        .collect();
    assert!(!all.is_empty());
    for rule in all {
        let said = rule.to_string();
        for word in ["*", "escalate", "bind", "impersonate"] {
            assert!(!said.contains(&format!("\"{word}\"")), "`{word}` in {said}");
        }
        // A Secret that is made and not read gives nothing away.
        let is_create = rule["verbs"] == serde_json::json!(["create"]);
        assert!(!said.contains("\"secrets\"") || rule["resourceNames"].is_array() || is_create, "{said}");
    }
}

/// An exemption excuses what its author may write, so writing one is a right of its own.
#[test]
fn the_right_to_exempt_is_not_aggregated() {
    let Some(base) = base() else { return };
    let text = serde_json::to_string(&base.values().collect::<Vec<_>>()).unwrap();
    assert!(!text.contains("rbac.authorization.k8s.io/aggregate-to-"));
}

fn rules(objects: &Objects, kind: &str, namespace: &str) -> Vec<Value> {
    let role = &objects[&(kind.to_owned(), namespace.to_owned(), names::APP.to_owned())];
    role["rules"].as_array().cloned().unwrap_or_default()
}

/// Descends as far as the schema names properties; free-form values are described as a whole.
fn check_described(value: &Value, schema: &Value, path: &str) {
    let (Some(fields), Some(properties)) = (value.as_object(), schema["properties"].as_object()) else { return };
    assert_eq!(schema["additionalProperties"], Value::Bool(false), "`{path}` takes any name");
    for (name, value) in fields {
        let path = format!("{path}.{name}");
        let schema = properties.get(name).unwrap_or_else(|| panic!("`{path}` is not in the schema"));
        assert!(schema["description"].as_str().is_some_and(|text| text.ends_with('.')), "`{path}` is not described");
        check_described(value, schema, &path);
    }
}

fn base() -> Option<Objects> {
    let Some(kubectl) = binaries::kubectl() else {
        skip("chart", "there is no kubectl");
        return None;
    };
    let output = Command::new(kubectl).arg("kustomize").arg(root().join("deploy/base")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(objects("deploy/base", &String::from_utf8(output.stdout).unwrap()))
}

fn chart(arguments: &[&str]) -> Option<Objects> {
    let output = template(&helm()?, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(objects("deploy/chart", &String::from_utf8(output.stdout).unwrap()))
}

fn helm() -> Option<PathBuf> {
    let helm = binaries::find(Program::Helm).unwrap();
    if helm.is_none() {
        skip("chart", "helm is built with Go, and there is none");
    }
    helm
}

/// Without the user's own settings of Helm.
fn template(helm: &Path, arguments: &[&str]) -> std::process::Output {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(helm);
    for folder in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        command.env(folder, home.path());
    }
    command.args(["template", names::APP]).arg(root().join("deploy/chart"));
    command.args(["--include-crds", "--namespace", names::NAMESPACE]).args(arguments).output().unwrap()
}

fn objects(name: &str, yaml: &str) -> Objects {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut objects = Objects::new();
    for object in read(name, yaml) {
        let metadata = &object["metadata"];
        let key = (text(&object["kind"]), text(&metadata["namespace"]), text(&metadata["name"]));
        assert!(objects.insert(key.clone(), object).is_none(), "{name} holds {key:?} twice");
    }
    objects
}

fn read_file(path: &str) -> Vec<Value> {
    read(path, &text(path))
}

fn read(name: &str, yaml: &str) -> Vec<Value> {
    let files = read_data_text(name, yaml.to_owned());
    assert!(files.errors.is_empty(), "{name}: {:?}", files.errors);
    files.documents.iter().map(|document| document.value()).collect()
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
