//! What a scan of a large cluster takes: the first one, which writes a report of every set, and one of the same cluster again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stateward_cluster_tests::installed::Installed;
use stateward_cluster_tests::open_reports::definitions;
use stateward_cluster_tests::{eventually, http};
use tokio::sync::Notify;

use crate::memory::{NAMESPACE, resident_of};
use crate::say;

/// Of what `memory` has made.
pub(crate) async fn measure(installed: &Installed) -> Result<()> {
    // A scan of before, so that what it keeps is not counted.
    scan(installed, "warm").await?;
    installed.plane.apply(&definitions()?).await?;
    installed.granted(&["wait", "--for=condition=Established", "crd/reports.openreports.io", "--timeout=60s"]).await?;
    say(&format!(
        "\n{:<36} {:>8} {:>8} {:>8} {:>10} {:>10}",
        "audit", "seconds", "objects", "writes", "idle, MB", "peak, MB"
    ));
    for what in ["first scan, reports are written", "again, nothing has changed"] {
        let before = writes(installed).await?;
        let Scan { seconds, objects, idle, peak } = scan(installed, what.split(',').next().unwrap_or(what)).await?;
        let written = writes(installed).await? - before;
        say(&format!("{what:<36} {seconds:>8.1} {objects:>8.0} {written:>8} {idle:>10.1} {peak:>10.1}"));
    }
    page(installed).await?;
    let page = installed.plane.kubectl(&["get", "--raw", "/apis/openreports.io/v1alpha1/reports?limit=500"]).await?;
    let page: Value = serde_json::from_slice(&page.stdout)?;
    let reports = page["items"].as_array().context("no list")?;
    let bytes: usize = reports.iter().map(|report| report.to_string().len()).sum();
    say(&format!(
        "{} bytes of JSON for a report, of {} that were looked at",
        bytes / reports.len().max(1),
        reports.len()
    ));
    Ok(())
}

struct Scan {
    seconds: f64,
    objects: f64,
    /// Resident memory of the leader, MB.
    idle: f64,
    peak: f64,
}

/// Asks for one by an exemption of nobody.
async fn scan(installed: &Installed, name: &str) -> Result<Scan> {
    let leader = installed.leader().await?;
    let pod = leader.split('_').next().context("no pod")?.to_owned();
    let seen = || installed.kubelet.pods().into_iter().find(|one| one.name == pod).context("the leader does not run");
    let (address, pid) = (seen()?.address, seen()?.pid.context("no process")?);
    let metric = async |series: &str| -> Result<f64> {
        let (_, text) = http::fetch(&format!("{address}:8080"), "/metrics", CALL).await?;
        let line = text.lines().find_map(|line| line.strip_prefix(series)).with_context(|| format!("no {series}"))?;
        Ok(line.trim().parse()?)
    };
    let before = metric("stateward_audit_last_scan_timestamp_seconds ").await?;
    let idle = resident_of(pid)?;
    let exemption = json!({
        "apiVersion": "stateward.dev/v1alpha1", "kind": "PolicyExemption",
        "metadata": { "name": format!("bench-{}", name.replace(' ', "-")), "namespace": format!("{NAMESPACE}-0") },
        "spec": { "rules": ["ordered-identity/zero-grace"], "names": ["nobody"], "reason": "a scan is asked for" },
    });
    let done = Arc::new(Notify::new());
    let peak = tokio::spawn({
        let done = Arc::clone(&done);
        async move {
            let mut peak = idle;
            let mut over = std::pin::pin!(done.notified());
            while tokio::time::timeout(SAMPLE, &mut over).await.is_err() {
                peak = resident_of(pid)?.max(peak);
            }
            Ok::<_, anyhow::Error>(peak)
        }
    });
    let begun = Instant::now();
    installed.plane.apply(&exemption.to_string()).await?;
    eventually("a scan is over", LIMIT, async || {
        Ok((metric("stateward_audit_last_scan_timestamp_seconds ").await? > before).then_some(()))
    })
    .await?;
    ensure!(begun.elapsed() < LIMIT, "it took too long");
    done.notify_one();
    let seconds = metric("stateward_audit_duration_seconds ").await?;
    let objects = metric("stateward_audit_objects ").await?;
    Ok(Scan { seconds, objects, idle, peak: peak.await?? })
}

/// What the page costs the replica that draws it: one that does not lead.
async fn page(installed: &Installed) -> Result<()> {
    let leader = installed.leader().await?;
    let leads = |name: &str| leader.starts_with(&format!("{name}_"));
    let pod = installed.kubelet.pods().into_iter().find(|pod| !leads(&pod.name)).context("no other replica")?;
    let pid = pod.pid.context("no process")?;
    let idle = resident_of(pid)?;
    let begun = Instant::now();
    let drawn = tokio::spawn({
        let address = format!("{}:8080", pod.address);
        async move { http::fetch(&address, "/report", LIMIT).await }
    });
    let mut peak = idle;
    while !drawn.is_finished() {
        tokio::time::sleep(SAMPLE).await;
        peak = resident_of(pid)?.max(peak);
    }
    let (status, text) = drawn.await??;
    ensure!(status == 200, "{status} {text}");
    let seconds = begun.elapsed().as_secs_f64();
    let megabytes = text.len() as f64 / 1_000_000.0;
    say(&format!(
        "{:<36} {seconds:>8.1} {:>8} {:>8} {idle:>10.1} {peak:>10.1}",
        "the page, by another replica", "", ""
    ));
    say(&format!("{megabytes:.1} MB of HTML"));
    Ok(())
}

/// What the API server was asked to write of reports and of the policies' status, as it counts.
async fn writes(installed: &Installed) -> Result<u64> {
    let output = installed.plane.kubectl(&["get", "--raw", "/metrics"]).await?;
    let text = String::from_utf8(output.stdout)?;
    let is_write = |line: &&str| {
        line.starts_with("apiserver_request_total{")
            && (line.contains(r#"group="openreports.io""#) || line.contains(r#"resource="wasmpolicies""#))
            && ["POST", "PUT", "PATCH", "DELETE"].iter().any(|verb| line.contains(&format!("verb=\"{verb}\"")))
    };
    text.lines()
        .filter(is_write)
        .map(|line| Ok(line.rsplit(' ').next().context("no number")?.parse::<f64>()? as u64))
        .sum()
}

const SAMPLE: Duration = Duration::from_millis(200);
const CALL: Duration = Duration::from_secs(5);
const LIMIT: Duration = Duration::from_secs(900);
