//! What users see through kubectl: refusals, warnings and changes by every family, and nothing where nothing is wrong.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stateward_cluster_tests::installed::Installed;
use stateward_cluster_tests::shop::but;
use stateward_cluster_tests::{eventually, http, metrics};

#[tokio::test]
async fn rules_are_enforced_through_kubectl() -> Result<()> {
    Installed::run("enforcement", sections).await
}

async fn sections(on: &Installed) -> Result<()> {
    on.replicas(3).await?;
    on.plane.apply(SHOP).await?;
    create(on, &ledger("ledger")).await?;
    rolled(on).await?;
    on.fails("validate-closed.stateward.dev").await?;
    every_family_refuses(on).await.context("refusals")?;
    every_family_warns(on).await.context("warnings")?;
    sets_and_members_are_changed(on).await.context("changes")?;
    a_namespace_raises_the_profile(on).await.context("profile")?;
    an_exemption_turns_a_denial_into_an_audit(on).await.context("exemption")?;
    a_mode_is_in_force_soon_after_ready_says_so(on).await.context("mode")?;
    scale_is_judged(on).await.context("scale")?;
    nothing_drifts(on).await.context("drift")?;
    an_owners_manifest_restarts_nothing(on).await.context("replace")?;
    a_roll_back_comes_to_the_same_revision(on).await.context("undo")
}

async fn every_family_refuses(on: &Installed) -> Result<()> {
    let shared = json!([{ "name": "data", "persistentVolumeClaim": { "claimName": "exports" } }]);
    let cases = [
        ("ordered-identity/zero-grace", of_pod(&json!({ "terminationGracePeriodSeconds": 0 }))),
        (
            "remote-volumes/shared-claim",
            json!({ "spec": { "volumeClaimTemplates": null, "template": { "spec": { "volumes": shared } } } }),
        ),
        (
            "manager-writes/forged-role",
            json!({ "spec": { "template": { "metadata": { "labels": { "stateward.dev/role": "manager" } } } } }),
        ),
    ];
    for (rule, change) in cases {
        refuses(on, rule, &["create", "-f", "-"], &but(plain("db"), &change)).await?;
    }
    let two = deployment("copies", 2, "exports");
    refuses(on, "workload-kind/replicated-claim", &["create", "-f", "-"], &two).await?;
    let second_writer = deployment("look", 1, "data-ledger-0");
    refuses(on, "workload-kind/foreign-claim", &["create", "-f", "-"], &second_writer).await?;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "look", "namespace": "shop" },
        "spec": second_writer.pointer("/spec/template/spec").context("no pod")?,
    });
    refuses(on, "workload-kind/foreign-claim", &["create", "-f", "-"], &pod).await?;
    let promote = ["label", "pod/ledger-1", "-n", "shop", "--overwrite", "stateward.dev/role=manager"];
    refuses(on, "manager-writes/role-change", &promote, &Value::Null).await?;
    // Nothing of that came into being.
    let left = said(on, &["get", "-n", "shop", "statefulsets,deployments,pods", "-o", "name"]).await?;
    ensure!(left == "statefulset.apps/ledger\npod/ledger-0\npod/ledger-1\n", "{left}");
    Ok(())
}

