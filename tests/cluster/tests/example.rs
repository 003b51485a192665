//! `deploy/examples/manager-worker` on a cluster with the product: what its README tells, from the first start to leaving the contract.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, WatchEvent, WatchParams};
use serde_json::{Value, json};
use stateward_cluster_tests::installed::Installed;
use stateward_cluster_tests::{eventually, root};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_with_one_writer() -> Result<()> {
    Installed::run("example", sections).await
}

async fn sections(on: &Installed) -> Result<()> {
    on.replicas(3).await?;
    // Its members stand on a node each.
    let labels = json!({ "kubernetes.io/hostname": "node-2", "topology.kubernetes.io/zone": "zone-c" });
    let node = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "node-2", "labels": labels } });
    on.plane.apply(&node.to_string()).await?;
    // Kubelets delete with a grace period of 0 when a pod has stopped, and are known by their group; kwok plays them under a name of its own.
    let trusts = json!({ "spec": { "settings": { "trustedUsers": ["kwok"] } } }).to_string();
    for policy in ["wasmpolicy/ordered-identity", "wasmpolicy/manager-writes"] {
        on.granted(&["patch", policy, "--type=merge", "--patch", &trusts]).await?;
        on.granted(&["wait", "--for=condition=Ready", "--timeout=60s", policy]).await?;
    }
    members_come_in_order(on).await.context("bootstrap")?;
    on.fails("validate-closed.stateward.dev").await?;
    on.is_guarded(true).await?;
    members_know_who_they_are(on).await.context("roles")?;
    services_lead_by_role(on).await.context("services")?;
    applying_again_changes_nothing(on).await.context("drift")?;
    nobody_takes_the_role(on).await.context("refusals")?;
    the_manager_comes_back(on).await.context("manager lost")?;
    workers_go_and_come(on).await.context("scale")?;
    the_manager_is_updated_last(on).await.context("rolling update")?;
    it_leaves(on).await.context("leaving")
}

async fn members_come_in_order(on: &Installed) -> Result<()> {
    let namespace = example().join("namespace.yaml");
    silent(on, &["apply", "-f", path(&namespace)?]).await?;
    let passwords = ["--from-literal=replication=a", "--from-literal=application=b"];
    let secret = ["create", "secret", "generic", "ledger-passwords", "-n", "ledger"];
    silent(on, &[&secret[..], &passwords].concat()).await?;
    silent(on, &["create", "configmap", "ledger-begin", "-n", "ledger", "--from-literal=from=nothing"]).await?;
    let creations = Creations::since_now(on).await?;
    let said = silent(on, &["apply", "-k", path(&example())?]).await?;
    ensure!(
        said.starts_with("namespace/ledger unchanged\n") && said.contains("statefulset.apps/ledger created"),
        "{said}"
    );
    ensure!(creations.next(3).await? == ["ledger-0", "ledger-1", "ledger-2"]);
    rolled(on).await?;
    silent(on, &["delete", "configmap", "ledger-begin", "-n", "ledger"]).await?;
    // What the scripts and the backups want is there under the name that they say.
    let set = get(on, "statefulset/ledger").await?;
    for volume in set["spec"]["template"]["spec"]["volumes"].as_array().context("no volumes")? {
        let wanted = [(&volume["configMap"]["name"], "configmap"), (&volume["secret"]["secretName"], "secret")];
        for (name, kind) in wanted.into_iter().filter_map(|(name, kind)| Some((name.as_str()?, kind))) {
            get(on, &format!("{kind}/{name}")).await?;
        }
    }
    get(on, "cronjob/ledger-backup").await?;
    for ordinal in 0..3 {
        let claim = get(on, &format!("pvc/data-ledger-{ordinal}")).await?;
        ensure!(claim["status"]["phase"] == "Bound", "{claim}");
    }
    // One `apply` more would not do as a proof that a warning is seen here at all.
    let zero = ["scale", "statefulset/ledger", "-n", "ledger", "--replicas=0", "--dry-run=server"];
    let (_, said) = run(on, &zero).await?;
    ensure!(said.contains("[manager-writes/scaled-to-zero]"), "{said}");
    Ok(())
}

