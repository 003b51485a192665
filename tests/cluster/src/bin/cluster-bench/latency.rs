//! One keep-alive client, one dry-run create after the other, all cases in turn: what differs between them is the webhooks that are called.

use std::time::{Duration, Instant};

use anyhow::Result;
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;
use stateward_cluster_tests::installed::Installed;

use crate::empty::Empty;
use crate::say;

struct Case {
    what: &'static str,
    /// `kube-node-lease` is a namespace that our configurations leave out.
    namespace: &'static str,
    label: &'static str,
    /// Whether the contract's annotation is there, so that our mutating rules write.
    is_governed: bool,
}

const CASES: [Case; 5] = [
    Case { what: "no webhook", namespace: "kube-node-lease", label: "none", is_governed: false },
    Case { what: "empty Go webhook, validating", namespace: "kube-node-lease", label: "validated", is_governed: false },
    Case {
        what: "the same, mutating and validating",
        namespace: "kube-node-lease",
        label: "mutated",
        is_governed: false,
    },
    Case { what: "stateward, all rules", namespace: "default", label: "none", is_governed: false },
    Case { what: "the same, changed by it", namespace: "default", label: "none", is_governed: true },
];

/// Prints p50 and p99 of each case, and ratios to the empty webhook.
pub(crate) async fn measure(installed: &Installed) -> Result<()> {
    let _empty = Empty::start(installed).await?;
    let client = installed.plane.client()?;
    let mut taken: Vec<Vec<Duration>> = CASES.iter().map(|_| Vec::new()).collect();
    for round in 0..WARM_UP + ROUNDS {
        for (case, taken) in CASES.iter().zip(&mut taken) {
            let api: Api<StatefulSet> = Api::namespaced(client.clone(), case.namespace);
            let set = set(case)?;
            let begun = Instant::now();
            api.create(&PostParams { dry_run: true, ..PostParams::default() }, &set).await?;
            if round >= WARM_UP {
                taken.push(begun.elapsed());
            }
        }
    }
    say(&format!("\n{ROUNDS} dry-run creates of each case, in turn\n"));
    say(&format!("{:<36} {:>8} {:>8} {:>16}", "case", "p50 ms", "p99 ms", "p50 to empty Go"));
    let base = percentile(&mut taken[1], 50);
    for (case, taken) in CASES.iter().zip(&mut taken) {
        let (p50, p99) = (percentile(taken, 50), percentile(taken, 99));
        let ratio = p50.as_secs_f64() / base.as_secs_f64();
        say(&format!("{:<36} {:>8.2} {:>8.2} {ratio:>16.2}", case.what, ms(p50), ms(p99)));
    }
    Ok(())
}

fn set(case: &Case) -> Result<StatefulSet> {
    let annotations = if case.is_governed {
        json!({ "stateward.dev/writes": "manager-only", "stateward.dev/sync": "engine:streaming", "stateward.dev/backup": "none" })
    } else {
        json!({})
    };
    Ok(serde_json::from_value(json!({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": { "name": "db", "labels": { "bench": case.label }, "annotations": annotations },
        "spec": {
            "replicas": 3,
            "serviceName": "db",
            "selector": { "matchLabels": { "app": "db" } },
            "template": {
                "metadata": { "labels": { "app": "db" } },
                "spec": { "containers": [{
                    "name": "db", "image": "db:1", "volumeMounts": [{ "name": "data", "mountPath": "/var/lib/db" }],
                }] },
            },
            "volumeClaimTemplates": [{
                "metadata": { "name": "data" },
                "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } },
            }],
        },
    }))?)
}

fn percentile(taken: &mut [Duration], of_hundred: usize) -> Duration {
    taken.sort_unstable();
    taken.get(taken.len() * of_hundred / 100).copied().unwrap_or_default()
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

const WARM_UP: usize = 50;
const ROUNDS: usize = 500;