async fn every_family_warns(on: &Installed) -> Result<()> {
    let create = ["create", "--dry-run=server", "-f", "-"];
    let backup = json!({ "backup.velero.io/backup-volumes": "date" });
    let cases = [
        ("ordered-identity/no-service-name", json!({ "spec": { "serviceName": null } })),
        (
            "remote-volumes/delete-with-set",
            json!({ "spec": { "persistentVolumeClaimRetentionPolicy": { "whenDeleted": "Delete" } } }),
        ),
        (
            "operations/backup-of-missing-volume",
            json!({ "spec": { "template": { "metadata": { "annotations": backup } } } }),
        ),
    ];
    for (rule, change) in cases {
        warns(on, rule, &create, &but(plain("db"), &change)).await?;
    }
    let unsynced = but(ledger("other"), &json!({ "metadata": { "annotations": { "stateward.dev/sync": null } } }));
    warns(on, "manager-writes/undeclared-sync", &create, &unsynced).await?;
    warns(on, "workload-kind/rolling-claim", &create, &deployment("store", 1, "exports")).await?;
    let blocking = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": { "name": "ledger", "namespace": "shop" },
        "spec": { "maxUnavailable": 0, "selector": { "matchLabels": { "app": "ledger" } } },
    });
    warns(on, "operations/blocking-budget", &create, &blocking).await?;
    let deletions = [
        ("remote-volumes/claim-in-use", "pvc/data-ledger-0"),
        ("ordered-identity/service-removed", "service/ledger"),
        ("ordered-identity/unordered-delete", "statefulset/ledger"),
        ("manager-writes/manager-delete", "pod/ledger-0"),
    ];
    for (rule, what) in deletions {
        warns(on, rule, &["delete", "-n", "shop", "--dry-run=server", what], &Value::Null).await?;
    }
    Ok(())
}

async fn sets_and_members_are_changed(on: &Installed) -> Result<()> {
    let set = get(on, "statefulset/ledger").await?;
    ensure!(set["metadata"]["annotations"]["stateward.dev/manager"] == "ledger-0", "{set}");
    ensure!(set["spec"]["template"]["metadata"]["labels"]["stateward.dev/governed"] == "true", "{set}");
    for (pod, role, write, ordinal) in [("ledger-0", "manager", "allow", "0"), ("ledger-1", "worker", "deny", "1")] {
        let pod = get(on, &format!("pod/{pod}")).await?;
        let (labels, annotations) = (&pod["metadata"]["labels"], &pod["metadata"]["annotations"]);
        ensure!(labels["stateward.dev/role"] == role && labels["stateward.dev/set"] == "ledger", "{labels}");
        ensure!(annotations["stateward.dev/write"] == write, "{annotations}");
        ensure!(annotations["stateward.dev/ordinal"] == ordinal, "{annotations}");
        ensure!(annotations["stateward.dev/manager-host"] == "ledger-0.ledger.shop.svc", "{annotations}");
    }
    // The one change that no profile makes by itself.
    let unnamed = json!({ "metadata": { "name": "data" }, "spec": {
        "accessModes": ["ReadWriteOncePod"], "resources": { "requests": { "storage": "1Gi" } },
    } });
    let unnamed = but(plain("db"), &json!({ "spec": { "volumeClaimTemplates": [unnamed] } }));
    let class = "jsonpath={.spec.volumeClaimTemplates[0].spec.storageClassName}";
    let create = ["create", "--dry-run=server", "-f", "-", "-o", class];
    ensure!(said_with(on, &create, &unnamed).await?.is_empty(), "the class is not ours to choose");
    patch(on, "remote-volumes", &json!({ "spec": { "actions": { "remote-volumes/pin-class": "Apply" } } })).await?;
    let chosen = said_with(on, &create, &unnamed).await?;
    ensure!(chosen.lines().last() == Some("remote"), "{chosen}");
    patch(on, "remote-volumes", &json!({ "spec": { "actions": null } })).await
}

async fn a_namespace_raises_the_profile(on: &Installed) -> Result<()> {
    let create = ["create", "--dry-run=server", "-f", "-", "-n", "vault"];
    let backup = json!({ "backup.velero.io/backup-volumes": "date" });
    let change = json!({
        "metadata": { "namespace": "vault" }, "spec": { "template": { "metadata": { "annotations": backup } } },
    });
    let misspelled = but(plain("db"), &change);
    on.granted(&["create", "namespace", "vault"]).await?;
    warns(on, "operations/backup-of-missing-volume", &create, &misspelled).await?;
    // What only `strict` changes is not asked about elsewhere.
    let declared = "rule=\"manager-writes/declare-writes\",action=\"apply\"";
    ensure!(counted(on, declared).await? == 0, "a set was changed outside of `strict`");
    on.granted(&["label", "namespace/vault", "stateward.dev/profile=strict"]).await?;
    eventually("the label is seen", PATIENCE, async || {
        let mut refusals = 0;
        for _ in 0..SEVERAL {
            let output = kubectl(on, &create, &misspelled).await?;
            refusals += usize::from(!output.status.success());
        }
        Ok((refusals == SEVERAL).then_some(()))
    })
    .await?;
    refuses(on, "operations/backup-of-missing-volume", &create, &misspelled).await?;
    ensure!(counted(on, declared).await? > 0, "nothing declares who writes in `strict`");
    let lowers = ["label", "namespace/vault", "stateward.dev/profile-"];
    refuses(on, "operations/profile-lowered", &lowers, &Value::Null).await
}

