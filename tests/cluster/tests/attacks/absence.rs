//! What leaves a set without a manager, or the manager without its data: nobody else may write then.

use serde_json::{Value, json};
use stateward_cluster_tests::attacks::Verb;
use stateward_cluster_tests::attacks::ledger::{MANAGER, PODS};

use crate::attempt::{Attempt, works};

pub(crate) fn all() -> Vec<Attempt> {
    let eviction = |options: Value| json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": "ledger-0", "namespace": "shop" }, "deleteOptions": options });
    let at_once = json!({ "apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0 });
    let dangling = json!({ "metadata": { "ownerReferences": [{ "apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "00000000-0000-0000-0000-000000000000" }] } });
    let held = json!({ "metadata": { "finalizers": ["example.com/held"] } });
    let claim = json!({ "metadata": { "name": "data-ledger-2" }, "spec": {
        "accessModes": ["ReadWriteOnce"], "storageClassName": "remote", "resources": { "requests": { "storage": "1Gi" } },
    } });
    let status = |status: Value| json!({ "status": status });
    let unready = status(json!({ "conditions": [{ "type": "Ready", "status": "False" }] }));
    let autoscaler = json!({ "metadata": { "name": "ledger" }, "spec": {
        "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "ledger" }, "minReplicas": 1, "maxReplicas": 5,
    } });
    let budget = json!({ "metadata": { "name": "ledger" }, "spec": { "maxUnavailable": 0, "selector": { "matchLabels": { "app": "ledger" } } } });
    vec![
        works("the manager deleted", Verb::Delete, MANAGER, Value::Null),
        works("the manager deleted by force", Verb::Delete, MANAGER, at_once),
        works("all members deleted", Verb::Delete, format!("{PODS}?labelSelector=app=ledger"), Value::Null),
        works("the manager evicted", Verb::Create, format!("{MANAGER}/eviction"), eviction(json!({}))),
        works(
            "the manager evicted at once",
            Verb::Create,
            format!("{MANAGER}/eviction"),
            eviction(json!({ "gracePeriodSeconds": 0 })),
        ),
        works("a finalizer on the manager", Verb::Merge, MANAGER, held),
        works(
            "the manager's phase through the status",
            Verb::Merge,
            format!("{MANAGER}/status"),
            status(json!({ "phase": "Failed" })),
        )
        .by_operator(),
        works("a manager that is not ready through the status", Verb::Strategic, format!("{MANAGER}/status"), unready)
            .by_operator(),
        works("the manager's claim deleted", Verb::Delete, format!("{CLAIMS}/data-ledger-0"), Value::Null),
        works(
            "an owner of the manager's claim that is not there",
            Verb::Merge,
            format!("{CLAIMS}/data-ledger-0"),
            dangling,
        ),
        works("a claim before its member", Verb::Create, CLAIMS, claim),
        works(
            "an autoscaler",
            Verb::Create,
            "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers",
            autoscaler,
        ),
        works(
            "a budget that allows no disruption",
            Verb::Create,
            "/apis/policy/v1/namespaces/shop/poddisruptionbudgets",
            budget,
        ),
    ]
}

const CLAIMS: &str = "/api/v1/namespaces/shop/persistentvolumeclaims";
