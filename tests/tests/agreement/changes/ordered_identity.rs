//! What a set alone shows of order and names.

use serde_json::{Value, json};

use super::{Change, fires, silent};

pub(crate) fn changes() -> Vec<Change> {
    [order(), update(), grace(), names(), placement()].concat()
}

fn spec(patch: Value) -> Value {
    json!({"spec": patch})
}

fn pod(patch: Value) -> Value {
    json!({"spec": {"template": {"spec": patch}}})
}

fn order() -> Vec<Change> {
    const PARALLEL: &str = "ordered-identity/parallel-management";
    const GATE: &str = "ordered-identity/no-readiness-gate";
    let bare = || json!([{"name": "db", "image": "server:1"}]);
    let gated = json!({"name": "side", "image": "side:1", "readinessProbe": {"tcpSocket": {"port": 1}}});
    let mut sidecar = gated.clone();
    sidecar["restartPolicy"] = json!("Always");
    vec![
        fires(PARALLEL, spec(json!({"podManagementPolicy": "Parallel"}))),
        silent(PARALLEL, spec(json!({"podManagementPolicy": "OrderedReady"}))),
        silent(PARALLEL, spec(json!({"podManagementPolicy": "Shuffled"}))),
        fires(GATE, pod(json!({"containers": bare()}))),
        fires(GATE, pod(json!({"containers": bare(), "initContainers": [gated]}))),
        silent(GATE, pod(json!({"containers": bare(), "initContainers": [sidecar]}))),
        silent(GATE, spec(json!({"replicas": 1, "template": {"spec": {"containers": bare()}}}))),
        silent(GATE, spec(json!({"podManagementPolicy": "Shuffled", "template": {"spec": {"containers": bare()}}}))),
    ]
}

