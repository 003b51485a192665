//! One Kubernetes object of the input: its JSON for the rules, its place in the file for people.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use serde_json::value::RawValue;
use stateward_core::pointer;
use stateward_core::request::GroupVersionKind;

use crate::error::{InputError, Position};
use crate::header::Header;
use crate::json_outline;
use crate::json_span::{self, Node};
use crate::read::read_source;
use crate::source::{Excerpt, Format, Source};
use crate::yaml_span::Outline;

/// One Kubernetes object of the input.
#[derive(Clone, Debug)]
pub struct Document {
    /// The file as it was named, or `<stdin>`.
    pub file: Arc<str>,
    /// Its place among the file's objects, from 0.
    pub index: usize,
    /// `apps/v1`.
    pub api_version: String,
    /// `StatefulSet`.
    pub kind: String,
    /// As written; see [`Document::namespace_or_default`].
    pub namespace: Option<String>,
    /// `None` for `generateName`.
    pub name: Option<String>,
    /// The object as JSON text.
    pub json: String,
    origin: Arc<Origin>,
    /// JSON Pointer from the origin's root to the object: `/items/3` in a YAML `List`.
    prefix: String,
    /// Where an item of a JSON `List` is, in bytes of the file.
    item: Option<Range<usize>>,
}

/// Where a JSON Pointer leads to in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Where `span` begins.
    pub position: Position,
    /// What to underline, in bytes of the file: a short value itself, of a long one the key, of a missing one its nearest parent.
    pub span: Range<usize>,
    /// The whole value, in bytes of the file; of a missing one its nearest parent's.
    pub value: Range<usize>,
    /// The key that the value belongs to, in bytes of the file; none in a list.
    pub key: Option<Range<usize>>,
    /// How many tokens of the path exist in the file.
    pub followed: usize,
}

/// A document of a file; the items of a `List` share it.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) source: Arc<Source>,
    /// In bytes of the file. Of a YAML document only the start counts.
    pub(crate) span: Range<usize>,
    /// Its nodes, read when the first is asked for.
    outline: OnceLock<Outline>,
}

/// What a document turned out to be.
#[derive(Debug)]
pub(crate) enum Content {
    Objects(Vec<Document>),
    /// Nothing between two `---`.
    Empty,
    /// A mapping without `apiVersion` and `kind`, or no mapping.
    NotAnObject,
}

