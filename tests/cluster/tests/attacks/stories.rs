//! Ways of several steps, each done for real while all replicas run.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use serde_json::{Value, json};
use stateward_cluster_tests::attacks::ledger::{LEDGER, MALLORY, MANAGER, OPERATOR, PODS, SETS, WORKER, ledger, pod};
use stateward_cluster_tests::attacks::{Answer, Sent, Verb};
use stateward_cluster_tests::eventually;
use stateward_cluster_tests::installed::Installed;
use stateward_cluster_tests::shop::but;

use crate::get;

/// One, by the name that the table calls it.
pub(crate) type Story = (&'static str, fn(&Installed) -> LocalBoxFuture<'_, Result<()>>);

/// Each leaves the set with a manager and a worker.
pub(crate) const ALL: &[Story] = &[
    ("a manager that is held", |on| a_manager_that_is_held(on).boxed_local()),
    ("a template forged behind the set's back", |on| a_forged_template(on).boxed_local()),
    ("a pod and a claim before their set", |on| a_pod_before_its_set(on).boxed_local()),
    ("claims of one name", |on| claims_of_one_name(on).boxed_local()),
    ("fixed rules in an exemption", |on| fixed_rules_are_not_exempted(on).boxed_local()),
    ("the controller's name on a token", |on| a_borrowed_name(on).boxed_local()),
    ("a manager let go, and another set", |on| a_manager_let_go(on).boxed_local()),
    ("a set made anew outside of the contract", |on| a_set_made_anew(on).boxed_local()),
    ("a manager for a ReplicaSet", |on| a_manager_for_a_replica_set(on).boxed_local()),
];

/// On its way out it still is the manager, and nobody else becomes it.
async fn a_manager_that_is_held(on: &Installed) -> Result<()> {
    let before = get(on, MANAGER).await?;
    let hold = |value: Value| json!({ "metadata": { "finalizers": value } });
    granted(on, MALLORY, Verb::Merge, MANAGER, hold(json!(["example.com/held"]))).await?;
    granted(on, MALLORY, Verb::Delete, MANAGER, Value::Null).await?;
    let held = get(on, MANAGER).await?;
    ensure!(held["metadata"]["deletionTimestamp"].is_string(), "{held}");
    refused(on, MALLORY, Verb::Merge, MANAGER, json!({ "metadata": { "labels": { "stateward.dev/role": "worker" } } }))
        .await?;
    let status = format!("{MANAGER}/status");
    refused(on, OPERATOR, Verb::Merge, &status, json!({ "metadata": { "labels": { "stateward.dev/set": "other" } } }))
        .await?;
    let start = json!({ "spec": { "ordinals": { "start": 1 } } });
    let said = refused(on, MALLORY, Verb::Merge, LEDGER, start).await?;
    ensure!(said.contains("[manager-writes/moved-manager]"), "{said}");
    granted(on, MALLORY, Verb::Merge, MANAGER, hold(Value::Null)).await?;
    has_role(on, MANAGER, "manager", |pod| pod["metadata"]["uid"] != before["metadata"]["uid"]).await
}

/// The controller makes members below the partition from a ControllerRevision. One that somebody forged does not decide on roles.
async fn a_forged_template(on: &Installed) -> Result<()> {
    let partition = |number: u32| json!({ "spec": { "updateStrategy": { "rollingUpdate": { "partition": number } } } });
    granted(on, MALLORY, Verb::Merge, LEDGER, partition(2)).await?;
    // When the controller looks in between, it makes a true one of another name: then again.
    eventually("the forged template is used", PATIENCE, async || {
        let before = get(on, WORKER).await?;
        forge_current(on).await?;
        granted(on, MALLORY, Verb::Delete, WORKER, Value::Null).await?;
        has_role(on, WORKER, "worker", |pod| pod["metadata"]["uid"] != before["metadata"]["uid"]).await?;
        let image = get(on, WORKER).await?["spec"]["containers"][0]["image"].clone();
        ensure!(image == "evil:1", "{image}");
        Ok(Some(()))
    })
    .await?;
    // The true template again, by a revision of its own.
    granted(on, MALLORY, Verb::Merge, LEDGER, partition(0)).await?;
    has_role(on, WORKER, "worker", |pod| pod["spec"]["containers"][0]["image"] == "ledger:1").await?;
    on.granted(&["rollout", "status", "statefulset/ledger", "-n", "shop", "--timeout=60s"]).await
}