fn update() -> Vec<Change> {
    const BATCH: &str = "ordered-identity/batch-update";
    const FROZEN: &str = "ordered-identity/frozen-partition";
    let strategy = |kind: &str| spec(json!({"updateStrategy": {"type": kind}}));
    let rolling = |rolling: Value| spec(json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": rolling}}));
    let of = |replicas: u32, most: Value| {
        spec(json!({"replicas": replicas, "updateStrategy": {"rollingUpdate": {"maxUnavailable": most}}}))
    };
    vec![
        fires("ordered-identity/on-delete-update", strategy("OnDelete")),
        silent("ordered-identity/on-delete-update", strategy("RollingUpdate")),
        silent("ordered-identity/on-delete-update", strategy("Someday")),
        fires("ordered-identity/recreate-update", strategy("Recreate")),
        silent("ordered-identity/recreate-update", strategy("OnDelete")),
        silent("ordered-identity/recreate-update", strategy("Someday")),
        fires(FROZEN, rolling(json!({"partition": 1}))),
        fires(FROZEN, rolling(json!({"partition": 3}))),
        silent(FROZEN, rolling(json!({"partition": 0}))),
        silent(FROZEN, rolling(json!({}))),
        fires(BATCH, of(5, json!(2))),
        fires(BATCH, of(4, json!("50%"))),
        fires(BATCH, of(3, json!("100%"))),
        silent(BATCH, of(3, json!(1))),
        silent(BATCH, of(1, json!(1))),
        silent(BATCH, of(3, json!("50%"))),
        silent(BATCH, of(2, json!("50%"))),
        silent(BATCH, of(3, json!("66%"))),
        silent(BATCH, of(1, json!("100%"))),
        silent(BATCH, rolling(json!({}))),
    ]
}

fn grace() -> Vec<Change> {
    const SHORT: &str = "ordered-identity/short-grace";
    let period = |seconds: Value| pod(json!({"terminationGracePeriodSeconds": seconds}));
    let with_image = |seconds: Value, image: &str| {
        let container = json!({"name": "db", "image": image, "readinessProbe": {"tcpSocket": {"port": 1}},
            "volumeMounts": [{"name": "data", "mountPath": "/data"}]});
        pod(json!({"terminationGracePeriodSeconds": seconds, "containers": [container]}))
    };
    vec![
        fires("ordered-identity/zero-grace", period(json!(0))),
        silent("ordered-identity/zero-grace", period(json!(1))),
        silent("ordered-identity/zero-grace", period(Value::Null)),
        fires(SHORT, with_image(json!(29), "docker.example/library/postgres:16@sha256:0")),
        fires(SHORT, with_image(json!(1), "bitnami/mysql")),
        silent(SHORT, with_image(json!(30), "postgres:16")),
        silent(SHORT, with_image(Value::Null, "postgres:16")),
        silent(SHORT, with_image(json!(29), "postgres/server:16")),
        silent(SHORT, with_image(json!(29), "prometheuscommunity/postgres-exporter:1")),
    ]
}

fn names() -> Vec<Change> {
    let name = |name: &str| json!({"metadata": {"name": name}});
    let generated = json!({"metadata": {"name": null, "generateName": "db-"}});
    let mut governed = generated.clone();
    governed["metadata"]["annotations"] = json!({"stateward.dev/writes": "manager-only"});
    vec![
        fires("ordered-identity/name-too-long", name(&"n".repeat(53))),
        silent("ordered-identity/name-too-long", name(&"n".repeat(52))),
        fires("ordered-identity/name-not-label", name("db.v1")),
        fires("ordered-identity/name-not-label", name("Db")),
        fires("ordered-identity/name-not-label", name("-db")),
        fires("ordered-identity/name-not-label", name("db-")),
        fires("ordered-identity/name-not-label", name(&"n".repeat(64))),
        silent("ordered-identity/name-not-label", name("0-db")),
        fires("ordered-identity/generated-name", generated),
        fires("ordered-identity/generated-name", governed),
        silent("ordered-identity/generated-name", json!({"metadata": {"name": "db", "generateName": "db-"}})),
        fires("ordered-identity/ordinal-like-name", name("db-0")),
        fires("ordered-identity/ordinal-like-name", name("db-007")),
        silent("ordered-identity/ordinal-like-name", name("db-v2")),
        silent("ordered-identity/ordinal-like-name", name("db0")),
        fires("ordered-identity/shifted-ordinals", spec(json!({"ordinals": {"start": 1}}))),
        silent("ordered-identity/shifted-ordinals", spec(json!({"ordinals": {"start": 0}}))),
        silent("ordered-identity/shifted-ordinals", spec(json!({"ordinals": {}}))),
    ]
}

fn placement() -> Vec<Change> {
    const HOSTNAME: &str = "ordered-identity/hostname-override";
    const PINNED: &str = "ordered-identity/pinned-node";
    const RESERVED: &str = "ordered-identity/reserved-keys";
    let mut claim = crate::objects::claim("data");
    claim["metadata"]["labels"] = json!({"statefulset.kubernetes.io/pod-name": "db-0"});
    vec![
        fires(HOSTNAME, pod(json!({"hostname": "db"}))),
        fires(HOSTNAME, pod(json!({"subdomain": "db"}))),
        fires(HOSTNAME, pod(json!({"setHostnameAsFQDN": true}))),
        fires(HOSTNAME, pod(json!({"hostnameOverride": "db"}))),
        fires(HOSTNAME, pod(json!({"hostname": "db", "subdomain": "db"}))),
        silent(HOSTNAME, pod(json!({"setHostnameAsFQDN": false}))),
        silent(HOSTNAME, pod(json!({"hostname": "", "subdomain": ""}))),
        fires("ordered-identity/host-network", pod(json!({"hostNetwork": true}))),
        silent("ordered-identity/host-network", pod(json!({"hostNetwork": false}))),
        fires(PINNED, pod(json!({"nodeName": "node-0"}))),
        fires(PINNED, pod(json!({"nodeSelector": {"kubernetes.io/hostname": "node-0"}}))),
        silent(PINNED, pod(json!({"nodeName": "", "nodeSelector": {"kubernetes.io/os": "linux"}}))),
        fires(RESERVED, spec(json!({"template": {"metadata": {"labels": {"apps.kubernetes.io/pod-index": "0"}}}}))),
        fires(RESERVED, spec(json!({"template": {"metadata": {"labels": {"controller-revision-hash": "a"}}}}))),
        fires(RESERVED, spec(json!({"selector": {"matchLabels": {"statefulset.kubernetes.io/pod-name": "db-0"}}}))),
        fires(
            RESERVED,
            spec(
                json!({"selector": {"matchExpressions": [{"key": "controller-revision-hash", "operator": "Exists"}]}}),
            ),
        ),
        fires(RESERVED, spec(json!({"volumeClaimTemplates": [claim]}))),
        silent(RESERVED, spec(json!({"template": {"metadata": {"labels": {"statefulset.kubernetes.io/pod": "0"}}}}))),
    ]
}
