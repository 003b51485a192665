//! The same attacks while replicas fail, while none runs, and where the product is not there at all.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};
use stateward_cluster_tests::attacks::ledger::{LEDGER, MALLORY, MANAGER, PODS, WORKER, spec};
use stateward_cluster_tests::attacks::{Sent, Verb};
use stateward_cluster_tests::installed::Installed;
use stateward_cluster_tests::shop::database;
use stateward_cluster_tests::{eventually, measured};

use crate::attempt::{Attempt, Outcome, Refuser};
use crate::get;

/// One after the other is killed, whenever the Service leads to another one as well: the balancer meets dead ones for a second each time.
pub(crate) async fn with_some(on: &Installed, attempts: &[Attempt]) -> Result<()> {
    let before = on.plane.webhook_counts().await?.failures();
    let attack = async {
        for round in 1..=MOST {
            all_fail(on, attempts).await?;
            let failures = on.plane.webhook_counts().await?.failures() - before;
            if failures >= SOME {
                return Ok(format!("{round} times, {failures} calls failed"));
            }
        }
        bail!("no call failed in {MOST} rounds")
    };
    let seen = tokio::select! {
        seen = attack => seen,
        broken = kill_in_turn(on) => broken,
    }?;
    measured(&seen);
    on.replicas(3).await
}

/// Nobody answers, and the API server goes on believing that they run.
pub(crate) async fn with_none(on: &Installed, attempts: &[Attempt]) -> Result<()> {
    on.plane.apply(NEIGHBOURS).await?;
    on.plane.apply(&database("next-door").to_string()).await?;
    for neighbour in ["deployment/web", "statefulset/my-db"] {
        on.granted(&["rollout", "status", neighbour, "-n", "next-door", "--timeout=60s"]).await?;
    }
    on.kubelet.power_off().await?;
    let before = on.plane.webhook_counts().await?.failures();
    all_fail(on, attempts).await?;
    who_refuses(on, attempts).await?;
    let failures = on.plane.webhook_counts().await?.failures() - before;
    ensure!(failures >= ENOUGH, "{failures} calls failed");
    ensure!(on.kubelet.pods().is_empty(), "a replica runs");
    everybody_else_goes_on(on).await.context("everybody else goes on")
}

