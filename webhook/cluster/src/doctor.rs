//! Looks at an installation from outside, as a person's account: what is registered, who leads, what is ready, what is missing.

mod rights;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::WebhookClientConfig;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DynamicObject, ListParams};
use kube::{Api, Client};
use serde_json::Value;
use stateward_core::contract::{self, CONTROLLER_ACCOUNT};
use stateward_core::resources::WasmPolicySpec;

use crate::certificates::{CaBundle, expiry};
use crate::client::is_not_found;
use crate::crds::status::WasmPolicyStatus;
use crate::follow::said;
use crate::names;
use crate::registration::{self, Paused};
use crate::status::READY;
use crate::wanted::resource;
use crate::webhooks::Entry;

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examination {
    /// What is, each with a heading.
    pub facts: Vec<(&'static str, String)>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What, with the value.
    pub what: String,
    /// What to do.
    pub hint: String,
}

impl Examination {
    fn fact(&mut self, heading: &'static str, words: impl Into<String>) {
        self.facts.push((heading, words.into()));
    }

    fn finding(&mut self, what: impl Into<String>, hint: impl Into<String>) {
        self.findings.push(Finding { what: what.into(), hint: hint.into() });
    }
}

/// Examines all of it. Fails only where the API server does not let us see the registration.
pub async fn examine(client: &Client, namespace: &str, now: Timestamp) -> Result<Examination, registration::Error> {
    let mut seen = Examination::default();
    let state = registration::state(client, namespace).await?;
    if is_nothing_here(client, namespace, &state).await {
        seen.finding(
            format!("Stateward is not installed in namespace `{namespace}`: there is no Deployment, and nothing is registered"),
            "`stateward install` installs it; `--namespace` names another namespace",
        );
        return Ok(seen);
    }
    registered(&state, now, &mut seen);
    ending(client, namespace, &mut seen).await;
    replicas(client, namespace, now, &mut seen).await;
    policies(client, state.failing.contains(&Entry::ValidateClosed), &mut seen).await;
    for missing in rights::missing(client, namespace).await {
        seen.finding(
            format!("`system:serviceaccount:{namespace}:{}` may not {missing}", names::APP),
            "apply again what you installed: deploy/base, your overlay of it, or the chart",
        );
    }
    Ok(seen)
}

async fn is_nothing_here(client: &Client, namespace: &str, state: &registration::State) -> bool {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let is_registered = state.mutating.is_some() || state.validating.is_some() || state.guard.is_some();
    !state.is_known && !is_registered && matches!(deployments.get_opt(names::APP).await, Ok(None))
}

/// Of our namespace: what is in it goes first, and a single finalizer keeps the rest.
async fn ending(client: &Client, namespace: &str, seen: &mut Examination) {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    if let Ok(Some(found)) = namespaces.get_opt(namespace).await
        && let Some(since) = found.metadata.deletion_timestamp
    {
        let conditions = found.status.and_then(|status| status.conditions).unwrap_or_default();
        let held =
            conditions.into_iter().filter(|condition| condition.status == "True").filter_map(|held| held.message);
        seen.finding(
            format!(
                "namespace `{namespace}` is being deleted since {}: {}",
                since.0,
                held.collect::<Vec<_>>().join("; ")
            ),
            "remove what holds it; until then delete by hand what is still registered",
        );
    }
}

fn registered(state: &registration::State, now: Timestamp, seen: &mut Examination) {
    let mut bundles: Vec<Vec<u8>> = Vec::new();
    let mut entry = |name: &str, policy: Option<&str>, config: &WebhookClientConfig| {
        bundles.push(config.ca_bundle.as_ref().map(|bundle| bundle.0.clone()).unwrap_or_default());
        format!("{name} {}", policy.unwrap_or("Fail"))
    };
    let mut entries = Vec::new();
    for webhook in state.mutating.iter().flat_map(|of| of.webhooks.iter().flatten()) {
        entries.push(entry(&webhook.name, webhook.failure_policy.as_deref(), &webhook.client_config));
    }
    for webhook in state.validating.iter().flat_map(|of| of.webhooks.iter().flatten()) {
        entries.push(entry(&webhook.name, webhook.failure_policy.as_deref(), &webhook.client_config));
    }
    seen.fact("registered", if entries.is_empty() { "nothing".to_owned() } else { entries.join(", ") });
    let guard = if state.guard.is_some() {
        "judges, also while no replica answers"
    } else {
        "judges nothing: it is bound while both validate-closed and validate-fail refuse and a policy enforces the contract"
    };
    seen.fact("guard", guard);
    match &state.paused {
        Some(paused @ Paused::Deleted { .. }) => seen.finding(
            paused.to_string(),
            "`stateward resume` puts it back, and so does `kubectl rollout restart` of our Deployment",
        ),
        Some(paused) => seen.finding(paused.to_string(), "`stateward resume` ends it"),
        None if entries.is_empty() => seen.finding(
            "no webhook is registered: nothing is enforced",
            "a replica that is ready registers; `kubectl logs` of the leader says what it waits for",
        ),
        None => {}
    }
    let waits = |wanted: Entry| {
        let is_there = state.validating.iter().flat_map(|of| of.webhooks.iter().flatten());
        is_there.into_iter().any(|webhook| webhook.name == wanted.name()) && !state.failing.contains(&wanted)
    };
    if waits(Entry::ValidateFail) {
        seen.finding(
            format!("{} is still registered with `Ignore`: the API server has not reached a replica yet", Entry::ValidateFail.name()),
            "the leader asks by a dry run every 30 s; if it stays so, the API server has no route or no trust to the Service, or our account may not create StatefulSets in the probe's namespace: `/policies` of the leader says which",
        );
    }
    if waits(Entry::ValidateClosed) {
        seen.fact(
            "awaited",
            format!(
                "the first member that the StatefulSet controller makes, to register {} with `Fail`",
                Entry::ValidateClosed.name()
            ),
        );
    }
    bundles.sort_unstable();
    bundles.dedup();
    for bundle in &bundles {
        authority(bundle, now, seen);
    }
    if bundles.len() > 1 {
        seen.finding(
            "the entries have different `caBundle`s",
            "the leader makes them equal within a minute; see its log",
        );
    }
}

fn authority(bundle: &[u8], now: Timestamp, seen: &mut Examination) {
    let text = String::from_utf8_lossy(bundle);
    let Some(read) = CaBundle::read(&text) else {
        return seen.finding(
            "an entry has no `caBundle`: the API server trusts its own authorities alone",
            "right only where the certificate is given by `--tls-dir` and signed by one of them",
        );
    };
    let Some(expires) = expiry(&read.pem) else { return };
    seen.fact("authority", format!("{} in `caBundle`, good until {expires}", read.authorities));
    if expires < now {
        seen.finding(
            format!("the authority in `caBundle` has expired at {expires}"),
            "is a leader alive? It renews four months before",
        );
    }
}

async fn replicas(client: &Client, namespace: &str, now: Timestamp, seen: &mut Examination) {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    match deployments.get_opt(names::APP).await {
        Ok(Some(deployment)) => {
            let wanted = deployment.spec.and_then(|spec| spec.replicas).unwrap_or(1);
            let ready = deployment.status.and_then(|status| status.ready_replicas).unwrap_or(0);
            seen.fact("replicas", format!("{ready} of {wanted} ready"));
            if ready < wanted || wanted == 0 {
                seen.finding(
                    format!("{ready} of {wanted} replicas are ready"),
                    format!(
                        "`kubectl -n {namespace} get pods`, and `/policies` of one that is not: it says what is missing"
                    ),
                );
            }
        }
        Ok(None) => {
            seen.fact("replicas", format!("no Deployment `{}` in `{namespace}`: outside the cluster", names::APP))
        }
        Err(error) => seen
            .finding(format!("the Deployment cannot be read: {}", said(&error)), "with more rights more can be said"),
    }
    let leases: Api<Lease> = Api::namespaced(client.clone(), namespace);
    let spec = leases.get_opt(names::APP).await.ok().flatten().and_then(|lease| lease.spec);
    let holder = spec.as_ref().and_then(|spec| spec.holder_identity.clone()).filter(|holder| !holder.is_empty());
    let renewed = spec.and_then(|spec| spec.renew_time).map(|time| time.0);
    match (holder, renewed) {
        (Some(holder), Some(renewed)) if now.duration_since(renewed).as_secs() < LOST => {
            seen.fact("leader", holder.split_once('_').map_or(holder.as_str(), |(pod, _)| pod));
        }
        _ => seen.finding(
            "nobody leads: certificates are not renewed, edits are not restored",
            format!("`kubectl -n {namespace} logs deployment/{}` says why", names::APP),
        ),
    }
}

async fn policies(client: &Client, is_member_seen: bool, seen: &mut Examination) {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource("WasmPolicy", "wasmpolicies"));
    let list = match api.list(&ListParams::default()).await {
        Ok(list) => list.items,
        Err(error) if is_not_found(&error) => {
            return seen
                .finding("the cluster has no `wasmpolicies.stateward.dev`", "`stateward install` or deploy/crds");
        }
        Err(error) => {
            return seen
                .finding(format!("policies cannot be listed: {}", said(&error)), "get and list on wasmpolicies");
        }
    };
    let mut ready = 0;
    let mut modes: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut controllers = BTreeSet::from([CONTROLLER_ACCOUNT.to_owned()]);
    for policy in &list {
        let name = policy.metadata.name.as_deref().unwrap_or_default();
        let spec = policy.data.get("spec").cloned().unwrap_or_default();
        if let Ok(spec) = serde_json::from_value::<WasmPolicySpec>(spec) {
            modes.entry(format!("{:?}", spec.mode)).or_default().push(name);
            contract::adjust(&mut controllers, &Value::Object(spec.settings));
        }
        let status = policy.data.get("status").cloned().unwrap_or_default();
        let status: WasmPolicyStatus = serde_json::from_value(status).unwrap_or_default();
        let condition = |kind: &str| status.conditions.iter().find(|condition| condition.kind == kind);
        match condition(READY) {
            Some(condition) if condition.status == "True" => ready += 1,
            Some(condition) => seen.finding(
                format!("WasmPolicy `{name}` is not ready: {}", condition.message),
                format!("`kubectl describe wasmpolicy {name}`"),
            ),
            None => seen.finding(format!("WasmPolicy `{name}` was not read by any replica"), "is one running?"),
        }
        if let Some(degraded) = condition("Degraded").filter(|condition| condition.status == "True") {
            seen.finding(
                format!("WasmPolicy `{name}`: {}", degraded.message),
                "grant get, list and watch on it to the ClusterRole `stateward`; no restart is needed",
            );
        }
    }
    let modes = modes.into_iter().map(|(mode, names)| format!("; {mode}: {}", names.join(", ")));
    seen.fact("policies", format!("{ready} of {} ready{}", list.len(), modes.collect::<String>()));
    let controllers: Vec<String> = controllers.into_iter().collect();
    let is_seen = if is_member_seen { "one was seen to make a member" } else { "none was seen to make a member yet" };
    seen.fact("controllers", format!("{}; {is_seen}", controllers.join(", ")));
    if list.is_empty() {
        seen.finding("there is no WasmPolicy: nothing is enforced", "`stateward install` brings the five shipped ones");
    }
}

/// Twice the duration of the Lease.
const LOST: i64 = 30;
