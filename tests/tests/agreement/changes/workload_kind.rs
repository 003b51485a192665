//! Deployments, ReplicaSets and Pods.

use serde_json::{Value, json};

use super::{Change, fires, silent};
use crate::objects::{deployment, persistent_claim, pod, replica_set, set};

pub(crate) fn changes() -> Vec<Change> {
    [rolling(), replicated(), databases(), foreign()].concat()
}

fn disk(mode: &str) -> Value {
    persistent_claim("disk", mode)
}

fn rolling() -> Vec<Change> {
    const RULE: &str = "workload-kind/rolling-claim";
    let strategy = |strategy: Value| json!({"spec": {"strategy": strategy}});
    let of = |change: Change, mode: &str| change.of(deployment()).beside(disk(mode));
    vec![
        fires(RULE, json!({})).of(replica_set()).beside(disk("ReadWriteOnce")),
        of(fires(RULE, strategy(Value::Null)), "ReadWriteOnce"),
        of(fires(RULE, strategy(json!({"type": "RollingUpdate"}))), "ReadWriteOncePod"),
        of(silent(RULE, strategy(json!({"type": "Recreate"}))), "ReadWriteOnce"),
        of(silent(RULE, strategy(Value::Null)), "ReadWriteMany"),
        of(silent(RULE, strategy(Value::Null)), "ReadOnlyMany"),
        silent(RULE, strategy(Value::Null)).of(deployment()),
        silent(RULE, json!({})).of(pod()).beside(disk("ReadWriteOnce")),
    ]
}

fn replicated() -> Vec<Change> {
    const RULE: &str = "workload-kind/replicated-claim";
    let replicas = |replicas: u32| json!({"spec": {"replicas": replicas}});
    vec![
        fires(RULE, replicas(2)).of(deployment()).beside(disk("ReadWriteOnce")),
        fires(RULE, replicas(2)).of(replica_set()).beside(disk("ReadWriteOncePod")),
        silent(RULE, replicas(1)).of(deployment()).beside(disk("ReadWriteOnce")),
        silent(RULE, replicas(2)).of(deployment()).beside(disk("ReadWriteMany")),
        silent(RULE, replicas(2)).of(deployment()),
        silent(RULE, json!({})).of(pod()).beside(disk("ReadWriteOnce")),
    ]
}

fn databases() -> Vec<Change> {
    const RULE: &str = "workload-kind/database-image";
    let pod_spec =
        |image: &str, volumes: Value| json!({"containers": [{"name": "db", "image": image}], "volumes": volumes});
    let in_template = |image: &str, volumes: Value| json!({"spec": {"template": {"spec": pod_spec(image, volumes)}}});
    let owner =
        json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "1", "controller": true}]);
    let with_claim = json!([{"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}}]);
    vec![
        fires(RULE, in_template("docker.example/library/postgres:16", json!([]))).of(deployment()),
        fires(RULE, in_template("redis", Value::Null)).of(replica_set()),
        fires(RULE, json!({"spec": pod_spec("bitnami/mariadb:11", Value::Null)})).of(pod()),
        silent(RULE, in_template("postgres:16", with_claim)).of(deployment()),
        silent(RULE, in_template("oliver006/redis_exporter:1", json!([]))).of(deployment()),
        silent(RULE, in_template("nginx:1", json!([]))).of(deployment()),
        silent(RULE, json!({"metadata": {"ownerReferences": owner}, "spec": pod_spec("postgres:16", Value::Null)}))
            .of(pod()),
    ]
}

fn foreign() -> Vec<Change> {
    const RULE: &str = "workload-kind/foreign-claim";
    let mounts = |claim: &str, is_read_only: bool| json!({"volumes": [{"name": "disk", "persistentVolumeClaim": {"claimName": claim, "readOnly": is_read_only}}]});
    let by_deployment =
        |claim: &str, read_only: bool| json!({"spec": {"template": {"spec": mounts(claim, read_only)}}});
    let mut governed = set();
    governed["metadata"]["annotations"] = json!({"stateward.dev/writes": "manager-only"});
    let member = |name: &str| json!({"metadata": {"name": name}, "spec": mounts("data-db-0", false)});
    vec![
        fires(RULE, by_deployment("data-db-0", false)).of(deployment()).beside(set()),
        fires(RULE, by_deployment("data-db-0", false)).of(deployment()).beside(governed),
        fires(RULE, json!({"spec": mounts("data-db-2", false)})).of(pod()).beside(set()),
        fires(RULE, member("db-1")).of(pod()).beside(set()),
        silent(RULE, by_deployment("data-db-0", true)).of(deployment()).beside(set()),
        silent(RULE, by_deployment("data-db", false)).of(deployment()).beside(set()),
        silent(RULE, by_deployment("log-db-0", false)).of(deployment()).beside(set()),
        silent(RULE, by_deployment("data-other-0", false)).of(deployment()).beside(set()),
    ]
}
