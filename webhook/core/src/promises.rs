//! What a StatefulSet keeps of what is promised to those who use it: created in order, a name of its own, .., backed up. One verdict in the
//! words of the people who asked for it.
//!
//! Rules say which promises they keep by their category. A promise that some rule could not look into, or was not asked about, is undecided, never
//! kept: what counts is who was asked about this set, not what is installed.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::contract::{BACKUP, MANAGER_ONLY, SYNC, WRITES};
use crate::evaluate::UndecidedReason;
use crate::manifest::{Action, Rule, RuleKind, Severity};
use crate::object::{Pairs, value_of};
use crate::pointer;
use crate::policy_set::PolicySet;
use crate::request::Operation;
use crate::verdict::{Ruling, StepKind, Verdict};

/// The promises, in the order in which a member comes to be. The SDK's `promise` has the same words; a test compares the two.
pub const PROMISES: [&str; 9] = [
    "ordered",
    "identified",
    "reachable by name",
    "own volume",
    "remote",
    "re-attaching",
    ONE_WRITER,
    SYNCHRONISED,
    BACKED_UP,
];

/// Which rules keep which promise to a StatefulSet: all that the components of a PolicySet have, selected or not.
pub struct PromiseTable {
    /// Sorted by id.
    rules: Vec<PromiseRule>,
    /// Places in `rules` by id.
    by_id: HashMap<String, usize>,
}

struct PromiseRule {
    id: String,
    /// Places in [`PROMISES`].
    promises: Vec<usize>,
    /// Whether breaking the rule breaks them.
    breaks: bool,
    /// It looks at who is reached by a Service.
    reads_services: bool,
}

/// One promise to one set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// One of [`PROMISES`].
    pub promise: &'static str,
    /// Whether it is kept.
    pub state: State,
}

/// Whether a promise is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Every rule that looks after it was asked and decided, and none is broken.
    Kept,
    /// By these rules' findings, or in words where the set itself says so.
    Broken(Vec<String>),
    /// For these reasons.
    Undecided(Vec<Reason>),
}

/// Why nobody knows whether a promise is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Which rule cannot say; `None` when it is no rule's doing.
    pub rule: Option<String>,
    /// Why.
    pub words: String,
}

impl PromiseTable {
    /// Reads the categories of all validating rules that judge StatefulSets.
    pub fn new(set: &PolicySet) -> Self {
        let manifests = set.policies().iter().map(|policy| &policy.component.manifest);
        let mut rules: Vec<PromiseRule> = manifests
            .flat_map(|manifest| &manifest.rules)
            .filter(|rule| judges_sets(rule))
            .map(PromiseRule::of)
            .collect();
        // Several policies may share a component.
        rules.sort_by(|a, b| a.id.cmp(&b.id));
        rules.dedup_by(|a, b| a.id == b.id);
        let by_id = rules.iter().enumerate().map(|(at, rule)| (rule.id.clone(), at)).collect();
        Self { rules, by_id }
    }

    /// What the set keeps, by the verdict on it (`object` is its JSON, as it was judged). All of [`PROMISES`], in their order. The verdict's trace
    /// says who was asked: without one, nobody was.
    pub fn of(&self, object: &str, verdict: &Verdict) -> Vec<Kept> {
        let intent = Intent::read(object);
        let mut broken: [Vec<String>; PROMISES.len()] = Default::default();
        let mut undecided: [Vec<Reason>; PROMISES.len()] = Default::default();
        for ruling in &verdict.rulings {
            if let Some(rule) = self.rule(&ruling.rule).filter(|rule| rule.breaks) {
                note(&rule.broken_by(ruling, intent.is_alone()), &ruling.rule, &mut broken);
            }
        }
        for lacking in &verdict.undecided {
            if let Some(rule) = self.rule(&lacking.rule) {
                note(&rule.promises, &Reason::of(&lacking.rule, words(&lacking.reason)), &mut undecided);
            }
        }
        for failure in &verdict.failures {
            let reason = Reason::without_rule(format!("policy `{}` failed", failure.policy));
            undecided.iter_mut().for_each(|undecided| undecided.push(reason.clone()));
        }
        // Whom a failed policy would have asked nobody knows; that it failed is said.
        if verdict.failures.is_empty() {
            self.note_silent(verdict, &mut undecided);
        }
        let states = PROMISES.iter().zip(broken.into_iter().zip(undecided));
        let kept = states.map(|(&promise, (broken, undecided))| {
            let state = match (broken.is_empty(), undecided.is_empty()) {
                (false, _) => State::Broken(broken),
                (true, false) => State::Undecided(undecided),
                (true, true) => intent.state(promise),
            };
            Kept { promise, state }
        });
        kept.collect()
    }

