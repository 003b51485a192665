//! A report as SARIF 2.1.0, for code scanning and editors.
//!
//! Findings are results. Undecided rules, and what could not be read or asked, are notifications: a reader must not take them for passed, and code scanning
//! opens an alert for whatever is a result, of kind `open` or suppressed as it may be. So findings that an exemption covers are only counted in one, too.
//! Changes are no violations and are left out. `fixes` are what `check --fix` would write; a hint alone is a sentence for people.
//!
//! Where the standard leaves a choice, GitHub's code scanning decides, which documents what it reads and its limits in
//! <https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning>.

mod fix;
mod location;
mod notification;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use serde::Serialize;
use sha2::{Digest, Sha256};
use stateward_core::manifest::{Action, Severity};

use crate::check::{CheckReport, Finding, Object};
use crate::rules::RuleInForce;
use crate::text::printable;

use fix::Fix;
pub(crate) use location::Location;
pub(crate) use notification::Invocation;
pub(crate) use rules::Descriptor;

/// Writes the whole report; `rules` describes those that occur. Worst first: what is beyond [`MAX_RESULTS`] is left out, and a notification says so.
pub fn write(report: &CheckReport, rules: &[RuleInForce<'_>], out: &mut dyn Write) -> io::Result<()> {
    let mut said: Vec<&Finding> = report.findings.iter().filter(|finding| finding.exemption.is_none()).collect();
    said.sort_by_key(|finding| std::cmp::Reverse(finding.action));
    let left_out = said.len().saturating_sub(MAX_RESULTS);
    said.truncate(MAX_RESULTS);

    let exempt = report.findings.iter().filter(|finding| finding.exemption.is_some());
    let noted = exempt.map(|finding| &finding.rule).chain(report.undecided.iter().map(|undecided| &undecided.rule));
    let ids: BTreeSet<&str> = said.iter().map(|finding| &finding.rule).chain(noted).map(String::as_str).collect();
    let indexes: BTreeMap<&str, usize> = ids.iter().enumerate().map(|(index, &id)| (id, index)).collect();
    let mut seen = BTreeMap::new();
    let results = said.iter().map(|finding| {
        let key = key(finding);
        let occurrence = seen.entry(key).and_modify(|count| *count += 1).or_insert(1_usize);
        Result::of(finding, indexes.get(finding.rule.as_str()).copied(), Fingerprints::of(&key, *occurrence))
    });
    write_log(
        results.collect(),
        ids.iter().map(|id| Descriptor::of(id, rules)).collect(),
        Invocation::of_report(report, &indexes, left_out),
        out,
    )
}

/// Writes a log with one run of ours.
pub(crate) fn write_log<R: Serialize>(
    results: Vec<R>,
    rules: Vec<Descriptor<'_>>,
    invocation: Invocation<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    let tool = Tool { driver: Driver { name: "Stateward", version, semantic_version: version, rules } };
    let runs = [Run { results, tool, invocations: [invocation], column_kind: "unicodeCodePoints" }];
    serde_json::to_writer_pretty(&mut *out, &Log { schema: SCHEMA, version: "2.1.0", runs })?;
    writeln!(out)
}

#[derive(Serialize)]
struct Log<'a, R> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'a, R>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'a, R> {
    tool: Tool<'a>,
    invocations: [Invocation<'a>; 1],
    column_kind: &'static str,
    results: Vec<R>,
}

#[derive(Serialize)]
struct Tool<'a> {
    driver: Driver<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver<'a> {
    name: &'static str,
    version: &'static str,
    semantic_version: &'static str,
    rules: Vec<Descriptor<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Result<'a> {
    rule_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_index: Option<usize>,
    kind: &'static str,
    level: &'static str,
    message: Text,
    locations: [Location; 1],
    partial_fingerprints: Fingerprints,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fixes: Vec<Fix<'a>>,
    properties: Properties<'a>,
}

#[derive(Clone, Serialize)]
pub(crate) struct Text {
    text: String,
}

