//! Where our answers are told but in the terminal: the API server's audit log has who was refused, warned, changed, only audited, and that a second
//! time changes nothing; an Event has what a controller was warned of.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stateward_cluster_tests::audit::{AUDITED, Audited};
use stateward_cluster_tests::eventually;
use stateward_cluster_tests::installed::Installed;
use stateward_cluster_tests::shop::{namespace, stateful_set};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_in_the_audit_log() -> Result<()> {
    Installed::run("annotations", sections).await
}

async fn sections(on: &Installed) -> Result<()> {
    on.plane.apply(&namespace(AUDITED)).await?;
    a_change_is_made_once(on).await.context("a change is made once")?;
    a_refusal_says_why(on).await.context("a refusal says why")?;
    a_controllers_warning_is_an_event(on).await.context("a controller's warning is an Event")?;
    a_mode_is_told(on).await.context("a mode is told")
}

async fn a_change_is_made_once(on: &Installed) -> Result<()> {
    let apply = ["apply", "--server-side", "-f", "-"];
    let set = of_audited("ledger").to_string();
    send(on, &apply, &set).await?;
    send(on, &apply, &set).await?;
    let [first, second] = audited(on, "patch", "ledger").await?;
    ensure!(
        first.code == 201 && first.annotations["mutate.stateward.dev/changed"] == "manager-writes/stamp-set",
        "{first:?}"
    );
    let change = json!({
        "configuration": "stateward", "webhook": "mutate.stateward.dev", "patchType": "JSONPatch",
        "patch": [
            { "op": "add", "path": "/metadata/annotations/stateward.dev~1manager", "value": "ledger-0" },
            { "op": "add", "path": "/spec/template/metadata/labels/stateward.dev~1governed", "value": "true" },
        ],
    });
    let patch = first.annotations[PATCH].as_str().context("no patch")?;
    ensure!(serde_json::from_str::<Value>(patch)? == change, "{patch}");
    ensure!(second.code == 200 && mutated(&second)? == json!(false), "{second:?}");
    ensure!(second.annotations["mutate.stateward.dev/changed"].is_null(), "{second:?}");
    ensure!(second.annotations[PATCH].is_null(), "{second:?}");
    ensure!(mutated(&first)? == json!(true), "{first:?}");
    Ok(())
}

async fn a_refusal_says_why(on: &Installed) -> Result<()> {
    let abrupt = abrupt("refused").to_string();
    on.refused(&["create", "-f", "-"], &abrupt).await?;
    let [refused] = audited(on, "create", "refused").await?;
    ensure!(refused.code == 422 && refused.message.contains("[ordered-identity/zero-grace] "), "{refused:?}");
    Ok(())
}

async fn a_controllers_warning_is_an_event(on: &Installed) -> Result<()> {
    // It has the right to scale; kubectl wants to read first, which the group of administrators lends it.
    let autoscaler = [
        "--as=system:serviceaccount:kube-system:horizontal-pod-autoscaler",
        "--as-group=system:serviceaccounts:kube-system",
        "--as-group=system:masters",
    ];
    let events = async || -> Result<Vec<Value>> {
        let args = ["get", "events", "-n", AUDITED, "--field-selector=reason=PolicyWarning", "-o", "json"];
        let list: Value = serde_json::from_str(&send(on, &args, "").await?)?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    };
    // A person reads the answer.
    let zero = ["scale", "statefulset/ledger", "-n", AUDITED, "--replicas=0"];
    let dry = [&zero[..], &["--dry-run=server"], &autoscaler[..]].concat();
    for args in [&zero[..], &dry[..]] {
        let said = send(on, args, "").await?;
        ensure!(said.contains("Warning: [manager-writes/scaled-to-zero] "), "{said}");
    }
    for replicas in ["--replicas=1", "--replicas=0", "--replicas=1", "--replicas=0"] {
        send(on, &[&["scale", "statefulset/ledger", "-n", AUDITED, replicas][..], &autoscaler[..]].concat(), "")
            .await?;
    }
    let told = eventually("the Event is written", PATIENCE, async || {
        let told = events().await?;
        Ok((!told.is_empty()).then_some(told))
    })
    .await?;
    let set: Value =
        serde_json::from_str(&send(on, &["get", "statefulset/ledger", "-n", AUDITED, "-o", "json"], "").await?)?;
    // The API server may have asked several replicas. Each says it once within a minute.
    let mut by = BTreeSet::new();
    for event in &told {
        let note = event["message"].as_str().unwrap_or_default();
        ensure!(note.starts_with("[manager-writes/scaled-to-zero] "), "{event:#}");
        ensure!(event["involvedObject"]["uid"] == set["metadata"]["uid"] && event["type"] == "Warning", "{event:#}");
        let is_first = by.insert(event["reportingInstance"].as_str().unwrap_or_default());
        ensure!(is_first && event["series"].is_null(), "it was said again within a minute: {told:#?}");
    }
    Ok(())
}

