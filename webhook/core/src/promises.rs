//! What a StatefulSet keeps of what is promised to those who use it: created in order, a name of its own, .., backed up. One verdict in the
//! words of the people who asked for it.
//!
//! Rules say which promises they keep by their category. A promise that no rule could look into is undecided, never kept.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::contract::{BACKUP, MANAGER_ONLY, SYNC, WRITES};
use crate::evaluate::UndecidedReason;
use crate::manifest::{RuleKind, Severity};
use crate::object::{Pairs, value_of};
use crate::policy_set::PolicySet;
use crate::request::Operation;
use crate::verdict::Verdict;

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

/// Which rules of a PolicySet keep which promise to a StatefulSet.
pub struct PromiseTable {
    /// By rule id: places in [`PROMISES`], and whether breaking the rule breaks them.
    rules: HashMap<String, (Vec<usize>, bool)>,
    /// A rule that is in force looks after it.
    looked_after: [bool; PROMISES.len()],
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
    /// Every rule that looks after it was decided, and none is broken.
    Kept,
    /// By these rules' findings, or in words where the set itself says so.
    Broken(Vec<String>),
    /// For these reasons.
    Undecided(Vec<String>),
}

impl PromiseTable {
    /// Reads the categories of all validating rules in force that judge StatefulSets.
    pub fn new(set: &PolicySet) -> Self {
        let mut table = Self { rules: HashMap::new(), looked_after: [false; PROMISES.len()] };
        let rules = set.policies().iter().flat_map(|policy| policy.rules().map(|(rule, _)| rule));
        for rule in rules.filter(|rule| rule.kind == RuleKind::Validate) {
            let judges_sets = rule.subjects.iter().any(|subject| {
                subject.resource.resource == "statefulsets"
                    && subject.resource.subresource.is_empty()
                    && subject.operations.contains(&Operation::Create)
            });
            if !judges_sets {
                continue;
            }
            let places: Vec<usize> =
                rule.category.split(", ").filter_map(|word| PROMISES.iter().position(|each| *each == word)).collect();
            for place in &places {
                if let Some(looked_after) = table.looked_after.get_mut(*place) {
                    *looked_after = true;
                }
            }
            // What a rule of low severity reports is worth knowing and breaks nothing.
            table.rules.insert(rule.id.clone(), (places, rule.severity > Severity::Low));
        }
        table
    }

    /// What the set keeps, by the verdict on it (`object` is its JSON, as it was judged). All of [`PROMISES`], in their order.
    pub fn of(&self, object: &str, verdict: &Verdict) -> Vec<Kept> {
        let mut broken: [Vec<String>; PROMISES.len()] = Default::default();
        let mut undecided: [Vec<String>; PROMISES.len()] = Default::default();
        for ruling in &verdict.rulings {
            self.note(&ruling.rule, || ruling.rule.clone(), &mut broken, true);
        }
        for lacking in &verdict.undecided {
            self.note(&lacking.rule, || format!("{}: {}", lacking.rule, words(&lacking.reason)), &mut undecided, false);
        }
        for failure in &verdict.failures {
            let words = format!("policy `{}` failed", failure.policy);
            undecided.iter_mut().for_each(|undecided| undecided.push(words.clone()));
        }
        let intent = Intent::read(object);
        let states = PROMISES.iter().zip(self.looked_after).zip(broken.into_iter().zip(undecided));
        let kept = states.map(|((&promise, looked_after), (broken, mut undecided))| {
            if !broken.is_empty() {
                return Kept { promise, state: State::Broken(broken) };
            }
            if !looked_after {
                undecided.push("no rule in force looks after it".to_owned());
            }
            let state = if undecided.is_empty() { intent.state(promise) } else { State::Undecided(undecided) };
            Kept { promise, state }
        });
        kept.collect()
    }

    fn note(
        &self,
        rule: &str,
        what: impl Fn() -> String,
        into: &mut [Vec<String>; PROMISES.len()],
        only_if_it_breaks: bool,
    ) {
        let Some((places, breaks)) = self.rules.get(rule) else { return };
        if only_if_it_breaks && !breaks {
            return;
        }
        for place in places {
            if let Some(said) = into.get_mut(*place) {
                let what = what();
                if !said.contains(&what) {
                    said.push(what);
                }
            }
        }
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
        let undecided = |words: Cow<'_, str>| State::Undecided(vec![words.into_owned()]);
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

const ONE_WRITER: &str = "one writer";
const SYNCHRONISED: &str = "synchronised";
const BACKED_UP: &str = "backed up";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Kept, PROMISES, PromiseTable, State};
    use crate::admit::{Route, validate};
    use crate::evaluate::{EvaluateError, Judgement, Undecided, UndecidedReason};
    use crate::manifest::{Action, Manifest, Rule, Severity};
    use crate::policy::Policy;
    use crate::policy_set::PolicySet;
    use crate::request::Operation;
    use crate::testing::{block_on, broken_rules, component, facts, manifest, request, rule, set, wasm_policy};

