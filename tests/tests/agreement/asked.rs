//! The rules, asked in this process: as the server asks them, review by review, and as the scanner of a cluster does, object by object.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stateward_cluster::audit::{Judge, Stored};
use stateward_core::admit::{self, Facts, Route};
use stateward_core::inventory::{Fields, StoredInventory};
use stateward_core::policy_set::PolicySet;
use stateward_core::request::{GroupVersionKind, GroupVersionResource};
use stateward_core::resources::{PolicyExemption, WasmPolicy};
use stateward_core::verdict::Verdict;
use stateward_engine::{Engine, EngineOptions, FetchError, PolicyLoader};
use stateward_manifests::{kinds, policy_files};
use stateward_server::review::{self, Phase};
use stateward_tests::cache;

use crate::said::Said;

/// Policies with their exemptions, in Wasm.
pub(crate) struct Rules {
    set: Arc<PolicySet>,
    fields: Fields,
    judged: BTreeSet<GroupVersionResource<'static>>,
}

/// What is known of objects that are not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// A kind is known in a namespace that has one of it: files.
    WhereSomeAre,
    /// What is not there is absent: a cluster that may be listed.
    Everywhere,
}

impl Rules {
    /// All policies and exemptions of a folder. To be called on a runtime.
    pub(crate) async fn load(folder: &Path) -> Self {
        let options = EngineOptions { cache: Some(cache()), ..EngineOptions::default() };
        let loader = PolicyLoader::new(Engine::new(options).unwrap());
        let documents = stateward_manifests::read(&[folder.to_path_buf()]);
        let files = policy_files::parse(&documents.objects);
        assert!(documents.errors.is_empty() && files.errors.is_empty(), "{:?} {:?}", documents.errors, files.errors);
        let policies: Vec<WasmPolicy> = files.policies.into_iter().map(|from| from.resource).collect();
        let exemptions: Vec<PolicyExemption> = files.exemptions.into_iter().map(|from| from.resource).collect();
        let loaded = loader.load(&policies, &exemptions, &fetch).await;
        assert!(loaded.errors.is_empty(), "{:?}", loaded.errors);
        let (fields, judged) = (Fields::new(&loaded.set.reads()), loaded.set.judged_at_create());
        Self { set: Arc::new(loaded.set), fields, judged }
    }

    /// What look-ups find.
    pub(crate) fn inventory<'o>(
        &self,
        objects: impl IntoIterator<Item = &'o Value>,
        known: Known,
    ) -> Arc<StoredInventory> {
        let mut inventory = StoredInventory::default();
        for object in objects {
            inventory.insert_json(&object.to_string(), None, &self.fields).unwrap();
        }
        if known == Known::Everywhere {
            self.set.reads().iter().for_each(|read| inventory.know_everywhere(&read.kind));
        }
        Arc::new(inventory)
    }

    /// The server's answer to `/mutate`, and what the API server makes of the object with it.
    pub(crate) async fn mutate(&self, object: &Value, inventory: &Arc<StoredInventory>) -> (Vec<u8>, Value) {
        let review = review(object);
        let request = review::decode(review.as_bytes()).unwrap();
        let verdict = admit::mutate(&self.set, &request, &facts(inventory)).await;
        let mut mutated = object.clone();
        if let Some(patch) = &verdict.patch {
            json_patch::patch(&mut mutated, patch).unwrap();
        }
        (review::encode(&request.uid, &verdict, Phase::Mutating).unwrap(), mutated)
    }

    /// What the server answers to the three validating calls, in the order of [`PATHS`], and what it says with that.
    pub(crate) async fn validate(&self, object: &Value, inventory: &Arc<StoredInventory>) -> (Vec<Vec<u8>>, Said) {
        let review = review(object);
        let request = review::decode(review.as_bytes()).unwrap();
        let mut verdicts = Vec::new();
        for route in [Route::Closed, Route::Fail, Route::Ignore] {
            verdicts.push(admit::validate(&self.set, &request, route, &facts(inventory)).await);
        }
        let encoded = |verdict: &Verdict| review::encode(&request.uid, verdict, Phase::Validating).unwrap();
        (verdicts.iter().map(encoded).collect(), Said::of(&verdicts))
    }

    /// What the scanner of a cluster with these objects says of one of them.
    pub(crate) async fn audit(&self, object: &Value, inventory: &Arc<StoredInventory>) -> Said {
        let kind = kind_of(object);
        let resource = kinds::resource(&kind);
        // It lists no other.
        if !self.judged.contains(&resource) {
            return Said::default();
        }
        let text = |field: &str| object["metadata"][field].as_str().map(str::to_owned);
        let (namespace, name) = (text("namespace"), text("name").unwrap());
        let uid = text("uid").unwrap_or_default();
        let stored = Stored { kind, resource, namespace, name, uid, json: object.to_string() };
        let judge = Judge::new(Arc::clone(&self.set), Arc::clone(inventory) as _, jiff::Timestamp::now());
        Said::of([&judge.one(&stored).await])
    }
}

/// What the API server sends when somebody makes the object: a set's pods are made by their controller, all else by a person.
pub(crate) fn review(object: &Value) -> String {
    let kind = kind_of(object);
    let resource = kinds::resource(&kind).resource;
    let is_members = object["metadata"]["ownerReferences"][0]["kind"] == "StatefulSet";
    let (user, groups) = if is_members && kind.kind == "Pod" {
        (CONTROLLER, json!(["system:serviceaccounts", "system:authenticated"]))
    } else {
        ("alice", json!(["system:authenticated"]))
    };
    let GroupVersionKind { group, version, kind } = kind;
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "1", "operation": "CREATE", "dryRun": false, "object": object, "oldObject": null,
            "kind": { "group": group, "version": version, "kind": kind },
            "resource": { "group": group, "version": version, "resource": resource },
            "name": object["metadata"]["name"], "namespace": object["metadata"]["namespace"],
            "userInfo": { "username": user, "groups": groups },
        },
    })
    .to_string()
}

/// The validating calls: between them they ask every rule once.
pub(crate) const PATHS: [&str; 3] = ["/validate/closed", "/validate/fail", "/validate/ignore"];

fn kind_of(object: &Value) -> GroupVersionKind<'static> {
    let text = |field: &str| object[field].as_str().unwrap().to_owned();
    let api_version = text("apiVersion");
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    GroupVersionKind { group: group.to_owned().into(), version: version.to_owned().into(), kind: text("kind").into() }
}

fn facts(inventory: &Arc<StoredInventory>) -> Facts {
    let deadline = Instant::now() + Duration::from_secs(30);
    Facts { inventory: Arc::clone(inventory) as _, now: jiff::Timestamp::now(), deadline, trace: false }
}

fn fetch(reference: &str) -> Result<Cow<'static, [u8]>, FetchError> {
    let name = reference.strip_prefix("builtin:").unwrap();
    Ok(Cow::Borrowed(stateward_builtin::component(name).unwrap()))
}

const CONTROLLER: &str = "system:serviceaccount:kube-system:statefulset-controller";
