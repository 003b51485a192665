//! Checks a guest's answer once, at the edge. What would change a verdict is a failure of the policy (a wrong count, a rule that was not asked
//! for); what is only untidy is put right (a path that is no pointer, control characters, repetitions), so that a slip of the pen in a
//! denial does not turn it into an error.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use stateward_core::evaluate::{
    EvaluateError, Finding, Judgement, Mutation, Outcome, RuleIndex, Undecided, UndecidedReason, Unit,
};
use stateward_core::manifest::{Action, Manifest, RuleKind};
use stateward_core::request::GroupVersionKind;

use crate::bindings::stateward::policy::types as wit;
use crate::{convert, text};

/// The answer to `validate`: one judgement for each unit, about that unit's validating rules.
pub(crate) fn judgements(
    manifest: &Manifest,
    units: &[Unit<'_>],
    answer: Vec<wit::Judgement>,
) -> Result<Vec<Judgement>, EvaluateError> {
    if answer.len() != units.len() {
        return Err(bad(format!("{} judgements for {} policies", answer.len(), units.len())));
    }
    units.iter().zip(answer).map(|(unit, judgement)| self::judgement(manifest, unit, judgement)).collect()
}

/// The answer to `mutate`.
pub(crate) fn outcome(manifest: &Manifest, unit: &Unit<'_>, answer: wit::Outcome) -> Result<Outcome, EvaluateError> {
    if answer.mutations.len() > MAX_MUTATIONS {
        return Err(bad(format!("{} changes, {MAX_MUTATIONS} are the most", answer.mutations.len())));
    }
    let mut mutations = Vec::with_capacity(answer.mutations.len());
    for mutation in answer.mutations {
        check_rule(manifest, unit, mutation.rule, RuleKind::Mutate)?;
        mutations.push(Mutation {
            rule: mutation.rule,
            change: convert::change(mutation.change),
            note: mutation.note.map(|note| text::clean_owned(note, MAX_MESSAGE_BYTES)),
        });
    }
    Ok(Outcome { mutations, undecided: undecided(manifest, unit, RuleKind::Mutate, answer.undecided)? })
}

fn judgement(manifest: &Manifest, unit: &Unit<'_>, judgement: wit::Judgement) -> Result<Judgement, EvaluateError> {
    let mut findings: Vec<Finding> = Vec::with_capacity(judgement.findings.len().min(MAX_FINDINGS_PER_RULE));
    let mut places: HashMap<(RuleIndex, String), usize> = HashMap::new();
    for raw in judgement.findings {
        check_rule(manifest, unit, raw.rule, RuleKind::Validate)?;
        let finding = finding(manifest, raw);
        match places.entry((finding.rule, finding.place.clone())) {
            Entry::Vacant(place) => {
                place.insert(findings.len());
                findings.push(finding);
            }
            // The one that weighs more stays, so that the order of findings cannot weaken a verdict.
            Entry::Occupied(place) => {
                if let Some(known) = findings.get_mut(*place.get())
                    && weight(&finding) > weight(known)
                {
                    *known = finding;
                }
            }
        }
    }
    cap_per_rule(&mut findings);
    Ok(Judgement { findings, undecided: undecided(manifest, unit, RuleKind::Validate, judgement.undecided)? })
}

fn finding(manifest: &Manifest, raw: wit::Finding) -> Finding {
    Finding {
        rule: raw.rule,
        path: if is_pointer(&raw.path) {
            raw.path
        } else {
            let rule = rule_id(manifest, raw.rule);
            tracing::debug!(
                rule,
                path = text::clean(&raw.path, MAX_PLACE_BYTES),
                "a finding's path is not a JSON Pointer"
            );
            String::new()
        },
        place: text::clean_owned(raw.place, MAX_PLACE_BYTES),
        message: text::clean_owned(raw.message, MAX_MESSAGE_BYTES),
        hint: raw.hint.map(|hint| text::clean_owned(hint, MAX_MESSAGE_BYTES)),
        // `at-most` only ever lowers. `apply` lowers nothing, and an action of mutating rules must not reach a finding.
        at_most: raw.at_most.map(convert::action).filter(|action| *action != Action::Apply),
        remedy: raw.remedy.map(convert::change),
    }
}

/// Beyond the cap those that weigh least go.
fn cap_per_rule(findings: &mut Vec<Finding>) {
    if findings.len() <= MAX_FINDINGS_PER_RULE {
        return;
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(weight(finding)));
    let mut counts: HashMap<RuleIndex, usize> = HashMap::new();
    findings.retain(|finding| {
        let count = counts.entry(finding.rule).or_default();
        *count += 1;
        *count <= MAX_FINDINGS_PER_RULE
    });
}

fn undecided(
    manifest: &Manifest,
    unit: &Unit<'_>,
    kind: RuleKind,
    answer: Vec<wit::Undecided>,
) -> Result<Vec<Undecided>, EvaluateError> {
    let mut undecided: Vec<Undecided> = Vec::new();
    let mut rules = std::collections::HashSet::new();
    for raw in answer {
        check_rule(manifest, unit, raw.rule, kind)?;
        // The first reason of each rule is enough to act on.
        if rules.insert(raw.rule) {
            undecided.push(Undecided { rule: raw.rule, reason: reason(raw.reason) });
        }
    }
    Ok(undecided)
}

fn reason(reason: wit::UndecidedReason) -> UndecidedReason {
    match reason {
        wit::UndecidedReason::NeedsUser => UndecidedReason::NeedsUser,
        wit::UndecidedReason::Unavailable(kind) => {
            let GroupVersionKind { group, version, kind } = convert::kind(kind);
            let clean =
                |name: std::borrow::Cow<'static, str>| text::clean_owned(name.into_owned(), MAX_PLACE_BYTES).into();
            UndecidedReason::Unavailable(GroupVersionKind {
                group: clean(group),
                version: clean(version),
                kind: clean(kind),
            })
        }
        wit::UndecidedReason::Other(words) => UndecidedReason::Other(text::clean_owned(words, MAX_MESSAGE_BYTES)),
    }
}

/// The rule must be one that the unit was asked about, and of the kind that the call is about.
fn check_rule(manifest: &Manifest, unit: &Unit<'_>, rule: RuleIndex, kind: RuleKind) -> Result<(), EvaluateError> {
    if unit.rules.binary_search(&rule).is_err() {
        return Err(bad(format!("it speaks of rule {rule}, which it was not asked about")));
    }
    let known = usize::try_from(rule).ok().and_then(|index| manifest.rules.get(index));
    match known {
        Some(known) if known.kind == kind => Ok(()),
        Some(known) => Err(bad(match kind {
            RuleKind::Validate => format!("a judgement by `{}`, which is a rule that changes", known.id),
            RuleKind::Mutate => format!("a change by `{}`, which is a rule that judges", known.id),
        })),
        None => Err(bad(format!("there is no rule {rule}"))),
    }
}

fn rule_id(manifest: &Manifest, rule: RuleIndex) -> &str {
    usize::try_from(rule).ok().and_then(|index| manifest.rules.get(index)).map_or("", |rule| &rule.id)
}

/// Without `at-most` a finding weighs most.
fn weight(finding: &Finding) -> Action {
    finding.at_most.unwrap_or(Action::Apply)
}

/// RFC 6901 §3: empty, or `/` before each token, `~` only as `~0` and `~1`.
fn is_pointer(path: &str) -> bool {
    if path.is_empty() {
        return true;
    }
    path.starts_with('/')
        && path.len() <= MAX_PATH_BYTES
        && text::is_clean(path)
        && path.split('~').skip(1).all(|after| after.starts_with(['0', '1']))
}

fn bad(reason: String) -> EvaluateError {
    EvaluateError::BadAnswer { reason }
}

/// A paragraph; the API server's whole answer is a few KiB.
const MAX_MESSAGE_BYTES: usize = 1 << 10;
const MAX_PLACE_BYTES: usize = 256;
const MAX_PATH_BYTES: usize = 1 << 10;
const MAX_FINDINGS_PER_RULE: usize = 100;
/// Each is applied by the host, at the cost of a copy of the object.
const MAX_MUTATIONS: usize = 100;

#[cfg(test)]
mod tests;
