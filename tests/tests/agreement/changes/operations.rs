//! Back-up, spread and budgets.

use serde_json::{Value, json};

use super::{Change, fires, silent};
use crate::objects::{budget, claim, set};

pub(crate) fn changes() -> Vec<Change> {
    [backup(), spread(), budgets(), owners()].concat()
}

fn backup() -> Vec<Change> {
    const INTENT: &str = "operations/no-backup-intent";
    const MISSING: &str = "operations/backup-of-missing-volume";
    const EXCLUDED: &str = "operations/excluded-data";
    let governed = |key: &str, value: &str| json!({"metadata": {"annotations": {"stateward.dev/writes": "manager-only", (key): value}}});
    let pod = |key: &str, value: &str| json!({"spec": {"template": {"metadata": {"annotations": {(key): value}}}}});
    let volumes = |names: &str| pod("backup.velero.io/backup-volumes", names);
    let excludes = |names: &str| pod("backup.velero.io/backup-volumes-excludes", names);
    let mut marked = claim("data");
    marked["metadata"]["annotations"] = json!({"k8up.io/backup": "true"});
    let mut by_claim = governed("team", "a");
    by_claim["spec"] = json!({"volumeClaimTemplates": [marked]});
    let mut by_pod = volumes("data");
    by_pod["metadata"] = governed("team", "a")["metadata"].clone();
    vec![
        fires(INTENT, governed("team", "a")),
        silent(INTENT, governed("stateward.dev/backup", "velero")),
        silent(INTENT, governed("stateward.dev/backup", "none")),
        silent(INTENT, governed("kanister.kasten.io/blueprint", "postgres")),
        silent(INTENT, by_claim),
        silent(INTENT, by_pod),
        silent(INTENT, json!({"metadata": {"annotations": {"stateward.dev/writes": "any"}}})),
        fires(MISSING, volumes("data,nothing")),
        silent(MISSING, volumes("data")),
        fires(MISSING, volumes("data, log")),
        fires(MISSING, volumes(" data")),
        silent(MISSING, excludes("nothing")),
        fires(EXCLUDED, excludes("data")),
        silent(EXCLUDED, excludes("cache")),
        silent(EXCLUDED, volumes("data")),
    ]
}

fn spread() -> Vec<Change> {
    const NONE: &str = "operations/no-spread";
    const INEFFECTIVE: &str = "operations/ineffective-spread";
    let pod = |patch: Value| json!({"spec": {"template": {"spec": patch}}});
    let constraint = |selector: Value| {
        pod(json!({"affinity": null, "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": selector}]}))
    };
    let preferred = |selector: Value| {
        let term = json!({"topologyKey": "kubernetes.io/hostname", "labelSelector": selector});
        pod(json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": null,
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": term}]}}}))
    };
    let app = |value: &str| json!({"matchLabels": {"app": value}});
    let exists = json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "db"]}]});
    let alone = json!({"spec": {"replicas": 1, "template": {"spec": {"affinity": null}}}});
    let only_affinity = pod(json!({"affinity": {"podAntiAffinity": null, "podAffinity": {}}}));
    vec![
        fires(NONE, pod(json!({"affinity": null}))),
        fires(NONE, only_affinity),
        fires(NONE, pod(json!({"affinity": null, "topologySpreadConstraints": []}))),
        silent(NONE, alone),
        silent(NONE, constraint(app("db"))),
        silent(NONE, preferred(app("db"))),
        fires(INEFFECTIVE, constraint(app("web"))),
        fires(INEFFECTIVE, preferred(app("web"))),
        silent(INEFFECTIVE, constraint(exists)),
        silent(INEFFECTIVE, preferred(app("db"))),
        silent(INEFFECTIVE, pod(json!({"affinity": null}))),
    ]
}

fn budgets() -> Vec<Change> {
    const NONE: &str = "operations/no-disruption-budget";
    const BLOCKING: &str = "operations/blocking-budget";
    let replicas = |replicas: u32| {
        let mut set = set();
        set["spec"]["replicas"] = json!(replicas);
        set
    };
    let of = |change: Change, allows: Value, members: u32| change.of(budget("db", allows)).beside(replicas(members));
    let other = || json!({"selector": {"matchLabels": {"app": "web"}}});
    let blocks = |allows: Value| of(fires(BLOCKING, json!({})), allows, 3);
    let lets = |allows: Value, members: u32| of(silent(BLOCKING, json!({})), allows, members);
    vec![
        fires(NONE, json!({})).beside(budget("db", other())),
        silent(NONE, json!({})).beside(budget("db", json!({}))),
        silent(NONE, json!({"spec": {"replicas": 1}})).beside(budget("db", other())),
        silent(NONE, json!({})).beside(budget("db", json!({"selector": {"matchLabels": null}}))),
        blocks(json!({"maxUnavailable": 0})),
        blocks(json!({"maxUnavailable": "0%"})),
        blocks(json!({"minAvailable": 3})),
        blocks(json!({"minAvailable": "100%"})),
        blocks(json!({"minAvailable": "67%"})),
        blocks(json!({"maxUnavailable": 3})),
        blocks(json!({"maxUnavailable": "100%"})),
        blocks(json!({"minAvailable": 0})),
        lets(json!({"maxUnavailable": 1}), 3),
        lets(json!({"maxUnavailable": 2}), 3),
        lets(json!({"minAvailable": 2}), 3),
        lets(json!({"minAvailable": "66%"}), 3),
        blocks(json!({"maxUnavailable": 0, "selector": {"matchLabels": {"app": "web"}}})),
        lets(json!({"minAvailable": 3, "maxUnavailable": null, "selector": {"matchLabels": {"app": "web"}}}), 3),
        blocks(json!({"maxUnavailable": null})),
        of(fires(BLOCKING, json!({})), json!({"minAvailable": 1}), 1),
        lets(json!({"maxUnavailable": 1}), 1),
        lets(json!({"minAvailable": 1}), 0),
    ]
}

fn owners() -> Vec<Change> {
    const RULE: &str = "operations/no-owner";
    vec![
        fires(RULE, json!({"metadata": {"annotations": {"note": "hello"}}})),
        silent(RULE, json!({"metadata": {"annotations": {"a8r.io/owner": "team-a"}}})),
    ]
}
