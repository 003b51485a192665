//! What is said of one object, word by word, as often as it is said.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use stateward_core::verdict::{Ruling, UndecidedRuling, Verdict};

/// Lines, and how often each is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said(BTreeMap<Line, usize>);

/// What is said of a rule; of a policy that broke, or a field of a wrong type, the rule is empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    pub(crate) rule: String,
    what: String,
}

impl Said {
    /// By calls that ask each rule once between them. A component that breaks does so in each call, and is said once.
    pub(crate) fn of<'v>(verdicts: impl IntoIterator<Item = &'v Verdict>) -> Self {
        let (mut said, mut broken, mut malformed) = (Self::default(), BTreeSet::new(), BTreeSet::new());
        for verdict in verdicts {
            verdict.rulings.iter().for_each(|ruling| said.add(Line::of_ruling(ruling)));
            verdict.undecided.iter().for_each(|undecided| said.add(Line::of_undecided(undecided)));
            for failure in &verdict.failures {
                match failure.error.malformed_field() {
                    Some(field) => malformed.insert(Line::malformed(field.path, field.message, field.hint)),
                    None => broken.insert(Line::broken(&failure.policy, &failure.error.to_string())),
                };
            }
        }
        // As the API server would: what has a wrong type is not judged at all.
        if !malformed.is_empty() {
            said.0.clear();
        }
        broken.into_iter().chain(malformed).for_each(|line| said.add(line));
        said
    }

    /// Of every object in what `check` or `audit` writes as JSON.
    pub(crate) fn of_report(report: &Value) -> BTreeMap<Key, Self> {
        let mut all: BTreeMap<Key, Self> = BTreeMap::new();
        let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
        let mut add = |list: &str, line: &dyn Fn(&Value) -> Line| {
            for entry in report[list].as_array().unwrap() {
                let key = (text(entry, "namespace"), text(entry, "kind"), text(entry, "name"));
                all.entry(key).or_default().add(line(entry));
            }
        };
        add("results", &|entry| {
            let exempt = entry["exemption"].as_object().map(|by| format!("{}/{}", by["namespace"], by["name"]));
            Line::finding(
                &text(entry, "rule"),
                &text(entry, "action").to_lowercase(),
                &text(entry, "policy"),
                [&text(entry, "path"), &text(entry, "place"), &text(entry, "message")],
                entry["hint"].as_str(),
                exempt,
            )
        });
        add("undecided", &|entry| {
            let action = text(entry, "action").to_lowercase();
            Line::undecided(&text(entry, "rule"), &action, &text(entry, "policy"), &text(entry, "reason"))
        });
        add("malformed", &|entry| {
            Line::malformed(&text(entry, "path"), &text(entry, "message"), entry["hint"].as_str())
        });
        add("failures", &|entry| Line::broken(&text(entry, "policy"), &text(entry, "error")));
        all
    }

    /// The lines that the two do not say equally often, each with how often either does.
    pub(crate) fn differences<'s>(&'s self, other: &'s Self) -> impl Iterator<Item = (&'s Line, [usize; 2])> {
        let lines: BTreeSet<&Line> = self.0.keys().chain(other.0.keys()).collect();
        let count = |said: &Self, line: &Line| said.0.get(line).copied().unwrap_or_default();
        let counted = lines.into_iter().map(move |line| (line, [count(self, line), count(other, line)]));
        counted.filter(|(_, [one, other])| one != other)
    }

    /// Only what is said of some rules, and of what broke.
    pub(crate) fn of_rules(&self, is_meant: impl Fn(&str) -> bool) -> Self {
        let is_meant = |line: &Line| line.rule.is_empty() || is_meant(&line.rule);
        Self(self.0.iter().filter(|(line, _)| is_meant(line)).map(|(line, count)| (line.clone(), *count)).collect())
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = &Line> {
        self.0.keys()
    }

    pub(crate) fn count(&self) -> usize {
        self.0.values().sum()
    }

    fn add(&mut self, line: Line) {
        *self.0.entry(line).or_default() += 1;
    }
}

/// Namespace, kind and name.
pub(crate) type Key = (String, String, String);

pub(crate) fn key(object: &Value) -> Key {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&object["metadata"]["namespace"]), text(&object["kind"]), text(&object["metadata"]["name"]))
}

impl Line {
    /// The first word: the action, `undecided`, `broken` or `malformed`.
    pub(crate) fn word(&self) -> &str {
        self.what.split(' ').next().unwrap_or_default()
    }

    pub(crate) fn is_exempt(&self) -> bool {
        self.what.contains("; exempt by ")
    }

    pub(crate) fn is_of_policy(&self, policy: &str) -> bool {
        self.what.contains(&format!(" of {policy}"))
    }

    fn of_ruling(ruling: &Ruling) -> Self {
        let quoted = |text: &str| Value::from(text).to_string();
        let exempt = ruling.exemption.as_ref().map(|by| format!("{}/{}", quoted(&by.namespace), quoted(&by.name)));
        let words = [&ruling.path, &ruling.place, &ruling.message];
        Self::finding(&ruling.rule, &ruling.action.to_string(), &ruling.policy, words, ruling.hint.as_deref(), exempt)
    }

    fn of_undecided(undecided: &UndecidedRuling) -> Self {
        let UndecidedRuling { policy, rule, reason, action, .. } = undecided;
        Self::undecided(rule, &action.to_string(), policy, &reason.to_string())
    }

    fn finding(
        rule: &str,
        action: &str,
        policy: &str,
        [path, place, message]: [&String; 3],
        hint: Option<&str>,
        exempt: Option<String>,
    ) -> Self {
        let exempt = exempt.map(|by| format!("; exempt by {by}")).unwrap_or_default();
        let what = format!("{action} of {policy}, {path} ({place}): {message}; hint: {hint:?}{exempt}");
        Self { rule: rule.to_owned(), what }
    }

    fn undecided(rule: &str, action: &str, policy: &str, reason: &str) -> Self {
        Self { rule: rule.to_owned(), what: format!("undecided, {action} of {policy}: {reason}") }
    }

    fn malformed(path: &str, message: &str, hint: Option<&str>) -> Self {
        Self { rule: String::new(), what: format!("malformed {path}: {message}; hint: {hint:?}") }
    }

    fn broken(policy: &str, error: &str) -> Self {
        Self { rule: String::new(), what: format!("broken of {policy}: {error}") }
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.rule, self.what)
    }
}
