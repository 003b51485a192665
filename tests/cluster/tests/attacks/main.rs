//! Every way that we know to become the manager, to break it or to starve it, tried by an administrator of the namespace: all replicas up, some, and none.

mod absence;
mod attempt;
mod network;
mod observer;
mod pods;
mod rights;
mod sets;
mod states;
mod stories;
mod strict;
mod table;

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use attempt::{Attempt, Facts, Outcome, Refuser};
use hyper::http::Request;
use observer::Observer;
use serde_json::{Value, json};
use stateward_cluster_tests::attacks::ledger::{LEDGER, LOOSE, MALLORY, MANAGER, RIGHTS, WORKER, keys_of, ledger};
use stateward_cluster_tests::attacks::{Answer, Verb};
use stateward_cluster_tests::installed::Installed;
use stateward_cluster_tests::shop::but;
use stateward_cluster_tests::{eventually, measured, root};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_becomes_the_manager() -> Result<()> {
    Installed::run("attacks", sections).await
}

async fn sections(on: &Installed) -> Result<()> {
    on.replicas(3).await?;
    let facts = open(on).await?;
    let attempts = attempt::all(&facts);
    let observer = Observer::start(on)?;
    let mut answers = String::new();
    let by_us = with_all(on, &attempts, &mut answers).await.context("all replicas up")?;
    under_strict(on, &attempts, &mut answers).await.context("strict")?;
    is_as_committed(&answers, ANSWERS)?;
    holds(on, &facts).await?;
    for (name, story) in stories::ALL.iter().chain(strict::ALL) {
        story(on).await.with_context(|| name.to_owned())?;
    }
    observer.saw_one_manager()?;
    let facts = read(on).await?;
    let attempts = attempt::all(&facts);
    states::with_some(on, &attempts).await.context("some replicas up")?;
    holds(on, &facts).await?;
    states::with_none(on, &attempts).await.context("no replica up")?;
    holds(on, &facts).await?;
    states::nobody_adopts(on).await.context("no replica up, several steps")?;
    observer.saw_one_manager()?;
    states::without_us(on, &attempts, &by_us).await.context("without the product")
}

/// Tries all, and writes down who refuses what, and how.
async fn with_all(on: &Installed, attempts: &[Attempt], answers: &mut String) -> Result<Vec<&'static str>> {
    writeln!(answers, "baseline")?;
    let (mut wrong, mut by_us) = (Vec::new(), Vec::new());
    for attempt in attempts {
        let answer = on.plane.send(&attempt.sent, attempt.is_dry()).await?;
        let refuser = Refuser::of(&answer);
        if attempt.outcome == Outcome::Refused && refuser.is_none() {
            wrong.push(format!("IT WORKS: {}", attempt.name));
        }
        if attempt.outcome == Outcome::Refused && matches!(refuser, Some(Refuser::Guard | Refuser::Webhook)) {
            by_us.push(attempt.name);
        }
        tell(answers, attempt, &answer)?;
        if attempt.is_operators() {
            let mut sent = attempt.sent.clone();
            sent.by = MALLORY;
            let answer = on.plane.send(&sent, true).await?;
            let is_rights = answer.code == 403 && answer.message.contains("cannot");
            if !is_rights {
                wrong.push(format!("`admin` is enough: {}: {answer:?}", attempt.name));
            }
        }
    }
    if !wrong.is_empty() {
        let _ = is_as_committed(answers, ANSWERS);
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    measured(&format!("{} attacks, {} of them refused by us", attempts.len(), by_us.len()));
    Ok(by_us)
}

/// What is only warned about by default.
async fn under_strict(on: &Installed, attempts: &[Attempt], answers: &mut String) -> Result<()> {
    strict::raise(on).await?;
    writeln!(answers, "\nstrict, what baseline lets pass")?;
    for attempt in attempts.iter().filter(|attempt| attempt.outcome == Outcome::Works) {
        tell(answers, attempt, &on.plane.send(&attempt.sent, true).await?)?;
    }
    strict::lower(on).await
}

