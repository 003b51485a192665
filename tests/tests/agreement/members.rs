//! Pods of sets, as they are stored: stamped, adopted, older than the contract, forged.

use serde_json::{Value, json};

use crate::case::{Case, NAMESPACE};
use crate::objects::set;

/// Each three times, so that a strict namespace comes among theirs, and one where they are exempt.
pub(crate) fn cases() -> Vec<Case> {
    let stamped = || with_keys(member("db-0"), "manager", "0");
    let worker = || with_keys(member("db-1"), "worker", "1");
    let mut stranger = with_keys(member("db-0"), "manager", "0");
    stranger["metadata"].as_object_mut().unwrap().remove("ownerReferences");
    let of_nobody = with_keys(member("db-first"), "worker", "1");
    let all = [
        ("stamped members", stamped(), vec![worker(), governed()]),
        ("an adopted member", with_keys(member("db-0"), "worker", "0"), vec![worker(), joined()]),
        ("members without keys", member("db-0"), vec![member("db-1"), governed()]),
        ("members older than the contract", member("db-0"), vec![worker(), joined()]),
        ("a second manager", with_keys(member("db-1"), "manager", "1"), vec![stamped(), governed()]),
        ("a stranger with keys", stranger, vec![governed()]),
        ("a stranger's name", of_nobody, vec![governed()]),
        ("a member of a plain set with a role", stamped(), vec![plain()]),
        ("a member of a set that is not there", stamped(), vec![]),
        ("a claim of two members", rival(), vec![claimer("a-b", "data", 5), ungoverned(claimer("b", "data-a", 0))]),
    ];
    let thrice = all.into_iter().flat_map(|one| [one.clone(), one.clone(), one]);
    thrice.map(|(name, pod, beside)| Case { is_stored: true, ..Case::new(name, pod, beside) }).collect()
}

fn plain() -> Value {
    let mut set = set();
    set["metadata"]["uid"] = "uid-1".into();
    set
}

/// With the contract while it ran: nothing in its template.
fn joined() -> Value {
    let mut set = plain();
    set["metadata"]["annotations"] = json!({"stateward.dev/writes": "manager-only", "stateward.dev/manager": "db-0"});
    set
}

fn governed() -> Value {
    let mut set = joined();
    set["spec"]["template"]["metadata"]["labels"]["stateward.dev/governed"] = "true".into();
    set
}

fn member(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "db"}, "annotations": {}, "ownerReferences": owner("db", "uid-1")},
        "spec": {"containers": [{"name": "db", "image": "example/server:1"}]},
    })
}

fn owner(name: &str, uid: &str) -> Value {
    json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": name, "uid": uid, "controller": true}])
}

fn with_keys(mut pod: Value, role: &str, ordinal: &str) -> Value {
    for (key, value) in [("governed", "true"), ("role", role), ("set", "db")] {
        pod["metadata"]["labels"][format!("stateward.dev/{key}")] = value.into();
    }
    let (write, host) = (if role == "manager" { "allow" } else { "deny" }, format!("db-0.db.{NAMESPACE}.svc"));
    for (key, value) in [("write", write), ("ordinal", ordinal), ("manager-host", &host)] {
        pod["metadata"]["annotations"][format!("stateward.dev/{key}")] = value.into();
    }
    pod
}

/// `b-5`, whose claim of the template `data-a` is that of the template `data` for `a-b-5` as well.
fn rival() -> Value {
    let mut pod = member("b-5");
    pod["metadata"]["ownerReferences"] = owner("b", "uid-b");
    pod["spec"]["volumes"] = json!([{"name": "data-a", "persistentVolumeClaim": {"claimName": "data-a-b-5"}}]);
    pod
}

/// A governed set's own members have the claim by right.
fn ungoverned(mut set: Value) -> Value {
    set["metadata"]["annotations"] = json!({});
    set["spec"]["template"]["metadata"]["labels"] = json!({"app": "db"});
    set
}

fn claimer(name: &str, template: &str, start: u32) -> Value {
    let mut set = governed();
    set["metadata"]["name"] = name.into();
    set["metadata"]["uid"] = format!("uid-{name}").into();
    set["metadata"]["annotations"]["stateward.dev/manager"] = format!("{name}-{start}").into();
    let spec = &mut set["spec"];
    (spec["replicas"], spec["ordinals"]) = (json!(6), json!({"start": start}));
    spec["volumeClaimTemplates"][0]["metadata"]["name"] = template.into();
    set
}