async fn a_mode_is_told(on: &Installed) -> Result<()> {
    for mode in ["Warn", "Audit"] {
        let patch = json!({ "spec": { "mode": mode } }).to_string();
        for policy in ["wasmpolicy/ordered-identity", "wasmpolicy/manager-writes"] {
            on.granted(&["patch", policy, "--type=merge", "-p", &patch]).await?;
            on.granted(&["wait", "--for=condition=Ready", "--timeout=60s", policy]).await?;
        }
        let name = mode.to_lowercase();
        if mode == "Warn" {
            // Its rules have moved to the entry whose failure refuses nothing, which has to be registered first.
            let dry = ["create", "--dry-run=server", "-f", "-"];
            eventually("its warnings are heard", PATIENCE, async || {
                // Of another name: what is audited is looked for by it.
                let said = send(on, &dry, &abrupt("trial").to_string()).await?;
                Ok(said.contains("Warning: [ordered-identity/zero-grace] ").then_some(()))
            })
            .await?;
        }
        let said = send(on, &["create", "-f", "-"], &abrupt(&name).to_string()).await?;
        let [told] = audited(on, "create", &name).await?;
        let audit = told.annotations["validate-ignore.stateward.dev/audit"].as_str().unwrap_or_default();
        let is_audited = audit.contains("[ordered-identity/zero-grace] ");
        let is_warned = said.contains("Warning: [ordered-identity/zero-grace] ");
        ensure!((is_warned, is_audited) == (mode == "Warn", mode == "Audit"), "{mode}: {said}{told:?}");
        // What would have been changed was not.
        ensure!(mutated(&told)? == json!(false), "{told:?}");
        let would = &told.annotations["mutate.stateward.dev/would-change"];
        let is_told = would.as_str().is_some_and(|would| would.contains("[manager-writes/stamp-set] "));
        ensure!(
            is_told == (mode == "Audit") && said.contains("[manager-writes/stamp-set] ") == (mode == "Warn"),
            "{said}{would}"
        );
    }
    Ok(())
}

/// Whether our one mutating entry changed the request.
fn mutated(audited: &Audited) -> Result<Value> {
    let text = audited.annotations[MUTATION].as_str().context("not asked")?;
    let told: Value = serde_json::from_str(text)?;
    ensure!(told["configuration"] == "stateward", "{text}");
    Ok(told["mutated"].clone())
}

/// Waits until so many requests were answered.
async fn audited<const N: usize>(on: &Installed, verb: &str, name: &str) -> Result<[Audited; N]> {
    eventually(&format!("`{name}` is in the audit log"), PATIENCE, async || {
        Ok(on.plane.audited(verb, "statefulsets", name)?.try_into().ok())
    })
    .await
}

/// What kubectl prints, warnings first.
async fn send(on: &Installed, arguments: &[&str], input: &str) -> Result<String> {
    let output = on.plane.kubectl_with(&on.plane.admin(), arguments, input).await?;
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{said}");
    Ok(said.into_owned())
}

fn abrupt(name: &str) -> Value {
    let mut abrupt = of_audited(name);
    abrupt["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = json!(0);
    abrupt
}

fn of_audited(name: &str) -> Value {
    let mut set = stateful_set(name, 1);
    set["metadata"]["namespace"] = json!(AUDITED);
    set
}

/// By the API server, of the first mutating webhook that it calls.
const MUTATION: &str = "mutation.webhook.admission.k8s.io/round_0_index_0";
const PATCH: &str = "patch.webhook.admission.k8s.io/round_0_index_0";

const PATIENCE: Duration = Duration::from_secs(30);
