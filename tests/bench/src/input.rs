//! What is judged. *clean*: one set of ours that is as it should be. *real*: hundreds of sets as people write them, in rotation, with other
//! objects in their namespace.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

/// Reviews, and the objects beside them.
pub struct Input {
    /// `clean` or `real`.
    pub name: &'static str,
    /// What it is, for the page of results.
    pub what: String,
    /// AdmissionReviews, JSON in one line each.
    pub reviews: Vec<String>,
    /// The objects of the reviews.
    pub sets: Vec<Value>,
    /// What the Inventory holds.
    pub neighbours: Vec<Value>,
}

impl Input {
    /// One set in the rotation.
    pub fn clean() -> Result<Self> {
        let set = our_set()?;
        let bytes = set.to_string().len();
        Ok(Self::new(
            "clean",
            format!("one StatefulSet of {} bytes (`inputs/set.yaml`)", thousands(bytes)),
            vec![set],
            Vec::new(),
        ))
    }

    /// The corpus, or where there is none, variants of our own set.
    pub fn real(corpus: Option<&Path>) -> Result<Self> {
        let (sets, whence) = match corpus {
            Some(folder) => (sets_of(folder)?, "real StatefulSets of the corpus"),
            None => (variants(&our_set()?), "StatefulSets generated from ours: the corpus is not there"),
        };
        let mut sizes: Vec<usize> = sets.iter().map(|set| set.to_string().len()).collect();
        sizes.sort_unstable();
        let size = |place: usize| thousands(sizes.get(place).copied().unwrap_or_default());
        let what = format!(
            "{} {whence} in rotation, {} to {} bytes, median {}",
            sets.len(),
            size(0),
            size(sizes.len().saturating_sub(1)),
            size(sizes.len() / 2)
        );
        let neighbours = neighbours(&sets);
        Ok(Self::new("real", what, sets, neighbours))
    }

    fn new(name: &'static str, what: String, sets: Vec<Value>, neighbours: Vec<Value>) -> Self {
        let reviews = sets.iter().enumerate().map(|(n, set)| review(n, set).to_string()).collect();
        Self { name, what, reviews, sets, neighbours: [vec![namespace()], neighbours].concat() }
    }

    /// The neighbours as a folder for `--inventory`.
    pub fn write_inventory(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": self.neighbours });
        fs::write(folder.join("objects.json"), list.to_string())?;
        Ok(())
    }

    /// The reviews as a file for the load generator, one a line.
    pub fn write_reviews(&self, file: &Path) -> Result<()> {
        fs::write(file, self.reviews.join("\n") + "\n").with_context(|| format!("cannot write {}", file.display()))
    }
}

/// The folder of real sets beside the repository, if it is there.
pub fn corpus() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?;
    let folder = root.parent()?.join("shared/corpus");
    folder.is_dir().then_some(folder)
}

/// `5,504`.
pub fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn our_set() -> Result<Value> {
    let documents = stateward_manifests::read_text("set.yaml", include_str!("../inputs/set.yaml").to_owned());
    let document = documents.objects.first().context("inputs/set.yaml holds no object")?;
    Ok(serde_json::from_str(&document.json)?)
}

/// The StatefulSets of the folder's own files, all moved into one namespace.
fn sets_of(folder: &Path) -> Result<Vec<Value>> {
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    files.sort();
    let documents = stateward_manifests::read(&files);
    ensure!(documents.errors.is_empty(), "the corpus cannot be read: {:?}", documents.errors.first());
    let sets = documents.objects.iter().filter(|document| document.kind == "StatefulSet");
    sets.map(|document| {
        let mut set: Value = serde_json::from_str(&document.json)?;
        let metadata = set.get_mut("metadata").and_then(Value::as_object_mut).context("a set without metadata")?;
        metadata.insert("namespace".to_owned(), NAMESPACE.into());
        Ok(set)
    })
    .collect()
}

