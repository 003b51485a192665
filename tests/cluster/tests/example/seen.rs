//! What is seen of the example in the cluster, and how it is asked for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, WatchEvent, WatchParams};
use serde_json::Value;
use stateward_cluster_tests::installed::Installed;
use stateward_cluster_tests::{eventually, root};

/// A member, by what must not change.
#[derive(Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) uid: String,
    pub(crate) role: String,
}

pub(crate) async fn pods(on: &Installed) -> Result<BTreeMap<String, Member>> {
    let list = get(on, "pods").await?;
    let members = list["items"].as_array().context("no list")?.iter().map(|pod| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let role = text(&pod["metadata"]["labels"]["stateward.dev/role"]);
        (text(&pod["metadata"]["name"]), Member { uid: text(&pod["metadata"]["uid"]), role })
    });
    Ok(members.collect())
}

/// Variables that come by the downward API, as the kubelet would resolve them; those whose key is missing are not there.
pub(crate) fn environment(pod: &Value, container: &Value) -> Result<BTreeMap<String, String>> {
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
pub(crate) fn mounted(pod: &Value) -> Result<&str> {
    let mut volumes = pod["spec"]["volumes"].as_array().context("no volumes")?.iter();
    volumes
        .find_map(|volume| volume["configMap"]["name"].as_str().filter(|name| name.starts_with("ledger-scripts-")))
        .context("no scripts")
}

/// The members that come into being, in order.
pub(crate) struct Creations {
    pods: Api<Pod>,
    version: String,
}

impl Creations {
    pub(crate) async fn since_now(on: &Installed) -> Result<Self> {
        let pods: Api<Pod> = Api::namespaced(on.plane.client()?, "ledger");
        let version = pods.list(&ListParams::default()).await?.metadata.resource_version.context("no version")?;
        Ok(Self { pods, version })
    }

    /// Waits for so many.
    pub(crate) async fn next(&self, count: usize) -> Result<Vec<String>> {
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
pub(crate) async fn leads(on: &Installed, service: &str, members: &[&str]) -> Result<()> {
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

pub(crate) async fn rolled(on: &Installed) -> Result<()> {
    on.granted(&["rollout", "status", "statefulset/ledger", "-n", "ledger", "--timeout=60s"]).await
}

pub(crate) async fn get(on: &Installed, what: &str) -> Result<Value> {
    Ok(serde_json::from_str(&run(on, &["get", what, "-n", "ledger", "-o", "json"]).await?.0)?)
}

/// Granted, and without a warning.
pub(crate) async fn silent(on: &Installed, arguments: &[&str]) -> Result<String> {
    let (output, said) = run(on, arguments).await?;
    // `kubectl` remarks on itself, where a kustomization names an order.
    let warnings: Vec<&str> =
        said.lines().filter(|line| !line.contains("Sorting order is set both") && !line.trim().is_empty()).collect();
    ensure!(warnings.is_empty(), "kubectl {}: {warnings:#?}", arguments.join(" "));
    Ok(output)
}

/// Granted: what it prints, and what it warns of.
pub(crate) async fn run(on: &Installed, arguments: &[&str]) -> Result<(String, String)> {
    let output = on.plane.kubectl(arguments).await?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "kubectl {}: {said}", arguments.join(" "));
    Ok((String::from_utf8_lossy(&output.stdout).into_owned(), said))
}

pub(crate) fn example() -> PathBuf {
    root().join("deploy/examples/manager-worker")
}

pub(crate) fn path(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is no text")
}

/// As long as a busy machine needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
