//! An Inventory in memory: objects from files now, from watches later.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;

use super::{BoxFuture, Found, Inventory, Labels, Query, Store};
use crate::labels::Selector;
use crate::manifest::Read;
use crate::object::Head;
use crate::pointer;
use crate::prune::{Budget, Paths};
use crate::request::GroupVersionKind;

/// Which fields of which kinds are kept: the union of what the loaded rules declare, besides name, namespace, uid and labels.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    kinds: HashMap<GroupVersionKind<'static>, Kept>,
}

/// Of one kind. A StatefulSet with all that rules read of one is 3.8 KB on average of 337 real ones; what is read of many is 0.8 KB.
#[derive(Clone, Debug, Default)]
struct Kept {
    named: Paths,
    listed: Paths,
}

impl Fields {
    /// Of the loaded rules: [`crate::policy_set::PolicySet::reads`].
    pub fn new(reads: &[Read]) -> Self {
        let mut kinds: HashMap<GroupVersionKind<'static>, Kept> = HashMap::new();
        for read in reads {
            let kept = kinds.entry(read.kind.clone()).or_insert_with(|| {
                let mut paths = Paths::default();
                for always in [
                    "/apiVersion",
                    "/kind",
                    "/metadata/name",
                    "/metadata/namespace",
                    "/metadata/uid",
                    "/metadata/labels",
                ] {
                    paths.add(pointer::tokens(always));
                }
                Kept { named: paths.clone(), listed: paths }
            });
            for field in &read.fields {
                kept.named.add(pointer::tokens(field));
                if !read.by_name {
                    kept.listed.add(pointer::tokens(field));
                }
            }
        }
        Self { kinds }
    }
}

/// One object, cut to what look-ups may answer.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredObject {
    /// What it is.
    pub kind: GroupVersionKind<'static>,
    /// `None` for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Arc<Labels>,
    /// `None` for a kind that no rule declares.
    answers: Option<Answers>,
}

/// JSON texts. The same one twice where no rule reads more of one than of many.
#[derive(Clone, Debug, PartialEq)]
struct Answers {
    named: Arc<str>,
    listed: Arc<str>,
}

/// JSON that is not an object of Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Not JSON, or metadata of a wrong type.
    #[error("not a Kubernetes object: {reason}")]
    Unreadable {
        /// What the reader says.
        reason: String,
    },
    /// `apiVersion`, `kind` or `metadata.name` is absent or empty.
    #[error("the object has no `{field}`")]
    Missing {
        /// Which.
        field: &'static str,
    },
}

impl StoredObject {
    /// Reads and cuts an object. `namespace` counts where the object itself names none: the caller knows whether its kind has namespaces.
    pub fn read(json: &str, namespace: Option<&str>, fields: &Fields) -> Result<Self, StoreError> {
        let head: Head<'_> =
            serde_json::from_str(json).map_err(|error| StoreError::Unreadable { reason: error.to_string() })?;
        let missing = |field| StoreError::Missing { field };
        let api_version = head.api_version.as_ref().filter(|text| !text.0.is_empty()).ok_or(missing("apiVersion"))?;
        let kind = head.kind.as_ref().filter(|text| !text.0.is_empty()).ok_or(missing("kind"))?;
        let (group, version) = api_version.0.split_once('/').unwrap_or(("", &api_version.0));
        let kind = GroupVersionKind {
            group: group.to_owned().into(),
            version: version.to_owned().into(),
            kind: kind.0.to_string().into(),
        };
        let metadata = head.metadata.as_ref().ok_or(missing("metadata"))?;
        let name = metadata.name.as_ref().filter(|text| !text.0.is_empty()).ok_or(missing("metadata.name"))?;
        let own_namespace = metadata.namespace.as_ref().map(|text| text.0.as_ref()).filter(|text| !text.is_empty());
        let namespace = own_namespace.or(namespace).map(str::to_owned);
        let mut labels: Labels =
            head.labels().unwrap_or_default().iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        if is_namespace(&kind) {
            // The API server always writes this one.
            labels.insert(NAME_LABEL.to_owned(), name.0.to_string());
        }
        let answers = match fields.kinds.get(&kind) {
            None => None,
            Some(kept) => {
                let named = cut(json, &kept.named, namespace.as_deref())?;
                let listed = if kept.named == kept.listed {
                    Arc::clone(&named)
                } else {
                    cut(&named, &kept.listed, namespace.as_deref())?
                };
                Some(Answers { named, listed })
            }
        };
        Ok(Self { name: name.0.to_string(), kind, namespace, labels: Arc::new(labels), answers })
    }