/// As many as the corpus has, broken in ways that people break them.
fn variants(set: &Value) -> Vec<Value> {
    (0..VARIANTS)
        .map(|n| {
            let mut set = set.clone();
            let mut put = |pointer: &str, value: Value| {
                if let Some(place) = set.pointer_mut(pointer) {
                    *place = value;
                }
            };
            put("/metadata/name", format!("ledger-of-shop-{n}x").into());
            put("/spec/replicas", (n % 5).into());
            if n % 3 == 0 {
                put("/spec/podManagementPolicy", "Parallel".into());
            }
            if n % 4 == 0 {
                put("/spec/template/spec/containers/0/readinessProbe", Value::Null);
                put("/spec/template/spec/containers/1/readinessProbe", Value::Null);
            }
            if n % 5 == 0 {
                put("/spec/serviceName", "".into());
            }
            if n % 7 == 0 {
                put("/spec/volumeClaimTemplates/0/spec/accessModes", json!(["ReadWriteMany"]));
            }
            if n % 11 == 0 {
                put("/spec/volumeClaimTemplates", json!([]));
            }
            if n % 13 == 0 {
                put("/metadata/annotations", json!({}));
            }
            // Real manifests are shorter and longer than ours.
            let containers = set.pointer_mut("/spec/template/spec/containers").and_then(Value::as_array_mut);
            if let Some((containers, copies)) = containers.zip((n % 6).checked_sub(3)) {
                let sidecar = containers.last().cloned().unwrap_or_default();
                for copy in 0..copies * 4 {
                    let mut sidecar = sidecar.clone();
                    if let Some(name) = sidecar.pointer_mut("/name") {
                        *name = format!("metrics-{copy}").into();
                    }
                    containers.push(sidecar);
                }
            }
            set
        })
        .collect()
}

/// What an API server sends when a person creates the set.
fn review(n: usize, set: &Value) -> Value {
    let name = set.pointer("/metadata/name").cloned().unwrap_or_default();
    json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": format!("9f6f3b1e-2a77-4c8e-8d0f-{n:012}"),
            "kind": { "group": "apps", "version": "v1", "kind": "StatefulSet" },
            "resource": { "group": "apps", "version": "v1", "resource": "statefulsets" },
            "requestKind": { "group": "apps", "version": "v1", "kind": "StatefulSet" },
            "requestResource": { "group": "apps", "version": "v1", "resource": "statefulsets" },
            "name": name,
            "namespace": NAMESPACE,
            "operation": "CREATE",
            "userInfo": {
                "username": "system:serviceaccount:delivery:deployer",
                "uid": "8d3c8e0c-61c0-4c0c-8a52-5e4a5c5b1f7e",
                "groups": ["system:serviceaccounts", "system:serviceaccounts:delivery", "system:authenticated"],
                "extra": { "authentication.kubernetes.io/credential-id": ["JTI=0a1e9b64-7a52-4a39-8d9f-5b0b8f6f2f60"] }
            },
            "object": set,
            "oldObject": null,
            "dryRun": false,
            "options": { "kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "kubectl-client-side-apply" }
        }
    })
}

