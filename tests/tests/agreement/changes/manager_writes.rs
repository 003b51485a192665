//! The manager contract.

use serde_json::{Value, json};

use super::{Change, fires, silent};
use crate::objects::{claim, service, set};

pub(crate) fn changes() -> Vec<Change> {
    [words(), sync(), data(), keys(), services(), mixed()].concat()
}

fn governed(patch: Value) -> Value {
    annotated(json!({"stateward.dev/writes": "manager-only"}), patch)
}

fn annotated(annotations: Value, mut patch: Value) -> Value {
    patch["metadata"]["annotations"] = annotations;
    patch
}

fn words() -> Vec<Change> {
    const UNDECLARED: &str = "manager-writes/undeclared-writes";
    const INVALID: &str = "manager-writes/invalid-contract";
    let says = |key: &str, value: &str| annotated(json!({(format!("stateward.dev/{key}")): value}), json!({}));
    let init = json!({"spec": {"template": {"spec": {"initContainers": [{"name": "clone", "image": "tool:1"}]}}}});
    let with_init = |sync: &str| annotated(json!({"stateward.dev/sync": sync}), init.clone());
    vec![
        fires(UNDECLARED, json!({"spec": {"replicas": 2}})),
        silent(UNDECLARED, json!({"spec": {"replicas": 1}})),
        silent(UNDECLARED, says("writes", "any")),
        silent(UNDECLARED, says("writes", "")),
        fires(INVALID, says("writes", "everybody")),
        silent(INVALID, says("writes", "any")),
        silent(INVALID, says("writes", "")),
        fires(INVALID, says("sync", "init:nobody")),
        fires(INVALID, says("sync", "sidecar:nobody")),
        fires(INVALID, with_init("init:clone,sidecar:nobody")),
        fires(INVALID, with_init("init:db")),
        silent(INVALID, with_init("init:clone")),
        silent(INVALID, with_init("init:clone, sidecar:db, engine:wal")),
        silent(INVALID, says("sync", "engine:streaming replication")),
        fires(INVALID, says("backup", "tape")),
        silent(INVALID, says("backup", "velero")),
        silent(INVALID, says("backup", "snapshot:nightly")),
        silent(INVALID, says("backup", "none")),
    ]
}

fn sync() -> Vec<Change> {
    const SYNC: &str = "manager-writes/undeclared-sync";
    const ZERO: &str = "manager-writes/scaled-to-zero";
    const PARALLEL: &str = "manager-writes/parallel-manager";
    let policy = |policy: &str| json!({"spec": {"podManagementPolicy": policy}});
    let replicas = |replicas: u32| json!({"spec": {"replicas": replicas}});
    let init =
        |name: &str| json!({"spec": {"template": {"spec": {"initContainers": [{"name": name, "image": "tool:1"}]}}}});
    let declared = json!({"stateward.dev/writes": "manager-only", "stateward.dev/sync": "engine:wal"});
    vec![
        fires(SYNC, governed(replicas(2))),
        fires(SYNC, governed(init("prepare"))),
        silent(SYNC, governed(init("clone-mysql"))),
        silent(SYNC, governed(init("replication"))),
        silent(SYNC, governed(replicas(1))),
        silent(SYNC, annotated(declared, json!({}))),
        silent(SYNC, annotated(json!({"stateward.dev/writes": "any"}), json!({}))),
        fires(ZERO, governed(replicas(0))),
        silent(ZERO, governed(replicas(1))),
        silent(ZERO, annotated(json!({"stateward.dev/writes": "any"}), replicas(0))),
        fires(PARALLEL, governed(policy("Parallel"))),
        silent(PARALLEL, governed(policy("OrderedReady"))),
        silent(PARALLEL, governed(policy("Shuffled"))),
        silent(PARALLEL, annotated(json!({"stateward.dev/writes": "any"}), policy("Parallel"))),
    ]
}

fn data() -> Vec<Change> {
    const SHARED: &str = "manager-writes/shared-data";
    const LOSS: &str = "manager-writes/manager-data-loss";
    let mode = |mode: &str| {
        let mut template = claim("data");
        template["spec"]["accessModes"] = json!([mode]);
        json!({"spec": {"volumeClaimTemplates": [template]}})
    };
    let named = |is_read_only: bool| {
        let volume =
            json!({"name": "shared", "persistentVolumeClaim": {"claimName": "disk", "readOnly": is_read_only}});
        json!({"spec": {"template": {"spec": {"volumes": [volume]}}}})
    };
    let scaled = |what: &str| json!({"spec": {"persistentVolumeClaimRetentionPolicy": {"whenScaled": what}}});
    let any = |patch: Value| annotated(json!({"stateward.dev/writes": "any"}), patch);
    vec![
        fires(SHARED, governed(mode("ReadWriteMany"))),
        fires(SHARED, governed(named(false))),
        silent(SHARED, governed(mode("ReadWriteOnce"))),
        silent(SHARED, governed(named(true))),
        silent(SHARED, any(mode("ReadWriteMany"))),
        silent(SHARED, any(named(false))),
        fires(LOSS, governed(scaled("Delete"))),
        silent(LOSS, governed(scaled("Retain"))),
        silent(LOSS, governed(scaled("Later"))),
        silent(LOSS, any(scaled("Delete"))),
    ]
}

