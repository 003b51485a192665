//! Somebody meddles with configurations and policies while creates run: edits are restored, deletion is not, and what cannot be loaded changes nothing.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::Api;
use rcgen::{CertificateParams, KeyPair};
use rustix::process::Signal;
use serde_json::{Value, json};
use stateward_cluster::names::{APP, NAMESPACE};
use stateward_cluster_tests::installed::Installed;
use stateward_cluster_tests::shop::stateful_set;
use stateward_cluster_tests::{eventually, http};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_meddled_with_is_put_right() -> Result<()> {
    Installed::run("tampering", all).await
}

async fn all(installed: &Installed) -> Result<()> {
    installed.replicas(3).await?;
    installed.open_shop().await?;
    edits_are_restored(installed).await.context("edits are restored")?;
    a_broken_policy_stays_as_it_was(installed).await.context("a broken policy stays as it was")?;
    a_replica_that_lags_is_seen(installed).await.context("a replica that lags is seen")?;
    a_deleted_configuration_stays_away(installed).await.context("a deleted configuration stays away")?;
    a_dispute_is_braked_and_said(installed).await.context("a dispute is braked and said")
}

async fn edits_are_restored(installed: &Installed) -> Result<()> {
    let before = installed.plane.webhook_counts().await?;
    let report = installed
        .under_load(async || {
            is_restored(installed, "failurePolicy", &json!("Ignore")).await?;
            is_restored(installed, "rules", &json!([])).await?;
            is_restored(installed, "objectSelector", &json!({ "matchLabels": { "nobody": "has-it" } })).await
        })
        .await?;
    installed.unharmed(before, &report).await?;
    // Calls fail for as long as this is there, so not under load.
    let stranger = CertificateParams::new(vec![])?.self_signed(&KeyPair::generate()?)?.pem();
    let bundle = k8s_openapi::ByteString(stranger.into_bytes());
    is_restored(installed, "clientConfig/caBundle", &serde_json::to_value(bundle)?).await?;
    eventually("calls come through again", PATIENCE, async || Ok(Some(installed.refuses().await?))).await
}

async fn is_restored(installed: &Installed, field: &str, edit: &Value) -> Result<()> {
    let before = configuration(installed).await?;
    let mut webhooks = before.webhooks.iter().flatten();
    let fails = webhooks.position(|webhook| webhook.name == "validate-fail.stateward.dev").context("not registered")?;
    let path = format!("/webhooks/{fails}/{field}");
    let patch = json!([{ "op": "replace", "path": path, "value": edit }]).to_string();
    installed.granted(&["patch", "validatingwebhookconfiguration", APP, "--type=json", "-p", &patch]).await?;
    eventually(&format!("{field} is restored"), PATIENCE, async || {
        let now = configuration(installed).await?;
        // The edit is one generation, its end another.
        let is_later = now.metadata.generation >= before.metadata.generation.map(|generation| generation + 2);
        Ok((is_later && now.webhooks == before.webhooks).then_some(()))
    })
    .await
}

async fn configuration(installed: &Installed) -> Result<ValidatingWebhookConfiguration> {
    let configurations: Api<ValidatingWebhookConfiguration> = Api::all(installed.plane.client()?);
    Ok(configurations.get(APP).await?)
}

async fn a_broken_policy_stays_as_it_was(installed: &Installed) -> Result<()> {
    let before = installed.plane.webhook_counts().await?;
    let report = installed
        .under_load(async || {
            patch(installed, &json!({ "settings": { "ordered-identity/zero-grace": { "nonsense": 1 } } })).await?;
            condition(installed, "False", "LastGoodVersion").await?;
            installed.refuses().await?;
            patch(installed, &json!({ "settings": null })).await?;
            condition(installed, "True", "Enforced").await
        })
        .await?;
    installed.unharmed(before, &report).await
}

async fn a_replica_that_lags_is_seen(installed: &Installed) -> Result<()> {
    // The leader is the one that says so.
    let leader = installed.leader().await?;
    let pods = installed.kubelet.pods();
    let lagging = pods.iter().find(|pod| pod.name != leader).context("no follower")?;
    installed.kubelet.kill(&lagging.name, Signal::STOP)?;
    patch(installed, &json!({ "limits": { "timeout": "900ms" } })).await?;
    let status = condition(installed, "False", "RollingOut").await;
    let seen = generations(installed).await;
    installed.kubelet.kill(&lagging.name, Signal::CONT)?;
    status?;
    let mut seen = seen?;
    let newest = seen.iter().map(|(_, generation)| *generation).max();
    seen.retain(|(_, generation)| Some(*generation) != newest);
    ensure!(seen.len() == 1 && seen[0].0 == lagging.name, "{seen:?} lag, not {}", lagging.name);
    condition(installed, "True", "Enforced").await
}

async fn patch(installed: &Installed, spec: &Value) -> Result<()> {
    let patch = json!({ "spec": spec }).to_string();
    installed.granted(&["patch", "wasmpolicy", "ordered-identity", "--type=merge", "-p", &patch]).await
}