    /// Notes the rules that were not asked, and would have broken a promise.
    fn note_silent(&self, verdict: &Verdict, undecided: &mut [Vec<Reason>; PROMISES.len()]) {
        let mut was_asked = vec![false; self.rules.len()];
        let traced = verdict.trace.iter().flat_map(|trace| &trace.policies).flat_map(|policy| &policy.rules);
        // Rules that would have been asked if it were known who asks are undecided, and in no trace.
        for id in traced.chain(verdict.undecided.iter().map(|lacking| &lacking.rule)) {
            if let Some(was_asked) = self.by_id.get(id).and_then(|&at| was_asked.get_mut(at)) {
                *was_asked = true;
            }
        }
        let mut is_looked_after = [false; PROMISES.len()];
        let mut silent: [Vec<Reason>; PROMISES.len()] = Default::default();
        for (rule, was_asked) in self.rules.iter().zip(was_asked).filter(|(rule, _)| rule.breaks) {
            if !was_asked {
                note(&rule.promises, &Reason::of(&rule.id, NOT_IN_FORCE.to_owned()), &mut silent);
                continue;
            }
            for &promise in &rule.promises {
                if let Some(is_looked_after) = is_looked_after.get_mut(promise) {
                    *is_looked_after = true;
                }
            }
        }
        for ((undecided, silent), is_looked_after) in undecided.iter_mut().zip(silent).zip(is_looked_after) {
            if is_looked_after {
                undecided.extend(silent);
            } else {
                undecided.push(Reason::without_rule("no rule in force looks after it".to_owned()));
            }
        }
    }

    fn rule(&self, id: &str) -> Option<&PromiseRule> {
        self.rules.get(*self.by_id.get(id)?)
    }
}

fn judges_sets(rule: &Rule) -> bool {
    rule.kind == RuleKind::Validate
        && rule.subjects.iter().any(|subject| {
            subject.resource.resource == "statefulsets"
                && subject.resource.subresource.is_empty()
                && subject.operations.contains(&Operation::Create)
        })
}

impl PromiseRule {
    fn of(rule: &Rule) -> Self {
        let promises = rule.category.split(", ").filter_map(|word| PROMISES.iter().position(|each| *each == word));
        Self {
            id: rule.id.clone(),
            promises: promises.collect(),
            // What a rule of low severity reports is worth knowing and breaks nothing.
            breaks: rule.severity > Severity::Low,
            reads_services: rule.reads.iter().any(|read| read.kind.kind == "Service"),
        }
    }

    /// Which of its promises a finding breaks. One member is the only writer, whichever Service leads to it: what is said there, and not refused,
    /// is about the day when the set is scaled.
    fn broken_by(&self, ruling: &Ruling, is_alone: bool) -> Vec<usize> {
        let is_for_later = is_alone && self.reads_services && !is_refused(ruling);
        let is_broken = |at: &usize| !(is_for_later && PROMISES.get(*at) == Some(&ONE_WRITER));
        self.meant(&ruling.path).iter().copied().filter(is_broken).collect()
    }

    /// Which of its promises a finding is about. One about an annotation of the contract is about the promise that the annotation makes, if the rule
    /// stands for it: a set whose `sync` is wrong may be backed up well.
    fn meant(&self, path: &str) -> &[usize] {
        let made = [(WRITES, ONE_WRITER), (SYNC, SYNCHRONISED), (BACKUP, BACKED_UP)]
            .into_iter()
            .find(|(key, _)| pointer::tokens(path).eq(["metadata", "annotations", key]));
        let is_made = |at: &&usize| made.is_some_and(|(_, promise)| PROMISES.get(**at) == Some(&promise));
        self.promises.iter().find(is_made).map_or(&self.promises, std::slice::from_ref)
    }
}

