//! One scan in numbers: what the status of policies and the metrics say of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use stateward_core::manifest::Action;
use stateward_core::policy_set::PolicySet;
use stateward_core::verdict::Verdict;

use crate::reports::Written;

/// A scan that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// When it began.
    pub at: Timestamp,
    /// How long it took, with what it wrote.
    pub took: Duration,
    /// How many objects it looked at.
    pub objects: usize,
    /// By policy: all that were in force.
    pub policies: BTreeMap<String, Counts>,
    /// Findings by policy, rule and action.
    pub findings: BTreeMap<(String, String, Action), usize>,
    /// Keys of ours that somebody else is said to have written.
    pub suspected: usize,
    /// Kinds that could not be listed, in words.
    pub unread: Vec<String>,
    /// What became of the reports.
    pub reports: Storing,
}

/// What this leader knows of what is stored.
#[derive(Clone, Debug, Default)]
pub enum Audited {
    /// Nothing yet, or nothing any more: what an older leader said stays.
    #[default]
    NotYet,
    /// Nobody is to judge it.
    Off,
    /// The last scan.
    Found(Arc<Outcome>),
    /// It did not come to its end; why.
    Failed(String),
}

/// What one policy said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Objects that it judged.
    pub objects: usize,
    /// Findings that would refuse a request.
    pub deny: usize,
    /// Findings that would be warned of.
    pub warn: usize,
    /// Findings that are only reported: also those of a policy in mode Audit, and exempt ones.
    pub audit: usize,
    /// Rules that lacked a fact, each on one object; also who asked, which nobody knows of what is stored.
    pub undecided: usize,
    /// Objects on which it broke.
    pub errors: usize,
}

/// What became of the reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Storing {
    /// Nobody serves the API.
    #[default]
    NotServed,
    /// They were written; not all of them where there is a reason.
    Stored(Written, Option<String>),
    /// They could not be read, in words.
    Unreadable(String),
}

impl Storing {
    /// What was not written, in words.
    pub fn problem(&self) -> Option<&str> {
        match self {
            Self::NotServed | Self::Stored(_, None) => None,
            Self::Unreadable(why) | Self::Stored(_, Some(why)) => Some(why),
        }
    }
}

impl Outcome {
    /// A scan by these policies that begins.
    pub fn new(at: Timestamp, set: &PolicySet) -> Self {
        let names = set.policies().iter().map(|policy| policy.name.clone());
        Self {
            at,
            took: Duration::ZERO,
            objects: 0,
            policies: names.map(|name| (name, Counts::default())).collect(),
            findings: BTreeMap::new(),
            suspected: 0,
            unread: Vec::new(),
            reports: Storing::default(),
        }
    }

    /// Adds one object. The verdict has a trace.
    pub fn count(&mut self, verdict: &Verdict) {
        self.objects += 1;
        for asked in verdict.trace.iter().flat_map(|trace| &trace.policies).filter(|policy| policy.skipped.is_none()) {
            self.of(&asked.policy).objects += 1;
        }
        for ruling in &verdict.rulings {
            let counts = self.of(&ruling.policy);
            match ruling.action {
                Action::Deny => counts.deny += 1,
                Action::Warn => counts.warn += 1,
                _ => counts.audit += 1,
            }
            *self.findings.entry((ruling.policy.clone(), ruling.rule.clone(), ruling.action)).or_default() += 1;
        }
        for undecided in &verdict.undecided {
            self.of(&undecided.policy).undecided += 1;
        }
        for failure in &verdict.failures {
            self.of(&failure.policy).errors += 1;
        }
    }

    fn of(&mut self, policy: &str) -> &mut Counts {
        self.policies.entry(policy.to_owned()).or_default()
    }
}
