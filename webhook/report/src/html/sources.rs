//! The objects that snippets are drawn of, each read once.

use std::borrow::Cow;

use crate::check::Object;
use crate::snippet::{Tree, may_hide};

/// The JSON text of an object by its index in the report; `None` where there is none.
pub type SourceOf<'a> = &'a dyn Fn(usize) -> Option<&'a str>;

/// Reads objects as they are asked for. The report is in the order of objects, so only the last one is kept.
#[derive(Default)]
pub(super) struct Sources<'a> {
    source_of: Option<SourceOf<'a>>,
    last: Option<(usize, Option<Tree>)>,
}

impl<'a> Sources<'a> {
    pub(super) fn new(source_of: SourceOf<'a>) -> Self {
        Self { source_of: Some(source_of), last: None }
    }

    pub(super) fn of(&mut self, object: &Object) -> Option<&Tree> {
        if self.last.as_ref().is_none_or(|(index, _)| *index != object.index) {
            let json = self.source_of.and_then(|source_of| source_of(object.index));
            self.last = Some((object.index, json.and_then(Tree::read)));
        }
        self.last.as_ref().and_then(|(_, tree)| tree.as_ref())
    }

    /// What is said of a field without the value that the field has, where that may be a secret.
    pub(super) fn without_secret<'t>(&mut self, object: &Object, path: &str, text: &'t str) -> Cow<'t, str> {
        match may_hide(path).then(|| self.of(object)).flatten() {
            Some(tree) => tree.without_secrets(path, text),
            None => Cow::Borrowed(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_secret_does_not_say_it() {
        let json = r#"{"spec": {"containers": [{"args": ["--password=hunter2"], "env": [{"name": "A", "value": "hunter 2"}]}], "replicas": "3"}}"#;
        let source = |_| Some(json);
        let mut sources = Sources::new(&source);
        let object = Object {
            index: 0,
            file: String::new(),
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            namespace: None,
            name: None,
            generate_name: None,
        };
        for (path, said, written) in [
            ("/spec/containers/0/env/0/value", "found \"hunter 2\", hunter 2", "found (redacted), (redacted)"),
            ("/spec/containers/0/args", "`--password=hunter2` is no flag", "`(redacted)` is no flag"),
            ("/spec/containers/0/args/0", "`--password=hunter2` is no flag", "`(redacted)` is no flag"),
            ("/spec/replicas", "found the text \"3\"", "found the text \"3\""),
            ("/data/nowhere", "x", "x"),
        ] {
            assert_eq!(sources.without_secret(&object, path, said), written, "{path}");
        }
    }
}