/// Writes the revision anew that the set has now.
async fn forge_current(on: &Installed) -> Result<()> {
    let set = get(on, LEDGER).await?;
    let name = set["status"]["currentRevision"].as_str().context("no revision")?;
    let path = format!("{REVISIONS}/{name}");
    let true_one = get(on, &path).await?;
    let role = json!({ "data": { "spec": { "template": {
        "metadata": {
            "labels": { "stateward.dev/role": "manager", "stateward.dev/set": "ledger" },
            "annotations": { "stateward.dev/write": "allow", "stateward.dev/ordinal": "1" },
        },
        "spec": { "containers": [{ "name": "ledger", "image": "evil:1" }] },
    } } } });
    let mut forged = but(true_one.clone(), &role);
    let metadata = &true_one["metadata"];
    forged["metadata"] =
        json!({ "name": name, "labels": metadata["labels"], "ownerReferences": metadata["ownerReferences"] });
    granted(on, OPERATOR, Verb::Delete, &path, Value::Null).await?;
    granted(on, OPERATOR, Verb::Create, REVISIONS, forged).await?;
    Ok(())
}

/// What was there before the set joins as a worker. Nobody writes then, and the claim that somebody else mounts is taken as it is.
async fn a_pod_before_its_set(on: &Installed) -> Result<()> {
    let mut early = pod("vault-0", &json!({ "app": "vault" }));
    early["spec"]["schedulerName"] = "nobody".into();
    granted(on, MALLORY, Verb::Create, PODS, early).await?;
    let claim = json!({ "metadata": { "name": "data-vault-1" }, "spec": {
        "accessModes": ["ReadWriteOnce"], "storageClassName": "remote", "resources": { "requests": { "storage": "1Gi" } },
    } });
    granted(on, MALLORY, Verb::Create, CLAIMS, claim).await?;
    let mounts = json!({ "spec": {
        "containers": [{ "name": "ledger", "image": "ledger:1", "volumeMounts": [{ "name": "data", "mountPath": "/data" }] }],
        "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": "data-vault-1" } }],
    } });
    granted(on, MALLORY, Verb::Create, PODS, but(pod("spy", &json!({})), &mounts)).await?;
    granted(on, MALLORY, Verb::Create, SETS, vault("vault")).await?;
    let vault_0 = format!("{PODS}/vault-0");
    has_role(on, &vault_0, "worker", |pod| pod["metadata"]["annotations"]["stateward.dev/write"] == "deny").await?;
    granted(on, MALLORY, Verb::Delete, &vault_0, Value::Null).await?;
    has_role(on, &vault_0, "manager", |_| true).await?;
    has_role(on, &format!("{PODS}/vault-1"), "worker", |_| true).await?;
    // Late for the rule: the spy had the claim first.
    let spy = get(on, &format!("{PODS}/spy")).await?;
    ensure!(spy["status"]["phase"] == "Running", "{spy}");
    for path in [format!("{SETS}/vault"), format!("{PODS}/spy")] {
        granted(on, MALLORY, Verb::Delete, &path, Value::Null).await?;
    }
    gone(on, &["statefulset/vault", "pod/vault-0", "pod/vault-1"]).await
}

