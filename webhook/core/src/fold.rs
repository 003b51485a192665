//! From answers to actions: every step that a finding takes, in the order of DESIGN section 6.

use crate::evaluate::{EvaluateError, Finding, Judgement, Undecided, UndecidedReason};
use crate::exemption::{Exemptible, Exemption};
use crate::manifest::{Action, Rule, RuleKind};
use crate::message::clean;
use crate::plan::{NamespaceFacts, Planned};
use crate::policy::{Policy, SelectedRule};
use crate::resources::Mode;
use crate::verdict::{Ruling, Step, StepKind, UndecidedRuling};

/// The way of an action from the rule's default down. It rises in one case: see [`Descent::put_back`].
#[derive(Debug)]
pub(crate) struct Descent {
    pub action: Action,
    pub steps: Vec<Step>,
}

impl Descent {
    fn start(by: StepKind, action: Action, detail: String) -> Self {
        Self { action, steps: vec![Step { by, action, detail }] }
    }

    /// The rule's default in the profile, or the override; then what the policy's `profileVersion` leaves of it.
    pub(crate) fn of_rule(
        planned: &Planned<'_>,
        namespace: &NamespaceFacts,
        selected: &SelectedRule,
        rule: &Rule,
    ) -> Self {
        let policy = planned.policy;
        if let Some(action) = selected.override_action {
            return Self::start(StepKind::Override, action, "spec.actions".to_owned());
        }
        let mut descent =
            Self::start(StepKind::Profile, rule.action(planned.profile), namespace.describe_profile(policy.profile));
        if selected.is_newer {
            let pinned = policy.profile_version.map(|version| version.to_string()).unwrap_or_default();
            descent.cap(StepKind::ProfileVersion, Action::Warn, || {
                format!("the rule came with {}, the policy is pinned to {pinned}", rule.since)
            });
        }
        descent
    }

    /// Caps at the policy's mode.
    pub(crate) fn cap_by_mode(&mut self, mode: Mode) {
        match mode {
            Mode::Enforce => {}
            Mode::Warn => self.cap(StepKind::Mode, Action::Warn, || "Warn".to_owned()),
            Mode::Audit => self.cap(StepKind::Mode, Action::Audit, || "Audit".to_owned()),
        }
    }

    /// A rule that is off still repeats what the old object has: what it wrote when it was on would be lost otherwise, and where the field cannot
    /// be changed (claim templates) every later apply of the owner's manifest be refused.
    pub(crate) fn put_back(&mut self) {
        self.action = Action::Apply;
        self.steps.push(Step {
            by: StepKind::PutBack,
            action: Action::Apply,
            detail: "what the old object has".to_owned(),
        });
    }

    /// Takes a step, if it leads down.
    pub(crate) fn cap(&mut self, by: StepKind, at: Action, detail: impl FnOnce() -> String) {
        if at < self.action {
            self.action = at;
            self.steps.push(Step { by, action: at, detail: detail() });
        }
    }

    /// What undecided means for the rule. A mutating one changes nothing then and refuses nothing: validation does, where it must.
    pub(crate) fn cap_by_undecided(&mut self, rule: &Rule) {
        let at =
            if rule.kind == RuleKind::Mutate { rule.when_undecided.min(Action::Audit) } else { rule.when_undecided };
        self.cap(StepKind::WhenUndecided, at, || "could not be decided".to_owned());
    }

    /// A `PolicyExemption` turns Deny and Warn into Audit; answers which. Fixed rules have none.
    fn cap_by_exemption<'r>(&mut self, rule: &Rule, exemptions: &Exemptions<'r>) -> Option<&'r Exemption> {
        if rule.fixed || self.action <= Action::Audit {
            return None;
        }
        let covers = |exemption: &&Exemption| exemption.covers(&rule.id, &exemptions.subject, exemptions.now);
        let covering = exemptions.all.iter().find(covers)?;
        self.cap(StepKind::Exemption, Action::Audit, || covering.describe());
        Some(covering)
    }
}

/// The exemptions that may apply to a request.
pub(crate) struct Exemptions<'r> {
    pub all: &'r [Exemption],
    pub subject: Exemptible<'r>,
    pub now: jiff::Timestamp,
}

/// A ruling with what the ratchet needs of its rule.
pub(crate) struct Folded {
    pub ruling: Ruling,
    /// Index into [`crate::plan::Plan::planned`].
    pub planned: usize,
    pub rule: u32,
    pub is_fixed: bool,
    /// Compares the old object with the new: never ratcheted.
    pub compares: bool,
}

/// What one policy's judgement leads to.
#[derive(Default)]
pub(crate) struct FoldedJudgement {
    pub rulings: Vec<Folded>,
    pub undecided: Vec<(UndecidedRuling, /* is_fixed */ bool)>,
}