async fn an_exemption_turns_a_denial_into_an_audit(on: &Installed) -> Result<()> {
    let abrupt = but(plain("abrupt"), &of_pod(&json!({ "terminationGracePeriodSeconds": 0 })));
    let create = ["create", "--dry-run=server", "-f", "-"];
    refuses(on, "ordered-identity/zero-grace", &create, &abrupt).await?;
    let exemption = json!({
        "apiVersion": "stateward.dev/v1alpha1", "kind": "PolicyExemption",
        "metadata": { "name": "abrupt", "namespace": "shop" },
        "spec": { "rules": ["ordered-identity/zero-grace"], "names": ["abrupt"], "reason": "keeps nothing" },
    });
    let before = counted(on, "rule=\"ordered-identity/zero-grace\",action=\"audit\"").await?;
    on.plane.apply(&exemption.to_string()).await?;
    let granted = eventually("the exemption is known", PATIENCE, async || {
        let mut words = String::new();
        for _ in 0..SEVERAL {
            words = said_with(on, &create, &abrupt).await?;
        }
        Ok(Some(words))
    })
    .await?;
    ensure!(granted == "statefulset.apps/abrupt created (server dry run)\n", "{granted}");
    let other = but(abrupt.clone(), &json!({ "metadata": { "name": "other" } }));
    refuses(on, "ordered-identity/zero-grace", &create, &other).await?;
    let after = counted(on, "rule=\"ordered-identity/zero-grace\",action=\"audit\"").await?;
    ensure!(after >= before + SEVERAL as u64, "{before} audits before, {after} after");
    on.granted(&["delete", "policyexemption/abrupt", "-n", "shop"]).await?;
    eventually("the exemption is forgotten", PATIENCE, async || {
        Ok((!kubectl(on, &create, &abrupt).await?.status.success()).then_some(()))
    })
    .await
}

/// Every replica runs it when `Ready` says so; the API server asks accordingly about a second later, since what does not enforce is asked where a
/// missing answer refuses nothing. From then on every answer is the same.
async fn a_mode_is_in_force_soon_after_ready_says_so(on: &Installed) -> Result<()> {
    let abrupt = but(plain("abrupt"), &of_pod(&json!({ "terminationGracePeriodSeconds": 0 })));
    let create = ["create", "--dry-run=server", "-f", "-"];
    let became = async || -> Result<&'static str> {
        let output = kubectl(on, &create, &abrupt).await?;
        let is_named = String::from_utf8_lossy(&output.stderr).contains("[ordered-identity/zero-grace]");
        Ok(match (output.status.success(), is_named) {
            (true, false) => "granted",
            (true, true) => "warned",
            (false, _) => "refused",
        })
    };
    for (mode, expected) in [("Audit", "granted"), ("Warn", "warned"), ("Enforce", "refused")] {
        patch(on, "ordered-identity", &json!({ "spec": { "mode": mode } })).await?;
        eventually(
            &format!("`{mode}` is in force"),
            PATIENCE,
            async || Ok((became().await? == expected).then_some(())),
        )
        .await?;
        for _ in 0..SEVERAL {
            let now = became().await?;
            ensure!(now == expected, "{mode}: {now}");
        }
    }
    Ok(())
}

