//! Reads what is stored, page by page, and says what this account may not read.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::api::apps::v1::StatefulSet as StoredSet;
use k8s_openapi::api::core::v1::{Namespace, Pod as StoredPod, Service as StoredService};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{DynamicObject, ListParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use stateward_manager_writes::Settings;
use stateward_sdk::contract::{MANAGER_ONLY, WRITES, carries_keys};
use stateward_sdk::objects::{Pod, parent_of};

use crate::client::is_forbidden;
use crate::follow::said;
use crate::wanted::resource;

/// What is stored in one namespace, as JSON where the rules' functions read it.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Which namespace.
    pub namespace: String,
    /// All its StatefulSets.
    pub sets: Vec<String>,
    /// Its pods, as far as they are, or seem to be, members of a set; `None`: they cannot be read.
    pub pods: Option<Vec<String>>,
    /// Its Services; `None`: they cannot be read.
    pub services: Option<Vec<String>>,
    /// Where Services lead; `None`: that cannot be read.
    pub endpoints: Option<Vec<Endpoint>>,
    /// What cannot be read.
    pub unread: Vec<Unread>,
    /// Of each policy that has the contract's rules; empty: the built-in ones.
    pub settings: Vec<Settings>,
}

/// One endpoint of one EndpointSlice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// Whose.
    pub service: String,
    /// In which EndpointSlice.
    pub slice: String,
    /// By Kubernetes' own controller.
    pub is_derived: bool,
    /// The pod that it names.
    pub pod: Option<String>,
    /// Where it is.
    pub addresses: Vec<String>,
    /// Traffic goes there.
    pub is_ready: bool,
}

/// A right that this account lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unread {
    /// Where.
    pub namespace: String,
    /// Such as `pods`, `endpointslices.discovery.k8s.io`.
    pub resource: &'static str,
}

/// Why nothing can be said at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The account may not see sets here.
    #[error("this account may not list `statefulsets.apps` in {place}\nhint: {hint}")]
    Forbidden {
        /// In words.
        place: String,
        /// What to do.
        hint: &'static str,
    },
    /// An answer that is no answer.
    #[error(
        "{what} cannot be read: {reason}\nhint: `kubectl version` with the same kubeconfig says whether the API server answers"
    )]
    Failed {
        /// Which kind.
        what: &'static str,
        /// What the client says.
        reason: String,
    },
}

/// StatefulSets as JSON, by namespace.
pub(super) type Sets = BTreeMap<String, Vec<String>>;

/// All sets of the namespaces where some set is of the contract, and the namespaces that cannot be looked into.
pub(super) async fn sets(client: &Client, namespace: Option<&str>) -> Result<(Sets, Vec<Unread>), Error> {
    let (mut sets, unread) = match namespace {
        Some(namespace) => sets_of(client, namespace).await?,
        None => sets_of_all(client).await?,
    };
    sets.retain(|_, sets| sets.iter().any(|set| may_be_governed(set)));
    Ok((sets, unread))
}

/// All sets of one namespace.
pub(super) async fn sets_of(client: &Client, namespace: &str) -> Result<(Sets, Vec<Unread>), Error> {
    match list(&Api::<StoredSet>::namespaced(client.clone(), namespace), SETS).await? {
        Some(stored) => {
            Ok((Sets::from([(namespace.to_owned(), stored.iter().filter_map(text).collect())]), Vec::new()))
        }
        None => Err(Error::Forbidden { place: format!("`{namespace}`"), hint: "the ClusterRole `view` allows it" }),
    }
}

/// All namespaces that this account may look into: at once, or one by one where it may only list their names.
async fn sets_of_all(client: &Client) -> Result<(Sets, Vec<Unread>), Error> {
    if let Some(stored) = list(&Api::<StoredSet>::all(client.clone()), SETS).await? {
        let mut sets = Sets::new();
        for set in stored {
            let namespace = set.namespace().unwrap_or_default();
            sets.entry(namespace).or_default().extend(text(&set));
        }
        return Ok((sets, Vec::new()));
    }
    let Some(namespaces) = list(&Api::<Namespace>::all(client.clone()), "Namespaces").await? else {
        let hint = "`--namespace NAMESPACE` looks into one";
        return Err(Error::Forbidden { place: "all namespaces".to_owned(), hint });
    };
    let (mut sets, mut unread) = (Sets::new(), Vec::new());
    for namespace in namespaces.iter().map(ResourceExt::name_any) {
        match list(&Api::<StoredSet>::namespaced(client.clone(), &namespace), SETS).await? {
            Some(stored) => _ = sets.insert(namespace, stored.iter().filter_map(text).collect()),
            None => unread.push(Unread { namespace, resource: "statefulsets.apps" }),
        }
    }
    Ok((sets, unread))
}