fn tell(answers: &mut String, attempt: &Attempt, answer: &Answer) -> Result<()> {
    let by = if attempt.is_operators() { ", by an operator" } else { "" };
    if let Some(who) = Refuser::of(answer).filter(|_| BY_SEVERAL.contains(&attempt.name)) {
        writeln!(answers, "\n{}{by}\n  refused by {who:?}, by more than one entry", attempt.name)?;
        return Ok(());
    }
    // What the servers choose, and objects that they repeat.
    let message = answer.message.split(": Invalid value: {\"spec\"").next().unwrap_or_default();
    let message = without_nodes(message);
    let revision = message.split_whitespace().find(|word| word.starts_with("\"ledger-") && word.len() > 15);
    let message = revision.map_or(message.clone(), |revision| message.replace(revision, "REVISION"));
    let said = match Refuser::of(answer) {
        None if answer.object["kind"] == "SelfSubjectAccessReview" => {
            format!("allowed: {}", answer.object["status"]["allowed"])
        }
        None => "granted".to_owned(),
        Some(who) => format!("refused by {who:?}: {message}"),
    };
    writeln!(answers, "\n{}{by}\n  {}", attempt.name, said.trim().replace('\n', "\n  "))?;
    for warning in &answer.warnings {
        writeln!(answers, "  warning: {}", without_nodes(warning))?;
    }
    Ok(())
}

/// The scheduler chooses.
fn without_nodes(text: &str) -> String {
    ["node-0", "node-1"].iter().fold(text.to_owned(), |text, node| text.replace(node, "NODE"))
}