async fn scale_is_judged(on: &Installed) -> Result<()> {
    let shared = json!([{ "name": "data", "persistentVolumeClaim": { "claimName": "exports" } }]);
    let change = json!({
        "spec": { "replicas": 1, "volumeClaimTemplates": null, "template": { "spec": { "volumes": shared } } },
    });
    warns(on, "remote-volumes/unscalable-claim", &["create", "-f", "-"], &but(plain("lone"), &change)).await?;
    let scale = ["scale", "statefulset/lone", "-n", "shop", "--replicas=2"];
    eventually("the set is known to be judged by its scale", PATIENCE, async || {
        Ok(on.refused(&scale, "").await?.contains("[remote-volumes/shared-claim]").then_some(()))
    })
    .await?;
    ensure!(get(on, "statefulset/lone").await?["spec"]["replicas"] == 1);
    on.granted(&["scale", "statefulset/ledger", "-n", "shop", "--replicas=3"]).await?;
    rolled(on).await?;
    on.granted(&["scale", "statefulset/ledger", "-n", "shop", "--replicas=2"]).await?;
    rolled(on).await
}

/// What the webhook adds is no difference to what the owner wrote.
async fn nothing_drifts(on: &Installed) -> Result<()> {
    for (name, apply) in [("drift", &["apply", "-f", "-"][..]), ("owned", &["apply", "--server-side", "-f", "-"])] {
        let mut manifest = but(ledger(name), &json!({ "spec": { "replicas": 1 } }));
        // Up to 1.33 the API server writes this into the list that kubectl replaces as a whole: see `plain`.
        if on.plane.minor().await? < 34 {
            manifest["spec"]["volumeClaimTemplates"][0]["metadata"]["creationTimestamp"] = Value::Null;
        }
        said_with(on, apply, &manifest).await?;
        let before = settled(on, name).await?;
        ensure!(before["metadata"]["annotations"]["stateward.dev/manager"] == format!("{name}-0"), "{before}");
        let again = said_with(on, apply, &manifest).await?;
        let expected = if name == "drift" { "unchanged" } else { "serverside-applied" };
        ensure!(again == format!("statefulset.apps/{name} {expected}\n"), "{again}");
        let dry = said_with(on, &[apply, &["--dry-run=server"]].concat(), &manifest).await?;
        ensure!(dry == format!("statefulset.apps/{name} {expected} (server dry run)\n"), "{dry}");
        let diff = [&["diff", "-f", "-"][..], if name == "owned" { &["--server-side"] } else { &[] }].concat();
        let output = kubectl(on, &diff, &manifest).await?;
        ensure!(output.status.code() == Some(0), "{}", String::from_utf8_lossy(&output.stdout));
        let after = get(on, &format!("statefulset/{name}")).await?;
        ensure!(after["metadata"]["generation"] == before["metadata"]["generation"], "{after}");
        ensure!(after["spec"] == before["spec"], "{after}");
        // diff does see a difference where there is one.
        let other = but(manifest, &json!({ "spec": { "replicas": 2 } }));
        let output = kubectl(on, &diff, &other).await?;
        ensure!(output.status.code() == Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    }
    Ok(())
}

/// A PUT of a manifest that knows nothing of us takes nothing away.
async fn an_owners_manifest_restarts_nothing(on: &Installed) -> Result<()> {
    let (before, pods) = (settled(on, "ledger").await?, uids(on).await?);
    let operator = on.plane.kubeconfig("system:serviceaccount:ops:operator", &["system:masters"])?;
    for who in [on.plane.admin(), operator] {
        let manifest = ledger("ledger").to_string();
        let output = on.plane.kubectl_with(&who, &["replace", "-f", "-"], &manifest).await?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let after = settled(on, "ledger").await?;
        ensure!(after["spec"] == before["spec"], "{after}\nbefore: {before}");
        ensure!(after["metadata"]["annotations"]["stateward.dev/manager"] == "ledger-0", "{after}");
        ensure!(after["status"]["updateRevision"] == before["status"]["updateRevision"], "{after}");
        ensure!(uids(on).await? == pods, "a pod was restarted");
    }
    // That it was a write at all: the annotation of kubectl's apply is not in the manifest, another one is.
    let marked = but(ledger("ledger"), &json!({ "metadata": { "annotations": { "example.com/written": "by-put" } } }));
    said_with(on, &["replace", "-f", "-"], &marked).await?;
    let after = settled(on, "ledger").await?;
    ensure!(after["metadata"]["annotations"]["example.com/written"] == "by-put", "{after}");
    ensure!(after["status"]["updateRevision"] == before["status"]["updateRevision"], "{after}");
    ensure!(uids(on).await? == pods, "a pod was restarted");
    Ok(())
}

async fn a_roll_back_comes_to_the_same_revision(on: &Installed) -> Result<()> {
    let (first, pods) = (settled(on, "ledger").await?, uids(on).await?);
    on.granted(&["set", "image", "statefulset/ledger", "-n", "shop", "ledger=ledger:2"]).await?;
    rolled(on).await?;
    let second = settled(on, "ledger").await?;
    ensure!(second["status"]["updateRevision"] != first["status"]["updateRevision"], "{second}");
    ensure!(uids(on).await? != pods, "the pods are the old ones");
    let undo = ["rollout", "undo", "statefulset/ledger", "-n", "shop"];
    let undone = said(on, &undo).await?;
    ensure!(undone == "statefulset.apps/ledger rolled back\n", "{undone}");
    rolled(on).await?;
    let third = settled(on, "ledger").await?;
    ensure!(third["status"]["updateRevision"] == first["status"]["updateRevision"], "{third}");
    ensure!(third["spec"]["template"] == first["spec"]["template"], "{third}");
    ensure!(get(on, "pod/ledger-0").await?["metadata"]["labels"]["stateward.dev/role"] == "manager");
    // To where it is already: kubectl compares bytes, and may write the same template again.
    let pods = uids(on).await?;
    said(on, &[&undo[..], &["--to-revision=3"]].concat()).await?;
    ensure!(settled(on, "ledger").await?["status"]["updateRevision"] == first["status"]["updateRevision"]);
    ensure!(uids(on).await? == pods, "a pod was restarted");
    Ok(())
}

/// kubectl fails, and names the rule as the one that denies.
async fn refuses(on: &Installed, rule: &str, arguments: &[&str], input: &Value) -> Result<()> {
    let said = on.refused(arguments, &text(input)).await.with_context(|| rule.to_owned())?;
    let name = format!("[{rule}]");
    let mut errors = said.lines().filter(|line| !line.starts_with("Warning: "));
    ensure!(errors.any(|line| line.contains(&name)), "{rule}: {said}");
    Ok(())
}

/// kubectl succeeds, with a warning that names the rule.
async fn warns(on: &Installed, rule: &str, arguments: &[&str], input: &Value) -> Result<()> {
    let output = kubectl(on, arguments, input).await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{rule}: {said}");
    ensure!(said.lines().any(|line| line.starts_with(&format!("Warning: [{rule}] "))), "{rule}: {said}");
    Ok(())
}

/// Findings by all replicas.
async fn counted(on: &Installed, labels: &str) -> Result<u64> {
    let mut count = 0;
    for pod in on.kubelet.pods() {
        let (_, metrics) = http::fetch(&format!("{}:8080", pod.address), "/metrics", PATIENCE).await?;
        count += metrics::sum(&metrics, "stateward_findings_total", labels);
    }
    Ok(count)
}

async fn create(on: &Installed, object: &Value) -> Result<()> {
    said_with(on, &["create", "-f", "-"], object).await.map(drop)
}

/// What kubectl prints, warnings first.
async fn said(on: &Installed, arguments: &[&str]) -> Result<String> {
    said_with(on, arguments, &Value::Null).await
}

async fn said_with(on: &Installed, arguments: &[&str], input: &Value) -> Result<String> {
    let output = kubectl(on, arguments, input).await?;
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "kubectl {}: {said}", arguments.join(" "));
    Ok(said.into_owned())
}

