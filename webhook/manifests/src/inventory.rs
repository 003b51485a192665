//! The input's other objects as an Inventory. Which object is meant by a name depends on who asks: the nearest wins.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use stateward_core::inventory::{
    BoxFuture, Fields, Found, Inventory, Labels, Query, Store, StoredInventory, StoredObject,
};
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
    input: Arc<Vec<Document>>,
    scopes: HashMap<GroupVersionKind<'static>, HashMap<Option<String>, Scope>>,
    more: StoredInventory,
    fields: Fields,
    /// By their places in `input`, from when [`Self::change`] was called.
    changed: OnceLock<HashMap<usize, Changed>>,
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

/// The input's objects of one kind in one namespace. Found by folder and by name: a look-up must not cost more where the input is larger.
#[derive(Debug, Default)]
struct Scope {
    entries: Vec<Entry>,
    /// Every folder that holds one of them; its objects by name.
    folders: HashMap<String, ByName>,
    names: ByName,
}

/// Places in [`Scope::entries`]. Objects without a name are in none.
type ByName = BTreeMap<String, Vec<usize>>;

#[derive(Debug)]
struct Entry {
    /// Its place in [`FileInventory::input`].
    document: usize,
    stored: Cut,
}

/// What mutation made of an object.
#[derive(Debug)]
struct Changed {
    json: Arc<str>,
    stored: Cut,
}

/// An object as look-ups are answered; cut when it is first looked up, `None` where it cannot be read.
type Cut = OnceLock<Option<Arc<StoredObject>>>;

impl FileInventory {
    /// Takes the input's objects and those of `--inventory`; keeps the kinds that `reads` names. Objects that name no namespace are in
    /// `default_namespace`. Answers what of `--inventory` could not be read, too.
    pub fn new(
        input: &Arc<Vec<Document>>,
        more: &[Document],
        reads: &[Read],
        default_namespace: &str,
    ) -> (Arc<Self>, Vec<InputError>) {
        let fields = Fields::new(reads);
        let wanted: HashSet<GroupVersionKind<'_>> = reads.iter().map(|read| read.kind.clone()).collect();
        let mut scopes: HashMap<GroupVersionKind<'static>, HashMap<Option<String>, Scope>> = HashMap::new();
        for (index, document) in input.iter().enumerate() {
            let kind = document.group_version_kind();
            if wanted.contains(&kind) || is_namespace(&kind) {
                let namespace = document.namespace_or(default_namespace).map(str::to_owned);
                scopes.entry(kind.to_owned()).or_default().entry(namespace).or_default().add(index, document);
            }
        }
        let (more, errors) = stored(more, reads, default_namespace);
        (Arc::new(Self { input: Arc::clone(input), scopes, more, fields, changed: OnceLock::new() }), errors)
    }