/// Everything around the sets of a namespace.
pub(super) async fn around(
    client: &Client,
    namespace: String,
    sets: Vec<String>,
    settings: Vec<Settings>,
) -> Result<Facts, Error> {
    let pods = list(&Api::<StoredPod>::namespaced(client.clone(), &namespace), "Pods").await?;
    let services = list(&Api::<StoredService>::namespaced(client.clone(), &namespace), "Services").await?;
    let slices = list(&Api::<EndpointSlice>::namespaced(client.clone(), &namespace), "EndpointSlices").await?;
    let mut unread = Vec::new();
    for (is_read, resource) in [
        (pods.is_some(), "pods"),
        (services.is_some(), "services"),
        (slices.is_some(), "endpointslices.discovery.k8s.io"),
    ] {
        if !is_read {
            unread.push(Unread { namespace: namespace.clone(), resource });
        }
    }
    Ok(Facts {
        namespace,
        sets,
        pods: pods.map(|pods| pods.iter().filter_map(text).filter(|pod| concerns_a_set(pod)).collect()),
        services: services.map(|services| services.iter().filter_map(text).collect()),
        endpoints: slices.map(|slices| slices.into_iter().flat_map(endpoints).collect()),
        unread,
        settings,
    })
}

/// The settings of the contract's rules. Who may not read policies is told what the built-in settings say: the one that matters here is which Services
/// are for reading, and an annotation says that of any Service.
pub(super) async fn settings(client: &Client) -> Vec<Settings> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource("WasmPolicy", "wasmpolicies"));
    let Ok(Ok(policies)) = tokio::time::timeout(PATIENCE, api.list(&ListParams::default())).await else {
        return Vec::new();
    };
    let selects = |policy: &&DynamicObject| {
        let rules = policy.data.pointer("/spec/rules").and_then(Value::as_array);
        rules.is_none_or(|rules| rules.iter().filter_map(Value::as_str).any(|rule| rule.starts_with(FAMILY)))
    };
    let settings = |policy: &DynamicObject| policy.data.pointer("/spec/settings").cloned().unwrap_or_else(|| json!({}));
    let settings = policies.items.iter().filter(selects).map(settings);
    settings.filter_map(|settings| serde_json::from_value(settings).ok()).collect()
}

/// All pages. `None`: this account may not.
async fn list<K>(api: &Api<K>, what: &'static str) -> Result<Option<Vec<K>>, Error>
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    let mut all = Vec::new();
    let mut next = ListParams::default().limit(PAGE);
    loop {
        let failed = |reason: String| Error::Failed { what, reason };
        let answer = tokio::time::timeout(PATIENCE, api.list(&next)).await;
        let page = match answer.map_err(|_| failed(format!("no answer within {} s", PATIENCE.as_secs())))? {
            Ok(page) => page,
            Err(error) if is_forbidden(&error) => return Ok(None),
            Err(error) => return Err(failed(said(&error))),
        };
        all.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => next.continue_token = Some(token),
            None => return Ok(Some(all)),
        }
    }
}

/// As it came; a type of the client's is always written.
fn text<K: Serialize>(object: &K) -> Option<String> {
    serde_json::to_string(object).ok()
}

/// Sets are read by the rules' own view later; this only saves requests to namespaces that have nothing to do with the contract.
fn may_be_governed(set: &str) -> bool {
    set.contains(WRITES) && set.contains(MANAGER_ONLY)
}

fn concerns_a_set(pod: &str) -> bool {
    let pod: Result<Pod<'_>, _> = serde_json::from_str(pod);
    pod.is_ok_and(|pod| {
        pod.metadata.controlling_set().is_some()
            || carries_keys(&pod.metadata)
            || parent_of(&pod.metadata.name).is_some()
    })
}

fn endpoints(slice: EndpointSlice) -> Vec<Endpoint> {
    let label = |key: &str| slice.metadata.labels.as_ref().and_then(|labels| labels.get(key)).cloned();
    let Some(service) = label("kubernetes.io/service-name") else { return Vec::new() };
    let is_derived = label("endpointslice.kubernetes.io/managed-by").as_deref() == Some(CONTROLLER);
    let name = slice.metadata.name.unwrap_or_default();
    let endpoint = |endpoint: k8s_openapi::api::discovery::v1::Endpoint| Endpoint {
        service: service.clone(),
        slice: name.clone(),
        is_derived,
        pod: endpoint.target_ref.filter(|target| target.kind.as_deref() == Some("Pod")).and_then(|target| target.name),
        addresses: endpoint.addresses,
        // Unknown is to be read as ready (`EndpointConditions`).
        is_ready: endpoint.conditions.and_then(|conditions| conditions.ready).unwrap_or(true),
    };
    slice.endpoints.into_iter().map(endpoint).collect()
}

/// As kubectl asks: an answer of some megabytes.
const PAGE: u32 = 500;

/// A page takes the API server less than a second; its own limit is a minute.
const PATIENCE: Duration = Duration::from_secs(30);

/// Kubernetes' own: it follows a Service's selector.
const CONTROLLER: &str = "endpointslice-controller.k8s.io";

const SETS: &str = "StatefulSets";

const FAMILY: &str = "manager-writes/";
