//! What was there before us goes on: an installation restarts nothing, and what breaks our rules can still be kept, shrunk and deleted.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stateward_cluster_tests::eventually;
use stateward_cluster_tests::installed::Installed;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_there_before_goes_on() -> Result<()> {
    Installed::run_bare("upkeep", sections).await
}

async fn sections(on: &Installed) -> Result<()> {
    for namespace in [KEPT, LEFT] {
        on.plane.apply(&before_us(namespace)?).await?;
    }
    let mut before = Vec::new();
    for set in SETS {
        before.push(settled(on, set).await?);
        rolled(on, LEFT, set).await?;
    }
    on.installs().await?;
    nothing_is_restarted(on, &before).await.context("nothing is restarted")?;
    a_bad_set_is_kept_shrunk_and_deleted(on).await.context("a bad set is kept, shrunk and deleted")?;
    a_bad_pod_is_kept_and_deleted(on).await.context("a bad pod is kept and deleted")?;
    a_full_namespace_goes(on).await.context("a full namespace goes")
}

async fn nothing_is_restarted(on: &Installed, before: &[Seen]) -> Result<()> {
    unchanged(on, before).await.context("by the installation")?;
    // A request that changes nothing is not sent by `kubectl apply`, but it is by the other one. Each is asked about, and only the intent of the
    // opted-in set leads to a change: its annotation.
    for how in [&["apply", "-f", "-"][..], &["apply", "--server-side", "--force-conflicts", "-f", "-"]] {
        let calls = on.plane.webhook_counts().await?.calls;
        let said = granted(on, how, &before_us(KEPT)?).await?;
        ensure!(!said.contains("created"), "{said}");
        unchanged(on, before).await.with_context(|| how.join(" "))?;
        if how.contains(&"--server-side") {
            ensure!(on.plane.webhook_counts().await?.calls > calls, "nobody was asked");
        }
    }
    let manager = async |set| {
        Ok::<_, anyhow::Error>(
            get(on, KEPT, &format!("statefulset/{set}")).await?["metadata"]["annotations"][MANAGER].clone(),
        )
    };
    ensure!(manager("opted").await? == "opted-0" && manager("plain").await?.is_null());
    // A member more and a member less: the controller writes the status several times.
    for (replicas, members) in [("3", "0 1 2"), ("2", "0 1")] {
        for set in ["plain", "opted"] {
            on.granted(&["scale", &format!("statefulset/{set}"), "-n", KEPT, "--replicas", replicas]).await?;
            let seen = settled(on, set).await?;
            let names: Vec<String> = members.split(' ').map(|ordinal| format!("{set}-{ordinal}")).collect();
            ensure!(seen.pods.iter().map(|(name, _)| name).eq(&names), "{:?}", seen.pods);
        }
        if replicas == "3" {
            let joined = get(on, KEPT, "pod/opted-2").await?;
            ensure!(joined["metadata"]["labels"]["stateward.dev/role"] == "worker", "{joined}");
        }
        unchanged(on, before).await.with_context(|| format!("by {replicas} replicas"))?;
    }
    // Who was there keeps going without a role until it is made anew.
    let kept = get(on, KEPT, "pod/opted-0").await?;
    ensure!(kept["metadata"]["labels"]["stateward.dev/role"].is_null(), "{kept}");
    on.replace_pod(KEPT, "opted-0").await?;
    let anew = get(on, KEPT, "pod/opted-0").await?;
    ensure!(anew["metadata"]["labels"]["stateward.dev/role"] == "manager", "{anew}");
    Ok(())
}

