//! A right of ours is taken away: what cannot be looked up is undecided, and refused where the contract is, until the right is given back.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::Api;
use kube::api::PostParams;
use rustix::process::Signal;
use serde_json::{Value, json};
use stateward_cluster::names::APP;
use stateward_cluster_tests::audit::{AUDITED, Audited};
use stateward_cluster_tests::installed::Installed;
use stateward_cluster_tests::kubelet::PodView;
use stateward_cluster_tests::shop::{but, namespace, stateful_set};
use stateward_cluster_tests::{eventually, http, root, stateward};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_not_be_looked_up_is_undecided() -> Result<()> {
    Installed::run("permissions", sections).await
}

async fn sections(on: &Installed) -> Result<()> {
    on.replicas(3).await?;
    on.open_shop().await?;
    on.plane.apply(&namespace(AUDITED)).await?;
    on.plane
        .apply(&but(stateful_set("ledger", 2), &json!({ "metadata": { "namespace": AUDITED } })).to_string())
        .await?;
    rolled(on).await?;
    on.fails("validate-closed.stateward.dev").await?;
    ensure!(doctor(on).await? == (Some(0), "\nnothing is wrong\n".to_owned()));
    a_class_that_cannot_be_seen_lets_through(on).await.context("a class that cannot be seen lets through")?;
    a_member_that_is_not_stamped_does_not_start(on).await.context("a member that is not stamped does not start")?;
    a_set_that_cannot_be_seen_refuses_its_members(on).await.context("a set that cannot be seen refuses its members")?;
    without_policies_a_replica_is_not_ready(on).await.context("without policies a replica is not ready")
}

async fn a_class_that_cannot_be_seen_lets_through(on: &Installed) -> Result<()> {
    take(on, &["storageclasses"]).await?;
    restart(on).await?;
    let classes = "rules that look these up are undecided: storage.k8s.io/v1 StorageClass: this account may not list \
                   `storageclasses.storage.k8s.io`";
    degraded(on, &[("remote-volumes", classes)]).await?;
    ensure!(doctor(on).await? == (Some(1), findings(&[("remote-volumes", classes)])));

    let claim = json!({ "metadata": { "name": "data" }, "spec": {
        "accessModes": ["ReadWriteOncePod"], "storageClassName": "remote-wait", "resources": { "requests": { "storage": "1Gi" } },
    } });
    let claiming = |name| {
        let change = json!({ "metadata": { "namespace": AUDITED }, "spec": { "volumeClaimTemplates": [claim] } });
        but(stateful_set(name, 1), &change).to_string()
    };
    on.plane.apply(&claiming("unseen")).await?;
    let unseen = audited(on, "create", "statefulsets", "unseen", 1).await?;
    let undecided = UNDECIDED.map(|rule| format!("[remote-volumes/{rule}] {UNSEEN_CLASSES}")).join("; ");
    ensure!(
        unseen.code == 201 && unseen.annotations["validate-fail.stateward.dev/undecided"] == undecided,
        "{unseen:?}"
    );
    give_back(on).await?;
    degraded(on, &[]).await?;
    on.plane.apply(&claiming("seen")).await?;
    let seen = audited(on, "create", "statefulsets", "seen", 1).await?;
    ensure!(seen.annotations["validate-fail.stateward.dev/undecided"].is_null(), "{seen:?}");
    let audited = seen.annotations["validate-fail.stateward.dev/audit"].as_str().context("no audit")?;
    ensure!(audited.contains("[remote-volumes/reclaim-delete] "), "{audited}");
    Ok(())
}

