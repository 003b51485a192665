//! The volumes of the pod template, and the claim templates.

use serde_json::{Value, json};

use super::{Change, fires, silent};
use crate::objects::{claim, persistent_claim, set};

pub(crate) fn changes() -> Vec<Change> {
    [data(), shared(), templates(), use_of_templates(), collisions()].concat()
}

/// A pod whose volume `data` is of this sort, mounted there; no claim template hides it.
fn mounted(source: Value, mount: Value) -> Value {
    let mut volume = json!({"name": "data"});
    json_patch::merge(&mut volume, &source);
    let mut mounted = json!({"name": "data", "mountPath": "/data"});
    json_patch::merge(&mut mounted, &mount);
    let container = json!({"name": "db", "image": "server:1", "readinessProbe": {"tcpSocket": {"port": 1}}, "volumeMounts": [mounted]});
    json!({"spec": {"volumeClaimTemplates": null, "template": {"spec": {"containers": [container], "volumes": [volume]}}}})
}

fn data() -> Vec<Change> {
    const EPHEMERAL: &str = "remote-volumes/ephemeral-data";
    const CLAIM: &str = "remote-volumes/ephemeral-claim";
    const HOST: &str = "remote-volumes/host-path-data";
    let generic = json!({"ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"]}}}});
    let at = |path: &str| json!({"mountPath": path});
    let host = |kind: Value| json!({"hostPath": {"path": "/disk", "type": kind}});
    let mut hidden = mounted(json!({"emptyDir": {}}), json!({}));
    hidden["spec"]["volumeClaimTemplates"] = json!([claim("data")]);
    let mut pgdata = mounted(json!({"emptyDir": {}}), at("/database"));
    pgdata["spec"]["template"]["spec"]["containers"][0]["env"] = json!([{"name": "PGDATA", "value": "/database/pg"}]);
    vec![
        fires(EPHEMERAL, mounted(json!({"emptyDir": {}}), json!({}))),
        fires(EPHEMERAL, mounted(json!({"emptyDir": {"medium": "Memory"}}), at("/var/lib/postgresql/data"))),
        fires(EPHEMERAL, mounted(json!({"emptyDir": {}}), at("/var/lib/mysql/"))),
        fires(EPHEMERAL, mounted(json!({"emptyDir": {}}), at("/bitnami/postgresql"))),
        fires(EPHEMERAL, pgdata),
        fires(EPHEMERAL, mounted(json!({"emptyDir": {}}), at("/var/lib/x/.././mysql"))),
        fires(EPHEMERAL, of("mysql:8", mounted(json!({"emptyDir": {}}), at("/var/lib")))),
        fires(EPHEMERAL, of("postgres:16", with_variable(mounted(json!({"emptyDir": {}}), at("/pg")), "/pg/data"))),
        silent(
            EPHEMERAL,
            of("postgres:16", with_variable(mounted(json!({"emptyDir": {}}), at("/var/lib")), "$(NOBODY)/pg")),
        ),
        silent(EPHEMERAL, of("postgres:16", unseen(mounted(json!({"emptyDir": {}}), at("/var/lib"))))),
        silent(EPHEMERAL, unseen(mounted(json!({"emptyDir": {}}), json!({"mountPath": "/pg", "readOnly": true})))),
        silent(EPHEMERAL, unseen(database(json!([])))),
        silent(EPHEMERAL, mounted(json!({"emptyDir": {}}), at("/var/lib/mysql/../x"))),
        silent(EPHEMERAL, mounted(json!({"emptyDir": {}}), at("/var/lib"))),
        silent(EPHEMERAL, mounted(json!({"emptyDir": {}}), at("/tmp"))),
        silent(EPHEMERAL, mounted(json!({"emptyDir": {}}), at("/database"))),
        silent(EPHEMERAL, hidden),
        fires(EPHEMERAL, database(json!([]))),
        fires(EPHEMERAL, database(json!([{"name": "settings", "mountPath": "/etc/settings"}]))),
        fires(EPHEMERAL, sidecar("Always")),
        silent(EPHEMERAL, sidecar("Never")),
        silent(EPHEMERAL, database(json!([{"name": "data", "mountPath": "/somewhere"}]))),
        fires(CLAIM, mounted(generic.clone(), json!({}))),
        silent(CLAIM, unseen(mounted(generic.clone(), at("/pg")))),
        silent(CLAIM, mounted(generic, at("/cache"))),
        fires(HOST, mounted(host(Value::Null), json!({}))),
        fires(HOST, mounted(host(json!("DirectoryOrCreate")), at("/etc/settings"))),
        silent(HOST, mounted(host(Value::Null), json!({"readOnly": true}))),
        silent(HOST, mounted(host(json!("Socket")), at("/run/server.sock"))),
        silent(HOST, unseen(mounted(host(json!("Socket")), at("/run/server.sock")))),
        fires(HOST, unseen(mounted(host(Value::Null), at("/pg")))),
    ]
}

