//! JSON Pointers (RFC 6901), and the field paths that Kubernetes writes instead.

use std::borrow::Cow;

/// One token, escaped: `~` and `/` become `~0` and `~1`.
pub fn escape(token: &str) -> Cow<'_, str> {
    if token.contains(['~', '/']) {
        Cow::Owned(token.replace('~', "~0").replace('/', "~1"))
    } else {
        Cow::Borrowed(token)
    }
}

/// One token, unescaped.
pub fn unescape(token: &str) -> Cow<'_, str> {
    if token.contains('~') { Cow::Owned(token.replace("~1", "/").replace("~0", "~")) } else { Cow::Borrowed(token) }
}

/// The tokens of a pointer, unescaped; none for the whole document. What does not begin with `/` is read as if it did.
pub fn tokens(pointer: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let rest = pointer.strip_prefix('/').or((!pointer.is_empty()).then_some(pointer));
    rest.into_iter().flat_map(|rest| rest.split('/')).map(unescape)
}

/// `/spec/volumeClaimTemplates/0/spec` as Kubernetes writes it: `spec.volumeClaimTemplates[0].spec`, and `metadata.annotations[stateward.dev/writes]`.
pub fn field_path(pointer: &str) -> String {
    let mut path = String::with_capacity(pointer.len());
    let mut in_map = false;
    for token in tokens(pointer) {
        let is_field = !in_map
            && token.starts_with(|c: char| c.is_ascii_alphabetic())
            && token.bytes().all(|b| b.is_ascii_alphanumeric());
        if is_field {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&token);
        } else {
            path.push('[');
            path.push_str(&token);
            path.push(']');
        }
        in_map = is_field && MAPS.contains(&token.as_ref());
    }
    path
}

/// Fields whose keys are the user's own.
const MAPS: &[&str] = &[
    "annotations",
    "binaryData",
    "data",
    "labels",
    "limits",
    "matchLabels",
    "nodeSelector",
    "parameters",
    "requests",
    "stringData",
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn writes_paths_as_kubernetes_does() {
        for (pointer, path) in [
            ("", ""),
            ("/spec/volumeClaimTemplates/0/spec/accessModes", "spec.volumeClaimTemplates[0].spec.accessModes"),
            ("/metadata/annotations/stateward.dev~1writes", "metadata.annotations[stateward.dev/writes]"),
            ("/spec/template/metadata/labels/app", "spec.template.metadata.labels[app]"),
            ("/spec/resources/requests/storage", "spec.resources.requests[storage]"),
            ("/data/0", "data[0]"),
        ] {
            assert_eq!(field_path(pointer), path);
        }
    }

    proptest! {
        #[test]
        fn tokens_survive_escaping(all in proptest::collection::vec("[~/a01]{0,4}", 0..5)) {
            let pointer: String = all.iter().map(|token| format!("/{}", escape(token))).collect();
            prop_assert_eq!(tokens(&pointer).map(Cow::into_owned).collect::<Vec<_>>(), all);
        }
    }
}
