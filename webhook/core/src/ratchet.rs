//! Never make it worse, never refuse what was wrong already: on UPDATE the rules that would refuse judge the old object too,
//! and a finding that is there as well is capped at Warn. An admitted request pays nothing for this.

use crate::admit::Facts;
use crate::evaluate::{Call, Finding, RuleIndex};
use crate::fold::{Descent, Folded, was_there_before};
use crate::join::join_all;
use crate::manifest::Action;
use crate::plan::Plan;
use crate::request::{Operation, Request};
use crate::trace::Trace;
use crate::verdict::{CallCost, StepKind};

/// Lowers the denials that the old object has too.
pub(crate) async fn ratchet(
    plan: &Plan<'_>,
    request: &Request<'_>,
    facts: &Facts,
    rulings: &mut [Folded],
    costs: &mut Vec<CallCost>,
    trace: Option<&mut Trace>,
) {
    let Some(old_object) = request.old_object.as_deref().filter(|_| request.operation == Operation::Update) else {
        return;
    };
    let denied = denied_rules(plan, rulings);
    if denied.is_empty() {
        return;
    }
    let old_request = Request { object: Some(old_object.into()), ..request.clone() };
    let old_findings = judge_old(plan, &denied, &old_request, facts, costs).await;
    let mut lowered = 0;
    for folded in rulings.iter_mut().filter(|folded| is_ratchetable(folded)) {
        let was_there = |finding: &&Finding| finding.rule == folded.rule && was_there_before(&folded.ruling, finding);
        let before = old_findings.iter().find(|(planned, _)| *planned == folded.planned);
        if before.and_then(|(_, findings)| findings.iter().find(was_there)).is_some() {
            let mut descent = Descent { action: folded.ruling.action, steps: std::mem::take(&mut folded.ruling.steps) };
            let place = if folded.ruling.place.is_empty() { &folded.ruling.path } else { &folded.ruling.place };
            descent.cap(StepKind::Ratchet, Action::Warn, || format!("the old object has it too: `{place}`"));
            folded.ruling.action = descent.action;
            folded.ruling.steps = descent.steps;
            lowered += 1;
        }
    }
    if let Some(trace) = trace {
        let asked: usize = denied.iter().map(|(_, rules)| rules.len()).sum();
        trace.ratchet =
            Some(format!("{asked} denying rules judged the old object; {lowered} findings were there already"));
    }
}

fn is_ratchetable(folded: &Folded) -> bool {
    folded.ruling.action == Action::Deny && !folded.compares
}

/// For each policy the rules that would refuse, ascending.
fn denied_rules(plan: &Plan<'_>, rulings: &[Folded]) -> Vec<(usize, Vec<RuleIndex>)> {
    (0..plan.planned.len())
        .filter_map(|planned| {
            let mut rules: Vec<RuleIndex> = rulings
                .iter()
                .filter(|folded| folded.planned == planned && is_ratchetable(folded))
                .map(|folded| folded.rule)
                .collect();
            rules.sort_unstable();
            rules.dedup();
            (!rules.is_empty()).then_some((planned, rules))
        })
        .collect()
}

/// What these rules find in the old object. A call that fails finds nothing: the denials stay.
async fn judge_old(
    plan: &Plan<'_>,
    denied: &[(usize, Vec<RuleIndex>)],
    request: &Request<'_>,
    facts: &Facts,
    costs: &mut Vec<CallCost>,
) -> Vec<(usize, Vec<Finding>)> {
    let (places, calls): (Vec<Vec<usize>>, Vec<Call<'_>>) = plan.calls_with(denied, facts).into_iter().unzip();
    let futures =
        places.iter().zip(&calls).filter_map(|(units, call)| Some(plan.code(units)?.validate(call, request))).collect();
    let evaluated = join_all(futures).await;
    let mut found = Vec::new();
    for ((units, call), evaluated) in places.iter().zip(&calls).zip(evaluated) {
        costs.push(CallCost { policy: call.policy.to_owned(), queued: evaluated.queued, ran: evaluated.ran });
        let Ok(judgements) = evaluated.answer else { continue };
        if judgements.len() == units.len() {
            found.extend(units.iter().zip(judgements).map(|(&unit, judgement)| (unit, judgement.findings)));
        }
    }
    found
}