impl Document {
    /// Group, version and kind.
    pub fn group_version_kind(&self) -> GroupVersionKind<'_> {
        let (group, version) = self.api_version.rsplit_once('/').unwrap_or(("", &self.api_version));
        GroupVersionKind {
            group: Cow::Borrowed(group),
            version: Cow::Borrowed(version),
            kind: Cow::Borrowed(&self.kind),
        }
    }

    /// `metadata.generateName`: what a name is made of that is not given.
    pub fn generate_name(&self) -> Option<String> {
        let object: serde_json::Value = serde_json::from_str(&self.json).ok()?;
        let name = object.pointer("/metadata/generateName")?.as_str()?;
        (!name.is_empty()).then(|| name.to_owned())
    }

    /// Finds the line, the column and the bytes of a JSON Pointer into the object; a path that is not there leads to its nearest parent.
    pub fn locate(&self, pointer: &str) -> Location {
        let (node, depth) = self.node(pointer);
        let exact = node.tokens == depth;
        let span = if exact && depth > 0 { self.underlined(&node) } else { self.parent_underlined(&node) };
        Location {
            position: self.origin.source.position(span.start),
            span,
            value: node.value,
            key: node.key,
            followed: node.tokens,
        }
    }

    /// The lines of a location for a diagnostic.
    pub fn excerpt(&self, location: &Location) -> Excerpt {
        self.origin.source.excerpt(location.span.clone(), 2)
    }

    /// The folder of the file, as it was named.
    pub fn folder(&self) -> &str {
        self.file.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// A document that is no object, for the places in it.
    pub(crate) fn nameless(origin: &Arc<Origin>) -> Self {
        let place = Place { origin, prefix: String::new(), item: None };
        nameless(&place)
    }

    /// The whole file, without a byte order mark.
    pub fn text(&self) -> &str {
        &self.origin.source.text
    }

    /// The line and column of a byte of the file.
    pub fn position(&self, offset: usize) -> Position {
        self.origin.source.position(offset)
    }

    /// The objects of the same file with another text, as they would be read.
    pub fn reread(&self, text: String) -> Vec<Self> {
        let source = Source::new(self.origin.source.name.clone(), text, self.origin.source.format);
        read_source(&Arc::new(source), false).objects
    }

    pub(crate) fn origin(&self) -> &Arc<Origin> {
        &self.origin
    }

    /// JSON Pointer from the root of what it was read from.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// An error at a JSON Pointer into the object.
    pub fn error(&self, pointer: &str, message: impl Into<String>) -> InputError {
        InputError::new(&*self.file, message).at(self.locate(pointer).position)
    }

    fn node(&self, pointer: &str) -> (Node, usize) {
        let tokens: Vec<String> = pointer::tokens(pointer).map(Cow::into_owned).collect();
        if self.origin.source.format == Format::Json {
            let span = self.item.clone().unwrap_or(self.origin.span.clone());
            let node = json_span::locate(self.origin.source.text.get(span.clone()).unwrap_or_default(), &tokens);
            let moved = |range: Range<usize>| range.start + span.start..range.end + span.start;
            return (Node { key: node.key.map(moved), value: moved(node.value), tokens: node.tokens }, tokens.len());
        }
        let mut path: Vec<String> = pointer::tokens(&self.prefix).map(Cow::into_owned).collect();
        let prefix = path.len();
        path.extend(tokens.iter().cloned());
        let node = self.origin.outline().locate(&path);
        (Node { tokens: node.tokens.saturating_sub(prefix), ..node }, tokens.len())
    }

    /// What to underline for a value that is there.
    fn underlined(&self, node: &Node) -> Range<usize> {
        let value = self.first_line(node.value.clone());
        match &node.key {
            Some(key) if value.is_empty() || value != node.value => self.first_line(key.clone()),
            _ => value,
        }
    }

    /// What to underline for something that is missing in a parent: the parent's key, and for the object itself its kind.
    fn parent_underlined(&self, parent: &Node) -> Range<usize> {
        if parent.tokens > 0 {
            return self.first_line(parent.key.clone().unwrap_or(parent.value.clone()));
        }
        let (kind, _) = self.node("/kind");
        self.first_line(if kind.tokens == 1 { kind.value } else { parent.value.clone() })
    }

    fn first_line(&self, span: Range<usize>) -> Range<usize> {
        let text = self.origin.source.text.get(span.clone()).unwrap_or_default();
        let line = text.split(['\n', '\r']).next().unwrap_or_default();
        span.start..span.start + line.trim_end().len()
    }
}

impl Origin {
    pub(crate) fn new(source: Arc<Source>, span: Range<usize>) -> Self {
        Self { source, span, outline: OnceLock::new() }
    }

    pub(crate) fn outline(&self) -> &Outline {
        self.outline.get_or_init(|| self.read_outline())
    }

    pub(crate) fn read_outline(&self) -> Outline {
        match self.source.format {
            Format::Json => json_outline::read(&self.source.text, self.span.start),
            Format::Yaml => Outline::read(&self.source, self.source.position(self.span.start).line),
        }
    }
}

/// Makes objects of a document's JSON. `List` kinds become their items.
pub(crate) fn objects(origin: &Arc<Origin>, json: String) -> Result<Content, InputError> {
    if json == "null" {
        return Ok(Content::Empty);
    }
    if !json.starts_with('{') {
        return Ok(Content::NotAnObject);
    }
    let mut found = Vec::new();
    let item = (origin.source.format == Format::Json).then(|| origin.span.clone());
    let place = Place { origin, prefix: String::new(), item };
    if !expand(&place, json, None, &mut found)? {
        return Ok(Content::NotAnObject);
    }
    Ok(Content::Objects(found))
}

/// Where an object comes from.
struct Place<'a> {
    origin: &'a Arc<Origin>,
    prefix: String,
    item: Option<Range<usize>>,
}

/// `apiVersion` and `kind` that an item takes from a typed list, such as `StatefulSetList`.
type Inherited<'a> = Option<(&'a str, &'a str)>;

