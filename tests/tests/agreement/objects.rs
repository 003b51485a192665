//! Objects that the cases begin with.

use serde_json::{Value, json};

/// A set that no rule of `baseline` has anything against, where its neighbours are known.
pub(crate) fn set() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "annotations": {}},
        "spec": {
            "replicas": 3, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}},
            "template": {"metadata": {"labels": {"app": "db"}}, "spec": {
                "containers": [{"name": "db", "image": "example/server:1", "readinessProbe": {"tcpSocket": {"port": 1}},
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
                "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
                    {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "db"}}}]}}}},
            "volumeClaimTemplates": [claim("data")],
        },
    })
}

/// What stands beside [`set`].
pub(crate) fn beside_set() -> Vec<Value> {
    vec![
        service("db", true),
        budget("db", json!({"maxUnavailable": 1})),
        persistent_claim("unrelated", "ReadWriteOnce"),
    ]
}

pub(crate) fn claim(name: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "remote",
        "resources": {"requests": {"storage": "10Gi"}}}})
}

pub(crate) fn service(name: &str, headless: bool) -> Value {
    let address = if headless { "None" } else { "10.0.0.7" };
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"clusterIP": address, "selector": {"app": "db"}, "ports": [{"port": 1}]}})
}

pub(crate) fn budget(name: &str, allows: Value) -> Value {
    let mut budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {"app": "db"}}}});
    json_patch::merge(&mut budget["spec"], &allows);
    budget
}

pub(crate) fn persistent_claim(name: &str, mode: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
        "spec": {"accessModes": [mode], "storageClassName": "remote", "resources": {"requests": {"storage": "10Gi"}}}})
}

/// A Deployment of one pod that mounts the claim `disk`.
pub(crate) fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": 1, "strategy": {"type": "Recreate"}, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod_spec()}},
    })
}

pub(crate) fn replica_set() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod_spec()}},
    })
}

pub(crate) fn pod() -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "labels": {"app": "web"}}, "spec": pod_spec()})
}

fn pod_spec() -> Value {
    json!({"containers": [{"name": "web", "image": "example/web:1", "volumeMounts": [{"name": "disk", "mountPath": "/files"}]}],
        "volumes": [{"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}}]})
}

/// What has no namespace: classes of every sort, the default one local as on every laptop, and volumes.
pub(crate) fn cluster() -> Vec<Value> {
    let local = ("provisioner", "rancher.io/local-path");
    let mut objects = vec![
        class("local", json!({(local.0): local.1, "volumeBindingMode": "WaitForFirstConsumer"})),
        class("remote", json!({})),
        class("topolvm", json!({"provisioner": "topolvm.cybozu.com/ssd"})),
        class("unknown", json!({"provisioner": "foo.example"})),
        class("obsolete", json!({"provisioner": "kubernetes.io/storageos"})),
        class("rook", json!({"provisioner": "rook-ceph.rbd.csi.ceph.com"})),
        class(
            "nfs",
            json!({"provisioner": "cluster.local/test-nfs-server-provisioner", "volumeBindingMode": "Immediate"}),
        ),
        class("efs", json!({"provisioner": "efs.csi.aws.com", "volumeBindingMode": null})),
        class("immediate", json!({"volumeBindingMode": "Immediate"})),
        class("unbound", json!({"volumeBindingMode": null})),
        class("delete", json!({"reclaimPolicy": "Delete"})),
        class("reclaimed", json!({"reclaimPolicy": null})),
        class("fixed", json!({"allowVolumeExpansion": false})),
        class("longhorn", json!({"provisioner": "driver.longhorn.io", "parameters": {"numberOfReplicas": "3"}})),
        class("longhorn-one", json!({"provisioner": "driver.longhorn.io", "parameters": {"numberOfReplicas": "1"}})),
        class(
            "longhorn-local",
            json!({"provisioner": "driver.longhorn.io", "parameters": {"dataLocality": "strict-local"}}),
        ),
        class("mayastor-one", json!({"provisioner": "io.openebs.csi-mayastor", "parameters": {"repl": "1"}})),
    ];
    objects[0]["metadata"]["annotations"] = json!({"storageclass.kubernetes.io/is-default-class": "true"});
    objects.extend([
        volume("volume-remote", json!({"csi": {"driver": "ebs.csi.aws.com", "volumeHandle": "a"}})),
        volume("volume-local", json!({"local": {"path": "/disk"}})),
        volume("volume-path", json!({"hostPath": {"path": "/disk"}})),
        volume(
            "volume-node",
            json!({"nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
            {"key": "kubernetes.io/hostname", "operator": "In", "values": ["node-0"]}]}]}}}),
        ),
        volume(
            "volume-zone",
            json!({"nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
            {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["a"]}]}]}}}),
        ),
    ]);
    objects
}

fn class(name: &str, patch: Value) -> Value {
    let mut class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name},
        "provisioner": "ebs.csi.aws.com", "reclaimPolicy": "Retain", "allowVolumeExpansion": true, "volumeBindingMode": "WaitForFirstConsumer"});
    json_patch::merge(&mut class, &patch);
    class
}

fn volume(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec})
}
