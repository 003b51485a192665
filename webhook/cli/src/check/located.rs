//! Puts what core says of an object at its lines in the file.

use std::collections::BTreeSet;
use std::sync::Arc;

use stateward_core::evaluate::UndecidedReason;
use stateward_core::exemption::{Reached, Reaches};
use stateward_core::manifest::Action;
use stateward_core::pointer;
use stateward_core::suspected::suspected;
use stateward_core::verdict::{AppliedChange, Verdict};
use stateward_manifests::{Document, Excerpt, Location, Neighbours};
use stateward_report::check::{
    Change, ChangeKind, CheckReport, Failure, Finding, Malformed, Object, Place, Snippet, Undecided,
};
use stateward_report::exemptions::Covered;
use stateward_report::suspected::SuspectedWriter;

/// One object of the input, as a report names it.
pub(crate) struct Located<'a> {
    document: &'a Document,
    object: Arc<Object>,
}

impl<'a> Located<'a> {
    pub(crate) fn new(index: usize, document: &'a Document, namespace: Option<&str>) -> Self {
        let object = Object {
            index,
            file: document.file.to_string(),
            api_version: document.api_version.clone(),
            kind: document.kind.clone(),
            namespace: namespace.map(str::to_owned),
            name: document.name.clone(),
            generate_name: if document.name.is_none() { document.generate_name() } else { None },
        };
        Self { document, object: Arc::new(object) }
    }

    /// The object without more.
    pub(crate) fn object(self) -> Arc<Object> {
        self.object
    }

    /// Adds the exemptions that name the object, with what a validating call says to them.
    pub(crate) fn exemptions(&self, reaches: &Reaches, json: &str, verdict: &Verdict, report: &mut CheckReport) {
        let Object { namespace, name, .. } = &*self.object;
        let reached = reaches.of(namespace.as_deref(), name.as_deref(), json, verdict);
        report.covered.extend(reached.into_iter().map(|Reached { exemption, tally }| Covered {
            exemption,
            object: Some(Arc::clone(&self.object)),
            tally,
        }));
    }

    /// Adds the findings, the undecided rules and the failures of one call.
    pub(crate) fn verdict(&self, verdict: &Verdict, neighbours: Option<&Neighbours>, report: &mut CheckReport) {
        for ruling in &verdict.rulings {
            report.findings.push(Finding {
                object: Arc::clone(&self.object),
                at: if ruling.action >= Action::Warn { self.shown(&ruling.path) } else { self.place(&ruling.path) },
                policy: ruling.policy.clone(),
                rule: ruling.rule.clone(),
                action: ruling.action,
                severity: ruling.severity,
                path: ruling.path.clone(),
                place: ruling.place.clone(),
                message: ruling.message.clone(),
                hint: ruling.hint.clone(),
                exemption: ruling.exemption.clone(),
                fix: None,
            });
        }
        for undecided in &verdict.undecided {
            report.undecided.push(Undecided {
                object: Arc::clone(&self.object),
                at: self.place(""),
                policy: undecided.policy.clone(),
                rule: undecided.rule.clone(),
                action: undecided.action,
                needs_user: undecided.reason == UndecidedReason::NeedsUser,
                reason: reason(&undecided.reason, neighbours),
            });
        }
        for failure in &verdict.failures {
            let (policy, error) = (failure.policy.clone(), failure.error.to_string());
            report.failures.push(Failure { object: Arc::clone(&self.object), policy, error });
        }
    }

    /// Whether some policy could not read the object; adds each field that is to blame, once for all policies.
    pub(crate) fn is_malformed(&self, verdict: &Verdict, report: &mut CheckReport) -> bool {
        let mut paths = BTreeSet::new();
        for field in verdict.failures.iter().filter_map(|failure| failure.error.malformed_field()) {
            let at = self.shown(field.path);
            // What is not there cannot be wrong: then it is the policy that is.
            if at.missing.is_empty() && paths.insert(field.path) {
                report.malformed.push(Malformed {
                    object: Arc::clone(&self.object),
                    at,
                    path: field.path.to_owned(),
                    message: field.message.to_owned(),
                    hint: field.hint.map(str::to_owned),
                });
            }
        }
        !paths.is_empty()
    }

    /// Adds what its field managers say about who wrote what only the webhook writes; `json` as it is stored.
    pub(crate) fn suspected(&self, json: &str, report: &mut CheckReport) {
        let all = suspected(&self.object.kind, json).into_iter();
        report.suspected.extend(all.map(|said| SuspectedWriter { object: Arc::clone(&self.object), said }));
    }

    /// Adds what mutating rules changed, field by field.
    pub(crate) fn changes(&self, mutated: &Verdict, report: &mut CheckReport) {
        for change in &mutated.changes {
            for operation in &change.patch.0 {
                report.changes.extend(self.change(change, operation));
            }
        }
    }

    fn change(&self, change: &AppliedChange, operation: &json_patch::PatchOperation) -> Option<Change> {
        use json_patch::PatchOperation::{Add, Copy, Move, Remove, Replace, Test};
        let (kind, path, value) = match operation {
            Add(add) => (ChangeKind::Add, add.path.to_string(), Some(add.value.to_string())),
            Replace(replace) => (ChangeKind::Replace, replace.path.to_string(), Some(replace.value.to_string())),
            Remove(remove) => (ChangeKind::Remove, remove.path.to_string(), None),
            // Core's own diff writes none of these.
            Copy(_) | Move(_) | Test(_) => return None,
        };
        Some(Change {
            object: Arc::clone(&self.object),
            at: self.place(&path),
            policy: change.policy.clone(),
            rule: change.rule.clone(),
            action: change.action,
            operation: kind,
            path,
            value,
            note: change.note.clone(),
        })
    }

    /// A place whose lines are shown.
    fn shown(&self, path: &str) -> Place {
        let location = self.document.locate(path);
        let Excerpt { text, first_line, span } = self.document.excerpt(&location);
        // JSON in one line: its place is all that can be said.
        let snippet = (!text.is_empty()).then_some(Snippet { text, first_line, span });
        Place { snippet, ..at(path, &location) }
    }

    /// A place that is only named.
    fn place(&self, path: &str) -> Place {
        at(path, &self.document.locate(path))
    }
}

fn at(path: &str, location: &Location) -> Place {
    let missing = pointer::tokens(path).skip(location.followed).map(|token| format!("/{}", pointer::escape(&token)));
    Place { line: location.position.line, column: location.position.column, snippet: None, missing: missing.collect() }
}

/// Which fact was missing; a look-up that found too much says what.
fn reason(reason: &UndecidedReason, neighbours: Option<&Neighbours>) -> String {
    let said = reason.to_string();
    let UndecidedReason::Unavailable(kind) = reason else { return said };
    let ambiguities = neighbours.map(Neighbours::ambiguities).unwrap_or_default();
    match ambiguities.into_iter().find(|ambiguity| ambiguity.kind == *kind) {
        Some(ambiguity) => format!("ambiguous: {ambiguity}"),
        None => said,
    }
}
