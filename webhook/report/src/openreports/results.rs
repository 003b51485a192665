//! The results of one report, and what they are counted as.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use stateward_core::evaluate::UndecidedReason;
use stateward_core::manifest::Action;
use stateward_core::verdict::{Ruling, StepKind, Verdict};

use super::{Catalogue, MANAGED_BY, hex};

impl Catalogue {
    /// `of`: the object's uid, or what stands for it.
    pub(super) fn results(&self, verdict: &Verdict, of: &str) -> Vec<Said> {
        let mut seen: BTreeMap<[&str; 3], usize> = BTreeMap::new();
        let rulings = verdict.rulings.iter().map(|ruling| {
            let key = [ruling.policy.as_str(), &ruling.rule, &ruling.place];
            let occurrence = seen.entry(key).and_modify(|count| *count += 1).or_insert(1);
            let [policy, rule, place] = key;
            self.ruling(ruling, &hex([of, policy, rule, place, &occurrence.to_string()].join("\0"), 8))
        });
        let mut results: Vec<Said> = rulings.collect();
        let mut unasked: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for undecided in &verdict.undecided {
            if undecided.reason == UndecidedReason::NeedsUser {
                unasked.entry(&undecided.policy).or_default().insert(&undecided.rule);
                continue;
            }
            let message = format!("could not be decided: {}", undecided.reason);
            let mut value = self.result(&undecided.policy, &undecided.rule, "error", &message);
            value.insert("properties".to_owned(), json!({ "action": undecided.action }));
            results.push(Said { kind: Kind::Error, rules: 1, value });
        }
        for failure in &verdict.failures {
            let value = result(&failure.policy, "error", &failure.error.to_string());
            results.push(Said { kind: Kind::Error, rules: 1, value });
        }
        for (policy, rules) in unasked {
            let names: Vec<&str> = rules.iter().copied().collect();
            let message = format!("who asked is not known of what is stored: {}", names.join(", "));
            results.push(Said { kind: Kind::Unasked, rules: rules.len(), value: result(policy, "skip", &message) });
        }
        results
    }

    /// `id`: readers take two results with the same words for one, but for this.
    fn ruling(&self, ruling: &Ruling, id: &str) -> Said {
        let kind = match (&ruling.exemption, unmoded(ruling)) {
            (Some(_), _) => Kind::Exempt,
            (None, Action::Deny) => Kind::Fail,
            (None, _) => Kind::Warn,
        };
        let mut value = self.result(&ruling.policy, &ruling.rule, kind.word(), &ruling.message);
        value.insert("scored".to_owned(), (kind == Kind::Fail).into());
        let mut properties = Map::new();
        let hint = ruling.hint.as_deref().unwrap_or_default();
        let exemption = ruling.exemption.as_ref();
        let exempted = exemption.map(|by| format!("{}/{}: {}", by.namespace, by.name, by.reason)).unwrap_or_default();
        for (name, text) in [("path", ruling.path.as_str()), ("hint", hint), ("exemption", &exempted)] {
            if !text.is_empty() {
                properties.insert(name.to_owned(), bounded(text).into());
            }
        }
        properties.insert("action".to_owned(), json!(ruling.action));
        properties.insert(RESULT_ID.to_owned(), id.into());
        value.insert("properties".to_owned(), properties.into());
        Said { kind, rules: 1, value }
    }

    fn result(&self, policy: &str, rule: &str, word: &str, message: &str) -> Map<String, Value> {
        let mut value = result(policy, word, message);
        value.insert("rule".to_owned(), rule.into());
        if let Some((category, severity)) = self.rules.get(rule) {
            value.insert("category".to_owned(), category.as_str().into());
            value.insert("severity".to_owned(), json!(severity));
        }
        value
    }
}

/// One result, and what it stands for in the summary.
pub(super) struct Said {
    pub(super) kind: Kind,
    rules: usize,
    pub(super) value: Map<String, Value>,
}

/// In the order in which they are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Fail,
    Error,
    Warn,
    Exempt,
    /// Rules that need to know who asks.
    Unasked,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Exempt | Self::Unasked => "skip",
        }
    }
}

/// What the finding would be were its policy enforced: an audit of a policy in mode Audit is there to show that.
fn unmoded(ruling: &Ruling) -> Action {
    let before = ruling.steps.iter().take_while(|step| step.by != StepKind::Mode).last();
    let is_moded = ruling.steps.iter().any(|step| step.by == StepKind::Mode);
    before.filter(|_| is_moded).map_or(ruling.action, |step| step.action)
}

/// Counts results as readers of reports do, and as passed every rule that was asked and has nothing to say.
pub(super) fn summary(verdict: &Verdict, results: &[Said]) -> Value {
    let count = |kinds: &[Kind]| -> usize {
        results.iter().filter(|result| kinds.contains(&result.kind)).map(|result| result.rules).sum()
    };
    let asked = verdict.trace.iter().flat_map(|trace| &trace.policies).filter(|policy| policy.skipped.is_none());
    let asked = asked.flat_map(|policy| policy.rules.iter().map(|rule| (policy.policy.as_str(), rule.as_str())));
    let spoke: BTreeSet<(&str, &str)> = verdict
        .rulings
        .iter()
        .map(|ruling| (ruling.policy.as_str(), ruling.rule.as_str()))
        .chain(verdict.undecided.iter().map(|undecided| (undecided.policy.as_str(), undecided.rule.as_str())))
        .collect();
    let failed: BTreeSet<&str> = verdict.failures.iter().map(|failure| failure.policy.as_str()).collect();
    let pass = asked.filter(|rule| !spoke.contains(rule) && !failed.contains(rule.0)).count();
    json!({
        "pass": pass, "fail": count(&[Kind::Fail]), "warn": count(&[Kind::Warn]), "error": count(&[Kind::Error]),
        "skip": count(&[Kind::Exempt, Kind::Unasked]),
    })
}

fn result(policy: &str, word: &str, message: &str) -> Map<String, Value> {
    let mut value = Map::new();
    for (name, text) in [("source", MANAGED_BY.1), ("policy", policy), ("result", word)] {
        value.insert(name.to_owned(), text.into());
    }
    value.insert("message".to_owned(), bounded(message).into());
    value
}

/// A rule of somebody else may say a lot; a report has many.
fn bounded(text: &str) -> String {
    match text.char_indices().nth(MOST_CHARACTERS) {
        Some((at, _)) => format!("{}..", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// As Policy Reporter reads it.
const RESULT_ID: &str = "resultID";

/// Our own longest message has 300.
pub(super) const MOST_CHARACTERS: usize = 1_000;
