//! Cases for a pull request's comment or a step's summary: what did not pass, and what has no case.

use std::io::{self, Write};

use super::{CaseFile, CaseResult, CasesReport, Summary};
use crate::markdown::{MAX_LINES_BYTES, MAX_ROWS_BYTES, code, list, text};
use crate::wrong::Wrong;

/// Writes the whole report.
pub fn write(report: &CasesReport, out: &mut dyn Write) -> io::Result<()> {
    let summary = report.summary();
    let Summary { files, cases, passed, failed, broken, unreadable } = summary;
    let headline = if failed + broken + unreadable == 0 { "all cases passed" } else { "not all cases passed" };
    writeln!(out, "## Stateward test: {headline}\n")?;
    writeln!(out, "| Files | Cases | Passed | Failed | Broken | Unreadable |\n|--:|--:|--:|--:|--:|--:|")?;
    writeln!(out, "| {files} | {cases} | {passed} | {failed} | {broken} | {unreadable} |")?;
    let unread: Vec<String> = report.unreadable.iter().map(unread).collect();
    list("Not read", &unread, None, MAX_LINES_BYTES, out)?;
    let rows: Vec<String> = report.not_passed().map(row).collect();
    list("Not passed", &rows, Some("| | Case | Rule | What |\n|---|---|---|---|"), MAX_ROWS_BYTES, out)?;
    let coverage = &report.coverage;
    if !coverage.without.is_empty() {
        let without: Vec<String> = coverage.without.iter().map(|rule| format!("- {}", code(rule))).collect();
        let title = format!("Rules without cases: {} of {}", without.len(), coverage.rules);
        list(&title, &without, None, MAX_LINES_BYTES, out)?;
    }
    Ok(())
}

fn unread(wrong: &Wrong) -> String {
    let line = wrong.line.map(|line| format!(":{line}")).unwrap_or_default();
    let hint = wrong.hint.as_ref().map(|hint| format!("; {}", text(hint))).unwrap_or_default();
    format!("- {}: {}{hint}", code(&format!("{}{line}", wrong.file)), text(&wrong.message))
}

fn row((file, case): (&CaseFile, &CaseResult)) -> String {
    let place = code(&format!("{}:{}", file.file, case.at().0));
    // A cell is one line: what differs is told apart by its sign.
    let diff = case.diff();
    let changed: Vec<String> = diff.lines().filter(|line| line.starts_with(['-', '+'])).map(code).collect();
    let hint = case.hint().map(text);
    let more = changed.into_iter().chain(hint).map(|line| format!("<br>{line}")).collect::<String>();
    format!(
        "| **{}** | {}<br>{place} | {} | {}{more} |",
        case.outcome.word(),
        text(&case.name),
        code(&case.rule),
        text(&case.sentence().unwrap_or_default())
    )
}
