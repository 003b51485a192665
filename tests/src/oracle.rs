//! The first object and look-up rules a second time, written from `rules.md` on plain JSON trees and nothing else.
//! Slow and simple on purpose: what agrees with it was not wrong in the same way twice.

use std::collections::BTreeSet;

use serde_json::Value;

/// `rule action`, or `rule undecided`.
pub type Expected = BTreeSet<String>;

/// Other objects of the input: `None` where the kind is not known there.
#[derive(Clone, Debug, Default)]
pub struct Neighbours {
    /// Services of the set's namespace.
    pub services: Option<Vec<Value>>,
    /// All StorageClasses.
    pub classes: Option<Vec<Value>>,
}

/// What the rules must find in a set at CREATE.
pub fn judge(set: &Value, neighbours: &Neighbours, is_strict: bool) -> Expected {
    let mut expected = Expected::new();
    let mut fires = |rule: &str, baseline: &str, strict: &str| {
        expected.insert(format!("{rule} {}", if is_strict { strict } else { baseline }));
    };
    let spec = &set["spec"];
    let pod = &spec["template"]["spec"];
    let replicas = spec["replicas"].as_i64().unwrap_or(1);
    let is_several = replicas >= 2;
    let is_ordered = matches!(spec["podManagementPolicy"].as_str(), None | Some("OrderedReady"));
    let templates = list(&spec["volumeClaimTemplates"]);

    if pod["terminationGracePeriodSeconds"].as_i64() == Some(0) {
        fires("ordered-identity/zero-grace", "deny", "deny");
    }
    if set["metadata"]["name"].as_str().is_some_and(|name| name.len() > 52) {
        fires("ordered-identity/name-too-long", "deny", "deny");
    }
    if spec["podManagementPolicy"].as_str() == Some("Parallel") {
        fires("ordered-identity/parallel-management", "audit", "deny");
    }
    if is_ordered && is_several && !long_running(pod).any(|container| container["readinessProbe"].is_object()) {
        fires("ordered-identity/no-readiness-gate", "warn", "deny");
    }
    let when_several = if is_several { "warn" } else { "audit" };
    let service_name = spec["serviceName"].as_str().unwrap_or_default();
    if service_name.is_empty() {
        fires("ordered-identity/no-service-name", when_several, "deny");
    } else if let Some(services) = &neighbours.services {
        let service = services.iter().find(|service| service["metadata"]["name"] == service_name);
        if service.is_some_and(|service| !is_headless(service)) {
            fires("ordered-identity/not-headless", when_several, "deny");
        }
    }

    if templates.is_empty() {
        fires("remote-volumes/no-claim-template", "audit", "deny");
    }
    for template in templates {
        let modes = list(&template["spec"]["accessModes"]);
        if modes.len() > 1 || modes.iter().any(|mode| mode == "ReadWriteMany" || mode == "ReadOnlyMany") {
            fires("remote-volumes/shared-access-mode", "warn", "deny");
        }
        if modes.is_empty() || template["spec"]["resources"]["requests"]["storage"].is_null() {
            fires("remote-volumes/incomplete-claim", "deny", "deny");
        }
    }
    if is_several && list(&pod["volumes"]).iter().any(|volume| is_shared(volume, pod, templates)) {
        fires("remote-volumes/shared-claim", "deny", "deny");
    }
    if let Some(classes) = &neighbours.classes
        && templates.iter().any(|template| class_of(template, classes).is_some_and(is_node_local))
    {
        fires("remote-volumes/local-class", "warn", "deny");
    }
    if !service_name.is_empty() && neighbours.services.is_none() {
        expected.insert("ordered-identity/not-headless undecided".to_owned());
    }
    if neighbours.classes.is_none() && templates.iter().any(|template| class_name(template) != Some("")) {
        expected.insert("remote-volumes/local-class undecided".to_owned());
    }
    expected
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Containers, and init containers that go on running beside them.
fn long_running(pod: &Value) -> impl Iterator<Item = &Value> {
    let sidecars = list(&pod["initContainers"]).iter().filter(|container| container["restartPolicy"] == "Always");
    list(&pod["containers"]).iter().chain(sidecars)
}

fn is_headless(service: &Value) -> bool {
    let spec = &service["spec"];
    spec["clusterIP"] == "None" || list(&spec["clusterIPs"]).first().is_some_and(|address| address == "None")
}

/// A claim named in the pod is one claim for all members, unless a claim template of that volume's name wins over it, or nobody writes to it.
fn is_shared(volume: &Value, pod: &Value, templates: &[Value]) -> bool {
    let claim = &volume["persistentVolumeClaim"];
    let is_hidden = templates.iter().any(|template| template["metadata"]["name"] == volume["name"]);
    claim.is_object() && !is_hidden && claim["readOnly"] != true && is_written(&volume["name"], pod)
}

/// Only where every mount of it is read-only is a volume not written.
fn is_written(name: &Value, pod: &Value) -> bool {
    let containers = || list(&pod["initContainers"]).iter().chain(list(&pod["containers"]));
    let mut mounts =
        containers().flat_map(|container| list(&container["volumeMounts"])).filter(|mount| mount["name"] == *name);
    let is_mapped =
        containers().flat_map(|container| list(&container["volumeDevices"])).any(|device| device["name"] == *name);
    let is_mounted = mounts.clone().next().is_some();
    is_mapped || !is_mounted || mounts.any(|mount| mount["readOnly"] != true)
}

fn class_name(template: &Value) -> Option<&str> {
    let annotation = &template["metadata"]["annotations"]["volume.beta.kubernetes.io/storage-class"];
    template["spec"]["storageClassName"].as_str().or(annotation.as_str())
}

fn class_of<'a>(template: &Value, classes: &'a [Value]) -> Option<&'a Value> {
    if let Some(name) = class_name(template) {
        return classes.iter().find(|class| class["metadata"]["name"] == name);
    }
    let is_default = |class: &&Value| {
        let annotations = &class["metadata"]["annotations"];
        annotations["storageclass.kubernetes.io/is-default-class"] == "true"
            || annotations["storageclass.beta.kubernetes.io/is-default-class"] == "true"
    };
    classes
        .iter()
        .filter(is_default)
        .max_by_key(|class| class["metadata"]["creationTimestamp"].as_str().unwrap_or_default())
}

fn is_node_local(class: &Value) -> bool {
    class["provisioner"].as_str().is_some_and(|provisioner| NODE_LOCAL.contains(&provisioner))
}

/// The provisioners that the tests use; the rule's own list is longer.
const NODE_LOCAL: &[&str] = &[
    "rancher.io/local-path",
    "k8s.io/minikube-hostpath",
    "kubernetes.io/no-provisioner",
    "openebs.io/local",
    "topolvm.io",
];