async fn kubectl(on: &Installed, arguments: &[&str], input: &Value) -> Result<std::process::Output> {
    on.plane.kubectl_with(&on.plane.admin(), arguments, &text(input)).await
}

fn text(input: &Value) -> String {
    if input.is_null() { String::new() } else { input.to_string() }
}

async fn get(on: &Installed, what: &str) -> Result<Value> {
    Ok(serde_json::from_str(&said(on, &["get", what, "-n", "shop", "-o", "json"]).await?)?)
}

/// The set, once its controller has seen it as it is.
async fn settled(on: &Installed, name: &str) -> Result<Value> {
    eventually("the controller has seen the set", PATIENCE, async || {
        let set = get(on, &format!("statefulset/{name}")).await?;
        let is_seen = set["status"]["observedGeneration"] == set["metadata"]["generation"];
        let is_ready = set["status"]["readyReplicas"] == set["spec"]["replicas"];
        Ok((is_seen && is_ready).then_some(set))
    })
    .await
}

async fn uids(on: &Installed) -> Result<String> {
    let names = "jsonpath={range .items[*]}{.metadata.name} {.metadata.uid}{\"\\n\"}{end}";
    said(on, &["get", "pods", "-n", "shop", "-l", "app=ledger", "-o", names]).await
}

async fn rolled(on: &Installed) -> Result<()> {
    on.granted(&["rollout", "status", "statefulset/ledger", "-n", "shop", "--timeout=60s"]).await
}

