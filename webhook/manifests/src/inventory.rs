//! The input's other objects as an Inventory. Which object is meant by a name depends on who asks: the nearest wins.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use stateward_core::inventory::{BoxFuture, Fields, Found, Inventory, Labels, Query, StoredInventory, StoredObject};
use stateward_core::labels::Selector;
use stateward_core::manifest::Read;
use stateward_core::request::GroupVersionKind;

use crate::document::Document;
use crate::error::InputError;
use crate::kinds::is_cluster_scoped;

/// The objects that look-ups may answer: the input's own, and more that stand for the cluster.
///
/// A name means the object in the same file, else in the same folder, else the only one in the input, else the one of `--inventory`.
/// A kind is known in a namespace when the asker's file or folder, or `--inventory`, holds one of it there: only then is what is not found
/// absent. Elsewhere in the input proves nothing: it may be another application's folder.
#[derive(Debug)]
pub struct FileInventory {
    objects: Vec<Entry>,
    by_scope: HashMap<GroupVersionKind<'static>, HashMap<Option<String>, Vec<usize>>>,
    more: StoredInventory,
    fields: Fields,
}

/// What one object sees of the others.
pub struct Neighbours {
    inventory: Arc<FileInventory>,
    file: Arc<str>,
    index: usize,
    folder: String,
    ambiguities: Mutex<Vec<Ambiguity>>,
}

/// A look-up that found several objects of one name, none nearer than the others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ambiguity {
    /// `v1 Service`.
    pub kind: GroupVersionKind<'static>,
    /// The name that several have.
    pub name: String,
    /// Their files, two of them at most.
    pub files: Vec<String>,
}

#[derive(Debug)]
struct Entry {
    document: Document,
    namespace: Option<String>,
    /// Cut when it is first looked up.
    stored: OnceLock<Option<Arc<StoredObject>>>,
}

/// How near an object is to the one that asks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Distance {
    File,
    Folder,
    Input,
}

impl FileInventory {
    /// Takes the input's objects and those of `--inventory`; keeps the kinds that `reads` names. Objects that name no namespace are in
    /// `default_namespace`. Answers what of `--inventory` could not be read, too.
    pub fn new(
        input: &[Document],
        more: &[Document],
        reads: &[Read],
        default_namespace: &str,
    ) -> (Arc<Self>, Vec<InputError>) {
        let fields = Fields::new(reads);
        let wanted: HashSet<GroupVersionKind<'_>> = reads.iter().map(|read| read.kind.clone()).collect();
        let mut objects = Vec::new();
        let mut by_scope: HashMap<GroupVersionKind<'static>, HashMap<Option<String>, Vec<usize>>> = HashMap::new();
        for document in input {
            let kind = document.group_version_kind();
            if !wanted.contains(&kind) && !is_namespace(&kind) {
                continue;
            }
            let namespace = document.namespace_or(default_namespace).map(str::to_owned);
            by_scope.entry(kind.to_owned()).or_default().entry(namespace.clone()).or_default().push(objects.len());
            objects.push(Entry { document: document.clone(), namespace, stored: OnceLock::new() });
        }
        let (more, errors) = stored(more, reads, default_namespace);
        (Arc::new(Self { objects, by_scope, more, fields }), errors)
    }

    /// What one object of the input sees of the others.
    pub fn neighbours(self: &Arc<Self>, document: &Document) -> Neighbours {
        Neighbours {
            inventory: Arc::clone(self),
            file: Arc::clone(&document.file),
            index: document.index,
            folder: document.folder().to_owned(),
            ambiguities: Mutex::default(),
        }
    }

    fn stored(&self, entry: &Entry) -> Option<Arc<StoredObject>> {
        let read =
            || StoredObject::read(&entry.document.json, entry.namespace.as_deref(), &self.fields).ok().map(Arc::new);
        entry.stored.get_or_init(read).clone()
    }
}

/// Manifests that stand for the cluster: `--inventory`. Answers what could not be read, too.
pub fn stored(documents: &[Document], reads: &[Read], default_namespace: &str) -> (StoredInventory, Vec<InputError>) {
    let fields = Fields::new(reads);
    let mut inventory = StoredInventory::default();
    let mut errors = Vec::new();
    for document in documents {
        if let Err(error) = inventory.insert_json(&document.json, document.namespace_or(default_namespace), &fields) {
            errors.push(document.error("/metadata", error.to_string()));
        }
    }
    (inventory, errors)
}

impl Document {
    /// Its namespace, or the one that `kubectl` would put it into; `None` for a cluster-scoped kind.
    pub fn namespace_or<'a>(&'a self, default: &'a str) -> Option<&'a str> {
        let is_namespaced = !is_cluster_scoped(&self.group_version_kind());
        is_namespaced.then(|| self.namespace.as_deref().unwrap_or(default))
    }
}

