//! What changed since an older scan: findings that are new, and those that are gone.
//!
//! A finding is the same when it is about the same object, rule and place; its words and its line may differ. One that no rule could decide any more,
//! or whose object was not judged or not even looked at, is not gone: nobody knows.

mod scope;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use stateward_core::manifest::Action;

use crate::check::{CheckReport, Finding, Object, is_failure};
pub use scope::Scope;
use scope::is_below;

/// An older report, as [`crate::json`] wrote it.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct OldReport {
    results: Vec<OldFinding>,
}

/// A finding of an older report.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OldFinding {
    /// Where the object was, as it was named then.
    pub file: String,
    api_version: String,
    /// `StatefulSet`.
    pub kind: String,
    /// `None` for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// `None` for `generateName`.
    pub name: Option<String>,
    #[serde(default)]
    generate_name: Option<String>,
    /// `family/name`.
    pub rule: String,
    /// What it led to.
    pub action: Action,
    place: String,
    /// What was wrong.
    pub message: String,
}

/// What changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Places in the newer report's findings, of those that were compared.
    pub new: BTreeSet<usize>,
    /// Findings that nothing in the newer report says any more.
    pub gone: Vec<OldFinding>,
    /// Findings of which the newer report cannot say whether they are gone.
    pub unknown: Vec<OldFinding>,
    /// How many are in both.
    pub kept: usize,
}

impl OldReport {
    /// Reads what `-o json` wrote. The error says what is wrong with it, for a person.
    pub fn read(json: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Version {
            version: Option<String>,
        }
        let version: Version = serde_json::from_str(json).map_err(|error| format!("this is no report: {error}"))?;
        match version.version.as_deref() {
            Some(crate::json::VERSION) => {}
            Some(other) => {
                return Err(format!("this is a report of version `{other}`; `{}` is known here", crate::json::VERSION));
            }
            None => return Err("this is no report: it has no `version`".to_owned()),
        }
        serde_json::from_str(json).map_err(|error| format!("this is no report: {error}"))
    }

    /// Compares it with a newer report, which must be sorted and whole. Objects are first looked for in the file of old, then anywhere: files move.
    pub fn compare(&self, newer: &CheckReport, scope: &Scope) -> Comparison {
        let is_meant = |action| !scope.only_failures || is_failure(action);
        let findings: Vec<&Finding> = newer.findings.iter().filter(|finding| is_meant(finding.action)).collect();
        let mut old: Vec<Option<&OldFinding>> =
            self.results.iter().filter(|finding| is_meant(finding.action)).map(Some).collect();
        let mut new: BTreeSet<usize> = (0..findings.len()).collect();
        for with_file in [true, false] {
            let mut waiting: BTreeMap<Key<'_>, Vec<usize>> = BTreeMap::new();
            for (at, finding) in old.iter().enumerate().rev().filter_map(|(at, finding)| Some((at, (*finding)?))) {
                waiting.entry(finding.key(with_file)).or_default().push(at);
            }
            new.retain(|&at| {
                let Some(finding) = findings.get(at) else { return false };
                let key = key(&finding.object, &finding.rule, &finding.place, with_file);
                let Some(found) = waiting.get_mut(&key).and_then(Vec::pop) else { return true };
                if let Some(matched) = old.get_mut(found) {
                    *matched = None;
                }
                false
            });
        }
        let kept = findings.len() - new.len();
        let doubt =
            Doubt { has_moved: !self.results.iter().any(|old| scope.has_file(&old.file)), ..Doubt::of(newer, scope) };
        let (unknown, gone) = old.into_iter().flatten().cloned().partition(|finding| doubt.is_about(finding));
        Comparison { new, gone, unknown, kept }
    }
}

impl OldFinding {
    /// `StatefulSet shop/db`.
    pub fn title(&self) -> String {
        let name = self.name.as_deref().or(self.generate_name.as_deref()).unwrap_or("(no name)");
        match &self.namespace {
            Some(namespace) => format!("{} {namespace}/{name}", self.kind),
            None => format!("{} {name}", self.kind),
        }
    }

