//! Only the first pod, the manager, may write: what the set's own words and the Services beside it show.

use serde_json::{Value, json};

use super::contract::{GOVERNED, PROTECTED};
use super::selector::service_selects;
use super::services::is_headless;
use super::tree::{Set, annotation, keys, list, name, text, written_claim};
use super::{Asker, Verdicts};

pub(super) fn judge(set: Set<'_>, asker: &Asker<'_>, verdicts: &mut Verdicts) {
    let is_undeclared = set.is_several() && set.writes().is_none();
    verdicts.fires_if(is_undeclared, "manager-writes/undeclared-writes", "audit", "deny");
    words(set, verdicts);
    forged_role(set, verdicts);
    if set.is_governed() {
        governed(set, verdicts);
        services(set, asker, verdicts);
    }
}

fn governed(set: Set<'_>, verdicts: &mut Verdicts) {
    match set.is_ordered() {
        Some(true) => {}
        Some(false) => verdicts.fires("manager-writes/parallel-manager", "", "deny", "deny"),
        None => verdicts.undecided("manager-writes/parallel-manager"),
    }
    for volume in set.effective_volumes().filter(|volume| written_claim(volume, set.pod()).is_some()) {
        verdicts.fires("manager-writes/shared-data", text(&volume["name"]), "deny", "deny");
    }
    for template in set.claim_templates() {
        if list(&template["spec"]["accessModes"]).iter().any(|mode| mode == "ReadWriteMany") {
            verdicts.fires("manager-writes/shared-data", name(template), "deny", "deny");
        }
    }
    match text(&set.spec()["persistentVolumeClaimRetentionPolicy"]["whenScaled"]) {
        "" | "Retain" => {}
        "Delete" => verdicts.fires("manager-writes/manager-data-loss", "", "deny", "deny"),
        _ => verdicts.undecided("manager-writes/manager-data-loss"),
    }
    let is_declared = set.annotation(SYNC).is_some_and(|sync| !sync.is_empty());
    let is_undeclared = set.is_several() && !is_declared && !has_sync_like(set);
    verdicts.fires_if(is_undeclared, "manager-writes/undeclared-sync", "warn", "deny");
    verdicts.fires_if(set.replicas() == 0, "manager-writes/scaled-to-zero", "warn", "warn");
}

/// What the owner wrote, whoever is governed.
fn words(set: Set<'_>, verdicts: &mut Verdicts) {
    const RULE: &str = "manager-writes/invalid-contract";
    if !matches!(set.writes(), None | Some("manager-only" | "any" | "")) {
        verdicts.fires(RULE, "writes", "deny", "deny");
    }
    let items = |key: &str| set.annotation(key).unwrap_or_default().split(',').map(str::trim).collect::<Vec<_>>();
    if set.annotation(SYNC).is_some_and(|sync| !sync.is_empty()) {
        for item in items(SYNC).into_iter().filter(|item| !is_sync(set, item)) {
            verdicts.fires(RULE, &format!("sync {item}"), "deny", "deny");
        }
    }
    if set.annotation(BACKUP).is_some_and(|backup| !backup.is_empty()) {
        for item in items(BACKUP).into_iter().filter(|item| !is_backup(item)) {
            verdicts.fires(RULE, &format!("backup {item}"), "deny", "deny");
        }
    }
}

fn is_sync(set: Set<'_>, item: &str) -> bool {
    let is_named = |container: &&Value, wanted: &str| text(&container["name"]) == wanted;
    let init = || list(&set.pod()["initContainers"]).iter();
    match item.split_once(':') {
        Some(("init", wanted)) => init().any(|container| is_named(&container, wanted)),
        Some(("sidecar", wanted)) => {
            let native = init().filter(|container| container["restartPolicy"] == "Always");
            list(&set.pod()["containers"]).iter().chain(native).any(|container| is_named(&container, wanted))
        }
        Some(("engine", how)) => !how.is_empty(),
        _ => false,
    }
}

fn is_backup(item: &str) -> bool {
    match item.split_once(':') {
        None => matches!(item, "velero" | "k8up" | "stash" | "kanister" | "none"),
        Some(("snapshot" | "external", detail)) => !detail.is_empty(),
        Some(_) => false,
    }
}

/// An init container or sidecar whose name says that it synchronises. The first container is the application itself.
fn has_sync_like(set: Set<'_>) -> bool {
    let beside = list(&set.pod()["containers"]).iter().skip(1);
    list(&set.pod()["initContainers"]).iter().chain(beside).any(|container| {
        let name = text(&container["name"]);
        ["clone", "sync", "restore", "replicat", "follow"].iter().any(|word| name.contains(word))
    })
}

