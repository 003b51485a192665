//! Volumes on remote storage: what the StorageClass behind a claim says.

use serde_json::Value;

use super::tree::{Set, annotation, list, long_running, name, split_ordinal, text};
use super::{Asker, Verdicts, lists};

pub(super) fn judge(set: Set<'_>, asker: &Asker<'_>, verdicts: &mut Verdicts) {
    let classes = asker.find("storage.k8s.io/v1", "StorageClass");
    for template in set.claim_templates() {
        match class_name(template) {
            Some("") => {
                verdicts.fires("remote-volumes/static-only-class", name(template), "warn", "deny");
                continue;
            }
            Some(_) => {}
            None => verdicts.fires("remote-volumes/default-class", name(template), "audit", "warn"),
        }
        let is_database = holds_database(set, name(template));
        let Some(classes) = &classes else {
            BY_CLASS.iter().for_each(|rule| verdicts.undecided(rule));
            if is_database {
                verdicts.undecided("remote-volumes/file-system-database");
            }
            continue;
        };
        match effective(template, classes) {
            Some(class) => judge_class(class, name(template), is_database, verdicts),
            None => verdicts.fires("remote-volumes/missing-class", name(template), "warn", "deny"),
        }
    }
}

/// Whether a database's container mounts or maps it.
fn holds_database(set: Set<'_>, template: &str) -> bool {
    let is_used = |container: &Value| {
        let mut uses = list(&container["volumeMounts"]).iter().chain(list(&container["volumeDevices"]));
        uses.any(|used| text(&used["name"]) == template)
    };
    long_running(set.pod()).any(|container| lists::is_database(text(&container["image"])) && is_used(container))
}

fn judge_class(class: &Value, place: &str, is_database: bool, verdicts: &mut Verdicts) {
    let provisioner = text(&class["provisioner"]);
    let is_local = lists::is_node_local(provisioner);
    if is_local {
        verdicts.fires("remote-volumes/local-class", place, "warn", "deny");
    } else if !lists::is_remote(provisioner) {
        verdicts.fires("remote-volumes/unknown-driver", place, "audit", "warn");
    }
    if is_degraded(provisioner, &class["parameters"]) {
        verdicts.fires("remote-volumes/degraded-remote-class", place, "warn", "warn");
    }
    match text(&class["reclaimPolicy"]) {
        "" | "Delete" => verdicts.fires("remote-volumes/reclaim-delete", place, "audit", "warn"),
        "Retain" | "Recycle" => {}
        _ => verdicts.undecided("remote-volumes/reclaim-delete"),
    }
    if lists::is_topology_bound(provisioner) {
        match text(&class["volumeBindingMode"]) {
            "" | "Immediate" => verdicts.fires("remote-volumes/immediate-binding", place, "warn", "warn"),
            "WaitForFirstConsumer" => {}
            _ => verdicts.undecided("remote-volumes/immediate-binding"),
        }
    }
    if class["allowVolumeExpansion"] != true {
        verdicts.fires("remote-volumes/fixed-size-class", place, "audit", "warn");
    }
    if is_database && lists::is_file_system(provisioner) {
        verdicts.fires("remote-volumes/file-system-database", place, "audit", "warn");
    }
}

/// A claim that looks like a member's, where its class is resolved: by the API server, or by the volume it is bound to.
pub(super) fn judge_claim(asker: &Asker<'_>, verdicts: &mut Verdicts) {
    const RULE: &str = "remote-volumes/local-claim";
    let claim = asker.object;
    // `<template>-<set>-<ordinal>`
    if !split_ordinal(name(claim)).is_some_and(|(parent, _)| parent.contains('-')) {
        return;
    }
    let volume_name = text(&claim["spec"]["volumeName"]);
    if !volume_name.is_empty() {
        // Bound: the volume says more than its class does.
        let Some(volumes) = asker.find("v1", "PersistentVolume") else { return verdicts.undecided(RULE) };
        if let Some(volume) = volumes.into_iter().find(|volume| name(volume) == volume_name) {
            return verdicts.fires_if(is_local_volume(volume), RULE, "warn", "deny");
        }
    }
    if class_name(claim) == Some("") {
        return;
    }
    let Some(classes) = asker.find("storage.k8s.io/v1", "StorageClass") else { return verdicts.undecided(RULE) };
    let class = effective(claim, &classes);
    let is_local = class.is_some_and(|class| lists::is_node_local(text(&class["provisioner"])));
    verdicts.fires_if(is_local, RULE, "warn", "deny");
}

fn is_local_volume(volume: &Value) -> bool {
    let spec = &volume["spec"];
    let terms = list(&spec["nodeAffinity"]["required"]["nodeSelectorTerms"]);
    let mut expressions = terms.iter().flat_map(|term| list(&term["matchExpressions"]));
    spec["local"].is_object()
        || spec["hostPath"].is_object()
        || expressions.any(|expression| expression["key"] == "kubernetes.io/hostname")
}

/// A driver that could be remote, told to keep one copy or to stay on the node.
fn is_degraded(provisioner: &str, parameters: &Value) -> bool {
    let says = |key: &str, value: &str| text(&parameters[key]) == value;
    match provisioner {
        "driver.longhorn.io" => says("dataLocality", "strict-local") || says("numberOfReplicas", "1"),
        "linstor.csi.linbit.com" => {
            let key = |key: &str| format!("linstor.csi.linbit.com/{key}");
            let is_single =
                ["placementCount", "autoPlace"].iter().any(|count| says(count, "1") || says(&key(count), "1"));
            is_single && (says("allowRemoteVolumeAccess", "false") || says(&key("allowRemoteVolumeAccess"), "false"))
        }
        "io.openebs.csi-mayastor" => says("repl", "1"),
        _ => false,
    }
}

fn class_name(claim: &Value) -> Option<&str> {
    annotation(claim, "volume.beta.kubernetes.io/storage-class").or(claim["spec"]["storageClassName"].as_str())
}

/// The class of that name, or the default one: the newest of several, then the first by name.
fn effective<'a>(claim: &Value, classes: &[&'a Value]) -> Option<&'a Value> {
    if let Some(wanted) = class_name(claim) {
        return classes.iter().copied().find(|class| name(class) == wanted);
    }
    let is_default = |class: &&Value| {
        let key = |version: &str| format!("storageclass.{version}kubernetes.io/is-default-class");
        ["", "beta."].iter().any(|version| annotation(class, &key(version)) == Some("true"))
    };
    let age = |class: &Value| text(&class["metadata"]["creationTimestamp"]).to_owned();
    let mut defaults: Vec<&Value> = classes.iter().copied().filter(is_default).collect();
    defaults.sort_by(|one, other| age(other).cmp(&age(one)).then(name(one).cmp(name(other))));
    defaults.first().copied()
}

/// Undecided where classes are unknown.
const BY_CLASS: &[&str] = &[
    "remote-volumes/local-class",
    "remote-volumes/unknown-driver",
    "remote-volumes/degraded-remote-class",
    "remote-volumes/missing-class",
    "remote-volumes/reclaim-delete",
    "remote-volumes/immediate-binding",
    "remote-volumes/fixed-size-class",
];