/// A hyphen in the names of a set and of its template makes two readings of a claim's name. The members of another set of such names would write to the
/// disks of the first, and a pod that is a member by the one reading is not foreign.
async fn claims_of_one_name(on: &Installed) -> Result<()> {
    let rename = |name: &str| json!({ "spec": { "volumeClaimTemplates": [{ "metadata": { "name": name }, "spec": vault("x")["spec"]["volumeClaimTemplates"][0]["spec"] }] } });
    granted(on, MALLORY, Verb::Create, SETS, but(vault("vault"), &rename("vault-data"))).await?;
    has_role(on, &format!("{PODS}/vault-1"), "worker", |_| true).await?;
    let mut plain = but(vault("data-vault"), &rename("vault"));
    let governed = plain.clone();
    plain["metadata"]["annotations"] = Value::Null;
    for set in [governed, plain.clone()] {
        let said = refused(on, MALLORY, Verb::Create, SETS, set).await?;
        ensure!(said.contains("[remote-volumes/claim-collision]"), "{said}");
    }
    // One that begins where the other ends is warned of. A scale says nothing of claims, so they grow into each other.
    plain["spec"]["ordinals"] = json!({ "start": 2 });
    plain["spec"]["replicas"] = 1.into();
    granted(on, MALLORY, Verb::Create, SETS, plain).await?;
    let taken = format!("{PODS}/data-vault-2");
    eventually("it has the disk", PATIENCE, async || {
        let output =
            on.plane.kubectl(&["get", "pod", "data-vault-2", "-n", "shop", "-o", "jsonpath={.status.phase}"]).await?;
        Ok((output.stdout == b"Running").then_some(()))
    })
    .await?;
    let grown = json!({ "spec": { "replicas": 3 } });
    granted(on, MALLORY, Verb::Merge, &format!("{SETS}/vault/scale"), grown).await?;
    // Who has the disk keeps it; once nobody has, it is the governed set's.
    let said = "claim `vault-data-vault-2` of `vault-2` is member `data-vault-2`'s as well";
    event(on, "[manager-writes/rival-claim] ", said).await?;
    ensure!(is_gone(on, &format!("{PODS}/vault-2")).await?, "two write");
    granted(on, MALLORY, Verb::Delete, &taken, Value::Null).await?;
    let said = "claim `vault-data-vault-2` of `data-vault-2` is member `vault-2`'s as well";
    event(on, "[manager-writes/rival-claim] ", said).await?;
    ensure!(is_gone(on, &taken).await?, "IT WORKS");
    has_role(on, &format!("{PODS}/vault-2"), "worker", |_| true).await?;
    for set in ["vault", "data-vault"] {
        granted(on, MALLORY, Verb::Delete, &format!("{SETS}/{set}"), Value::Null).await?;
    }
    gone(on, &["statefulset/vault", "statefulset/data-vault", "pod/vault-0", "pod/vault-1", "pod/vault-2"]).await
}

/// An administrator of the cluster may write it; it changes nothing.
async fn fixed_rules_are_not_exempted(on: &Installed) -> Result<()> {
    let exemption = json!({
        "apiVersion": "stateward.dev/v1alpha1", "kind": "PolicyExemption", "metadata": { "name": "fixed", "namespace": "shop" },
        "spec": { "rules": ["manager-writes/unbound-pod", "workload-kind/foreign-claim"], "names": ["ledger-7"], "reason": "to see" },
    });
    on.plane.apply(&exemption.to_string()).await?;
    let claim = json!({ "spec": { "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": "data-ledger-0" } }] } });
    let other = but(pod("ledger-7", &json!({})), &claim);
    let said = async || {
        let mut said = Vec::new();
        for _ in 0..6 {
            said.push(send(on, MALLORY, Verb::Create, &format!("{PODS}?dryRun=All"), other.clone()).await?);
        }
        Ok::<_, anyhow::Error>(said)
    };
    let took_effect = eventually("the exemption is known, or is none", Duration::from_secs(5), async || {
        Ok(said().await?.iter().all(Answer::is_granted).then_some(()))
    })
    .await;
    stateward_cluster_tests::measured(&format!(
        "an exemption that names a fixed rule exempts the others: {}",
        took_effect.is_ok()
    ));
    let member = pod("ledger-7", &json!({ "app": "ledger" }));
    let said = refused(on, MALLORY, Verb::Create, PODS, member).await?;
    ensure!(said.contains("[manager-writes/unbound-pod]"), "{said}");
    on.granted(&["delete", "policyexemption", "fixed", "-n", "shop"]).await
}

