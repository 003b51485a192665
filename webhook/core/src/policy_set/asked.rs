//! What the API server has to ask for the installed rules to be heard: the raw material of webhook configurations. Knows nothing of their format.

use super::PolicySet;
use crate::labels::Selector;
use crate::manifest::{Action, Profile, Rule, RuleKind};
use crate::policy::{Policy, SelectedRule};
use crate::request::{GroupVersionResource, Operation};
use crate::resources::{FailurePolicy, Mode};

/// One kind of request that one rule wants to be asked about.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked<'a> {
    /// Who answers.
    pub by: Asker,
    /// Exact; `subresource` empty is the main resource.
    pub resource: &'a GroupVersionResource<'static>,
    /// What is being done.
    pub operation: Operation,
    /// The namespaces that its policy is about.
    pub namespaces: &'a Selector,
    /// CEL: where it is false, the rule has nothing to say. `None`: it always has, or its condition is not to be trusted.
    pub condition: Option<&'a str>,
}

/// Where a request is sent: one path of the server each, as [`Route`](crate::admit::Route) has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Asker {
    /// Rules that change.
    Mutate,
    /// Rules that change, but only where a namespace asks for `strict`.
    MutateStrict,
    /// Rules with a fail-closed subject for that resource and operation, of policies in `Enforce`.
    Closed,
    /// Other validating rules of policies in `Enforce` with `failurePolicy: Fail`.
    Fail,
    /// All other validating rules: of policies with `failurePolicy: Ignore`, and of those that refuse nothing.
    Ignore,
}

impl PolicySet {
    /// What the installed rules want to be asked about. Whatever a policy's mode: what it would do is recorded. Rules that are off in every profile
    /// that can be in force are left out, and what a policy's `match` excludes by resource and operation.
    ///
    /// A failed condition refuses or skips every request that it stands for, so only those of built-in components are handed on: they are tested for it.
    pub fn asked(&self) -> impl Iterator<Item = Asked<'_>> {
        self.policies
            .iter()
            .flat_map(|policy| policy.described().flat_map(move |(selected, rule)| of_rule(policy, selected, rule)))
    }
}

fn of_rule<'a>(policy: &'a Policy, selected: &'a SelectedRule, rule: &'a Rule) -> impl Iterator<Item = Asked<'a>> {
    let is_trusted = policy.component.reference.starts_with(BUILTIN);
    rule.subjects.iter().flat_map(move |subject| {
        let is_wanted = move |operation: &Operation| {
            policy.matcher.can_match(&subject.resource, *operation) && speaks(policy, selected, rule, *operation)
        };
        subject.operations.iter().copied().filter(is_wanted).map(move |operation| Asked {
            by: asker(policy, selected, rule, operation, subject.fail_closed),
            resource: &subject.resource,
            operation,
            namespaces: policy.namespace_selector(),
            condition: subject.condition.as_deref().filter(|_| is_trusted),
        })
    })
}

/// Whether the rule can do anything: in the policy's profile, or in a stricter one that a namespace may ask for.
fn speaks(policy: &Policy, selected: &SelectedRule, rule: &Rule, operation: Operation) -> bool {
    speaks_in(policy, selected, rule, operation, policy.profile)
        || speaks_in(policy, selected, rule, operation, Profile::Strict)
}

/// A rule puts back in any profile.
fn speaks_in(policy: &Policy, selected: &SelectedRule, rule: &Rule, operation: Operation, profile: Profile) -> bool {
    (rule.puts_back(operation) && policy.mode == Mode::Enforce)
        || policy.base_action(selected, rule, profile) != Action::Off
}

fn asker(policy: &Policy, selected: &SelectedRule, rule: &Rule, operation: Operation, fail_closed: bool) -> Asker {
    match (rule.kind, fail_closed, policy.failure_policy) {
        // A mutating call holds up every request that it is made for; a validating one is shared with rules that speak anywhere.
        (RuleKind::Mutate, _, _) if !speaks_in(policy, selected, rule, operation, policy.profile) => {
            Asker::MutateStrict
        }
        (RuleKind::Mutate, _, _) => Asker::Mutate,
        (RuleKind::Validate, true, _) if policy.may_refuse() => Asker::Closed,
        (RuleKind::Validate, false, FailurePolicy::Fail) if rule.is_unawaited() => Asker::Ignore,
        (RuleKind::Validate, _, FailurePolicy::Fail) => Asker::Fail,
        (RuleKind::Validate, _, FailurePolicy::Ignore) => Asker::Ignore,
    }
}