async fn a_bad_set_is_kept_shrunk_and_deleted(on: &Installed) -> Result<()> {
    // Two entries judge at once, and the API server tells what one of them says: so each rule for itself.
    let mut abrupt = bad("another", KEPT);
    abrupt["spec"]["template"]["metadata"]["labels"] = json!({ "app": "another" });
    let mut claiming = set("another", KEPT);
    claiming["spec"]["template"]["metadata"]["labels"]["stateward.dev/role"] = json!("manager");
    for (rule, another) in [("[ordered-identity/zero-grace]", abrupt), ("[manager-writes/forged-role]", claiming)] {
        let said = on.refused(&["create", "-f", "-"], &another.to_string()).await?;
        ensure!(said.contains(rule), "{said}");
    }
    let hold = |finalizers: Value| json!({ "metadata": { "finalizers": finalizers } }).to_string();
    let keep = ["patch", "statefulset/bad", "-n", KEPT, "--type=merge", "-p"];
    granted(on, &[&keep[..], &[&hold(json!(["example.com/hold"]))]].concat(), "").await?;
    granted(on, &[&keep[..], &[&hold(json!([]))]].concat(), "").await?;
    granted(on, &[&keep[..], &[&hold(json!(["example.com/hold"]))]].concat(), "").await?;

    let shrink = json!({ "spec": { "replicas": 1 } }).to_string();
    granted(on, &[&keep[..], &[&shrink]].concat(), "").await?;
    let shrunk = settled(on, "bad").await?;
    ensure!(shrunk.pods.len() == 1, "{:?}", shrunk.pods);
    on.granted(&["scale", "statefulset/bad", "-n", KEPT, "--replicas=0"]).await?;
    ensure!(settled(on, "bad").await?.pods.is_empty());

    on.granted(&["delete", "statefulset/bad", "-n", KEPT, "--wait=false"]).await?;
    let held = get(on, KEPT, "statefulset/bad").await?;
    ensure!(held["metadata"]["deletionTimestamp"].is_string(), "{held}");
    granted(on, &[&keep[..], &[&hold(json!(null))]].concat(), "").await?;
    gone(on, "statefulset/bad").await
}

async fn a_bad_pod_is_kept_and_deleted(on: &Installed) -> Result<()> {
    let said = on.refused(&["create", "-f", "-"], &forged("another", KEPT).to_string()).await?;
    ensure!(said.contains("[manager-writes/forged-role]"), "{said}");
    let keep = ["patch", "pod/forged", "-n", KEPT, "--type=merge", "-p"];
    let hold = |finalizers: Value| json!({ "metadata": { "finalizers": finalizers } }).to_string();
    granted(on, &[&keep[..], &[&hold(json!(["example.com/hold"]))]].concat(), "").await?;
    let condition =
        json!({ "status": { "conditions": [{ "type": "example.com/Seen", "status": "True" }] } }).to_string();
    granted(on, &[&keep[..], &[&condition, "--subresource=status"]].concat(), "").await?;
    on.granted(&["delete", "pod/forged", "-n", KEPT, "--wait=false"]).await?;
    let held = get(on, KEPT, "pod/forged").await?;
    ensure!(held["metadata"]["deletionTimestamp"].is_string(), "{held}");
    granted(on, &[&keep[..], &[&hold(json!(null))]].concat(), "").await?;
    gone(on, "pod/forged").await
}

async fn a_full_namespace_goes(on: &Installed) -> Result<()> {
    let before = on.plane.webhook_counts().await?;
    let full = "statefulsets,pods,persistentvolumeclaims";
    let left = granted(on, &["get", full, "-n", LEFT, "-o", "name"], "").await?;
    // Three sets, two members each, a pod by hand, and four claims.
    ensure!(left.lines().count() == 3 + 7 + 4, "{left}");
    on.granted(&["delete", "namespace", LEFT, "--timeout=60s"]).await?;
    let after = on.plane.webhook_counts().await?;
    ensure!(after.calls > before.calls && after.failures() == before.failures(), "{before:?}, then {after:?}");
    Ok(())
}

/// What must not change for a set and its first members.
#[derive(Debug, PartialEq)]
struct Seen {
    uid: Value,
    template: Value,
    revision: Value,
    /// Names and uids.
    pods: Vec<(String, String)>,
}

/// The set, once its controller has seen it as it is and all members are Ready.
async fn settled(on: &Installed, name: &str) -> Result<Seen> {
    let (set, pods) = eventually(&format!("`{name}` has settled"), PATIENCE, async || {
        let set = get(on, KEPT, &format!("statefulset/{name}")).await?;
        let pods = get(on, KEPT, "pods").await?;
        let members =
            pods["items"].as_array().context("no list")?.iter().filter(|pod| pod["metadata"]["labels"]["app"] == name);
        let pods = members.map(|pod| {
            Some((pod["metadata"]["name"].as_str()?.to_owned(), pod["metadata"]["uid"].as_str()?.to_owned()))
        });
        let pods = pods.collect::<Option<Vec<_>>>().context("no name")?;
        let is_seen = set["status"]["observedGeneration"] == set["metadata"]["generation"];
        let replicas = set["spec"]["replicas"].as_u64();
        let is_ready = set["status"]["readyReplicas"].as_u64().unwrap_or(0) == replicas.unwrap_or(1);
        let is_complete = replicas == u64::try_from(pods.len()).ok();
        Ok((is_seen && is_ready && is_complete).then_some((set, pods)))
    })
    .await?;
    let template = set["spec"]["template"].clone();
    Ok(Seen { uid: set["metadata"]["uid"].clone(), template, revision: set["status"]["updateRevision"].clone(), pods })
}

