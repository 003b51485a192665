//! One keep-alive client, one dry-run create after the other, all cases in turn: what differs between them is the webhooks that are called.

use std::time::{Duration, Instant};

use anyhow::Result;
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;
use stateward_cluster_tests::installed::Installed;
use stateward_cluster_tests::metrics;

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
    let mut before = String::new();
    for round in 0..WARM_UP + ROUNDS {
        if round == WARM_UP {
            before = installed.plane.metrics().await?;
        }
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
    let after = installed.plane.metrics().await?;
    for (what, family) in MEANS {
        say(&format!("\n{what:<36} {:>8} {:>8}", "times", "mean ms"));
        for (name, times, mean) in means(&before, &after, family) {
            say(&format!("{name:<36} {times:>8} {:>8.2}", ms(mean)));
        }
    }
    Ok(())
}

/// How often each series of a histogram of the API server's own was observed, and the mean, in seconds there.
fn means(before: &str, after: &str, family: &str) -> Vec<(String, u64, Duration)> {
    let names = metrics::values(after, &format!("{family}_count"), "name");
    let mean = |name: String| {
        let grown = |suffix: &str| {
            let (family, label) = (format!("{family}{suffix}"), format!("name=\"{name}\""));
            metrics::total(after, &family, &label) - metrics::total(before, &family, &label)
        };
        let times = grown("_count");
        (times > 0.0).then(|| Duration::from_secs_f64(grown("_sum") / times)).map(|mean| (name, times as u64, mean))
    };
    names.into_iter().filter_map(mean).collect()
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

/// What the API server waits for and computes itself, as it counts.
const MEANS: [(&str, &str); 2] = [
    ("a call, as the API server sees it", "apiserver_admission_webhook_admission_duration_seconds"),
    ("conditions that led to a call", "apiserver_admission_match_condition_evaluation_seconds"),
];

const WARM_UP: usize = 50;
const ROUNDS: usize = 500;
