//! YAML to JSON text in one pass over the parser's events: no tree, no second copy. Positions are not kept; [`crate::yaml_span`] reads a
//! document again when a finding needs one, which is rarer and cheaper than paying for positions everywhere.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use crate::merge;
use crate::scalar::{self, Scalar, ScalarTag};

/// One YAML document as JSON.
#[derive(Debug, PartialEq)]
pub(crate) struct YamlDocument {
    /// The line of `---`, or of the first token where that is left out.
    pub(crate) first_line: usize,
    pub(crate) json: Result<String, YamlError>,
}

/// What is wrong with a YAML document. Lines from 1, columns from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct YamlError {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) message: String,
    pub(crate) hint: Option<&'static str>,
}

/// Reads every document. Text that is not YAML ends the file: the last element says so.
pub(crate) fn documents(text: &str) -> Vec<YamlDocument> {
    let mut parser = Parser::new_from_str(text);
    let mut documents = Vec::new();
    loop {
        match parser.next_event() {
            None | Some(Ok((Event::StreamEnd, _))) => return documents,
            Some(Ok((Event::DocumentStart(_), span))) => {
                let first_line = span.start.line();
                match document(&mut parser) {
                    Ok(json) => documents.push(YamlDocument { first_line, json }),
                    Err(broken) => {
                        documents.push(YamlDocument { first_line, json: Err(broken.into()) });
                        return documents;
                    }
                }
            }
            Some(Ok(_)) => {}
            Some(Err(broken)) => {
                documents.push(YamlDocument { first_line: broken.marker().line(), json: Err(broken.into()) });
                return documents;
            }
        }
    }
}

