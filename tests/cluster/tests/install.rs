//! From `kubectl apply` of deploy/base to the first refusal, and what an installation leaves behind.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use stateward_cluster_tests::eventually;
use stateward_cluster_tests::installed::Installed;

#[tokio::test]
async fn refuses_after_an_install_and_leaves_nothing_behind() -> Result<()> {
    let begun = Instant::now();
    let Some(installed) = Installed::start("install").await? else { return Ok(()) };
    let enforced = begun.elapsed();
    let said = installed.refused(&["create", "--dry-run=server", "-f", "-"], ZERO_GRACE).await?;
    ensure!(said.contains("[ordered-identity/zero-grace]"), "{said}");
    installed.replicas(3).await?;
    installed.granted(&["create", "namespace", "shop"]).await?;

    // Nothing of ours is left, and a governed pod still starts.
    installed.plane.apply(GOVERNED).await?;
    installed.granted(&["rollout", "status", "statefulset/ledger", "-n", "shop", "--timeout=60s"]).await?;
    installed.fails("validate-closed.stateward.dev").await?;
    installed.granted(&["delete", "namespace", "stateward-system", "--wait=true", "--timeout=90s"]).await?;
    eventually("the configurations go with the namespace", Duration::from_secs(60), async || {
        let kinds = "validatingwebhookconfigurations,mutatingwebhookconfigurations";
        let left = installed.plane.kubectl(&["get", kinds, "-o", "name"]).await?;
        Ok(left.stdout.is_empty().then_some(()))
    })
    .await?;
    installed.replace_pod("shop", "ledger-1").await?;
    installed.granted(&["rollout", "status", "statefulset/ledger", "-n", "shop", "--timeout=60s"]).await?;
    ensure!(enforced < Duration::from_secs(120), "{enforced:?}");
    installed.plane.passed();
    Ok(())
}

const ZERO_GRACE: &str = r#"
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: db, namespace: default }
spec:
  serviceName: db
  selector: { matchLabels: { app: db } }
  template:
    metadata: { labels: { app: db } }
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{ name: db, image: "db:1" }]
"#;

const GOVERNED: &str = r#"
apiVersion: v1
kind: Service
metadata: { name: ledger, namespace: shop }
spec:
  clusterIP: None
  selector: { app: ledger }
  ports: [{ port: 5432 }]
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: ledger
  namespace: shop
  annotations: { stateward.dev/writes: manager-only, stateward.dev/sync: "engine:streaming", stateward.dev/backup: none }
spec:
  replicas: 2
  serviceName: ledger
  selector: { matchLabels: { app: ledger } }
  template:
    metadata: { labels: { app: ledger } }
    spec:
      containers: [{ name: ledger, image: "ledger:1" }]
"#;
