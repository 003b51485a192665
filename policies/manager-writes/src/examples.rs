//! Objects that the tests of several rules share: the governed set `db` in namespace `shop`, and its pods.

use serde_json::Value;
use stateward_sdk::testing::{Test, json};

use crate::ManagerWrites;
use crate::settings::CONTROLLER_ACCOUNT;

/// A governed set as it is stored: `db`, three replicas from ordinal 0, Service `db-peers`.
pub(crate) fn governed_set() -> Value {
    json!({"kind": "StatefulSet",
        "metadata": {"name": "db", "namespace": "shop", "uid": "uid-1",
            "annotations": {"stateward.dev/writes": "manager-only", "stateward.dev/manager": "db-0"}},
        "spec": {"replicas": 3, "serviceName": "db-peers", "selector": {"matchLabels": {"app": "db"}},
            "template": {"metadata": {"labels": {"app": "db", "stateward.dev/governed": "true"}}}}})
}

/// The same set, with `writes` of its owner's choosing and nothing stamped.
pub(crate) fn plain_set() -> Value {
    let mut set = governed_set();
    set["metadata"]["annotations"] = json!({});
    set["spec"]["template"]["metadata"]["labels"] = json!({"app": "db"});
    set
}

/// A pod of that name with the template's labels and nothing else.
pub(crate) fn bare_pod(name: &str) -> Value {
    json!({"kind": "Pod", "metadata": {"name": name, "namespace": "shop", "labels": {"app": "db", "stateward.dev/governed": "true"}, "annotations": {}},
        "spec": {"containers": [{"name": "db"}]}})
}

/// A pod as the controller makes it: controlled by the set.
pub(crate) fn owned_pod(name: &str) -> Value {
    let mut pod = bare_pod(name);
    pod["metadata"]["ownerReferences"] = reference("apps/v1", "uid-1");
    pod
}

/// A controller reference to StatefulSet `db`.
pub(crate) fn reference(api_version: &str, uid: &str) -> Value {
    json!([{"apiVersion": api_version, "kind": "StatefulSet", "name": "db", "uid": uid, "controller": true}])
}

/// Writes a member's keys onto a pod.
pub(crate) fn with_keys(mut pod: Value, role: &str, ordinal: &str) -> Value {
    pod["metadata"]["labels"]["stateward.dev/role"] = role.into();
    pod["metadata"]["labels"]["stateward.dev/set"] = "db".into();
    let write = if role == "manager" { "allow" } else { "deny" };
    for (key, value) in [("write", write), ("ordinal", ordinal), ("manager-host", "db-0.db-peers.shop.svc")] {
        pod["metadata"]["annotations"][format!("stateward.dev/{key}")] = value.into();
    }
    pod
}

/// A pod that the controller makes, beside the governed set.
pub(crate) fn made_by_controller(pod: Value) -> Test<ManagerWrites> {
    Test::create(pod).by(CONTROLLER_ACCOUNT).beside(governed_set())
}
