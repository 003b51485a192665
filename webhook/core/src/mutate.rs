//! The mutating way: policies in name order, each sees what the former changed; one patch at the end.
//!
//! **Mutation fails open, whatever the policy's `failurePolicy`**: a policy that breaks, or cannot decide, changes nothing, and the request goes
//! on with an audit annotation and (when it broke) a warning. The validating call judges the final object again, and it is there that a failure
//! or a missing change refuses: the same component that broke here is asked again under its own `failurePolicy`, and fail-closed rules compare
//! values. Refusing here as well would promise what the registration cannot keep: the API server skips an unreachable mutating webhook.

use std::borrow::Cow;

use serde_json::Value;

use crate::admit::Facts;
use crate::builtin_exemption;
use crate::evaluate::{EvaluateError, Outcome};
use crate::fold::{Descent, asked, needs_user, undecided_ruling};
use crate::manifest::{Action, Rule, RuleKind};
use crate::message::{self, clean};
use crate::patch::{self, PatchError};
use crate::plan::{NamespaceFacts, Plan, Planned, Wanted};
use crate::policy_set::PolicySet;
use crate::request::{Operation, Request};
use crate::trace::Trace;
use crate::verdict::{AppliedChange, CallCost, UndecidedRuling, Verdict};

/// Changes the object. Always allowed; a request that no rule changes has no patch. Idempotent as far as the rules are.
pub async fn mutate(set: &PolicySet, request: &Request<'_>, facts: &Facts) -> Verdict {
    let mut verdict = Verdict { allowed: true, exempt: builtin_exemption::by_account(request), ..Verdict::default() };
    let is_idle = set.entries(&request.resource, request.operation).is_empty() && !facts.trace;
    if verdict.exempt.is_some() || is_idle || request.object.is_none() {
        verdict.trace = facts.trace.then(Trace::default);
        message::respond(&mut verdict, request);
        return verdict;
    }
    let mut trace = facts.trace.then(Trace::default);
    let namespace = NamespaceFacts::find(request, facts).await;
    let plan = Plan::new(set, request, &namespace, Wanted::Mutating, trace.as_mut());
    verdict.failures.extend(plan.failures.iter().cloned());
    let mut object = Changing::new(request);
    for planned in &plan.needs_user {
        let outcome = Outcome { mutations: Vec::new(), undecided: needs_user(planned).undecided };
        if let Ok(taken) = object.take(planned, &namespace, &outcome, request) {
            verdict.undecided.extend(taken.undecided);
        }
    }
    for planned in &plan.planned {
        let current = Request { object: object.text.clone(), ..request.clone() };
        let call = planned.call(planned.rules, facts);
        let evaluated = planned.policy.component.code.mutate(&call, &current).await;
        verdict.costs.push(CallCost {
            policy: planned.policy.name.clone(),
            queued: evaluated.queued,
            ran: evaluated.ran,
        });
        if let Some(trace) = &mut trace {
            trace.ran(&planned.policy.name, evaluated.ran);
        }
        let changed = evaluated.answer.and_then(|outcome| object.take(planned, &namespace, &outcome, request));
        match changed {
            Ok(taken) => {
                verdict.changes.extend(taken.changes);
                verdict.undecided.extend(taken.undecided);
                verdict.exempt = verdict.exempt.or(taken.exempt);
            }
            Err(error) => verdict.failures.push(planned.failure(error)),
        }
    }
    (verdict.patch, verdict.object) = object.finish(request);
    verdict.trace = trace;
    message::respond(&mut verdict, request);
    verdict
}

/// The object on its way through the policies. A tree is built when there is a first change.
struct Changing<'r> {
    text: Option<Cow<'r, str>>,
    /// What `text` says.
    tree: Option<Value>,
    /// What was changed, in order.
    applied: Vec<json_patch::Patch>,
}

/// What one policy's outcome led to.
#[derive(Default)]
struct Taken {
    changes: Vec<AppliedChange>,
    undecided: Vec<UndecidedRuling>,
    exempt: Option<crate::verdict::BuiltinExemption>,
}

impl<'r> Changing<'r> {
    fn new(request: &'r Request<'_>) -> Self {
        Self { text: request.object.as_deref().map(Cow::Borrowed), tree: None, applied: Vec::new() }
    }

    /// Takes over one policy's changes, all or none: after an error the object is what it was before.
    fn take(
        &mut self,
        planned: &Planned<'_>,
        namespace: &NamespaceFacts,
        outcome: &Outcome,
        request: &Request<'_>,
    ) -> Result<Taken, EvaluateError> {
        let mut taken = Taken::default();
        for undecided in &outcome.undecided {
            let (selected, rule) = asked(planned, undecided.rule, RuleKind::Mutate)?;
            let mut descent = Descent::of_rule(planned, namespace, selected, rule);
            descent.cap_by_mode(planned.policy.mode);
            descent.cap_by_undecided(rule);
            taken.undecided.push(undecided_ruling(planned.policy, rule, undecided, descent));
        }
        if outcome.mutations.is_empty() {
            return Ok(taken);
        }
        taken.exempt = builtin_exemption::by_object(request);
        let mut tree = self.tree.take().map_or_else(|| self.read(), Ok)?;
        let guarded = Guarded::of(request, &tree);
        // What would have been changed, had the mode allowed it: later changes of this policy build on it.
        let mut said = None;
        let mut applied = Vec::new();
        for mutation in &outcome.mutations {
            let (selected, rule) = asked(planned, mutation.rule, RuleKind::Mutate)?;
            if taken.exempt.is_some() && !rule.fixed {
                continue;
            }
            let mut descent = Descent::of_rule(planned, namespace, selected, rule);
            descent.cap_by_mode(planned.policy.mode);
            let is_off = descent.action == Action::Off;
            if is_off {
                descent.put_back();
            }
            let is_applied = descent.action == Action::Apply;
            let changing = match &mut said {
                _ if is_applied => &mut tree,
                Some(said) => said,
                None => said.insert(self.read()?),
            };
            let patch = patch::apply_and_diff(changing, &mutation.change).map_err(|error| bad_change(rule, &error))?;
            guarded.check(changing).map_err(|error| bad_change(rule, &error))?;
            let Some(patch) = patch else { continue };
            if is_off {
                check_put_back(request, &patch, changing).map_err(|error| bad_change(rule, &error))?;
            }
            if is_applied {
                applied.push(patch.clone());
            }
            taken.changes.push(AppliedChange {
                policy: planned.policy.name.clone(),
                rule: rule.id.clone(),
                action: descent.action,
                steps: descent.steps,
                patch,
                note: mutation.note.as_deref().map(|note| clean(note).into_owned()).filter(|note| !note.is_empty()),
            });
        }
        if !applied.is_empty() {
            self.text = Some(Cow::Owned(tree.to_string()));
            self.applied.extend(applied);
        }
        self.tree = Some(tree);
        Ok(taken)
    }

