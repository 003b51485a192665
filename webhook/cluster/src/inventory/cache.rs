//! All objects of one kind, followed.

use std::sync::{Arc, PoisonError, RwLock};

use kube::api::DynamicObject;
use kube::core::GroupVersionKind as KubeKind;
use kube::discovery;
use kube::runtime::watcher;
use kube::{Api, Client};
use stateward_core::inventory::{Fields, Found, Labels, Query, Store, StoredInventory, StoredObject};
use stateward_core::manifest::Read;
use stateward_core::request::GroupVersionKind;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::cut;
use crate::client::{is_forbidden, is_not_found};
use crate::follow::{self, Follower, Health};

/// Follows its kind until it is dropped.
pub(super) struct Cache {
    /// What the rules declare of it.
    pub(super) reads: Vec<Read>,
    objects: Arc<RwLock<StoredInventory>>,
    health: watch::Receiver<Health>,
    task: AbortHandle,
}

impl Cache {
    pub(super) fn start(client: &Client, kind: &GroupVersionKind<'static>, reads: Vec<Read>) -> Self {
        let objects = Arc::new(RwLock::new(StoredInventory::default()));
        let (health, receiver) = watch::channel(Health::default());
        let following = Following {
            kind: kind.clone(),
            fields: fields(kind, &reads),
            objects: Arc::clone(&objects),
            listed: StoredInventory::default(),
        };
        let task = tokio::spawn(run(client.clone(), following, health)).abort_handle();
        Self { reads, objects, health: receiver, task }
    }

    pub(super) fn health(&self) -> Health {
        self.health.borrow().clone()
    }

    pub(super) async fn settled(&self) {
        // The sender is dropped with the task only, and that with this.
        let _ = self.health.clone().wait_for(Health::is_settled).await;
    }

    pub(super) fn find(&self, query: &Query<'_>) -> Found {
        match self.matching(query) {
            None => Found::Unknown,
            Some(objects) => Found::Objects(objects.iter().filter_map(|object| object.answer(query)).collect()),
        }
    }

    pub(super) fn matching(&self, query: &Query<'_>) -> Option<Vec<Arc<StoredObject>>> {
        self.objects.read().unwrap_or_else(PoisonError::into_inner).matching(query)
    }

    pub(super) fn labels_of(&self, namespace: &str) -> Option<Arc<Labels>> {
        self.objects.read().unwrap_or_else(PoisonError::into_inner).labels_of(namespace)
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Finds out what the kind is called, then follows it.
async fn run(client: Client, following: Following, health: watch::Sender<Health>) {
    let GroupVersionKind { group, version, kind } = &following.kind;
    let of = KubeKind::gvk(group, version, kind);
    let mut wait = RETRY_MIN;
    let resource = loop {
        match discovery::pinned_kind(&client, &of).await {
            Ok((resource, _)) => break resource,
            Err(error) => {
                let reason = match &error {
                    error if is_forbidden(error) => format!("this account may not discover `{group}/{version}`"),
                    error if is_not_found(error) => format!("the cluster has no `{group}/{version} {kind}`"),
                    kube::Error::Discovery(_) => format!("the cluster has no `{group}/{version} {kind}`"),
                    error => follow::said(error),
                };
                let is_final =
                    is_forbidden(&error) || is_not_found(&error) || matches!(error, kube::Error::Discovery(_));
                if is_final {
                    health.send_replace(Health::Unknown { reason });
                }
            }
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(RETRY_MAX);
    };
    let what = if group.is_empty() { resource.plural.clone() } else { format!("{}.{group}", resource.plural) };
    let api: Api<DynamicObject> = Api::all_with(client, &resource);
    follow::follow(api, watcher::Config::default().page_size(PAGE), &what, following, &health).await;
}

/// Cuts what comes in and stores it.
struct Following {
    kind: GroupVersionKind<'static>,
    fields: Fields,
    objects: Arc<RwLock<StoredInventory>>,
    listed: StoredInventory,
}

impl Following {
    fn cut(&self, object: &DynamicObject) -> Option<Arc<StoredObject>> {
        cut(object, &self.kind, &self.fields).map(Arc::new)
    }

    fn insert(&self, into: &mut StoredInventory, object: &DynamicObject) {
        match self.cut(object) {
            Some(object) => into.insert(object),
            // Not from a real API server; but then, nobody knows what is there.
            None => into.insert_unreadable(&self.kind, object.metadata.namespace.as_deref()),
        }
    }
}

impl Follower for Following {
    fn begin(&mut self) {
        self.listed = StoredInventory::default();
    }

    fn listed(&mut self, object: DynamicObject) {
        let mut listed = std::mem::take(&mut self.listed);
        self.insert(&mut listed, &object);
        self.listed = listed;
    }

    fn complete(&mut self) {
        let mut listed = std::mem::take(&mut self.listed);
        listed.know_everywhere(&self.kind);
        *self.objects.write().unwrap_or_else(PoisonError::into_inner) = listed;
    }

    fn applied(&mut self, object: DynamicObject) {
        let cut = self.cut(&object);
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        match cut {
            Some(object) => objects.insert(object),
            None => objects.insert_unreadable(&self.kind, object.metadata.namespace.as_deref()),
        }
    }

    fn deleted(&mut self, object: &DynamicObject) {
        let Some(name) = object.metadata.name.as_deref() else { return };
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        objects.remove(&self.kind, object.metadata.namespace.as_deref(), name);
    }
}

/// Of a kind that no rule reads (namespaces, most often) name and labels are kept all the same.
fn fields(kind: &GroupVersionKind<'static>, reads: &[Read]) -> Fields {
    if reads.is_empty() {
        let labels_only = Read { kind: kind.clone(), fields: Vec::new(), by_name: false, live: false };
        return Fields::new(&[labels_only]);
    }
    Fields::new(reads)
}

/// Objects of one page are in memory in full: 200 large StatefulSets are 3 MB.
const PAGE: u32 = 200;
const RETRY_MIN: std::time::Duration = std::time::Duration::from_millis(500);
const RETRY_MAX: std::time::Duration = std::time::Duration::from_secs(30);
