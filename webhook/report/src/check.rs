//! What `check` found, in the order in which it is reported.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;
use stateward_core::manifest::{Action, Severity};
use stateward_core::verdict::ExemptedBy;

use crate::exemptions::{Covered, Exemption};
use crate::openreports::OpenReport;
use crate::promises::SetPromises;
use crate::suspected::SuspectedWriter;
use crate::wrong::Wrong;

/// What `check` found.
#[derive(Clone, Debug, Default)]
pub struct CheckReport {
    /// How many objects the input holds.
    pub objects: usize,
    /// How many of them some rule judges.
    pub judged: usize,
    /// Which, as they are named: what passes is there, too.
    pub judged_objects: Vec<Arc<Object>>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// Rules that lacked a fact.
    pub undecided: Vec<Undecided>,
    /// What mutating rules changed before the objects were judged.
    pub changes: Vec<Change>,
    /// Policies that broke.
    pub failures: Vec<Failure>,
    /// Fields of a wrong type. Their objects are not judged.
    pub malformed: Vec<Malformed>,
    /// Objects of a kind that rules judge, which none of them judged: they must not look as if they had passed.
    pub not_judged: Vec<NotJudged>,
    /// What of the input, the Inventory or the policies cannot be read.
    pub unreadable: Vec<Wrong>,
    /// Policies that did not load.
    pub refused: Vec<Wrong>,
    /// What each StatefulSet keeps of what is promised.
    pub promises: Vec<SetPromises>,
    /// What field managers say about who wrote what only the webhook writes. No finding: they are words that the writer chose.
    pub suspected: Vec<SuspectedWriter>,
    /// What is said of each object as an object of `openreports.io`, by its place in the input; only where somebody asks for it.
    pub open_reports: BTreeMap<usize, OpenReport>,
    /// Objects that exemptions name, as they were judged.
    pub covered: Vec<Covered>,
    /// All exemptions, beside what was judged: made of `covered` when everything was.
    pub exemptions: Vec<Exemption>,
    /// The summary, where not all of what it counts is here any more.
    pub counted: Option<Summary>,
}

/// An object and where it is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Object {
    /// Its place in the input; orders the report.
    #[serde(skip)]
    pub index: usize,
    /// As it was named, or `<stdin>`.
    pub file: String,
    /// `apps/v1`.
    pub api_version: String,
    /// `StatefulSet`.
    pub kind: String,
    /// `None` for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// `None` for `generateName`, and where there is neither.
    pub name: Option<String>,
    /// `metadata.generateName`, where there is no name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generate_name: Option<String>,
}

/// A place in an object's file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The lines around it; only of what is drawn with them.
    pub snippet: Option<Snippet>,
    /// The end of the path that the file does not have; empty when the place is the path's own.
    pub missing: String,
}

/// Whole lines of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snippet {
    /// The lines.
    pub text: String,
    /// Number of the first, from 1.
    pub first_line: usize,
    /// What to underline, in bytes of `text`.
    pub span: Range<usize>,
}

/// A rule is broken.
#[derive(Clone, Debug)]
pub struct Finding {
    /// By whom.
    pub object: Arc<Object>,
    /// Where.
    pub at: Place,
    /// Name of the policy.
    pub policy: String,
    /// `family/name`.
    pub rule: String,
    /// What it leads to.
    pub action: Action,
    /// How bad it is.
    pub severity: Severity,
    /// JSON Pointer into the object.
    pub path: String,
    /// The stable name of the place.
    pub place: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
    /// What made an audit of it.
    pub exemption: Option<ExemptedBy>,
    /// The rule's own remedy; only of manifests, and only of what is to be mended.
    pub fix: Option<Fix>,
}

/// The one right answer to a finding, as its rule knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// JSON Patch (RFC 6902) of the object as it is written.
    pub patch: String,
    /// What to write in the file, or why that cannot be done.
    pub written: Result<Vec<Replacement>, String>,
}