    /// The object as it is now, as a tree.
    fn read(&self) -> Result<Value, EvaluateError> {
        serde_json::from_str(self.text.as_deref().unwrap_or("null"))
            .map_err(|error| EvaluateError::BadAnswer { reason: format!("there is nothing to change: {error}") })
    }

    fn finish(mut self, request: &Request<'_>) -> (Option<json_patch::Patch>, Option<String>) {
        let patch = match self.applied.as_slice() {
            [] => None,
            [only] => Some(only.clone()),
            several => {
                let after = self.tree.take().or_else(|| self.read().ok());
                after.and_then(|after| {
                    patch::additions(several, &after).or_else(|| {
                        // Later ones may have changed what earlier ones wrote.
                        let before: Option<Value> =
                            request.object.as_deref().and_then(|text| serde_json::from_str(text).ok());
                        patch::diff(&before?, &after)
                    })
                })
            }
        };
        let object = patch.as_ref().and(self.text).map(Cow::into_owned);
        (patch, object)
    }
}

fn bad_change(rule: &Rule, error: &PatchError) -> EvaluateError {
    EvaluateError::BadAnswer { reason: clean(&format!("its change for `{}`: {error}", rule.id)).into_owned() }
}

/// What no policy may change, as it was before.
struct Guarded<'r> {
    request: &'r Request<'r>,
    identity: [Option<Value>; IDENTITY.len()],
    /// All of a set that is updated: its template is guarded, too.
    set: Option<Value>,
}

impl<'r> Guarded<'r> {
    fn of(request: &'r Request<'_>, object: &Value) -> Self {
        let resource = &request.resource;
        let is_set = resource.group == "apps" && resource.resource == "statefulsets" && resource.subresource.is_empty();
        let is_guarded = is_set && request.operation == Operation::Update;
        let identity = IDENTITY.map(|(pointer, _)| object.pointer(pointer).cloned());
        Self { request, identity, set: is_guarded.then(|| object.clone()) }
    }

    fn check(&self, after: &Value) -> Result<(), PatchError> {
        for ((pointer, field), before) in IDENTITY.iter().zip(&self.identity) {
            if before.as_ref() != after.pointer(pointer) {
                return Err(PatchError::Identity { field });
            }
        }
        self.set.as_ref().map_or(Ok(()), |before| check_live_template(self.request, before, after))
    }
}

/// The template of a live set is only ever put back to what it was: anything else restarts a database.
fn check_live_template(request: &Request<'_>, before: &Value, after: &Value) -> Result<(), PatchError> {
    if before.pointer("/spec/template") == after.pointer("/spec/template") {
        return Ok(());
    }
    let old: Option<Value> = request.old_object.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let Some(old) = old.filter(is_live) else { return Ok(()) };
    let changed = patch::diff(before, after).unwrap_or_default();
    let foreign = changed
        .iter()
        .map(|operation| operation.path().as_str())
        .find(|path| path.starts_with("/spec/template") && after.pointer(path) != old.pointer(path));
    foreign.map_or(Ok(()), |path| Err(PatchError::LiveTemplate { path: path.to_owned() }))
}

/// A rule that is off may only repeat what the old object has.
fn check_put_back(request: &Request<'_>, patch: &json_patch::Patch, after: &Value) -> Result<(), PatchError> {
    let old: Option<Value> = request.old_object.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let old = old.unwrap_or_default();
    let other =
        patch.iter().map(|operation| operation.path().as_str()).find(|path| after.pointer(path) != old.pointer(path));
    other.map_or(Ok(()), |path| Err(PatchError::NotPutBack { path: path.to_owned() }))
}

/// Has members, or is about to.
fn is_live(set: &Value) -> bool {
    let count =
        |pointer: &str, default: u64| set.pointer(pointer).map_or(default, |value| value.as_u64().unwrap_or(default));
    count("/spec/replicas", 1) > 0 || count("/status/replicas", 0) > 0
}

/// The API server's: a changed `metadata.name` would even be accepted on CREATE.
const IDENTITY: [(&str, &str); 5] = [
    ("/apiVersion", "apiVersion"),
    ("/kind", "kind"),
    ("/metadata/name", "metadata.name"),
    ("/metadata/namespace", "metadata.namespace"),
    ("/metadata/uid", "metadata.uid"),
];

#[cfg(test)]
mod tests;
