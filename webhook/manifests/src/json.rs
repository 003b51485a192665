//! JSON files: one or several values. The text is handed on as it stands; what is checked here is what serde_json lets pass.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use serde_json::value::RawValue;

use crate::json_span::{skip_string, unquote};
use crate::yaml::MAX_DEPTH;

/// One JSON value of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct JsonDocument {
    /// In bytes of the file.
    pub(crate) span: Range<usize>,
    pub(crate) checked: Result<(), JsonError>,
}

/// What is wrong with a JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JsonError {
    /// In bytes of the file.
    pub(crate) offset: usize,
    pub(crate) message: String,
    pub(crate) hint: Option<&'static str>,
    /// Where the key was before, for duplicates.
    pub(crate) first: Option<usize>,
}

impl JsonError {
    fn new(offset: usize, message: impl Into<String>) -> Self {
        Self { offset, message: message.into(), hint: None, first: None }
    }
}

/// Reads every value. Text that is not JSON ends the file: the last element says so.
pub(crate) fn documents(text: &str) -> Vec<JsonDocument> {
    let mut documents = Vec::new();
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    loop {
        let before = values.byte_offset();
        match values.next() {
            None => return documents,
            Some(Ok(value)) => {
                let end = values.byte_offset();
                let start = end - value.get().len();
                let checked = check(value.get()).map_err(|error| JsonError {
                    offset: start + error.offset,
                    first: error.first.map(|first| start + first),
                    ..error
                });
                documents.push(JsonDocument { span: start..end, checked });
            }
            Some(Err(error)) => {
                let offset = line_start(text, error.line()) + error.column().saturating_sub(1);
                let said = error.to_string();
                let what = said.rsplit_once(" at line ").map_or(said.as_str(), |(what, _)| what);
                let error = JsonError::new(floor_char(text, offset), format!("not JSON: {what}"));
                documents.push(JsonDocument { span: before..text.len(), checked: Err(error) });
                return documents;
            }
        }
    }
}

/// Whether a text is JSON and nothing else.
pub(crate) fn is_json(text: &str) -> bool {
    serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>().all(|value| value.is_ok())
}

/// Finds duplicate keys, halves of characters and deep nesting in a valid JSON value.
fn check(json: &str) -> Result<(), JsonError> {
    let mut keys = Keys::default();
    let has_surrogates = json.contains("\\ud") || json.contains("\\uD");
    let mut at = 0;
    while let Some(byte) = json.as_bytes().get(at) {
        match byte {
            b'"' => {
                let end = skip_string(json, at);
                if has_surrogates && is_half_a_character(json.get(at..end).unwrap_or_default()) {
                    let error = JsonError::new(at, "a `\\u` escape in this text is half a character");
                    return Err(JsonError { hint: Some("write the character itself"), ..error });
                }
                keys.text(json, at..end)?;
                at = end;
                continue;
            }
            b'{' | b'[' if keys.open.len() >= MAX_DEPTH => {
                return Err(JsonError::new(at, format!("more than {MAX_DEPTH} levels of nesting")));
            }
            b'{' => keys.open.push(Open { first_key: Some(keys.keys.len()), index: HashMap::new() }),
            b'[' => keys.open.push(Open { first_key: None, index: HashMap::new() }),
            b'}' | b']' => {
                if let Some(Open { first_key: Some(first_key), .. }) = keys.open.pop() {
                    keys.keys.truncate(first_key);
                }
            }
            _ => {}
        }
        keys.is_next = matches!(byte, b'{' | b',') || (keys.is_next && byte.is_ascii_whitespace());
        at += 1;
    }
    Ok(())
}

/// Whether a quoted text has a surrogate without its pair. serde_json looks only when it reads the text, which may be in a guest.
fn is_half_a_character(quoted: &str) -> bool {
    quoted.contains("\\u") && serde_json::from_str::<Cow<'_, str>>(quoted).is_err()
}

