//! Documents that are no Kubernetes objects, such as case files: their JSON, and the place of everything in it.

use std::path::PathBuf;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::decode::{decode, describe};
use crate::document::{Document, Location};
use crate::error::InputError;
use crate::read;
use crate::source::{Excerpt, Source};

/// One document of a file, whatever it holds.
#[derive(Clone, Debug)]
pub struct Data {
    /// The file as it was named.
    pub file: Arc<str>,
    /// As JSON text.
    pub json: String,
    /// Named by the user, not found in a folder.
    pub is_named: bool,
    /// Finds places; its own fields of an object are empty.
    place: Document,
}

/// Everything that was read.
#[derive(Debug, Default)]
pub struct DataFiles {
    /// In the order of files and of their places in them; folders in name order. Without empty documents.
    pub documents: Vec<Data>,
    /// What could not be read. The other documents are there all the same.
    pub errors: Vec<InputError>,
    /// How many files were opened.
    pub files: usize,
}

/// Reads files, folders (recursively: `*.yaml`, `*.yml`, `*.json`, not hidden ones) and `-`, standard input, and leaves open what they hold.
pub fn read_data(paths: &[PathBuf]) -> DataFiles {
    let mut all = DataFiles::default();
    for source in read::sources(paths, &mut all.errors) {
        all.files += 1;
        match source {
            Ok((source, is_named)) => all.add(&source, is_named),
            Err(error) => all.errors.push(error),
        }
    }
    all
}

/// Reads one text that is in memory already.
pub fn read_data_text(name: &str, text: String) -> DataFiles {
    let mut all = DataFiles { files: 1, ..DataFiles::default() };
    all.add(&read::source(name, None, text), true);
    all
}

impl DataFiles {
    fn add(&mut self, source: &Arc<Source>, is_named: bool) {
        for (origin, json) in read::parse(source) {
            match json {
                Ok(json) if json == "null" => {}
                Ok(json) => {
                    let place = Document::nameless(&origin);
                    self.documents.push(Data { file: Arc::clone(&place.file), json, is_named, place });
                }
                Err(error) => self.errors.push(error),
            }
        }
    }
}

impl Data {
    /// The fields.
    pub fn value(&self) -> Value {
        // It was written by this crate's own readers.
        serde_json::from_str(&self.json).unwrap_or_default()
    }

    /// Reads fields of this document into a type. The error is at the field.
    pub fn decode<T: DeserializeOwned>(&self, fields: &Value) -> Result<T, InputError> {
        decode(&self.place, fields)
    }

    /// Finds the line, the column and the bytes of a JSON Pointer; a path that is not there leads to its nearest parent.
    pub fn locate(&self, pointer: &str) -> Location {
        self.place.locate(pointer)
    }

    /// The lines of a location for a diagnostic.
    pub fn excerpt(&self, location: &Location) -> Excerpt {
        self.place.excerpt(location)
    }

    /// An error at a JSON Pointer.
    pub fn error(&self, pointer: &str, message: impl Into<String>) -> InputError {
        self.place.error(pointer, message)
    }

    /// An error at a JSON Pointer that begins with the field's name.
    pub fn field_error(&self, pointer: &str, message: &str) -> InputError {
        self.place.error(pointer, describe(pointer, message))
    }

    /// The whole file, without a byte order mark: what the bytes of a [`Location`] count.
    pub fn text(&self) -> &str {
        self.place.text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(text: &str) -> Data {
        let mut read = read_data_text("x.yaml", text.to_owned());
        assert_eq!((read.errors, read.documents.len(), read.files), (vec![], 1, 1));
        read.documents.remove(0)
    }

    #[test]
    fn aliases_and_merges_are_written_out_and_keep_their_places() {
        let data = data("a: &a {x: 1}\nb: *a\nlist:\n- <<: *a\n  z: 2\n");
        assert_eq!(data.json, r#"{"a":{"x":1},"b":{"x":1},"list":[{"z":2,"x":1}]}"#);
        let text = |pointer: &str| data.text().get(data.locate(pointer).value).unwrap().to_owned();
        assert_eq!((text("/b"), text("/list/0/z"), text("/list/0/x")), ("*a".into(), "2".into(), "1".into()));
    }

    #[test]
    fn a_value_ends_before_its_comment() {
        let data = data(
            "a: {b: [1, # }\n  2, ], c: []}  # ]\nd: [ ] # e\nf: [{g: h}]\nlast: \"]\\\"\" # i\nsingle: 'it''s' # j\n",
        );
        let text = |pointer: &str| data.text().get(data.locate(pointer).value).unwrap().to_owned();
        assert_eq!(text("/a"), "{b: [1, # }\n  2, ], c: []}");
        assert_eq!(
            ["/a/b", "/a/c", "/d", "/f", "/f/0"].map(text),
            ["[1, # }\n  2, ]", "[]", "[ ]", "[{g: h}]", "{g: h}"]
        );
        assert_eq!(["/last", "/single"].map(text), ["\"]\\\"\"", "'it''s'"]);
    }

    #[test]
    fn an_unknown_field_is_named_with_its_line() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "only its errors are looked at")]
        struct Shape {
            items: Vec<Item>,
        }
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "only its errors are looked at")]
        struct Item {
            name: String,
        }
        let error = |text: &str| {
            let data = data(text);
            let error = data.decode::<Shape>(&data.value()).unwrap_err();
            format!("{}: {} ({})", error.position.unwrap(), error.message, error.hint.unwrap_or_default())
        };
        assert_eq!(error("items:\n- {name: a}\n- nmae: b\n"), "3:9: unknown field `items[1].nmae` (`name`)");
        assert_eq!(error("items:\n- {}\n"), "2:3: `items[0].name` is missing ()");
        assert_eq!(error("items: [{name: 3}]\n"), "1:16: `items[0].name`: invalid type: integer `3` (a string)");
    }
}
