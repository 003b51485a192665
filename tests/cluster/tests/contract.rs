//! The contract's rarer ways: the first ordinal moves; a partition keeps the manager's template; a back-up tool brings pods back; and in a namespace that asks for `strict` a set joins while its members run, tells them their
//! role in the environment, is updated by `OnDelete`, and leaves.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stateward_cluster_tests::attacks::{Answer, Sent, Verb};
use stateward_cluster_tests::eventually;
use stateward_cluster_tests::installed::Installed;
use stateward_cluster_tests::shop::{SHOP, stateful_set};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rarer_ways_of_the_contract() -> Result<()> {
    Installed::run("contract", sections).await
}

async fn sections(on: &Installed) -> Result<()> {
    // Kubelets delete with a grace period of 0 when a pod has stopped, and are known by their group; kwok plays them under a name of its own.
    settings(on, "ordered-identity", json!({ "trustedUsers": ["kwok"] })).await?;
    settings(on, "manager-writes", of_the_contract(&[])).await?;
    on.open_shop().await?;
    the_first_ordinal_moves(on).await.context("another start")?;
    a_partition_keeps_roles(on).await.context("a partition")?;
    pods_are_restored(on).await.context("a restore")?;
    another_account_makes_members(on).await.context("another controller")?;
    before_it_joins(on).await.context("before it joins")?;
    on.granted(&["label", "namespace", SHOP, "stateward.dev/profile=strict"]).await?;
    joins_while_it_runs(on).await.context("joining")?;
    members_get_their_role_in_turn(on).await.context("roles in turn")?;
    on.fails("validate-closed.stateward.dev").await?;
    on.is_guarded(true).await?;
    is_updated_by_deletion(on).await.context("OnDelete")?;
    leaves(on).await.context("leaving")
}

async fn before_it_joins(on: &Installed) -> Result<()> {
    let mut set = stateful_set("ledger", 3);
    set["metadata"]["annotations"]["stateward.dev/writes"] = "any".into();
    set["spec"]["updateStrategy"] = json!({ "type": "OnDelete" });
    on.plane.apply(&set.to_string()).await?;
    for name in MEMBERS {
        let pod = running(on, name, |_| true).await?;
        ensure!(role(&pod).is_null() && variable(&pod).is_null(), "{pod}");
    }
    Ok(())
}

/// Nothing is restarted, and what is left to do is said.
async fn joins_while_it_runs(on: &Installed) -> Result<()> {
    let before = uids(on).await?;
    let said = eventually("every replica knows the namespace's profile", PATIENCE, async || {
        let said = merge(on, SET, &writes("manager-only"), true).await?.warnings;
        Ok(said.iter().any(|warning| warning.starts_with("[manager-writes/unstamped-members]")).then_some(said))
    })
    .await?;
    ensure!(
        said.iter().any(|warning| warning.contains("3 members have no role: `ledger-2`, `ledger-1`, `ledger-0`")),
        "{said:?}"
    );
    merge(on, SET, &writes("manager-only"), false).await?;
    let set = get(on, SET).await?;
    ensure!(set["metadata"]["annotations"]["stateward.dev/manager"] == "ledger-0", "{set}");
    ensure!(set["spec"]["template"]["metadata"]["labels"]["stateward.dev/governed"].is_null(), "{set}");
    ensure!(set["status"]["currentRevision"] == set["status"]["updateRevision"], "{set}");
    ensure!(uids(on).await? == before, "a member was made anew");
    let (code, said) = on.stateward(&["roles", "shop/ledger"]).await?;
    ensure!(code == Some(1) && said.contains("kubectl delete pod ledger-2 --namespace shop"), "{code:?} {said}");
    Ok(())
}

