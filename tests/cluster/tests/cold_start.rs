//! A cluster that was wholly without power starts again with webhooks that refuse whatever nobody answers: nothing waits for itself.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use stateward_cluster::names::NAMESPACE;
use stateward_cluster_tests::binaries::Program;
use stateward_cluster_tests::installed::Installed;
use stateward_cluster_tests::shop::{SHOP, database, stateful_set};
use stateward_cluster_tests::{eventually, measured};

#[tokio::test]
async fn a_cluster_starts_from_nothing() -> Result<()> {
    Installed::run("cold-start", from_nothing).await
}

async fn from_nothing(on: &Installed) -> Result<()> {
    on.replicas(3).await?;
    on.open_shop().await?;
    on.plane.apply(&stateful_set("ledger", 2).to_string()).await?;
    on.plane.apply(WEB).await?;
    on.plane.apply(&database(SHOP).to_string()).await?;
    for all in ["statefulset/ledger", "statefulset/my-db", "deployment/web"] {
        rolled(on, all).await?;
    }
    on.fails("validate-closed.stateward.dev").await?;

    let before = names(on);
    let kept = before.first().context("no replica")?.clone();
    // Nobody makes the pods again before the cut, so all of them are to be made after it.
    on.plane.stop(Program::KubeControllerManager).await?;
    on.granted(&["delete", "pods", "--all", "-n", SHOP, "--wait=false"]).await?;
    eventually("the pods of the shop are gone", PATIENCE, async || Ok(members(on).await?.is_empty().then_some(())))
        .await?;
    on.kubelet.power_off().await?;
    for program in Program::CONTROL_PLANE.into_iter().rev().filter(|one| *one != Program::KubeControllerManager) {
        on.plane.kill(program).await?;
    }

    on.plane.start_program(Program::Etcd).await?;
    on.plane.start_program(Program::KubeApiserver).await?;
    let set = stateful_set("other", 1).to_string();
    // Both entries are asked; which one is told of is chance.
    let said = on.refused(&["create", "--dry-run=server", "-f", "-"], &set).await?;
    ensure!(said.contains("failed calling webhook \"validate-"), "{said}");
    // Of ours one is started where it was, the others are made anew.
    for pod in before.iter().filter(|pod| **pod != kept) {
        on.granted(&["delete", "pod", pod, "-n", NAMESPACE, "--force", "--grace-period=0", "--wait=false"]).await?;
    }
    for program in [Program::KubeControllerManager, Program::KubeScheduler, Program::Kwok] {
        on.plane.start_program(program).await?;
    }
    // What is none of our business needs none of us; a member does.
    rolled(on, "deployment/web").await?;
    rolled(on, "statefulset/my-db").await?;
    // The API server asks the guard before it asks a webhook that is away.
    let refused =
        "denied request: [manager-writes/forged-role] pod `ledger-0` carries `stateward.dev/governed` and no role";
    events(on, "FailedCreate", refused).await?;
    ensure!(on.kubelet.pods().is_empty(), "a replica runs");
    let left = members(on).await?;
    ensure!(!left.iter().any(|pod| pod.starts_with("ledger-")), "{left:?}");

    let begun = Instant::now();
    on.kubelet.power_on();
    all_run(on).await?;
    measured(&format!("three replicas are ready {} ms after the nodes are", begun.elapsed().as_millis()));
    // The API server has connections to those that are no more, and lets go of each when it fails.
    eventually("rules are enforced", PATIENCE, async || Ok(Some(on.refuses().await?))).await?;
    rolled(on, "statefulset/ledger").await?;
    measured(&format!("and the members {} ms", begun.elapsed().as_millis()));
    let now = names(on);
    ensure!(now.intersection(&before).collect::<Vec<_>>() == [&kept], "{before:?}, then {now:?}");
    for (member, role) in [("ledger-0", "manager"), ("ledger-1", "worker")] {
        let label = "jsonpath={.metadata.labels.stateward\\.dev/role}";
        let has = on.plane.kubectl(&["get", "pod", member, "-n", SHOP, "-o", label]).await?.stdout;
        ensure!(has == role.as_bytes(), "{member} is {}", String::from_utf8_lossy(&has));
    }
    Ok(())
}

/// Waits until three processes are ready and called: what the API server remembers of the time before counts for nothing.
async fn all_run(on: &Installed) -> Result<()> {
    eventually("three replicas are ready", PATIENCE, async || {
        let pods = on.kubelet.pods();
        Ok((pods.len() == 3 && pods.iter().all(|pod| pod.is_ready)).then_some(()))
    })
    .await?;
    on.replicas(3).await
}

async fn events(on: &Installed, reason: &str, message: &str) -> Result<()> {
    let fields = format!("--field-selector=reason={reason}");
    let list = ["get", "events", "-n", SHOP, &fields, "-o", "jsonpath={range .items[*]}{.message}{\"\\n\"}{end}"];
    eventually(&format!("{reason}: {message}"), PATIENCE, async || {
        let said = String::from_utf8(on.plane.kubectl(&list).await?.stdout)?;
        ensure!(said.contains(message), "{said}");
        Ok(Some(()))
    })
    .await
}

async fn rolled(on: &Installed, what: &str) -> Result<()> {
    on.granted(&["rollout", "status", what, "-n", SHOP, "--timeout=90s"]).await
}

async fn members(on: &Installed) -> Result<Vec<String>> {
    let list = ["get", "pods", "-n", SHOP, "-o", "jsonpath={.items[*].metadata.name}"];
    let output = on.plane.kubectl(&list).await?;
    ensure!(output.status.success(), "{output:?}");
    Ok(String::from_utf8(output.stdout)?.split_whitespace().map(str::to_owned).collect())
}

fn names(on: &Installed) -> BTreeSet<String> {
    on.kubelet.pods().into_iter().map(|pod| pod.name).collect()
}

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: shop }
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: web, image: web:1 }] }
";

const PATIENCE: Duration = Duration::from_secs(90);
