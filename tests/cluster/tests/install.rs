//! From `kubectl apply` of deploy/base to the first refusal, and what an installation leaves behind.

use std::time::Duration;

use anyhow::Result;
use stateward_cluster_tests::eventually;
use stateward_cluster_tests::installed::Installed;
use stateward_cluster_tests::shop::{SHOP, stateful_set};

#[tokio::test]
async fn refuses_after_an_install_and_leaves_nothing_behind() -> Result<()> {
    Installed::run("install", uninstalled).await
}

async fn uninstalled(installed: &Installed) -> Result<()> {
    installed.replicas(3).await?;
    installed.open_shop().await?;
    installed.refuses().await?;
    installed.plane.apply(&stateful_set("ledger", 2).to_string()).await?;
    let rolled = ["rollout", "status", "statefulset/ledger", "-n", SHOP, "--timeout=60s"];
    installed.granted(&rolled).await?;
    installed.fails("validate-closed.stateward.dev").await?;
    installed.is_guarded(true).await?;

    // Nothing that could refuse is left, and a governed pod still starts.
    installed.granted(&["delete", "namespace", "stateward-system", "--wait=true", "--timeout=90s"]).await?;
    eventually("the configurations go with the namespace", Duration::from_secs(60), async || {
        let kinds = "validatingwebhookconfigurations,mutatingwebhookconfigurations,validatingadmissionpolicies,\
                     validatingadmissionpolicybindings";
        let left = installed.plane.kubectl(&["get", kinds, "-o", "name"]).await?;
        Ok((left.status.success() && left.stdout.is_empty()).then_some(()))
    })
    .await?;
    installed.replace_pod(SHOP, "ledger-1").await?;
    installed.granted(&rolled).await
}