/// The highest ordinal first, and the manager last, which has no role yet and may be deleted for it.
async fn members_get_their_role_in_turn(on: &Installed) -> Result<()> {
    for (left, name) in MEMBERS.iter().enumerate().rev() {
        let said = merge(on, SET, &json!({ "metadata": { "labels": { "turn": left.to_string() } } }), true).await?;
        ensure!(
            said.warnings.iter().any(|warning| warning.contains(&format!("`kubectl delete pod {name} "))),
            "{said:?}"
        );
        replace(on, name).await?;
        let pod = running(on, name, |pod| !role(pod).is_null()).await?;
        ensure!(role(&pod) == if left == 0 { "manager" } else { "worker" }, "{pod}");
        let source = json!({ "fieldPath": "metadata.labels['stateward.dev/role']", "apiVersion": "v1" });
        ensure!(variable(&pod)["valueFrom"]["fieldRef"] == source, "{pod}");
    }
    let said = merge(on, SET, &json!({ "metadata": { "labels": { "turn": "over" } } }), true).await?;
    ensure!(!said.warnings.iter().any(|warning| warning.contains("unstamped-members")), "{said:?}");
    Ok(())
}

/// The template's label comes with a template that nobody is restarted for, and each member has it when somebody deletes it.
async fn is_updated_by_deletion(on: &Installed) -> Result<()> {
    let before = uids(on).await?;
    let label = json!({ "spec": { "template": { "metadata": { "labels": { "stateward.dev/governed": "true" } } } } });
    merge(on, SET, &label, false).await?;
    eventually("the controller has seen it", PATIENCE, async || {
        let set = get(on, SET).await?;
        Ok((set["status"]["currentRevision"] != set["status"]["updateRevision"]).then_some(()))
    })
    .await?;
    ensure!(uids(on).await? == before, "a member was made anew");
    for name in MEMBERS.iter().rev() {
        replace(on, name).await?;
        let pod = running(on, name, |pod| governed(pod) == "true").await?;
        ensure!(role(&pod) == if *name == MANAGER { "manager" } else { "worker" }, "{pod}");
    }
    // Where a roll-out takes it last, nobody has to delete it.
    merge(on, SET, &json!({ "spec": { "updateStrategy": { "type": "RollingUpdate" } } }), false).await?;
    eventually("every replica has seen it", PATIENCE, async || {
        for _ in 0..TRIES {
            let deleted = send(on, ALICE, Verb::Delete, &pod_path(MANAGER), Value::Null, true).await?;
            if deleted.is_granted() {
                return Ok(None);
            }
            ensure!(deleted.message.contains("[manager-writes/manager-delete]"), "{}", deleted.message);
        }
        Ok(Some(()))
    })
    .await
}

/// Not while the manager is on its way out, whatever the set's status says; then the set starts with another one.
async fn the_first_ordinal_moves(on: &Installed) -> Result<()> {
    on.plane.apply(&stateful_set("ledger", 2).to_string()).await?;
    running(on, MANAGER, |pod| role(pod) == "manager").await?;
    running(on, "ledger-1", |pod| role(pod) == "worker").await?;
    let hold = |value: Value| json!({ "metadata": { "finalizers": value } });
    merge(on, &pod_path(MANAGER), &hold(json!(["example.com/held"])), false).await?;
    on.granted(&["scale", "statefulset/ledger", "-n", SHOP, "--replicas=0"]).await?;
    gone(on, "ledger-1").await?;
    eventually("the manager is on its way out", PATIENCE, async || {
        Ok(get(on, &pod_path(MANAGER)).await?["metadata"]["deletionTimestamp"].is_string().then_some(()))
    })
    .await?;
    let start = json!({ "spec": { "ordinals": { "start": 1 } } });
    let refused = send(on, ALICE, Verb::Merge, SET, start.clone(), false).await?;
    ensure!(!refused.is_granted() && refused.message.contains("[manager-writes/moved-manager]"), "{refused:?}");
    merge(on, &pod_path(MANAGER), &hold(Value::Null), false).await?;
    gone(on, MANAGER).await?;
    eventually("the set may start elsewhere", PATIENCE, async || {
        let moved = send(on, ALICE, Verb::Merge, SET, start.clone(), false).await?;
        ensure!(moved.is_granted(), "{}", moved.message);
        Ok(Some(()))
    })
    .await?;
    on.granted(&["scale", "statefulset/ledger", "-n", SHOP, "--replicas=2"]).await?;
    running(on, "ledger-1", |pod| role(pod) == "manager" && write(pod) == "allow").await?;
    running(on, "ledger-2", |pod| role(pod) == "worker" && write(pod) == "deny").await?;
    let set = get(on, SET).await?;
    ensure!(set["metadata"]["annotations"]["stateward.dev/manager"] == "ledger-1", "{set}");
    remove(on).await
}

