//! All policies and exemptions in force at one instant. Immutable: a reload makes a new set, a request keeps the one it began with.

mod asked;
mod claims;

pub use asked::{Asked, Asker};

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::Timestamp;

use crate::evaluate::RuleIndex;
use crate::exemption::{self, Complaint, Exemption};
use crate::manifest::{Action, Profile, Read, RuleKind};
use crate::policy::{Policy, SpecError};
use crate::request::{GroupVersionKind, GroupVersionResource, Operation};
use crate::resources::{FailurePolicy, Mode, PolicyExemption};

/// All policies and exemptions in force at one instant.
#[derive(Default)]
pub struct PolicySet {
    policies: Vec<Policy>,
    exemptions: Vec<PolicyExemption>,
    by_namespace: HashMap<String, Vec<Exemption>>,
    /// By the resource's plural name, so that a request which no rule is about costs one look-up, whatever is installed.
    index: HashMap<String, Vec<(GroupVersionResource<'static>, ByOperation)>>,
}

/// The rules of one policy for one resource and operation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    /// Index into [`PolicySet::policies`].
    pub policy: usize,
    /// Validating rules with a fail-closed subject.
    pub closed: ByProfile,
    /// The other validating rules: what a missing answer means, the policy says.
    pub open: ByProfile,
    /// Those of a policy with `failurePolicy: Fail` that nobody waits for all the same.
    pub unawaited: ByProfile,
    /// All of these.
    pub all: ByProfile,
    /// Mutating rules.
    pub mutating: ByProfile,
}

/// Ascending indexes of the rules that are not off, for each profile; and of those that put back what they wrote when they were on.
#[derive(Clone, Debug, Default)]
pub(crate) struct ByProfile {
    baseline: Box<[RuleIndex]>,
    strict: Box<[RuleIndex]>,
}

#[derive(Default)]
struct ByOperation {
    create: Vec<Entry>,
    update: Vec<Entry>,
    delete: Vec<Entry>,
    connect: Vec<Entry>,
}

impl PolicySet {
    /// Joins policies. Fails where they contradict each other: each fixed rule is selected by at most one policy for a namespace.
    /// The errors carry the name of the policy they are about. Exemptions that [`exemption::check`] complains about, or of which
    /// [`Self::exemption_complaints`] says that they are refused, exempt nothing.
    pub fn new(mut policies: Vec<Policy>, exemptions: Vec<PolicyExemption>) -> Result<Self, Vec<(String, SpecError)>> {
        policies.sort_by(|a, b| a.name.cmp(&b.name));
        let errors = used_twice(&policies);
        if !errors.is_empty() {
            return Err(errors);
        }
        let (policies, errors) = claims::settle(policies, &[]);
        if errors.is_empty() { Ok(Self::index(policies, exemptions)) } else { Err(errors) }
    }

    /// What follows a set: `wanted` in place of the versions of the same name `in_force`; those that nothing replaces stay. Where policies contradict
    /// each other, what is in force stays in force and the change or the newcomer is refused, whatever their names; of newcomers only, the stricter
    /// counts. So no policy that is added takes a fixed rule away from another.
    ///
    /// Each name may be used once in `wanted` and once in `in_force`. The errors carry the name of the policy that is refused.
    pub fn succeed(
        in_force: &[Policy],
        wanted: Vec<Policy>,
        exemptions: Vec<PolicyExemption>,
    ) -> (Self, Vec<(String, SpecError)>) {
        let (policies, errors) = claims::settle(wanted, in_force);
        (Self::index(policies, exemptions), errors)
    }

    /// Of policies in name order that do not contradict each other.
    fn index(policies: Vec<Policy>, exemptions: Vec<PolicyExemption>) -> Self {
        let mut by_resource: BTreeMap<GroupVersionResource<'static>, ByOperation> = BTreeMap::new();
        for (at, policy) in policies.iter().enumerate() {
            for (resource, operation, entry) in entries_of(policy, at) {
                by_resource.entry(resource).or_default().of_mut(operation).push(entry);
            }
        }
        let mut index: HashMap<String, Vec<_>> = HashMap::new();
        for (resource, by_operation) in by_resource {
            index.entry(resource.resource.to_string()).or_default().push((resource, by_operation));
        }
        let mut by_namespace: HashMap<String, Vec<Exemption>> = HashMap::new();
        let refused = exemption::complaints(&exemptions, &policies, None);
        let is_refused = |at: usize| refused.iter().any(|complaint| complaint.exemption == at && complaint.refused);
        for (at, exemption) in exemptions.iter().enumerate() {
            // What is wrong with the others their reader says; here they exempt nothing.
            if exemption::check(exemption, None).is_empty() && !is_refused(at) {
                let exemption = Exemption::compile(exemption);
                by_namespace.entry(exemption.namespace.clone()).or_default().push(exemption);
            }
        }
        Self { policies, exemptions, by_namespace, index }
    }

