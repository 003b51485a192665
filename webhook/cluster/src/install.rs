//! Puts manifests into a cluster and takes them out again: what `kubectl apply --server-side` and `kubectl delete` do, in the order that our own need.

use std::time::Duration;

use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::{self, Scope};
use kube::{Api, Client};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::client::is_not_found;
use crate::follow::said;
use crate::names;
use crate::registration::NOTICED;

/// What became of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// `deployment stateward-system/stateward`.
    pub object: String,
    /// `applied`, `deleted`, `absent`.
    pub what: &'static str,
}

/// One object could not be applied or deleted.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The manifest is not an object of Kubernetes. Ours are tested.
    #[error("a manifest has no `{field}`")]
    NoObject {
        /// Which.
        field: &'static str,
    },
    /// The API server refused or was not there.
    #[error("{object} could not be {what}: {reason}\nhint: {}", hint(.reason))]
    Refused {
        /// Which.
        object: String,
        /// `applied` or `deleted`.
        what: &'static str,
        /// What the API server says.
        reason: String,
    },
}

/// Applies all of them: definitions first, and waits until each kind is served before its objects come. `dry_run` asks only.
pub async fn apply(client: &Client, manifests: &[Value], dry_run: bool) -> Result<Vec<Done>, InstallError> {
    let mut ordered: Vec<&Value> = manifests.iter().collect();
    // Namespaces and definitions are what others need; the rest comes as it is written.
    ordered.sort_by_key(|manifest| !holds_others(manifest));
    let mut done = Vec::new();
    for manifest in ordered {
        let named = named(manifest)?;
        let api = match api(client, &named, !dry_run).await {
            Ok(api) => api,
            // Its kind, or its namespace, would be made by this very run.
            Err(_) if dry_run => {
                done.push(Done { object: named.title(), what: "would be applied" });
                continue;
            }
            Err(reason) => return Err(named.refused("applied", reason)),
        };
        if !dry_run && holds_others(manifest) {
            // What is applied to an object that goes is gone with it, and so is everything in it.
            await_absence(&api, &named).await.map_err(|reason| named.refused("applied", reason))?;
        }
        let mut params = PatchParams::apply(names::FIELD_MANAGER).force();
        params.dry_run = dry_run;
        match applied(&api, &named.name, &params, manifest).await {
            Ok(()) => {}
            Err(error) if dry_run && is_not_found(&error) => {}
            Err(error) => return Err(named.refused("applied", said(&error))),
        }
        done.push(Done { object: named.title(), what: if dry_run { "would be applied" } else { "applied" } });
    }
    Ok(done)
}

/// Deletes all of them: the guard's binding and both webhook configurations before anything, so that nothing is refused in the meantime; definitions last, and with them every
/// policy.
pub async fn delete(client: &Client, manifests: &[Value], keep_definitions: bool) -> Result<Vec<Done>, InstallError> {
    let of_registration = |kind: &str| {
        serde_json::json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": { "name": names::APP },
        })
    };
    let registered =
        ["ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"]
            .map(of_registration);
    let mut ordered: Vec<&Value> = manifests.iter().rev().collect();
    // The Deployment next: its leader must not register again.
    ordered.sort_by_key(|manifest| match kind_of(manifest) {
        "Deployment" => 0,
        "Namespace" => 2,
        "CustomResourceDefinition" => 3,
        _ => 1,
    });
    if keep_definitions {
        ordered.retain(|manifest| !matches!(kind_of(manifest), "CustomResourceDefinition" | "WasmPolicy"));
    }
    let mut done = Vec::new();
    for manifest in registered.iter().chain(ordered) {
        let named = named(manifest)?;
        let follows_deletion = done.last().is_some_and(|last: &Done| last.what == "deleted");
        if kind_of(manifest) == "MutatingWebhookConfiguration" && follows_deletion {
            // What stamps goes when no API server asks what refuses any more.
            sleep(NOTICED).await;
        }
        let what = match api(client, &named, false).await {
            // No such kind: no such object.
            Err(_) => "absent",
            Ok(api) => match api.delete(&named.name, &DeleteParams::foreground()).await {
                Ok(_) => "deleted",
                Err(error) if is_not_found(&error) => "absent",
                Err(error) => return Err(named.refused("deleted", said(&error))),
            },
        };
        done.push(Done { object: named.title(), what });
    }
    Ok(done)
}

