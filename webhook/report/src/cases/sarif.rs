//! Cases that did not pass as SARIF 2.1.0, at their lines in the files. A case that passed is no result; what could not be read is a notification.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use serde::Serialize;

use super::{CaseFile, CaseResult, CasesReport};
use crate::sarif::{Descriptor, Fingerprints, Invocation, Location, MAX_RESULTS, Text, with_hint, write_log};

/// Writes the whole report.
pub fn write(report: &CasesReport, out: &mut dyn Write) -> io::Result<()> {
    let said: Vec<(&CaseFile, &CaseResult)> = report.not_passed().take(MAX_RESULTS).collect();
    let ids: BTreeSet<&str> = said.iter().map(|(_, case)| case.rule.as_str()).collect();
    let mut seen = BTreeMap::new();
    let results = said.iter().map(|(file, case)| {
        let key = [file.file.as_str(), &case.rule, &case.name, "case"];
        let occurrence = seen.entry(key).and_modify(|count| *count += 1).or_insert(1_usize);
        CaseSaid {
            rule_id: &case.rule,
            rule_index: ids.iter().position(|id| *id == case.rule),
            kind: "fail",
            level: "error",
            message: with_hint(&format!("{}: {}", case.name, case.sentence().unwrap_or_default()), case.hint()),
            locations: [Location::of_file(&file.file, case.at())],
            partial_fingerprints: Fingerprints::of(&key, *occurrence),
            properties: Properties { outcome: case.outcome.word(), difference: case.diff() },
        }
    });
    let results = results.collect();
    let rules = ids.iter().map(|id| Descriptor::of(id, &[])).collect();
    write_log::<CaseSaid<'_>>(results, rules, Invocation::of(&report.unreadable), out)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CaseSaid<'a> {
    rule_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_index: Option<usize>,
    kind: &'static str,
    level: &'static str,
    message: Text,
    locations: [Location; 1],
    partial_fingerprints: Fingerprints,
    properties: Properties,
}

#[derive(Serialize)]
struct Properties {
    outcome: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    difference: String,
}