/// The change is skipped, since a set must be read live for it; what judges is asked. Nothing on the pod says that its set joined.
async fn a_member_that_is_not_stamped_does_not_start(on: &Installed) -> Result<()> {
    let labels = json!({ "app": "late" });
    let change = json!({
        "metadata": { "namespace": AUDITED, "annotations": { "stateward.dev/writes": "any" } },
        "spec": { "selector": { "matchLabels": labels }, "template": { "metadata": { "labels": labels } } },
    });
    on.plane.apply(&but(stateful_set("late", 1), &change).to_string()).await?;
    let rolled = ["rollout", "status", "statefulset/late", "-n", AUDITED, "--timeout=60s"];
    on.granted(&rolled).await?;
    take_get(on, "statefulsets").await?;
    let joins = ["annotate", "statefulset/late", "-n", AUDITED, "--overwrite", "stateward.dev/writes=manager-only"];
    on.granted(&joins).await?;
    on.granted(&["delete", "pod", "late-0", "-n", AUDITED, "--wait=false"]).await?;
    let refused = audited(on, "create", "pods", "late-0", 2).await?;
    let words = "\"validate-ignore.stateward.dev\" denied the request: [manager-writes/missing-role] metadata.labels: \
                 `late-0` is a member of the governed set `late` and has no role";
    ensure!(refused.code == 422 && refused.message.contains(words), "{refused:?}");
    give_back(on).await?;
    degraded(on, &[]).await?;
    on.granted(&["annotate", "statefulset/late", "-n", AUDITED, "example.com/again=now"]).await?;
    on.granted(&rolled).await?;
    let role = "jsonpath={.metadata.labels.stateward\\.dev/role}";
    let role = on.plane.kubectl(&["get", "pod", "late-0", "-n", AUDITED, "-o", role]).await?;
    ensure!(role.stdout == b"manager", "{role:?}");
    on.granted(&["scale", "statefulset/late", "-n", AUDITED, "--replicas=0"]).await
}

async fn a_set_that_cannot_be_seen_refuses_its_members(on: &Installed) -> Result<()> {
    take(on, &["statefulsets", "pods"]).await?;
    restart(on).await?;
    let sets = "rules that look these up are undecided: apps/v1 StatefulSet: this account may not get `statefulsets.apps`; \
                apps/v1 StatefulSet: this account may not list `statefulsets.apps`";
    let pods = "v1 Pod: this account may not get `pods`; v1 Pod: this account may not list `pods`";
    let (both, mut expected) = (format!("{sets}; {pods}"), POLICIES.map(|policy| (policy, sets)));
    // These look at pods as well.
    let at_pods = ["manager-writes", "ordered-identity", "workload-kind"];
    for (_, words) in expected.iter_mut().filter(|(policy, _)| at_pods.contains(policy)) {
        *words = &both;
    }
    degraded(on, &expected).await?;
    ensure!(doctor(on).await? == (Some(1), findings(&expected)));

    on.granted(&["delete", "pod", "ledger-1", "-n", AUDITED, "--wait=false"]).await?;
    let refused = audited(on, "create", "pods", "ledger-1", 2).await?;
    // Nothing was stamped, and the API server asks the guard first.
    let words = "ValidatingAdmissionPolicy 'stateward' with binding 'stateward' denied request: [manager-writes/forged-role] pod `ledger-1` carries \
                 `stateward.dev/governed` and no role: the webhook `stateward`, which computes it, was not asked or lacked a fact";
    ensure!(refused.code == 403 && refused.message.contains(words), "{refused:?}");
    // By hand and without keys the same pod is the webhook's alone.
    let claiming = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "ledger-1", "namespace": AUDITED, "labels": { "app": "ledger" } },
        "spec": { "containers": [{ "name": "ledger", "image": "ledger:1" }] },
    });
    let refused = on.refused(&["create", "--dry-run=server", "-f", "-"], &claiming.to_string()).await?;
    ensure!(refused.contains(&format!("[manager-writes/unbound-pod] {UNSEEN_SETS}")), "{refused}");
    ensure!(role(on).await?.is_empty(), "it is there");
    give_back(on).await?;
    degraded(on, &[]).await?;
    ensure!(doctor(on).await? == (Some(0), "\nnothing is wrong\n".to_owned()));
    // The controller waits longer after each refusal: two minutes, by now. Another change of the set makes it try at once.
    on.granted(&["annotate", "statefulset/ledger", "-n", AUDITED, "example.com/again=now"]).await?;
    rolled(on).await?;
    ensure!(role(on).await? == "worker");
    Ok(())
}