    /// What a look-up is answered, as JSON text; `None` for a kind that no rule declares.
    pub fn answer(&self, query: &Query<'_>) -> Option<Arc<str>> {
        let answers = self.answers.as_ref()?;
        Some(Arc::clone(if query.name.is_some() { &answers.named } else { &answers.listed }))
    }
}

/// The wanted fields as JSON text, with the namespace where it was only implied.
fn cut(json: &str, paths: &Paths, namespace: Option<&str>) -> Result<Arc<str>, StoreError> {
    let mut value =
        paths.read(json, UNLIMITED).map_err(|error| StoreError::Unreadable { reason: error.to_string() })?;
    if let (Some(namespace), Some(metadata)) = (namespace, value.get_mut("metadata").and_then(Value::as_object_mut)) {
        metadata.insert("namespace".to_owned(), Value::from(namespace));
    }
    Ok(value.to_string().into())
}

/// Objects by kind, namespace and name.
#[derive(Clone, Debug, Default)]
pub struct StoredInventory {
    kinds: HashMap<GroupVersionKind<'static>, Kind>,
    namespaces: HashMap<String, Arc<Labels>>,
}

#[derive(Clone, Debug, Default)]
struct Kind {
    objects: BTreeMap<Option<String>, BTreeMap<String, Arc<StoredObject>>>,
    /// Where *not found* means *absent*; `None` is the cluster scope.
    known: HashSet<Option<String>>,
    /// The kind is known in every namespace: a watch has synced.
    everywhere: bool,
    /// Where some object could not be read: what is not found there may be it.
    unreadable: HashSet<Option<String>>,
}

impl StoredInventory {
    /// Adds or replaces an object. Its kind is known in its namespace from now on.
    pub fn insert(&mut self, object: Arc<StoredObject>) {
        if is_namespace(&object.kind) {
            self.namespaces.insert(object.name.clone(), Arc::clone(&object.labels));
        }
        let kind = self.kinds.entry(object.kind.clone()).or_default();
        kind.known.insert(object.namespace.clone());
        kind.objects.entry(object.namespace.clone()).or_default().insert(object.name.clone(), object);
    }

    /// Takes an object away. Where it was, its kind stays known.
    pub fn remove(&mut self, kind: &GroupVersionKind<'_>, namespace: Option<&str>, name: &str) {
        if is_namespace(kind) {
            self.namespaces.remove(name);
        }
        let scope = namespace.map(str::to_owned);
        if let Some(objects) = self.kinds.get_mut(&kind.to_owned()).and_then(|kind| kind.objects.get_mut(&scope)) {
            objects.remove(name);
        }
    }

    /// Whether anything was ever said here about objects of this kind.
    pub fn holds(&self, kind: &GroupVersionKind<'_>) -> bool {
        let kinds: &HashMap<GroupVersionKind<'_>, Kind> = &self.kinds;
        kinds.contains_key(kind)
    }

    /// Reads, cuts and adds an object.
    pub fn insert_json(&mut self, json: &str, namespace: Option<&str>, fields: &Fields) -> Result<(), StoreError> {
        self.insert(Arc::new(StoredObject::read(json, namespace, fields)?));
        Ok(())
    }

    /// There is an object of this kind that cannot be read: nobody knows what is there.
    pub fn insert_unreadable(&mut self, kind: &GroupVersionKind<'_>, namespace: Option<&str>) {
        self.kinds.entry(kind.to_owned()).or_default().unreadable.insert(namespace.map(str::to_owned));
    }

    /// From now on, what is not found of this kind there is absent. `None`: the cluster scope.
    pub fn know(&mut self, kind: &GroupVersionKind<'_>, namespace: Option<&str>) {
        self.kinds.entry(kind.to_owned()).or_default().known.insert(namespace.map(str::to_owned));
    }

    /// From now on, what is not found of this kind anywhere is absent.
    pub fn know_everywhere(&mut self, kind: &GroupVersionKind<'_>) {
        self.kinds.entry(kind.to_owned()).or_default().everywhere = true;
    }
}

impl Store for StoredInventory {
    fn labels_of(&self, namespace: &str) -> Option<Arc<Labels>> {
        self.namespaces.get(namespace).map(Arc::clone)
    }

