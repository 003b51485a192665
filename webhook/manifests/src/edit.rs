//! Changes of objects in the text of their files: only the bytes of the field are written, and all others stay as they are.
//!
//! What cannot be written with certainty is refused. No rule of writing is trusted: the text with the changes is read again, and must mean exactly the
//! object with the changes. So what an anchor shares, or a style that is not understood here, ends in a refusal, never in another object.

mod pieces;
mod site;
mod written;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stateward_core::evaluate::Change;
use stateward_core::patch;

pub use pieces::Edited;

use crate::document::{Document, Origin};
use crate::source::{Format, Source};
use crate::yaml;
use crate::yaml_span::Outline;
use site::Site;

/// One operation of a JSON Patch (RFC 6902) on an object. To a list is added at its end only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Operation {
    /// What is not there.
    Add {
        /// JSON Pointer into the object.
        path: String,
        /// What it becomes.
        value: Value,
    },
    /// What is there.
    Replace {
        /// JSON Pointer into the object.
        path: String,
        /// What it becomes.
        value: Value,
    },
    /// What is there, away.
    Remove {
        /// JSON Pointer into the object.
        path: String,
    },
}

/// Bytes of a file, and what to write in their place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// In bytes of the file, without a byte order mark; empty to insert.
    pub span: Range<usize>,
    /// What is written there.
    pub text: String,
}

/// Why a change cannot be written: the end of `it is not changed: ..`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(String);

/// What to write for each change, all of them against the text as it is. Those that do not [`Replacement::meets`] an earlier one can be written together; of
/// the others each can be written alone.
pub fn edit(changes: &[(&Document, &[Operation])]) -> Vec<Result<Vec<Replacement>, Refusal>> {
    let mut answers: Vec<_> = changes.iter().map(|(document, operations)| replacements(document, operations)).collect();
    let mut by_origin: BTreeMap<*const Origin, Vec<usize>> = BTreeMap::new();
    for (index, (document, _)) in changes.iter().enumerate() {
        by_origin.entry(Arc::as_ptr(document.origin())).or_default().push(index);
    }
    for indexes in by_origin.into_values() {
        prove(changes, &indexes, &mut answers);
    }
    answers
}

impl Operation {
    /// JSON Pointer into the object.
    pub fn path(&self) -> &str {
        match self {
            Self::Add { path, .. } | Self::Replace { path, .. } | Self::Remove { path } => path,
        }
    }

    /// The same of an object that is part of a larger one.
    fn below(&self, prefix: &str) -> Self {
        let mut moved = self.clone();
        match &mut moved {
            Self::Add { path, .. } | Self::Replace { path, .. } | Self::Remove { path } => path.insert_str(0, prefix),
        }
        moved
    }
}

impl Replacement {
    /// Whether the two cannot be written both: their bytes are shared, or touch.
    pub fn meets(&self, other: &Self) -> bool {
        self.span.start <= other.span.end && other.span.start <= self.span.end
    }
}

impl Refusal {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

/// What to write for one change, not proven yet.
fn replacements(document: &Document, operations: &[Operation]) -> Result<Vec<Replacement>, Refusal> {
    let (source, start) = (&document.origin().source, document.origin().span.start);
    let Some((first, rest)) = operations.split_first() else { return Ok(Vec::new()) };
    let mut edited = Edited::new(source.text.as_str());
    let site = Site { text: &source.text, outline: document.origin().outline(), format: source.format };
    edited.replace(&site.replacement(&first.below(document.prefix()))?);
    for operation in rest {
        let text = edited.text();
        let outline = outline(&text, source.format, start);
        let site = Site { text: &text, outline: &outline, format: source.format };
        edited.replace(&site.replacement(&operation.below(document.prefix()))?);
    }
    Ok(edited.replacements())
}

/// The nodes of the document that begins at a byte.
fn outline(text: &str, format: Format, start: usize) -> Outline {
    Origin::new(Arc::new(Source::new("", text.to_owned(), format)), start..start).read_outline()
}

/// Refuses of one document's changes those that would make another object of it.
fn prove(changes: &[(&Document, &[Operation])], indexes: &[usize], answers: &mut [Result<Vec<Replacement>, Refusal>]) {
    let (together, apart) = together(indexes, answers);
    let Some((document, _)) = indexes.first().and_then(|&first| changes.get(first)) else { return };
    let Some(before) = meaning(document.origin(), &document.origin().source.text) else { return };
    let means = |indexes: &[usize], answers: &[Result<Vec<Replacement>, Refusal>]| {
        let mut edited = Edited::new(document.text());
        let mut expected = before.clone();
        for &index in indexes {
            let (Some(Ok(written)), Some((document, operations))) = (answers.get(index), changes.get(index)) else {
                continue;
            };
            // The same in the same place is one change.
            if !edited.replace_original(written) {
                continue;
            }
            if apply(&mut expected, document, operations).is_none() {
                return false;
            }
        }
        meaning(document.origin(), &edited.text()).is_some_and(|after| after == expected)
    };
    let (mut proven, mut left) = (Vec::new(), vec![together]);
    // Nearly always all of them at once. Else by halves: each that would mean something else costs a reading for each halving.
    while let Some(mut part) = left.pop() {
        let all = [proven.as_slice(), part.as_slice()].concat();
        if means(&all, answers) {
            proven = all;
        } else if part.len() == 1 {
            part.iter().for_each(|&index| refuse(index, answers));
        } else {
            left.push(part.split_off(part.len() / 2));
            left.push(part);
        }
    }
    for index in apart {
        if !means(&[index], answers) {
            refuse(index, answers);
        }
    }
}

/// Those that can be written together, and those that meet one of them.
fn together(indexes: &[usize], answers: &[Result<Vec<Replacement>, Refusal>]) -> (Vec<usize>, Vec<usize>) {
    let mut taken: BTreeMap<usize, &Replacement> = BTreeMap::new();
    let (mut together, mut apart) = (Vec::new(), Vec::new());
    for &index in indexes {
        let Some(Ok(written)) = answers.get(index) else { continue };
        let is_free = |new: &Replacement| {
            let before = taken.range(..=new.span.end).next_back();
            before.is_none_or(|(_, other)| !new.meets(other) || *other == new)
        };
        if written.iter().all(is_free) {
            taken.extend(written.iter().map(|new| (new.span.start, new)));
            together.push(index);
        } else {
            apart.push(index);
        }
    }
    (together, apart)
}

fn refuse(index: usize, answers: &mut [Result<Vec<Replacement>, Refusal>]) {
    if let Some(answer) = answers.get_mut(index) {
        *answer = Err(Refusal::new("the file would mean something else than this change"));
    }
}

/// The document in a text, as a tree.
fn meaning(origin: &Origin, text: &str) -> Option<Value> {
    match origin.source.format {
        Format::Json => {
            let mut values = serde_json::Deserializer::from_str(text.get(origin.span.start..)?).into_iter();
            values.next()?.ok()
        }
        Format::Yaml => {
            let start = origin.source.line_start(origin.source.position(origin.span.start).line);
            serde_json::from_str(&yaml::first(text.get(start..)?)?).ok()
        }
    }
}

fn apply(tree: &mut Value, document: &Document, operations: &[Operation]) -> Option<()> {
    let below: Vec<Operation> = operations.iter().map(|operation| operation.below(document.prefix())).collect();
    let change = Change::JsonPatch(serde_json::to_string(&below).ok()?);
    patch::apply(tree, &change).ok()
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