async fn without_policies_a_replica_is_not_ready(on: &Installed) -> Result<()> {
    take(on, &["wasmpolicies"]).await?;
    let before = on.kubelet.pods();
    let leader = on.leader().await?;
    let pod = before.iter().find(|pod| pod.name != leader).context("no follower")?;
    on.kubelet.kill(&pod.name, Signal::KILL)?;
    let admin = format!("{}:8080", pod.address);
    let again = eventually("it runs again", PATIENCE, async || {
        let now = on.kubelet.pods().into_iter().find(|now| now.uid == pod.uid).context("no pod")?;
        ensure!(now.restarts > pod.restarts && http::get(&admin, "/livez", PATIENCE).await? == 200);
        Ok(Some(now.restarts))
    })
    .await?;
    let unready = (503, "the policies are not loaded yet\n".to_owned());
    for path in ["/mutate", "/validate/closed", "/validate/fail", "/validate/ignore"] {
        let answer = eventually("it has a certificate", PATIENCE, async || {
            Ok(Some(on.review(pod.address, path, &review()).await?))
        });
        ensure!(answer.await? == unready, "{path}");
    }
    ensure!(http::fetch(&admin, "/readyz", PATIENCE).await? == unready);
    let waits = json!({
        "generation": 0, "policies": null,
        "problems": { "watches": ["wasmpolicies: this account may not list `wasmpolicies.stateward.dev`"] },
    });
    eventually("it says what it waits for", PATIENCE, async || {
        let (_, said) = http::fetch(&admin, "/policies", PATIENCE).await?;
        ensure!(serde_json::from_str::<Value>(&said)? == waits, "{said}");
        Ok(Some(()))
    })
    .await?;
    eventually("the Service leads elsewhere", PATIENCE, async || Ok((on.balancer.backends().len() == 2).then_some(())))
        .await?;
    // The others go on with what they know.
    let before = on.plane.webhook_counts().await?;
    on.refuses().await?;
    ensure!(on.plane.webhook_counts().await?.failures() == before.failures());
    let found = "
finding: 2 of 3 replicas are ready
hint: `kubectl -n stateward-system get pods`, and `/policies` of one that is not: it says what is missing

finding: `system:serviceaccount:stateward-system:stateward` may not list `wasmpolicies.stateward.dev`
hint: apply again what you installed: deploy/base, your overlay of it, or the chart

finding: `system:serviceaccount:stateward-system:stateward` may not watch `wasmpolicies.stateward.dev`
hint: apply again what you installed: deploy/base, your overlay of it, or the chart
";
    ensure!(doctor(on).await? == (Some(1), found.to_owned()));
    give_back(on).await?;
    on.replicas(3).await?;
    let now = on.kubelet.pods();
    ensure!(now.iter().any(|now| now.uid == pod.uid && now.restarts == again && now.is_ready), "{now:?}");
    ensure!(doctor(on).await? == (Some(0), "\nnothing is wrong\n".to_owned()));
    Ok(())
}

/// Takes these resources out of every rule of our ClusterRole.
async fn take(on: &Installed, rights: &[&str]) -> Result<()> {
    take_of(on, rights, |_| true).await
}

/// Leaves what watches have, and takes what is read live.
async fn take_get(on: &Installed, resource: &str) -> Result<()> {
    take_of(on, &[resource], |verbs| verbs == ["get"]).await
}

/// Out of the rules with such verbs.
async fn take_of(on: &Installed, rights: &[&str], is_meant: impl Fn(&[String]) -> bool) -> Result<()> {
    let roles: Api<ClusterRole> = Api::all(on.plane.client()?);
    let mut role = roles.get(APP).await?;
    let mut rules = role.rules.unwrap_or_default();
    for rule in rules.iter_mut().filter(|rule| is_meant(&rule.verbs)) {
        rule.resources.get_or_insert_default().retain(|resource| !rights.contains(&resource.as_str()));
    }
    rules.retain(|rule| rule.resources.as_ref().is_some_and(|resources| !resources.is_empty()));
    role.rules = Some(rules);
    roles.replace(APP, &PostParams::default(), &role).await?;
    Ok(())
}

/// As `doctor` says.
async fn give_back(on: &Installed) -> Result<()> {
    let rbac = root().join("deploy/base/rbac.yaml");
    on.granted(&["apply", "--server-side", "--force-conflicts", "-f", &rbac.to_string_lossy()]).await
}

/// Ends all processes in order: an open watch outlives its right.
async fn restart(on: &Installed) -> Result<()> {
    let before = on.kubelet.pods();
    for pod in &before {
        on.kubelet.kill(&pod.name, Signal::TERM)?;
    }
    eventually("all were started again", PATIENCE, async || {
        let now = on.kubelet.pods();
        let is_again = |pod: &&_| before.iter().any(|old| is_restarted(old, pod));
        Ok((now.iter().filter(is_again).count() == before.len()).then_some(()))
    })
    .await?;
    on.replicas(before.len()).await
}