/// With a token of an account in the namespace, which the administrator of a namespace may make.
async fn a_borrowed_name(on: &Installed) -> Result<()> {
    let token = granted(
        on,
        MALLORY,
        Verb::Create,
        "/api/v1/namespaces/shop/serviceaccounts/default/token",
        json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {} }),
    )
    .await?;
    let token = token.object["status"]["token"].as_str().context("no token")?.to_owned();
    let bind = ["create", "rolebinding", "bot", "-n", "shop", "--clusterrole=admin", "--serviceaccount=shop:default"];
    on.granted(&bind).await?;
    let mut config: Value = serde_json::from_slice(&std::fs::read(on.plane.admin())?)?;
    // A certificate would speak before the token.
    config["users"][0]["user"] = json!({ "token": token });
    let bot = on.plane.folder().join("bot.kubeconfig");
    std::fs::write(&bot, config.to_string())?;
    let kubectl = async |arguments: &[&str]| on.plane.kubectl_with(&bot, arguments, "").await;
    let output = kubectl(&["get", "pods", "-n", "shop"]).await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let controller = "--as=system:serviceaccount:kube-system:statefulset-controller";
    let output = kubectl(&["get", "pods", "-n", "shop", controller]).await?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success() && said.contains("cannot impersonate"), "{said}");
    on.granted(&["delete", "rolebinding", "bot", "-n", "shop"]).await
}

/// The manager is taken out of the set's sight by a label, the set is made anew with another first ordinal and out of the contract, and joins it later: its
/// first pod would be a second manager.
async fn a_manager_let_go(on: &Installed) -> Result<()> {
    let kept = get(on, MANAGER).await?;
    let label = |value: &str| json!({ "metadata": { "labels": { "app": value } } });
    granted(on, MALLORY, Verb::Merge, MANAGER, label("other")).await?;
    eventually("the controller lets it go", PATIENCE, async || {
        Ok(get(on, MANAGER).await?["metadata"]["ownerReferences"].is_null().then_some(()))
    })
    .await?;
    // Nobody takes its place, since nobody can have its name.
    eventually("the set misses it", PATIENCE, async || {
        Ok((get(on, LEDGER).await?["status"]["replicas"] == 1).then_some(()))
    })
    .await?;
    granted(on, MALLORY, Verb::Merge, LEDGER, json!({ "spec": { "replicas": 0 } })).await?;
    eventually("the set believes that nobody is left", PATIENCE, async || {
        let set = get(on, LEDGER).await?;
        let is_seen = set["status"]["observedGeneration"] == set["metadata"]["generation"];
        Ok((is_seen && set["status"]["replicas"] == 0 && is_gone(on, WORKER).await?).then_some(()))
    })
    .await?;
    // No set wants its claim any more; it has it all the same.
    let said = refused(on, MALLORY, Verb::Create, PODS, spy()).await?;
    ensure!(said.contains("[workload-kind/foreign-claim]"), "{said}");
    let start = json!({ "spec": { "ordinals": { "start": 1 } } });
    let said = refused(on, MALLORY, Verb::Merge, LEDGER, start.clone()).await?;
    ensure!(said.contains("pod `ledger-0` is still there"), "{said}");
    let leave = json!({ "metadata": { "annotations": { "stateward.dev/writes": "any" } } });
    let said = refused(on, MALLORY, Verb::Merge, LEDGER, leave).await?;
    ensure!(said.contains("ends while pod `ledger-0` is still there"), "{said}");

    granted(on, MALLORY, Verb::Delete, LEDGER, Value::Null).await?;
    gone(on, &["statefulset/ledger", "pod/ledger-1"]).await?;
    let said = refused(on, MALLORY, Verb::Create, PODS, spy()).await?;
    ensure!(said.contains("[workload-kind/foreign-claim]"), "{said}");
    let mut anew = but(ledger(), &start);
    anew["spec"]["template"]["metadata"]["labels"] = json!({ "app": "ledger" });
    anew["spec"]["replicas"] = 1.into();
    let intent = json!({ "stateward.dev/writes": "manager-only", "stateward.dev/sync": "engine:streaming", "stateward.dev/backup": "none" });
    anew["metadata"]["annotations"] = intent.clone();
    let said = refused(on, MALLORY, Verb::Create, SETS, anew.clone()).await?;
    ensure!(said.contains("pod `ledger-0` of an earlier set still is one"), "{said}");
    anew["metadata"]["annotations"] = Value::Null;
    granted(on, MALLORY, Verb::Create, SETS, anew).await?;
    eventually("its first pod is there, without a role", PATIENCE, async || {
        let pod = get(on, WORKER).await?;
        Ok((pod["status"]["phase"] == "Running" && pod["metadata"]["labels"]["stateward.dev/role"].is_null())
            .then_some(()))
    })
    .await?;
    granted(on, MALLORY, Verb::Merge, LEDGER, json!({ "metadata": { "annotations": intent } })).await?;
    granted(on, MALLORY, Verb::Delete, WORKER, Value::Null).await?;
    event(on, "Create Pod ledger-1 in StatefulSet ledger failed", "[manager-writes/second-manager]").await?;
    ensure!(is_gone(on, WORKER).await?, "a second manager");
    let still = get(on, MANAGER).await?;
    ensure!(still["metadata"]["uid"] == kept["metadata"]["uid"], "{still}");

    // As it was.
    for path in [LEDGER, MANAGER] {
        granted(on, MALLORY, Verb::Delete, path, Value::Null).await?;
    }
    gone(on, &["statefulset/ledger", "pod/ledger-0", "pod/ledger-1"]).await?;
    crate::make_ledger(on).await?;
    has_role(on, MANAGER, "manager", |_| true).await?;
    has_role(on, WORKER, "worker", |_| true).await
}

