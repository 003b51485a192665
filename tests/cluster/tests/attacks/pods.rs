//! Pods that would be a member, and members that would be another one.

use serde_json::{Value, json};
use stateward_cluster_tests::attacks::Verb;
use stateward_cluster_tests::attacks::ledger::{LOOSE_POD, MANAGER, PODS, WORKER, pod, reference, spec};
use stateward_cluster_tests::shop::but;

use crate::attempt::{Attempt, Facts, harmless, refused, works};

/// New ones.
pub(crate) fn made(facts: &Facts) -> Vec<Attempt> {
    let member = || json!({ "app": "ledger" });
    let keyless = |name: &str, references: Value| {
        but(pod(name, &member()), &json!({ "metadata": { "ownerReferences": references } }))
    };
    let foreign = |api: &str, kind: &str, uid: &str| json!([{ "apiVersion": api, "kind": kind, "name": "ledger", "uid": uid, "controller": true }]);
    let nobody = "00000000-0000-0000-0000-000000000000";
    let named = |name: &str| json!({ "spec": { "hostname": name, "subdomain": "ledger" } });
    let managing = json!({ "app": "twin", "stateward.dev/role": "manager", "stateward.dev/set": "ledger" });
    let with_claim = json!({ "spec": {
        "containers": [{ "name": "ledger", "image": "ledger:1", "volumeMounts": [{ "name": "data", "mountPath": "/data" }] }],
        "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": "data-ledger-0" } }],
    } });
    let mirror = json!({ "metadata": { "annotations": { "kubernetes.io/config.mirror": "hash" } }, "spec": { "nodeName": "node-0" } });
    let by_number = but(pod("", &member()), &json!({ "metadata": { "name": null, "generateName": "ledger-" } }));
    let highest = json!({ "spec": { "priorityClassName": "system-node-critical" } });
    vec![
        refused("a member's name and labels", Verb::Create, PODS, keyless("ledger-7", json!([]))),
        refused(
            "a reference without keys",
            Verb::Create,
            PODS,
            keyless("ledger-7", json!([reference("ledger", facts.uid())])),
        ),
        refused(
            "another kind with the set's uid",
            Verb::Create,
            PODS,
            keyless("ledger-7", foreign("batch/v1", "Job", facts.uid())),
        ),
        harmless(
            "another API's set of the same name",
            Verb::Create,
            PODS,
            keyless("ledger-8", foreign("apps.kruise.io/v1beta1", "StatefulSet", nobody)),
        ),
        harmless("a name that the server chooses", Verb::Create, PODS, by_number),
        works("a member's name without its labels", Verb::Create, PODS, pod("ledger-2", &json!({ "app": "other" }))),
        refused("a copy of the manager", Verb::Create, PODS, copy(&facts.manager)),
        refused("the manager's host name", Verb::Create, PODS, but(pod("spy", &member()), &named("ledger-0"))),
        harmless("a Job of the set's name", Verb::Create, JOBS, indexed()),
        refused("a role on a mirror pod", Verb::Create, PODS, but(pod("static", &managing), &mirror)),
        harmless("a Deployment of managers", Verb::Create, DEPLOYMENTS, deployment(&managing)),
        refused("the manager's claim", Verb::Create, PODS, but(pod("spy", &json!({})), &with_claim)),
        harmless("a Job with the manager's claim", Verb::Create, JOBS, job("spy", &but(spec(), &with_claim["spec"]))),
        works(
            "the manager's pod-name label",
            Verb::Create,
            PODS,
            pod("spy", &json!({ "statefulset.kubernetes.io/pod-name": "ledger-0" })),
        ),
        works("a pod of the highest priority", Verb::Create, PODS, but(pod("loud", &json!({})), &highest)),
    ]
}

