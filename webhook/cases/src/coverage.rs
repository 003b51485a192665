//! Which rules have the cases that they need.

use std::collections::{BTreeMap, BTreeSet};

use stateward_core::manifest::{Rule, RuleKind};

use crate::case::Cover;
use crate::file::CaseFile;

/// Which rules have the cases that they need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// In the components' order.
    pub rules: Vec<RuleCoverage>,
}

/// What cases show of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCoverage {
    /// `family/name`.
    pub rule: String,
    /// How many cases are about it.
    pub cases: usize,
    /// What no case shows, and no reason is given for.
    pub missing: Vec<Cover>,
    /// What a case shows though a reason is given why none can.
    pub needless: Vec<Cover>,
}

impl Coverage {
    /// Counts.
    pub fn of(rules: &[&Rule], files: &[CaseFile]) -> Self {
        let mut covered: BTreeMap<&str, (usize, BTreeSet<Cover>)> = BTreeMap::new();
        for case in files.iter().flat_map(|file| &file.cases) {
            let (cases, covers) = covered.entry(&case.rule).or_default();
            *cases += 1;
            covers.extend(&case.covers);
        }
        let lacks = |rule: &str| -> BTreeSet<Cover> {
            files.iter().filter_map(|file| file.lacks.get(rule)).flat_map(BTreeMap::keys).copied().collect()
        };
        let coverage = |rule: &&Rule| {
            let (cases, covers) = covered.get(rule.id.as_str()).cloned().unwrap_or_default();
            let lacks = lacks(&rule.id);
            RuleCoverage {
                rule: rule.id.clone(),
                cases,
                missing: needed(rule).filter(|cover| !covers.contains(cover) && !lacks.contains(cover)).collect(),
                needless: lacks.intersection(&covers).copied().collect(),
            }
        };
        Self { rules: rules.iter().map(coverage).collect() }
    }

    /// How many rules have cases at all.
    pub fn with_cases(&self) -> usize {
        self.rules.iter().filter(|rule| rule.cases > 0).count()
    }

    /// The rules without a case.
    pub fn without_cases(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().filter(|rule| rule.cases == 0).map(|rule| rule.rule.as_str())
    }
}

/// What cases must show of a rule.
fn needed(rule: &Rule) -> impl Iterator<Item = Cover> + use<> {
    let fires = match rule.kind {
        RuleKind::Validate => Cover::Refused,
        RuleKind::Mutate => Cover::Changed,
    };
    let looks_up = (!rule.reads.is_empty()).then_some(Cover::Unknown);
    [Cover::Accepted, fires, Cover::Boundary, Cover::Absent].into_iter().chain(looks_up)
}
