//! What serde complains about, at its place in the file.

use serde::de::DeserializeOwned;
use serde_json::Value;
use stateward_core::pointer::{escape, tokens};

use crate::document::Document;
use crate::error::InputError;

/// Reads a document's fields into a type. The error is at the field.
pub(crate) fn decode<T: DeserializeOwned>(document: &Document, fields: &Value) -> Result<T, InputError> {
    serde_path_to_error::deserialize(fields).map_err(|wrong| decode_error(document, &wrong))
}

fn decode_error(document: &Document, wrong: &serde_path_to_error::Error<serde_json::Error>) -> InputError {
    let mut path: Vec<String> = wrong.path().iter().filter_map(segment).collect();
    let message = wrong.inner().to_string();
    let (what, expected) = match message.split_once(", expected ") {
        Some((what, expected)) => (what, Some(expected)),
        None => (message.as_str(), None),
    };
    // serde words both in terms of its reader; the field itself is part of neither path.
    if let Some(field) = what.strip_prefix("unknown field `").and_then(|rest| rest.strip_suffix('`')) {
        if path.last().is_none_or(|last| last != field) {
            path.push(field.to_owned());
        }
        let pointer = pointer(&path);
        let error = document.error(&pointer, format!("unknown field `{}`", field_of(&pointer)));
        return match expected {
            Some(expected) => error.hint(expected.to_owned()),
            None => error,
        };
    }
    if let Some(field) = what.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        let parent = pointer(&path);
        path.push(field.to_owned());
        return document.error(&parent, format!("`{}` is missing", field_of(&pointer(&path))));
    }
    let error = document.error(&pointer(&path), describe(&pointer(&path), what));
    match expected {
        Some(expected) => error.hint(expected.replace("one of ", "one of: ")),
        None => error,
    }
}

/// `` `spec.actions[remote-volumes/local-class]`: what is wrong ``.
pub(crate) fn describe(path: &str, message: &str) -> String {
    let field = field_of(path);
    if field.is_empty() { message.to_owned() } else { format!("`{field}`: {message}") }
}

/// Not core's `field_path`: that knows the maps of workloads, `limits` among them.
fn field_of(path: &str) -> String {
    let mut field = String::new();
    for token in tokens(path) {
        if token.bytes().all(|byte| byte.is_ascii_digit()) || token.contains(['/', '.']) {
            field.push_str(&format!("[{token}]"));
        } else {
            field.push_str(if field.is_empty() { "" } else { "." });
            field.push_str(&token);
        }
    }
    field
}

/// The JSON Pointer of a path.
pub(crate) fn pointer(path: &[impl AsRef<str>]) -> String {
    path.iter().map(|token| format!("/{}", escape(token.as_ref()))).collect()
}

fn segment(segment: &serde_path_to_error::Segment) -> Option<String> {
    match segment {
        serde_path_to_error::Segment::Seq { index } => Some(index.to_string()),
        serde_path_to_error::Segment::Map { key } => Some(key.clone()),
        serde_path_to_error::Segment::Enum { .. } | serde_path_to_error::Segment::Unknown => None,
    }
}
