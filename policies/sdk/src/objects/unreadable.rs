//! Says which field of an object could not be read. Only errors pay for it: the text is walked again up to where the reader stopped.

use std::borrow::Cow;
use std::fmt::Write;

/// `/spec/replicas: expected an integer, found the text "3"; hint: write `replicas: 3`, without quotes`: the form that the contract gives to an
/// error about a field of the object. Without a path where the object as a whole is none.
pub(super) fn describe(json: &str, error: &serde_json::Error) -> String {
    let words = error.to_string();
    // The position in JSON that nobody wrote by hand helps nobody.
    let words = words.rsplit_once(" at line ").map_or(words.as_str(), |(words, _)| words);
    let path = path_at(json, offset(json, error.line(), error.column()));
    let wrong = words.strip_prefix("invalid type: ").or_else(|| words.strip_prefix("invalid value: "));
    let said = match wrong.and_then(|wrong| wrong.rsplit_once(", expected ")) {
        Some((found, expected)) => mismatch(&path, found, kubernetes_type(expected)),
        None => words.to_owned(),
    };
    if path.is_empty() { said } else { format!("{path}: {said}") }
}

/// What was expected and found, with the way out where there is one.
fn mismatch(path: &str, found: &str, expected: &str) -> String {
    let text = found.strip_prefix("string ");
    let field = path.rsplit_once('/').map_or("", |(_, field)| field);
    let is_one_of_a_list = field.bytes().all(|byte| byte.is_ascii_digit());
    let hint = match expected {
        AN_INTEGER | A_BOOLEAN => text.map(|text| text.trim_matches('"')).and_then(|text| {
            let is_meant =
                if expected == AN_INTEGER { text.parse::<i64>().is_ok() } else { text.parse::<bool>().is_ok() };
            let value = if is_one_of_a_list { format!("- {text}") } else { format!("{field}: {text}") };
            is_meant.then(|| format!("write `{value}`, without quotes"))
        }),
        A_LIST => Some("begin each item with `- `".to_owned()),
        A_TEXT | TEXTS if !matches!(found, "map" | "sequence") => Some("put the value in quotes".to_owned()),
        _ => None,
    };
    let found = match (found, text) {
        (_, Some(text)) => format!("the text {}", cut(text)),
        ("sequence", None) => A_LIST.to_owned(),
        ("map", None) => "an object".to_owned(),
        (other, None) => {
            // `integer `3``, `boolean `true``: the value says enough.
            let value = other.split_once('`').map_or(other, |(_, value)| value.trim_end_matches('`'));
            format!("`{value}`")
        }
    };
    let hint = hint.map(|hint| format!("; hint: {hint}")).unwrap_or_default();
    format!("expected {expected}, found {found}{hint}")
}

/// A type as the API's documentation calls it.
fn kubernetes_type(rust: &str) -> &str {
    match rust {
        "i64" | "i32" | "u64" | "u32" | "u16" => AN_INTEGER,
        "a sequence" => A_LIST,
        other => other,
    }
}

/// The beginning of a quoted text.
fn cut(quoted: &str) -> Cow<'_, str> {
    match quoted.char_indices().nth(MAX_FOUND_CHARACTERS) {
        Some((at, _)) => Cow::Owned(format!("{}…\"", quoted.get(..at).unwrap_or_default())),
        None => Cow::Borrowed(quoted),
    }
}

/// One container around the place: an object with its latest key, or a list with an index.
enum Around<'a> {
    Object(&'a str),
    List(usize),
}

