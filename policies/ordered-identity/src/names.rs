//! Names of sets, which are the stems of their members' names.

use stateward_sdk::contract::is_governed;
use stateward_sdk::prelude::*;

use crate::Settings;

/// ID-1 of the rule catalogue.
pub const NAME_TOO_LONG: Rule = Rule {
    id: "ordered-identity/name-too-long",
    title: "Names leave room for the revision",
    description: "Every pod carries the label `controller-revision-hash: <set>-<hash>`, with a hash of up to 10 characters. A label has at most 63, \
                  so a set whose name is longer than 52 is stored but cannot make a single pod (kubernetes/kubernetes#64023).",
    category: promise::IDENTIFIED,
    severity: Severity::High,
    baseline: Action::Deny,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// ID-2 of the rule catalogue.
pub const NAME_NOT_LABEL: Rule = Rule {
    id: "ordered-identity/name-not-label",
    title: "Names are host names",
    description: "A member's name becomes its host name and a part of its DNS name, so the set's name must be a DNS label: lower case letters, digits \
                  and dashes. API servers before 1.27 store another name, such as one with a dot, and then not one pod starts.",
    category: "identified, reachable by name",
    severity: Severity::High,
    baseline: Action::Deny,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// ID-3 of the rule catalogue.
pub const GENERATED_NAME: Rule = Rule {
    id: "ordered-identity/generated-name",
    title: "Names are chosen, not drawn",
    description: "With `generateName` the server appends five random characters: members and their claims have other names each time the set is made \
                  anew, and the new ones find none of the data. Of a governed set no manager can be named before the name is known.",
    category: promise::IDENTIFIED,
    severity: Severity::Medium,
    baseline: Action::Deny,
    strict: Action::Deny,
    subjects: &[Subject::of(Resource::STATEFUL_SETS, &[Operation::Create])],
    ..Rule::VALIDATE
};

/// ID-4 of the rule catalogue.
pub const ORDINAL_LIKE_NAME: Rule = Rule {
    id: "ordered-identity/ordinal-like-name",
    title: "A set is not named like a member",
    description: "A set `store-0` is named like the first member of a set `store`: whoever reads an ordinal off a name, people and scripts, takes the one \
                  for the other, and the claims of the two may have one name.",
    category: promise::IDENTIFIED,
    severity: Severity::Low,
    baseline: Action::Audit,
    strict: Action::Warn,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// ID-5 of the rule catalogue.
pub const SHIFTED_ORDINALS: Rule = Rule {
    id: "ordered-identity/shifted-ordinals",
    title: "The first member is number 0",
    description: "With `ordinals.start` (KEP-3335) the first member, the one that may write, is not `<set>-0`, and a later change of the number \
                  makes another member the first one. Scripts that look for the ordinal 0 find nobody.",
    category: promise::IDENTIFIED,
    severity: Severity::Low,
    baseline: Action::Audit,
    strict: Action::Warn,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// Fires on names of more than 52 characters, also on those that the server is yet to generate.
pub fn name_too_long(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
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

/// Fires on a name, or the beginning of one to be generated, that cannot be a host name.
pub fn name_not_label(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    let metadata = &set.metadata;
    let (path, place, name, is_whole) = match (metadata.name.as_str(), metadata.generate_name.as_str()) {
        ("", prefix) => ("/metadata/generateName", "generateName", prefix, false),
        (name, _) => ("/metadata/name", "name", name, true),
    };
    if let Some(why) = not_label(name, is_whole) {
        out.finding(path, place, format!("`{name}` {why}: no member's name can be a host name"))
            .hint("write lower case letters, digits and dashes, no dash at either end, 52 characters at most");
    }
}

/// Fires on a set that is made with a generated name. The mutating call and files have none yet; in the validating call the server has chosen.
pub fn generated_name(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    let metadata = &set.metadata;
    let prefix = metadata.generate_name.as_str();
    if prefix.is_empty() || !(metadata.name.is_empty() || is_generated(&metadata.name, prefix)) {
        return;
    }
    let what = if is_governed(set) {
        "no manager can be named before the server has drawn the set's name"
    } else {
        "members and claims get a random name, another one each time the set is made"
    };
    let finding = out
        .finding("/metadata/generateName", "generateName", format!("`generateName: {prefix}`: {what}"))
        .hint("write a `name` instead");
    if cx.profile() == Profile::Baseline && !is_governed(set) {
        finding.at_most(Action::Warn);
    }
}

/// Fires on a name that ends as a member's does.
pub fn ordinal_like_name(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    let name = &set.metadata.name;
    if let Some(other) = parent_of(name) {
        out.finding("/metadata/name", "name", format!("`{name}` is also the name of a member of a set `{other}`"))
            .hint(format!("choose a name that does not end in a dash and digits, such as `{other}-a`"));
    }
}

/// Fires on ordinals that do not begin with 0.
pub fn shifted_ordinals(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    let start = set.start();
    if start != 0 {
        out.finding("/spec/ordinals/start", "ordinals.start", format!("the first member is number {start}, not 0"))
            .hint("leave `ordinals` out, unless the set continues another one's numbers");
    }
}

/// What keeps a name from being a DNS-1123 label. Of a prefix the server makes a whole name: its end is in the middle.
fn not_label(name: &str, is_whole: bool) -> Option<String> {
    let is_label = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit();
    if let Some(char) = name.chars().find(|&char| !is_label(char) && char != '-') {
        return Some(format!("has a `{char}`"));
    }
    if name.starts_with('-') || is_whole && name.ends_with('-') {
        return Some("begins or ends with a dash".to_owned());
    }
    let length = name.len();
    (is_whole && length > MAX_LABEL).then(|| format!("has {length} characters, and a DNS label at most {MAX_LABEL}"))
}

/// The server cuts a long prefix and appends random characters.
fn is_generated(name: &str, prefix: &str) -> bool {
    let cut =
        prefix.char_indices().nth(MAX_GENERATE_NAME).map_or(prefix, |(end, _)| prefix.get(..end).unwrap_or(prefix));
    let suffix = name.strip_prefix(cut);
    suffix.is_some_and(|suffix| suffix.len() == GENERATED && suffix.bytes().all(|byte| RANDOM.contains(&byte)))
}

/// RFC 1123, by way of RFC 1035.
const MAX_LABEL: usize = 63;
/// The letters and digits that the server draws from (`k8s.io/apimachinery/pkg/util/rand`).
const RANDOM: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// A label's 63, less a dash and a hash of 10.
const MAX_NAME: usize = 52;
/// How many random characters the server appends to `generateName`, and where it cuts the prefix (`k8s.io/apiserver/pkg/storage/names`).
const GENERATED: usize = 5;
const MAX_GENERATE_NAME: usize = 58;

#[cfg(test)]
mod tests {
    use super::{NAME_TOO_LONG, is_generated, not_label};
    use crate::OrderedIdentity;
    use proptest::prelude::*;
    use stateward_sdk::testing::{Said, Test, json};

    proptest! {
        #[test]
        fn what_the_server_draws_is_generated(prefix in "[a-z]{1,70}", random in "[bcdfghjklmnpqrstvwxz2456789]{5}") {
            let cut = &prefix[..prefix.len().min(58)];
            let drawn = format!("{cut}{random}");
            prop_assert!(is_generated(&drawn, &prefix));
            prop_assert!(!is_generated(cut, &prefix));
            let (shorter, longer, other) = (&drawn[..drawn.len() - 1], format!("{drawn}b"), format!("{}a", &drawn[..drawn.len() - 1]));
            prop_assert!(!is_generated(shorter, &prefix) && !is_generated(&longer, &prefix) && !is_generated(&other, &prefix));
        }

        #[test]
        fn labels_are_those_of_the_rfc(label in "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", wrong in "[A-Z._/ é]") {
            prop_assert_eq!(not_label(&label, true), None);
            let (inside, before, after) = (format!("{label}{wrong}{label}"), format!("-{label}"), format!("{label}-"));
            prop_assert!(not_label(&inside, true).is_some() && not_label(&inside, false).is_some());
            prop_assert!(not_label(&before, true).is_some() && not_label(&after, true).is_some());
            prop_assert!(not_label(&after, false).is_none() && not_label(&before, false).is_some());
        }
    }

    fn named(field: &str, length: usize) -> Said {
        let set = json!({"kind": "StatefulSet", "metadata": {field: "a".repeat(length)}});
        Test::<OrderedIdentity>::create(set).judge(&NAME_TOO_LONG)
    }

    #[test]
    fn a_name_to_be_generated_counts_its_suffix() {
        assert!(named("generateName", 47).is_silent());
        assert_eq!(named("generateName", 48).paths(), ["/metadata/generateName"]);
        assert!(named("generateName", 200).findings[0].message.contains("63 characters"));
    }
}
