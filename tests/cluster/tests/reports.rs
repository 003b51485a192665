//! What the leader scans: the status of policies says what was found, and reports are written where somebody serves them, only where they say something
//! new; what `stateward audit` says of the same cluster is the same.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stateward_cluster::names::NAMESPACE;
use stateward_cluster_tests::installed::Installed;
use stateward_cluster_tests::open_reports::definitions;
use stateward_cluster_tests::shop::{SHOP, but, namespace, stateful_set};
use stateward_cluster_tests::{eventually, http, measured, stateward};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_runs_is_reported() -> Result<()> {
    Installed::run_bare("reports", sections).await
}

async fn sections(on: &Installed) -> Result<()> {
    fill(on).await?;
    on.installs().await?;
    nobody_serves_reports(on).await.context("without the API")?;
    on.plane.apply(&definitions()?).await?;
    on.granted(&["wait", "--for=condition=Established", "crd/reports.openreports.io", "--timeout=60s"]).await?;
    scanned(on).await?;
    every_object_has_its_own(on).await.context("reports")?;
    the_command_says_the_same(on).await.context("the command")?;
    an_unchanged_cluster_is_not_written(on).await.context("again")?;
    the_command_stores_the_same(on).await.context("--store")?;
    what_others_did_is_mended(on).await.context("edits")?;
    an_exemption_is_shown(on).await.context("exempt")?;
    what_is_gone_takes_its_report(on).await.context("gone")?;
    another_leader_goes_on(on).await.context("another leader")?;
    a_missing_right_is_named(on).await.context("rights")?;
    uninstalling_takes_them_along(on).await.context("uninstalled")
}

/// A set that breaks rules, one that breaks none, and the namespace of both; nobody was there to refuse.
async fn fill(on: &Installed) -> Result<()> {
    on.open_shop().await?;
    on.plane.apply(&namespace("test")).await?;
    let all_write = json!({ "metadata": { "annotations": { "stateward.dev/writes": "any" } } });
    on.plane.apply(&but(stateful_set("ledger", 2), &all_write).to_string()).await?;
    let abrupt = json!({
        "metadata": { "namespace": "test" },
        "spec": { "template": { "spec": { "terminationGracePeriodSeconds": 0 } } },
    });
    on.plane.apply(&but(but(stateful_set("abrupt", 1), &all_write), &abrupt).to_string()).await?;
    for (space, set) in [(SHOP, "ledger"), ("test", "abrupt")] {
        on.granted(&["rollout", "status", &format!("statefulset/{set}"), "-n", space, "--timeout=60s"]).await?;
    }
    Ok(())
}

async fn nobody_serves_reports(on: &Installed) -> Result<()> {
    let status = eventually("a scan is told of", PATIENCE, async || {
        let status = status(on).await?;
        Ok((!status["audit"].is_null()).then_some(status))
    })
    .await?;
    let audit = &status["audit"];
    ensure!(audit["deny"].as_i64() >= Some(1) && audit["errors"] == 0, "{audit}");
    // Both sets.
    ensure!(audit["objects"].as_i64() >= Some(2), "{audit}");
    let said = condition(&status, "Reported");
    ensure!(
        said.contains("False NotServed") && said.contains("`openreports.io/v1alpha1` is not served here"),
        "{said}"
    );
    ensure!(condition(&status, "Ready").starts_with("True"), "{status}");
    Ok(())
}