/// The members are left, and the set comes again without a word of the contract: it gets none of them, and makes none beside them. Then it joins.
async fn a_set_made_anew(on: &Installed) -> Result<()> {
    let orphan = json!({ "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Orphan" });
    granted(on, MALLORY, Verb::Delete, LEDGER, orphan).await?;
    gone(on, &["statefulset/ledger"]).await?;
    let mut plain = ledger();
    plain["metadata"]["annotations"] = Value::Null;
    plain["spec"]["template"]["metadata"]["labels"] = json!({ "app": "ledger" });
    plain["spec"]["replicas"] = 3.into();
    granted(on, MALLORY, Verb::Create, SETS, plain).await?;
    event(on, "[manager-writes/adopted-pod] ", "StatefulSet `ledger`, which would adopt it, is not governed").await?;
    for path in [MANAGER, WORKER] {
        let pod = get(on, path).await?;
        ensure!(pod["metadata"]["ownerReferences"].is_null(), "IT WORKS: {pod}");
    }
    ensure!(is_gone(on, &format!("{PODS}/ledger-2")).await?, "IT WORKS: a member without a role beside a manager");
    let joins =
        json!({ "metadata": { "annotations": { "stateward.dev/writes": "manager-only" } }, "spec": { "replicas": 2 } });
    granted(on, MALLORY, Verb::Merge, LEDGER, joins).await?;
    let set = get(on, LEDGER).await?;
    // It adopts them, and rolls: its template lacks a label that they have.
    for (path, role) in [(MANAGER, "manager"), (WORKER, "worker")] {
        has_role(on, path, role, |pod| pod["metadata"]["ownerReferences"][0]["uid"] == set["metadata"]["uid"]).await?;
    }
    on.granted(&["rollout", "status", "statefulset/ledger", "-n", "shop", "--timeout=60s"]).await?;
    granted(on, MALLORY, Verb::Delete, LEDGER, Value::Null).await?;
    gone(on, &["statefulset/ledger", "pod/ledger-0", "pod/ledger-1"]).await?;
    crate::make_ledger(on).await?;
    has_role(on, MANAGER, "manager", |_| true).await?;
    has_role(on, WORKER, "worker", |_| true).await
}

/// A ReplicaSet that adopts the manager deletes it when it is scaled down.
async fn a_manager_for_a_replica_set(on: &Installed) -> Result<()> {
    let label = |value: &str| json!({ "metadata": { "labels": { "app": value } } });
    let template = json!({ "metadata": { "labels": { "app": "web" } }, "spec": ledger()["spec"]["template"]["spec"] });
    let spec = json!({ "replicas": 1, "selector": { "matchLabels": { "app": "web" } }, "template": template });
    let web = json!({ "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": { "name": "web" }, "spec": spec });
    granted(on, MALLORY, Verb::Merge, MANAGER, label("web")).await?;
    eventually("the controller lets it go", PATIENCE, async || {
        Ok(get(on, MANAGER).await?["metadata"]["ownerReferences"].is_null().then_some(()))
    })
    .await?;
    granted(on, MALLORY, Verb::Create, REPLICA_SETS, web).await?;
    event(on, "[manager-writes/adopted-pod] ", "ReplicaSet `web`, which would adopt it, is not governed").await?;
    let pod = get(on, MANAGER).await?;
    ensure!(pod["metadata"]["ownerReferences"].is_null(), "IT WORKS: {pod}");
    granted(on, MALLORY, Verb::Delete, &format!("{REPLICA_SETS}/web"), Value::Null).await?;
    granted(on, MALLORY, Verb::Merge, MANAGER, label("ledger")).await?;
    has_role(on, MANAGER, "manager", |pod| pod["metadata"]["ownerReferences"].is_array()).await
}

