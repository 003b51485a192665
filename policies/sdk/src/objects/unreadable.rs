//! Says which field of an object could not be read. Only errors pay for it: the text is walked again up to where the reader stopped.

use std::fmt::Write;

/// `/spec/replicas: invalid type: string "3", expected i64`.
pub(super) fn describe(json: &str, error: &serde_json::Error) -> String {
    let words = error.to_string();
    // The position in JSON that nobody wrote by hand helps nobody.
    let words = words.rsplit_once(" at line ").map_or(words.as_str(), |(words, _)| words);
    let path = path_at(json, offset(json, error.line(), error.column()));
    if path.is_empty() { words.to_owned() } else { format!("{path}: {words}") }
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

#[cfg(test)]
mod tests {
    use crate::objects::{StatefulSet, read};

    fn error(json: &str) -> String {
        read::<StatefulSet>(json).unwrap_err()
    }

    #[test]
    fn names_the_field() {
        assert_eq!(error(r#"{"spec": {"replicas": "3"}}"#), "/spec/replicas: invalid type: string \"3\", expected i64");
        assert_eq!(
            error("{\"spec\": {\n\"template\": {\"spec\": {\"containers\": [{\"name\": \"a\"},\n {\"name\": 1}]}}}}"),
            "/spec/template/spec/containers/1/name: invalid type: integer `1`, expected a text"
        );
        assert_eq!(
            error(r#"{"metadata": {"annotations": {"a/b": "\\\"", "c/d": true}}}"#),
            "/metadata/annotations/c~1d: invalid type: boolean `true`, expected a text"
        );
        assert_eq!(error(r#"{"spec": []}"#), "/spec: invalid type: sequence, expected an object");
        assert_eq!(error(r#"{"spec": 1}"#), "/spec: invalid type: integer `1`, expected an object");
        assert_eq!(error("[]"), "invalid type: sequence, expected an object");
        assert_eq!(error("{"), "EOF while parsing an object");
    }
}