/// With another image.
fn of(image: &str, mut patch: Value) -> Value {
    patch["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
    patch
}

fn with_variable(mut patch: Value, value: &str) -> Value {
    patch["spec"]["template"]["spec"]["containers"][0]["env"] = json!([{"name": "PGDATA", "value": value}]);
    patch
}

/// Where the data is says an object.
fn unseen(mut patch: Value) -> Value {
    patch["spec"]["template"]["spec"]["containers"][0]["env"] =
        json!([{"name": "PGDATA", "valueFrom": {"configMapKeyRef": {"name": "db", "key": "data"}}}]);
    patch
}

/// A known database that is an init container.
fn sidecar(restart_policy: &str) -> Value {
    let container = json!({"name": "cache", "image": "postgres:16", "restartPolicy": restart_policy});
    json!({"spec": {"template": {"spec": {"initContainers": [container]}}}})
}

/// A known database with these mounts, beside the template `data`.
fn database(mounts: Value) -> Value {
    let container = json!({"name": "db", "image": "postgres:16", "readinessProbe": {"tcpSocket": {"port": 1}}, "volumeMounts": mounts});
    let volumes = json!([{"name": "settings", "configMap": {"name": "settings"}}]);
    json!({"spec": {"volumeClaimTemplates": [claim("data")], "template": {"spec": {"containers": [container], "volumes": volumes}}}})
}

fn shared() -> Vec<Change> {
    const SHARED: &str = "remote-volumes/shared-claim";
    const UNSCALABLE: &str = "remote-volumes/unscalable-claim";
    let named = |replicas: u32, claim: Value, mount: Value| {
        let mut patch = mounted(json!({"persistentVolumeClaim": {"claimName": "disk"}}), mount);
        json_patch::merge(&mut patch["spec"]["template"]["spec"]["volumes"][0]["persistentVolumeClaim"], &claim);
        patch["spec"]["replicas"] = json!(replicas);
        patch
    };
    let read_only = || json!({"readOnly": true});
    let mut hidden = named(2, json!({}), json!({}));
    hidden["spec"]["volumeClaimTemplates"] = json!([claim("data")]);
    vec![
        fires(SHARED, named(2, json!({}), json!({}))),
        silent(SHARED, named(1, json!({}), json!({}))),
        silent(SHARED, named(0, json!({}), json!({}))),
        silent(SHARED, named(2, read_only(), json!({}))),
        silent(SHARED, named(2, json!({}), read_only())),
        silent(SHARED, hidden),
        fires(UNSCALABLE, named(1, json!({}), json!({}))),
        silent(UNSCALABLE, named(2, json!({}), json!({}))),
        silent(UNSCALABLE, named(0, json!({}), json!({}))),
        silent(UNSCALABLE, named(1, read_only(), json!({}))),
    ]
}

/// A set with this one claim template.
fn template(patch: Value) -> Value {
    let mut template = claim("data");
    json_patch::merge(&mut template["spec"], &patch);
    json!({"spec": {"volumeClaimTemplates": [template]}})
}

fn templates() -> Vec<Change> {
    const MODES: &str = "remote-volumes/shared-access-mode";
    const INCOMPLETE: &str = "remote-volumes/incomplete-claim";
    const PINNED: &str = "remote-volumes/pinned-volume";
    const CLONED: &str = "remote-volumes/cloned-source";
    let snapshot = json!({"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "monday"});
    let retention =
        |field: &str, value: &str| json!({"spec": {"persistentVolumeClaimRetentionPolicy": {(field): value}}});
    vec![
        fires("remote-volumes/no-claim-template", json!({"spec": {"volumeClaimTemplates": null}})),
        fires("remote-volumes/no-claim-template", json!({"spec": {"volumeClaimTemplates": []}})),
        silent("remote-volumes/no-claim-template", template(json!({}))),
        fires(MODES, template(json!({"accessModes": ["ReadWriteMany"]}))),
        fires(MODES, template(json!({"accessModes": ["ReadOnlyMany"]}))),
        fires(MODES, template(json!({"accessModes": ["ReadWriteOnce", "ReadWriteOncePod"]}))),
        silent(MODES, template(json!({"accessModes": ["ReadWriteOncePod"]}))),
        silent(MODES, template(json!({"accessModes": null}))),
        fires(INCOMPLETE, template(json!({"accessModes": null}))),
        fires(INCOMPLETE, template(json!({"accessModes": []}))),
        fires(INCOMPLETE, template(json!({"resources": null}))),
        fires(INCOMPLETE, template(json!({"resources": {"requests": null, "limits": {"storage": "1Gi"}}}))),
        fires(INCOMPLETE, template(json!({"resources": {"requests": {"storage": 0}}}))),
        fires(INCOMPLETE, template(json!({"resources": {"requests": {"storage": "-1Gi"}}}))),
        silent(INCOMPLETE, template(json!({"resources": {"requests": {"storage": "1"}}}))),
        fires(CLONED, template(json!({"dataSource": snapshot}))),
        fires(CLONED, template(json!({"dataSourceRef": snapshot}))),
        silent(CLONED, template(json!({"dataSource": null}))),
        fires(PINNED, template(json!({"volumeName": "disk-7"}))),
        fires(PINNED, template(json!({"selector": {"matchLabels": {"disk": "fast"}}}))),
        silent(PINNED, template(json!({"volumeName": ""}))),
        fires(
            "remote-volumes/duplicate-claim",
            json!({"spec": {"volumeClaimTemplates": [claim("data"), claim("data")]}}),
        ),
        silent(
            "remote-volumes/duplicate-claim",
            json!({"spec": {"volumeClaimTemplates": [claim("data"), claim("log")]}}),
        ),
        fires("remote-volumes/delete-with-set", retention("whenDeleted", "Delete")),
        silent("remote-volumes/delete-with-set", retention("whenDeleted", "Retain")),
        silent("remote-volumes/delete-with-set", retention("whenDeleted", "Later")),
        silent("remote-volumes/delete-with-set", retention("whenScaled", "Delete")),
        fires("remote-volumes/delete-on-scale-down", retention("whenScaled", "Delete")),
        silent("remote-volumes/delete-on-scale-down", retention("whenScaled", "Retain")),
        silent("remote-volumes/delete-on-scale-down", retention("whenScaled", "Later")),
    ]
}

fn use_of_templates() -> Vec<Change> {
    const UNMOUNTED: &str = "remote-volumes/unmounted-claim";
    const SHADOWED: &str = "remote-volumes/shadowed-volume";
    const MODE: &str = "remote-volumes/volume-mode-mismatch";
    let with = |mode: Value, container: Value| {
        let mut patch = template(json!({"volumeMode": mode}));
        patch["spec"]["template"]["spec"]["containers"] = json!([container]);
        patch
    };
    let mounts = json!({"name": "db", "image": "server:1", "volumeMounts": [{"name": "data", "mountPath": "/data"}]});
    let maps =
        json!({"name": "db", "image": "server:1", "volumeDevices": [{"name": "data", "devicePath": "/dev/data"}]});
    let mut by_init = with(Value::Null, json!({"name": "db", "image": "server:1"}));
    by_init["spec"]["template"]["spec"]["initContainers"] = json!([mounts]);
    let hides = |source: Value| {
        let mut volume = json!({"name": "data"});
        json_patch::merge(&mut volume, &source);
        json!({"spec": {"volumeClaimTemplates": [claim("data")], "template": {"spec": {"volumes": [volume]}}}})
    };
    vec![
        fires(UNMOUNTED, with(Value::Null, json!({"name": "db", "image": "server:1"}))),
        fires(UNMOUNTED, json!({"spec": {"volumeClaimTemplates": [claim("data"), claim("spare")]}})),
        silent(UNMOUNTED, by_init),
        silent(UNMOUNTED, with(json!("Block"), maps.clone())),
        fires(SHADOWED, hides(json!({"emptyDir": {}}))),
        fires(SHADOWED, hides(json!({"hostPath": {"path": "/disk"}}))),
        silent(SHADOWED, hides(json!({"persistentVolumeClaim": {"claimName": "data"}}))),
        fires(MODE, with(json!("Block"), mounts.clone())),
        fires(MODE, with(json!("Filesystem"), maps.clone())),
        fires(MODE, with(Value::Null, maps.clone())),
        silent(MODE, with(json!("Block"), maps)),
        silent(MODE, with(json!("Filesystem"), mounts.clone())),
        silent(MODE, with(json!("Tape"), mounts)),
    ]
}

fn with_replicas(mut patch: Value, replicas: u32) -> Value {
    patch["spec"]["replicas"] = json!(replicas);
    patch
}

fn collisions() -> Vec<Change> {
    const RULE: &str = "remote-volumes/claim-collision";
    let mine = || json!({"metadata": {"name": "a-b"}, "spec": {"volumeClaimTemplates": [claim("data")]}});
    let other = |name: &str, template: &str, start: u32| {
        let mut other = set();
        other["metadata"]["name"] = json!(name);
        other["spec"]["ordinals"] = json!({"start": start});
        other["spec"]["selector"] = json!({"matchLabels": {"app": "other"}});
        other["spec"]["template"]["metadata"]["labels"] = json!({"app": "other"});
        other["spec"]["volumeClaimTemplates"] = json!([claim(template)]);
        other
    };
    let existing = |ordinal: u32, patch: Value| {
        let mut existing = persistent_claim(&format!("data-a-b-{ordinal}"), "ReadWriteOnce");
        json_patch::merge(&mut existing["spec"], &patch);
        existing
    };
    let smaller = json!({"resources": {"requests": {"storage": "5Gi"}}});
    let larger = json!({"resources": {"requests": {"storage": "20Gi"}}});
    vec![
        fires(RULE, mine()).beside(other("b", "data-a", 0)),
        fires(RULE, mine()).beside(other("b", "data-a", 2)),
        fires(RULE, mine()).beside(other("b", "data-a", 3)),
        fires(RULE, with_replicas(mine(), 0)).beside(other("b", "data-a", 0)),
        silent(RULE, mine()).beside(other("b", "data-c", 0)),
        silent(RULE, mine()).beside(existing(3, json!({"volumeMode": "Block"}))),
        fires(RULE, mine()).beside(existing(0, json!({"accessModes": ["ReadWriteMany"]}))),
        fires(RULE, mine()).beside(existing(0, json!({"volumeMode": "Block"}))),
        fires(RULE, mine()).beside(existing(1, json!({"storageClassName": "local"}))),
        fires(RULE, mine()).beside(existing(2, smaller)),
        silent(RULE, mine()).beside(existing(0, larger)),
        silent(RULE, mine()).beside(existing(0, json!({"resources": {"requests": {"storage": "10240Mi"}}}))),
        silent(RULE, mine()).beside(existing(0, json!({"volumeMode": "Filesystem"}))),
    ]
}
