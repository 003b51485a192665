//! What a mutating rule answers: changes, and that it could not decide.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::bindings::stateward::policy::types::{Change, Mutation, Outcome, RuleIndex, Undecided, UndecidedReason};
use crate::objects::Stored;

/// Collects what the mutating rules of one unit change. The host applies the changes in order.
#[derive(Debug, Default)]
pub struct Changes {
    rule: RuleIndex,
    mutations: Vec<Mutation>,
    undecided: Vec<Undecided>,
}

/// An RFC 7386 merge patch in the making. Parents that are missing come into being; an absent value is removed.
#[derive(Debug, Default)]
pub struct MergePatch(Vec<(String, Entry)>);

#[derive(Debug)]
enum Entry {
    Text(String),
    Removed,
    Map(MergePatch),
}

impl Changes {
    /// Whose changes follow.
    pub fn begin(&mut self, rule: RuleIndex) {
        self.rule = rule;
    }

    /// Changes the object by a merge patch. An empty patch is no change.
    pub fn merge(&mut self, patch: &MergePatch, note: impl Into<String>) {
        if !patch.0.is_empty() {
            self.push(Change::MergePatch(json(patch)), note.into());
        }
    }

    /// Changes the object by RFC 6902 operations. None is no change.
    pub fn json_patch<T: Serialize>(&mut self, operations: &[T], note: impl Into<String>) {
        if !operations.is_empty() {
            self.push(Change::JsonPatch(json(operations)), note.into());
        }
    }

    /// The rule could not decide, in its own words.
    pub fn undecided(&mut self, why: impl Into<String>) {
        self.push_undecided(UndecidedReason::Other(why.into()));
    }

    /// The rule could not decide because nobody is known to have asked.
    pub fn needs_user(&mut self) {
        self.push_undecided(UndecidedReason::NeedsUser);
    }

    /// The rule could not decide because objects of this kind cannot be looked up here.
    pub fn unavailable<'a, T: Stored<'a>>(&mut self) {
        self.push_undecided(UndecidedReason::Unavailable(T::KIND.into()));
    }

    /// All that was said.
    pub fn into_outcome(self) -> Outcome {
        Outcome { mutations: self.mutations, undecided: self.undecided }
    }

    fn push(&mut self, change: Change, note: String) {
        self.mutations.push(Mutation { rule: self.rule, change, note: Some(note) });
    }

    pub(crate) fn push_undecided(&mut self, reason: UndecidedReason) {
        self.undecided.push(Undecided { rule: self.rule, reason });
    }
}

impl MergePatch {
    /// Writes a text.
    pub fn set(&mut self, parents: &[&str], key: &str, value: impl Into<String>) {
        self.put(parents, key, Entry::Text(value.into()));
    }

    /// Removes a member.
    pub fn remove(&mut self, parents: &[&str], key: &str) {
        self.put(parents, key, Entry::Removed);
    }

    /// Writes a text, or removes the member where there is none.
    pub fn set_or_remove(&mut self, parents: &[&str], key: &str, value: Option<&str>) {
        self.put(parents, key, value.map_or(Entry::Removed, |value| Entry::Text(value.to_owned())));
    }

    fn put(&mut self, parents: &[&str], key: &str, entry: Entry) {
        let Some((parent, rest)) = parents.split_first() else {
            self.0.retain(|(each, _)| each != key);
            self.0.push((key.to_owned(), entry));
            return;
        };
        for (each, child) in &mut self.0 {
            if each == parent
                && let Entry::Map(child) = child
            {
                return child.put(rest, key, entry);
            }
        }
        let mut child = Self::default();
        child.put(rest, key, entry);
        self.0.push(((*parent).to_owned(), Entry::Map(child)));
    }
}

impl Serialize for MergePatch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, entry) in &self.0 {
            match entry {
                Entry::Text(text) => map.serialize_entry(key, text)?,
                Entry::Removed => map.serialize_entry(key, &())?,
                Entry::Map(child) => map.serialize_entry(key, child)?,
            }
        }
        map.end()
    }
}

/// Texts, lists and maps with text keys always serialize; were it otherwise the host would refuse the empty text as a bad answer.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
