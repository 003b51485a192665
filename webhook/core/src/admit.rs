//! The whole way of one request: plan, evaluate, fold. Server, `check`, `explain` and audit call [`validate`] and [`mutate`] and no others.

use std::sync::Arc;
use std::time::Instant;

use crate::builtin_exemption;
use crate::evaluate::{Call, EvaluateError, Evaluated, Judgement};
use crate::exemption::Exemptible;
use crate::fold::{Exemptions, Folded, FoldedJudgement, fold, needs_user};
use crate::inventory::Inventory;
use crate::join::join_all;
use crate::message;
use crate::object::Head;
use crate::plan::{NamespaceFacts, Plan, Planned, Wanted};
use crate::policy_set::PolicySet;
use crate::probe;
use crate::ratchet;
use crate::request::Request;
use crate::resources::FailurePolicy;
use crate::trace::Trace;
use crate::verdict::{CallCost, Failure, Verdict};

pub use crate::mutate::mutate;

/// Which rules a validating call runs. No rule runs on two of the first three for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// Exactly the rules with a fail-closed subject for the request's resource and operation; every failure of an enforced policy is a denial.
    Closed,
    /// The other rules, of policies with `failurePolicy: Fail`.
    Fail,
    /// The other rules, of policies with `failurePolicy: Ignore`.
    Ignore,
    /// All of them: `check`, audit and `explain`.
    All,
}

/// The facts of one call that are neither in the request nor in the policies.
#[derive(Clone)]
pub struct Facts {
    /// Other objects, and namespaces.
    pub inventory: Arc<dyn Inventory>,
    /// For exemptions that expire.
    pub now: jiff::Timestamp,
    /// When the answer is due.
    pub deadline: Instant,
    /// Whether [`Verdict::trace`] is wanted.
    pub trace: bool,
}

/// Judges the request. Never fails: a policy that breaks is a [`Failure`] inside the verdict.
pub async fn validate(set: &PolicySet, request: &Request<'_>, route: Route, facts: &Facts) -> Verdict {
    if let Some(refusal) = probe::refusal(request, route) {
        return refusal;
    }
    let mut verdict = Verdict { allowed: true, exempt: builtin_exemption::by_account(request), ..Verdict::default() };
    let entries = set.entries(&request.resource, request.operation);
    if verdict.exempt.is_some() || (entries.is_empty() && !facts.trace) {
        verdict.trace = facts.trace.then(Trace::default);
        message::respond(&mut verdict, request);
        return verdict;
    }
    let mut trace = facts.trace.then(Trace::default);
    let namespace = NamespaceFacts::find(request, facts).await;
    let plan = Plan::new(set, request, &namespace, Wanted::Validating(route), trace.as_mut());
    let answers = evaluate(&plan, request, facts).await;

    let head = request.subject().filter(|_| answers.iter().any(Answer::says_something)).and_then(Head::read);
    let exemptions = Exemptions {
        all: set.exemptions_in(request.namespace.as_deref().unwrap_or_default()),
        subject: Exemptible::new(request, head.as_ref()),
        now: facts.now,
    };
    let mut folded = Judged::default();
    folded.failures.extend(plan.failures.iter().map(|failure| (failure.clone(), false)));
    folded.add_needs_user(&plan, &namespace, &exemptions);
    for answer in answers {
        folded.add(&plan, &namespace, answer, &exemptions, &mut verdict.costs, trace.as_mut());
    }
    ratchet::ratchet(&plan, request, facts, &mut folded.rulings, &mut verdict.costs, trace.as_mut()).await;
    folded.exempt(request, &mut verdict);
    folded.finish(&mut verdict);
    verdict.trace = trace;
    message::respond(&mut verdict, request);
    verdict
}

/// What a component answered to the units at these places of the plan.
struct Answer {
    units: Vec<usize>,
    policy: String,
    evaluated: Evaluated<Vec<Judgement>>,
}

impl Answer {
    /// An allowed request stops here: it pays for no further look at its object.
    fn says_something(&self) -> bool {
        match &self.evaluated.answer {
            Ok(judgements) => {
                judgements.iter().any(|judgement| !judgement.findings.is_empty() || !judgement.undecided.is_empty())
            }
            Err(_) => false,
        }
    }
}

/// Calls of different components run side by side.
async fn evaluate(plan: &Plan<'_>, request: &Request<'_>, facts: &Facts) -> Vec<Answer> {
    let calls = plan.calls(facts);
    let run = |call: &Call<'_>, evaluated| Answer { units: Vec::new(), policy: call.policy.to_owned(), evaluated };
    let mut answers = match calls.as_slice() {
        [] => Vec::new(),
        // By far the most common case needs no joining.
        [(units, call)] => match plan.code(units) {
            Some(code) => vec![run(call, code.validate(call, request).await)],
            None => Vec::new(),
        },
        many => {
            let futures =
                many.iter().filter_map(|(units, call)| Some(plan.code(units)?.validate(call, request))).collect();
            many.iter().zip(join_all(futures).await).map(|((_, call), evaluated)| run(call, evaluated)).collect()
        }
    };
    for (answer, (units, _)) in answers.iter_mut().zip(calls) {
        answer.units = units;
    }
    answers
}