/// Members above it get the new template, the manager keeps the old one, and all of them their roles.
async fn a_partition_keeps_roles(on: &Installed) -> Result<()> {
    on.plane.apply(&stateful_set("ledger", 2).to_string()).await?;
    running(on, "ledger-1", |pod| role(pod) == "worker").await?;
    let before = uids_of(on, &["ledger-0", "ledger-1"]).await?;
    let roll = json!({ "spec": {
        "updateStrategy": { "rollingUpdate": { "partition": 1 } },
        "template": { "metadata": { "annotations": { "example.com/version": "2" } } },
    } });
    merge(on, SET, &roll, false).await?;
    running(on, "ledger-1", |pod| {
        pod["metadata"]["annotations"]["example.com/version"] == "2" && role(pod) == "worker"
    })
    .await?;
    let kept = running(on, MANAGER, |pod| role(pod) == "manager").await?;
    ensure!(
        kept["metadata"]["uid"] == before[0] && kept["metadata"]["annotations"]["example.com/version"].is_null(),
        "{kept}"
    );
    remove(on).await
}

/// A back-up tool makes the pods first, as they were, and then their set. They come in without a role and join as workers: the one that was the manager
/// may write once the set has made it, since two could write otherwise, if the one it was is still there.
async fn pods_are_restored(on: &Installed) -> Result<()> {
    on.plane.apply(&stateful_set("ledger", 3).to_string()).await?;
    let mut exported = Vec::new();
    for name in MEMBERS {
        let pod = running(on, name, |pod| !role(pod).is_null()).await?;
        let metadata =
            json!({ "name": name, "labels": pod["metadata"]["labels"], "annotations": pod["metadata"]["annotations"] });
        let spec = json!({ "containers": [{ "name": "ledger", "image": "ledger:1" }] });
        exported.push(json!({ "metadata": metadata, "spec": spec }));
    }
    let set = get(on, SET).await?;
    remove(on).await?;
    for pod in exported {
        let refused = send(on, ALICE, Verb::Create, PODS, pod.clone(), true).await?;
        ensure!(!refused.is_granted() && refused.message.contains("[manager-writes/forged-role]"), "{refused:?}");
        let restored = send(on, RESTORER, Verb::Create, PODS, pod, false).await?;
        ensure!(
            restored.is_granted() && role(&restored.object).is_null() && write(&restored.object).is_null(),
            "{restored:?}"
        );
    }
    let before = uids(on).await?;
    let metadata = json!({ "name": "ledger", "annotations": set["metadata"]["annotations"] });
    let set = json!({ "metadata": metadata, "spec": set["spec"] });
    let restored = send(on, RESTORER, Verb::Create, SETS, set, false).await?;
    ensure!(restored.is_granted(), "{restored:?}");
    for name in MEMBERS {
        let adopted = running(on, name, |pod| !pod["metadata"]["ownerReferences"].is_null()).await?;
        ensure!(role(&adopted) == "worker" && write(&adopted) == "deny", "{adopted}");
    }
    ensure!(uids(on).await? == before, "a member was made anew");
    let (code, said) = on.stateward(&["roles", "shop/ledger"]).await?;
    ensure!(code == Some(1) && said.contains("kubectl delete pod ledger-0 --namespace shop"), "{code:?} {said}");
    replace(on, MANAGER).await?;
    let made = running(on, MANAGER, |pod| role(pod) == "manager").await?;
    ensure!(write(&made) == "allow", "{made}");
    remove(on).await
}

