//! What a reader has to know beside the results: what was not judged, not decided, or left out.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::check::CheckReport;
use crate::wrong::Wrong;

use super::{Location, MAX_RESULTS, Text, text, with_hint};

/// An `invocation`: one run of ours.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Invocation<'a> {
    execution_successful: bool,
    tool_execution_notifications: Vec<Notification<'a>>,
    tool_configuration_notifications: Vec<Notification<'a>>,
}

/// A `notification`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Notification<'a> {
    level: &'static str,
    message: Text,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    locations: Vec<Location>,
    /// Which kind it is of, where a program may want to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    descriptor: Option<Reference<'static>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    associated_rule: Option<Reference<'a>>,
}

/// A `reportingDescriptorReference`.
#[derive(Serialize)]
struct Reference<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
}

impl<'a> Invocation<'a> {
    /// Of a run in which only files could be unreadable.
    pub(crate) fn of(unreadable: &[Wrong]) -> Self {
        Self {
            execution_successful: unreadable.is_empty(),
            tool_execution_notifications: unreadable.iter().map(Notification::of).collect(),
            tool_configuration_notifications: Vec::new(),
        }
    }

    /// `indexes`: where the rules are described.
    pub(super) fn of_report(report: &'a CheckReport, indexes: &BTreeMap<&str, usize>, left_out: usize) -> Self {
        let mut said = not_judged(report);
        said.extend(undecided(report, indexes));
        said.extend(exempt(report, indexes));
        if left_out > 0 {
            let message = format!("{left_out} more results are left out: a run has at most {MAX_RESULTS}");
            said.push(Notification::new("warning", text(&message), None));
        }
        Self {
            execution_successful: report.unreadable.is_empty()
                && report.malformed.is_empty()
                && report.failures.is_empty()
                && report.refused.is_empty(),
            tool_execution_notifications: said,
            tool_configuration_notifications: report.refused.iter().map(Notification::of).collect(),
        }
    }
}

/// Everything because of which an object was not judged.
fn not_judged<'a>(report: &CheckReport) -> Vec<Notification<'a>> {
    let mut said: Vec<Notification<'_>> = report.unreadable.iter().map(Notification::of).collect();
    said.extend(report.malformed.iter().map(|malformed| {
        let message = format!("{} is not judged: {}", malformed.object.title(), malformed.message);
        let at = Location::of(&malformed.object, &malformed.at, &malformed.path);
        Notification::new("error", with_hint(&message, malformed.hint.as_deref()), Some(at))
    }));
    said.extend(report.failures.iter().map(|failure| {
        let message = format!("policy `{}` failed on {}: {}", failure.policy, failure.object.title(), failure.error);
        Notification::new("error", text(&message), Some(Location::of_object(&failure.object)))
    }));
    said.extend(report.not_judged.iter().map(|not_judged| {
        let message = format!("no rule judges {}: {}", not_judged.object.title(), not_judged.because.join("; "));
        Notification::new("warning", text(&message), Some(Location::of_object(&not_judged.object)))
    }));
    said
}

/// One for each rule and reason: an audit has thousands, and most lack the same.
fn undecided<'a>(report: &'a CheckReport, indexes: &BTreeMap<&str, usize>) -> Vec<Notification<'a>> {
    let mut objects: BTreeMap<(&str, &str), BTreeSet<usize>> = BTreeMap::new();
    for each in &report.undecided {
        objects.entry((&each.rule, &each.reason)).or_default().insert(each.object.index);
    }
    let notes = objects.into_iter().map(|((rule, reason), objects)| {
        let of = counted(objects.len(), "object");
        Notification::note("undecided", rule, &format!("`{rule}` is undecided of {of}: {reason}"), indexes)
    });
    notes.collect()
}

/// One for each rule.
fn exempt<'a>(report: &'a CheckReport, indexes: &BTreeMap<&str, usize>) -> Vec<Notification<'a>> {
    let mut findings: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in report.findings.iter().filter(|finding| finding.exemption.is_some()) {
        *findings.entry(&finding.rule).or_default() += 1;
    }
    let notes = findings.into_iter().map(|(rule, count)| {
        let message = format!("{} of `{rule}` left out: covered by an exemption", counted(count, "finding"));
        Notification::note("exempt", rule, &message, indexes)
    });
    notes.collect()
}

impl<'a> Notification<'a> {
    fn new(level: &'static str, message: Text, at: Option<Location>) -> Self {
        Self { level, message, locations: at.into_iter().collect(), descriptor: None, associated_rule: None }
    }

    fn of(wrong: &Wrong) -> Self {
        Self::new("error", with_hint(&wrong.message, wrong.hint.as_deref()), Some(Location::of_wrong(wrong)))
    }

    fn note(kind: &'static str, rule: &'a str, message: &str, indexes: &BTreeMap<&str, usize>) -> Self {
        let descriptor = Some(Reference { id: kind, index: None });
        let associated_rule = Some(Reference { id: rule, index: indexes.get(rule).copied() });
        Self { descriptor, associated_rule, ..Self::new("note", text(message), None) }
    }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