    fn key(&self, with_file: bool) -> Key<'_> {
        Key { object: self.identity(), file: with_file.then_some(&self.file), rule: &self.rule, place: &self.place }
    }

    fn identity(&self) -> Identity<'_> {
        let name = self.name.as_deref().or(self.generate_name.as_deref());
        Identity { group: group(&self.api_version), kind: &self.kind, namespace: self.namespace.as_deref(), name }
    }
}

/// What a newer report cannot say.
struct Doubt<'a> {
    scope: &'a Scope,
    /// Nothing of the older report is in the files that were looked at: those are others of the same objects.
    has_moved: bool,
    judged: BTreeSet<Identity<'a>>,
    undecided: BTreeSet<(Identity<'a>, &'a str)>,
    not_judged: BTreeSet<Identity<'a>>,
    /// Files, and kinds such as `statefulsets.apps`, in which stored objects are as if in a folder.
    unreadable: BTreeSet<&'a str>,
    /// Policies did not load: any rule may be one of theirs.
    lacks_rules: bool,
}

impl<'a> Doubt<'a> {
    fn of(report: &'a CheckReport, scope: &'a Scope) -> Self {
        let of_malformed = report.malformed.iter().map(|malformed| identity(&malformed.object));
        let of_failures = report.failures.iter().map(|failure| identity(&failure.object));
        let of_not_judged = report.not_judged.iter().map(|not_judged| identity(&not_judged.object));
        Self {
            scope,
            has_moved: false,
            judged: report.judged_objects.iter().map(|object| identity(object)).collect(),
            undecided: report.undecided.iter().map(|each| (identity(&each.object), each.rule.as_str())).collect(),
            not_judged: of_malformed.chain(of_failures).chain(of_not_judged).collect(),
            unreadable: report.unreadable.iter().map(|wrong| wrong.file.as_str()).collect(),
            lacks_rules: !report.refused.is_empty(),
        }
    }

    fn is_about(&self, old: &OldFinding) -> bool {
        self.lacks_rules
            || self.is_out_of_sight(old)
            || self.unreadable.iter().any(|unread| is_below(&old.file, unread))
            || self.not_judged.contains(&old.identity())
            || self.undecided.contains(&(old.identity(), old.rule.as_str()))
    }

    /// Whether the object was not looked at.
    fn is_out_of_sight(&self, old: &OldFinding) -> bool {
        let is_judged = self.judged.contains(&old.identity());
        if self.scope.paths.is_empty() {
            return !(is_judged || self.scope.has_stored(old.namespace.as_deref()));
        }
        // One object in two files, an overlay for each cluster, is two objects.
        !(self.scope.has_file(&old.file) || (is_judged && self.has_moved))
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key<'a> {
    object: Identity<'a>,
    file: Option<&'a String>,
    rule: &'a str,
    place: &'a str,
}

/// Without the version: the same object is served in several.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Identity<'a> {
    group: &'a str,
    kind: &'a str,
    namespace: Option<&'a str>,
    name: Option<&'a str>,
}

fn key<'a>(object: &'a Object, rule: &'a str, place: &'a str, with_file: bool) -> Key<'a> {
    Key { object: identity(object), file: with_file.then_some(&object.file), rule, place }
}

fn identity(object: &Object) -> Identity<'_> {
    let name = object.name.as_deref().or(object.generate_name.as_deref());
    Identity { group: group(&object.api_version), kind: &object.kind, namespace: object.namespace.as_deref(), name }
}