/// Where the controller manager asks under another name, the policy says so: to the webhooks, and to the guard, which is derived anew.
async fn another_account_makes_members(on: &Installed) -> Result<()> {
    on.plane.apply(&stateful_set("ledger", 1).to_string()).await?;
    running(on, MANAGER, |pod| role(pod) == "manager").await?;
    let set = get(on, SET).await?;
    let owner = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "ledger", "uid": set["metadata"]["uid"], "controller": true,
    });
    let template = &set["spec"]["template"];
    let metadata = json!({ "name": "ledger-1", "labels": template["metadata"]["labels"], "ownerReferences": [owner] });
    let member = json!({ "metadata": metadata, "spec": { "containers": template["spec"]["containers"] } });
    let make = async || send(on, ELSEWHERE, Verb::Create, PODS, member.clone(), true).await;
    let refused = make().await?;
    ensure!(!refused.is_granted() && refused.message.contains("[manager-writes/"), "{refused:?}");
    settings(on, "manager-writes", of_the_contract(&[ELSEWHERE])).await?;
    eventually("every replica knows the account", PATIENCE, async || {
        for _ in 0..TRIES {
            let made = make().await?;
            ensure!(made.is_granted() && role(&made.object) == "worker", "{made:?}");
        }
        Ok(Some(()))
    })
    .await?;
    let guard = on.plane.kubectl(&["get", "validatingadmissionpolicy", "stateward", "-o", "json"]).await?;
    ensure!(String::from_utf8(guard.stdout)?.contains(ELSEWHERE), "the guard does not know the account");
    settings(on, "manager-writes", of_the_contract(&[])).await?;
    eventually("nobody takes it for the controller any more", PATIENCE, async || {
        for _ in 0..TRIES {
            ensure!(!make().await?.is_granted(), "it is granted");
        }
        Ok(Some(()))
    })
    .await?;
    remove(on).await
}

fn of_the_contract(controllers: &[&str]) -> Value {
    json!({
        "trustedUsers": ["kwok"], "stampEnvironment": true, "restorers": [RESTORER], "controllerAccounts": { "add": controllers },
    })
}

async fn remove(on: &Installed) -> Result<()> {
    on.granted(&["scale", "statefulset/ledger", "-n", SHOP, "--replicas=0"]).await?;
    for name in MEMBERS {
        gone(on, name).await?;
    }
    on.granted(&["delete", "statefulset/ledger", "-n", SHOP]).await
}

/// Once nobody is there. The template's label goes with it, or no member comes.
async fn leaves(on: &Installed) -> Result<()> {
    let refused = send(on, ALICE, Verb::Merge, SET, writes("any"), false).await?;
    ensure!(!refused.is_granted() && refused.message.contains("[manager-writes/contract-change]"), "{refused:?}");
    on.granted(&["scale", "statefulset/ledger", "-n", SHOP, "--replicas=0"]).await?;
    for name in MEMBERS {
        gone(on, name).await?;
    }
    let mut leave = writes("any");
    // A set of one: the rules of `strict` that look at several would refuse it as it is.
    leave["spec"] =
        json!({ "replicas": 1, "template": { "metadata": { "labels": { "stateward.dev/governed": null } } } });
    merge(on, SET, &leave, false).await?;
    let pod = running(on, MANAGER, |_| true).await?;
    ensure!(role(&pod).is_null() && write(&pod).is_null() && variable(&pod).is_null(), "{pod}");
    Ok(())
}

async fn settings(on: &Installed, policy: &str, settings: Value) -> Result<()> {
    let patch = json!({ "spec": { "settings": settings } }).to_string();
    on.granted(&["patch", "wasmpolicy", policy, "--type=merge", "--patch", &patch]).await?;
    on.granted(&["wait", "--for=condition=Ready", "--timeout=60s", &format!("wasmpolicy/{policy}")]).await
}

