//! A component that lies in a file of each pod: who lacks it while others enforce the policy is not called, and who could be the first is.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stateward_cluster::names::NAMESPACE;
use stateward_cluster_tests::installed::Installed;
use stateward_cluster_tests::kubelet::PodView;
use stateward_cluster_tests::shop::stateful_set;
use stateward_cluster_tests::{eventually, http, measured};

#[tokio::test]
async fn who_lacks_a_component_waits_while_others_have_it() -> Result<()> {
    Installed::run("component-files", all).await
}

async fn all(on: &Installed) -> Result<()> {
    on.replicas(3).await?;
    on.open_shop().await?;
    one_replica_lacks_the_file(on).await.context("one replica")?;
    nobody_has_the_file(on).await.context("nobody")
}

/// It would let through what the others refuse, so it is not called.
async fn one_replica_lacks_the_file(on: &Installed) -> Result<()> {
    for pod in on.kubelet.pods() {
        give(&pod)?;
    }
    patch(on, "file:cache/rules.wasm").await?;
    status(on, "Enforced", 3).await?;
    on.refuses().await?;

    // The next pod has a volume of its own, and nobody puts the file there.
    let leader = on.leader().await?;
    let others = names(on);
    let gone = others.iter().find(|name| **name != leader).context("no follower")?.clone();
    on.granted(&["delete", "pod", &gone, "-n", NAMESPACE, "--wait=false"]).await?;
    // It says what it waits for, and nothing is in force there.
    let problem = "policy `ordered-identity` is in force on other replicas and does not load here";
    let new = eventually("a replica that cannot load it says so", PATIENCE, async || {
        let new = on.kubelet.pods().into_iter().find(|pod| !others.contains(&pod.name)).context("no new pod")?;
        let page = page(&new).await?;
        let said = json!({ "generation": 0, "policies": null, "problems": { "policies": [problem] } });
        ensure!(page == said, "{page:#}");
        Ok(Some(new))
    })
    .await?;
    eventually("the former one is gone", PATIENCE, async || Ok((on.kubelet.pods().len() == 3).then_some(()))).await?;
    let ready = async || http::get(&format!("{}:8080", new.address), "/readyz", PATIENCE).await;
    ensure!(ready().await? == 503, "it is ready");
    eventually("two are called", PATIENCE, async || Ok((on.balancer.backends().len() == 2).then_some(()))).await?;
    on.refuses().await?;
    // The policy speaks of those that are called; the Deployment is the one that is short of a replica.
    // Each replica writes its own row, and the leader counts them a moment later.
    eventually("the policy speaks of two", PATIENCE, async || {
        let now = status(on, "Enforced", 2).await?;
        ensure!(ready_words(&now) == "on 2 replicas", "{now:#}");
        Ok(Some(()))
    })
    .await?;
    ensure!(ready().await? == 503, "it became ready");
    // It tries again and again, and says so once.
    let said = on.kubelet.log(&new.name)?.matches(r#""message":"not ready""#).count();
    ensure!(said == 1, "said {said} times");

    // As soon as it can, it is.
    give(&new)?;
    status(on, "Enforced", 3).await?;
    on.replicas(3).await?;
    ensure!(on.kubelet.pods().iter().all(|pod| pod.restarts == 0), "a replica was started again");
    on.refuses().await
}

/// What the others no longer serve must not keep those from starting who cannot either.
async fn nobody_has_the_file(on: &Installed) -> Result<()> {
    let status = status(on, "Enforced", 3).await?;
    let before = names(on);
    ensure!(before.iter().all(|name| runs(&status, name)), "{status:#}");

    // Their volumes go with them, and so does the file.
    on.granted(&["delete", "pods", "--all", "-n", NAMESPACE, "--force", "--grace-period=0", "--wait=false"]).await?;
    eventually("other pods have their places", PATIENCE, async || {
        Ok((names(on).len() == 3 && names(on).is_disjoint(&before)).then_some(()))
    })
    .await?;
    let begun = Instant::now();
    all_run(on).await?;
    measured(&format!("ready without the file {} ms after the start", begun.elapsed().as_millis()));
    let status = self::status(on, "NotEnforced", 3).await?;
    ensure!(names(on).iter().all(|name| !runs(&status, name)), "{status:#}");
    let words =
        "it is not enforced: /spec/component: cannot read the component `cache/rules.wasm`: no such file or directory";
    ensure!(ready_words(&status) == words, "{status:#}");
    // The other four are enforced, and this one is again when it can be.
    let shared = shared_claim();
    let refuses = async |rule: &str| {
        let said = on.refused(&["create", "--dry-run=server", "-f", "-"], &shared).await?;
        ensure!(said.contains(&format!("[{rule}]")), "{said}");
        Ok(Some(()))
    };
    eventually("the others are enforced", PATIENCE, async || refuses("remote-volumes/shared-claim").await).await?;
    patch(on, "builtin:stateful").await?;
    self::status(on, "Enforced", 3).await?;
    on.refuses().await
}

fn runs(status: &Value, replica: &str) -> bool {
    let mut entries = status["replicas"].as_array().into_iter().flatten();
    entries.any(|entry| entry["name"] == replica && entry["enforced"] == true)
}

/// As whoever makes the image or mounts a volume would.
fn give(pod: &PodView) -> Result<()> {
    let component = stateward_builtin::component("stateful").context("no component")?;
    Ok(fs::write(pod.root.join("cache/rules.wasm"), component)?)
}

async fn patch(on: &Installed, component: &str) -> Result<()> {
    let patch = json!({ "spec": { "component": component } }).to_string();
    on.granted(&["patch", "wasmpolicy", POLICY, "--type=merge", "-p", &patch]).await
}

/// Of the policy, once so many replicas have read what is written now and it is Ready, or not, for this reason.
async fn status(on: &Installed, reason: &str, count: usize) -> Result<Value> {
    eventually(&format!("`{POLICY}` is {reason} on {count}"), PATIENCE, async || {
        let output = on.plane.kubectl(&["get", "wasmpolicy", POLICY, "-o", "json"]).await?;
        let policy: Value = serde_json::from_slice(&output.stdout)?;
        let (status, generation) = (&policy["status"], &policy["metadata"]["generation"]);
        let ready = ready(status).context("no condition")?;
        ensure!(ready["reason"] == reason && ready["observedGeneration"] == *generation, "{status:#}");
        let replicas = status["replicas"].as_array().context("no replicas")?;
        let are_all = replicas.len() == count && replicas.iter().all(|replica| replica["generation"] == *generation);
        ensure!(are_all, "{status:#}");
        Ok(Some(status.clone()))
    })
    .await
}

fn ready(status: &Value) -> Option<&Value> {
    status["conditions"].as_array()?.iter().find(|one| one["type"] == "Ready")
}

fn ready_words(status: &Value) -> &str {
    ready(status).and_then(|ready| ready["message"].as_str()).unwrap_or_default()
}

async fn page(pod: &PodView) -> Result<Value> {
    let (_, page) = http::fetch(&format!("{}:8080", pod.address), "/policies", PATIENCE).await?;
    Ok(serde_json::from_str(&page)?)
}

/// Waits until three processes are ready and called: what the API server remembers of the time before counts for nothing.
async fn all_run(on: &Installed) -> Result<()> {
    eventually("three replicas are ready", PATIENCE, async || {
        let pods = on.kubelet.pods();
        Ok((pods.len() == 3 && pods.iter().all(|pod| pod.is_ready)).then_some(()))
    })
    .await?;
    on.replicas(3).await
}

fn names(on: &Installed) -> BTreeSet<String> {
    on.kubelet.pods().into_iter().map(|pod| pod.name).collect()
}

/// What another policy refuses.
fn shared_claim() -> String {
    let mut set = stateful_set("shared", 2);
    set["spec"]["template"]["spec"]["volumes"] =
        json!([{ "name": "data", "persistentVolumeClaim": { "claimName": "exports" } }]);
    set.to_string()
}

const POLICY: &str = "ordered-identity";

const PATIENCE: Duration = Duration::from_secs(60);