fn is_restarted(old: &PodView, now: &PodView) -> bool {
    old.uid == now.uid && now.restarts > old.restarts && now.is_ready
}

/// Waits until these policies are Degraded with these words, and no others.
async fn degraded(on: &Installed, expected: &[(&str, &str)]) -> Result<()> {
    eventually("Degraded names what is missing", PATIENCE, async || {
        let now = degradations(on).await?;
        let is_so = now.iter().map(|(name, message)| (name.as_str(), message.as_str())).eq(expected.iter().copied());
        ensure!(is_so, "{now:?}");
        Ok(Some(()))
    })
    .await
}

async fn degradations(on: &Installed) -> Result<Vec<(String, String)>> {
    let output = on.plane.kubectl(&["get", "wasmpolicies", "-o", "json"]).await?;
    let policies: Value = serde_json::from_slice(&output.stdout)?;
    let mut degraded = Vec::new();
    for policy in policies["items"].as_array().context("no list")? {
        let conditions = policy["status"]["conditions"].as_array().context("no condition")?;
        let condition = conditions.iter().find(|one| one["type"] == "Degraded").context("not said")?;
        if condition["status"] == "True" {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            degraded.push((text(&policy["metadata"]["name"]), text(&condition["message"])));
        }
    }
    Ok(degraded)
}

/// Its exit code, and what it found.
async fn doctor(on: &Installed) -> Result<(Option<i32>, String)> {
    let mut command = Command::new(stateward());
    command.arg("doctor").env("KUBECONFIG", on.plane.admin());
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let said = String::from_utf8(output.stdout)?;
    // The facts come first, in lines of their own.
    let found = said.find("\n\n").and_then(|facts| said.get(facts + 1..)).unwrap_or(&said).to_owned();
    Ok((output.status.code(), found))
}

/// What it finds when these policies are degraded, and nothing else is wrong.
fn findings(degraded: &[(&str, &str)]) -> String {
    let hint = "grant get, list and watch on it to the ClusterRole `stateward`; no restart is needed";
    degraded
        .iter()
        .map(|(policy, words)| format!("\nfinding: WasmPolicy `{policy}`: {words}\nhint: {hint}\n"))
        .collect()
}

/// Waits until so many requests were answered, and takes the last one.
async fn audited(on: &Installed, verb: &str, resource: &str, name: &str, count: usize) -> Result<Audited> {
    eventually(&format!("`{name}` is in the audit log"), PATIENCE, async || {
        let mut all = on.plane.audited(verb, resource, name)?;
        Ok(if all.len() < count { None } else { all.pop() })
    })
    .await
}

async fn rolled(on: &Installed) -> Result<()> {
    on.granted(&["rollout", "status", "statefulset/ledger", "-n", AUDITED, "--timeout=60s"]).await
}

/// Of the member that is made anew; empty where there is none.
async fn role(on: &Installed) -> Result<String> {
    let role = "jsonpath={.metadata.labels.stateward\\.dev/role}";
    let output = on.plane.kubectl(&["get", "pod", "ledger-1", "-n", AUDITED, "--ignore-not-found", "-o", role]).await?;
    Ok(String::from_utf8(output.stdout)?)
}

/// Of a set that no rule would refuse.
fn review() -> Value {
    json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "1", "operation": "CREATE", "name": "asked", "namespace": AUDITED, "object": stateful_set("asked", 1),
        "kind": { "group": "apps", "version": "v1", "kind": "StatefulSet" },
        "resource": { "group": "apps", "version": "v1", "resource": "statefulsets" },
        "userInfo": { "username": "admin" },
    } })
}

/// All of `deploy/base`, in the order of their names.
const POLICIES: [&str; 5] = ["manager-writes", "operations", "ordered-identity", "remote-volumes", "workload-kind"];

/// Rules that look up the class of a claim template and are not off.
const UNDECIDED: [&str; 7] = [
    "degraded-remote-class",
    "fixed-size-class",
    "immediate-binding",
    "local-class",
    "missing-class",
    "reclaim-delete",
    "unknown-driver",
];

const UNSEEN_CLASSES: &str = "could not be decided: StorageClasses cannot be looked up here";
const UNSEEN_SETS: &str = "could not be decided: StatefulSets cannot be looked up here";

/// A watch that was refused is tried again after 30 s at most, and what came of it is told after 10 s.
const PATIENCE: Duration = Duration::from_secs(90);