/// What to write in place of a part of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// In bytes of the file, without a byte order mark; empty to insert.
    pub span: Range<usize>,
    /// Line and column of the first letter, from 1, in characters.
    pub start: (usize, usize),
    /// The same behind the last one.
    pub end: (usize, usize),
    /// What is written there.
    pub text: String,
}

/// A rule that lacked a fact.
#[derive(Clone, Debug)]
pub struct Undecided {
    /// About which object.
    pub object: Arc<Object>,
    /// Where the object is.
    pub at: Place,
    /// Name of the policy.
    pub policy: String,
    /// `family/name`.
    pub rule: String,
    /// What it would mean at admission.
    pub action: Action,
    /// Which fact.
    pub reason: String,
    /// It is who asks: nobody does, of what is stored.
    pub needs_user: bool,
}

/// What a mutating rule changed.
#[derive(Clone, Debug)]
pub struct Change {
    /// In which object.
    pub object: Arc<Object>,
    /// Where, or the nearest place that the file has.
    pub at: Place,
    /// Name of the policy.
    pub policy: String,
    /// `family/name`.
    pub rule: String,
    /// `Apply`: made. `Warn`, `Audit`: only said.
    pub action: Action,
    /// What was done there.
    pub operation: ChangeKind,
    /// JSON Pointer into the object.
    pub path: String,
    /// JSON text of the new value.
    pub value: Option<String>,
    /// Why, in the rule's words.
    pub note: Option<String>,
}

/// What was done to a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// It was not there.
    Add,
    /// It had another value.
    Replace,
    /// It is gone.
    Remove,
}

/// A policy that broke on an object.
#[derive(Clone, Debug)]
pub struct Failure {
    /// On which object.
    pub object: Arc<Object>,
    /// Name of the policy.
    pub policy: String,
    /// What broke.
    pub error: String,
}

/// A field that has a wrong type, as the API server would say before it asks anyone.
#[derive(Clone, Debug)]
pub struct Malformed {
    /// Of which object.
    pub object: Arc<Object>,
    /// Where.
    pub at: Place,
    /// JSON Pointer into the object.
    pub path: String,
    /// What was expected and found.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

/// An object that no rule judged.
#[derive(Clone, Debug)]
pub struct NotJudged {
    /// Which.
    pub object: Arc<Object>,
    /// Why not, for each policy that could have.
    pub because: Vec<String>,
}

/// The report in numbers. Objects count once, by the worst of their findings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// In the input.
    pub objects: usize,
    /// Objects that some rule judges.
    pub judged: usize,
    /// Objects that would be refused.
    pub denied: usize,
    /// Objects that would be let in with a warning.
    pub warned: usize,
    /// Objects with a rule that could not be decided.
    pub undecided: usize,
    /// Objects that mutating rules change.
    pub changed: usize,
    /// Objects on which a policy broke.
    pub failed: usize,
}

impl CheckReport {
    /// Takes in what another part of the same input gave; the order is made at the end.
    pub fn join(&mut self, part: Self) {
        let Self {
            objects,
            judged,
            judged_objects,
            counted: _,
            findings,
            undecided,
            changes,
            failures,
            malformed,
            not_judged,
            unreadable,
            refused,
            promises,
            suspected,
            open_reports,
            covered,
            exemptions,
        } = part;
        self.objects += objects;
        self.judged += judged;
        self.judged_objects.extend(judged_objects);
        self.findings.extend(findings);
        self.undecided.extend(undecided);
        self.changes.extend(changes);
        self.failures.extend(failures);
        self.malformed.extend(malformed);
        self.not_judged.extend(not_judged);
        self.unreadable.extend(unreadable);
        self.refused.extend(refused);
        self.promises.extend(promises);
        self.suspected.extend(suspected);
        self.open_reports.extend(open_reports);
        self.covered.extend(covered);
        self.exemptions.extend(exemptions);
    }