    /// In name order.
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// As they were given.
    pub fn exemptions(&self) -> &[PolicyExemption] {
        &self.exemptions
    }

    /// What is to be said of the exemptions beside these policies: of those that can exempt nothing, in part, as things are or any more. Those that
    /// [`exemption::check`] complains about are left out.
    pub fn exemption_complaints(&self, now: Timestamp) -> Vec<Complaint> {
        exemption::complaints(&self.exemptions, &self.policies, Some(now))
    }

    /// Resources with a validating rule for CREATE: what `check` and audit judge. In order.
    pub fn judged_at_create(&self) -> BTreeSet<GroupVersionResource<'static>> {
        let mut resources = BTreeSet::new();
        for policy in &self.policies {
            let selected: HashSet<&str> = policy.rule_ids().collect();
            let rules = &policy.component.manifest.rules;
            let rules = rules.iter().filter(|rule| selected.contains(&*rule.id) && rule.kind == RuleKind::Validate);
            for subject in rules.flat_map(|rule| &rule.subjects) {
                if subject.resource.subresource.is_empty() && subject.operations.contains(&Operation::Create) {
                    resources.insert(subject.resource.clone());
                }
            }
        }
        resources
    }

    /// What look-ups may ask for: kinds with the union of their fields, sorted; apart what is asked for by name only.
    pub fn reads(&self) -> Vec<Read> {
        let mut reads: BTreeMap<(&GroupVersionKind<'static>, bool), Read> = BTreeMap::new();
        for read in self.policies.iter().flat_map(Policy::described).flat_map(|(_, rule)| &rule.reads) {
            let joined = reads.entry((&read.kind, read.by_name)).or_insert_with(|| Read {
                kind: read.kind.clone(),
                fields: Vec::new(),
                by_name: read.by_name,
                live: false,
            });
            joined.fields.extend(read.fields.iter().cloned());
            joined.live |= read.live;
        }
        let mut reads: Vec<Read> = reads.into_values().collect();
        for read in &mut reads {
            read.fields.sort_unstable();
            read.fields.dedup();
        }
        reads
    }

    /// The policies with a rule for this resource and operation, in name order.
    pub(crate) fn entries(&self, resource: &GroupVersionResource<'_>, operation: Operation) -> &[Entry] {
        let of_that_name = self.index.get(resource.resource.as_ref()).into_iter().flatten();
        let mut exact = of_that_name.filter(|(of, _)| of == resource);
        exact.next().map_or(&[], |(_, by_operation)| by_operation.of(operation))
    }

    /// Exemptions for a namespace.
    pub(crate) fn exemptions_in(&self, namespace: &str) -> &[Exemption] {
        self.by_namespace.get(namespace).map_or(&[], Vec::as_slice)
    }
}

impl ByProfile {
    pub(crate) const fn of(&self, profile: Profile) -> &[RuleIndex] {
        match profile {
            Profile::Baseline => &self.baseline,
            Profile::Strict => &self.strict,
        }
    }

    fn new(policy: &Policy, rules: &[RuleIndex], operation: Operation) -> Self {
        let not_off = |profile| {
            let is_on = |&index: &RuleIndex| {
                policy.selected(index).is_some_and(|(selected, rule)| {
                    policy.base_action(selected, rule, profile) != Action::Off
                        || (rule.puts_back(operation) && policy.mode == Mode::Enforce)
                })
            };
            rules.iter().copied().filter(is_on).collect()
        };
        Self { baseline: not_off(Profile::Baseline), strict: not_off(Profile::Strict) }
    }
}

impl ByOperation {
    fn of(&self, operation: Operation) -> &[Entry] {
        match operation {
            Operation::Create => &self.create,
            Operation::Update => &self.update,
            Operation::Delete => &self.delete,
            Operation::Connect => &self.connect,
        }
    }

    const fn of_mut(&mut self, operation: Operation) -> &mut Vec<Entry> {
        match operation {
            Operation::Create => &mut self.create,
            Operation::Update => &mut self.update,
            Operation::Delete => &mut self.delete,
            Operation::Connect => &mut self.connect,
        }
    }
}