/// Those that are there.
pub(crate) fn changed(facts: &Facts) -> Vec<Attempt> {
    let labels = |value: Value| json!({ "metadata": { "labels": value } });
    let annotations = |value: Value| json!({ "metadata": { "annotations": value } });
    let all = json!({ "app": "ledger", "stateward.dev/governed": "true", "stateward.dev/role": "manager", "stateward.dev/set": "ledger" });
    let applied = but(
        labels(json!({ "stateward.dev/role": "manager" })),
        &json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "ledger-1" } }),
    );
    let apply = format!("{WORKER}?fieldManager=mallory&force=true");
    let replaced = json!({ "$patch": "replace", "app": "ledger" });
    let promoted = but(unversioned(&facts.worker), &labels(json!({ "stateward.dev/role": "manager" })));
    let mut keyless = unversioned(&facts.worker);
    keyless["metadata"]["labels"] = json!({ "app": "ledger" });
    keyless["metadata"]["annotations"] = Value::Null;
    let adopted = json!({ "metadata": { "ownerReferences": [reference("ledger", facts.uid())] } });
    let dangling = json!([{ "apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "00000000-0000-0000-0000-000000000000", "blockOwnerDeletion": true }]);
    let owners = json!([facts.manager["metadata"]["ownerReferences"][0], dangling[0]]);
    vec![
        refused(
            "a role by JSON patch",
            Verb::Json,
            WORKER,
            json!([{ "op": "replace", "path": "/metadata/labels/stateward.dev~1role", "value": "manager" }]),
        ),
        refused(
            "all labels by JSON patch",
            Verb::Json,
            WORKER,
            json!([{ "op": "add", "path": "/metadata/labels", "value": all }]),
        ),
        refused("labels replaced by a strategic patch", Verb::Strategic, WORKER, labels(replaced)),
        refused("a role by forced server-side apply", Verb::Apply, apply, applied),
        refused("a role by PUT", Verb::Put, WORKER, promoted),
        refused("a PUT without keys", Verb::Put, WORKER, keyless),
        refused("no role on the manager", Verb::Merge, MANAGER, labels(json!({ "stateward.dev/role": null }))),
        refused(
            "another set's name on the manager",
            Verb::Merge,
            MANAGER,
            labels(json!({ "stateward.dev/set": "plain" })),
        ),
        refused(
            "no right to write on the manager",
            Verb::Merge,
            MANAGER,
            annotations(json!({ "stateward.dev/write": "deny" })),
        ),
        refused(
            "another host of the manager",
            Verb::Merge,
            WORKER,
            annotations(json!({ "stateward.dev/manager-host": "spy.shop.svc" })),
        ),
        refused("a reference added to a pod", Verb::Merge, LOOSE_POD, adopted),
        harmless(
            "a second owner of the manager",
            Verb::Merge,
            MANAGER,
            json!({ "metadata": { "ownerReferences": owners } }),
        ),
        works("the manager's labels taken away", Verb::Merge, MANAGER, labels(json!({ "app": "other" }))),
        works(
            "the manager's reference taken away",
            Verb::Merge,
            MANAGER,
            json!({ "metadata": { "ownerReferences": null } }),
        ),
        works(
            "a program of their own in the manager",
            Verb::Strategic,
            MANAGER,
            json!({ "spec": { "containers": [{ "name": "ledger", "image": "evil:1" }] } }),
        ),
    ]
}

/// Under another name, as `kubectl debug --copy-to --keep-labels` makes it.
fn copy(of: &Value) -> Value {
    let metadata = &of["metadata"];
    let mut copy = pod("copy", &metadata["labels"]);
    copy["metadata"]["annotations"] = metadata["annotations"].clone();
    copy
}

/// With its version left out, a PUT is not told that it comes too late.
fn unversioned(object: &Value) -> Value {
    but(object.clone(), &json!({ "metadata": { "resourceVersion": null, "managedFields": null } }))
}

/// Its pods' host names are the Job's name and their number: the manager's.
fn indexed() -> Value {
    let indexed = json!({ "spec": { "completionMode": "Indexed", "completions": 1, "template": { "spec": { "subdomain": "ledger" } } } });
    but(job("ledger", &spec()), &indexed)
}

fn job(name: &str, spec: &Value) -> Value {
    let pod = but(spec.clone(), &json!({ "restartPolicy": "Never" }));
    json!({ "metadata": { "name": name }, "spec": { "template": { "metadata": { "labels": { "app": "ledger" } }, "spec": pod } } })
}

fn deployment(labels: &Value) -> Value {
    json!({ "metadata": { "name": "twins" }, "spec": {
        "replicas": 2, "selector": { "matchLabels": { "app": "twin" } }, "template": { "metadata": { "labels": labels }, "spec": spec() },
    } })
}

const JOBS: &str = "/apis/batch/v1/namespaces/shop/jobs";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/shop/deployments";