/// Somebody who mounts the manager's claim.
fn spy() -> Value {
    let mounts = json!({ "spec": {
        "containers": [{ "name": "ledger", "image": "ledger:1", "volumeMounts": [{ "name": "data", "mountPath": "/data" }] }],
        "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": "data-ledger-0" } }],
    } });
    but(pod("spy", &json!({})), &mounts)
}

fn vault(name: &str) -> Value {
    let claim = json!({ "metadata": { "name": "data" }, "spec": {
        "accessModes": ["ReadWriteOnce"], "storageClassName": "remote", "resources": { "requests": { "storage": "1Gi" } },
    } });
    let mut vault = ledger();
    vault["metadata"] = json!({ "name": name, "annotations": { "stateward.dev/writes": "manager-only" } });
    vault["spec"]["serviceName"] = name.into();
    vault["spec"]["selector"]["matchLabels"]["app"] = name.into();
    vault["spec"]["template"]["metadata"]["labels"] = json!({ "app": name });
    vault["spec"]["volumeClaimTemplates"] = json!([claim]);
    vault
}

async fn send(on: &Installed, by: &'static str, verb: Verb, path: &str, body: Value) -> Result<Answer> {
    on.plane.send(&Sent { by, groups: &[], verb, path: path.to_owned(), body }, false).await
}

pub(crate) async fn granted(on: &Installed, by: &'static str, verb: Verb, path: &str, body: Value) -> Result<Answer> {
    let answer = send(on, by, verb, path, body).await?;
    ensure!(answer.is_granted(), "{verb:?} {path}: {}", answer.message);
    Ok(answer)
}

pub(crate) async fn refused(on: &Installed, by: &'static str, verb: Verb, path: &str, body: Value) -> Result<String> {
    let answer = send(on, by, verb, path, body).await?;
    ensure!(!answer.is_granted(), "IT WORKS: {verb:?} {path}");
    Ok(answer.message)
}

async fn has_role(on: &Installed, path: &str, role: &str, is_so: impl Fn(&Value) -> bool) -> Result<()> {
    eventually(&format!("{path} is a {role}"), PATIENCE, async || {
        let pod = get(on, path).await?;
        ensure!(pod["metadata"]["labels"]["stateward.dev/role"] == role && is_so(&pod), "{pod}");
        Ok(Some(()))
    })
    .await
}

async fn is_gone(on: &Installed, path: &str) -> Result<bool> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let output = on.plane.kubectl(&["get", "pod", name, "-n", "shop", "--ignore-not-found", "-o", "name"]).await?;
    ensure!(output.status.success(), "{output:?}");
    Ok(output.stdout.is_empty())
}

async fn gone(on: &Installed, what: &[&str]) -> Result<()> {
    eventually(&format!("{what:?} are gone"), PATIENCE, async || {
        let output =
            on.plane.kubectl(&[&["get"], what, &["-n", "shop", "--ignore-not-found", "-o", "name"]].concat()).await?;
        ensure!(output.status.success(), "{output:?}");
        Ok(output.stdout.is_empty().then_some(()))
    })
    .await
}

pub(crate) async fn event(on: &Installed, first: &str, then: &str) -> Result<()> {
    let list = ["get", "events", "-n", "shop", "-o", "jsonpath={range .items[*]}{.message}{\"\\n\"}{end}"];
    eventually(&format!("{first}: {then}"), PATIENCE, async || {
        let said = String::from_utf8(on.plane.kubectl(&list).await?.stdout)?;
        ensure!(said.lines().any(|line| line.contains(first) && line.contains(then)), "{said}");
        Ok(Some(()))
    })
    .await
}

const REPLICA_SETS: &str = "/apis/apps/v1/namespaces/shop/replicasets";
const REVISIONS: &str = "/apis/apps/v1/namespaces/shop/controllerrevisions";
const CLAIMS: &str = "/api/v1/namespaces/shop/persistentvolumeclaims";

const PATIENCE: Duration = Duration::from_secs(60);