    fn matching(&self, query: &Query<'_>) -> Option<Vec<Arc<StoredObject>>> {
        let kinds: &HashMap<GroupVersionKind<'_>, Kind> = &self.kinds;
        let kind = kinds.get(&query.kind)?;
        let selector = query.labels.map(Selector::parse).transpose().ok()?;
        let is_meant = |object: &&Arc<StoredObject>| {
            query.name.is_none_or(|name| object.name == name)
                && selector
                    .as_ref()
                    .is_none_or(|selector| selector.matches(|key| object.labels.get(key).map(String::as_str)))
        };
        let namespace = query.namespace.map(str::to_owned);
        // All namespaces are only known where each is.
        let is_readable =
            if namespace.is_some() { !kind.unreadable.contains(&namespace) } else { kind.unreadable.is_empty() };
        let is_known = is_readable && (kind.everywhere || kind.known.contains(&namespace));
        let in_one = |scope: &BTreeMap<String, Arc<StoredObject>>| match query.name {
            Some(name) => scope.get(name).into_iter().filter(is_meant).cloned().collect(),
            None => scope.values().filter(is_meant).cloned().collect(),
        };
        match kind.objects.get(&namespace) {
            Some(scope) if is_known => Some(in_one(scope)),
            // All namespaces of a namespaced kind.
            None if namespace.is_none() && kind.everywhere && is_readable => {
                Some(kind.objects.values().flat_map(BTreeMap::values).filter(is_meant).cloned().collect())
            }
            _ if is_known => Some(Vec::new()),
            _ => None,
        }
    }
}

impl Inventory for StoredInventory {
    fn find<'a>(&'a self, query: &'a Query<'a>) -> BoxFuture<'a, Found> {
        let found = match self.matching(query) {
            None => Found::Unknown,
            // An object without JSON is of a kind that no rule declares; the engine refuses such queries.
            Some(objects) => Found::Objects(objects.iter().filter_map(|object| object.answer(query)).collect()),
        };
        Box::pin(std::future::ready(found))
    }

    fn namespace_labels<'a>(&'a self, namespace: &'a str) -> BoxFuture<'a, Option<Arc<Labels>>> {
        Box::pin(std::future::ready(self.labels_of(namespace)))
    }
}

fn is_namespace(kind: &GroupVersionKind<'_>) -> bool {
    kind.group.is_empty() && kind.version == "v1" && kind.kind == "Namespace"
}

