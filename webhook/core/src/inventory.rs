//! Other objects that rules may look up: a cluster's caches, or the files beside the one being checked.

mod before;
mod stored;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use crate::request::GroupVersionKind;

pub use before::Before;
pub use stored::{Fields, StoreError, StoredInventory, StoredObject};

/// A future that the caller awaits on its own task.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A namespace's labels, or an object's.
pub type Labels = BTreeMap<String, String>;

/// Where look-ups are answered. Answers hold only the fields that the loaded rules declare, besides name, namespace, uid and labels.
pub trait Inventory: Send + Sync {
    /// Objects of one kind, by name or by label selector. The engine has checked that a rule declares the kind.
    fn find<'a>(&'a self, query: &'a Query<'a>) -> BoxFuture<'a, Found>;

    /// The labels of a namespace; `None` when it is not known here (never: "it has none").
    fn namespace_labels<'a>(&'a self, namespace: &'a str) -> BoxFuture<'a, Option<Arc<Labels>>>;
}

/// Objects in memory, which can be told apart before they become answers.
pub trait Store: Send + Sync {
    /// The objects that a query means; `None` when they cannot be known here. Whether it asks for live ones makes no difference.
    fn matching(&self, query: &Query<'_>) -> Option<Vec<Arc<StoredObject>>>;

    /// The labels of a namespace; `None` when it is not known here.
    fn labels_of(&self, namespace: &str) -> Option<Arc<Labels>>;
}

/// One look-up.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    /// Of which kind.
    pub kind: GroupVersionKind<'a>,
    /// `None`: a cluster-scoped kind, or all namespaces.
    pub namespace: Option<&'a str>,
    /// `None`: all of them.
    pub name: Option<&'a str>,
    /// Kubernetes' selector syntax.
    pub labels: Option<&'a str>,
    /// Ask the API server, not a cache.
    pub live: bool,
}

/// The answer to a look-up. *Absent* and *unknown* are different answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// JSON text of each; empty: known to be absent.
    Objects(Vec<Arc<str>>),
    /// The kind cannot be looked up here.
    Unknown,
}
