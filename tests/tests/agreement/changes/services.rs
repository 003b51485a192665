//! What the Services and sets beside a set show.

use serde_json::{Value, json};

use super::{Change, fires, silent};
use crate::objects::{service, set};

pub(crate) fn changes() -> Vec<Change> {
    [governing(), state(), unready(), overlap()].concat()
}

fn governing() -> Vec<Change> {
    const NO_NAME: &str = "ordered-identity/no-service-name";
    const MISSING: &str = "ordered-identity/missing-service";
    let named = |name: Value| json!({"spec": {"serviceName": name}});
    vec![
        fires(NO_NAME, named(Value::Null)),
        fires(NO_NAME, named(json!(""))),
        fires(NO_NAME, json!({"spec": {"serviceName": null, "replicas": 1}})),
        silent(NO_NAME, named(json!("nowhere"))),
        fires(MISSING, named(json!("nowhere"))),
        silent(MISSING, named(json!("db"))),
        silent(MISSING, named(Value::Null)),
    ]
}

fn state() -> Vec<Change> {
    const HEADLESS: &str = "ordered-identity/not-headless";
    const DEAD: &str = "ordered-identity/dead-service";
    let db = json!({"spec": {"serviceName": "db"}});
    let writes =
        |who: &str| json!({"metadata": {"annotations": {"stateward.dev/writes": who}}, "spec": {"serviceName": "db"}});
    let members = |replicas: u32| json!({"spec": {"serviceName": "db", "replicas": replicas}});
    let with = |patch: Value| {
        let mut service = service("db", true);
        json_patch::merge(&mut service["spec"], &patch);
        service
    };
    vec![
        fires(HEADLESS, db.clone()).beside(service("db", false)),
        fires(HEADLESS, json!({"spec": {"serviceName": "db", "replicas": 1}})).beside(service("db", false)),
        fires(HEADLESS, db.clone()).beside(with(json!({"clusterIP": null}))),
        silent(HEADLESS, db.clone()).beside(with(json!({"clusterIP": null, "clusterIPs": ["None"]}))),
        silent(HEADLESS, json!({"spec": {"serviceName": "nowhere"}})),
        silent(HEADLESS, db.clone()).beside(with(json!({"clusterIP": null, "type": "ExternalName"}))),
        fires(DEAD, db.clone()).beside(with(json!({"type": "ExternalName", "externalName": "db.example"}))),
        fires(DEAD, db.clone()).beside(with(json!({"selector": {"app": "nobody"}}))),
        fires(DEAD, db.clone()).beside(with(json!({"selector": {"tier": "back"}}))),
        silent(DEAD, db.clone()).beside(with(json!({"selector": null}))),
        fires(DEAD, writes("any")).beside(with(json!({"selector": {"stateward.dev/set": "db"}}))),
        silent(DEAD, writes("manager-only")).beside(with(json!({"selector": {"stateward.dev/set": "db"}}))),
        fires(DEAD, members(2)).beside(with(json!({"selector": {"statefulset.kubernetes.io/pod-name": "db-0"}}))),
        silent(DEAD, members(1)).beside(with(json!({"selector": {"statefulset.kubernetes.io/pod-name": "db-0"}}))),
        silent(DEAD, db.clone()).beside(with(json!({"selector": {}}))),
        silent(DEAD, db).beside(with(json!({"type": "ClusterIP"}))),
    ]
}

fn unready() -> Vec<Change> {
    const RULE: &str = "ordered-identity/unready-dns";
    let init = |patch: Value| {
        let mut container = json!({"name": "join", "image": "tool:1"});
        json_patch::merge(&mut container, &patch);
        json!({"spec": {"serviceName": "db", "template": {"spec": {"initContainers": [container]}}}})
    };
    let by = |said: &str| init(json!({"command": ["sh", "-c", said]}));
    let mut published = service("db", true);
    published["spec"]["publishNotReadyAddresses"] = json!(true);
    let mut parallel = by("ping db-0.db");
    parallel["spec"]["podManagementPolicy"] = json!("Parallel");
    vec![
        fires(RULE, by("until nslookup db-0.db; do sleep 1; done")).beside(service("db", true)),
        fires(RULE, init(json!({"args": ["--join", "db.shop.svc"]}))).beside(service("db", true)),
        fires(RULE, init(json!({"env": [{"name": "PEERS", "value": "db-0,db-1"}]}))).beside(service("db", true)),
        fires(RULE, init(json!({"restartPolicy": "Always", "args": ["db-2"]}))).beside(service("db", true)),
        silent(RULE, by("echo hello")).beside(service("db", true)),
        silent(RULE, by("echo dbx-0 mydb-0 db-x")).beside(service("db", true)),
        silent(RULE, by("ping db-0.db")).beside(published),
        silent(RULE, parallel).beside(service("db", true)),
    ]
}

fn overlap() -> Vec<Change> {
    const RULE: &str = "ordered-identity/overlapping-selector";
    let other = |labels: Value| {
        let mut other = set();
        other["metadata"]["name"] = json!("other");
        other["spec"]["volumeClaimTemplates"] = Value::Null;
        other["spec"]["selector"] = json!({"matchLabels": labels});
        other["spec"]["template"]["metadata"]["labels"] = labels;
        other
    };
    let selects = |selector: Value| json!({"spec": {"selector": selector}});
    let narrow = |labels: Value| json!({"spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}}}});
    let in_two =
        json!({"matchLabels": null, "matchExpressions": [{"key": "app", "operator": "In", "values": ["db", "other"]}]});
    let not_in =
        json!({"matchLabels": null, "matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]});
    vec![
        fires(RULE, json!({})).beside(other(json!({"app": "db"}))),
        fires(RULE, json!({})).beside(other(json!({"app": "db", "tier": "back"}))),
        fires(RULE, selects(in_two)).beside(other(json!({"app": "other"}))),
        fires(RULE, selects(not_in)).beside(other(json!({"tier": "back"}))),
        silent(RULE, json!({})).beside(other(json!({"app": "other"}))),
        fires(RULE, narrow(json!({"app": "db", "tier": "back"}))).beside(other(json!({"app": "db"}))),
        silent(RULE, narrow(json!({"app": "db", "tier": "back"}))).beside(other(json!({"app": "db", "tier": "front"}))),
    ]
}
