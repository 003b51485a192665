//! The ways out, by the product's own commands and by kubectl: a pause, every kind of uninstall, and a namespace that does not go. None of them
//! refuses a request that is right, and a member still starts afterwards.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use stateward_cluster::names::NAMESPACE;
use stateward_cluster_tests::installed::Installed;
use stateward_cluster_tests::load::Report;
use stateward_cluster_tests::shop::{SHOP, stateful_set};
use stateward_cluster_tests::{eventually, measured, root};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_out_is_open() -> Result<()> {
    Installed::run_bare("way-out", sections).await
}

async fn sections(on: &Installed) -> Result<()> {
    is_not_installed(on).await.context("before")?;
    installs_by_the_command(on).await.context("`stateward install`")?;
    on.open_shop().await?;
    on.plane.apply(&stateful_set("ledger", 2).to_string()).await?;
    rolled(on).await?;
    on.fails("validate-closed.stateward.dev").await?;
    on.is_guarded(true).await?;
    is_examined(on).await.context("`stateward doctor`")?;
    pauses_and_resumes(on).await.context("`stateward pause` and `resume`")?;
    is_uninstalled_by_kubectl(on).await.context("`kubectl delete -k`")?;
    is_uninstalled_by_the_command(on).await.context("`stateward uninstall`")?;
    a_namespace_that_does_not_go_is_in_nobodys_way(on).await.context("a namespace that does not go")
}

async fn is_not_installed(on: &Installed) -> Result<()> {
    let (code, said) = on.stateward(&["doctor"]).await?;
    let nothing = "Stateward is not installed in namespace `stateward-system`: there is no Deployment, and nothing is registered\n\
                   hint: `stateward install` installs it; `--namespace` names another namespace\n";
    ensure!(code == Some(1) && said.contains(nothing) && said.matches("hint:").count() == 1, "{code:?} {said}");
    Ok(())
}

async fn installs_by_the_command(on: &Installed) -> Result<()> {
    let (code, said) = on.stateward(&["install"]).await?;
    ensure!(code == Some(0), "{said}");
    on.enforces().await?;
    on.replicas(3).await
}

async fn is_examined(on: &Installed) -> Result<()> {
    let (code, said) = on.stateward(&["doctor"]).await?;
    ensure!(code == Some(0), "{said}");
    let facts = [
        "5 of 5 ready; Enforce: manager-writes, operations, ordered-identity, remote-volumes, workload-kind\n",
        "system:serviceaccount:kube-system:statefulset-controller; one was seen to make a member\n",
        "validate-closed.stateward.dev Fail, validate-fail.stateward.dev Fail",
        "3 of 3 ready\n",
    ];
    for fact in facts {
        ensure!(said.contains(fact), "no `{fact}` in {said}");
    }
    Ok(())
}

async fn pauses_and_resumes(on: &Installed) -> Result<()> {
    let report = on
        .under_load(async || {
            for _ in 0..3 {
                let (code, said) = on.stateward(&["pause", "--for", "1h"]).await?;
                ensure!(code == Some(0), "{said}");
                let (code, said) = on.stateward(&["doctor"]).await?;
                ensure!(code == Some(1) && said.contains("paused until "), "{code:?} {said}");
                nothing_is_registered(on).await?;
                on.replace_pod(SHOP, "ledger-1").await?;
                rolled(on).await?;
                let (code, said) = on.stateward(&["resume"]).await?;
                ensure!(code == Some(0), "{said}");
                on.fails("validate-fail.stateward.dev").await?;
                on.is_guarded(true).await?;
                on.refuses().await?;
            }
            Ok(())
        })
        .await?;
    report.all_granted()
}

async fn is_uninstalled_by_kubectl(on: &Installed) -> Result<()> {
    let base = root().join("deploy/base");
    let delete = ["delete", "-k", &base.to_string_lossy(), "--timeout=90s"];
    let report = on.under_load(async || on.granted(&delete).await).await?;
    // The garbage collector takes both configurations away in the order it likes, and what refuses may outlive what stamps by milliseconds.
    spared(&report)?;
    nothing_is_left(on).await
}

async fn is_uninstalled_by_the_command(on: &Installed) -> Result<()> {
    installs_by_the_command(on).await?;
    let report = on
        .under_load(async || {
            let (code, said) = on.stateward(&["uninstall"]).await?;
            ensure!(code == Some(0), "{said}");
            Ok(())
        })
        .await?;
    report.all_granted()?;
    nothing_is_left(on).await?;
    on.granted(&["wait", "--for=delete", &format!("namespace/{NAMESPACE}"), "--timeout=90s"]).await?;
    is_not_installed(on).await
}

/// Everything in it goes, the servers first, and the namespace stays for as long as somebody holds one object: no garbage collector comes.
async fn a_namespace_that_does_not_go_is_in_nobodys_way(on: &Installed) -> Result<()> {
    installs_by_the_command(on).await?;
    let held = format!(
        "
apiVersion: v1
kind: ConfigMap
metadata: {{ name: held, namespace: {NAMESPACE}, finalizers: [example.com/hold] }}
"
    );
    on.plane.apply(&held).await?;
    let report = on
        .under_load(async || {
            on.granted(&["delete", "namespace", NAMESPACE, "--wait=false"]).await?;
            nothing_is_registered(on).await
        })
        .await?;
    spared(&report)?;
    let (code, said) = on.stateward(&["doctor"]).await?;
    ensure!(code == Some(1) && said.contains("is being deleted since"), "{code:?} {said}");
    eventually("no replica is left", PATIENCE, async || {
        let left = on.plane.kubectl(&["get", "pods", "-n", NAMESPACE, "-o", "name"]).await?;
        Ok((left.status.success() && left.stdout.is_empty()).then_some(()))
    })
    .await?;
    on.replace_pod(SHOP, "ledger-1").await?;
    rolled(on).await
}

/// At most a few requests in the second in which it happens.
fn spared(report: &Report) -> Result<()> {
    let denied: u64 = report.denied.values().sum();
    let failed: u64 = report.failed_calls.values().sum();
    measured(&format!("{} granted, {denied} denied, {failed} calls failed", report.granted));
    ensure!(denied + failed <= 8 && report.errors.is_empty(), "{report:?}");
    Ok(())
}

async fn nothing_is_left(on: &Installed) -> Result<()> {
    nothing_is_registered(on).await?;
    on.replace_pod(SHOP, "ledger-1").await?;
    rolled(on).await
}

async fn nothing_is_registered(on: &Installed) -> Result<()> {
    let kinds = "validatingwebhookconfigurations,mutatingwebhookconfigurations,validatingadmissionpolicybindings";
    eventually("nothing is registered", PATIENCE, async || {
        let left = on.plane.kubectl(&["get", kinds, "-o", "name"]).await?;
        Ok((left.status.success() && left.stdout.is_empty()).then_some(()))
    })
    .await
}

async fn rolled(on: &Installed) -> Result<()> {
    on.granted(&["rollout", "status", "statefulset/ledger", "-n", SHOP, "--timeout=60s"]).await
}

const PATIENCE: Duration = Duration::from_secs(60);