/// Takes every finding and undecided rule down its steps. Fails for a rule that was not asked for.
pub(crate) fn fold(
    at: usize,
    planned: &Planned<'_>,
    namespace: &NamespaceFacts,
    judgement: &Judgement,
    exemptions: &Exemptions<'_>,
) -> Result<FoldedJudgement, EvaluateError> {
    let mut folded = FoldedJudgement::default();
    for finding in &judgement.findings {
        let (selected, rule) = asked(planned, finding.rule, RuleKind::Validate)?;
        let mut descent = Descent::of_rule(planned, namespace, selected, rule);
        if let Some(at_most) = finding.at_most {
            descent.cap(StepKind::AtMost, at_most, || "lowered by the rule".to_owned());
        }
        descent.cap_by_mode(planned.policy.mode);
        let exemption = descent.cap_by_exemption(rule, exemptions);
        if descent.action > Action::Off {
            let mut ruled = ruling(at, planned.policy, rule, finding, descent);
            ruled.ruling.exemption = exemption.map(Exemption::named);
            keep_worst(&mut folded.rulings, ruled);
        }
    }
    for undecided in &judgement.undecided {
        let (selected, rule) = asked(planned, undecided.rule, RuleKind::Validate)?;
        let mut descent = Descent::of_rule(planned, namespace, selected, rule);
        descent.cap_by_mode(planned.policy.mode);
        descent.cap_by_exemption(rule, exemptions);
        descent.cap_by_undecided(rule);
        let entry = undecided_ruling(planned.policy, rule, undecided, descent);
        if !folded.undecided.iter().any(|(other, _)| other.rule == entry.rule && other.reason == entry.reason) {
            folded.undecided.push((entry, rule.fixed));
        }
    }
    Ok(folded)
}

/// The judgement of a policy that would have been asked if it were known who asks.
pub(crate) fn needs_user(planned: &Planned<'_>) -> Judgement {
    let undecided = |&rule: &u32| Undecided { rule, reason: UndecidedReason::NeedsUser };
    Judgement { findings: Vec::new(), undecided: planned.rules.iter().map(undecided).collect() }
}

/// The rule behind an index, if this call asked for it.
pub(crate) fn asked<'p>(
    planned: &Planned<'p>,
    index: u32,
    kind: RuleKind,
) -> Result<(&'p SelectedRule, &'p Rule), EvaluateError> {
    let is_asked = planned.rules.binary_search(&index).is_ok();
    match planned.policy.selected(index) {
        Some((selected, rule)) if is_asked && rule.kind == kind => Ok((selected, rule)),
        _ => Err(EvaluateError::BadAnswer { reason: format!("rule {index} was not asked for") }),
    }
}

pub(crate) fn undecided_ruling(
    policy: &Policy,
    rule: &Rule,
    undecided: &Undecided,
    descent: Descent,
) -> UndecidedRuling {
    let reason = match &undecided.reason {
        UndecidedReason::Other(text) => UndecidedReason::Other(clean(text).into_owned()),
        known => known.clone(),
    };
    UndecidedRuling {
        policy: policy.name.clone(),
        rule: rule.id.clone(),
        reason,
        action: descent.action,
        steps: descent.steps,
    }
}

fn ruling(at: usize, policy: &Policy, rule: &Rule, finding: &Finding, descent: Descent) -> Folded {
    Folded {
        ruling: Ruling {
            policy: policy.name.clone(),
            rule: rule.id.clone(),
            severity: rule.severity,
            action: descent.action,
            steps: descent.steps,
            path: clean(&finding.path).into_owned(),
            place: clean(&finding.place).into_owned(),
            message: clean(&finding.message).into_owned(),
            hint: finding.hint.as_deref().map(|hint| clean(hint).into_owned()).filter(|hint| !hint.is_empty()),
            remedy: finding.remedy.clone(),
            exemption: None,
        },
        planned: at,
        rule: finding.rule,
        is_fixed: rule.fixed,
        compares: rule.compares,
    }
}

/// One finding per rule and place: of repeats the one with the most drastic action stays.
fn keep_worst(rulings: &mut Vec<Folded>, new: Folded) {
    let same = rulings.iter_mut().find(|old| old.rule == new.rule && same_place(&old.ruling, &new.ruling));
    match same {
        None => rulings.push(new),
        Some(old) if old.ruling.action < new.ruling.action => *old = new,
        Some(_) => {}
    }
}

/// Findings without a place are told apart by their path.
fn same_place(a: &Ruling, b: &Ruling) -> bool {
    a.place == b.place && (!a.place.is_empty() || a.path == b.path)
}

/// Whether the old object's finding is the same as the ruling.
pub(crate) fn was_there_before(ruling: &Ruling, old: &Finding) -> bool {
    let place = clean(&old.place);
    place == ruling.place && (!place.is_empty() || clean(&old.path) == ruling.path)
}