/// The JSON of the document that a text begins with, whatever comes behind it; `None`: it cannot be read.
pub(crate) fn first(text: &str) -> Option<String> {
    let mut parser = Parser::new_from_str(text);
    loop {
        match parser.next_event()? {
            Ok((Event::DocumentStart(_), _)) => return document(&mut parser).ok()?.ok(),
            Ok((Event::StreamEnd, _)) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

/// Reads one document up to its end. The outer error ends the file, the inner one only this document.
fn document(parser: &mut Parser<'_, StrInput<'_>>) -> Result<Result<String, YamlError>, ScanError> {
    let mut writer = Writer::default();
    let mut wrong = None;
    while let Some(next) = parser.next_event() {
        match next? {
            (Event::DocumentEnd | Event::StreamEnd, _) => break,
            (event, span) if wrong.is_none() => wrong = writer.event(event, span).err(),
            _ => {}
        }
    }
    Ok(match wrong {
        Some(error) => Err(error),
        None => Ok(writer.json),
    })
}

/// Builds a document's JSON from its events.
#[derive(Default)]
struct Writer {
    json: String,
    open: Vec<Collection>,
    /// Keys of all open mappings, innermost last.
    keys: Vec<Key>,
    /// JSON of finished anchored nodes, by the parser's number; `None` while they are open.
    anchors: HashMap<usize, Option<Arc<str>>>,
    /// What anchors and aliases have copied.
    copied: usize,
}

/// A mapping or sequence that is not closed yet.
struct Collection {
    kind: CollectionKind,
    anchor: usize,
    /// Where its JSON begins.
    start: usize,
    empty: bool,
}

enum CollectionKind {
    Sequence,
    Mapping {
        /// Where its keys begin in [`Writer::keys`].
        first_key: usize,
        /// Line by key, once there are many.
        index: HashMap<Box<str>, usize>,
        /// JSON of `<<` values.
        merges: Vec<String>,
        next: Next,
    },
}

/// What the next node of a mapping is.
#[derive(Clone, Copy, PartialEq)]
enum Next {
    Key,
    Value,
    /// The value of `<<`, and where its JSON begins.
    Merge(usize),
}

/// A key that is in the JSON, with its quotes.
struct Key {
    json: Range<usize>,
    line: usize,
}

impl Writer {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), YamlError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => self.scalar(text, style, anchor, tag.as_deref(), span.start),
            Event::Alias(anchor) => self.alias(anchor, span.start),
            Event::SequenceStart(anchor, _) => self.open(CollectionKind::Sequence, '[', anchor, span.start),
            Event::MappingStart(anchor, _) => {
                let first_key = self.keys.len();
                let mapping =
                    CollectionKind::Mapping { first_key, index: HashMap::new(), merges: Vec::new(), next: Next::Key };
                self.open(mapping, '{', anchor, span.start)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span.start),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                Ok(())
            }
        }
    }

    fn scalar(
        &mut self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        at: Marker,
    ) -> Result<(), YamlError> {
        let is_plain = style == ScalarStyle::Plain && tag.is_none();
        if is_plain && text == "<<" && self.next_is_key() {
            return self.merge_key(at);
        }
        let scalar = if is_plain { scalar::plain(text) } else { explicit(text, style, tag, at)? };
        if self.next_is_key() {
            let start = self.separator();
            write_text(&mut self.json, &key_text(scalar, at)?);
            self.key_written(start, at)?;
            return self.remember(anchor, start, at);
        }
        let start = self.separator();
        match scalar {
            Scalar::Null => self.json.push_str("null"),
            Scalar::Bool(true) => self.json.push_str("true"),
            Scalar::Bool(false) => self.json.push_str("false"),
            Scalar::Number(number) => self.json.push_str(&number),
            Scalar::Text(text) => write_text(&mut self.json, &text),
        }
        self.node_written(anchor, start, at)
    }

    fn alias(&mut self, anchor: usize, at: Marker) -> Result<(), YamlError> {
        let Some(Some(json)) = self.anchors.get(&anchor).cloned() else {
            return Err(error(at, "an alias inside of the node that it stands for", None));
        };
        self.charge(json.len(), at)?;
        let is_key = self.next_is_key();
        if is_key && !json.starts_with('"') {
            return Err(error(
                at,
                "a key that is not text",
                Some("JSON, and so Kubernetes, knows only keys that are text"),
            ));
        }
        let start = self.separator();
        self.json.push_str(&json);
        if is_key { self.key_written(start, at) } else { self.node_written(0, start, at) }
    }

    fn open(&mut self, kind: CollectionKind, bracket: char, anchor: usize, at: Marker) -> Result<(), YamlError> {
        if self.next_is_key() {
            return Err(error(
                at,
                "a key that is a list or a mapping",
                Some("JSON, and so Kubernetes, knows only keys that are text"),
            ));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(error(at, format!("more than {MAX_DEPTH} levels of nesting"), None));
        }
        let start = self.separator();
        self.json.push(bracket);
        if anchor != 0 {
            self.anchors.insert(anchor, None);
        }
        self.open.push(Collection { kind, anchor, start, empty: true });
        Ok(())
    }

    fn close(&mut self, at: Marker) -> Result<(), YamlError> {
        let Some(collection) = self.open.pop() else { return Ok(()) };
        match collection.kind {
            CollectionKind::Sequence => self.json.push(']'),
            CollectionKind::Mapping { first_key, merges, .. } => {
                self.keys.truncate(first_key);
                if merges.is_empty() {
                    self.json.push('}');
                } else {
                    let own = self.json.split_off(collection.start) + "}";
                    let merged = merge::merge(&own, &merges).map_err(|message| error(at, message, None))?;
                    self.charge(merged.len(), at)?;
                    self.json.push_str(&merged);
                }
            }
        }
        self.node_written(collection.anchor, collection.start, at)
    }

    fn merge_key(&mut self, at: Marker) -> Result<(), YamlError> {
        let start = self.json.len();
        if let Some(Collection { kind: CollectionKind::Mapping { next, .. }, .. }) = self.open.last_mut() {
            *next = Next::Merge(start);
        }
        // Two `<<` in one mapping are a duplicate key like any other; the reader of a later one could not know which wins.
        match self.open.last() {
            Some(Collection { kind: CollectionKind::Mapping { merges, .. }, .. }) if !merges.is_empty() => {
                Err(error(at, "the key `<<` is there twice", Some("write one `<<` with a list: `<<: [*a, *b]`")))
            }
            _ => Ok(()),
        }
    }

    fn next_is_key(&self) -> bool {
        matches!(self.open.last(), Some(Collection { kind: CollectionKind::Mapping { next: Next::Key, .. }, .. }))
    }

    /// Writes the comma before an element or a key. Answers where the node begins.
    fn separator(&mut self) -> usize {
        let comma = match self.open.last_mut() {
            Some(Collection { kind: CollectionKind::Mapping { next: Next::Value | Next::Merge(_), .. }, .. })
            | None => false,
            Some(collection) => !std::mem::replace(&mut collection.empty, false),
        };
        if comma {
            self.json.push(',');
        }
        self.json.len()
    }

    fn key_written(&mut self, start: usize, at: Marker) -> Result<(), YamlError> {
        let Some(Collection { kind: CollectionKind::Mapping { first_key, index, next, .. }, .. }) =
            self.open.last_mut()
        else {
            return Ok(());
        };
        *next = Next::Value;
        let written = |range: Range<usize>| self.json.get(range).unwrap_or_default();
        let key = written(start..self.json.len());
        let siblings = self.keys.get(*first_key..).unwrap_or_default();
        let known = if siblings.len() < MANY_KEYS {
            siblings.iter().find(|sibling| written(sibling.json.clone()) == key).map(|sibling| sibling.line)
        } else {
            if index.is_empty() {
                index.extend(siblings.iter().map(|sibling| (written(sibling.json.clone()).into(), sibling.line)));
            }
            index.insert(key.into(), at.line())
        };
        if let Some(line) = known {
            let message = format!("the key `{}` is there twice, first in line {line}", key.trim_matches('"'));
            return Err(error(
                at,
                message,
                Some("remove one of them: kubectl refuses it, and other tools take either"),
            ));
        }
        self.keys.push(Key { json: start..self.json.len(), line: at.line() });
        self.json.push(':');
        Ok(())
    }

    fn node_written(&mut self, anchor: usize, start: usize, at: Marker) -> Result<(), YamlError> {
        self.remember(anchor, start, at)?;
        if let Some(Collection { kind: CollectionKind::Mapping { merges, next, .. }, .. }) = self.open.last_mut() {
            if let Next::Merge(start) = *next {
                merges.push(self.json.split_off(start));
            }
            *next = Next::Key;
        }
        Ok(())
    }

    /// Keeps the JSON of an anchored node for its aliases.
    fn remember(&mut self, anchor: usize, start: usize, at: Marker) -> Result<(), YamlError> {
        if anchor == 0 {
            return Ok(());
        }
        let node = self.json.get(start..).unwrap_or_default().trim_end_matches(':');
        let (node, length) = (Arc::from(node), node.len());
        self.anchors.insert(anchor, Some(node));
        self.charge(length, at)
    }

    fn charge(&mut self, bytes: usize, at: Marker) -> Result<(), YamlError> {
        self.copied += bytes;
        if self.copied > MAX_COPIED_BYTES {
            let message = format!("anchors and aliases grow to more than {} MiB", MAX_COPIED_BYTES >> 20);
            return Err(error(at, message, Some("write the document without aliases")));
        }
        Ok(())
    }
}