impl Neighbours {
    /// The look-ups so far that found several objects of one name.
    pub fn ambiguities(&self) -> Vec<Ambiguity> {
        self.ambiguities.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn look_up(&self, query: &Query<'_>) -> Found {
        let Ok(selector) = query.labels.map(Selector::parse).transpose() else { return Found::Unknown };
        let candidates = self.candidates(query);
        let is_near = candidates.iter().any(|(distance, _)| *distance < Distance::Input) || self.is_one_of(query);
        // A list is the near ones' where there are any: other folders hold other applications.
        let wanted = |distance: Distance, entry: &Entry| match query.name {
            Some(name) => entry.document.name.as_deref() == Some(name),
            None => distance < Distance::Input || !is_near,
        };
        let mut nearest: BTreeMap<&str, (Distance, Vec<&Entry>)> = BTreeMap::new();
        for (distance, entry) in candidates {
            let Some(name) = entry.document.name.as_deref().filter(|_| wanted(distance, entry)) else { continue };
            let (best, entries) = nearest.entry(name).or_insert((distance, Vec::new()));
            if distance < *best {
                (*best, *entries) = (distance, vec![entry]);
            } else if distance == *best {
                entries.push(entry);
            }
        }
        let more = self.inventory.more.matching(&Query { labels: None, ..query.clone() });
        let is_known = is_near || more.is_some() || !nearest.is_empty();
        let mut found: BTreeMap<String, Arc<StoredObject>> =
            more.unwrap_or_default().into_iter().map(|object| (object.name.clone(), object)).collect();
        for (name, (_, entries)) in nearest {
            let stored: Vec<_> = entries.iter().filter_map(|entry| self.inventory.stored(entry)).collect();
            match stored.as_slice() {
                // Copies that say the same to every rule are one object.
                [one, copies @ ..] if copies.iter().all(|copy| copy == one) => {
                    drop(found.insert(name.to_owned(), Arc::clone(one)));
                }
                [] => {}
                _ => {
                    let files = entries.iter().take(2).map(|entry| entry.document.file.to_string()).collect();
                    self.note(Ambiguity { kind: query.kind.to_owned(), name: name.to_owned(), files });
                    return Found::Unknown;
                }
            }
        }
        if !is_known {
            return Found::Unknown;
        }
        let selected = |object: &&Arc<StoredObject>| {
            selector.as_ref().is_none_or(|selector| selector.matches(|key| object.labels.get(key).map(String::as_str)))
        };
        Found::Objects(found.values().filter(selected).filter_map(|object| object.json.clone()).collect())
    }

    /// The input's other objects of a kind and namespace.
    fn candidates(&self, query: &Query<'_>) -> Vec<(Distance, &Entry)> {
        let by_scope: &HashMap<GroupVersionKind<'_>, _> = &self.inventory.by_scope;
        let Some(indexes) =
            by_scope.get(&query.kind).and_then(|scopes| scopes.get(&query.namespace.map(str::to_owned)))
        else {
            return Vec::new();
        };
        let others = indexes
            .iter()
            .filter_map(|&index| self.inventory.objects.get(index))
            .filter(|entry| !self.is_self(&entry.document));
        others.map(|entry| (self.distance(&entry.document), entry)).collect()
    }

    fn is_self(&self, document: &Document) -> bool {
        document.index == self.index && document.file == self.file
    }

    /// Whether the asker itself is of that kind and namespace, which makes the kind known there.
    fn is_one_of(&self, query: &Query<'_>) -> bool {
        let by_scope: &HashMap<GroupVersionKind<'_>, _> = &self.inventory.by_scope;
        let indexes = by_scope.get(&query.kind).and_then(|scopes| scopes.get(&query.namespace.map(str::to_owned)));
        indexes
            .into_iter()
            .flatten()
            .filter_map(|&index| self.inventory.objects.get(index))
            .any(|entry| self.is_self(&entry.document))
    }

    fn distance(&self, document: &Document) -> Distance {
        if document.file == self.file {
            Distance::File
        } else if document.folder() == self.folder {
            Distance::Folder
        } else {
            Distance::Input
        }
    }

    fn note(&self, ambiguity: Ambiguity) {
        let mut ambiguities = self.ambiguities.lock().unwrap_or_else(PoisonError::into_inner);
        if !ambiguities.contains(&ambiguity) {
            ambiguities.push(ambiguity);
        }
    }
}

impl Inventory for Neighbours {
    fn find<'a>(&'a self, query: &'a Query<'a>) -> BoxFuture<'a, Found> {
        Box::pin(std::future::ready(self.look_up(query)))
    }

    fn namespace_labels<'a>(&'a self, namespace: &'a str) -> BoxFuture<'a, Option<Arc<Labels>>> {
        let kind = GroupVersionKind { group: "".into(), version: "v1".into(), kind: "Namespace".into() };
        let query = Query { kind, namespace: None, name: Some(namespace), labels: None, live: false };
        let mut near: Vec<_> = self
            .candidates(&query)
            .into_iter()
            .filter(|(_, entry)| entry.document.name.as_deref() == Some(namespace))
            .collect();
        near.sort_by_key(|(distance, _)| *distance);
        let labels = match near.as_slice() {
            [] => self.inventory.more.labels_of(namespace),
            [(first, _), (second, _), ..] if first == second => None,
            [(_, entry), ..] => self.inventory.stored(entry).map(|stored| Arc::clone(&stored.labels)),
        };
        Box::pin(std::future::ready(labels))
    }
}

impl fmt::Display for Ambiguity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} `{}` is in {}",
            self.kind,
            self.name,
            self.files.iter().map(|file| format!("`{file}`")).collect::<Vec<_>>().join(" and ")
        )
    }
}

fn is_namespace(kind: &GroupVersionKind<'_>) -> bool {
    kind.group.is_empty() && kind.version == "v1" && kind.kind == "Namespace"
}

#[cfg(test)]
mod tests;
