//! Whether a manifest makes sense: what the types cannot say. The engine asks at load; a component that fails does not load.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Manifest, Rule, RuleKind};
use crate::request::{GroupVersionResource, Operation};
use crate::version::Version;

/// Every complaint, each naming the rule and the value.
pub fn check(manifest: &Manifest) -> Result<(), Vec<String>> {
    let mut errors = Vec::new();
    if !is_label(&manifest.name) {
        errors.push(format!("the component's name `{}` is not a DNS label", manifest.name));
    }
    let version = Version::parse(&manifest.version);
    if version.is_none() {
        errors.push(format!("the component's version `{}` is not MAJOR.MINOR.PATCH", manifest.version));
    }
    if manifest.rules.is_empty() {
        errors.push("the component has no rules".to_owned());
    }
    if manifest.rules.len() > MAX_RULES {
        errors.push(format!("the component has {} rules; at most {MAX_RULES}", manifest.rules.len()));
    }
    let mut ids = BTreeSet::new();
    for rule in &manifest.rules {
        if !ids.insert(rule.id.as_str()) {
            errors.push(format!("two rules have the id `{}`", rule.id));
        }
        let mut complain = |text: String| errors.push(format!("rule `{}`: {text}", rule.id));
        check_rule(rule, version.as_ref(), &mut complain);
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn check_rule(rule: &Rule, component: Option<&Version>, complain: &mut impl FnMut(String)) {
    let is_id = rule.id.split_once('/').is_some_and(|(family, name)| is_label(family) && is_label(name));
    if !is_id {
        complain("the id is not `family/name`, both DNS labels".to_owned());
    }
    match (Version::parse(&rule.since), component) {
        (None, _) => complain(format!("`since` is `{}`, not MAJOR.MINOR.PATCH", rule.since)),
        (Some(since), Some(component)) if since > *component => {
            complain(format!("`since` is `{}`, newer than the component", rule.since));
        }
        _ => {}
    }
    for (name, action) in [("baseline", rule.baseline), ("strict", rule.strict)] {
        let fits = match rule.kind {
            RuleKind::Validate => action != Action::Apply,
            RuleKind::Mutate => matches!(action, Action::Off | Action::Apply),
        };
        if !fits {
            complain(format!("the action `{action}` in profile `{name}` does not fit a rule that {}", verb(rule.kind)));
        }
    }
    if rule.strict < rule.baseline {
        complain(format!("profile `strict` has `{}`, less than `baseline` has", rule.strict));
    }
    if rule.when_undecided == Action::Apply {
        complain("`when-undecided` cannot be `apply`".to_owned());
    }
    if rule.fixed && rule.baseline != rule.strict {
        complain("a fixed rule has the same action in both profiles: only the policy's mode moves it".to_owned());
    }
    check_subjects(rule, complain);
    for read in &rule.reads {
        if read.kind.version.is_empty() || read.kind.kind.is_empty() {
            complain("it reads a kind without a version or a name".to_owned());
        }
        for field in read.fields.iter().filter(|field| !field.starts_with('/')) {
            complain(format!("it reads `{field}` of {}, which is not a JSON Pointer", read.kind));
        }
    }
}

fn check_subjects(rule: &Rule, complain: &mut impl FnMut(String)) {
    if rule.subjects.is_empty() {
        complain("it has no subject".to_owned());
    }
    let mut fail_closed: BTreeMap<(&GroupVersionResource<'_>, Operation), bool> = BTreeMap::new();
    for subject in &rule.subjects {
        let resource = &subject.resource;
        if resource.version.is_empty()
            || resource.resource.is_empty()
            || [&resource.group, &resource.version, &resource.resource, &resource.subresource]
                .iter()
                .any(|part| part.contains('*'))
        {
            complain(format!("the subject `{resource}` is not one exact resource"));
        }
        if subject.operations.is_empty() {
            complain(format!("the subject `{resource}` has no operation"));
        }
        if subject.condition.as_ref().is_some_and(|condition| condition.len() > MAX_CONDITION_BYTES) {
            complain(format!("the condition of the subject `{resource}` is longer than {MAX_CONDITION_BYTES} bytes"));
        }
        if rule.kind == RuleKind::Mutate && subject.fail_closed {
            complain(format!("the subject `{resource}` is fail-closed: mutation fails open"));
        }
        for &operation in &subject.operations {
            if rule.kind == RuleKind::Mutate && operation == Operation::Delete {
                complain(format!("the subject `{resource}` has DELETE, which a mutation cannot change"));
            }
            // No rule may run on two paths for one request.
            if *fail_closed.entry((resource, operation)).or_insert(subject.fail_closed) != subject.fail_closed {
                complain(format!("its subjects for {operation} of `{resource}` do not agree on `fail-closed`"));
            }
        }
    }
}

const fn verb(kind: RuleKind) -> &'static str {
    match kind {
        RuleKind::Validate => "validates",
        RuleKind::Mutate => "mutates",
    }
}

/// A DNS-1123 label.
fn is_label(text: &str) -> bool {
    let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && text.len() <= 63 && text.bytes().all(inside) && !text.starts_with('-') && !text.ends_with('-')
}

/// The project's own component will have about 90.
const MAX_RULES: usize = 1_000;

/// The API server joins conditions of many rules into one expression.
const MAX_CONDITION_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[track_caller]
    fn complains(change: impl FnOnce(&mut Manifest), expected: &str) {
        let mut manifest = testing::manifest();
        assert_eq!(check(&manifest), Ok(()));
        change(&mut manifest);
        assert_eq!(check(&manifest), Err(vec![expected.to_owned()]));
    }

    fn first(manifest: &mut Manifest) -> &mut Rule {
        manifest.rules.first_mut().unwrap()
    }

    #[test]
    fn refuses_what_makes_no_sense() {
        complains(|m| m.name = "Stateful".into(), "the component's name `Stateful` is not a DNS label");
        complains(|m| m.version = "1.0".into(), "the component's version `1.0` is not MAJOR.MINOR.PATCH");
        complains(|m| first(m).id = "alone".into(), "rule `alone`: the id is not `family/name`, both DNS labels");
        complains(
            |m| first(m).since = "9.0.0".into(),
            "rule `demo/deny`: `since` is `9.0.0`, newer than the component",
        );
        complains(
            |m| first(m).strict = Action::Apply,
            "rule `demo/deny`: the action `apply` in profile `strict` does not fit a rule that validates",
        );
        complains(
            |m| first(m).strict = Action::Warn,
            "rule `demo/deny`: profile `strict` has `warn`, less than `baseline` has",
        );
        complains(|m| first(m).when_undecided = Action::Apply, "rule `demo/deny`: `when-undecided` cannot be `apply`");
        complains(|m| first(m).subjects.clear(), "rule `demo/deny`: it has no subject");
        complains(
            |m| {
                let id = first(m).id.clone();
                m.rules.last_mut().unwrap().id = id;
            },
            "two rules have the id `demo/deny`",
        );
        complains(
            |m| {
                let mut other = first(m).subjects.first().unwrap().clone();
                other.fail_closed = true;
                first(m).subjects.push(other);
                first(m).subjects.last_mut().unwrap().operations.retain(|o| *o == Operation::Update);
            },
            "rule `demo/deny`: its subjects for UPDATE of `apps/v1 statefulsets` do not agree on `fail-closed`",
        );
    }
}