    /// Brings everything into its order: objects as in the input, the worst first, then by line.
    pub fn sort(&mut self) {
        self.judged_objects.sort_by_key(|object| object.index);
        self.findings.sort_by(|a, b| {
            let key = |finding: &Finding| {
                (finding.object.index, std::cmp::Reverse(finding.action), finding.at.line, finding.at.column)
            };
            let rest = |finding: &Finding| {
                (finding.rule.clone(), finding.place.clone(), finding.policy.clone(), finding.message.clone())
            };
            key(a).cmp(&key(b)).then_with(|| rest(a).cmp(&rest(b)))
        });
        self.undecided.sort_by_cached_key(|undecided| {
            (undecided.object.index, undecided.rule.clone(), undecided.policy.clone(), undecided.reason.clone())
        });
        // Changes stay in the order in which they were made.
        self.changes.sort_by_key(|change| change.object.index);
        self.not_judged.sort_by_key(|not_judged| not_judged.object.index);
        self.promises.sort_by_key(|set| set.object.index);
        // Of one object they stay in the order in which it has them.
        self.suspected.sort_by_key(|suspected| suspected.object.index);
        self.failures.sort_by_cached_key(|failure| (failure.object.index, failure.policy.clone()));
        self.malformed.sort_by_cached_key(|malformed| (malformed.object.index, malformed.path.clone()));
    }

    /// Without what refuses nothing, warns about nothing and changes nothing: audit findings, undecided rules, and the promises of objects of which then nothing
    /// is said. What could not be judged stays, and so does the summary.
    pub fn only_failures(mut self) -> Self {
        self.counted = Some(self.summary());
        self.findings.retain(|finding| is_failure(finding.action));
        self.undecided.clear();
        let findings = self.findings.iter().map(|finding| finding.object.index);
        let said: BTreeSet<usize> = findings.chain(self.changes.iter().map(|change| change.object.index)).collect();
        self.promises.retain(|set| said.contains(&set.object.index));
        let reports = std::mem::take(&mut self.open_reports).into_iter();
        self.open_reports = reports.filter_map(|(index, report)| Some((index, report.only_failures()?))).collect();
        self
    }

    /// How many findings `check --fix` would mend.
    pub fn fixable(&self) -> usize {
        self.findings.iter().filter(|finding| finding.written().is_some()).count()
    }

    /// Counts.
    pub fn summary(&self) -> Summary {
        if let Some(counted) = self.counted {
            return counted;
        }
        let mut worst: BTreeMap<usize, Action> = BTreeMap::new();
        for finding in &self.findings {
            let action = worst.entry(finding.object.index).or_insert(finding.action);
            *action = finding.action.max(*action);
        }
        let count = |action| worst.values().filter(|&&worst| worst == action).count();
        let distinct = |indexes: &mut dyn Iterator<Item = usize>| indexes.collect::<BTreeSet<_>>().len();
        Summary {
            objects: self.objects,
            judged: self.judged,
            denied: count(Action::Deny),
            warned: count(Action::Warn),
            undecided: distinct(&mut self.undecided.iter().map(|undecided| undecided.object.index)),
            changed: distinct(
                &mut self
                    .changes
                    .iter()
                    .filter(|change| change.action == Action::Apply)
                    .map(|change| change.object.index),
            ),
            failed: distinct(&mut self.failures.iter().map(|failure| failure.object.index)),
        }
    }
}

/// Refused, or warned of.
pub(crate) fn is_failure(action: Action) -> bool {
    action >= Action::Warn
}

impl Finding {
    /// The fix, where it can be written.
    pub fn written(&self) -> Option<(&Fix, &[Replacement])> {
        let fix = self.fix.as_ref()?;
        fix.written.as_ref().ok().map(|written| (fix, written.as_slice()))
    }
}

impl Object {
    /// `StatefulSet shop/db`.
    pub fn title(&self) -> String {
        format!("{} {}", self.kind, self.full_name())
    }

    /// `shop/db`; the name alone where there is no namespace.
    pub fn full_name(&self) -> String {
        let name = match (&self.name, &self.generate_name) {
            (Some(name), _) => name,
            (None, Some(_)) => "(generated name)",
            (None, None) => "(no name)",
        };
        match &self.namespace {
            Some(namespace) => format!("{namespace}/{name}"),
            None => name.to_owned(),
        }
    }
}
