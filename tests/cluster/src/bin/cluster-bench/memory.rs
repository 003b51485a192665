//! Resident memory of the replicas before and after a large cluster's objects are in their inventories.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Service};
use kube::api::ApiResource;
use serde_json::{Value, json};
use stateward_cluster_tests::installed::Installed;
use stateward_cluster_tests::load::Load;

use crate::say;

/// Creates them in so many namespaces, and prints what the replicas have.
pub(crate) async fn measure(installed: &Installed, namespaces: u64) -> Result<()> {
    let before = resident(installed)?;
    let begun = Instant::now();
    let objects = objects();
    for n in 0..namespaces {
        let namespace = format!("{NAMESPACE}-{n}");
        installed.granted(&["create", "namespace", &namespace]).await?;
        for (count, resource, object) in &objects {
            let load = Load {
                workers: 8,
                requests: count / namespaces,
                dry_run: false,
                resource: resource.clone(),
                namespace: namespace.clone(),
                object: Arc::clone(object),
            };
            load.start(&installed.plane)?.finish(LIMIT).await?.all_granted()?;
        }
    }
    // Whatever was created is in the inventories a moment later; a restarted replica has only what it keeps.
    let created = begun.elapsed();
    let grown = resident(installed)?;
    installed.granted(&["rollout", "restart", "deployment/stateward", "-n", "stateward-system"]).await?;
    installed.replicas(3).await?;
    let fresh = resident(installed)?;
    say(&format!(
        "\n10,000 claims, 10,000 Services, 5,000 StatefulSets and 15,000 pods in {namespaces} namespaces, created in {:.0} s\n",
        created.as_secs_f64()
    ));
    say(&format!("{:<36} {:>8}", "largest replica, resident", "MB"));
    for (what, megabytes) in [("before", before), ("after", grown), ("after, restarted", fresh)] {
        say(&format!("{what:<36} {megabytes:>8.1}"));
    }
    Ok(())
}

type Object = Arc<dyn Fn(u64) -> Value + Send + Sync>;

fn objects() -> [(u64, ApiResource, Object); 4] {
    let metadata = |n: u64| json!({ "name": format!("db-{n}"), "labels": { "app.kubernetes.io/name": format!("db-{n}"), "team": "shop" } });
    let claim = move |n| {
        json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata(n),
            "spec": { "accessModes": ["ReadWriteOnce"], "storageClassName": "not-there", "resources": { "requests": { "storage": "1Gi" } } },
        })
    };
    let service = move |n| {
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": metadata(n),
            "spec": { "clusterIP": "None", "selector": { "app": format!("db-{n}") }, "ports": [{ "port": 5432 }] },
        })
    };
    let set = move |n: u64| {
        json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata(n),
            "spec": {
                "replicas": 0, "serviceName": format!("db-{n}"), "selector": { "matchLabels": { "app": format!("db-{n}") } },
                "template": {
                    "metadata": { "labels": { "app": format!("db-{n}") } },
                    "spec": { "containers": [{
                        "name": "db", "image": "db:1", "env": [{ "name": "MODE", "value": "primary" }],
                        "volumeMounts": [{ "name": "data", "mountPath": "/var/lib/db" }],
                    }] },
                },
                "volumeClaimTemplates": [{
                    "metadata": { "name": "data" },
                    "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } },
                }],
            },
        })
    };
    // Nobody schedules them: a scan reads all pods, and that is what they are for.
    let pod = |n: u64| {
        let (set, ordinal) = (n / 3, n % 3);
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": format!("db-{set}-{ordinal}"), "labels": { "app": format!("db-{set}"), "team": "shop" } },
            "spec": {
                "schedulerName": "nobody", "containers": [{ "name": "db", "image": "db:1" }],
                "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": format!("db-{set}") } }],
            },
        })
    };
    [
        (10_000, ApiResource::erase::<PersistentVolumeClaim>(&()), Arc::new(claim)),
        (10_000, ApiResource::erase::<Service>(&()), Arc::new(service)),
        (5_000, ApiResource::erase::<StatefulSet>(&()), Arc::new(set)),
        (15_000, ApiResource::erase::<Pod>(&()), Arc::new(pod)),
    ]
}

/// Of the largest replica, in MB.
fn resident(installed: &Installed) -> Result<f64> {
    let mut largest: f64 = 0.0;
    for pod in installed.kubelet.pods() {
        largest = largest.max(resident_of(pod.pid.with_context(|| format!("{} does not run", pod.name))?)?);
    }
    Ok(largest)
}

/// Of one process, in MB.
pub(crate) fn resident_of(pid: impl std::fmt::Display) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes / 1024.0)
}

/// The beginning of their names; the first one is `large-0`.
pub(crate) const NAMESPACE: &str = "large";
const LIMIT: Duration = Duration::from_secs(900);