/// 10 sets, 20 Services, 5 PodDisruptionBudgets, 6 StorageClasses and 20 Deployments: some of them those that the sets name.
fn neighbours(sets: &[Value]) -> Vec<Value> {
    let names = |pointer: &str, count: usize| -> Vec<String> {
        let named: BTreeSet<&str> =
            sets.iter().filter_map(|set| set.pointer(pointer)?.as_str()).filter(|name| !name.is_empty()).collect();
        named.into_iter().take(count).map(str::to_owned).collect()
    };
    let fill = |mut names: Vec<String>, count: usize, prefix: &str| {
        let missing = count.saturating_sub(names.len());
        names.extend((0..missing).map(|n| format!("{prefix}-{n}")));
        names
    };
    let mut objects: Vec<Value> = sets.iter().step_by(sets.len().div_ceil(10).max(1)).take(10).cloned().collect();
    // In the cluster already, so not those that are about to be created.
    for set in &mut objects {
        if let Some(name) = set.pointer_mut("/metadata/name") {
            *name = format!("{}-b", name.as_str().unwrap_or_default()).into();
        }
    }
    for (n, name) in fill(names("/spec/serviceName", 20), 20, "service").into_iter().enumerate() {
        objects.push(service(&name, n % 4 != 0));
    }
    for n in 0..5 {
        objects.push(object(
            "policy/v1",
            "PodDisruptionBudget",
            &format!("budget-{n}"),
            &json!({
                "minAvailable": 1, "selector": { "matchLabels": { "app.kubernetes.io/name": format!("app-{n}") } }
            }),
        ));
    }
    let provisioners = [
        "ebs.csi.aws.com",
        "pd.csi.storage.gke.io",
        "disk.csi.azure.com",
        "rancher.io/local-path",
        "driver.longhorn.io",
        "kubernetes.io/no-provisioner",
    ];
    let classes = fill(names("/spec/volumeClaimTemplates/0/spec/storageClassName", 6), 6, "class");
    for (name, provisioner) in classes.iter().zip(provisioners) {
        objects.push(json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": { "name": name, "annotations": { "storageclass.kubernetes.io/is-default-class": (provisioner == "ebs.csi.aws.com").to_string() } },
            "provisioner": provisioner, "parameters": { "type": "ssd" }, "reclaimPolicy": "Delete",
            "allowVolumeExpansion": true, "volumeBindingMode": "WaitForFirstConsumer"
        }));
    }
    for n in 0..20 {
        let labels = json!({ "app.kubernetes.io/name": format!("front-{n}") });
        objects.push(object("apps/v1", "Deployment", &format!("front-{n}"), &json!({
            "replicas": 2, "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": { "containers": [{ "name": "web", "image": "registry.example.com/front:1.4" }] } }
        })));
    }
    objects
}

fn service(name: &str, headless: bool) -> Value {
    object(
        "v1",
        "Service",
        name,
        &json!({
            "clusterIP": if headless { "None" } else { "10.96.12.7" },
            "selector": { "app.kubernetes.io/name": name },
            "ports": [{ "name": "client", "port": 5432, "protocol": "TCP", "targetPort": 5432 }],
            "publishNotReadyAddresses": headless, "type": "ClusterIP"
        }),
    )
}

fn object(api_version: &str, kind: &str, name: &str, spec: &Value) -> Value {
    let metadata = json!({ "name": name, "namespace": NAMESPACE, "labels": { "app.kubernetes.io/name": name } });
    let members =
        [("apiVersion", api_version.into()), ("kind", kind.into()), ("metadata", metadata), ("spec", spec.clone())];
    Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>())
}

fn namespace() -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE, "labels": { "kubernetes.io/metadata.name": NAMESPACE } } })
}

/// Where everything lives.
pub const NAMESPACE: &str = "bench";

/// As many as the corpus has.
const VARIANTS: usize = 337;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_set_is_as_large_as_it_is_said_to_be() {
        let input = Input::clean().unwrap();
        let bytes = input.sets[0].to_string().len();
        assert!((5_400..5_600).contains(&bytes), "{bytes}");
    }

    #[test]
    fn without_the_corpus_there_are_as_many_sets_and_their_neighbours() {
        let input = Input::real(None).unwrap();
        assert_eq!(input.reviews.len(), VARIANTS);
        let count = |kind: &str| input.neighbours.iter().filter(|object| object["kind"] == kind).count();
        assert_eq!(
            ["StatefulSet", "Service", "PodDisruptionBudget", "StorageClass", "Deployment", "Namespace"].map(count),
            [10, 20, 5, 6, 20, 1]
        );
        let names: BTreeSet<&str> = input.sets.iter().filter_map(|set| set["metadata"]["name"].as_str()).collect();
        assert_eq!(names.len(), VARIANTS);
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([5, 1_000, 1_234_567].map(thousands), ["5", "1,000", "1,234,567"]);
    }
}