/// One entry for each resource and operation that the policy's rules are about and its `match` does not exclude.
fn entries_of(policy: &Policy, at: usize) -> impl Iterator<Item = (GroupVersionResource<'static>, Operation, Entry)> {
    #[derive(Default)]
    struct Rules {
        closed: Vec<RuleIndex>,
        open: Vec<RuleIndex>,
        unawaited: Vec<RuleIndex>,
        all: Vec<RuleIndex>,
        mutating: Vec<RuleIndex>,
    }
    let mut found: BTreeMap<(GroupVersionResource<'static>, Operation), Rules> = BTreeMap::new();
    for (selected, rule) in policy.described() {
        for subject in &rule.subjects {
            for &operation in &subject.operations {
                if !policy.matcher.can_match(&subject.resource, operation) {
                    continue;
                }
                let rules = found.entry((subject.resource.clone(), operation)).or_default();
                let lists = match (rule.kind, subject.fail_closed) {
                    (RuleKind::Mutate, _) => [Some(&mut rules.mutating), None],
                    (RuleKind::Validate, true) => [Some(&mut rules.closed), Some(&mut rules.all)],
                    (RuleKind::Validate, false)
                        if policy.failure_policy == FailurePolicy::Fail && rule.is_unawaited() =>
                    {
                        [Some(&mut rules.unawaited), Some(&mut rules.all)]
                    }
                    (RuleKind::Validate, false) => [Some(&mut rules.open), Some(&mut rules.all)],
                };
                for list in lists.into_iter().flatten() {
                    // Two subjects of one rule may name the same resource and operation.
                    if list.last() != Some(&selected.index) {
                        list.push(selected.index);
                    }
                }
            }
        }
    }
    found.into_iter().map(move |((resource, operation), rules)| {
        let by_profile = |rules: &[RuleIndex]| ByProfile::new(policy, rules, operation);
        let entry = Entry {
            policy: at,
            closed: by_profile(&rules.closed),
            open: by_profile(&rules.open),
            unawaited: by_profile(&rules.unawaited),
            all: by_profile(&rules.all),
            mutating: by_profile(&rules.mutating),
        };
        (resource, operation, entry)
    })
}

/// An error for each name that is used again.
fn used_twice(policies: &[Policy]) -> Vec<(String, SpecError)> {
    let pairs = policies.iter().zip(policies.iter().skip(1)).filter(|(a, b)| a.name == b.name);
    let error = |name: &str| SpecError::new("/metadata/name", format!("another policy is named `{name}`"));
    pairs.map(|(_, b)| (b.name.clone(), error(&b.name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Manifest;
    use crate::resources::WasmPolicy;
    use crate::testing::{broken_rules, component, manifest, policy, subject, wasm_policy};

    #[test]
    fn rules_that_are_not_fixed_may_be_selected_twice() {
        assert!(PolicySet::new(vec![policy("a", |_| {}), policy("b", |_| {})], vec![]).is_ok());
        let twice = PolicySet::new(vec![policy("a", |_| {}), policy("a", |_| {})], vec![]).map(|_| ()).unwrap_err();
        assert_eq!(twice[0].1.message, "another policy is named `a`");
    }

    #[test]
    fn joins_what_is_read_of_a_kind() {
        let read = |fields: &[&str], live| Read {
            kind: GroupVersionKind { group: "".into(), version: "v1".into(), kind: "Service".into() },
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
            by_name: false,
            live,
        };
        let mut manifest: Manifest = manifest();
        manifest.rules[0].reads = vec![read(&["/spec/type", "/spec/clusterIP"], false)];
        let by_name = Read { by_name: true, ..read(&["/spec/ports"], false) };
        manifest.rules[1].reads = vec![read(&["/spec/selector", "/spec/type"], true), by_name.clone()];
        let with = |rules: &[&str]| {
            let change =
                |policy: &mut WasmPolicy| policy.spec.rules = rules.iter().map(|rule| (*rule).to_owned()).collect();
            let policy = Policy::new(&wasm_policy("p", change), component(manifest.clone(), broken_rules(&manifest)));
            PolicySet::new(vec![policy.unwrap()], vec![]).unwrap().reads()
        };
        assert_eq!(with(&["*"]), [read(&["/spec/clusterIP", "/spec/selector", "/spec/type"], true), by_name]);
        assert_eq!(with(&["demo/deny"]), [read(&["/spec/clusterIP", "/spec/type"], false)]);
        assert_eq!(with(&["demo/strict"]), []);
    }

    #[test]
    fn only_what_the_match_lets_through_is_indexed() {
        let narrowed = policy("p", |p| {
            let rule = |text| serde_json::from_str(text).unwrap();
            p.spec.matches.resource_rules = vec![rule(r#"{"resources":["statefulsets"],"operations":["CREATE"]}"#)];
        });
        let excluded = policy("q", |p| {
            let rule = |text| serde_json::from_str(text).unwrap();
            p.spec.matches.exclude_resource_rules = vec![rule(r#"{"apiGroups":["apps"],"operations":["UPDATE"]}"#)];
        });
        let set = PolicySet::new(vec![narrowed, excluded], vec![]).unwrap();
        let sets = subject("statefulsets", &[]).resource;
        let count = |resource: &GroupVersionResource<'_>, operation| set.entries(resource, operation).len();
        assert_eq!(count(&sets, Operation::Create), 2);
        assert_eq!(count(&sets, Operation::Update), 0);
        assert_eq!(count(&GroupVersionResource { version: "v1beta1".into(), ..sets.clone() }, Operation::Create), 0);
        assert_eq!(count(&GroupVersionResource { subresource: "scale".into(), ..sets }, Operation::Create), 0);
    }
}
