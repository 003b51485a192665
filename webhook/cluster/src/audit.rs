//! What already runs: every stored object that rules judge, page by page, and the others that they look up, as they were when they were read.
//!
//! The rules are asked through [`stateward_core::admit::validate`], as everybody asks them.

mod judge;
mod others;
mod outcome;
mod pages;
mod served;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use http::Request;
use kube::Client;
use serde_json::value::RawValue;
use stateward_core::inventory::{Fields, Store, StoredInventory, StoredObject};
use stateward_core::manifest::Read;
use stateward_core::request::{GroupVersionKind, GroupVersionResource};

use crate::client::{is_forbidden, is_not_found};
use crate::follow::said;
use crate::inventory::ClusterInventory;
use crate::names::UNASKED;
pub use judge::Judge;
use others::Others;
pub use outcome::{Audited, Counts, Outcome, Storing};
use pages::Pages;
use served::{Kind, Served};

/// Which objects are looked at.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// `None`: all namespaces, and what has none.
    pub namespace: Option<String>,
    /// Kubernetes' selector syntax; of the objects that are judged, not of those that are looked up.
    pub labels: Option<String>,
    /// A namespace that requests are not sent to us from beside [`UNASKED`]: the product's own.
    pub unasked: Option<String>,
}

/// One object as it is stored.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Group, version and kind.
    pub kind: GroupVersionKind<'static>,
    /// Where it is served.
    pub resource: GroupVersionResource<'static>,
    /// `None` for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// JSON text, with `apiVersion` and `kind`.
    pub json: String,
}

/// A kind that could not be listed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unread {
    /// Such as `statefulsets.apps`.
    pub resource: String,
    /// `None`: in all namespaces.
    pub namespace: Option<String>,
    /// What the API server says; `None`: this account may not.
    pub reason: Option<String>,
}

/// The API server gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "{resource} cannot be listed: {reason}\nhint: `kubectl version` with the same kubeconfig says whether the API server answers"
)]
pub struct ScanError {
    /// Such as `statefulsets.apps`.
    pub resource: String,
    /// What the client says.
    pub reason: String,
}

/// Reads one cluster.
pub struct Scanner {
    client: Client,
    served: Served,
    scope: Scope,
}

impl Scanner {
    /// Asks nobody yet.
    pub fn new(client: Client, scope: Scope) -> Self {
        Self { served: Served::new(client.clone()), client, scope }
    }

    /// Every object of these kinds, cut to what rules read of it. A kind that is not served here has no objects; one that may not be listed
    /// is unknown, and answered as well. Costs one request for 500 objects, and memory for what is kept.
    pub async fn others(&mut self, reads: &[Read]) -> Result<(Arc<dyn Store>, Vec<Unread>), ScanError> {
        let (listed, unread) = self.list(reads, |_| true).await?;
        Ok((Arc::new(listed), unread))
    }

    /// The same where most kinds are followed anyway: those are read where they are, as they are then, and only the others are listed.
    /// With 25,000 objects that are followed it saves 55 MB.
    pub async fn others_beside(
        &mut self,
        reads: &[Read],
        followed: Arc<ClusterInventory>,
    ) -> Result<(Arc<dyn Store>, Vec<Unread>), ScanError> {
        let (listed, unread) = self.list(reads, |kind| !followed.follows(kind)).await?;
        Ok((Arc::new(Others { followed, listed }), unread))
    }

