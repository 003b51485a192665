//! Who answers for a set, and for the rules that hold for it.

use stateward_sdk::contract::PROFILE;
use stateward_sdk::prelude::*;

use crate::Settings;

/// OP-4 of the rule catalogue.
pub const NO_OWNER: Rule = Rule {
    id: "operations/no-owner",
    title: "The set says who answers for it",
    description: "When a store fails at night somebody must know whose it is and what to do first. An annotation with the owner, or with the place of the \
                  runbook, is where people and alerts look.",
    category: promise::MANAGED,
    severity: Severity::Low,
    baseline: Action::Off,
    strict: Action::Audit,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// A namespace that raised itself to a profile and is lowered again: every rule of the stricter one falls with it.
pub const PROFILE_LOWERED: Rule = Rule {
    id: "operations/profile-lowered",
    title: "A namespace keeps the profile that it raised itself to",
    description: "The label `stateward.dev/profile` puts a namespace under a stricter profile than the cluster's. Whoever may label it could take it back \
                  for the time of one change, and nobody would know why the next set was let in. A profile that is not known here counts as \
                  none: it is in force nowhere. Labels can be changed through `namespaces/status` and `namespaces/finalize`, too.",
    category: promise::MANAGED,
    severity: Severity::High,
    baseline: Action::Warn,
    strict: Action::Deny,
    compares: true,
    needs_user: true,
    subjects: &[
        Subject::of(Resource::NAMESPACES, &[Operation::Update]).when(PROFILE_DIFFERS),
        Subject::of(Resource::NAMESPACES.sub("status"), &[Operation::Update]).when(PROFILE_DIFFERS),
        Subject::of(Resource::NAMESPACES.sub("finalize"), &[Operation::Update]).when(PROFILE_DIFFERS),
    ],
    ..Rule::VALIDATE
};

/// Fires on a set without any of the annotations that name an owner or a runbook.
pub fn no_owner(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    let keys = &cx.settings.owner_keys;
    if keys.any(&OWNER_KEYS, |key| set.metadata.annotations.get(key).is_some_and(|value| !value.is_empty())) {
        return;
    }
    let mut known = keys.add.iter().map(String::as_str).chain(OWNER_KEYS.into_iter().filter(|key| !keys.removes(key)));
    // With every key removed nothing can be written: that is what the setting says.
    if let Some(key) = known.next() {
        out.finding("/metadata/annotations", "annotations", "nothing says who answers for this set")
            .hint(format!("write the annotation `{key}`"));
    }
}

/// Fires when a person removes the label, or gives it a weaker profile or one that is not known here.
pub fn profile_lowered(namespace: &Namespace, cx: &Context<Settings>, out: &mut Findings) {
    let Some(Object::Namespace(old)) = cx.old() else { return };
    let before = old.metadata.labels.get(PROFILE);
    let after = namespace.metadata.labels.get(PROFILE);
    if strictness(after) >= strictness(before) {
        return;
    }
    match cx.is_person(&cx.settings.trusted_users) {
        None => out.needs_user(),
        Some(false) => {}
        Some(true) => {
            let before = before.unwrap_or_default();
            let change = match after {
                None => "removed".to_owned(),
                Some(after) if strictness(Some(after)) > 0 => format!("lowered to `{after}`"),
                Some(after) => format!("replaced by `{after}`, which is no profile here"),
            };
            // `baseline` is the least there is: without it the policies' own profiles are in force, as before.
            let effect = if strictness(Some(before)) > 1 {
                "from now on what only `strict` refuses is let in, but for policies that are `strict` themselves"
            } else {
                "nothing says any more that the namespace chose one"
            };
            out.finding(
                Pointer::new("/metadata/labels").key(PROFILE),
                format!("labels[{PROFILE}]"),
                format!("profile `{before}` is {change}: {effect}"),
            )
            .hint(format!("keep `{PROFILE}: {before}`; a PolicyExemption lets single objects pass"));
        }
    }
}

/// What is not known here is in force nowhere, as if there were no label: also a profile of a later version, however strict it is there.
fn strictness(profile: Option<&str>) -> u8 {
    match profile {
        Some("strict") => 2,
        Some("baseline") => 1,
        _ => 0,
    }
}

/// The annotations of `a8r.io`, where services say such things, and the plain words.
pub const OWNER_KEYS: [&str; 4] = ["a8r.io/owner", "a8r.io/runbook", "owner", "runbook"];

/// CEL for the API server: the label was there, and is not the same any more.
const PROFILE_DIFFERS: &str = "object != null && oldObject != null && has(oldObject.metadata.labels) && \
    'stateward.dev/profile' in oldObject.metadata.labels && !(has(object.metadata.labels) && \
    'stateward.dev/profile' in object.metadata.labels && \
    object.metadata.labels['stateward.dev/profile'] == oldObject.metadata.labels['stateward.dev/profile'])";

#[cfg(test)]
mod tests {
    use cel::{Context, Program, Value};
    use stateward_sdk::testing::json;

    use super::PROFILE_DIFFERS;

    type Json = serde_json::Value;

    fn differs(old: &Json, new: &Json) -> bool {
        let mut context = Context::default();
        context.add_variable("object", new.clone()).unwrap();
        context.add_variable("oldObject", old.clone()).unwrap();
        match Program::compile(PROFILE_DIFFERS).unwrap().execute(&context) {
            Ok(Value::Bool(answer)) => answer,
            other => panic!("{other:?} for {old} and {new}"),
        }
    }

    #[test]
    fn namespaces_are_asked_about_when_their_label_changes() {
        let namespace = |labels: Json| json!({"metadata": {"name": "shop", "labels": labels}});
        let strict = namespace(json!({"stateward.dev/profile": "strict", "team": "a"}));
        let other = namespace(json!({"stateward.dev/profile": "strict", "team": "b"}));
        let baseline = namespace(json!({"stateward.dev/profile": "baseline"}));
        let none = namespace(json!({}));
        let bare = json!({"metadata": {}});
        for (old, new, expected) in [
            (&strict, &other, false),
            (&strict, &baseline, true),
            (&strict, &none, true),
            (&strict, &bare, true),
            (&none, &strict, false),
            (&bare, &bare, false),
            (&strict, &Json::Null, false),
            (&Json::Null, &strict, false),
        ] {
            assert_eq!(differs(old, new), expected, "{old} {new}");
        }
        assert!(PROFILE_DIFFERS.len() <= 1024);
    }
}