/// How policies name what the binary carries.
const BUILTIN: &str = "builtin:";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Manifest;
    use crate::resources::WasmPolicy;
    use crate::testing::{broken_rules, component, manifest, subject, wasm_policy};

    fn ask(manifest: &Manifest, change: impl FnOnce(&mut WasmPolicy), reference: &str) -> Vec<String> {
        let mut component = component(manifest.clone(), broken_rules(manifest));
        component.reference = reference.to_owned();
        let policy = Policy::new(&wasm_policy("p", change), component).unwrap();
        let set = PolicySet::new(vec![policy], vec![]).unwrap();
        let asked = set.asked().map(|asked| {
            let condition = asked.condition.unwrap_or("always");
            format!("{:?} {} {} {condition}", asked.by, asked.resource.resource, asked.operation)
        });
        asked.collect()
    }

    #[test]
    fn every_rule_is_asked_where_it_answers() {
        let mut manifest = manifest();
        manifest.rules.truncate(2);
        manifest.rules.push(crate::testing::manifest().rules.remove(3));
        manifest.rules[0].subjects = vec![subject("pods", &[Operation::Create])];
        manifest.rules[0].subjects[0].fail_closed = true;
        manifest.rules[1].subjects = vec![subject("pods", &[Operation::Delete])];
        manifest.rules[2].subjects = vec![subject("pods", &[Operation::Update])];
        manifest.rules[2].subjects[0].condition = Some("object != null".to_owned());
        let all = ["Closed pods CREATE always", "Fail pods DELETE always", "Mutate pods UPDATE object != null"];
        assert_eq!(ask(&manifest, |_| {}, "builtin:demo"), all);
        let mut unawaited = manifest.clone();
        unawaited.rules[1].fixed = true;
        assert_eq!(ask(&unawaited, |_| {}, "builtin:demo")[1], "Ignore pods DELETE always");
        unawaited.rules[1].when_undecided = Action::Deny;
        assert_eq!(ask(&unawaited, |_| {}, "builtin:demo")[1], all[1]);
        let ignoring = |p: &mut WasmPolicy| p.spec.failure_policy = FailurePolicy::Ignore;
        assert_eq!(ask(&manifest, ignoring, "builtin:demo")[1], "Ignore pods DELETE always");
        assert_eq!(
            ask(&manifest, |_| {}, "file:demo.wasm")[2],
            "Mutate pods UPDATE always",
            "whose author nobody knows"
        );
        let audits = |p: &mut WasmPolicy| p.spec.mode = Mode::Audit;
        let recorded = ["Ignore pods CREATE always", "Ignore pods DELETE always", "Mutate pods UPDATE object != null"];
        assert_eq!(ask(&manifest, audits, "builtin:demo"), recorded, "what it would do, and it is in nobody's way");
    }

    #[test]
    fn what_can_say_nothing_is_not_asked() {
        let mut manifest = manifest();
        manifest.rules.truncate(1);
        manifest.rules[0].subjects = vec![subject("pods", &[Operation::Create])];
        manifest.rules[0].baseline = Action::Off;
        assert_eq!(ask(&manifest, |_| {}, "builtin:demo").len(), 1, "a namespace may raise itself");
        let off = |p: &mut WasmPolicy| {
            p.spec.actions.insert("demo/deny".to_owned(), Action::Off);
        };
        assert_eq!(ask(&manifest, off, "builtin:demo"), [""; 0]);
        manifest.rules[0].strict = Action::Off;
        manifest.rules[0].baseline = Action::Deny;
        assert_eq!(ask(&manifest, |p| p.spec.profile = Profile::Strict, "builtin:demo"), [""; 0]);
        let elsewhere = |p: &mut WasmPolicy| {
            p.spec.matches.resource_rules = vec![serde_json::from_str(r#"{"resources":["services"]}"#).unwrap()];
        };
        assert_eq!(ask(&manifest, elsewhere, "builtin:demo"), [""; 0]);
    }

    #[test]
    fn what_changes_in_strict_alone_is_asked_there_alone() {
        let mut manifest = manifest();
        manifest.rules = vec![manifest.rules.remove(3)];
        (manifest.rules[0].baseline, manifest.rules[0].strict) = (Action::Off, Action::Apply);
        assert_eq!(
            ask(&manifest, |_| {}, "builtin:demo"),
            ["MutateStrict statefulsets CREATE always", "MutateStrict statefulsets UPDATE always"]
        );
        let strict = |p: &mut WasmPolicy| p.spec.profile = Profile::Strict;
        assert_eq!(
            ask(&manifest, strict, "builtin:demo"),
            ["Mutate statefulsets CREATE always", "Mutate statefulsets UPDATE always"]
        );
    }

    #[test]
    fn what_a_rule_wrote_it_puts_back_while_it_is_off() {
        let mut manifest = manifest();
        manifest.rules = vec![manifest.rules.remove(3)];
        manifest.rules[0].compares = true;
        (manifest.rules[0].baseline, manifest.rules[0].strict) = (Action::Off, Action::Off);
        assert_eq!(ask(&manifest, |_| {}, "builtin:demo"), ["Mutate statefulsets UPDATE always"]);
        assert_eq!(ask(&manifest, |p| p.spec.mode = Mode::Warn, "builtin:demo"), [""; 0]);
    }
}
