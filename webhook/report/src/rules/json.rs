//! All rules as one JSON document.

use std::io::{self, Write};

use serde::Serialize;
use stateward_core::manifest::{Action, RuleKind, Severity};
use stateward_core::resources::Mode;

use super::{RuleInForce, operation, resource};

/// Writes the whole list.
pub fn write(rules: &[RuleInForce<'_>], out: &mut dyn Write) -> io::Result<()> {
    let document = Document { version: VERSION, rules: rules.iter().map(Entry::of).collect() };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

#[derive(Serialize)]
struct Document<'a> {
    version: &'static str,
    rules: Vec<Entry<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    id: &'a str,
    kind: RuleKind,
    policy: &'a str,
    mode: Mode,
    title: &'a str,
    description: &'a str,
    category: &'a str,
    severity: Severity,
    since: &'a str,
    baseline: Action,
    strict: Action,
    when_undecided: Action,
    fixed: bool,
    compares: bool,
    needs_user: bool,
    subjects: Vec<SubjectEntry<'a>>,
    reads: Vec<ReadEntry<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SubjectEntry<'a> {
    group: &'a str,
    version: &'a str,
    resource: String,
    operations: Vec<&'static str>,
    condition: Option<&'a str>,
    fail_closed: bool,
}

#[derive(Serialize)]
struct ReadEntry<'a> {
    kind: String,
    fields: &'a [String],
    by_name: bool,
    live: bool,
}

impl<'a> Entry<'a> {
    fn of(each: &'a RuleInForce<'a>) -> Self {
        let rule = each.rule;
        let subjects = rule.subjects.iter().map(|subject| SubjectEntry {
            group: &subject.resource.group,
            version: &subject.resource.version,
            resource: resource(subject),
            operations: subject.operations.iter().map(|&each| operation(each)).collect(),
            condition: subject.condition.as_deref(),
            fail_closed: subject.fail_closed,
        });
        let reads = rule.reads.iter().map(|read| ReadEntry {
            kind: read.kind.to_string(),
            fields: &read.fields,
            by_name: read.by_name,
            live: read.live,
        });
        Self {
            id: &rule.id,
            kind: rule.kind,
            policy: each.policy,
            mode: each.mode,
            title: &rule.title,
            description: &rule.description,
            category: &rule.category,
            severity: rule.severity,
            since: &rule.since,
            baseline: each.baseline,
            strict: each.strict,
            when_undecided: rule.when_undecided,
            fixed: rule.fixed,
            compares: rule.compares,
            needs_user: rule.needs_user,
            subjects: subjects.collect(),
            reads: reads.collect(),
        }
    }
}

/// Changes when a field changes its meaning or goes.
const VERSION: &str = "v1alpha1";