/// What each container would find in its environment.
async fn members_know_who_they_are(on: &Installed) -> Result<()> {
    for (ordinal, role, write) in [(0, "manager", "allow"), (1, "worker", "deny"), (2, "worker", "deny")] {
        let name = format!("ledger-{ordinal}");
        let pod = get(on, &format!("pod/{name}")).await?;
        let lists =
            ["initContainers", "containers"].map(|list| pod["spec"][list].as_array().cloned().unwrap_or_default());
        let containers = lists.concat();
        ensure!(containers.len() == 3, "{containers:?}");
        for container in containers {
            let environment = environment(&pod, &container)?;
            let expected = [
                ("STATEWARD_ROLE", role),
                ("STATEWARD_WRITE", write),
                ("STATEWARD_MANAGER_HOST", "ledger-0.ledger-members.ledger.svc"),
                ("POD_NAME", &name),
            ];
            for (key, value) in expected {
                ensure!(environment.get(key).is_some_and(|found| found == value), "{key} of {name}: {environment:?}");
            }
        }
    }
    Ok(())
}

async fn services_lead_by_role(on: &Installed) -> Result<()> {
    for (service, members) in [
        ("ledger-write", &["ledger-0"][..]),
        ("ledger-read", &["ledger-1", "ledger-2"]),
        ("ledger-members", &["ledger-0", "ledger-1", "ledger-2"]),
    ] {
        leads(on, service, members).await?;
    }
    Ok(())
}

async fn applying_again_changes_nothing(on: &Installed) -> Result<()> {
    let before = (get(on, "statefulset/ledger").await?, pods(on).await?);
    silent(on, &["apply", "-k", path(&example())?]).await?;
    let after = (get(on, "statefulset/ledger").await?, pods(on).await?);
    for part in ["/spec", "/metadata/generation", "/metadata/annotations", "/metadata/labels", "/status/updateRevision"]
    {
        ensure!(before.0.pointer(part).is_some(), "no {part}");
        ensure!(before.0.pointer(part) == after.0.pointer(part), "{part}: {:?}", after.0.pointer(part));
    }
    ensure!(before.1 == after.1, "{:?}, then {:?}", before.1, after.1);
    Ok(())
}

/// By somebody who may do all.
async fn nobody_takes_the_role(on: &Installed) -> Result<()> {
    let elsewhere = r#"{"spec":{"selector":{"stateward.dev/role":"worker"}}}"#;
    let from_1 = r#"{"metadata":{"annotations":{"stateward.dev/write":"allow"}}}"#;
    for (rule, arguments) in [
        ("manager-writes/manager-delete", &["delete", "pod/ledger-0", "--wait=false"][..]),
        ("ordered-identity/force-delete", &["delete", "pod/ledger-1", "--wait=false", "--force", "--grace-period=0"]),
        ("manager-writes/role-change", &["label", "pod/ledger-1", "--overwrite", "stateward.dev/role=manager"]),
        ("manager-writes/role-change", &["patch", "pod/ledger-1", "--patch", from_1]),
        ("manager-writes/write-service-changed", &["patch", "service/ledger-write", "--patch", elsewhere]),
        (
            "manager-writes/contract-change",
            &["annotate", "statefulset/ledger", "--overwrite", "stateward.dev/writes=any"],
        ),
    ] {
        let said = on.refused(&[arguments, &["-n", "ledger"]].concat(), "").await?;
        ensure!(said.contains(&format!("[{rule}]")), "{arguments:?}: {said}");
    }
    Ok(())
}

