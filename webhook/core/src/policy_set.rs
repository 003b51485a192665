//! All policies and exemptions in force at one instant. Immutable: a reload makes a new set, a request keeps the one it began with.

use std::collections::{BTreeMap, HashMap};

use crate::evaluate::RuleIndex;
use crate::exemption::Exemption;
use crate::manifest::{Action, Profile, Read, Rule, RuleKind};
use crate::policy::{Policy, SpecError};
use crate::request::{GroupVersionKind, GroupVersionResource, Operation};
use crate::resources::PolicyExemption;

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
    /// The other validating rules.
    pub open: ByProfile,
    /// Both.
    pub all: ByProfile,
    /// Mutating rules.
    pub mutating: ByProfile,
}

/// Ascending indexes of the rules that are not off, for each profile.
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
    /// The errors carry the name of the policy they are about.
    pub fn new(mut policies: Vec<Policy>, exemptions: Vec<PolicyExemption>) -> Result<Self, Vec<(String, SpecError)>> {
        policies.sort_by(|a, b| a.name.cmp(&b.name));
        let errors = contradictions(&policies);
        if !errors.is_empty() {
            return Err(errors);
        }
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
        for exemption in &exemptions {
            let exemption = Exemption::compile(exemption);
            by_namespace.entry(exemption.namespace.clone()).or_default().push(exemption);
        }
        Ok(Self { policies, exemptions, by_namespace, index })
    }

    /// In name order.
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// As they were given.
    pub fn exemptions(&self) -> &[PolicyExemption] {
        &self.exemptions
    }

    /// What look-ups may ask for: kinds with the union of their fields, sorted.
    pub fn reads(&self) -> Vec<Read> {
        let mut reads: BTreeMap<&GroupVersionKind<'static>, Read> = BTreeMap::new();
        for read in self.policies.iter().flat_map(Policy::described).flat_map(|(_, rule)| &rule.reads) {
            let joined = reads.entry(&read.kind).or_insert_with(|| Read {
                kind: read.kind.clone(),
                fields: Vec::new(),
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

    fn new(policy: &Policy, rules: &[RuleIndex]) -> Self {
        let not_off = |profile| {
            let is_on = |&index: &RuleIndex| {
                policy
                    .selected(index)
                    .is_some_and(|(selected, rule)| policy.base_action(selected, rule, profile) != Action::Off)
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
        let by_profile = |rules: &[RuleIndex]| ByProfile::new(policy, rules);
        let entry = Entry {
            policy: at,
            closed: by_profile(&rules.closed),
            open: by_profile(&rules.open),
            all: by_profile(&rules.all),
            mutating: by_profile(&rules.mutating),
        };
        (resource, operation, entry)
    })
}

/// Names that are used twice, and fixed rules that two policies select for a namespace.
fn contradictions(policies: &[Policy]) -> Vec<(String, SpecError)> {
    let mut errors = Vec::new();
    for pair in policies.windows(2) {
        if let [a, b] = pair
            && a.name == b.name
        {
            errors.push((
                b.name.clone(),
                SpecError::new("/metadata/name", format!("another policy is named `{}`", b.name)),
            ));
        }
    }
    let fixed = |policy: &Policy| -> Vec<String> {
        policy.described().filter(|(_, rule): &(_, &Rule)| rule.fixed).map(|(_, rule)| rule.id.clone()).collect()
    };
    let with_fixed: Vec<(&Policy, Vec<String>)> =
        policies.iter().map(|policy| (policy, fixed(policy))).filter(|(_, ids)| !ids.is_empty()).collect();
    for (n, (policy, ids)) in with_fixed.iter().enumerate() {
        for (other, other_ids) in with_fixed.iter().take(n) {
            let Some(shared) = ids.iter().find(|id| other_ids.contains(id)) else { continue };
            if policy.name != other.name
                && policy.matcher.namespace_selector.overlaps(&other.matcher.namespace_selector)
            {
                let message = format!(
                    "the fixed rule `{shared}` is already selected by policy `{}` for some of the same namespaces",
                    other.name
                );
                let error = SpecError::new("/spec/match/namespaceSelector", message);
                errors.push((policy.name.clone(), error.hint("give the two policies namespace selectors that exclude each other, e.g. `In` and `NotIn` of one label")));
            }
        }
    }
    errors
}
