//! The classes behind the claims.

use serde_json::{Value, json};

use super::{Change, fires, silent};
use crate::objects::{claim, persistent_claim};

pub(crate) fn changes() -> Vec<Change> {
    let mut changes = Vec::new();
    let mut rule = |rule: &'static str, wrong: &[&str], right: &[&str]| {
        changes.extend(wrong.iter().map(|class| fires(rule, with_class(json!(class)))));
        changes.extend(right.iter().map(|class| silent(rule, with_class(json!(class)))));
    };
    rule("remote-volumes/local-class", &["local", "topolvm"], &["remote", "rook", "unknown", "nowhere", ""]);
    rule("remote-volumes/unknown-driver", &["unknown", "obsolete"], &["remote", "local", "rook", "nfs", "nowhere"]);
    rule(
        "remote-volumes/degraded-remote-class",
        &["longhorn-one", "longhorn-local", "mayastor-one"],
        &["longhorn", "remote"],
    );
    rule("remote-volumes/missing-class", &["nowhere"], &["remote", ""]);
    rule("remote-volumes/static-only-class", &[""], &["remote", "nowhere"]);
    rule("remote-volumes/reclaim-delete", &["delete", "reclaimed"], &["remote"]);
    rule("remote-volumes/immediate-binding", &["immediate", "unbound"], &["remote", "nfs", "efs"]);
    rule("remote-volumes/fixed-size-class", &["fixed"], &["remote"]);
    let absent = || with_class(Value::Null);
    changes.push(fires("remote-volumes/default-class", absent()));
    changes.push(silent("remote-volumes/default-class", with_class(json!(""))));
    changes.push(fires("remote-volumes/local-class", absent()));
    changes.push(silent("remote-volumes/missing-class", absent()));
    let mut old = absent();
    old["spec"]["volumeClaimTemplates"][0]["metadata"]["annotations"] =
        json!({"volume.beta.kubernetes.io/storage-class": "remote"});
    changes.push(silent("remote-volumes/local-class", old.clone()));
    changes.push(silent("remote-volumes/default-class", old));
    for (class, image, is_wrong) in [
        ("nfs", "postgres:16", true),
        ("efs", "mysql", true),
        ("remote", "postgres:16", false),
        ("nfs", "server:1", false),
    ] {
        let mut patch = with_class(json!(class));
        patch["spec"]["template"]["spec"]["containers"] =
            json!([{"name": "db", "image": image, "volumeMounts": [{"name": "data", "mountPath": "/data"}]}]);
        let change = if is_wrong { fires } else { silent };
        changes.push(change("remote-volumes/file-system-database", patch));
    }
    changes.extend(claims());
    changes
}

fn with_class(class: Value) -> Value {
    let mut template = claim("data");
    template["spec"]["storageClassName"] = class;
    json!({"spec": {"volumeClaimTemplates": [template]}})
}

fn claims() -> Vec<Change> {
    const RULE: &str = "remote-volumes/local-claim";
    let of = |change: Change| change.of(persistent_claim("data-db-0", "ReadWriteOnce"));
    let spec = |patch: Value| json!({"spec": patch});
    let bound = |volume: &str| spec(json!({"volumeName": volume}));
    vec![
        of(fires(RULE, spec(json!({"storageClassName": "local"})))),
        of(fires(RULE, bound("volume-local"))),
        of(fires(RULE, bound("volume-path"))),
        of(fires(RULE, bound("volume-node"))),
        of(silent(RULE, spec(json!({"storageClassName": "remote"})))),
        of(silent(RULE, bound("volume-zone"))),
        of(silent(RULE, bound("volume-remote"))),
        of(silent(RULE, json!({"metadata": {"name": "data"}, "spec": {"storageClassName": "local"}}))),
    ]
}