/// By the rule, in its profile or as overridden: whatever mode and exemptions leave of it.
fn is_refused(ruling: &Ruling) -> bool {
    let by_rule = ruling.steps.iter().take_while(|step| step.by <= StepKind::AtMost).last();
    by_rule.is_some_and(|step| step.action == Action::Deny)
}

/// Adds it once to each of these promises.
fn note<T: Clone + PartialEq>(promises: &[usize], what: &T, into: &mut [Vec<T>; PROMISES.len()]) {
    for &promise in promises {
        if let Some(said) = into.get_mut(promise).filter(|said| !said.contains(what)) {
            said.push(what.clone());
        }
    }
}

impl Reason {
    fn of(rule: &str, words: String) -> Self {
        Self { rule: Some(rule.to_owned()), words }
    }

    fn without_rule(words: String) -> Self {
        Self { rule: None, words }
    }
}

/// What the owner says that he wants. Three promises are about a contract that he may leave: rules are silent then, and silence keeps nothing.
#[derive(Default, serde::Deserialize)]
struct Intent<'a> {
    #[serde(borrow, default)]
    metadata: Option<IntentMetadata<'a>>,
    #[serde(default)]
    spec: Option<IntentSpec>,
}

#[derive(Default, serde::Deserialize)]
struct IntentMetadata<'a> {
    #[serde(borrow, default)]
    annotations: Option<Pairs<'a>>,
}

#[derive(Default, serde::Deserialize)]
struct IntentSpec {
    #[serde(default)]
    replicas: Option<i64>,
}

impl<'a> Intent<'a> {
    fn read(object: &'a str) -> Self {
        serde_json::from_str(object).unwrap_or_default()
    }

    fn annotation(&self, key: &str) -> Option<&str> {
        self.metadata.as_ref().and_then(|metadata| value_of(&metadata.annotations.as_ref()?.0, key))
    }

    fn is_alone(&self) -> bool {
        self.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1) < 2
    }

    /// Of a promise that no rule found broken or undecided.
    fn state(&self, promise: &str) -> State {
        let undecided = |words: Cow<'_, str>| State::Undecided(vec![Reason::without_rule(words.into_owned())]);
        let is_governed = self.annotation(WRITES) == Some(MANAGER_ONLY);
        match promise {
            // One member is the only writer and has nobody to synchronise with.
            ONE_WRITER | SYNCHRONISED if is_governed || self.is_alone() => State::Kept,
            ONE_WRITER if self.annotation(WRITES).is_some() => {
                State::Broken(vec![format!("`{WRITES}` lets every member write")])
            }
            ONE_WRITER => undecided(format!("`{WRITES}` does not say who may write").into()),
            SYNCHRONISED if self.annotation(SYNC).is_none() => {
                undecided(format!("`{SYNC}` does not say how members synchronise").into())
            }
            BACKED_UP => match self.annotation(BACKUP) {
                None if is_governed => State::Kept,
                None | Some("") => undecided(format!("`{BACKUP}` does not say what backs it up").into()),
                Some("none") => State::Broken(vec![format!("`{BACKUP}` says `none`")]),
                Some(_) => State::Kept,
            },
            _ => State::Kept,
        }
    }
}

fn words(reason: &UndecidedReason) -> String {
    match reason {
        UndecidedReason::NeedsUser => "nobody asked".to_owned(),
        UndecidedReason::Unavailable(kind) => format!("{} cannot be looked up here", kind.kind),
        UndecidedReason::Other(words) => words.clone(),
    }
}

/// Not selected, off, or left out by the `match` of its policy.
const NOT_IN_FORCE: &str = "not in force";

const ONE_WRITER: &str = "one writer";
const SYNCHRONISED: &str = "synchronised";
const BACKED_UP: &str = "backed up";

#[cfg(test)]
mod tests;
