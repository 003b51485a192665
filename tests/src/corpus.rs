//! The real sets that tests judge: each with the objects that were found beside it, and the StorageClasses that were found anywhere.

use std::path::{Path, PathBuf};

use serde_json::Value;
use stateward_manifests::Document;

/// A set of the corpus.
#[derive(Clone, Debug)]
pub struct RealSet {
    /// The file's name.
    pub file: String,
    /// How it was made: `plain`, `helm-rendered` and so on.
    pub class: String,
    /// What the header says of where it comes from.
    pub origin: String,
    /// The folder of its neighbours.
    pub group: String,
    /// The set.
    pub set: Value,
}

/// An object beside a set.
#[derive(Clone, Debug)]
pub struct Neighbour {
    /// The file's name.
    pub file: String,
    /// The object.
    pub object: Value,
}

/// The folder, where it is there.
pub fn folder() -> Option<PathBuf> {
    let folder = crate::root().join("../shared/corpus");
    folder.is_dir().then_some(folder)
}

/// All sets of the folder, by file name.
pub fn sets(folder: &Path) -> Vec<RealSet> {
    files(folder).iter().filter_map(|file| real_set(file)).collect()
}

/// The objects that were found beside the sets of a group.
pub fn neighbours(folder: &Path, group: &str) -> Vec<Neighbour> {
    let files = files(&folder.join("neighbours").join(group));
    let one = |file: &PathBuf| {
        let file_name = file_name(file);
        objects(file).into_iter().map(move |object| Neighbour { file: file_name.clone(), object })
    };
    // One of them has its replicas in quotes, which no API server takes.
    files.iter().flat_map(one).filter(|neighbour| !neighbour.object["spec"]["replicas"].is_string()).collect()
}

/// Moves an object to another namespace, with the namespaces that its affinity names.
pub fn move_to(object: &mut Value, rename: &dyn Fn(&str) -> String) {
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default");
    object["metadata"]["namespace"] = Value::from(rename(namespace));
    if let Some(affinity) = object.pointer_mut("/spec/template/spec/affinity") {
        rename_in_terms(affinity, rename);
    }
}

fn rename_in_terms(value: &mut Value, rename: &dyn Fn(&str) -> String) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                match field {
                    Value::Array(names) if key == "namespaces" => {
                        for name in names {
                            *name = Value::from(rename(name.as_str().unwrap_or_default()));
                        }
                    }
                    other => rename_in_terms(other, rename),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename_in_terms(item, rename)),
        _ => {}
    }
}

impl RealSet {
    /// What counts in the statistics: files as people write them, and charts as they come (`rules.md`, checks on the whole).
    pub fn is_core(&self) -> bool {
        match self.class.as_str() {
            "plain" | "test-golden" => true,
            "helm-rendered" => self.origin.contains("values=default]"),
            _ => false,
        }
    }
}

fn real_set(file: &Path) -> Option<RealSet> {
    let text = std::fs::read_to_string(file).ok()?;
    let header = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().to_owned();
    let set = objects(file).into_iter().find(|object| object["kind"] == "StatefulSet")?;
    Some(RealSet {
        file: file_name(file),
        class: header("# class: "),
        origin: header("# path: "),
        group: header("# group: "),
        set,
    })
}

fn objects(file: &Path) -> Vec<Value> {
    let documents = stateward_manifests::read(&[file.to_path_buf()]);
    let object = |document: &Document| serde_json::from_str(&document.json).ok();
    documents.objects.iter().filter_map(object).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    files
}

fn file_name(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
