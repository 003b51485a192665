//! Where something is: a region of a file, and a field of an object.

use serde::Serialize;
use stateward_core::pointer;

use crate::check::{Object, Place};
use crate::wrong::Wrong;

/// A `location`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Location {
    physical_location: Physical,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logical_locations: Vec<Logical>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Physical {
    artifact_location: Artifact,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<Region>,
}

/// Which file.
#[derive(Serialize)]
pub(super) struct Artifact {
    uri: String,
}

/// Code scanning wants all four. The end is exclusive.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Region {
    pub(super) start_line: usize,
    pub(super) start_column: usize,
    pub(super) end_line: usize,
    pub(super) end_column: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Logical {
    name: String,
    fully_qualified_name: String,
    kind: &'static str,
}

impl Artifact {
    /// By the name that the command line gave it.
    pub(super) fn of(file: &str) -> Self {
        Self { uri: uri(file) }
    }
}

impl Location {
    /// A field of an object.
    pub(super) fn of(object: &Object, at: &Place, path: &str) -> Self {
        Self { physical_location: physical(&object.file, region(at)), logical_locations: logical(object, path) }
    }

    /// An object as a whole, of which no line is known.
    pub(super) fn of_object(object: &Object) -> Self {
        Self { physical_location: physical(&object.file, None), logical_locations: logical(object, "") }
    }

    /// A place in a file, of no object.
    pub(crate) fn of_file(file: &str, (line, column): (usize, usize)) -> Self {
        Self { physical_location: physical(file, Some(one_letter(line, column))), logical_locations: Vec::new() }
    }

    /// What cannot be read.
    pub(super) fn of_wrong(wrong: &Wrong) -> Self {
        let region = wrong.line.map(|line| one_letter(line, wrong.column.unwrap_or(1)));
        Self { physical_location: physical(&wrong.file, region), logical_locations: Vec::new() }
    }
}

fn physical(file: &str, region: Option<Region>) -> Physical {
    Physical { artifact_location: Artifact::of(file), region }
}

/// What would be underlined; where no lines are at hand, the letter at which it begins.
fn region(at: &Place) -> Option<Region> {
    if at.line == 0 {
        return None;
    }
    let underlined = at.snippet.as_ref().and_then(|snippet| snippet.text.get(snippet.span.clone()));
    let Some(underlined) = underlined.filter(|underlined| !underlined.is_empty()) else {
        return Some(one_letter(at.line, at.column));
    };
    let below = underlined.matches('\n').count();
    let letters = underlined.rsplit('\n').next().unwrap_or_default().chars().count();
    let end_column = if below == 0 { at.column + letters } else { letters + 1 };
    Some(Region { start_line: at.line, start_column: at.column, end_line: at.line + below, end_column })
}

fn one_letter(line: usize, column: usize) -> Region {
    Region { start_line: line, start_column: column, end_line: line, end_column: column + 1 }
}

/// `apps/v1/StatefulSet/shop/db`, and in it `#/spec/replicas`.
fn logical(object: &Object, path: &str) -> Vec<Logical> {
    let name = match (&object.name, &object.generate_name) {
        (Some(name), _) => name.clone(),
        (None, Some(prefix)) => format!("{prefix}*"),
        (None, None) => "(no name)".to_owned(),
    };
    let parts = [&object.api_version, &object.kind].into_iter().chain(&object.namespace).chain([&name]);
    let identity = parts.map(String::as_str).collect::<Vec<_>>().join("/");
    let field = pointer::tokens(path).last().map(|field| Logical {
        name: field.into_owned(),
        fully_qualified_name: format!("{identity}#{path}"),
        kind: "property",
    });
    let object = Logical { name, fully_qualified_name: identity, kind: "resource" };
    [Some(object), field].into_iter().flatten().collect()
}

/// A path as a URI reference: relative to where the command ran, or `file://` for a path from the root.
fn uri(file: &str) -> String {
    let path = file.strip_prefix("./").unwrap_or(file);
    let mut uri = if path.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in path.bytes() {
        // RFC 3986 §2.3, and `/`. A colon in the first segment would be read as a scheme.
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::check::Snippet;

    #[test]
    fn a_path_becomes_a_uri() {
        assert_eq!(uri("./a b/ü:#?%.yaml"), "a%20b/%C3%BC%3A%23%3F%25.yaml");
        assert_eq!(uri("/a/b.yaml"), "file:///a/b.yaml");
        assert_eq!(uri("../b.yaml"), "../b.yaml");
        assert_eq!(uri("<stdin>"), "%3Cstdin%3E");
    }

    #[test]
    fn what_is_underlined_ends_behind_its_last_letter() {
        let place = |text: &str, span: std::ops::Range<usize>| Place {
            line: 3,
            column: 5,
            snippet: Some(Snippet { text: text.to_owned(), first_line: 3, span }),
            missing: String::new(),
        };
        let ends = |text, span| region(&place(text, span)).map(|region| (region.end_line, region.end_column));
        assert_eq!(ends("a: \u{fc}\u{fc}\n", 3..7), Some((3, 7)));
        assert_eq!(ends("a: b\n c\n", 3..7), Some((4, 3)));
        assert_eq!(ends("a\n", 1..1), Some((3, 6)));
        assert_eq!(region(&Place::default()), None);
    }

    proptest! {
        #[test]
        fn a_uri_says_the_path_and_nothing_else(path in "(?s).{0,40}") {
            let uri = uri(&path);
            prop_assert!(uri.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~/%:".contains(&byte)));
            let encoded = uri.strip_prefix("file://").unwrap_or(&uri);
            prop_assert!(!encoded.contains(':'));
            let mut bytes = Vec::new();
            let mut rest = encoded.bytes();
            while let Some(byte) = rest.next() {
                let hex = |digit: Option<u8>| char::from(digit.unwrap_or(b'x')).to_digit(16).unwrap_or(255);
                bytes.push(if byte == b'%' { u8::try_from(hex(rest.next()) * 16 + hex(rest.next())).unwrap_or(0) } else { byte });
            }
            prop_assert_eq!(bytes, path.strip_prefix("./").unwrap_or(&path).as_bytes());
        }
    }
}