/// Changes a policy and waits until it is in force.
async fn patch(on: &Installed, policy: &str, change: &Value) -> Result<()> {
    let name = format!("wasmpolicy/{policy}");
    on.granted(&["patch", &name, "--type=merge", "--patch", &change.to_string()]).await?;
    on.granted(&["wait", "--for=condition=Ready", "--timeout=60s", &name]).await
}

/// A set that no rule of baseline says anything about but in the audit.
fn plain(name: &str) -> Value {
    // With all that the API server adds: kubectl replaces this list as a whole, and calls that `configured` where it has less.
    let claim = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": { "name": "data" },
        "spec": {
            "accessModes": ["ReadWriteOncePod"],
            "storageClassName": "remote-wait",
            "volumeMode": "Filesystem",
            "resources": { "requests": { "storage": "1Gi" } },
        },
        "status": { "phase": "Pending" },
    });
    let container = json!({
        "name": "ledger",
        "image": "ledger:1",
        "readinessProbe": { "tcpSocket": { "port": 5432 } },
        "volumeMounts": [{ "name": "data", "mountPath": "/data" }],
    });
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": name, "namespace": "shop" },
        "spec": {
            "replicas": 2, "serviceName": "ledger", "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name, "tier": "data" } },
                "spec": { "containers": [container] },
            },
            "volumeClaimTemplates": [claim],
        },
    })
}

/// The same, governed.
fn ledger(name: &str) -> Value {
    let intent = json!({
        "stateward.dev/writes": "manager-only", "stateward.dev/sync": "engine:streaming", "stateward.dev/backup": "none",
    });
    but(plain(name), &json!({ "metadata": { "annotations": intent } }))
}

fn deployment(name: &str, replicas: u32, claim: &str) -> Value {
    let container = json!({ "name": "a", "image": "a:1", "volumeMounts": [{ "name": "data", "mountPath": "/data" }] });
    let volume = json!({ "name": "data", "persistentVolumeClaim": { "claimName": claim } });
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name, "namespace": "shop" },
        "spec": { "replicas": replicas, "selector": { "matchLabels": { "app": name } }, "template": {
            "metadata": { "labels": { "app": name } }, "spec": { "containers": [container], "volumes": [volume] },
        } },
    })
}

fn of_pod(change: &Value) -> Value {
    json!({ "spec": { "template": { "spec": change } } })
}

const SHOP: &str = "
apiVersion: v1
kind: Namespace
metadata: { name: shop }
---
apiVersion: v1
kind: Service
metadata: { name: ledger, namespace: shop }
spec: { clusterIP: None, selector: { tier: data }, ports: [{ port: 5432 }] }
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: exports, namespace: shop }
spec: { storageClassName: remote-wait, accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Gi } } }
";

/// More than there are replicas. The API server keeps its connections, so this need not reach each of them.
const SEVERAL: usize = 6;

const PATIENCE: Duration = Duration::from_secs(60);
