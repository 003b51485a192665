//! Bytes as a file of manifests.

use serde_json::Value;
use serde_json::value::RawValue;
use stateward_core::pointer;
use stateward_manifests::{Document, Documents, policy_files, read_text};

use super::said;

/// Refused with a place inside of the file; or read as objects whose every path leads to bytes inside of it.
pub fn yaml(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let documents = read_text("fuzz.yaml", text.to_owned());
    // A byte order mark is no part of the text that spans point into.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for error in documents.errors.iter().chain(&documents.skipped) {
        said::is_a_line(&error.message, usize::MAX);
        if let Some(position) = error.position {
            // A file that ends too early is wrong behind its last line.
            assert!((1..=lines(text) + 1).contains(&position.line) && position.column >= 1, "{error}");
        }
    }
    for document in &documents.objects {
        serde_json::from_str::<&RawValue>(&document.json).expect("an object's text is JSON");
        is_read_again(document);
        // A tree cannot hold every JSON: halves of surrogate pairs, and numbers that are too large, stay with their text.
        let Ok(tree) = serde_json::from_str(&document.json) else { continue };
        is_an_object(document, &tree);
        let mut paths = Vec::new();
        list_paths(&tree, "", &mut paths);
        for path in &paths {
            let followed = is_inside(document, text, path);
            // Items of a typed list inherit their type, and a tag that a directive declares ends what is known of places.
            let is_elsewhere = matches!(path.as_str(), "/apiVersion" | "/kind") || text.contains("%TAG");
            assert!(
                followed == path.matches('/').count() || is_elsewhere,
                "`{path}` exists, {followed} tokens of it were found"
            );
        }
        for missing in ["/", "/spec/none/0", "no pointer", "/~0~1", "/items/18446744073709551616", "/spec/-1"] {
            is_inside(document, text, missing);
        }
    }
    // What is wrong with a policy is data.
    let _ = policy_files::parse(&documents.objects);
}

fn is_an_object(document: &Document, tree: &Value) {
    let field = |name: &str| tree.get(name).and_then(Value::as_str);
    assert_eq!(field("apiVersion"), Some(document.api_version.as_str()));
    assert_eq!(field("kind"), Some(document.kind.as_str()));
    let meta = |name: &str| tree.get("metadata")?.get(name)?.as_str().filter(|text| !text.is_empty());
    assert_eq!((meta("name"), meta("namespace")), (document.name.as_deref(), document.namespace.as_deref()));
}

/// The JSON of an object is a file with the same object.
fn is_read_again(document: &Document) {
    let Documents { objects, errors, .. } = read_text("again.json", document.json.clone());
    assert_eq!(errors, []);
    let again: Vec<&str> = objects.iter().map(|object| object.json.as_str()).collect();
    assert_eq!(again, [document.json.as_str()]);
}

/// Answers how much of the path exists.
fn is_inside(document: &Document, text: &str, path: &str) -> usize {
    let location = document.locate(path);
    let underlined = text.get(location.span.clone()).expect("what is underlined is in the file");
    assert!(!underlined.contains(['\n', '\r']), "`{path}`: {underlined:?} is more than a line");
    assert!(text.get(location.value.clone()).is_some(), "`{path}`: its value is in the file");
    assert!(
        (1..=lines(text)).contains(&location.position.line) && location.position.column >= 1,
        "`{path}`: {location:?}"
    );
    let excerpt = document.excerpt(&location);
    assert!(excerpt.text.get(excerpt.span.clone()).is_some(), "`{path}`: {excerpt:?}");
    location.followed
}

fn list_paths(tree: &Value, path: &str, paths: &mut Vec<String>) {
    // The first few say as much as all of them.
    if paths.len() >= MAX_PATHS {
        return;
    }
    paths.push(path.to_owned());
    match tree {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate().take(MAX_PATHS) {
                list_paths(item, &format!("{path}/{index}"), paths);
            }
        }
        Value::Object(fields) => {
            for (key, value) in fields {
                list_paths(value, &format!("{path}/{}", pointer::escape(key)), paths);
            }
        }
        _ => {}
    }
}

/// More than there are, if anything: a line feed, a carriage return, or both end one.
fn lines(text: &str) -> usize {
    text.matches(['\n', '\r']).count() + 1
}

const MAX_PATHS: usize = 60;