/// Its node is emptied, and takes nobody for a while: nobody writes, and no worker takes its place.
async fn the_manager_comes_back(on: &Installed) -> Result<()> {
    let before = pods(on).await?;
    let node = get(on, "pod/ledger-0").await?["spec"]["nodeName"].as_str().context("no node")?.to_owned();
    let selector = "--pod-selector=app=ledger";
    let drain = ["drain", &node, selector, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s"];
    let (_, said) = run(on, &drain).await?;
    ensure!(said.contains("[manager-writes/manager-delete]"), "{said}");
    eventually("the new pod waits for a node", PATIENCE, async || {
        let now = get(on, "pod/ledger-0").await?;
        let is_new = now["metadata"]["uid"] != before["ledger-0"].uid.as_str();
        Ok((is_new && now["status"]["phase"] == "Pending").then_some(()))
    })
    .await?;
    leads(on, "ledger-write", &[]).await?;
    leads(on, "ledger-read", &["ledger-1", "ledger-2"]).await?;
    on.granted(&["uncordon", &node]).await?;
    rolled(on).await?;
    let after = pods(on).await?;
    for (name, member) in &after {
        ensure!(member.role == before[name].role, "{after:?}");
        ensure!((member.uid == before[name].uid) == (name != "ledger-0"), "{after:?}");
    }
    leads(on, "ledger-write", &["ledger-0"]).await
}

async fn workers_go_and_come(on: &Installed) -> Result<()> {
    let before = pods(on).await?;
    silent(on, &["scale", "statefulset/ledger", "-n", "ledger", "--replicas=2"]).await?;
    eventually("ledger-2 is gone", PATIENCE, async || {
        Ok(pods(on).await?.keys().eq(["ledger-0", "ledger-1"]).then_some(()))
    })
    .await?;
    leads(on, "ledger-read", &["ledger-1"]).await?;
    // Its volume waits for it.
    let claim = get(on, "pvc/data-ledger-2").await?;
    silent(on, &["scale", "statefulset/ledger", "-n", "ledger", "--replicas=3"]).await?;
    rolled(on).await?;
    let after = pods(on).await?;
    ensure!(after.keys().eq(before.keys()), "{after:?}");
    for (name, member) in &after {
        ensure!(
            member.role == before[name].role && (member.uid == before[name].uid) == (name != "ledger-2"),
            "{after:?}"
        );
    }
    ensure!(get(on, "pvc/data-ledger-2").await?["spec"]["volumeName"] == claim["spec"]["volumeName"]);
    services_lead_by_role(on).await
}

/// A change to a file that the members read.
async fn the_manager_is_updated_last(on: &Installed) -> Result<()> {
    let copy = on.plane.folder().join("example");
    fs::create_dir_all(copy.join("scripts"))?;
    for folder in [PathBuf::new(), PathBuf::from("scripts")] {
        for entry in fs::read_dir(example().join(&folder))? {
            let from = entry?.path();
            if from.is_file() {
                fs::copy(&from, copy.join(&folder).join(from.file_name().context("no name")?))?;
            }
        }
    }
    let settings = copy.join("scripts/postgresql.conf");
    let text = fs::read_to_string(&settings)?;
    ensure!(text.contains("max_connections = 100"), "{text}");
    fs::write(&settings, text.replace("max_connections = 100", "max_connections = 200"))?;
    let before = get(on, "pod/ledger-0").await?;
    let creations = Creations::since_now(on).await?;
    silent(on, &["apply", "-k", path(&copy)?]).await?;
    ensure!(creations.next(3).await? == ["ledger-2", "ledger-1", "ledger-0"]);
    rolled(on).await?;
    let after = get(on, "pod/ledger-0").await?;
    ensure!(mounted(&before)? != mounted(&after)?, "{}", mounted(&after)?);
    members_know_who_they_are(on).await?;
    services_lead_by_role(on).await
}

/// In order, and then nobody has a role: the scripts refuse to start, since nobody says who writes.
async fn it_leaves(on: &Installed) -> Result<()> {
    let (_, said) = run(on, &["scale", "statefulset/ledger", "-n", "ledger", "--replicas=0"]).await?;
    ensure!(said.contains("[manager-writes/scaled-to-zero]"), "{said}");
    eventually("no member is left", PATIENCE, async || {
        let none = pods(on).await?.is_empty() && get(on, "statefulset/ledger").await?["status"]["replicas"] == 0;
        Ok(none.then_some(()))
    })
    .await?;
    let leave = ["annotate", "statefulset/ledger", "-n", "ledger", "--overwrite", "stateward.dev/writes=any"];
    let (_, said) = run(on, &leave).await?;
    let set = get(on, "statefulset/ledger").await?;
    ensure!(set["metadata"]["annotations"]["stateward.dev/manager"].is_null(), "{said}: {set}");
    ensure!(set["spec"]["template"]["metadata"]["labels"] == json!({ "app": "ledger" }), "{set}");
    on.granted(&["scale", "statefulset/ledger", "-n", "ledger", "--replicas=1"]).await?;
    rolled(on).await?;
    let pod = get(on, "pod/ledger-0").await?;
    let container = &pod["spec"]["containers"][0];
    ensure!(!environment(&pod, container)?.contains_key("STATEWARD_ROLE"), "{pod}");
    leads(on, "ledger-write", &[]).await
}

/// A member, by what must not change.
#[derive(Debug, PartialEq)]
struct Member {
    uid: String,
    role: String,
}

async fn pods(on: &Installed) -> Result<BTreeMap<String, Member>> {
    let list = get(on, "pods").await?;
    let members = list["items"].as_array().context("no list")?.iter().map(|pod| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let role = text(&pod["metadata"]["labels"]["stateward.dev/role"]);
        (text(&pod["metadata"]["name"]), Member { uid: text(&pod["metadata"]["uid"]), role })
    });
    Ok(members.collect())
}