    /// One rule for each promise but the last three, which share `demo/contract`; `demo/minor` breaks nothing.
    fn policies(judge: Option<Result<Vec<Judgement>, EvaluateError>>) -> PolicySet {
        let of =
            |id: &str, category: String, severity| Rule { category, severity, ..rule(id, Action::Audit, Action::Deny) };
        let mut rules: Vec<Rule> = PROMISES[..6]
            .iter()
            .map(|promise| of(&format!("demo/{promise}"), (*promise).to_owned(), Severity::High))
            .collect();
        rules.push(of("demo/contract", PROMISES[6..].join(", "), Severity::Medium));
        rules.push(of("demo/minor", "ordered, own volume".to_owned(), Severity::Low));
        let manifest = Manifest { rules, ..manifest() };
        let component = match judge {
            Some(answer) => component(manifest, move |_, _| answer.clone()),
            None => component(manifest.clone(), broken_rules(&manifest)),
        };
        set(vec![Policy::new(&wasm_policy("p", |_| {}), component).unwrap()])
    }

    fn promises(set: &PolicySet, object: &serde_json::Value) -> Vec<Kept> {
        let object = object.to_string();
        let verdict = block_on(validate(set, &request(Operation::Create, &object), Route::All, &facts()));
        PromiseTable::new(set).of(&object, &verdict)
    }

    fn state(kept: &[Kept], promise: &str) -> State {
        kept.iter().find(|each| each.promise == promise).unwrap().state.clone()
    }

    fn governed(broken: &[&str]) -> serde_json::Value {
        let annotations = json!({"stateward.dev/writes": "manager-only"});
        json!({"metadata": {"annotations": annotations}, "spec": {"replicas": 3, "broken": broken}})
    }

    #[test]
    fn what_nothing_breaks_is_kept() {
        let kept = promises(&policies(None), &governed(&[]));
        assert_eq!(kept.iter().map(|each| each.promise).collect::<Vec<_>>(), PROMISES);
        assert!(kept.iter().all(|each| each.state == State::Kept), "{kept:?}");
    }

    #[test]
    fn a_finding_breaks_all_promises_of_its_category_and_a_minor_one_none() {
        let kept = promises(&policies(None), &governed(&["demo/remote", "demo/contract", "demo/minor"]));
        let broken: Vec<_> = kept.iter().filter(|each| each.state != State::Kept).map(|each| each.promise).collect();
        assert_eq!(broken, ["remote", "one writer", "synchronised", "backed up"]);
        assert_eq!(state(&kept, "remote"), State::Broken(vec!["demo/remote".to_owned()]));
    }

    #[test]
    fn what_nobody_could_look_into_is_undecided() {
        let lacking = Undecided { rule: 1, reason: UndecidedReason::NeedsUser };
        let answer = vec![Judgement { findings: Vec::new(), undecided: vec![lacking] }];
        let kept = promises(&policies(Some(Ok(answer))), &governed(&[]));
        assert_eq!(state(&kept, "identified"), State::Undecided(vec!["demo/identified: nobody asked".to_owned()]));
        assert_eq!(state(&kept, "ordered"), State::Kept);
        let failed = promises(&policies(Some(Err(EvaluateError::GaveUp { message: "no".to_owned() }))), &governed(&[]));
        assert!(failed.iter().all(|each| matches!(each.state, State::Undecided(_))), "{failed:?}");
        let none = promises(&set(Vec::new()), &governed(&[]));
        assert!(none.iter().all(|each| matches!(each.state, State::Undecided(_))), "{none:?}");
    }

    #[test]
    fn silence_about_the_contract_keeps_nothing() {
        let of = |annotations: serde_json::Value, replicas: i64| {
            let kept = promises(
                &policies(None),
                &json!({"metadata": {"annotations": annotations}, "spec": {"replicas": replicas}}),
            );
            PROMISES[6..]
                .iter()
                .map(|promise| match state(&kept, promise) {
                    State::Kept => "kept",
                    State::Broken(_) => "broken",
                    State::Undecided(_) => "undecided",
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(of(json!({}), 3), ["undecided", "undecided", "undecided"]);
        assert_eq!(of(json!({}), 1), ["kept", "kept", "undecided"]);
        assert_eq!(of(json!({"stateward.dev/writes": "any"}), 3), ["broken", "undecided", "undecided"]);
        assert_eq!(of(json!({"stateward.dev/writes": "manager-only"}), 3), ["kept", "kept", "kept"]);
        let engine =
            json!({"stateward.dev/writes": "", "stateward.dev/sync": "engine:raft", "stateward.dev/backup": "velero"});
        assert_eq!(of(engine, 3), ["broken", "kept", "kept"]);
        assert_eq!(of(json!({"stateward.dev/backup": "none"}), 1), ["kept", "kept", "broken"]);
    }
}