/// Keys of all open objects, innermost last.
#[derive(Default)]
struct Keys {
    open: Vec<Open>,
    keys: Vec<Range<usize>>,
    /// Whether a text here is a key, if an object is open.
    is_next: bool,
}

/// An object or an array that is not closed yet.
struct Open {
    /// Where an object's keys begin in [`Keys::keys`].
    first_key: Option<usize>,
    /// Once there are many.
    index: HashMap<String, usize>,
}

impl Keys {
    fn text(&mut self, json: &str, quoted: Range<usize>) -> Result<(), JsonError> {
        if !std::mem::take(&mut self.is_next) {
            return Ok(());
        }
        let Some(Open { first_key: Some(first_key), index }) = self.open.last_mut() else { return Ok(()) };
        let read = |range: &Range<usize>| json.get(range.clone()).map(unquote).unwrap_or_default();
        let key = read(&quoted);
        let siblings = self.keys.get(*first_key..).unwrap_or_default();
        let first = if siblings.len() < MANY_KEYS {
            siblings.iter().find(|sibling| read(sibling) == key).map(|sibling| sibling.start)
        } else {
            if index.is_empty() {
                index.extend(siblings.iter().map(|sibling| (read(sibling).into_owned(), sibling.start)));
            }
            index.insert(key.clone().into_owned(), quoted.start)
        };
        if let Some(first) = first {
            let error = JsonError::new(quoted.start, format!("the key `{key}` is there twice"));
            return Err(JsonError { first: Some(first), ..error });
        }
        self.keys.push(quoted);
        Ok(())
    }
}

fn line_start(text: &str, line: usize) -> usize {
    text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum()
}

fn floor_char(text: &str, offset: usize) -> usize {
    (0..=offset.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// From here on keys are found by hash; below, comparing is faster than hashing.
const MANY_KEYS: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_values_in_one_file() {
        let spans: Vec<_> =
            documents(" {\"a\":1}\n[2] ").into_iter().map(|document| (document.span, document.checked)).collect();
        assert_eq!(spans, [(1..8, Ok(())), (9..12, Ok(()))]);
    }

    #[test]
    fn duplicates_are_found_through_escapes_and_among_many() {
        let error = |text: &str| documents(text).remove(0).checked.unwrap_err();
        assert_eq!(error(r#"{"a": "x", "b": {"a": 1, "\u0061": 2}}"#).first, Some(17));
        let many: String = (0..40).map(|n| format!("\"k{n}\":[{{\"k\":0}}],")).collect();
        assert_eq!(error(&format!("{{{many}\"k39\":1}}")).message, "the key `k39` is there twice");
        assert_eq!(documents(&format!("{{{many}\"k40\":\"k1\"}}")).remove(0).checked, Ok(()));
    }

    #[test]
    fn halves_of_characters_are_found_wherever_they_are() {
        let checked = |text: &str| documents(text).remove(0).checked.map_err(|error| error.offset);
        assert_eq!(checked(r#"{"a": "\ud83d\uDE00 \u00e9 \\ud83d", "\ud83d\ude00": 1}"#), Ok(()));
        assert_eq!(checked(r#"{"a": "x", "b": ["y \ud83d"]}"#), Err(17));
        assert_eq!(checked(r#"{"\uDE00": "x"}"#), Err(1));
        assert_eq!(checked(r#"{"a": "\uD83Dx"}"#), Err(6));
    }

    #[test]
    fn broken_text_says_where() {
        let broken = documents("{}\n{\"a\": nil}").remove(1).checked.unwrap_err();
        assert_eq!((broken.offset, broken.message.as_str()), (10, "not JSON: expected ident"));
        assert_eq!(documents(&"[".repeat(100_000)).len(), 1);
        assert!(documents(&format!("{}{}", "[".repeat(5000), "]".repeat(5000))).remove(0).checked.is_err());
    }
}
