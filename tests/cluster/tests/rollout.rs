//! All three replicas are replaced while creates run, and no call fails.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use stateward_cluster_tests::installed::Installed;
use stateward_cluster_tests::{eventually, measured};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_three_replicas_roll() -> Result<()> {
    Installed::run("rollout", roll).await
}

async fn roll(installed: &Installed) -> Result<()> {
    installed.replicas(3).await?;
    installed.open_shop().await?;
    let before = installed.plane.webhook_counts().await?;
    let old: BTreeSet<i32> = installed.kubelet.pods().iter().filter_map(|pod| pod.pid).collect();
    ensure!(old.len() == 3, "{old:?}");

    let begun = Instant::now();
    let load = Installed::creates(MOST).start(&installed.plane)?;
    eventually("a third of the creates", PATIENCE, async || Ok((load.done() >= LEAST / 3).then_some(()))).await?;
    let (rolling, at) = (Instant::now(), load.done());
    installed.granted(&["rollout", "restart", "deployment/stateward", "-n", "stateward-system"]).await?;
    installed.replicas(3).await?;
    eventually("the old replicas end", PATIENCE, async || {
        let pods = installed.kubelet.pods();
        Ok((pods.len() == 3 && pods.iter().all(|pod| pod.pid.is_some_and(|pid| !old.contains(&pid)))).then_some(()))
    })
    .await?;
    let (rolled, until) = (rolling.elapsed(), load.done());
    // As long again on the new ones as it was on the old.
    let last = LEAST.max(until + LEAST / 3);
    eventually("the rest of the creates", PATIENCE, async || Ok((load.done() >= last).then_some(()))).await?;
    load.stop();
    let report = load.finish(PATIENCE).await?;
    measured(&format!(
        "rolled in {} s; {} creates in {} s, {} of them meanwhile; {} ms at 50 %, {} at 99 %, {} at most",
        rolled.as_secs(),
        report.granted,
        begun.elapsed().as_secs(),
        until - at,
        report.percentile(0.5).as_millis(),
        report.percentile(0.99).as_millis(),
        report.percentile(1.0).as_millis(),
    ));
    ensure!(report.granted >= LEAST && until > at, "{at} before, {until} after, {} in all", report.granted);
    installed.unharmed(before, &report).await?;
    installed.refuses().await
}

/// So many creates at least.
const LEAST: u64 = 10_000;

/// No more than so many, however slow the machine rolls.
const MOST: u64 = 100_000;

const PATIENCE: Duration = Duration::from_secs(120);