async fn unchanged(on: &Installed, before: &[Seen]) -> Result<()> {
    for (set, before) in SETS.iter().zip(before) {
        let mut now = settled(on, set).await?;
        now.pods.truncate(before.pods.len());
        ensure!(now == *before, "{now:#?}\nbefore: {before:#?}");
    }
    Ok(())
}

async fn rolled(on: &Installed, namespace: &str, set: &str) -> Result<()> {
    on.granted(&["rollout", "status", &format!("statefulset/{set}"), "-n", namespace, "--timeout=60s"]).await
}

async fn gone(on: &Installed, what: &str) -> Result<()> {
    eventually(&format!("`{what}` is gone"), PATIENCE, async || {
        let left = granted(on, &["get", what, "-n", KEPT, "--ignore-not-found", "-o", "name"], "").await?;
        Ok(left.is_empty().then_some(()))
    })
    .await
}

async fn get(on: &Installed, namespace: &str, what: &str) -> Result<Value> {
    Ok(serde_json::from_str(&granted(on, &["get", what, "-n", namespace, "-o", "json"], "").await?)?)
}

/// What kubectl prints on standard output.
async fn granted(on: &Installed, arguments: &[&str], input: &str) -> Result<String> {
    let output = on.plane.kubectl_with(&on.plane.admin(), arguments, input).await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "kubectl {}: {said}", arguments.join(" "));
    Ok(String::from_utf8(output.stdout)?)
}

/// A set that knows nothing of us, one that has opted in, one that breaks rules, and a pod with a role by hand.
fn before_us(namespace: &str) -> Result<String> {
    let mut opted = set("opted", namespace);
    opted["metadata"]["annotations"] = json!({
        "stateward.dev/writes": "manager-only", "stateward.dev/sync": "engine:streaming", "stateward.dev/backup": "none",
    });
    let of_it = json!({ "name": namespace });
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "db", "namespace": namespace },
        "spec": { "clusterIP": "None", "selector": { "tier": "data" }, "ports": [{ "port": 5432 }] },
    });
    let items = [
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": of_it }),
        service,
        set("plain", namespace),
        opted,
        bad("bad", namespace),
        forged("forged", namespace),
    ];
    Ok(json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string())
}

/// One that breaks a rule of ours that may be broken by mode or exemption, and one that may not; and all its data is on one node.
fn bad(name: &str, namespace: &str) -> Value {
    let mut bad = set(name, namespace);
    let spec = &mut bad["spec"];
    spec["volumeClaimTemplates"] = Value::Null;
    spec["template"]["metadata"]["labels"]["stateward.dev/role"] = json!("manager");
    spec["template"]["spec"]["terminationGracePeriodSeconds"] = json!(0);
    spec["template"]["spec"]["volumes"] = json!([{ "name": "data", "hostPath": { "path": "/data" } }]);
    bad
}

fn forged(name: &str, namespace: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "namespace": namespace, "labels": { "stateward.dev/role": "manager" } },
        "spec": { "containers": [{ "name": "db", "image": "db:1" }] },
    })
}

fn set(name: &str, namespace: &str) -> Value {
    let claim = json!({
        "metadata": { "name": "data" },
        "spec": {
            "accessModes": ["ReadWriteOncePod"], "storageClassName": "remote-wait", "resources": { "requests": { "storage": "1Gi" } },
        },
    });
    let container =
        json!({ "name": "db", "image": "db:1", "volumeMounts": [{ "name": "data", "mountPath": "/data" }] });
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": name, "namespace": namespace },
        "spec": {
            "replicas": 2, "serviceName": "db", "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name, "tier": "data" } },
                "spec": { "containers": [container] },
            },
            "volumeClaimTemplates": [claim],
        },
    })
}

const MANAGER: &str = "stateward.dev/manager";

/// Where each thing is done for itself.
const KEPT: &str = "kept";

/// What is deleted as a whole.
const LEFT: &str = "left";

/// Of [`before_us`].
const SETS: [&str; 3] = ["plain", "opted", "bad"];

const PATIENCE: Duration = Duration::from_secs(60);
