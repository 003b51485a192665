//! What a validating rule answers: findings, and that it could not decide.

use crate::bindings::stateward::policy::types::{Finding, Judgement, RuleIndex, Undecided, UndecidedReason};
use crate::objects::Stored;
use crate::remedy::Remedy;
use crate::rule::{Action, Kind};

/// Collects what the rules of one unit say.
#[derive(Debug, Default)]
pub struct Findings {
    rule: RuleIndex,
    /// Where every finding points, whatever its rule says: the object under review is not the one that the rule judges.
    path: Option<&'static str>,
    findings: Vec<Finding>,
    undecided: Vec<Undecided>,
}

/// A finding that was just made, to be completed.
pub struct Made<'f> {
    finding: &'f mut Finding,
    /// Its path is not in the object that the rule judges.
    is_elsewhere: bool,
}

impl Findings {
    /// Findings about a Scale point at its replicas, since that is all it has.
    pub const SCALE_PATH: &'static str = "/spec/replicas";

    /// Findings that all point to one path.
    pub fn at(path: &'static str) -> Self {
        Self { path: Some(path), ..Self::default() }
    }

    /// Whose findings follow.
    pub fn begin(&mut self, rule: RuleIndex) {
        self.rule = rule;
    }

    /// The rule is broken. `path` is a JSON Pointer to the field, or to its nearest parent that exists; `place` names it by names.
    pub fn finding(
        &mut self,
        path: impl Into<String>,
        place: impl Into<String>,
        message: impl Into<String>,
    ) -> Made<'_> {
        let is_elsewhere = self.path.is_some();
        let path = self.path.map_or_else(|| path.into(), str::to_owned);
        self.findings.push(Finding {
            rule: self.rule,
            path,
            place: place.into(),
            message: message.into(),
            hint: None,
            at_most: None,
            remedy: None,
        });
        let last = self.findings.len() - 1;
        #[expect(clippy::indexing_slicing, reason = "it was pushed above")]
        Made { finding: &mut self.findings[last], is_elsewhere }
    }

    /// The rule could not decide, in its own words.
    pub fn undecided(&mut self, why: impl Into<String>) {
        self.push_undecided(UndecidedReason::Other(why.into()));
    }

    /// The rule could not decide because nobody is known to have asked.
    pub fn needs_user(&mut self) {
        self.push_undecided(UndecidedReason::NeedsUser);
    }

    /// The rule could not decide because objects of this kind cannot be looked up here.
    pub fn unavailable<'a, T: Stored<'a>>(&mut self) {
        self.unavailable_kind(T::KIND);
    }

    /// The same, by the kind's name.
    pub fn unavailable_kind(&mut self, kind: Kind) {
        self.push_undecided(UndecidedReason::Unavailable(kind.into()));
    }

    /// All that was said.
    pub fn into_judgement(self) -> Judgement {
        Judgement { findings: self.findings, undecided: self.undecided }
    }

    pub(crate) fn push_undecided(&mut self, reason: UndecidedReason) {
        let undecided = Undecided { rule: self.rule, reason };
        if !self.undecided.contains(&undecided) {
            self.undecided.push(undecided);
        }
    }
}

impl Made<'_> {
    /// What to write instead.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        self.finding.hint = Some(hint.into());
        self
    }

    /// What repairs it, where there is one right answer. A Scale has nothing that it could be written into.
    pub fn remedy(self, remedy: Remedy) -> Self {
        if !self.is_elsewhere {
            self.finding.remedy = Some(remedy.into_change());
        }
        self
    }

    /// Lowers what the profile says; raising it is not possible.
    pub fn at_most(self, action: Action) -> Self {
        self.finding.at_most = Some(action);
        self
    }
}