/// A scalar with quotes or a tag.
fn explicit<'a>(
    text: Cow<'a, str>,
    style: ScalarStyle,
    tag: Option<&Tag>,
    at: Marker,
) -> Result<Scalar<'a>, YamlError> {
    let Some(tag) = tag else {
        return Ok(if style == ScalarStyle::Plain { scalar::plain(text) } else { Scalar::Text(text) });
    };
    let wanted = match tag.suffix.as_str() {
        _ if !tag.is_yaml_core_schema() => ScalarTag::Text,
        "bool" => ScalarTag::Bool,
        "int" => ScalarTag::Int,
        "float" => ScalarTag::Float,
        "null" => ScalarTag::Null,
        "binary" => {
            return Err(error(
                at,
                "the tag `!!binary`, which has no place in JSON",
                Some("write the base64 text itself, without a tag"),
            ));
        }
        _ => ScalarTag::Text,
    };
    scalar::tagged(wanted, text.clone()).ok_or_else(|| error(at, format!("`{text}` is not a `!!{}`", tag.suffix), None))
}

/// A key as text: `sigs.k8s.io/yaml` writes numbers and booleans as JSON does.
fn key_text(scalar: Scalar<'_>, at: Marker) -> Result<Cow<'_, str>, YamlError> {
    match scalar {
        Scalar::Text(text) | Scalar::Number(text) => Ok(text),
        Scalar::Bool(value) => Ok(Cow::Borrowed(if value { "true" } else { "false" })),
        Scalar::Null => {
            Err(error(at, "a key that is null", Some("JSON, and so Kubernetes, knows only keys that are text")))
        }
    }
}

fn write_text(json: &mut String, text: &str) {
    json.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        let (plain, special) = rest.split_at(at);
        json.push_str(plain);
        match special.as_bytes().first() {
            Some(b'"') => json.push_str("\\\""),
            Some(b'\\') => json.push_str("\\\\"),
            Some(b'\n') => json.push_str("\\n"),
            Some(b'\t') => json.push_str("\\t"),
            Some(b'\r') => json.push_str("\\r"),
            Some(byte) => json.push_str(&format!("\\u{byte:04x}")),
            None => {}
        }
        rest = special.get(1..).unwrap_or_default();
    }
    json.push_str(rest);
    json.push('"');
}

fn error(at: Marker, message: impl Into<String>, hint: Option<&'static str>) -> YamlError {
    YamlError { line: at.line(), column: at.col(), message: message.into(), hint }
}

impl From<ScanError> for YamlError {
    fn from(broken: ScanError) -> Self {
        let hint = if broken.info().contains("tab") { Some("indent with spaces") } else { None };
        error(*broken.marker(), format!("not YAML: {}", broken.info()), hint)
    }
}

/// serde_json, the API server's clients and our guests all stop at 128 or more; no Kubernetes type nests deeper than 30.
pub(crate) const MAX_DEPTH: usize = 100;

/// What anchors and aliases may copy in one document. The API server takes requests of 3 MiB, so nothing real comes near.
const MAX_COPIED_BYTES: usize = 8 << 20;

/// From here on keys are found by hash; below, comparing is faster than hashing.
const MANY_KEYS: usize = 24;

#[cfg(test)]
mod tests;