/// Protected keys where nothing but the owner's manifest can have put them.
fn forged_role(set: Set<'_>, verdicts: &mut Verdicts) {
    let mut check = |place: &str, metadata_keys: &mut dyn Iterator<Item = &str>| {
        for key in metadata_keys.filter(|key| PROTECTED.contains(key)) {
            verdicts.fires("manager-writes/forged-role", &format!("{place} {key}"), "deny", "deny");
        }
    };
    // Nothing could be stamped: without a name there is no manager to name. Its template may lack its label where nobody asks: so it is with a set that
    // joined while it ran.
    if set.is_governed() && set.name().is_empty() {
        check("unstamped", &mut ["stateward.dev/manager"].into_iter());
    }
    let spec = set.spec();
    check("selector", &mut keys(&spec["selector"]["matchLabels"]));
    check(
        "expressions",
        &mut list(&spec["selector"]["matchExpressions"]).iter().map(|expression| text(&expression["key"])),
    );
    let is_ours = |key: &str| set.is_governed() && key == GOVERNED && set.pod_labels()[key] == "true";
    check("labels", &mut keys(set.pod_labels()).filter(|key| !is_ours(key)));
    check("annotations", &mut keys(&spec["template"]["metadata"]["annotations"]));
    for template in set.claim_templates() {
        let metadata = &template["metadata"];
        check(name(template), &mut keys(&metadata["labels"]).chain(keys(&metadata["annotations"])));
    }
}

fn services(set: Set<'_>, asker: &Asker<'_>, verdicts: &mut Verdicts) {
    let Some(services) = asker.find("v1", "Service") else {
        verdicts.undecided("manager-writes/mixed-service");
        verdicts.undecided("manager-writes/no-write-service");
        return;
    };
    let has_write_service = services.iter().any(|service| is_write_service(service, set));
    verdicts.fires_if(!has_write_service, "manager-writes/no-write-service", "audit", "warn");
    let others: Vec<Set<'_>> = asker.find("apps/v1", "StatefulSet").into_iter().flatten().map(Set).collect();
    for service in services {
        let mut selected = others.iter().filter(|other| other.is_governed() && selects_any(service, **other));
        let is_for_clients = |other: &Set<'_>| !(is_governing(service, set) && is_governing(service, *other));
        if selects_any(service, set) && !is_read_only(service) && selected.any(is_for_clients) {
            verdicts.fires("manager-writes/mixed-service", name(service), "deny", "deny");
        } else if is_mixed(service, set) {
            verdicts.fires("manager-writes/mixed-service", name(service), "audit", "warn");
        }
    }
}

/// Names the manager by its role and set, or by its pod's name, and asks for nothing that the manager lacks.
fn is_write_service(service: &Value, set: Set<'_>) -> bool {
    let selector = &service["spec"]["selector"];
    let by_role = selector["stateward.dev/role"] == "manager" && selector["stateward.dev/set"] == set.name();
    let by_name = selector["statefulset.kubernetes.io/pod-name"] == set.manager();
    (by_role || by_name) && service_selects(service, &member_labels(set, true))
}

/// Clients of it write to workers. The governing Service is there for the members' names.
fn is_mixed(service: &Value, set: Set<'_>) -> bool {
    let selects_all = [true, false].iter().all(|&is_manager| service_selects(service, &member_labels(set, is_manager)));
    selects_all && !is_governing(service, set) && !is_read_only(service)
}

fn is_governing(service: &Value, set: Set<'_>) -> bool {
    name(service) == set.service_name() && is_headless(service)
}

fn selects_any(service: &Value, set: Set<'_>) -> bool {
    [true, false].iter().any(|&is_manager| service_selects(service, &member_labels(set, is_manager)))
}

fn is_read_only(service: &Value) -> bool {
    let is_named =
        ["-ro", "-read", "-replica", "-replicas", "-readonly"].iter().any(|end| name(service).ends_with(end));
    is_named || annotation(service, "stateward.dev/service") == Some("read-only")
}

/// A Service that is created beside the sets it selects.
pub(super) fn judge_service(asker: &Asker<'_>, verdicts: &mut Verdicts) {
    const RULE: &str = "manager-writes/mixed-service";
    let service = asker.object;
    if is_read_only(service) || keys(&service["spec"]["selector"]).next().is_none() {
        return;
    }
    let Some(sets) = asker.find("apps/v1", "StatefulSet") else { return verdicts.undecided(RULE) };
    let governed: Vec<Set<'_>> = sets.into_iter().map(Set).filter(|set| set.is_governed()).collect();
    let selected: Vec<Set<'_>> = governed.iter().copied().filter(|set| selects_any(service, *set)).collect();
    if selected.len() > 1 && !selected.iter().all(|set| is_governing(service, *set)) {
        verdicts.fires(RULE, "", "deny", "deny");
    } else if governed.iter().any(|set| is_mixed(service, *set)) {
        verdicts.fires(RULE, "", "audit", "warn");
    }
}

/// What a member carries besides the template's labels.
fn member_labels(set: Set<'_>, is_manager: bool) -> Value {
    let mut labels = if set.pod_labels().is_object() { set.pod_labels().clone() } else { json!({}) };
    let role = if is_manager { "manager" } else { "worker" };
    let ordinal = if is_manager { set.start() } else { set.start() + 1 };
    labels["stateward.dev/role"] = Value::from(role);
    labels["stateward.dev/set"] = Value::from(set.name());
    labels["stateward.dev/governed"] = Value::from("true");
    labels["statefulset.kubernetes.io/pod-name"] = Value::from(format!("{}-{ordinal}", set.name()));
    labels["apps.kubernetes.io/pod-index"] = Value::from(ordinal.to_string());
    labels
}

const SYNC: &str = "stateward.dev/sync";
const BACKUP: &str = "stateward.dev/backup";