/// The JSON Pointer of the value that holds this byte.
fn path_at(json: &str, offset: usize) -> String {
    let mut around = Vec::new();
    let mut text = "";
    let mut bytes = json.bytes().enumerate().take(offset);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'{' => around.push(Around::Object("")),
            b'[' => around.push(Around::List(0)),
            b'}' | b']' => {
                around.pop();
            }
            b':' => {
                if let Some(Around::Object(key)) = around.last_mut() {
                    *key = text;
                }
            }
            b',' => {
                if let Some(Around::List(index)) = around.last_mut() {
                    *index += 1;
                }
            }
            b'"' => {
                let mut is_escaped = false;
                let end = bytes.find(|&(_, byte)| {
                    let is_end = byte == b'"' && !is_escaped;
                    is_escaped = byte == b'\\' && !is_escaped;
                    is_end
                });
                text = end.and_then(|(end, _)| json.get(at + 1..end)).unwrap_or_default();
            }
            _ => {}
        }
    }
    let mut path = String::new();
    for container in around {
        match container {
            Around::Object("") => {}
            Around::Object(key) => path.extend(["/", &key.replace('~', "~0").replace('/', "~1")]),
            // Writing to a String cannot fail.
            Around::List(index) => _ = write!(path, "/{index}"),
        }
    }
    path
}

/// Lines and columns count from 1, columns in bytes.
fn offset(json: &str, line: usize, column: usize) -> usize {
    let before: usize = json.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    before + column
}

const AN_INTEGER: &str = "an integer";
const A_BOOLEAN: &str = "a boolean";
const A_LIST: &str = "a list";
const A_TEXT: &str = "a text";
const TEXTS: &str = "an object of texts";

/// A value may have megabytes; the host cuts what follows 512 bytes, and the way out comes last.
const MAX_FOUND_CHARACTERS: usize = 64;

#[cfg(test)]
mod tests {
    use crate::objects::{Pod, StatefulSet, read};

    fn error(json: &str) -> String {
        read::<StatefulSet>(json).unwrap_err()
    }

    #[test]
    fn names_the_field_what_is_there_and_the_way_out() {
        assert_eq!(
            error(r#"{"spec": {"replicas": "3"}}"#),
            "/spec/replicas: expected an integer, found the text \"3\"; hint: write `replicas: 3`, without quotes"
        );
        assert_eq!(
            error(r#"{"spec": {"replicas": "three"}}"#),
            "/spec/replicas: expected an integer, found the text \"three\""
        );
        assert_eq!(error(r#"{"spec": {"replicas": 1.5}}"#), "/spec/replicas: expected an integer, found `1.5`");
        assert_eq!(
            error(r#"{"spec": {"replicas": 9223372036854775808}}"#),
            "/spec/replicas: expected an integer, found `9223372036854775808`"
        );
        assert_eq!(
            error("{\"spec\": {\n\"template\": {\"spec\": {\"containers\": [{\"name\": \"a\"},\n {\"name\": 1}]}}}}"),
            "/spec/template/spec/containers/1/name: expected a text, found `1`; hint: put the value in quotes"
        );
        assert_eq!(
            error(r#"{"metadata": {"annotations": {"a/b": "\\\"", "c/d": true}}}"#),
            "/metadata/annotations/c~1d: expected a text, found `true`; hint: put the value in quotes"
        );
        assert_eq!(
            error(r#"{"spec": {"template": {"spec": {"containers": {}}}}}"#),
            "/spec/template/spec/containers: expected a list, found an object; hint: begin each item with `- `"
        );
        assert_eq!(error(r#"{"spec": []}"#), "/spec: expected an object, found a list");
        assert_eq!(error(r#"{"spec": 1}"#), "/spec: expected an object, found `1`");
        assert_eq!(error(r#"{"metadata": {"name": []}}"#), "/metadata/name: expected a text, found a list");
        assert_eq!(error("[]"), "expected an object, found a list");
        assert_eq!(error("{"), "EOF while parsing an object");
    }

    #[test]
    fn keeps_short_what_is_long() {
        let text = "ä".repeat(1_000_000);
        let error = read::<Pod>(&format!(r#"{{"spec": "{text}"}}"#)).unwrap_err();
        assert_eq!(error, format!("/spec: expected an object, found the text \"{}…\"", "ä".repeat(63)));
    }
}
