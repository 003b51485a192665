//! What the product is made of and stands on fails while creates run: a replica dies, the API server ends, etcd stands still.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::Api;
use rustix::process::Signal;
use stateward_cluster::names::{APP, NAMESPACE};
use stateward_cluster_tests::binaries::Program;
use stateward_cluster_tests::installed::Installed;
use stateward_cluster_tests::load::Report;
use stateward_cluster_tests::{eventually, http, measured};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn creates_go_on_whatever_fails() -> Result<()> {
    Installed::run("faults", all).await
}

async fn all(installed: &Installed) -> Result<()> {
    installed.replicas(3).await?;
    installed.open_shop().await?;
    the_leader_is_killed(installed).await.context("the leader is killed")?;
    the_api_server_is_away(installed).await.context("the API server is away")?;
    etcd_stands_still(installed).await.context("etcd stands still")
}

async fn the_leader_is_killed(installed: &Installed) -> Result<()> {
    let before = installed.plane.webhook_counts().await?;
    let report = installed
        .under_load(async || {
            let (name, led) = (installed.leader().await?, lease(installed).await?);
            let killed = Instant::now();
            installed.kubelet.kill(&name, Signal::KILL)?;
            eventually("another leads", Duration::from_secs(20), async || {
                Ok((lease(installed).await?.holder_identity != led.holder_identity).then_some(()))
            })
            .await?;
            measured(&format!("another leads {} ms after a kill", killed.elapsed().as_millis()));
            eventually("its process runs again", PATIENCE, async || {
                let pods = installed.kubelet.pods();
                Ok(pods.iter().any(|pod| pod.name == name && pod.restarts == 1 && pod.is_ready).then_some(()))
            })
            .await?;
            installed.replicas(3).await
        })
        .await?;
    let lost = installed.plane.webhook_counts().await?.failures() - before.failures();
    let Report { denied, failed_calls, errors, unanswered, .. } = report;
    measured(&format!("{lost} calls were lost with it: {denied:#?} {failed_calls:#?}"));
    ensure!(errors.is_empty() && unanswered.is_empty(), "{errors:?} {unanswered:?}");
    // A lost call to the mutating webhook lets the request go on without what that would have written, so the other one refuses it, and says why.
    ensure!(denied.keys().all(|message| message.contains("send the request again")), "{denied:#?}");
    let harmed: u64 = denied.values().chain(failed_calls.values()).sum();
    ensure!(harmed <= lost && lost <= LOST, "{lost} lost, {denied:#?} {failed_calls:#?}");
    installed.refuses().await
}

async fn the_api_server_is_away(installed: &Installed) -> Result<()> {
    let before = installed.plane.webhook_counts().await?;
    let report = installed
        .under_load(async || {
            installed.plane.stop(Program::KubeApiserver).await?;
            let stale = ["wasmpolicies: stale: ", "StatefulSet: stale: "];
            problems(installed, "all see that what they know grows old", async |seen| {
                stale.iter().all(|words| seen.contains(words))
            })
            .await?;
            ensure!(installed.kubelet.pods().iter().all(|pod| pod.is_ready && pod.restarts <= 1));
            installed.plane.start_program(Program::KubeApiserver).await?;
            problems(installed, "all are up to date", async |seen| !seen.contains("stale")).await
        })
        .await?;
    measured(&format!("unanswered: {:?}, errors: {:?}", report.unanswered.values().sum::<u64>(), report.errors));
    ensure!(!report.unanswered.is_empty(), "nobody noticed: {} granted", report.granted);
    ensure!(report.failed_calls.is_empty() && report.denied.is_empty(), "{:?}{:?}", report.failed_calls, report.denied);
    let after = installed.plane.webhook_counts().await?;
    ensure!(after.failures() == before.failures() && after.calls > before.calls, "{before:?}, then {after:?}");
    installed.refuses().await
}

async fn etcd_stands_still(installed: &Installed) -> Result<()> {
    let before = installed.plane.webhook_counts().await?;
    let report = installed
        .under_load(async || {
            let led = lease(installed).await?;
            installed.plane.pause(Program::Etcd)?;
            let (paused, begun) = (Instant::now(), jiff::Timestamp::now());
            eventually("etcd stands still for 8 s", PATIENCE, async || {
                Ok((paused.elapsed() > Duration::from_secs(8)).then_some(()))
            })
            .await?;
            installed.plane.resume(Program::Etcd)?;
            let now = eventually("the Lease is renewed", PATIENCE, async || {
                let now = lease(installed).await?;
                let renewed = now.renew_time.as_ref().is_some_and(|time| time.0 > begun + Duration::from_secs(8));
                Ok(renewed.then_some(now))
            })
            .await?;
            measured(&format!("led by the same: {}", led.holder_identity == now.holder_identity));
            Ok(())
        })
        .await?;
    measured(&format!("longest {} ms, errors: {:?}", report.percentile(1.0).as_millis(), report.errors));
    ensure!(report.percentile(1.0) > Duration::from_secs(7), "nobody noticed: {:?}", report.percentile(1.0));
    ensure!(report.failed_calls.is_empty() && report.denied.is_empty(), "{:?}{:?}", report.failed_calls, report.denied);
    let after = installed.plane.webhook_counts().await?;
    ensure!(after.failures() == before.failures() && after.calls > before.calls, "{before:?}, then {after:?}");
    installed.refuses().await
}

async fn lease(installed: &Installed) -> Result<LeaseSpec> {
    let leases: Api<Lease> = Api::namespaced(installed.plane.client()?, NAMESPACE);
    leases.get(APP).await?.spec.context("the Lease is empty")
}

/// Waits until what every replica says of itself is so.
async fn problems(installed: &Installed, what: &str, is_so: impl AsyncFn(&str) -> bool) -> Result<()> {
    eventually(what, PATIENCE, async || {
        for pod in installed.kubelet.pods() {
            let (_, seen) = http::fetch(&format!("{}:8080", pod.address), "/policies", PATIENCE).await?;
            ensure!(is_so(&seen).await, "{}: {seen}", pod.name);
        }
        Ok(Some(()))
    })
    .await
}

/// What a killed process takes along: the API server never sends a POST twice, so nobody can save it. Two calls for each of four requests under way,
/// and as many connections to an address that is not yet known to be dead. Two to five were measured.
const LOST: u64 = 16;

const PATIENCE: Duration = Duration::from_secs(60);
