//! What rules say of a field, without the value that the field has, where that may be a secret.

use std::borrow::Cow;

use stateward_core::evaluate::EvaluateError;
use stateward_core::verdict::Verdict;

use super::Tree;
use super::guard::{Guard, guard_of};

/// Takes the values of such fields out of what a verdict says of them. `json`: the object as it was judged; without it nobody can tell what is a value.
pub fn conceal(verdict: &mut Verdict, json: &str) {
    let mut read: Option<Option<Tree>> = None;
    let mut without = |path: &str, text: &mut String| {
        if !may_hide(path) {
            return;
        }
        let Some(tree) = read.get_or_insert_with(|| Tree::read(json)) else { return };
        if let Cow::Owned(concealed) = tree.without_secrets(path, text) {
            *text = concealed;
        }
    };
    for ruling in &mut verdict.rulings {
        without(&ruling.path, &mut ruling.message);
        ruling.hint.iter_mut().for_each(|hint| without(&ruling.path, hint));
    }
    for failure in &mut verdict.failures {
        let Some(path) = failure.error.malformed_field().map(|field| field.path.to_owned()) else { continue };
        let EvaluateError::GaveUp { message } = &mut failure.error else { continue };
        // The path stays what it is, whatever its words are.
        let mut words = message.split_off(path.len());
        without(&path, &mut words);
        message.push_str(&words);
    }
}

/// Whether anything at `path` may not be shown.
pub(crate) fn may_hide(path: &str) -> bool {
    matches!(guard_of(path), None | Some(Guard::Environment))
}

impl Tree {
    /// What is said of the field at `path` without the values there that may not be shown.
    pub(crate) fn without_secrets<'t>(&self, path: &str, text: &'t str) -> Cow<'t, str> {
        let scalars = self.secrets(path);
        let bare = scalars.iter().filter_map(|scalar| serde_json::from_str::<String>(scalar).ok());
        let mut secrets: Vec<Cow<'_, str>> = bare.map(Cow::Owned).collect();
        secrets.extend(scalars.iter().map(|&scalar| Cow::Borrowed(scalar)));
        // Of a single character there is nothing to hide, and every text has it.
        secrets.retain(|secret| secret.len() > 1);
        // The longest first: one may be the beginning of another, whose end would stay.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        let mut text = Cow::Borrowed(text);
        for secret in secrets {
            if text.contains(secret.as_ref()) {
                text = Cow::Owned(text.replace(secret.as_ref(), "(redacted)"));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use stateward_core::manifest::{Action, Severity};
    use stateward_core::resources::FailurePolicy;
    use stateward_core::verdict::{Failure, Ruling};

    use super::*;

    fn object() -> String {
        let container = json!({
            "name": "db", "args": ["--password=hunter2", "--password=hunter2-and-more"],
            "env": [{ "name": "PASSWORD", "value": "hunter 2" }], "image": "hunter2/db:1",
        });
        json!({ "spec": { "containers": [container], "replicas": "3" } }).to_string()
    }

    fn ruling(path: &str, message: &str, hint: &str) -> Ruling {
        Ruling {
            policy: "p".to_owned(),
            rule: "custom/quotes".to_owned(),
            severity: Severity::High,
            action: Action::Deny,
            steps: Vec::new(),
            path: path.to_owned(),
            place: String::new(),
            message: message.to_owned(),
            hint: Some(hint.to_owned()),
            remedy: None,
            exemption: None,
        }
    }

    #[test]
    fn what_is_said_of_a_secret_does_not_say_it() {
        for (path, said, written) in [
            ("/spec/containers/0/env/0/value", "`hunter 2`, \"hunter 2\"", "`(redacted)`, (redacted)"),
            ("/spec/containers/0/env/0", "PASSWORD is `hunter 2`", "PASSWORD is `(redacted)`"),
            ("/spec/containers/0/env", "PASSWORD is `hunter 2`", "PASSWORD is `(redacted)`"),
            ("/spec/containers/0/env/0/name", "PASSWORD is no name", "PASSWORD is no name"),
            ("/spec/containers/0/args", "`--password=hunter2-and-more` is no flag", "`(redacted)` is no flag"),
            ("/spec/containers/0/args/0", "`--password=hunter2` is no flag", "`(redacted)` is no flag"),
            ("/spec/containers/0/image", "`hunter2/db:1` has no digest", "`hunter2/db:1` has no digest"),
            ("/spec/containers/0/args/7", "x", "x"),
        ] {
            let mut verdict = Verdict { rulings: vec![ruling(path, said, said)], ..Verdict::default() };
            conceal(&mut verdict, &object());
            let Ruling { message, hint, .. } = &verdict.rulings[0];
            assert_eq!((message.as_str(), hint.as_deref()), (written, Some(written)), "{path}");
        }
    }

    #[test]
    fn what_is_said_of_a_wrong_type_does_not_say_it() {
        for (said, written) in [
            (
                "/spec/containers/0/env/0/value: expected a number, found the text \"hunter 2\"; hint: no `hunter 2`",
                "/spec/containers/0/env/0/value: expected a number, found the text (redacted); hint: no `(redacted)`",
            ),
            ("/spec/replicas: found the text \"3\"", "/spec/replicas: found the text \"3\""),
        ] {
            let error = EvaluateError::GaveUp { message: said.to_owned() };
            let failure = Failure { policy: "p".to_owned(), error, failure_policy: FailurePolicy::Fail };
            let mut verdict = Verdict { failures: vec![failure], ..Verdict::default() };
            conceal(&mut verdict, &object());
            assert_eq!(verdict.failures[0].error, EvaluateError::GaveUp { message: written.to_owned() });
        }
    }
}