/// The whole of it, so that a change of words or of who speaks is seen by whoever reads the diff.
fn is_as_committed(answers: &str, file: &str) -> Result<()> {
    let file = root().join("tests/cluster/tests/attacks").join(file);
    if std::env::var_os("UPDATE_ANSWERS").is_some() {
        return Ok(fs::write(file, answers)?);
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    let changes = answers.lines().filter(|line| !committed.lines().any(|other| other == *line));
    let changes: Vec<&str> = changes.collect();
    ensure!(
        answers == committed,
        "{} is out of date: run this test with UPDATE_ANSWERS=1\n{}",
        file.display(),
        changes.join("\n")
    );
    Ok(())
}

/// A governed set of a manager and a worker, with what a good one has, somebody who attacks it, and what lies about.
async fn open(on: &Installed) -> Result<Facts> {
    on.plane.apply(RIGHTS).await?;
    on.plane.apply(SERVICES).await?;
    make_ledger(on).await?;
    on.fails("validate-closed.stateward.dev").await?;
    on.is_guarded(true).await?;
    on.plane.apply(LOOSE).await?;
    // A binding does not work at once.
    let role = json!({ "metadata": { "labels": { "stateward.dev/role": "manager" } } });
    let role = attempt::refused("", Verb::Merge, WORKER, role);
    eventually("the guard judges", PATIENCE, async || {
        Ok((Refuser::of(&on.plane.send(&role.sent, true).await?) == Some(Refuser::Guard)).then_some(()))
    })
    .await?;
    read(on).await
}

/// As its owner wrote it.
async fn make_ledger(on: &Installed) -> Result<()> {
    let claim = json!({ "metadata": { "name": "data" }, "spec": {
        "accessModes": ["ReadWriteOnce"], "storageClassName": "remote", "resources": { "requests": { "storage": "1Gi" } },
    } });
    let intent = json!({ "stateward.dev/sync": "engine:streaming", "stateward.dev/backup": "none" });
    let container = json!({
        "name": "ledger", "image": "ledger:1", "readinessProbe": { "tcpSocket": { "port": 5432 } },
        "volumeMounts": [{ "name": "data", "mountPath": "/data" }],
    });
    let change = json!({ "metadata": { "annotations": intent }, "spec": {
        "volumeClaimTemplates": [claim], "template": { "spec": { "containers": [container] } },
    } });
    on.plane.apply(&but(ledger(), &change).to_string()).await?;
    on.granted(&["rollout", "status", "statefulset/ledger", "-n", "shop", "--timeout=60s"]).await
}

async fn read(on: &Installed) -> Result<Facts> {
    let set = eventually("the set is settled", PATIENCE, async || {
        let set = get(on, LEDGER).await?;
        let is_seen = set["status"]["observedGeneration"] == set["metadata"]["generation"];
        Ok((is_seen && set["status"]["readyReplicas"] == 2).then_some(set))
    })
    .await?;
    let revision = set["status"]["updateRevision"].as_str().context("no revision")?;
    let revision = get(on, &format!("/apis/apps/v1/namespaces/shop/controllerrevisions/{revision}")).await?;
    let service = get(on, "/api/v1/namespaces/shop/services/ledger-write").await?;
    let address = service["spec"]["clusterIP"].as_str().context("no address")?.to_owned();
    Ok(Facts { manager: get(on, MANAGER).await?, worker: get(on, WORKER).await?, set, revision, address })
}

/// The manager lives, and is what it was; so are the worker and the set.
async fn holds(on: &Installed, facts: &Facts) -> Result<()> {
    for (path, before) in [(MANAGER, &facts.manager), (WORKER, &facts.worker), (LEDGER, &facts.set)] {
        let now = get(on, path).await?;
        ensure!(now["metadata"]["uid"] == before["metadata"]["uid"], "{path} is another one");
        ensure!(now["metadata"]["deletionTimestamp"].is_null(), "{path} is going");
        ensure!(keys_of(&now) == keys_of(before), "{path}: {now}");
        ensure!(now["metadata"]["ownerReferences"] == before["metadata"]["ownerReferences"], "{path}: {now}");
        ensure!(path == LEDGER || now["status"]["phase"] == "Running", "{path}: {now}");
    }
    let set = get(on, LEDGER).await?;
    ensure!(set["metadata"]["annotations"]["stateward.dev/writes"] == "manager-only", "{set}");
    ensure!(set["spec"] == facts.set["spec"], "{set}");
    let keys = |object: &Value| keys_of(object).into_iter().filter(|(_, value)| !value.is_null()).count();
    let pods = get(on, "/api/v1/namespaces/shop/pods").await?;
    let with_keys = pods["items"].as_array().context("no list")?.iter().filter(|pod| keys(pod) > 0);
    let with_keys: Vec<&Value> = with_keys.map(|pod| &pod["metadata"]["name"]).collect();
    ensure!(with_keys == ["ledger-0", "ledger-1"], "{with_keys:?}");
    Ok(())
}

/// As the administrator of the cluster.
async fn get(on: &Installed, path: &str) -> Result<Value> {
    Ok(on.plane.client()?.request(Request::get(path).body(Vec::new())?).await?)
}

/// What each is answered.
const ANSWERS: &str = "answers.txt";

/// Of these the API server hands on the words of whichever entry answers first.
const BY_SEVERAL: [&str; 1] = ["a governed set without a name"];

const SERVICES: &str = "
apiVersion: v1
kind: Service
metadata: { name: ledger, namespace: shop }
spec: { clusterIP: None, selector: { app: ledger }, ports: [{ port: 5432 }] }
---
apiVersion: v1
kind: Service
metadata: { name: ledger-write, namespace: shop }
spec: { selector: { stateward.dev/role: manager, stateward.dev/set: ledger }, ports: [{ port: 5432 }] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: ledger, namespace: shop }
spec: { podSelector: { matchLabels: { app: ledger } }, ingress: [{ from: [{ podSelector: { matchLabels: { app: ledger } } }] }] }
";

const PATIENCE: Duration = Duration::from_secs(60);