/// Waits until the policy is Ready, or not, for this reason and as it is written now.
async fn condition(installed: &Installed, status: &str, reason: &str) -> Result<()> {
    eventually(&format!("Ready is {status}: {reason}"), PATIENCE, async || {
        let policy = policy(installed).await?;
        let ready = policy["status"]["conditions"].as_array().into_iter().flatten().find(|one| one["type"] == "Ready");
        let ready = ready.context("no condition")?;
        let is_so = ready["status"] == status && ready["reason"] == reason;
        ensure!(is_so && ready["observedGeneration"] == policy["metadata"]["generation"], "{ready}");
        Ok(Some(()))
    })
    .await
}

async fn generations(installed: &Installed) -> Result<Vec<(String, i64)>> {
    let policy = policy(installed).await?;
    let replicas = policy["status"]["replicas"].as_array().into_iter().flatten();
    let entry = |replica: &Value| Some((replica["name"].as_str()?.to_owned(), replica["generation"].as_i64()?));
    replicas.map(|replica| entry(replica).context("no generation")).collect()
}

async fn policy(installed: &Installed) -> Result<Value> {
    let output = installed.plane.kubectl(&["get", "wasmpolicy", "ordered-identity", "-o", "json"]).await?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

async fn a_deleted_configuration_stays_away(installed: &Installed) -> Result<()> {
    installed.plane.apply(&stateful_set("ledger", 2).to_string()).await?;
    let rolled = ["rollout", "status", "statefulset/ledger", "-n", "shop", "--timeout=60s"];
    installed.granted(&rolled).await?;
    installed.fails("validate-closed.stateward.dev").await?;
    installed.is_guarded(true).await?;

    let kinds = ["validatingwebhookconfiguration", "mutatingwebhookconfiguration"];
    for kind in kinds {
        installed.granted(&["delete", kind, APP]).await?;
    }
    eventually("the leader says so", PATIENCE, async || {
        Ok(installed.logs().contains("deleted by somebody").then_some(()))
    })
    .await?;
    eventually("an Event says so", PATIENCE, async || {
        let events = ["get", "events", "-n", NAMESPACE, "--field-selector=reason=NotRegistered", "-o", "name"];
        Ok((!installed.plane.kubectl(&events).await?.stdout.is_empty()).then_some(()))
    })
    .await?;
    installed.is_guarded(false).await?;
    let leader = installed.leader().await?;
    let address = installed.kubelet.pods().into_iter().find(|pod| pod.name == leader).context("no leader")?.address;
    let (_, metrics) = http::fetch(&format!("{address}:8080"), "/metrics", PATIENCE).await?;
    for line in ["stateward_leading 1", "stateward_registered 0"] {
        ensure!(metrics.lines().any(|has| has == line), "no `{line}`");
    }
    let before = installed.plane.webhook_counts().await?;
    let report = installed
        .under_load(async || {
            installed.replace_pod("shop", "ledger-1").await?;
            installed.granted(&rolled).await?;
            for kind in kinds {
                let left = installed.plane.kubectl(&["get", kind, "-o", "name"]).await?;
                ensure!(left.stdout.is_empty(), "{left:?}");
            }
            Ok(())
        })
        .await?;
    report.all_granted()?;
    let after = installed.plane.webhook_counts().await?;
    ensure!(after == before, "{before:?}, then {after:?}");

    // A restart is the way back.
    installed.granted(&["rollout", "restart", "deployment/stateward", "-n", NAMESPACE]).await?;
    installed.replicas(3).await?;
    installed.fails("validate-fail.stateward.dev").await?;
    installed.refuses().await
}

/// Somebody restores his own as often as we restore ours: two installations, or a repository that has our configurations.
async fn a_dispute_is_braked_and_said(installed: &Installed) -> Result<()> {
    let edit = [
        "patch",
        "validatingwebhookconfiguration",
        APP,
        "--type=json",
        "--field-manager=argocd-controller",
        "-p",
        r#"[{"op":"replace","path":"/webhooks/0/timeoutSeconds","value":7}]"#,
    ];
    let whole = configuration(installed).await?.webhooks;
    let restored = async || {
        eventually("it is restored", PATIENCE, async || {
            Ok((configuration(installed).await?.webhooks == whole).then_some(()))
        })
        .await
    };
    for _ in 0..MANY {
        installed.granted(&edit).await?;
        restored().await?;
    }
    eventually("an Event names the other", PATIENCE, async || {
        installed.granted(&edit).await?;
        let events = [
            "get",
            "events",
            "-n",
            NAMESPACE,
            "--field-selector=reason=Disputed",
            "-o",
            "jsonpath={.items[*].message}",
        ];
        let said = installed.plane.kubectl(&events).await?.stdout;
        Ok(String::from_utf8_lossy(&said).contains("last by `argocd-controller`").then_some(()))
    })
    .await?;
    restored().await
}

/// As many as are restored at once; one more is too many within a minute.
const MANY: usize = 10;

const PATIENCE: Duration = Duration::from_secs(60);