fn group(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use stateward_core::manifest::Severity;

    use super::*;
    use crate::check::{Finding, NotJudged, Place, Undecided};
    use crate::wrong::Wrong;

    fn object(index: usize, file: &str, name: &str) -> Arc<Object> {
        Arc::new(Object {
            index,
            file: file.to_owned(),
            api_version: "apps/v1".to_owned(),
            kind: "StatefulSet".to_owned(),
            namespace: Some("shop".to_owned()),
            name: Some(name.to_owned()),
            generate_name: None,
        })
    }

    fn finding(object: &Arc<Object>, rule: &str, place: &str) -> Finding {
        Finding {
            object: Arc::clone(object),
            at: Place::default(),
            policy: "p".to_owned(),
            rule: rule.to_owned(),
            action: Action::Warn,
            severity: Severity::High,
            path: String::new(),
            place: place.to_owned(),
            message: format!("{rule} {place}"),
            hint: None,
            exemption: None,
            fix: None,
        }
    }

    fn report(findings: Vec<Finding>) -> CheckReport {
        CheckReport { findings, ..CheckReport::default() }
    }

    /// Through the document that it is read from.
    fn compare(old: &CheckReport, newer: &CheckReport) -> Comparison {
        compare_within(&Scope::default(), old, newer)
    }

    fn compare_within(scope: &Scope, old: &CheckReport, newer: &CheckReport) -> Comparison {
        let mut json = Vec::new();
        crate::json::write(old, &mut json).unwrap();
        OldReport::read(std::str::from_utf8(&json).unwrap()).unwrap().compare(newer, scope)
    }

    fn messages(findings: &[OldFinding]) -> Vec<String> {
        findings.iter().map(|finding| format!("{}: {}", finding.title(), finding.message)).collect()
    }

    #[test]
    fn a_report_is_as_it_was_to_itself() {
        let (a, b) = (object(0, "a.yaml", "db"), object(1, "b.yaml", "db"));
        // Two objects of one name, and two findings of one rule and place, stay apart.
        let same = report(vec![finding(&a, "f/x", "p"), finding(&a, "f/x", "p"), finding(&b, "f/x", "p")]);
        assert_eq!(compare(&same, &same), Comparison { kept: 3, ..Comparison::default() });
    }

    #[test]
    fn tells_new_from_gone() {
        let old = object(0, "a.yaml", "db");
        // The file was renamed.
        let (db, web) = (object(0, "b.yaml", "db"), object(1, "b.yaml", "web"));
        let newer =
            report(vec![finding(&db, "f/stays", "p"), finding(&db, "f/moves", "q"), finding(&web, "f/stays", "p")]);
        let older =
            report(vec![finding(&old, "f/stays", "p"), finding(&old, "f/moves", "p"), finding(&old, "f/ends", "p")]);
        let comparison = compare(&older, &newer);
        assert_eq!((comparison.new, comparison.kept), (BTreeSet::from([1, 2]), 1));
        assert_eq!(messages(&comparison.gone), ["StatefulSet shop/db: f/moves p", "StatefulSet shop/db: f/ends p"]);
        assert_eq!(comparison.unknown, []);
    }

    #[test]
    fn what_nobody_knows_is_not_gone() {
        let (db, web, file) = (object(0, "a.yaml", "db"), object(1, "a.yaml", "web"), object(2, "b.yaml", "x"));
        let older = report(vec![
            finding(&db, "f/x", "p"),
            finding(&db, "f/y", "p"),
            finding(&web, "f/x", "p"),
            finding(&file, "f/x", "p"),
        ]);
        let undecided = Undecided {
            object: Arc::clone(&db),
            at: Place::default(),
            policy: "p".to_owned(),
            rule: "f/x".to_owned(),
            action: Action::Audit,
            reason: "Service cannot be looked up here".to_owned(),
            needs_user: false,
        };
        let wrong =
            Wrong { file: "b.yaml".to_owned(), line: None, column: None, message: "no YAML".to_owned(), hint: None };
        let newer = CheckReport {
            undecided: vec![undecided],
            not_judged: vec![NotJudged { object: web, because: Vec::new() }],
            unreadable: vec![wrong.clone()],
            ..CheckReport::default()
        };
        let comparison = compare(&older, &newer);
        assert_eq!(messages(&comparison.gone), ["StatefulSet shop/db: f/y p"]);
        assert_eq!(comparison.unknown.len(), 3);
        let without_rules = CheckReport { refused: vec![wrong], ..CheckReport::default() };
        assert_eq!(compare(&older, &without_rules).gone, []);
    }

    #[test]
    fn what_was_not_looked_at_is_not_gone() {
        let (a, b) = (object(0, "prod/a.yaml", "db"), object(1, "test/a.yaml", "db"));
        let older = report(vec![finding(&a, "f/x", "p"), finding(&b, "f/x", "p")]);
        let newer = CheckReport { judged: 1, judged_objects: vec![Arc::clone(&a)], ..CheckReport::default() };
        let of = |scope: Scope| {
            let comparison = compare_within(&scope, &older, &newer);
            let files = |all: &[OldFinding]| all.iter().map(|old| old.file.clone()).collect::<Vec<_>>().join(" ");
            (files(&comparison.gone), files(&comparison.unknown))
        };
        let (first, second, both) =
            ("prod/a.yaml".to_owned(), "test/a.yaml".to_owned(), "prod/a.yaml test/a.yaml".to_owned());
        let files = |paths: &[&str]| Scope { paths: paths.iter().map(Into::into).collect(), ..Scope::default() };
        assert_eq!(of(files(&["./prod/"])), (first.clone(), second.clone()));
        assert_eq!(of(files(&["prod/a.yaml"])), (first, second));
        assert_eq!(of(files(&["."])), (both.clone(), String::new()));
        // The folder has another name now, and the object was found there.
        assert_eq!(of(files(&["/tmp/rendered"])), (both.clone(), String::new()));
        let namespace = |name: &str| Scope { namespace: Some(name.to_owned()), ..Scope::default() };
        assert_eq!(of(namespace("shop")), (both.clone(), String::new()));
        let labelled = Scope { has_labels: true, ..Scope::default() };
        assert_eq!(of(labelled.clone()), (both, String::new()), "it was seen");
        let nothing = CheckReport::default();
        for scope in [namespace("bank"), labelled, files(&["/tmp/rendered"])] {
            let comparison = compare_within(&scope, &older, &nothing);
            assert_eq!((comparison.gone.len(), comparison.unknown.len()), (0, 2), "{scope:?}");
        }
        assert_eq!(compare_within(&namespace("shop"), &older, &nothing).gone.len(), 2);
    }

    /// Of a kind that may not be listed nothing is gone.
    #[test]
    fn what_is_below_something_unreadable_is_not_gone() {
        let of = |file| finding(&object(0, file, "db"), "f/x", "p");
        let older = report(vec![of("statefulsets.apps/shop/db"), of("statefulsets.apps2/shop/db")]);
        let wrong = Wrong {
            file: "statefulsets.apps".to_owned(),
            line: None,
            column: None,
            message: "no".to_owned(),
            hint: None,
        };
        let comparison = compare(&older, &CheckReport { unreadable: vec![wrong], ..CheckReport::default() });
        assert_eq!((comparison.unknown.len(), comparison.gone.len()), (1, 1));
        assert_eq!(comparison.unknown[0].file, "statefulsets.apps/shop/db");
    }

    /// The places that are new are those of the report that is shown.
    #[test]
    fn only_failures_are_compared_with_only_failures() {
        let db = object(0, "a.yaml", "db");
        let audited = |rule| Finding { action: Action::Audit, ..finding(&db, rule, "p") };
        let older = report(vec![audited("f/a"), finding(&db, "f/kept", "p"), audited("f/raised")]);
        let newer = report(vec![audited("f/b"), finding(&db, "f/kept", "p"), finding(&db, "f/raised", "p")]);
        let scope = Scope { only_failures: true, ..Scope::default() };
        let comparison = compare_within(&scope, &older, &newer);
        let shown = newer.only_failures();
        let new: Vec<&str> = comparison.new.iter().map(|&at| shown.findings[at].rule.as_str()).collect();
        assert_eq!((new, comparison.kept, comparison.gone.len()), (vec!["f/raised"], 1, 0));
    }

    #[test]
    fn says_what_is_no_report() {
        for (text, error) in [
            ("{", "this is no report: EOF while parsing an object at line 1 column 1"),
            ("{}", "this is no report: it has no `version`"),
            ("{\"version\": \"v9\"}", "this is a report of version `v9`; `v1alpha1` is known here"),
            ("{\"version\": \"v1alpha1\"}", "this is no report: missing field `results` at line 1 column 23"),
        ] {
            assert_eq!(OldReport::read(text).unwrap_err(), error);
        }
    }
}