/// The API server sets it on every Namespace and puts it back.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Stored objects come from files of the administrator's own choice or from the API server; their size has been bounded there.
const UNLIMITED: Budget = Budget { nodes: usize::MAX, text: usize::MAX };

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::block_on;

    fn service() -> GroupVersionKind<'static> {
        GroupVersionKind { group: "".into(), version: "v1".into(), kind: "Service".into() }
    }

    fn class() -> GroupVersionKind<'static> {
        GroupVersionKind { group: "storage.k8s.io".into(), version: "v1".into(), kind: "StorageClass".into() }
    }

    fn inventory() -> StoredInventory {
        let read = |kind, fields: &[&str]| Read {
            kind,
            fields: fields.iter().map(|f| (*f).to_owned()).collect(),
            by_name: false,
            live: false,
        };
        let by_name = Read { by_name: true, ..read(service(), &["/spec/ports"]) };
        let fields = Fields::new(&[read(service(), &["/spec/clusterIP"]), by_name, read(class(), &["/provisioner"])]);
        let mut inventory = StoredInventory::default();
        for (json, namespace) in [
            (
                r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"db","namespace":"prod","uid":"u","labels":{"app":"db"},"annotations":{"secret":"x"}},"spec":{"clusterIP":"None","type":"ClusterIP","ports":[{"port":1}]}}"#,
                None,
            ),
            (r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"web"},"spec":{}}"#, Some("prod")),
            (
                r#"{"apiVersion":"storage.k8s.io/v1","kind":"StorageClass","metadata":{"name":"fast"},"provisioner":"p","parameters":{"a":"b"}}"#,
                None,
            ),
            (r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"prod","labels":{"env":"x"}}}"#, None),
        ] {
            inventory.insert_json(json, namespace, &fields).unwrap();
        }
        inventory
    }

    fn query<'a>(kind: GroupVersionKind<'a>, namespace: Option<&'a str>) -> Query<'a> {
        Query { kind, namespace, name: None, labels: None, live: false }
    }

    fn found(inventory: &StoredInventory, query: &Query<'_>) -> Option<Vec<String>> {
        match block_on(inventory.find(query)) {
            Found::Unknown => None,
            Found::Objects(objects) => Some(objects.iter().map(|json| json.to_string()).collect()),
        }
    }

    #[test]
    fn answers_declared_fields_only() {
        let inventory = inventory();
        let db = Query { name: Some("db"), ..query(service(), Some("prod")) };
        assert_eq!(
            found(&inventory, &db).unwrap(),
            [
                r#"{"apiVersion":"v1","kind":"Service","metadata":{"labels":{"app":"db"},"name":"db","namespace":"prod","uid":"u"},"spec":{"clusterIP":"None","ports":[{"port":1}]}}"#
            ]
        );
        let all = Query { labels: Some("app=db"), ..query(service(), Some("prod")) };
        assert_eq!(
            found(&inventory, &all).unwrap(),
            [
                r#"{"apiVersion":"v1","kind":"Service","metadata":{"labels":{"app":"db"},"name":"db","namespace":"prod","uid":"u"},"spec":{"clusterIP":"None"}}"#
            ],
            "a list is spared what is read by name"
        );
        assert_eq!(
            found(&inventory, &query(class(), None)).unwrap(),
            [
                r#"{"apiVersion":"storage.k8s.io/v1","kind":"StorageClass","metadata":{"name":"fast"},"provisioner":"p"}"#
            ]
        );
    }

    #[test]
    fn absent_and_unknown_are_different_answers() {
        let mut inventory = inventory();
        let none = Some(Vec::new());
        assert_eq!(found(&inventory, &Query { name: Some("nope"), ..query(service(), Some("prod")) }), none);
        assert_eq!(found(&inventory, &query(service(), Some("test"))), None);
        assert_eq!(found(&inventory, &query(service(), None)), None, "not every namespace is known");
        let pods = GroupVersionKind { group: "".into(), version: "v1".into(), kind: "Pod".into() };
        assert_eq!(found(&inventory, &query(pods.clone(), Some("prod"))), None);
        inventory.know(&pods, Some("prod"));
        assert_eq!(found(&inventory, &query(pods, Some("prod"))), none);
        inventory.know_everywhere(&service());
        assert_eq!(found(&inventory, &query(service(), Some("test"))), none);
        assert_eq!(found(&inventory, &query(service(), None)).unwrap().len(), 2);
        inventory.insert_unreadable(&service(), Some("prod"));
        assert_eq!(found(&inventory, &query(service(), Some("prod"))), None);
        assert_eq!(found(&inventory, &query(service(), None)), None);
        assert_eq!(found(&inventory, &query(service(), Some("test"))), none);
    }

    #[test]
    fn selects_by_label() {
        let inventory = inventory();
        let count = |labels| {
            found(&inventory, &Query { labels: Some(labels), ..query(service(), Some("prod")) }).map(|all| all.len())
        };
        assert_eq!(count("app=db"), Some(1));
        assert_eq!(count("app!=db"), Some(1));
        assert_eq!(count("app in (db,web),!x"), Some(1));
        assert_eq!(count("app=nope"), Some(0));
        assert_eq!(count("app in ("), None);
    }

    #[test]
    fn a_namespace_always_has_its_name_as_label() {
        let inventory = inventory();
        let labels = block_on(inventory.namespace_labels("prod")).unwrap();
        assert_eq!(
            labels.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>(),
            ["env=x", "kubernetes.io/metadata.name=prod"]
        );
        assert_eq!(block_on(inventory.namespace_labels("test")), None);
    }

    #[test]
    fn refuses_what_is_not_an_object() {
        for (json, error) in [
            ("7", "not a Kubernetes object: invalid type: integer `7`, expected struct Head at line 1 column 1"),
            (r#"{"kind":"Pod","metadata":{"name":"a"}}"#, "the object has no `apiVersion`"),
            (r#"{"apiVersion":"v1","kind":"Pod","metadata":{}}"#, "the object has no `metadata.name`"),
            (r#"{"apiVersion":"v1","kind":"Pod"}"#, "the object has no `metadata`"),
        ] {
            assert_eq!(StoredObject::read(json, None, &Fields::default()).unwrap_err().to_string(), error);
        }
    }
}