    async fn list(
        &mut self,
        reads: &[Read],
        is_wanted: impl Fn(&GroupVersionKind<'_>) -> bool,
    ) -> Result<(StoredInventory, Vec<Unread>), ScanError> {
        let fields = Fields::new(reads);
        let mut kinds: BTreeSet<GroupVersionKind<'static>> = reads.iter().map(|read| read.kind.clone()).collect();
        // Their labels raise profiles and select policies.
        kinds.insert(GroupVersionKind { group: "".into(), version: "v1".into(), kind: "Namespace".into() });
        let (mut inventory, mut unread) = (StoredInventory::default(), Vec::new());
        for kind in kinds.into_iter().filter(|kind| is_wanted(kind)) {
            let Some(served) = self.served.kind(&kind).await? else {
                inventory.know_everywhere(&kind);
                continue;
            };
            let mut pages = Pages::new(served.path(self.scope.namespace.as_deref()), None);
            loop {
                match pages.next(&self.client).await {
                    Ok(Some(items)) => {
                        for item in &items {
                            keep(item, &kind, &fields, &mut inventory);
                        }
                    }
                    Ok(None) => break self.know(&kind, &served, &mut inventory),
                    // Nobody knows what is there: look-ups say so.
                    Err(error) if is_not_found(&error) => break self.know(&kind, &served, &mut inventory),
                    Err(error) => break unread.push(self.unread(&served, &error)?),
                }
            }
        }
        Ok((inventory, unread))
    }

    /// The objects of one resource, at most 500 at a time, in the order of namespace and name. `each` is done with a page before the next is asked for.
    /// Answers how many there were, or what may not be listed.
    pub async fn objects(
        &mut self,
        resource: &GroupVersionResource<'static>,
        mut each: impl AsyncFnMut(Vec<Stored>),
    ) -> Result<Result<usize, Unread>, ScanError> {
        let Some(served) = self.served.resource(resource).await? else { return Ok(Ok(0)) };
        // What has no namespace is in none.
        if self.scope.namespace.is_some() && !served.is_namespaced {
            return Ok(Ok(0));
        }
        let mut pages = Pages::new(served.path(self.scope.namespace.as_deref()), self.scope.labels.as_deref());
        let mut count = 0;
        loop {
            match pages.next(&self.client).await {
                Ok(Some(items)) => {
                    let stored: Vec<Stored> = items
                        .into_iter()
                        .filter_map(|item| stored(&item, &served))
                        .filter(|stored| self.is_asked_about(stored))
                        .collect();
                    count += stored.len();
                    each(stored).await;
                }
                Ok(None) => return Ok(Ok(count)),
                Err(error) if is_not_found(&error) => return Ok(Ok(count)),
                Err(error) => return Ok(Err(self.unread(&served, &error)?)),
            }
        }
    }

    fn know(&self, kind: &GroupVersionKind<'_>, served: &Kind, inventory: &mut StoredInventory) {
        match &self.scope.namespace {
            Some(namespace) if served.is_namespaced => inventory.know(kind, Some(namespace)),
            _ => inventory.know_everywhere(kind),
        }
    }

    /// What the API server refuses is not known, and the rest of the scan goes on. Without an API server there is nothing to go on with.
    fn unread(&self, served: &Kind, error: &kube::Error) -> Result<Unread, ScanError> {
        let reason = match error {
            error if is_forbidden(error) => None,
            kube::Error::Api(_) => Some(said(error)),
            _ => return Err(failed(served, error)),
        };
        let namespace = self.scope.namespace.clone().filter(|_| served.is_namespaced);
        Ok(Unread { resource: served.title(), namespace, reason })
    }

    /// Whether the API server asks about what is there: of the machinery's namespaces and ours it does not.
    fn is_asked_about(&self, stored: &Stored) -> bool {
        let is_namespace = stored.kind.group.is_empty() && stored.kind.kind == "Namespace";
        let namespace = if is_namespace { Some(&stored.name) } else { stored.namespace.as_ref() };
        namespace.is_none_or(|namespace| {
            self.scope.unasked.as_ref() != Some(namespace) && !UNASKED.contains(&namespace.as_str())
        })
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resource, namespace, reason } = self;
        let place =
            namespace.as_ref().map_or_else(|| "all namespaces".to_owned(), |namespace| format!("`{namespace}`"));
        match reason {
            None => write!(f, "this account may not list `{resource}` in {place}"),
            Some(reason) => write!(f, "`{resource}` cannot be listed in {place}: {reason}"),
        }
    }
}

/// What cannot be read of a kind makes it unknown in its namespace.
fn keep(item: &RawValue, kind: &GroupVersionKind<'_>, fields: &Fields, inventory: &mut StoredInventory) {
    let json = with_kind(item.get(), kind);
    match StoredObject::read(&json, None, fields) {
        Ok(object) => inventory.insert(object.into()),
        Err(_) => {
            let namespace = pages::Head::of(item.get()).and_then(|head| head.metadata.namespace);
            inventory.insert_unreadable(kind, namespace.as_deref());
        }
    }
}

fn stored(item: &RawValue, served: &Kind) -> Option<Stored> {
    let pages::Metadata { namespace, name, uid } = pages::Head::of(item.get())?.metadata;
    let (kind, resource) = (served.kind.clone(), served.resource.clone());
    let uid = uid.unwrap_or_default();
    Some(Stored { json: with_kind(item.get(), &kind), kind, resource, namespace, name: name?, uid })
}

/// Objects of a list carry no `apiVersion` and `kind` of their own, but for those of custom resources.
fn with_kind(json: &str, kind: &GroupVersionKind<'_>) -> String {
    let has_kind = pages::Head::of(json).is_some_and(|head| head.kind.is_some());
    match json.trim_start().strip_prefix('{') {
        Some(members) if !has_kind => {
            let GroupVersionKind { group, version, kind } = kind;
            let api_version = if group.is_empty() { version.to_string() } else { format!("{group}/{version}") };
            let separator = if members.trim_start().starts_with('}') { "" } else { "," };
            format!(r#"{{"apiVersion":"{api_version}","kind":"{kind}"{separator}{members}"#)
        }
        _ => json.to_owned(),
    }
}

fn failed(served: &Kind, error: &kube::Error) -> ScanError {
    ScanError { resource: served.title(), reason: said(error) }
}

/// A GET without a body.
fn get(path: &str) -> Result<Request<Vec<u8>>, kube::Error> {
    Request::get(path).body(Vec::new()).map_err(kube::Error::HttpError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_of_a_list_get_their_kind() {
        let kind = GroupVersionKind { group: "apps".into(), version: "v1".into(), kind: "StatefulSet".into() };
        assert_eq!(
            with_kind(r#"{"metadata":{"name":"db"}}"#, &kind),
            r#"{"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"db"}}"#
        );
        assert_eq!(with_kind("{}", &kind), r#"{"apiVersion":"apps/v1","kind":"StatefulSet"}"#);
        let custom = r#"{"apiVersion":"a/v1","kind":"B","metadata":{}}"#;
        assert_eq!(with_kind(custom, &kind), custom);
    }
}
