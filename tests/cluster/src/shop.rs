//! A namespace with a Service, and StatefulSets for it that every shipped rule judges and grants: what faults are injected into.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::api::ApiResource;
use serde_json::{Value, json};

use crate::eventually;
use crate::installed::Installed;
use crate::load::{Load, Report};
use crate::metrics::WebhookCounts;

/// Its name.
pub const SHOP: &str = "shop";

/// A namespace with the Service of [`stateful_set`]s.
pub fn namespace(name: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Namespace
metadata: {{ name: {name} }}
---
apiVersion: v1
kind: Service
metadata: {{ name: ledger, namespace: {name} }}
spec:
  clusterIP: None
  selector: {{ app: ledger }}
  ports: [{{ port: 5432 }}]
"
    )
}

/// The object with a merge patch.
pub fn but(mut object: Value, change: &Value) -> Value {
    json_patch::merge(&mut object, change);
    object
}

impl Installed {
    /// Makes the namespace and the Service.
    pub async fn open_shop(&self) -> Result<()> {
        self.plane.apply(&namespace(SHOP)).await
    }

    /// Dry-run creates, 4 at a time.
    pub fn creates(requests: u64) -> Load {
        Load {
            workers: 4,
            requests,
            dry_run: true,
            resource: ApiResource::erase::<StatefulSet>(&()),
            namespace: SHOP.to_owned(),
            object: Arc::new(|number| stateful_set(&format!("ledger-{number}"), 2)),
        }
    }

    /// Does something to the cluster after a third of the creates, and sends the last third when it is done.
    pub async fn under_load(&self, act: impl AsyncFnOnce() -> Result<()>) -> Result<Report> {
        let load = Self::creates(MOST).start(&self.plane)?;
        let more = async |than: u64| {
            let done = async || Ok((load.done() >= than + THIRD).then_some(()));
            eventually("creates go on", PATIENCE, done).await
        };
        more(0).await?;
        act().await?;
        more(load.done()).await?;
        load.stop();
        load.finish(PATIENCE).await
    }

    /// Whether a workload that breaks a rule is refused now, and by us.
    pub async fn refuses(&self) -> Result<()> {
        let mut bad = stateful_set("bad", 2);
        bad["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = json!(0);
        let said = self.refused(&["create", "--dry-run=server", "-f", "-"], &bad.to_string()).await?;
        ensure!(said.contains("[ordered-identity/zero-grace]"), "{said}");
        Ok(())
    }

    /// Fails unless every request was granted, after calls for each of them, none of which failed.
    pub async fn unharmed(&self, before: WebhookCounts, report: &Report) -> Result<()> {
        let counts = self.plane.webhook_counts().await?;
        report.all_granted().with_context(|| format!("{before:?}, then {counts:?}"))?;
        ensure!(counts.failures() == before.failures(), "{before:?}, then {counts:?}");
        ensure!(counts.calls >= before.calls + report.granted, "{before:?}, then {counts:?}, for {}", report.granted);
        Ok(())
    }
}

/// One that all rules grant.
pub fn stateful_set(name: &str, replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {
            "name": name,
            "namespace": SHOP,
            "annotations": {
                "stateward.dev/writes": "manager-only",
                "stateward.dev/sync": "engine:streaming",
                "stateward.dev/backup": "none",
            },
        },
        "spec": {
            "replicas": replicas,
            "serviceName": "ledger",
            "selector": { "matchLabels": { "app": "ledger" } },
            "template": {
                "metadata": { "labels": { "app": "ledger" } },
                "spec": { "containers": [{ "name": "ledger", "image": "ledger:1" }] },
            },
        },
    })
}

/// `my-db`, as most databases are: with a claim, a dash in the name, and outside of the contract.
pub fn database(namespace: &str) -> Value {
    let claim = json!({ "accessModes": ["ReadWriteOnce"], "storageClassName": "remote", "resources": { "requests": { "storage": "1Gi" } } });
    let container =
        json!({ "name": "db", "image": "db:1", "volumeMounts": [{ "name": "data", "mountPath": "/data" }] });
    json!({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": { "name": "my-db", "namespace": namespace },
        "spec": {
            "replicas": 2,
            "serviceName": "my-db",
            "selector": { "matchLabels": { "app": "my-db" } },
            "template": { "metadata": { "labels": { "app": "my-db" } }, "spec": { "containers": [container] } },
            "volumeClaimTemplates": [{ "metadata": { "name": "data" }, "spec": claim }],
        },
    })
}

/// Four seconds of them on a machine with two cores, six on a busy one.
const THIRD: u64 = 1_000;

/// No fault lasts that long.
const MOST: u64 = 1_000_000;

const PATIENCE: Duration = Duration::from_secs(60);
