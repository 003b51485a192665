//! Names of sets, which are the stems of their members' names.

use stateward_sdk::prelude::*;

/// ID-1 of the rule catalogue.
pub const NAME_TOO_LONG: Rule = Rule {
    id: "ordered-identity/name-too-long",
    title: "Names leave room for the revision",
    description: "Every pod carries the label `controller-revision-hash: <set>-<hash>`, with a hash of up to 10 characters. A label has at most 63, \
                  so a set whose name is longer than 52 is stored but cannot make a single pod.",
    category: "Names",
    severity: Severity::High,
    baseline: Action::Deny,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// Fires on names of more than 52 characters, also on those that the server is yet to generate.
pub fn name_too_long(set: &StatefulSet, _: &Context<NoSettings>, out: &mut Findings) {
    let metadata = &set.metadata;
    let (path, place, length, prefix) = if metadata.name.is_empty() && !metadata.generate_name.is_empty() {
        let prefix = metadata.generate_name.chars().count().min(MAX_GENERATE_NAME);
        ("/metadata/generateName", "generateName", prefix + GENERATED, "the generated name")
    } else {
        ("/metadata/name", "name", metadata.name.chars().count(), "the name")
    };
    if length > MAX_NAME {
        out.finding(
            path,
            place,
            format!(
                "{prefix} has {length} characters, and the label `controller-revision-hash` leaves room for {MAX_NAME}"
            ),
        )
        .hint(format!("choose a name of at most {MAX_NAME} characters: {} fewer", length - MAX_NAME));
    }
}

/// A label's 63, less a dash and a hash of 10.
const MAX_NAME: usize = 52;
/// How many random characters the server appends to `generateName`, and where it cuts the prefix (`k8s.io/apiserver/pkg/storage/names`).
const GENERATED: usize = 5;
const MAX_GENERATE_NAME: usize = 58;

#[cfg(test)]
mod tests {
    use super::NAME_TOO_LONG;
    use crate::OrderedIdentity;
    use stateward_sdk::testing::{Said, Test, json};

    fn named(field: &str, length: usize) -> Said {
        let set = json!({"kind": "StatefulSet", "metadata": {field: "a".repeat(length)}});
        Test::<OrderedIdentity>::create(set).judge(&NAME_TOO_LONG)
    }

    #[test]
    fn fifty_two_is_the_longest() {
        assert!(named("name", 1).is_silent());
        assert!(named("name", 52).is_silent());
        assert_eq!(named("name", 53).paths(), ["/metadata/name"]);
    }

    #[test]
    fn a_name_to_be_generated_counts_its_suffix() {
        assert!(named("generateName", 47).is_silent());
        assert_eq!(named("generateName", 48).paths(), ["/metadata/generateName"]);
        assert!(named("generateName", 200).findings[0].message.contains("63 characters"));
    }
}
