//! Where a JSON Pointer leads to in a JSON text that is known to be valid.

use std::borrow::Cow;
use std::ops::Range;

/// Where a node is, and how much of the way there exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// Of the entry that holds it, with quotes; none in a list and for the root.
    pub(crate) key: Option<Range<usize>>,
    pub(crate) value: Range<usize>,
    /// How many tokens of the pointer were followed.
    pub(crate) tokens: usize,
}

/// Follows the pointer's tokens as far as they exist.
pub(crate) fn locate(json: &str, tokens: &[String]) -> Node {
    let mut at = skip_blank(json, 0);
    let mut key = None;
    let mut followed = 0;
    for token in tokens {
        let Some((entry, value)) = child(json, at, token) else { break };
        (key, at) = (entry, value);
        followed += 1;
    }
    Node { key, value: at..skip_value(json, at), tokens: followed }
}

/// A key's text.
pub(crate) fn unquote(quoted: &str) -> Cow<'_, str> {
    let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(quoted);
    if inner.contains('\\') {
        serde_json::from_str(quoted).map_or(Cow::Borrowed(inner), Cow::Owned)
    } else {
        Cow::Borrowed(inner)
    }
}

/// The byte behind a string that begins at `at`.
pub(crate) fn skip_string(json: &str, at: usize) -> usize {
    let mut at = at + 1;
    loop {
        let rest = json.as_bytes().get(at..).unwrap_or_default();
        let Some(next) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')) else { return json.len() };
        if rest.get(next) == Some(&b'"') {
            return at + next + 1;
        }
        at += next + 2;
    }
}

/// The value that begins at `at`.
pub(crate) fn locate_value(json: &str, at: usize) -> Range<usize> {
    at..skip_value(json, at)
}

/// The byte behind the blanks at `at`.
pub(crate) fn skip_blank(json: &str, at: usize) -> usize {
    let rest = json.as_bytes().get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(rest.len())
}

/// The child of the node at `at`: its key and where its value begins.
fn child(json: &str, at: usize, token: &str) -> Option<(Option<Range<usize>>, usize)> {
    let is_object = match byte(json, at)? {
        b'{' => true,
        b'[' => false,
        _ => return None,
    };
    let mut at = skip_blank(json, at + 1);
    let mut index = 0;
    while !matches!(byte(json, at)?, b'}' | b']') {
        let key = if is_object {
            let key = at..skip_string(json, at);
            at = skip_blank(json, skip_blank(json, key.end) + 1);
            Some(key)
        } else {
            None
        };
        let is_it = match &key {
            Some(key) => unquote(json.get(key.clone())?) == token,
            None => token.parse() == Ok(index),
        };
        if is_it {
            return Some((key, at));
        }
        at = skip_blank(json, skip_value(json, at));
        if byte(json, at) == Some(b',') {
            at = skip_blank(json, at + 1);
        }
        index += 1;
    }
    None
}

fn skip_value(json: &str, start: usize) -> usize {
    let mut at = start;
    let mut depth = 0_usize;
    while let Some(next) = byte(json, at) {
        match next {
            b'"' => {
                at = skip_string(json, at);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth > 1 => depth -= 1,
            b'}' | b']' => return if depth == 1 { at + 1 } else { at },
            b',' if depth == 0 => return at,
            _ if depth == 0 && next.is_ascii_whitespace() => return at,
            _ => {}
        }
        at += 1;
    }
    at
}

fn byte(json: &str, at: usize) -> Option<u8> {
    json.as_bytes().get(at).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, pointer: &[&str], value: &str, followed: usize) {
        let tokens: Vec<String> = pointer.iter().map(|&token| token.to_owned()).collect();
        let node = locate(json, &tokens);
        assert_eq!((&json[node.value], node.tokens), (value, followed));
    }

    #[test]
    fn follows_pointers_as_far_as_they_exist() {
        let json = r#" {"a": [1, {"b\"": "]x"} , -2.5e3 ], "c":{} , "":null} "#;
        check(json, &["a", "0"], "1", 2);
        check(json, &["a", "1", "b\""], "\"]x\"", 3);
        check(json, &["a", "1"], "{\"b\\\"\": \"]x\"}", 2);
        check(json, &["a", "2"], "-2.5e3", 2);
        check(json, &["a", "3"], "[1, {\"b\\\"\": \"]x\"} , -2.5e3 ]", 1);
        check(json, &["c", "d", "e"], "{}", 1);
        check(json, &[""], "null", 1);
        check(json, &["a", "00"], "1", 2);
        check("3", &["x"], "3", 0);
    }
}
