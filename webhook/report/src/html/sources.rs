//! The objects that snippets are drawn of, each read once.

use std::borrow::Cow;

use crate::check::Object;
use crate::snippet::{Tree, is_secret};

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
        let Some(tree) = is_secret(path).then(|| self.of(object)).flatten() else { return Cow::Borrowed(text) };
        let mut text = Cow::Borrowed(text);
        for scalar in tree.scalars(path) {
            let bare = serde_json::from_str::<String>(scalar);
            for secret in [scalar, bare.as_deref().unwrap_or(scalar)] {
                // Of a single character there is nothing to hide, and every text has it.
                if secret.len() > 1 && text.contains(secret) {
                    text = Cow::Owned(text.replace(secret, "(redacted)"));
                }
            }
        }
        text
    }
}
