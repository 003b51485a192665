//! Other objects that rules may look up, as the cluster has them: each kind that a loaded rule declares is followed and kept cut to the declared
//! fields; pods are asked of the API server each time, since there are many and they change all the time.
//!
//! One [`ClusterInventory`] belongs to one set of policies and is never changed; kinds whose fields stay the same are shared with the one before.

mod cache;
mod live;
mod rights;

use std::collections::HashMap;
use std::sync::Arc;

use kube::Client;
use kube::api::DynamicObject;
use stateward_core::inventory::{BoxFuture, Fields, Found, Inventory, Labels, Query, StoredObject};
use stateward_core::manifest::Read;
use stateward_core::request::GroupVersionKind;

pub use crate::follow::Health;
use cache::Cache;
use live::Live;

/// Makes an inventory for each set of policies.
pub struct Inventories {
    client: Client,
    last: Option<Arc<ClusterInventory>>,
}

/// Answers look-ups of one set of policies.
pub struct ClusterInventory {
    caches: HashMap<GroupVersionKind<'static>, Arc<Cache>>,
    live: Live,
}

impl Inventories {
    /// Follows nothing yet.
    pub fn new(client: Client) -> Self {
        Self { client, last: None }
    }

    /// For a set of policies that looks up these kinds. What it does not share with the one before begins to sync.
    pub fn with(&mut self, reads: &[Read]) -> Arc<ClusterInventory> {
        let mut by_kind: HashMap<GroupVersionKind<'static>, Vec<Read>> = HashMap::new();
        // Namespaces are looked at for every request: their labels raise profiles and select policies.
        by_kind.insert(namespaces(), Vec::new());
        for read in reads {
            by_kind.entry(read.kind.clone()).or_default().push(read.clone());
        }
        let live = Live::new(self.client.clone(), reads);
        let last = self.last.as_ref();
        let caches = by_kind
            .into_iter()
            .filter(|(kind, _)| !is_never_cached(kind))
            .map(|(kind, reads)| {
                let same = last.and_then(|last| last.caches.get(&kind)).filter(|cache| cache.reads == reads);
                let cache = same.map_or_else(|| Arc::new(Cache::start(&self.client, &kind, reads)), Arc::clone);
                (kind, cache)
            })
            .collect();
        let inventory = Arc::new(ClusterInventory { caches, live });
        self.last = Some(Arc::clone(&inventory));
        inventory
    }
}

impl ClusterInventory {
    /// Waits until every kind is known, or is known not to be knowable.
    pub async fn settled(&self) {
        for cache in self.caches.values() {
            cache.settled().await;
        }
        self.live.settled().await;
    }

    /// Kinds that are not known as they are now, or cannot be asked for, with the reason; sorted by kind.
    pub fn problems(&self) -> Vec<(GroupVersionKind<'static>, Health)> {
        let mut problems: Vec<_> = self
            .caches
            .iter()
            .map(|(kind, cache)| (kind.clone(), cache.health()))
            .filter(|(_, health)| *health != Health::Synced)
            .chain(self.live.problems())
            .collect();
        problems.sort_by(|(a, _), (b, _)| a.cmp(b));
        problems
    }
}

impl Inventory for ClusterInventory {
    fn find<'a>(&'a self, query: &'a Query<'a>) -> BoxFuture<'a, Found> {
        let Some(cache) = self.cache(&query.kind).filter(|_| !query.live) else {
            return Box::pin(self.live.find(query));
        };
        match cache.find(query) {
            // A set that was created a moment ago may not have come in yet, and its pods are asked about at once.
            Found::Objects(objects) if objects.is_empty() && query.name.is_some() && is_asked_twice(&query.kind) => {
                Box::pin(async {
                    match self.live.find(query).await {
                        Found::Unknown => Found::Objects(Vec::new()),
                        found @ Found::Objects(_) => found,
                    }
                })
            }
            found => Box::pin(std::future::ready(found)),
        }
    }

    fn namespace_labels<'a>(&'a self, namespace: &'a str) -> BoxFuture<'a, Option<Arc<Labels>>> {
        match self.followed_labels(namespace) {
            Some(labels) => Box::pin(std::future::ready(Some(labels))),
            // One that was created a moment ago; and where namespaces cannot be followed, the API server is asked each time.
            None => Box::pin(self.live.namespace_labels(namespace)),
        }
    }
}

impl ClusterInventory {
    /// Whether all objects of the kind are known without asking anybody.
    pub(crate) fn follows(&self, kind: &GroupVersionKind<'_>) -> bool {
        self.cache(kind).is_some_and(|cache| cache.health().is_known())
    }

    /// What is followed of a kind, whether or not the query asks for live objects; `None` where it is not known.
    pub(crate) fn followed(&self, query: &Query<'_>) -> Option<Vec<Arc<StoredObject>>> {
        self.cache(&query.kind)?.matching(query)
    }

    /// The labels of a namespace that is followed.
    pub(crate) fn followed_labels(&self, namespace: &str) -> Option<Arc<Labels>> {
        self.cache(&namespaces())?.labels_of(namespace)
    }

    fn cache<'a>(&'a self, kind: &'a GroupVersionKind<'a>) -> Option<&'a Arc<Cache>> {
        let caches: &HashMap<GroupVersionKind<'a>, Arc<Cache>> = &self.caches;
        caches.get(kind)
    }
}

/// Cut to what look-ups may answer. `None` for what no real API server sends.
fn cut(object: &DynamicObject, kind: &GroupVersionKind<'_>, fields: &Fields) -> Option<StoredObject> {
    let GroupVersionKind { group, version, kind } = kind;
    let mut value = serde_json::to_value(object).ok()?;
    let members = value.as_object_mut()?;
    let api_version = if group.is_empty() { version.to_string() } else { format!("{group}/{version}") };
    // Objects of a list carry no kind of their own.
    members.insert("apiVersion".to_owned(), api_version.into());
    members.insert("kind".to_owned(), kind.to_string().into());
    StoredObject::read(&value.to_string(), None, fields).ok()
}

fn namespaces() -> GroupVersionKind<'static> {
    GroupVersionKind { group: "".into(), version: "v1".into(), kind: "Namespace".into() }
}

/// 100 nodes have 10,000 pods that change every few seconds, and 100 leases that change every ten.
fn is_never_cached(kind: &GroupVersionKind<'_>) -> bool {
    matches!((kind.group.as_ref(), kind.kind.as_ref()), ("", "Pod") | ("coordination.k8s.io", "Lease"))
}

fn is_asked_twice(kind: &GroupVersionKind<'_>) -> bool {
    kind.group == "apps" && kind.kind == "StatefulSet"
}