/// All answers, folded; what is fixed is told apart for the built-in exemptions.
#[derive(Default)]
struct Judged {
    rulings: Vec<Folded>,
    undecided: Vec<(crate::verdict::UndecidedRuling, bool)>,
    failures: Vec<(Failure, bool)>,
}

impl Judged {
    fn add_needs_user(&mut self, plan: &Plan<'_>, namespace: &NamespaceFacts, exemptions: &Exemptions<'_>) {
        for planned in &plan.needs_user {
            // Only undecided rules: there is no ruling whose place in the plan would matter.
            if let Ok(folded) = fold(0, planned, namespace, &needs_user(planned), exemptions) {
                self.undecided.extend(folded.undecided);
            }
        }
    }

    fn add(
        &mut self,
        plan: &Plan<'_>,
        namespace: &NamespaceFacts,
        answer: Answer,
        exemptions: &Exemptions<'_>,
        costs: &mut Vec<CallCost>,
        mut trace: Option<&mut Trace>,
    ) {
        let Evaluated { answer: judgements, queued, ran } = answer.evaluated;
        costs.push(CallCost { policy: answer.policy, queued, ran });
        let planned = || answer.units.iter().filter_map(|&at| Some((at, plan.planned.get(at)?)));
        for (_, planned) in planned() {
            if let Some(trace) = trace.as_deref_mut() {
                trace.ran(&planned.policy.name, ran);
            }
        }
        let folded: Result<Vec<FoldedJudgement>, EvaluateError> = judgements.and_then(|judgements| {
            if judgements.len() != answer.units.len() {
                let reason = format!("{} judgements for {} policies", judgements.len(), answer.units.len());
                return Err(EvaluateError::BadAnswer { reason });
            }
            planned()
                .zip(&judgements)
                .map(|((at, planned), judgement)| fold(at, planned, namespace, judgement, exemptions))
                .collect()
        });
        match folded {
            Ok(all) => {
                for one in all {
                    self.rulings.extend(one.rulings);
                    self.undecided.extend(one.undecided);
                }
            }
            // A call that failed is a failure of each policy in it.
            Err(error) => self
                .failures
                .extend(planned().map(|(_, planned)| (planned.failure(error.clone()), planned.has_fixed()))),
        }
    }

    /// The built-in exemptions that need the objects are looked at only when something would be refused or said.
    fn exempt(&mut self, request: &Request<'_>, verdict: &mut Verdict) {
        let can_help = self.rulings.iter().any(|folded| !folded.is_fixed)
            || self.undecided.iter().any(|(_, is_fixed)| !is_fixed)
            || self.failures.iter().any(|(_, is_fixed)| !is_fixed);
        if can_help && let Some(exempt) = builtin_exemption::by_object(request) {
            verdict.exempt = Some(exempt);
            self.rulings.retain(|folded| folded.is_fixed);
            self.undecided.retain(|(_, is_fixed)| *is_fixed);
            self.failures.retain(|(_, is_fixed)| *is_fixed);
        }
    }

    fn finish(mut self, verdict: &mut Verdict) {
        self.rulings.sort_by(|a, b| {
            let worst_first = (b.ruling.action, b.ruling.severity).cmp(&(a.ruling.action, a.ruling.severity));
            let key = |folded: &Folded| (folded.planned, folded.rule);
            worst_first
                .then_with(|| key(a).cmp(&key(b)))
                .then_with(|| (&a.ruling.path, &a.ruling.place).cmp(&(&b.ruling.path, &b.ruling.place)))
        });
        self.undecided.sort_by(|(a, _), (b, _)| {
            b.action.cmp(&a.action).then_with(|| (&a.policy, &a.rule).cmp(&(&b.policy, &b.rule)))
        });
        self.failures.sort_by(|(a, _), (b, _)| a.policy.cmp(&b.policy));
        verdict.rulings = self.rulings.into_iter().map(|folded| folded.ruling).collect();
        verdict.undecided = self.undecided.into_iter().map(|(undecided, _)| undecided).collect();
        verdict.failures = self.failures.into_iter().map(|(failure, _)| failure).collect();
        verdict.allowed = !verdict.rulings.iter().any(|ruling| ruling.action == crate::manifest::Action::Deny)
            && !verdict.undecided.iter().any(|undecided| undecided.action == crate::manifest::Action::Deny)
            && !verdict.failures.iter().any(|failure| failure.failure_policy == FailurePolicy::Fail);
    }
}

impl Planned<'_> {
    pub(crate) fn failure(&self, error: EvaluateError) -> Failure {
        Failure { policy: self.policy.name.clone(), error, failure_policy: self.on_failure }
    }
}

#[cfg(test)]
mod tests;