    /// From now on look-ups are answered what mutation made of these objects, by their places in the input: what the API server would have stored.
    /// All of them at once, or one would see the other as nobody ever will.
    pub fn change(&self, objects: impl IntoIterator<Item = (usize, Arc<str>)>) {
        let changed = objects.into_iter().map(|(place, json)| (place, Changed { json, stored: Cut::new() }));
        let is_first = self.changed.set(changed.collect()).is_ok();
        debug_assert!(is_first, "the input is changed once");
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

    fn scope<'q>(&'q self, query: &Query<'q>) -> Option<&'q Scope> {
        let scopes: &HashMap<GroupVersionKind<'q>, _> = &self.scopes;
        scopes.get(&query.kind)?.get(&query.namespace.map(str::to_owned))
    }

    fn document(&self, entry: &Entry) -> Option<&Document> {
        self.input.get(entry.document)
    }

    fn stored<'i>(&'i self, entry: &'i Entry, namespace: Option<&str>) -> Option<&'i Arc<StoredObject>> {
        let read = |json: &str| StoredObject::read(json, namespace, &self.fields).ok().map(Arc::new);
        match self.changed.get().and_then(|changed| changed.get(&entry.document)) {
            Some(Changed { json, stored }) => stored.get_or_init(|| read(json)),
            None => entry.stored.get_or_init(|| self.document(entry).and_then(|document| read(&document.json))),
        }
        .as_ref()
    }
}

impl Scope {
    fn add(&mut self, index: usize, document: &Document) {
        let place = self.entries.len();
        self.entries.push(Entry { document: index, stored: Cut::new() });
        let folder = self.folders.entry(document.folder().to_owned()).or_default();
        if let Some(name) = &document.name {
            folder.entry(name.clone()).or_default().push(place);
            self.names.entry(name.clone()).or_default().push(place);
        }
    }
}

/// Manifests that stand for the cluster: `--inventory`. Answers what could not be read, too.
pub fn stored(documents: &[Document], reads: &[Read], default_namespace: &str) -> (StoredInventory, Vec<InputError>) {
    let fields = Fields::new(reads);
    let mut inventory = StoredInventory::default();
    let mut errors = Vec::new();
    for document in documents {
        let namespace = document.namespace_or(default_namespace);
        if let Err(error) = inventory.insert_json(&document.json, namespace, &fields) {
            inventory.insert_unreadable(&document.group_version_kind(), namespace);
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
        let scope = self.inventory.scope(query);
        let near = scope.and_then(|scope| scope.folders.get(&self.folder));
        let nearest = scope.map(|scope| self.nearest(scope, near, query.name)).unwrap_or_default();
        let more = self.inventory.more.matching(&Query { labels: None, ..query.clone() });
        // The asker itself, too, makes its kind known in its folder.
        let is_known = near.is_some() || more.is_some() || !nearest.is_empty();
        if !is_known {
            return Found::Unknown;
        }
        let mut found: BTreeMap<&str, &StoredObject> =
            more.iter().flatten().map(|object| (object.name.as_str(), &**object)).collect();
        for (name, entries) in nearest {
            let stored: Option<Vec<_>> =
                entries.iter().map(|entry| self.inventory.stored(entry, query.namespace)).collect();
            // There it is, and cannot be read: that is not absent.
            let Some(stored) = stored else { return Found::Unknown };
            let Some((one, copies)) = stored.split_first() else { continue };
            // Copies that say the same to every rule are one object.
            if copies.iter().any(|copy| copy != one) {
                let documents = entries.iter().take(2).filter_map(|entry| self.inventory.document(entry));
                let files = documents.map(|document| document.file.to_string()).collect();
                self.note(Ambiguity { kind: query.kind.to_owned(), name: name.to_owned(), files });
                return Found::Unknown;
            }
            found.insert(name, one);
        }
        let selected = |object: &&&StoredObject| {
            selector.as_ref().is_none_or(|selector| selector.matches(|key| object.labels.get(key).map(String::as_str)))
        };
        Found::Objects(found.values().filter(selected).filter_map(|object| object.answer(query)).collect())
    }

    /// The input's other objects that are meant, by name: of each name the nearest ones.
    fn nearest<'i>(
        &self,
        scope: &'i Scope,
        near: Option<&'i ByName>,
        name: Option<&str>,
    ) -> Vec<(&'i str, Vec<&'i Entry>)> {
        let near_ones = |name: &str| near.and_then(|near| near.get_key_value(name));
        let all: Vec<(&'i String, &'i Vec<usize>)> = match (name, near) {
            (Some(name), _) => {
                let of_folder = near_ones(name).filter(|(_, places)| self.others(scope, places).next().is_some());
                of_folder.or_else(|| scope.names.get_key_value(name)).into_iter().collect()
            }
            // A list is the near ones' where there are any: other folders hold other applications.
            (None, Some(near)) => near.iter().collect(),
            (None, None) => scope.names.iter().collect(),
        };
        let nearest = all.into_iter().map(|(name, places)| {
            let in_file: Vec<_> = self.others(scope, places).filter(|entry| self.is_in_file(entry)).collect();
            (name.as_str(), if in_file.is_empty() { self.others(scope, places).collect() } else { in_file })
        });
        nearest.filter(|(_, entries)| !entries.is_empty()).collect()
    }

    /// The entries at these places without the asker.
    fn others<'i>(&self, scope: &'i Scope, places: &'i [usize]) -> impl Iterator<Item = &'i Entry> {
        let entries = places.iter().filter_map(|&place| scope.entries.get(place));
        entries.filter(|entry| {
            let document = self.inventory.document(entry);
            document.is_some_and(|document| document.index != self.index || document.file != self.file)
        })
    }

    fn is_in_file(&self, entry: &Entry) -> bool {
        self.inventory.document(entry).is_some_and(|document| document.file == self.file)
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
        let scope = self.inventory.scope(&query);
        let near = scope.and_then(|scope| scope.folders.get(&self.folder));
        let nearest = scope.map(|scope| self.nearest(scope, near, query.name)).unwrap_or_default();
        let labels = match nearest.first().map(|(_, entries)| entries.as_slice()) {
            None => self.inventory.more.labels_of(namespace),
            Some([entry]) => self.inventory.stored(entry, None).map(|stored| Arc::clone(&stored.labels)),
            Some(_) => None,
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
