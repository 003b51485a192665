//! What one rule said to one request.

use serde_json::Value;
use stateward_core::manifest::Action;
use stateward_core::verdict::{Step, Verdict};

/// What one rule said to one request, in one profile.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// Sorted by path and place.
    pub findings: Vec<Finding>,
    /// Why the rule could not decide.
    pub undecided: Vec<String>,
    /// The operations of its JSON Patch, as they are answered.
    pub changes: Vec<Value>,
    /// What broke; then there is nothing else to say.
    pub failures: Vec<String>,
    /// The host looked at no rule: why.
    pub exempt: Option<String>,
}

/// A rule is broken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// JSON Pointer into the object.
    pub path: String,
    /// Its stable name.
    pub place: String,
    /// What it leads to.
    pub action: Action,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
    /// What lowered the action last: the rule itself, the policy's mode, or that the old object was already so.
    pub lowered: Option<String>,
}

impl Said {
    /// The part of a verdict that is about a rule.
    pub(crate) fn of(verdict: &Verdict, rule: &str) -> Self {
        let mut findings: Vec<Finding> = verdict
            .rulings
            .iter()
            .filter(|ruling| ruling.rule == rule)
            .map(|ruling| Finding {
                path: ruling.path.clone(),
                place: ruling.place.clone(),
                action: ruling.action,
                message: ruling.message.clone(),
                hint: ruling.hint.clone(),
                lowered: lowered(&ruling.steps),
            })
            .collect();
        findings.sort();
        let undecided = verdict.undecided.iter().filter(|undecided| undecided.rule == rule);
        // What a policy's mode only lets it say is no change.
        let made = verdict.changes.iter().filter(|change| change.rule == rule && change.action == Action::Apply);
        let exempt = verdict.exempt.and_then(|exempt| serde_json::to_value(exempt).ok());
        Self {
            findings,
            undecided: undecided.map(|undecided| undecided.reason.to_string()).collect(),
            changes: made
                .flat_map(|change| &change.patch.0)
                .filter_map(|step| serde_json::to_value(step).ok())
                .collect(),
            failures: verdict
                .failures
                .iter()
                .map(|failure| format!("policy `{}` {}", failure.policy, failure.error))
                .collect(),
            exempt: exempt.as_ref().and_then(Value::as_str).map(str::to_owned),
        }
    }
}

/// The first step is the rule's default or an override; what follows leads down.
fn lowered(steps: &[Step]) -> Option<String> {
    let last = steps.get(1..)?.last()?;
    let by = serde_json::to_value(last.by).ok()?;
    Some(format!("{}: {}", by.as_str()?, last.detail))
}