/// Answers whether it is an object at all.
fn expand(
    place: &Place<'_>,
    json: String,
    inherited: Inherited<'_>,
    found: &mut Vec<Document>,
) -> Result<bool, InputError> {
    let header: Header<'_> = match serde_json::from_str(&json) {
        Ok(header) => header,
        Err(_) => return wrong_header(place, &json),
    };
    let api_version = header.api_version.as_deref().or(inherited.map(|(api_version, _)| api_version));
    let kind = header.kind.as_deref().or(inherited.map(|(_, kind)| kind));
    let (Some(api_version), Some(kind)) = (api_version, kind) else { return Ok(false) };
    if let (Some(items), Some(item_kind)) =
        (header.items.filter(|items| items.get().starts_with('[')), kind.strip_suffix("List"))
    {
        let inherited = (!item_kind.is_empty()).then_some((api_version, item_kind));
        return expand_list(place, &json, items, inherited, found);
    }
    if kind == "List" {
        return match header.items.map(RawValue::get) {
            // What `kubectl get` writes where there is nothing.
            None | Some("null") => Ok(true),
            Some(_) => Err(error(place, "/items", "`items` is no list").hint("each item begins with `- `")),
        };
    }
    let (namespace, name) = header.names();
    let (api_version, kind) = (api_version.to_owned(), kind.to_owned());
    let lacks_type = header.api_version.is_none() || header.kind.is_none();
    found.push(Document {
        file: Arc::from(place.origin.source.name.as_str()),
        index: 0,
        namespace,
        name,
        json: if lacks_type { with_type(&json, &api_version, &kind) } else { json },
        api_version,
        kind,
        origin: Arc::clone(place.origin),
        prefix: place.prefix.clone(),
        item: place.item.clone(),
    });
    Ok(true)
}

fn expand_list(
    place: &Place<'_>,
    json: &str,
    items: &RawValue,
    inherited: Inherited<'_>,
    found: &mut Vec<Document>,
) -> Result<bool, InputError> {
    let items: Vec<&RawValue> = serde_json::from_str(items.get()).unwrap_or_default();
    for (index, item) in items.into_iter().enumerate() {
        // The item is a piece of `json`, which in a JSON file is a piece of the file.
        let offset = item.get().as_ptr() as usize - json.as_ptr() as usize;
        let inner = Place {
            origin: place.origin,
            prefix: format!("{}/items/{index}", place.prefix),
            item: place.item.as_ref().map(|list| list.start + offset..list.start + offset + item.get().len()),
        };
        if inner.prefix.len() > MAX_LIST_PREFIX {
            return Err(error(&inner, "", "lists inside of lists"));
        }
        if !item.get().starts_with('{') || !expand(&inner, item.get().to_owned(), inherited, found)? {
            let message = format!("item {index} of the list is no Kubernetes object");
            return Err(error(&inner, "", message).hint("each item has `apiVersion` and `kind`"));
        }
    }
    Ok(true)
}

/// The header does not have the types that every object has.
fn wrong_header(place: &Place<'_>, json: &str) -> Result<bool, InputError> {
    // Something else altogether, e.g. a Helm values file with a `kind` of its own, is no broken object.
    let fields = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(json).unwrap_or_default();
    if !fields.contains_key("apiVersion") || !fields.contains_key("kind") {
        return Ok(false);
    }
    let mut reader = serde_json::Deserializer::from_str(json);
    match serde_path_to_error::deserialize::<_, Header<'_>>(&mut reader) {
        Ok(_) => Ok(false),
        Err(wrong) => {
            let path = wrong.path().to_string();
            let message = wrong.into_inner().to_string();
            let what = message.rsplit_once(" at line ").map_or(message.as_str(), |(what, _)| what);
            let error = error(place, &format!("/{}", path.replace('.', "/")), format!("`{path}`: {what}"));
            Err(if what.ends_with("expected a string") { error.hint("put the value in quotes") } else { error })
        }
    }
}

fn error(place: &Place<'_>, pointer: &str, message: impl Into<String>) -> InputError {
    nameless(place).error(pointer, message)
}

fn nameless(place: &Place<'_>) -> Document {
    Document {
        file: Arc::from(place.origin.source.name.as_str()),
        index: 0,
        api_version: String::new(),
        kind: String::new(),
        namespace: None,
        name: None,
        json: String::new(),
        origin: Arc::clone(place.origin),
        prefix: place.prefix.clone(),
        item: place.item.clone(),
    }
}

