//! Cases as one JSON document.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::{CaseResult, CasesReport, Difference, Outcome};

/// Writes the whole report.
pub fn write(report: &CasesReport, out: &mut dyn Write) -> io::Result<()> {
    let files: Vec<Value> = report
        .files
        .iter()
        .map(|file| json!({ "file": file.file, "cases": file.cases.iter().map(case).collect::<Vec<_>>() }))
        .collect();
    let document = json!({
        "version": VERSION,
        "files": files,
        "unreadable": report.unreadable,
        "coverage": report.coverage,
        "summary": report.summary(),
    });
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

/// One case, without its file.
pub(super) fn case(case: &CaseResult) -> Value {
    let (differences, error) = match &case.outcome {
        Outcome::Passed => (Vec::new(), None),
        Outcome::Failed(differences) => (differences.iter().map(difference).collect(), None),
        Outcome::Broken(wrong) => (Vec::new(), Some(wrong)),
    };
    json!({
        "name": case.name, "rule": case.rule, "line": case.line, "column": case.column, "outcome": case.outcome.word(),
        "durationMicroseconds": u64::try_from(case.took.as_micros()).unwrap_or(u64::MAX),
        "differences": differences, "error": error,
    })
}

fn difference(difference: &Difference) -> Value {
    let lines: Vec<String> = difference.lines.iter().map(|line| format!("{} {}", line.sign, line.text)).collect();
    json!({ "profiles": difference.profiles, "lines": lines })
}

/// Changes when a field changes its meaning or goes.
const VERSION: &str = "v1alpha1";