fn keys() -> Vec<Change> {
    const RULE: &str = "manager-writes/forged-role";
    let labels = |labels: Value| json!({"spec": {"template": {"metadata": {"labels": labels}}}});
    let annotations = |annotations: Value| json!({"spec": {"template": {"metadata": {"annotations": annotations}}}});
    let mut template = claim("data");
    template["metadata"]["labels"] = json!({"stateward.dev/set": "db"});
    let any = |patch: Value| annotated(json!({"stateward.dev/writes": "any"}), patch);
    vec![
        fires(RULE, governed(labels(json!({"stateward.dev/role": "manager"})))),
        fires(RULE, any(labels(json!({"stateward.dev/governed": "true"})))),
        fires(RULE, governed(annotations(json!({"stateward.dev/write": "allow"})))),
        fires(RULE, json!({"spec": {"selector": {"matchLabels": {"stateward.dev/role": "manager"}}}})),
        fires(RULE, json!({"spec": {"volumeClaimTemplates": [template]}})),
        silent(RULE, governed(labels(json!({"stateward.dev/governed": "true"})))),
        silent(RULE, any(labels(json!({"stateward.dev/other": "true"})))),
        silent(RULE, governed(json!({}))),
    ]
}

/// A Service with this selector.
fn selecting(name: &str, selector: Value) -> Value {
    let mut service = service(name, false);
    service["spec"]["selector"] = selector;
    service
}

fn services() -> Vec<Change> {
    const RULE: &str = "manager-writes/no-write-service";
    let manager = |set: &str| json!({"stateward.dev/role": "manager", "stateward.dev/set": set});
    let by_pod = |pod: &str| json!({"statefulset.kubernetes.io/pod-name": pod});
    vec![
        fires(RULE, governed(json!({}))),
        fires(RULE, governed(json!({}))).beside(selecting("write", manager("other"))),
        fires(RULE, governed(json!({}))).beside(selecting("write", json!({"stateward.dev/role": "manager"}))),
        fires(RULE, governed(json!({}))).beside(selecting("write", by_pod("db-1"))),
        silent(RULE, governed(json!({}))).beside(selecting("write", manager("db"))),
        silent(RULE, governed(json!({}))).beside(selecting("write", by_pod("db-0"))),
        silent(RULE, annotated(json!({"stateward.dev/writes": "any"}), json!({}))),
    ]
}

fn mixed() -> Vec<Change> {
    const RULE: &str = "manager-writes/mixed-service";
    let app = || json!({"app": "db"});
    let mut marked = selecting("clients", app());
    marked["metadata"]["annotations"] = json!({"stateward.dev/service": "read-only"});
    let mut governed_set = set();
    governed_set["metadata"]["annotations"] = json!({"stateward.dev/writes": "manager-only"});
    let of = |change: Change, service: Value| change.of(service).beside(governed_set.clone());
    let role = |role: &str| json!({"app": "db", "stateward.dev/role": role});
    let mut other = governed_set.clone();
    other["metadata"]["name"] = json!("other");
    other["spec"]["selector"] = json!({"matchLabels": {"app": "db", "tier": "back"}});
    other["spec"]["template"]["metadata"]["labels"] = json!({"app": "db", "tier": "back"});
    let mut named_together = other.clone();
    named_together["spec"]["serviceName"] = json!("db");
    other["spec"]["serviceName"] = json!("other");
    let of_two = |service: Value| of(fires(RULE, json!({})), service).beside(other.clone());
    vec![
        of_two(selecting("clients", app())),
        of_two(selecting("write", json!({"stateward.dev/role": "manager"}))),
        of_two(service("db", true)),
        of(silent(RULE, json!({})), service("db", true)).beside(named_together),
        fires(RULE, governed(json!({}))).beside(service("db", true)).beside(other.clone()),
        of(silent(RULE, json!({})), service("db", true)),
        fires(RULE, governed(json!({}))).beside(selecting("clients", app())).beside(other.clone()),
        fires(RULE, governed(json!({}))).beside(selecting("clients", app())),
        silent(RULE, governed(json!({}))).beside(selecting("clients-ro", app())),
        silent(RULE, governed(json!({}))).beside(selecting("replicas", role("worker"))),
        silent(RULE, governed(json!({}))).beside(marked.clone()),
        silent(RULE, annotated(json!({"stateward.dev/writes": "any"}), json!({}))).beside(selecting("clients", app())),
        of(fires(RULE, json!({})), selecting("clients", app())),
        of(silent(RULE, json!({})), selecting("clients-read", app())),
        of(silent(RULE, json!({})), selecting("clients", json!({"app": "web"}))),
        of(silent(RULE, json!({})), marked),
    ]
}