/// The same twice: under the one name that code scanning reads, and under one that says what it is.
#[derive(Serialize)]
pub(crate) struct Fingerprints {
    #[serde(rename = "primaryLocationLineHash")]
    for_code_scanning: String,
    #[serde(rename = "objectRulePlace/v1")]
    for_others: String,
}

#[derive(Serialize)]
struct Properties<'a> {
    policy: &'a str,
    action: Action,
    severity: Severity,
    place: &'a str,
}

impl<'a> Result<'a> {
    fn of(finding: &'a Finding, rule_index: Option<usize>, partial_fingerprints: Fingerprints) -> Self {
        let Finding { object, at, policy, rule, action, severity, path, place, message, hint, exemption: _, fix: _ } =
            finding;
        Self {
            rule_id: rule,
            rule_index,
            kind: "fail",
            level: level(*action),
            message: with_hint(message, hint.as_deref()),
            locations: [Location::of(object, at, path)],
            partial_fingerprints,
            fixes: Fix::of(finding).into_iter().collect(),
            properties: Properties { policy, action: *action, severity: *severity, place },
        }
    }
}

/// What stays the same when lines move: the object in its file, the rule, the place.
fn key(finding: &Finding) -> [&str; 8] {
    let Object { file, api_version, kind, namespace, name, generate_name, .. } = &*finding.object;
    // One object in two files, an overlay for each cluster, is two alerts. A newer version of its API makes no other object of it.
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let name = name.as_deref().or(generate_name.as_deref()).unwrap_or_default();
    let namespace = namespace.as_deref().unwrap_or_default();
    [file, group, kind, namespace, name, &finding.rule, &finding.place, "finding"]
}

impl Fingerprints {
    /// 64 bits are enough to tell results of one repository apart; the number tells those that are alike in everything.
    pub(crate) fn of(key: &[&str], occurrence: usize) -> Self {
        let fingerprint = fingerprint(key, occurrence);
        Self { for_code_scanning: fingerprint.clone(), for_others: fingerprint }
    }
}

/// How code scanning shows it.
fn level(action: Action) -> &'static str {
    match action {
        Action::Deny => "error",
        Action::Warn => "warning",
        // Of a rule that is off, its default: code scanning knows nothing below it.
        Action::Audit | Action::Off | Action::Apply => "note",
    }
}

/// Where there is little room only the first sentence is shown, so the message is one.
pub(crate) fn with_hint(message: &str, hint: Option<&str>) -> Text {
    let Some(hint) = hint else { return text(message) };
    let end = if message.ends_with(['.', '!', '?']) { "" } else { "." };
    text(&format!("{message}{end} Hint: {hint}"))
}

/// Plain text in which nothing is a link: viewers make one of `[a](b)`, and names come from files. Braces stay: there are no arguments to put into them.
fn text(text: &str) -> Text {
    Text { text: printable(text).replace("](", "] (") }
}

fn fingerprint(key: &[&str], occurrence: usize) -> String {
    let mut hash = Sha256::new();
    for part in key {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let hex: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{hex}:{occurrence}")
}

/// As code scanning's examples name it.
const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// Code scanning refuses a file with more of them in a run, as a whole; it shows 5,000.
pub const MAX_RESULTS: usize = 25_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_makes_no_link() {
        assert_eq!(text("[see](https://example.com)\n`a[0]`").text, "[see] (https://example.com) `a[0]`");
    }

    #[test]
    fn the_message_is_the_first_sentence() {
        assert_eq!(with_hint("too many", Some("write 1")).text, "too many. Hint: write 1");
        assert_eq!(with_hint("Too many.", Some("write 1")).text, "Too many. Hint: write 1");
        assert_eq!(with_hint("too many", None).text, "too many");
    }

    #[test]
    fn parts_of_a_key_do_not_run_together() {
        assert_ne!(fingerprint(&["ab", "c"], 1), fingerprint(&["a", "bc"], 1));
        assert_ne!(fingerprint(&["a"], 1), fingerprint(&["a"], 2));
    }
}