/// As a person, under `strict`.
async fn replace(on: &Installed, name: &str) -> Result<()> {
    let before = get(on, &pod_path(name)).await?["metadata"]["uid"].clone();
    let deleted = send(on, ALICE, Verb::Delete, &pod_path(name), Value::Null, false).await?;
    ensure!(deleted.is_granted(), "{}", deleted.message);
    running(on, name, |pod| pod["metadata"]["uid"] != before).await.map(|_| ())
}

/// Waits for a pod that is so.
async fn running(on: &Installed, name: &str, is_so: impl Fn(&Value) -> bool) -> Result<Value> {
    eventually(&format!("{name} runs"), PATIENCE, async || {
        let pod = get(on, &pod_path(name)).await?;
        ensure!(
            pod["status"]["phase"] == "Running" && pod["metadata"]["deletionTimestamp"].is_null() && is_so(&pod),
            "{pod}"
        );
        Ok(Some(pod))
    })
    .await
}

async fn gone(on: &Installed, name: &str) -> Result<()> {
    eventually(&format!("{name} is gone"), PATIENCE, async || {
        let output = on.plane.kubectl(&["get", "pod", name, "-n", SHOP, "--ignore-not-found", "-o", "name"]).await?;
        Ok((output.status.success() && output.stdout.is_empty()).then_some(()))
    })
    .await
}

async fn uids(on: &Installed) -> Result<Vec<Value>> {
    uids_of(on, &MEMBERS).await
}

async fn uids_of(on: &Installed, names: &[&str]) -> Result<Vec<Value>> {
    let mut uids = Vec::new();
    for name in names {
        uids.push(get(on, &pod_path(name)).await?["metadata"]["uid"].clone());
    }
    Ok(uids)
}

/// Granted, as an administrator.
async fn merge(on: &Installed, path: &str, change: &Value, is_dry: bool) -> Result<Answer> {
    let answer = send(on, ALICE, Verb::Merge, path, change.clone(), is_dry).await?;
    ensure!(answer.is_granted(), "{path}: {}", answer.message);
    Ok(answer)
}

async fn send(on: &Installed, by: &'static str, verb: Verb, path: &str, body: Value, is_dry: bool) -> Result<Answer> {
    on.plane.send(&Sent { by, groups: &["system:masters"], verb, path: path.to_owned(), body }, is_dry).await
}

async fn get(on: &Installed, path: &str) -> Result<Value> {
    Ok(send(on, ALICE, Verb::Get, path, Value::Null, false).await?.object)
}

fn writes(value: &str) -> Value {
    json!({ "metadata": { "annotations": { "stateward.dev/writes": value } } })
}

fn pod_path(name: &str) -> String {
    format!("{PODS}/{name}")
}

fn role(pod: &Value) -> &Value {
    &pod["metadata"]["labels"]["stateward.dev/role"]
}

fn governed(pod: &Value) -> &Value {
    &pod["metadata"]["labels"]["stateward.dev/governed"]
}

fn write(pod: &Value) -> &Value {
    &pod["metadata"]["annotations"]["stateward.dev/write"]
}

/// `STATEWARD_ROLE`.
fn variable(pod: &Value) -> &Value {
    let first = &pod["spec"]["containers"][0]["env"][0];
    if first["name"] == "STATEWARD_ROLE" { first } else { &Value::Null }
}

const ALICE: &str = "alice";
const ELSEWHERE: &str = "system:serviceaccount:elsewhere:statefulset-controller";
const RESTORER: &str = "system:serviceaccount:velero:velero";
const MEMBERS: [&str; 3] = ["ledger-0", "ledger-1", "ledger-2"];
const MANAGER: &str = "ledger-0";
const PODS: &str = "/api/v1/namespaces/shop/pods";
const SETS: &str = "/apis/apps/v1/namespaces/shop/statefulsets";
const SET: &str = "/apis/apps/v1/namespaces/shop/statefulsets/ledger";

/// Requests after which each of three replicas was asked.
const TRIES: usize = 6;

const PATIENCE: Duration = Duration::from_secs(60);
