//! Who is not meant is not held up, also while no replica answers: namespaces that no policy selects, and policies that refuse nothing.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stateward_cluster::names::{APP, NAMESPACE};
use stateward_cluster_tests::eventually;
use stateward_cluster_tests::installed::Installed;
use stateward_cluster_tests::shop::{SHOP, namespace, stateful_set};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_meant_is_not_held_up() -> Result<()> {
    Installed::run("in-nobodys-way", sections).await
}

async fn sections(on: &Installed) -> Result<()> {
    on.replicas(3).await?;
    on.open_shop().await?;
    on.plane.apply(&namespace(ELSEWHERE)).await?;
    only_selected_namespaces_wait(on).await.context("only selected namespaces wait")?;
    what_refuses_nothing_holds_nobody_up(on).await.context("what refuses nothing holds nobody up")?;
    a_pod_on_a_lost_node_is_not_waited_for(on).await.context("a pod on a lost node is not waited for")
}

async fn only_selected_namespaces_wait(on: &Installed) -> Result<()> {
    let selector =
        json!({ "match": { "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": SHOP } } } });
    of_all_policies(on, &selector).await?;
    let requirement = json!({ "key": "kubernetes.io/metadata.name", "operator": "In", "values": [SHOP] });
    eventually("the entries are as narrow as the policies", PATIENCE, async || {
        let entries = entries(on).await?;
        let is_narrow = |entry: &Value| {
            let expressions = entry["namespaceSelector"]["matchExpressions"].as_array();
            expressions.is_some_and(|expressions| expressions.contains(&requirement))
        };
        let fails = entries.iter().find(|entry| entry["name"] == "validate-fail.stateward.dev");
        Ok((fails.is_some_and(is_narrow)).then_some(()))
    })
    .await?;
    on.kubelet.power_off().await?;
    eventually("who is selected is refused", PATIENCE, async || {
        let said = on.refused(&CREATE, &stateful_set("x", 1).to_string()).await?;
        Ok(said.contains("failed calling webhook").then_some(()))
    })
    .await?;
    is_granted(on, &in_namespace(ELSEWHERE)).await?;
    on.kubelet.power_on();
    on.replicas(3).await?;
    of_all_policies(on, &json!({ "match": null })).await?;
    on.refuses().await
}

async fn what_refuses_nothing_holds_nobody_up(on: &Installed) -> Result<()> {
    on.plane.apply(&stateful_set("ledger", 2).to_string()).await?;
    on.granted(&["rollout", "status", "statefulset/ledger", "-n", SHOP, "--timeout=60s"]).await?;
    on.is_guarded(true).await?;
    of_all_policies(on, &json!({ "mode": "Audit" })).await?;
    eventually("no entry refuses", PATIENCE, async || {
        let entries = entries(on).await?;
        Ok(entries.iter().all(|entry| entry["failurePolicy"] == "Ignore").then_some(()))
    })
    .await?;
    on.is_guarded(false).await?;
    on.kubelet.power_off().await?;
    is_granted(on, &stateful_set("x", 1)).await?;
    on.replace_pod(SHOP, "ledger-1").await?;
    on.granted(&["rollout", "status", "statefulset/ledger", "-n", SHOP, "--timeout=60s"]).await?;
    on.kubelet.power_on();
    on.replicas(3).await?;
    of_all_policies(on, &json!({ "mode": "Enforce" })).await?;
    on.fails("validate-fail.stateward.dev").await?;
    eventually("what was recorded is refused", PATIENCE, async || Ok(Some(on.refuses().await?))).await
}

/// Its object stays for as long as the node is lost, and says no more what it runs.
async fn a_pod_on_a_lost_node_is_not_waited_for(on: &Installed) -> Result<()> {
    let leader = on.leader().await?;
    let lost = on.kubelet.pods().into_iter().find(|pod| pod.name != leader).context("no follower")?.name;
    let held = r#"{"metadata":{"finalizers":["example.com/node-lost"]}}"#;
    on.granted(&["patch", "pod", &lost, "-n", NAMESPACE, "--type=merge", "-p", held]).await?;
    on.granted(&["delete", "pod", &lost, "-n", NAMESPACE, "--wait=false"]).await?;
    eventually("another is there", PATIENCE, async || {
        let others = on.kubelet.pods().into_iter().filter(|pod| pod.is_ready && pod.name != lost);
        Ok((others.count() == 3).then_some(()))
    })
    .await?;
    // Ready says so of the generation that was just written.
    of_all_policies(on, &json!({ "limits": { "timeout": "900ms" } })).await?;
    on.granted(&["patch", "pod", &lost, "-n", NAMESPACE, "--type=merge", "-p", r#"{"metadata":{"finalizers":null}}"#])
        .await
}

async fn of_all_policies(on: &Installed, spec: &Value) -> Result<()> {
    let patch = json!({ "spec": spec }).to_string();
    for policy in ["ordered-identity", "remote-volumes", "manager-writes", "workload-kind", "operations"] {
        on.granted(&["patch", "wasmpolicy", policy, "--type=merge", "-p", &patch]).await?;
    }
    on.granted(&["wait", "--for=condition=Ready", "--timeout=60s", "wasmpolicies", "--all"]).await
}

/// Of the validating configuration.
async fn entries(on: &Installed) -> Result<Vec<Value>> {
    let output = on.plane.kubectl(&["get", "validatingwebhookconfiguration", APP, "-o", "json"]).await?;
    let configuration: Value = serde_json::from_slice(&output.stdout)?;
    configuration["webhooks"].as_array().cloned().context("no entries")
}

async fn is_granted(on: &Installed, object: &Value) -> Result<()> {
    let output = on.plane.kubectl_with(&on.plane.admin(), &CREATE, &object.to_string()).await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn in_namespace(name: &str) -> Value {
    let mut set = stateful_set("x", 1);
    set["metadata"]["namespace"] = json!(name);
    set
}

const CREATE: [&str; 4] = ["create", "--dry-run=server", "-f", "-"];

const ELSEWHERE: &str = "elsewhere";

const PATIENCE: Duration = Duration::from_secs(60);
