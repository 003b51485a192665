//! A report as one JSON document.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::value::RawValue;
use stateward_core::manifest::{Action, Severity};
use stateward_core::verdict::ExemptedBy;

use crate::check::{
    Change, ChangeKind, CheckReport, Failure, Finding, Malformed, NotJudged, Object, Summary, Undecided,
};
use crate::wrong::Wrong;
use crate::{exemptions, promises, suspected};

/// Writes the whole report.
pub fn write(report: &CheckReport, out: &mut dyn Write) -> io::Result<()> {
    let document = Document {
        version: VERSION,
        results: report.findings.iter().map(Result::of).collect(),
        undecided: report.undecided.iter().map(UndecidedResult::of).collect(),
        changed: report.changes.iter().map(Changed::of).collect(),
        failures: report.failures.iter().map(FailureResult::of).collect(),
        malformed: report.malformed.iter().map(MalformedResult::of).collect(),
        unreadable: &report.unreadable,
        refused_policies: &report.refused,
        not_judged: report.not_judged.iter().map(NotJudgedResult::of).collect(),
        promises: report.promises.iter().map(promises::Entry::of).collect(),
        suspected: report.suspected.iter().map(suspected::Entry::of).collect(),
        exemptions: report.exemptions.iter().map(exemptions::json::Entry::of).collect(),
        summary: report.summary(),
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

/// The document; a reader that knows `version` may rely on every field that is there today.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    version: &'static str,
    results: Vec<Result<'a>>,
    undecided: Vec<UndecidedResult<'a>>,
    changed: Vec<Changed<'a>>,
    failures: Vec<FailureResult<'a>>,
    malformed: Vec<MalformedResult<'a>>,
    unreadable: &'a [Wrong],
    refused_policies: &'a [Wrong],
    not_judged: Vec<NotJudgedResult<'a>>,
    promises: Vec<promises::Entry<'a>>,
    suspected: Vec<suspected::Entry<'a>>,
    exemptions: Vec<exemptions::json::Entry<'a>>,
    summary: Summary,
}

#[derive(Serialize)]
struct Result<'a> {
    #[serde(flatten)]
    object: &'a Object,
    line: usize,
    column: usize,
    policy: &'a str,
    rule: &'a str,
    action: Action,
    severity: Severity,
    path: &'a str,
    place: &'a str,
    message: &'a str,
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exemption: Option<&'a ExemptedBy>,
    /// A JSON Patch of the object; there exactly when `check --fix` would write it.
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct UndecidedResult<'a> {
    #[serde(flatten)]
    object: &'a Object,
    line: usize,
    column: usize,
    policy: &'a str,
    rule: &'a str,
    action: Action,
    reason: &'a str,
}

#[derive(Serialize)]
struct Changed<'a> {
    #[serde(flatten)]
    object: &'a Object,
    line: usize,
    column: usize,
    policy: &'a str,
    rule: &'a str,
    action: Action,
    operation: ChangeKind,
    path: &'a str,
    value: Option<serde_json::Value>,
    note: Option<&'a str>,
}

#[derive(Serialize)]
struct FailureResult<'a> {
    #[serde(flatten)]
    object: &'a Object,
    policy: &'a str,
    error: &'a str,
}

#[derive(Serialize)]
struct MalformedResult<'a> {
    #[serde(flatten)]
    object: &'a Object,
    line: usize,
    column: usize,
    path: &'a str,
    message: &'a str,
    hint: Option<&'a str>,
}

#[derive(Serialize)]
struct NotJudgedResult<'a> {
    #[serde(flatten)]
    object: &'a Object,
    because: &'a [String],
}

impl<'a> Result<'a> {
    fn of(finding: &'a Finding) -> Self {
        let Finding { object, at, policy, rule, action, severity, path, place, message, hint, exemption, fix: _ } =
            finding;
        Self {
            object,
            line: at.line,
            column: at.column,
            policy,
            rule,
            action: *action,
            severity: *severity,
            path,
            place,
            message,
            hint: hint.as_deref(),
            exemption: exemption.as_ref(),
            fix: finding.written().and_then(|(fix, _)| serde_json::from_str(&fix.patch).ok()),
        }
    }
}

impl<'a> UndecidedResult<'a> {
    fn of(undecided: &'a Undecided) -> Self {
        let Undecided { object, at, policy, rule, action, reason, needs_user: _ } = undecided;
        Self { object, line: at.line, column: at.column, policy, rule, action: *action, reason }
    }
}

impl<'a> Changed<'a> {
    fn of(change: &'a Change) -> Self {
        let Change { object, at, policy, rule, action, operation, path, value, note } = change;
        let value = value.as_deref().and_then(|value| serde_json::from_str(value).ok());
        Self {
            object,
            line: at.line,
            column: at.column,
            policy,
            rule,
            action: *action,
            operation: *operation,
            path,
            value,
            note: note.as_deref(),
        }
    }
}

impl<'a> FailureResult<'a> {
    fn of(failure: &'a Failure) -> Self {
        Self { object: &failure.object, policy: &failure.policy, error: &failure.error }
    }
}

impl<'a> MalformedResult<'a> {
    fn of(malformed: &'a Malformed) -> Self {
        let Malformed { object, at, path, message, hint } = malformed;
        Self { object, line: at.line, column: at.column, path, message, hint: hint.as_deref() }
    }
}

impl<'a> NotJudgedResult<'a> {
    fn of(not_judged: &'a NotJudged) -> Self {
        Self { object: &not_judged.object, because: &not_judged.because }
    }
}

/// Changes when a field changes its meaning or goes.
pub(crate) const VERSION: &str = "v1alpha1";