/// What we refuse is refused by nobody else: else it would show nothing. Also what an uninstallation, or the break-glass, leaves open.
pub(crate) async fn without_us(on: &Installed, attempts: &[Attempt], by_us: &[&str]) -> Result<()> {
    let ours = ["validatingwebhookconfiguration", "mutatingwebhookconfiguration", "validatingadmissionpolicybinding"];
    for kind in ours {
        on.granted(&["delete", kind, "stateward"]).await?;
    }
    let mut wrong = Vec::new();
    for attempt in attempts.iter().filter(|attempt| by_us.contains(&attempt.name)) {
        // A policy does not stop at once.
        let granted = eventually("it works", Duration::from_secs(10), async || {
            let answer = on.plane.send(&attempt.sent, true).await?;
            ensure!(answer.is_granted(), "{}", answer.message);
            Ok(Some(()))
        });
        if let Err(error) = granted.await {
            wrong.push(format!("{}: {error:#}", attempt.name));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    measured(&format!("{} attacks work without the product", by_us.len()));
    Ok(())
}

async fn all_fail(on: &Installed, attempts: &[Attempt]) -> Result<()> {
    let mut wrong = Vec::new();
    for attempt in attempts {
        let answer = on.plane.send(&attempt.sent, attempt.is_dry()).await?;
        if attempt.outcome == Outcome::Refused && Refuser::of(&answer).is_none() {
            wrong.push(format!("IT WORKS: {}", attempt.name));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// In the file beside the answers: the guard judges before anybody is called who does not answer, so that it does not depend on who is asked first.
async fn who_refuses(on: &Installed, attempts: &[Attempt]) -> Result<()> {
    let mut told = String::new();
    for attempt in attempts {
        let answer = on.plane.send(&attempt.sent, true).await?;
        let who = match Refuser::of(&answer) {
            // A question about rights, which has an answer.
            None if answer.object["status"]["allowed"].is_boolean() => {
                format!("allowed: {}", answer.object["status"]["allowed"])
            }
            None => "granted".to_owned(),
            Some(_) if answer.message.contains("failed calling webhook") => "refused, since nobody answers".to_owned(),
            Some(who) => format!("refused by {who:?}"),
        };
        writeln!(told, "{}: {who}", attempt.name)?;
    }
    crate::is_as_committed(&told, "unanswered.txt")
}

/// Still without a replica, the stories of adoption as far as they go: members cannot be left by a deletion of their set, and one that is let go is adopted by
/// nobody, its own set included.
pub(crate) async fn nobody_adopts(on: &Installed) -> Result<()> {
    let by_mallory = async |verb, path: &str, body| {
        let sent = Sent { by: MALLORY, groups: &[], verb, path: path.to_owned(), body };
        on.plane.send(&sent, false).await
    };
    let orphan = json!({ "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Orphan" });
    let refused = by_mallory(Verb::Delete, LEDGER, orphan).await?;
    ensure!(!refused.is_granted(), "IT WORKS: an orphaning deletion");
    let label = |value: &str| json!({ "metadata": { "labels": { "app": value } } });
    let let_go = by_mallory(Verb::Merge, MANAGER, label("taken")).await?;
    ensure!(let_go.is_granted(), "{}", let_go.message);
    eventually("the controller lets it go", PATIENCE, async || {
        Ok(get(on, MANAGER).await?["metadata"]["ownerReferences"].is_null().then_some(()))
    })
    .await?;
    let template = json!({ "metadata": { "labels": { "app": "taken" } }, "spec": spec() });
    let spec = json!({ "replicas": 1, "selector": { "matchLabels": { "app": "taken" } }, "template": template });
    let taker = json!({ "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": { "name": "taker" }, "spec": spec });
    let before = on.plane.webhook_counts().await?.failures();
    let sets = "/apis/apps/v1/namespaces/shop/replicasets";
    let made = by_mallory(Verb::Create, sets, taker).await?;
    if made.is_granted() {
        eventually("its controller has tried twice", PATIENCE, async || {
            Ok((on.plane.webhook_counts().await?.failures() >= before + 2).then_some(()))
        })
        .await?;
        let deleted = by_mallory(Verb::Delete, &format!("{sets}/taker"), Value::Null).await?;
        ensure!(deleted.is_granted(), "{}", deleted.message);
    }
    let manager = get(on, MANAGER).await?;
    ensure!(manager["metadata"]["ownerReferences"].is_null(), "IT WORKS: {manager}");
    ensure!(manager["metadata"]["labels"]["stateward.dev/role"] == "manager", "{manager}");
    let back = by_mallory(Verb::Merge, MANAGER, label("ledger")).await?;
    ensure!(back.is_granted(), "{}", back.message);
    Ok(())
}

/// Ends only by failing.
async fn kill_in_turn(on: &Installed) -> Result<String> {
    loop {
        let victim = eventually("the Service leads to two", PATIENCE, async || {
            let backends = on.balancer.backends();
            let is_led_to = |address| backends.iter().any(|backend| backend.ip() == IpAddr::V4(address));
            let mut up = on.kubelet.pods();
            up.retain(|pod| pod.pid.is_some() && pod.is_ready && is_led_to(pod.address));
            Ok(if up.len() < 2 { None } else { up.into_iter().min_by_key(|pod| pod.restarts) })
        })
        .await?;
        // It may have ended by itself.
        let _ = on.kubelet.kill(&victim.name, Signal::KILL);
    }
}

/// Kubelets, the scheduler and the controllers have pods that are none of our business, and the status of those that are.
async fn everybody_else_goes_on(on: &Installed) -> Result<()> {
    let by = |by, groups, verb, path: &str, body| Sent { by, groups, verb, path: path.to_owned(), body };
    let node: &[&str] = &["system:nodes", "system:masters"];
    let granted = async |sent: Sent| {
        let answer = on.plane.send(&sent, false).await?;
        ensure!(answer.is_granted(), "{sent:?}: {}", answer.message);
        Ok(answer)
    };
    let message = json!({ "status": { "message": "seen" } });
    granted(by("system:node:node-0", node, Verb::Merge, &format!("{WORKER}/status"), message)).await?;
    ensure!(get(on, WORKER).await?["status"]["message"] == "seen");
    let next_door = "/api/v1/namespaces/next-door/pods";
    let run_there = async || {
        let pods = get(on, next_door).await?;
        let pods =
            pods["items"].as_array().context("no list")?.iter().filter(|pod| pod["status"]["phase"] == "Running");
        Ok::<_, anyhow::Error>(pods.map(|pod| pod["metadata"]["uid"].to_string()).collect::<Vec<_>>())
    };
    let old = run_there().await?;
    // A person who deletes a member is asked about, and so is kwok: it may be a manager.
    let at_once = json!({ "apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0 });
    granted(by("system:node:node-0", node, Verb::Delete, next_door, at_once)).await?;
    // One that restarts is asked about: it may be a database.
    let free = json!({ "metadata": { "name": "idle" }, "spec": { "restartPolicy": "Never", "containers": [{ "name": "free", "image": "free:1" }] } });
    granted(by("alice", &["system:masters"], Verb::Create, PODS, free)).await?;
    eventually("they run again", Duration::from_secs(30), async || {
        let free = get(on, &format!("{PODS}/idle")).await?;
        let there = run_there().await?;
        ensure!(free["status"]["phase"] == "Running", "free: {}", free["status"]);
        ensure!(there.len() == 4 && !there.iter().any(|uid| old.contains(uid)), "next door: {old:?}, then {there:?}");
        Ok(Some(()))
    })
    .await
}

const NEIGHBOURS: &str = "
apiVersion: v1
kind: Namespace
metadata: { name: next-door }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: next-door }
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: web, image: 'web:1' }] }
";

/// Calls that nobody answered: so many that no accident explains them.
const ENOUGH: u64 = 10;

/// The API server keeps a connection until its replica is killed: then some calls meet dead ones.
const SOME: u64 = 3;

/// Rounds of all attacks.
const MOST: u32 = 12;

const PATIENCE: Duration = Duration::from_secs(60);