/// A type that is given in part, or as `null`, is replaced: a key that is there twice means two things to two readers.
fn with_type(json: &str, api_version: &str, kind: &str) -> String {
    let mut given: BTreeMap<String, &RawValue> = serde_json::from_str(json).unwrap_or_default();
    let is_given = |field: &str| given.contains_key(field);
    if is_given("apiVersion") || is_given("kind") {
        given.retain(|field, _| field != "apiVersion" && field != "kind");
        let rest = serde_json::to_string(&given).unwrap_or_default();
        return with_type(&rest, api_version, kind);
    }
    let rest = json.trim_start_matches('{').trim_start();
    let comma = if rest.starts_with('}') { "" } else { "," };
    let (api_version, kind) = (serde_json::Value::from(api_version), serde_json::Value::from(kind));
    format!("{{\"apiVersion\":{api_version},\"kind\":{kind}{comma}{rest}")
}

/// `/items/` and digits, a few levels deep: kubectl nests lists never, people by accident once.
const MAX_LIST_PREFIX: usize = 64;

#[cfg(test)]
mod tests {
    use crate::read_text;

    #[track_caller]
    fn underlined(text: &str, pointer: &str, expected: &str) {
        let documents = read_text("x", text.to_owned());
        let location = documents.objects.last().unwrap().locate(pointer);
        let line = text.lines().nth(location.position.line - 1).unwrap();
        assert_eq!(&text[location.span], expected, "{pointer}");
        assert!(line.chars().skip(location.position.column - 1).collect::<String>().starts_with(expected));
    }

    const SET: &str = "\
# first
apiVersion: v1
kind: ConfigMap
---
apiVersion: apps/v1
kind: StatefulSet
metadata: &m
  name: db
spec:
  empty:
  list:
    - name: ä
      value: |
        several
        lines
    - {name: b}
  alias: *m
  <<: {merged: 3}
";

    #[test]
    fn short_values_long_values_and_missing_ones() {
        underlined(SET, "/metadata/name", "db");
        underlined(SET, "/spec/empty", "empty");
        underlined(SET, "/spec/list", "list");
        underlined(SET, "/spec/list/0", "- name: ä".trim_start_matches("- "));
        underlined(SET, "/spec/list/0/value", "value");
        underlined(SET, "/spec/list/1", "{name: b}");
        underlined(SET, "/spec/list/1/name", "b");
        underlined(SET, "/spec/alias", "*m");
        underlined(SET, "/spec/merged", "3");
        underlined(SET, "/spec/template/spec/x", "spec");
        underlined(SET, "/spec/list/7", "list");
        underlined(SET, "/nothing", "StatefulSet");
        underlined(SET, "", "StatefulSet");
    }

    #[test]
    fn items_of_lists_keep_their_places() {
        let yaml = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: A}\n- apiVersion: v1\n  kind: B\n  spec: {x: 1}\n";
        underlined(yaml, "/spec/x", "1");
        underlined(yaml, "/spec/y", "spec".trim());
        let json =
            "{\"kind\":\"StatefulSetList\",\"apiVersion\":\"apps/v1\",\"items\":[{}, {\"spec\": {\"x\": [\n1]}}]}";
        underlined(json, "/spec/x/0", "1");
        underlined(json, "/spec/x", "\"x\"");
        let items = read_text("x", json.to_owned()).objects;
        assert_eq!(items[0].json, r#"{"apiVersion":"apps/v1","kind":"StatefulSet"}"#);
        assert_eq!((items[1].kind.as_str(), items[1].index), ("StatefulSet", 1));
    }

    #[test]
    fn headers_of_the_wrong_type_are_named() {
        let error = |text: &str| read_text("x", text.to_owned()).errors[0].to_string();
        assert_eq!(
            error("apiVersion: v1\nkind: A\nmetadata:\n  name: 123\n"),
            "x:4:9: `metadata.name`: invalid type: integer `123`, expected a string\nhint: put the value in quotes"
        );
        // Serde's structs would take it for a name and a namespace.
        assert_eq!(
            error("apiVersion: v1\nkind: A\nmetadata: [a, b]\n"),
            "x:3:11: `metadata`: invalid type: sequence, expected an object"
        );
        assert_eq!(
            error("apiVersion: v1\nkind: List\nitems: [3]\n"),
            "x:3:9: item 0 of the list is no Kubernetes object\nhint: each item has `apiVersion` and `kind`"
        );
        assert_eq!(
            error("apiVersion: v1\nkind: List\nitems: hello\n"),
            "x:3:8: `items` is no list\nhint: each item begins with `- `"
        );
        assert!(read_text("x", "apiVersion: v1\nkind: List\nitems: null\n".to_owned()).objects.is_empty());
        assert_eq!(error("a: 1\n"), "x:1:1: no Kubernetes object\nhint: an object has `apiVersion` and `kind`");
    }
}
