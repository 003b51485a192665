//! What exemptions reach of the objects of a scan: one that nothing needs any more is to be seen, and one of which nobody can tell is not called useless.

use std::collections::{BTreeSet, HashMap};
use std::ops::AddAssign;

use super::{Exemptible, Exemption, check};
use crate::manifest::{Rule, RuleKind};
use crate::object::Head;
use crate::policy::selects;
use crate::policy_set::PolicySet;
use crate::request::Operation;
use crate::verdict::{Ruling, Verdict};

/// Whom each exemption of a set is about, ended or not.
pub struct Reaches {
    /// In the order of [`PolicySet::exemptions`].
    rules: Vec<ReachedRules>,
    by_namespace: HashMap<String, Vec<(usize, Exemption)>>,
}

/// The rules in force that an exemption is about. Fixed ones and those that change objects are left out: nothing exempts from them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReachedRules {
    /// All of them.
    pub all: BTreeSet<String>,
    /// Those that no scan asks: they are about changes, deletions or subresources.
    pub unasked: BTreeSet<String>,
    /// Some of these are about a resource of which a scan sees no object.
    pub is_unseen: bool,
}

/// An exemption that names an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Its place among [`PolicySet::exemptions`].
    pub exemption: usize,
    /// What its rules said of this one object.
    pub tally: Tally,
}

/// What an exemption comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    /// Objects that it names and that were judged.
    pub objects: usize,
    /// Findings of which it made audits.
    pub exempted: usize,
    /// Findings of its rules of which another exemption made audits.
    pub elsewhere: usize,
    /// Findings of its rules that are what they would be without it: while it is in force, they are only noted anyway.
    pub left: usize,
    /// Its rules that lacked a fact: they may have something to be exempt from.
    pub undecided: usize,
    /// Policies that broke there.
    pub failed: usize,
}

impl Reaches {
    /// Of the exemptions of a set.
    pub fn new(set: &PolicySet) -> Self {
        let mut by_namespace: HashMap<String, Vec<(usize, Exemption)>> = HashMap::new();
        for (at, exemption) in set.exemptions().iter().enumerate().filter(|(_, each)| check(each, None).is_empty()) {
            let exemption = Exemption::compile(exemption);
            by_namespace.entry(exemption.namespace.clone()).or_default().push((at, exemption));
        }
        let rules = set.exemptions().iter().map(|exemption| reached_rules(set, &exemption.spec.rules)).collect();
        Self { rules, by_namespace }
    }

    /// The rules that an exemption is about, by its place among [`PolicySet::exemptions`].
    pub fn rules(&self, exemption: usize) -> Option<&ReachedRules> {
        self.rules.get(exemption)
    }

    /// The exemptions that name this object, and what the verdict on its CREATE says to them.
    pub fn of(&self, namespace: Option<&str>, name: Option<&str>, object: &str, verdict: &Verdict) -> Vec<Reached> {
        let Some(here) = self.by_namespace.get(namespace.unwrap_or_default()) else { return Vec::new() };
        let head = Head::read(object);
        let subject = Exemptible { name, labels: head.as_ref().and_then(Head::labels) };
        let naming = here.iter().filter(|(_, exemption)| exemption.covers_object(&subject));
        naming.map(|(at, exemption)| Reached { exemption: *at, tally: self.tally(*at, exemption, verdict) }).collect()
    }

    fn tally(&self, at: usize, exemption: &Exemption, verdict: &Verdict) -> Tally {
        let is_its = |rule: &str| self.rules(at).is_some_and(|rules| rules.all.contains(rule));
        let mut tally = Tally { objects: 1, failed: verdict.failures.len(), ..Tally::default() };
        for ruling in verdict.rulings.iter().filter(|ruling| is_its(&ruling.rule)) {
            match exempted_by(ruling) {
                Some(by) if by == (exemption.namespace.as_str(), exemption.name.as_str()) => tally.exempted += 1,
                Some(_) => tally.elsewhere += 1,
                None => tally.left += 1,
            }
        }
        tally.undecided = verdict.undecided.iter().filter(|undecided| is_its(&undecided.rule)).count();
        tally
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        let Self { objects, exempted, elsewhere, left, undecided, failed } = other;
        self.objects += objects;
        self.exempted += exempted;
        self.elsewhere += elsewhere;
        self.left += left;
        self.undecided += undecided;
        self.failed += failed;
    }
}

fn exempted_by(ruling: &Ruling) -> Option<(&str, &str)> {
    ruling.exemption.as_ref().map(|by| (by.namespace.as_str(), by.name.as_str()))
}

fn reached_rules(set: &PolicySet, patterns: &[String]) -> ReachedRules {
    let mut reached = ReachedRules::default();
    let seen = set.judged_at_create();
    let is_seen = |rule: &Rule| {
        let mut of = rule.subjects.iter().map(|subject| &subject.resource);
        of.all(|of| seen.iter().any(|seen| seen.group == of.group && seen.resource == of.resource))
    };
    for (_, rule) in set.policies().iter().flat_map(|policy| policy.described()) {
        let is_its = patterns.iter().any(|pattern| selects(pattern, &rule.id));
        if !is_its || rule.fixed || rule.kind != RuleKind::Validate {
            continue;
        }
        reached.all.insert(rule.id.clone());
        if !is_asked(rule) {
            reached.unasked.insert(rule.id.clone());
            reached.is_unseen |= !is_seen(rule);
        }
    }
    reached
}

/// A scan asks what a CREATE would be told.
fn is_asked(rule: &Rule) -> bool {
    rule.subjects
        .iter()
        .any(|subject| subject.resource.subresource.is_empty() && subject.operations.contains(&Operation::Create))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admit::{Route, validate};
    use crate::resources::PolicyExemption;
    use crate::testing::{block_on, facts, object, policy, request};

    fn exemption(name: &str, spec: &str) -> PolicyExemption {
        let spec = format!(r#"{{{spec},"reason":"r","expires":"2999-01-01T00:00:00Z"}}"#);
        serde_json::from_str(&format!(r#"{{"metadata":{{"name":"{name}","namespace":"prod"}},"spec":{spec}}}"#))
            .unwrap()
    }

    #[test]
    fn says_whom_each_exemption_helps() {
        let exemptions = vec![
            exemption("first", r#""rules":["demo/deny"],"selector":{}"#),
            exemption("second", r#""rules":["demo/*"],"names":["db"]"#),
            exemption("other", r#""rules":["demo/deny"],"names":["web"]"#),
            exemption("none", r#""rules":["ours/*"],"selector":{}"#),
        ];
        let set = PolicySet::new(vec![policy("p", |_| {})], exemptions).unwrap();
        let object = object(&["demo/deny", "demo/warn"]);
        let mut request = request(Operation::Create, &object);
        (request.name, request.namespace) = (Some("db".into()), Some("prod".into()));
        let verdict = block_on(validate(&set, &request, Route::All, &facts()));
        let reaches = Reaches::new(&set);
        let told = reaches.of(Some("prod"), Some("db"), &object, &verdict);
        let one = Tally { objects: 1, ..Tally::default() };
        let expected = [
            Reached { exemption: 0, tally: Tally { exempted: 1, ..one } },
            Reached { exemption: 1, tally: Tally { exempted: 1, elsewhere: 1, ..one } },
            Reached { exemption: 3, tally: one },
        ];
        assert_eq!(told, expected);
        assert_eq!(reaches.of(Some("test"), Some("db"), &object, &verdict), []);
        assert_eq!(reaches.rules(3), Some(&ReachedRules::default()));
    }
}