/// Namespaces and definitions: what lies in them goes with them.
fn holds_others(manifest: &Value) -> bool {
    matches!(kind_of(manifest), "Namespace" | "CustomResourceDefinition")
}

/// Waits for an object that is being deleted; one that stays is none.
async fn await_absence(api: &Api<DynamicObject>, named: &Named) -> Result<(), String> {
    let deadline = Instant::now() + GONE;
    loop {
        let found = api.get_metadata_opt(&named.name).await.map_err(|error| said(&error))?;
        let Some(since) = found.and_then(|found| found.metadata.deletion_timestamp) else { return Ok(()) };
        if Instant::now() >= deadline {
            let waited = GONE.as_secs();
            return Err(format!("it is being deleted since {}, and was still there {waited} s later", since.0));
        }
        sleep(AGAIN).await;
    }
}

/// A kind whose definition was replaced a moment ago is found by discovery before it is served, or for a moment longer: both are "not found".
async fn applied(
    api: &Api<DynamicObject>,
    name: &str,
    params: &PatchParams,
    manifest: &Value,
) -> Result<(), kube::Error> {
    let deadline = Instant::now() + SERVED;
    loop {
        match api.patch(name, params, &Patch::Apply(manifest)).await {
            Ok(_) => return Ok(()),
            Err(error) if !params.dry_run && is_not_found(&error) && Instant::now() < deadline => sleep(AGAIN).await,
            Err(error) => return Err(error),
        }
    }
}

struct Named {
    kind: GroupVersionKind,
    namespace: Option<String>,
    name: String,
}

impl Named {
    fn title(&self) -> String {
        let namespace = self.namespace.as_deref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
        format!("{} {namespace}{}", self.kind.kind.to_lowercase(), self.name)
    }

    fn refused(&self, what: &'static str, reason: String) -> InstallError {
        InstallError::Refused { object: self.title(), what, reason }
    }
}

fn named(manifest: &Value) -> Result<Named, InstallError> {
    let text = |path: &str| manifest.pointer(path).and_then(Value::as_str);
    let missing = |field| InstallError::NoObject { field };
    let api_version = text("/apiVersion").ok_or(missing("apiVersion"))?;
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    Ok(Named {
        kind: GroupVersionKind::gvk(group, version, text("/kind").ok_or(missing("kind"))?),
        namespace: text("/metadata/namespace").map(str::to_owned),
        name: text("/metadata/name").ok_or(missing("metadata.name"))?.to_owned(),
    })
}

/// A kind that was defined a moment ago is served a second later.
async fn api(client: &Client, named: &Named, may_wait: bool) -> Result<Api<DynamicObject>, String> {
    let deadline = Instant::now() + if may_wait { SERVED } else { Duration::ZERO };
    loop {
        match discovery::pinned_kind(client, &named.kind).await {
            Ok((resource, capabilities)) => {
                return Ok(match (&named.namespace, capabilities.scope) {
                    (Some(namespace), Scope::Namespaced) => Api::namespaced_with(client.clone(), namespace, &resource),
                    _ => Api::all_with(client.clone(), &resource),
                });
            }
            Err(error) if Instant::now() >= deadline => return Err(said(&error)),
            Err(_) => sleep(AGAIN).await,
        }
    }
}

fn kind_of(manifest: &Value) -> &str {
    manifest.get("kind").and_then(Value::as_str).unwrap_or_default()
}

fn hint(reason: &str) -> &'static str {
    if reason.contains("forbidden") {
        "installing needs the rights of a cluster administrator"
    } else {
        "what was done so far stays; the same command goes on from there"
    }
}

/// A namespace empties in seconds; what takes longer is held by somebody's finalizer.
const GONE: Duration = Duration::from_secs(60);
const SERVED: Duration = Duration::from_secs(30);
const AGAIN: Duration = Duration::from_millis(200);
