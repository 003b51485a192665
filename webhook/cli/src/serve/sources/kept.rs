//! What stays in force when a file breaks.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use stateward_manifests::policy_files::FromFile;
use stateward_manifests::{Document, InputError};

/// Something that a file holds, by its name.
pub(super) struct Held {
    file: Arc<str>,
    name: String,
}

impl Held {
    pub(super) fn new(file: &Arc<str>, name: &str) -> Self {
        Self { file: Arc::clone(file), name: name.to_owned() }
    }
}

/// Files that are still there and were emptied, or end in a bare `---` with fewer objects than before: a write in place that is not finished, or
/// never was, looks like this. It must not end a policy, nor make an object absent; a file that is removed, or holds other objects, does. Of files
/// that are broken enough is said already.
pub(super) fn cut_off(
    known: &[Held],
    found: &[Held],
    with_objects: &HashSet<Arc<str>>,
    broken: &[InputError],
) -> Vec<InputError> {
    let there: HashSet<&str> = found.iter().map(|held| held.name.as_str()).collect();
    let mut missing: BTreeMap<&Arc<str>, Vec<&str>> = BTreeMap::new();
    let is_missing =
        |held: &&Held| !there.contains(held.name.as_str()) && broken.iter().all(|error| *error.file != *held.file);
    for Held { file, name } in known.iter().filter(is_missing) {
        missing.entry(file).or_default().push(name);
    }
    let (before, now) = (by_file(known), by_file(found));
    let is_cut_off = |file: &Arc<str>| {
        if with_objects.contains(file) {
            now.get(file) < before.get(file) && ends_in_separator(file)
        } else {
            Path::new(&**file).is_file()
        }
    };
    let files = missing.into_iter().filter(|(file, _)| is_cut_off(file));
    files
        .map(|(file, names)| {
            let more = names.len().saturating_sub(MOST_NAMES);
            let (names, verb) = match (names.get(..MOST_NAMES).unwrap_or(&names).join("`, `"), more, names.len()) {
                (name, 0, 1) => (format!("`{name}`"), "it stays"),
                (names, 0, _) => (format!("`{names}`"), "they stay"),
                (names, more, _) => (format!("`{names}` and {more} more"), "they stay"),
            };
            InputError::new(&**file, format!("gone from the file: {names}; {verb} in force"))
                .hint("to remove what a file holds, delete the file, or end it with an object and not with `---`")
        })
        .collect()
}

/// Replaces what is known by what was found, and keeps what a broken file held before and does not hold now. Two of one name are both passed on:
/// which of them counts is for the loader to say, that knows what is in force.
pub(super) fn keep<T, K: PartialEq>(
    known: &mut Vec<FromFile<T>>,
    found: Vec<FromFile<T>>,
    is_broken: &dyn Fn(&Document) -> bool,
    name: impl Fn(&T) -> K,
) {
    let former = std::mem::replace(known, found);
    for former in former.into_iter().filter(|former| is_broken(&former.document)) {
        if known.iter().all(|known| name(&known.resource) != name(&former.resource)) {
            known.push(former);
        }
    }
}

fn by_file(all: &[Held]) -> HashMap<&Arc<str>, usize> {
    let mut counts = HashMap::new();
    for held in all {
        *counts.entry(&held.file).or_default() += 1;
    }
    counts
}

/// Whether an object was to follow.
fn ends_in_separator(file: &str) -> bool {
    fs::read_to_string(file).is_ok_and(|text| text.trim_end().lines().last() == Some("---"))
}

/// A line has room for no more.
const MOST_NAMES: usize = 3;
