//! A cluster in which nothing is changed never calls us, however much its nodes and controllers say of themselves.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use serde_json::json;
use stateward_cluster::names::NAMESPACE;
use stateward_cluster_tests::installed::Installed;
use stateward_cluster_tests::shop::{SHOP, stateful_set};
use stateward_cluster_tests::{eventually, http, measured, metrics};

#[tokio::test]
async fn an_idle_cluster_never_calls() -> Result<()> {
    Installed::run("idle", quiet).await
}

async fn quiet(on: &Installed) -> Result<()> {
    on.replicas(3).await?;
    on.open_shop().await?;
    for set in ["ledger", "orders", "stock"] {
        let mut object = stateful_set(set, 3);
        object["spec"]["selector"]["matchLabels"]["app"] = json!(set);
        object["spec"]["template"]["metadata"]["labels"]["app"] = json!(set);
        on.plane.apply(&object.to_string()).await?;
        on.granted(&["rollout", "status", &format!("statefulset/{set}"), "-n", SHOP, "--timeout=60s"]).await?;
    }
    on.fails("validate-closed.stateward.dev").await?;
    let wanted = renewals()?;
    let begun = Instant::now();
    let (before, lease) = (counted(on).await?, renewed(on, NAMESPACE).await?);
    ensure!(before.0 > 0 && before.1 > 0, "{before:?}: nobody was ever called, or nobody counts");
    let (mut nodes, mut seen) = (renewed(on, NODES).await?, 0);
    let limit = PATIENCE * u32::try_from(wanted)?;
    eventually("nodes renew their Leases", limit, async || {
        for (node, time) in renewed(on, NODES).await? {
            if nodes.insert(node.clone(), time) != Some(time) {
                seen += 1;
                // With each renewal, what a kubelet tells beside it.
                heartbeat(on, &node).await?;
            }
        }
        Ok((seen >= wanted).then_some(()))
    })
    .await?;
    let after = counted(on).await?;
    let (window, called) = (begun.elapsed().as_secs(), after.0 - before.0);
    measured(&format!("{called} calls in {window} s with {seen} renewals, each with the node's status and its pods'"));
    ensure!(after == before, "{before:?}, then {after:?}");
    ensure!(renewed(on, NAMESPACE).await? != lease, "we do nothing ourselves");
    // Both counters do count: the next change is seen by both.
    on.refuses().await?;
    let last = counted(on).await?;
    ensure!(last.0 > after.0 && last.1 > after.1, "{after:?}, then {last:?}");
    Ok(())
}

/// Writes what a kubelet writes every so often: conditions of its node, and of each pod there.
async fn heartbeat(on: &Installed, node: &str) -> Result<()> {
    // No rights of a node's own: its authorizer is not in use here.
    let client = on.plane.client_as(&format!("system:node:{node}"), &["system:nodes", "system:masters"])?;
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let ready = json!([{ "type": "Ready", "status": "True", "lastHeartbeatTime": now }]);
    let patch = Patch::Strategic(json!({ "status": { "conditions": ready } }));
    let nodes: Api<Node> = Api::all(client.clone());
    nodes.patch_status(node, &PatchParams::default(), &patch).await.context("node status")?;
    let all: Api<Pod> = Api::namespaced(client, SHOP);
    let probed = json!([{ "type": "ContainersReady", "status": "True", "lastProbeTime": now }]);
    let patch = Patch::Strategic(json!({ "status": { "conditions": probed } }));
    for pod in all.list(&ListParams::default().fields(&format!("spec.nodeName={node}"))).await? {
        let before = pod.resource_version();
        let after = all.patch_status(&pod.name_any(), &PatchParams::default(), &patch).await.context("pod status")?;
        ensure!(after.resource_version() != before, "nothing was written");
    }
    Ok(())
}

/// Calls that the API server made, and requests that our replicas answered.
async fn counted(on: &Installed) -> Result<(u64, u64)> {
    let mut answered = 0;
    for pod in on.kubelet.pods() {
        let (_, text) = http::fetch(&format!("{}:8080", pod.address), "/metrics", PATIENCE).await?;
        answered += metrics::sum(&text, "stateward_admissions_total", "");
    }
    Ok((on.plane.webhook_counts().await?.calls, answered))
}

/// When each Lease of the namespace was renewed last.
async fn renewed(on: &Installed, namespace: &str) -> Result<BTreeMap<String, Option<Timestamp>>> {
    let leases: Api<Lease> = Api::namespaced(on.plane.client()?, namespace);
    let time = |lease: &Lease| Some(lease.spec.as_ref()?.renew_time.as_ref()?.0);
    let leases = leases.list(&ListParams::default()).await?;
    Ok(leases.iter().map(|lease| (lease.name_any(), time(lease))).collect())
}

/// How many make the window of five minutes: each of the two nodes renews every ten seconds, a quarter of its Lease. `IDLE_RENEWALS` makes it shorter.
fn renewals() -> Result<usize> {
    std::env::var("IDLE_RENEWALS").map_or(Ok(60), |number| Ok(number.parse()?))
}

const NODES: &str = "kube-node-lease";

/// For each renewal.
const PATIENCE: Duration = Duration::from_secs(20);