/// Variables that come by the downward API, as the kubelet would resolve them; those whose key is missing are not there.
fn environment(pod: &Value, container: &Value) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for variable in container["env"].as_array().context("no environment")? {
        let Some(path) = variable["valueFrom"]["fieldRef"]["fieldPath"].as_str() else { continue };
        let value = match path.strip_suffix("']").and_then(|path| path.split_once("['")) {
            Some((map, key)) => {
                let pointer = format!("/{}", map.replace('.', "/"));
                pod.pointer(&pointer).and_then(|map| map.get(key))
            }
            None => pod.pointer(&format!("/{}", path.replace('.', "/"))),
        };
        if let (Some(name), Some(value)) = (variable["name"].as_str(), value.and_then(Value::as_str)) {
            found.insert(name.to_owned(), value.to_owned());
        }
    }
    Ok(found)
}

/// The ConfigMap of the scripts.
fn mounted(pod: &Value) -> Result<&str> {
    let mut volumes = pod["spec"]["volumes"].as_array().context("no volumes")?.iter();
    volumes
        .find_map(|volume| volume["configMap"]["name"].as_str().filter(|name| name.starts_with("ledger-scripts-")))
        .context("no scripts")
}

/// The members that come into being, in order.
struct Creations {
    pods: Api<Pod>,
    version: String,
}

impl Creations {
    async fn since_now(on: &Installed) -> Result<Self> {
        let pods: Api<Pod> = Api::namespaced(on.plane.client()?, "ledger");
        let version = pods.list(&ListParams::default()).await?.metadata.resource_version.context("no version")?;
        Ok(Self { pods, version })
    }

    /// Waits for so many.
    async fn next(&self, count: usize) -> Result<Vec<String>> {
        let mut names = Vec::new();
        let watch = async {
            let mut events = Box::pin(self.pods.watch(&WatchParams::default(), &self.version).await?);
            while names.len() < count {
                if let WatchEvent::Added(pod) = events.try_next().await?.context("the watch ended")? {
                    names.extend(pod.metadata.name);
                }
            }
            Ok::<(), anyhow::Error>(())
        };
        let ended = tokio::time::timeout(PATIENCE, watch).await;
        ended.with_context(|| format!("only {names:?} came"))??;
        Ok(names)
    }
}

/// Waits until the ready endpoints of this Service are these members.
async fn leads(on: &Installed, service: &str, members: &[&str]) -> Result<()> {
    let selector = format!("--selector=kubernetes.io/service-name={service}");
    eventually(&format!("{service} leads to {members:?}"), PATIENCE, async || {
        let (slices, _) = run(on, &["get", "endpointslices", "-n", "ledger", &selector, "-o", "json"]).await?;
        let slices: Value = serde_json::from_str(&slices)?;
        let slices = slices["items"].as_array().context("no list")?;
        let endpoints = slices.iter().flat_map(|slice| slice["endpoints"].as_array().into_iter().flatten());
        let ready = endpoints.filter(|endpoint| endpoint["conditions"]["ready"] == true);
        let mut names: Vec<&str> = ready.filter_map(|endpoint| endpoint["targetRef"]["name"].as_str()).collect();
        names.sort_unstable();
        ensure!(names == members, "{names:?}");
        // None at all is a slice without endpoints.
        Ok((!slices.is_empty()).then_some(()))
    })
    .await
}

async fn rolled(on: &Installed) -> Result<()> {
    on.granted(&["rollout", "status", "statefulset/ledger", "-n", "ledger", "--timeout=60s"]).await
}

async fn get(on: &Installed, what: &str) -> Result<Value> {
    Ok(serde_json::from_str(&run(on, &["get", what, "-n", "ledger", "-o", "json"]).await?.0)?)
}

/// Granted, and without a warning.
async fn silent(on: &Installed, arguments: &[&str]) -> Result<String> {
    let (output, said) = run(on, arguments).await?;
    // `kubectl` remarks on itself, where a kustomization names an order.
    let warnings: Vec<&str> =
        said.lines().filter(|line| !line.contains("Sorting order is set both") && !line.trim().is_empty()).collect();
    ensure!(warnings.is_empty(), "kubectl {}: {warnings:#?}", arguments.join(" "));
    Ok(output)
}

/// Granted: what it prints, and what it warns of.
async fn run(on: &Installed, arguments: &[&str]) -> Result<(String, String)> {
    let output = on.plane.kubectl(arguments).await?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "kubectl {}: {said}", arguments.join(" "));
    Ok((String::from_utf8_lossy(&output.stdout).into_owned(), said))
}

fn example() -> PathBuf {
    root().join("deploy/examples/manager-worker")
}

fn path(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is no text")
}

/// As long as a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(60);