async fn every_object_has_its_own(on: &Installed) -> Result<()> {
    let abrupt = object(on, "statefulset", "test", "abrupt").await?;
    let report = report_of(on, &abrupt).await?.context("no report")?;
    let owner = &report["metadata"]["ownerReferences"][0];
    ensure!(owner["uid"] == abrupt["metadata"]["uid"] && owner["kind"] == "StatefulSet", "{report}");
    ensure!(report["scope"]["name"] == "abrupt" && report["scope"]["namespace"] == "test", "{report}");
    ensure!(
        report["source"] == "stateward" && report["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "stateward"
    );
    let first = &report["results"][0];
    ensure!(first["result"] == "fail" && first["rule"] == "ordered-identity/zero-grace", "{report}");
    ensure!(first["severity"] == "high" || first["severity"] == "critical", "{first}");
    ensure!(first["timestamp"]["seconds"].as_i64() > Some(1_700_000_000) && first["scored"] == true, "{first}");
    ensure!(first["properties"]["path"] == "/spec/template/spec/terminationGracePeriodSeconds", "{first}");
    ensure!(report["summary"]["fail"] == 1 && report["summary"]["pass"].as_i64() >= Some(20), "{report}");
    for (kind, count) in [("fail", 1), ("error", 0)] {
        let results = report["results"].as_array().context("no list")?;
        ensure!(results.iter().filter(|one| one["result"] == kind).count() == count, "{report}");
    }
    // As `deploy/README.md` asks.
    let columns = "custom-columns=NAME:.metadata.name,DENY:.status.audit.deny,WARN:.status.audit.warn,SCANNED:.status.audit.lastScan";
    let table = String::from_utf8(on.plane.kubectl(&["get", "wasmpolicies", "-o", columns]).await?.stdout)?;
    let row = table.lines().find(|line| line.starts_with("ordered-identity ")).context("no row")?;
    ensure!(row.split_whitespace().nth(1) == Some("1") && !table.contains("<none>"), "{table}");
    // One that breaks no rule was looked at all the same, and its pods need no report.
    let ledger = object(on, "statefulset", SHOP, "ledger").await?;
    let report = report_of(on, &ledger).await?.context("no report")?;
    ensure!(report["summary"]["fail"] == 0 && report["summary"]["pass"].as_i64() >= Some(20), "{report}");
    let pod = object(on, "pod", SHOP, "ledger-0").await?;
    ensure!(report_of(on, &pod).await?.is_none(), "a report of a pod of which there is nothing to say");
    let bytes: Vec<usize> = reports(on).await?.iter().map(|report| report.to_string().len()).collect();
    measured(&format!(
        "{} reports, {} bytes of JSON on average",
        bytes.len(),
        bytes.iter().sum::<usize>() / bytes.len()
    ));
    ensure!(condition(&status(on).await?, "Reported").starts_with("True Stored"), "{}", status(on).await?);
    Ok(())
}

/// One core: findings of the reports are those of the command, for every object.
async fn the_command_says_the_same(on: &Installed) -> Result<()> {
    let mut command = Command::new(stateward());
    command.args(["audit", "-o", "json"]).env("KUBECONFIG", on.plane.admin());
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let said: Value = serde_json::from_slice(&output.stdout)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of_command: BTreeSet<String> = said["results"]
        .as_array()
        .context("no list")?
        .iter()
        .map(|one| {
            let [action, rule, namespace, name, message] =
                ["action", "rule", "namespace", "name", "message"].map(|key| text(&one[key]));
            format!("{action} {rule} {namespace}/{name}: {message}")
        })
        .collect();
    let mut of_reports = BTreeSet::new();
    for report in reports(on).await? {
        let (namespace, name) = (text(&report["scope"]["namespace"]), text(&report["scope"]["name"]));
        for one in report["results"].as_array().into_iter().flatten() {
            let (action, rule, message) =
                (text(&one["properties"]["action"]), text(&one["rule"]), text(&one["message"]));
            if !action.is_empty() && one["result"] != "error" {
                of_reports.insert(format!("{action} {rule} {namespace}/{name}: {message}"));
            }
        }
    }
    ensure!(of_command.len() > 5, "{of_command:#?}");
    let differ: Vec<_> = of_command.symmetric_difference(&of_reports).collect();
    ensure!(differ.is_empty(), "only one of the two says: {differ:#?}");
    Ok(())
}

async fn an_unchanged_cluster_is_not_written(on: &Installed) -> Result<()> {
    let state = async || Ok::<_, anyhow::Error>((versions(on).await?, writes(on).await?, policy_versions(on).await?));
    let before = state().await?;
    scanned(on).await?;
    let after = state().await?;
    ensure!(before == after, "{before:?}, then {after:?}");
    ensure!(before.1 > 0, "nobody counts");
    Ok(())
}

/// Where the leader has just written, `audit --store` finds everything as it would have it; what is missing in its scope it makes, and others' it leaves.
async fn the_command_stores_the_same(on: &Installed) -> Result<()> {
    let before = versions(on).await?;
    let said = stored(on, &[]).await?;
    ensure!(said.contains("reports: 0 created, 0 replaced, 0 deleted,"), "{said}");
    ensure!(versions(on).await? == before, "it wrote");
    let ledger = object(on, "statefulset", SHOP, "ledger").await?;
    on.granted(&["delete", "report", ledger["metadata"]["uid"].as_str().context("no uid")?, "-n", SHOP]).await?;
    for elsewhere in [["-n", "test"], ["-l", "app=nobody"]] {
        let said = stored(on, &elsewhere).await?;
        ensure!(said.contains("reports: 0 created, 0 replaced, 0 deleted,"), "{elsewhere:?}: {said}");
    }
    let said = stored(on, &["-n", SHOP]).await?;
    ensure!(said.contains("reports: 1 created, 0 replaced, 0 deleted,"), "{said}");
    ensure!(report_of(on, &ledger).await?.is_some(), "it was not made");
    Ok(())
}

/// What `audit --store` says.
async fn stored(on: &Installed, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(stateward());
    command.args(["audit", "--store", "-o", "table"]).args(arguments).env("KUBECONFIG", on.plane.admin());
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    Ok(String::from_utf8(output.stderr)?)
}

async fn what_others_did_is_mended(on: &Installed) -> Result<()> {
    let abrupt = object(on, "statefulset", "test", "abrupt").await?;
    let ledger = object(on, "statefulset", SHOP, "ledger").await?;
    let uid = abrupt["metadata"]["uid"].as_str().context("no uid")?.to_owned();
    // Whoever forges a report leaves what we know it by as it is.
    let forged = r#"{"results":[],"summary":{"fail":0}}"#;
    on.granted(&["patch", "report", &uid, "-n", "test", "--type=merge", "-p", forged]).await?;
    on.granted(&["delete", "report", ledger["metadata"]["uid"].as_str().context("no uid")?, "-n", SHOP]).await?;
    let stale = json!({
        "apiVersion": "openreports.io/v1alpha1", "kind": "Report", "source": "stateward",
        "metadata": { "name": "stale", "namespace": "test", "labels": { "app.kubernetes.io/managed-by": "stateward" } },
    });
    let others = but(
        stale.clone(),
        &json!({ "metadata": { "name": "others", "labels": { "app.kubernetes.io/managed-by": "kyverno" } } }),
    );
    for report in [stale, others] {
        on.plane.apply(&report.to_string()).await?;
    }
    scanned(on).await?;
    let report = report_of(on, &abrupt).await?.context("no report")?;
    ensure!(report["summary"]["fail"] == 1 && report["results"][0]["result"] == "fail", "{report}");
    ensure!(report_of(on, &ledger).await?.is_some(), "it was deleted");
    let names: Vec<String> = reports(on).await?.iter().map(|report| report["metadata"]["name"].to_string()).collect();
    ensure!(!names.contains(&"\"stale\"".to_owned()), "what is about nothing stays: {names:?}");
    on.granted(&["get", "report", "others", "-n", "test"]).await
}

async fn an_exemption_is_shown(on: &Installed) -> Result<()> {
    on.plane.apply(&exemption("test", "legacy", "abrupt").to_string()).await?;
    let abrupt = object(on, "statefulset", "test", "abrupt").await?;
    let report = eventually("its report says so", PATIENCE, async || {
        let report = report_of(on, &abrupt).await?.context("no report")?;
        Ok((report["summary"]["fail"] == 0).then_some(report))
    })
    .await?;
    let skipped = report["results"]
        .as_array()
        .context("no list")?
        .iter()
        .find(|one| one["rule"] == "ordered-identity/zero-grace");
    let skipped = skipped.context("no result")?;
    ensure!(
        skipped["result"] == "skip" && skipped["properties"]["exemption"] == "test/legacy: it is being replaced",
        "{skipped}"
    );
    Ok(())
}

async fn what_is_gone_takes_its_report(on: &Installed) -> Result<()> {
    let abrupt = object(on, "statefulset", "test", "abrupt").await?;
    on.granted(&["delete", "statefulset", "abrupt", "-n", "test"]).await?;
    eventually("its report is gone", PATIENCE, async || Ok(report_of(on, &abrupt).await?.is_none().then_some(()))).await
}

/// It scans what the other one did, and finds its reports as they should be.
async fn another_leader_goes_on(on: &Installed) -> Result<()> {
    let before = versions(on).await?;
    let old = on.leader().await?;
    let since = last_scan(on).await?;
    let pod = old.split('_').next().unwrap_or_default().to_owned();
    on.granted(&["delete", "pod", &pod, "-n", NAMESPACE, "--wait=false"]).await?;
    eventually("another one has scanned", PATIENCE, async || {
        // A replica that goes answers nobody.
        let is_new = on.leader().await? != old && last_scan(on).await.is_ok_and(|last| last > since);
        Ok(is_new.then_some(()))
    })
    .await?;
    let after = versions(on).await?;
    let changed: Vec<_> =
        before.iter().filter(|(name, version)| after.get(*name).is_some_and(|now| now != *version)).collect();
    ensure!(changed.is_empty(), "{changed:?}");
    Ok(())
}

async fn a_missing_right_is_named(on: &Installed) -> Result<()> {
    let role = on.plane.kubectl(&["get", "clusterrole", "stateward", "-o", "json"]).await?;
    let mut role: Value = serde_json::from_slice(&role.stdout)?;
    let rules = role["rules"].as_array_mut().context("no rules")?;
    rules.retain(|rule| rule["apiGroups"] != json!(["openreports.io"]));
    let rules = json!({ "rules": rules }).to_string();
    on.granted(&["patch", "clusterrole", "stateward", "--type=merge", "-p", &rules]).await?;
    scanned(on).await?;
    eventually("its condition says so", PATIENCE, async || {
        let said = condition(&status(on).await?, "Reported");
        Ok((said == "False NotWritten: this account may not list reports of `openreports.io`").then_some(()))
    })
    .await
}

async fn uninstalling_takes_them_along(on: &Installed) -> Result<()> {
    ensure!(!reports(on).await?.is_empty(), "there is none to take along");
    let (code, said) = on.stateward(&["uninstall"]).await?;
    ensure!(code == Some(0) && said.contains(" reports deleted"), "{said}");
    ensure!(reports(on).await?.is_empty(), "{:#?}", reports(on).await?);
    // Somebody else's is.
    on.granted(&["get", "report", "others", "-n", "test"]).await
}

/// Asks for a scan by an exemption of nobody, and waits until it is told of.
async fn scanned(on: &Installed) -> Result<()> {
    let before = last_scan(on).await?;
    let name = format!("scan-{before}");
    on.plane.apply(&exemption(SHOP, &name, "nobody").to_string()).await?;
    eventually("a scan is told of", PATIENCE, async || Ok((last_scan(on).await? > before).then_some(()))).await
}

fn exemption(namespace: &str, name: &str, of: &str) -> Value {
    json!({
        "apiVersion": "stateward.dev/v1alpha1", "kind": "PolicyExemption", "metadata": { "name": name, "namespace": namespace },
        "spec": { "rules": ["ordered-identity/zero-grace"], "names": [of], "reason": "it is being replaced" },
    })
}

async fn status(on: &Installed) -> Result<Value> {
    let output = on.plane.kubectl(&["get", "wasmpolicy", "ordered-identity", "-o", "json"]).await?;
    let policy: Value = serde_json::from_slice(&output.stdout)?;
    Ok(policy["status"].clone())
}

/// When the leader's last scan began, in seconds since 1970; 0 before its first one.
async fn last_scan(on: &Installed) -> Result<u64> {
    let leader = on.leader().await?;
    let pod = leader.split('_').next().unwrap_or_default();
    let Some(pod) = on.kubelet.pods().into_iter().find(|one| one.name == pod) else { return Ok(0) };
    let (_, text) = http::fetch(&format!("{}:8080", pod.address), "/metrics", CALL).await?;
    let seconds = text.lines().find_map(|line| line.strip_prefix("stateward_audit_last_scan_timestamp_seconds "));
    Ok(seconds.unwrap_or("0").trim().parse::<f64>()? as u64)
}

/// `STATUS REASON: MESSAGE`.
fn condition(status: &Value, kind: &str) -> String {
    let found = status["conditions"].as_array().into_iter().flatten().find(|condition| condition["type"] == kind);
    let word = |key: &str| found.and_then(|found| found[key].as_str()).unwrap_or_default().to_owned();
    format!("{} {}: {}", word("status"), word("reason"), word("message"))
}

async fn object(on: &Installed, kind: &str, namespace: &str, name: &str) -> Result<Value> {
    let output = on.plane.kubectl(&["get", kind, name, "-n", namespace, "-o", "json"]).await?;
    ensure!(output.status.success(), "{output:?}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

async fn report_of(on: &Installed, object: &Value) -> Result<Option<Value>> {
    let uid = &object["metadata"]["uid"];
    Ok(reports(on).await?.into_iter().find(|report| report["metadata"]["name"] == *uid))
}

/// All of ours, in all namespaces and in none.
async fn reports(on: &Installed) -> Result<Vec<Value>> {
    let ours = "app.kubernetes.io/managed-by=stateward";
    let output = on.plane.kubectl(&["get", "reports,clusterreports", "-A", "-l", ours, "-o", "json"]).await?;
    ensure!(output.status.success(), "{output:?}");
    let list: Value = serde_json::from_slice(&output.stdout)?;
    Ok(list["items"].as_array().context("no list")?.clone())
}

async fn versions(on: &Installed) -> Result<BTreeMap<String, String>> {
    Ok(reports(on).await?.iter().map(version).collect())
}

/// Of the policies, which have the counts in their status.
async fn policy_versions(on: &Installed) -> Result<BTreeMap<String, String>> {
    let output = on.plane.kubectl(&["get", "wasmpolicies", "-o", "json"]).await?;
    let policies: Value = serde_json::from_slice(&output.stdout)?;
    Ok(policies["items"].as_array().context("no list")?.iter().map(version).collect())
}

fn version(object: &Value) -> (String, String) {
    let of = |key: &str| object["metadata"][key].to_string();
    (of("name"), of("resourceVersion"))
}

/// What the API server was asked to write of reports, as it counts.
async fn writes(on: &Installed) -> Result<u64> {
    let output = on.plane.kubectl(&["get", "--raw", "/metrics"]).await?;
    let text = String::from_utf8(output.stdout)?;
    let counts = text.lines().filter(|line| {
        line.starts_with("apiserver_request_total{")
            && line.contains(r#"group="openreports.io""#)
            && ["POST", "PUT", "PATCH", "DELETE"].iter().any(|verb| line.contains(&format!("verb=\"{verb}\"")))
    });
    counts.map(|line| Ok(line.rsplit(' ').next().context("no number")?.parse::<f64>()? as u64)).sum()
}

const CALL: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(90);
