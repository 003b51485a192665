//! Cases as one page for people: what did not pass with its difference, then every file with its cases.
//!
//! The page has no script and asks for nothing; its style is that of [`crate::html`]. Names and texts come from others and are escaped.

use std::io::{self, Write};

use super::{CaseFile, CaseResult, CasesReport, Outcome, Summary};
use crate::html::{STYLE, Sentence, Text, hash, write_wrong};

/// Writes the page.
pub fn write(report: &CasesReport, out: &mut dyn Write) -> io::Result<()> {
    let summary = report.summary();
    write_head(&summary, out)?;
    write_totals(&summary, out)?;
    if !report.unreadable.is_empty() {
        writeln!(out, "<section class=gaps><h2>This report is not complete</h2>\n<ul>")?;
        report.unreadable.iter().try_for_each(|wrong| write_wrong(wrong, out))?;
        writeln!(out, "</ul></section>")?;
    }
    if summary.failed + summary.broken > 0 {
        writeln!(out, "<section><h2>Not passed</h2>")?;
        report.not_passed().try_for_each(|(file, case)| write_case(file, case, out))?;
        writeln!(out, "</section>")?;
    }
    writeln!(out, "<section><h2>Files</h2>")?;
    report.files.iter().try_for_each(|file| write_file(file, out))?;
    writeln!(out, "</section>")?;
    write_coverage(report, out)?;
    writeln!(out, "</main>\n</body>\n</html>")
}

fn write_head(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    let Summary { passed, failed, broken, .. } = *summary;
    let (style, said) = (hash(STYLE), summary.in_numbers());
    writeln!(
        out,
        "<!doctype html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n\
         <meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src '{style}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=viewport content=\"width=device-width, initial-scale=1\">\n<meta name=referrer content=no-referrer>\n<meta name=color-scheme content=\"light dark\">\n\
         <title>Stateward test: {passed} passed, {failed} failed, {broken} broken</title>\n<style>{STYLE}</style>\n</head>\n\
         <body>\n<header>\n<p class=brand>Stateward test</p>\n<h1>{said}</h1>\n</header>\n<main>"
    )
}

fn write_totals(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    let Summary { passed, failed, broken, unreadable, .. } = *summary;
    writeln!(out, "<ul class=tiles>")?;
    for (class, count, what) in [
        ("changed", passed, "passed"),
        ("deny", failed, "failed"),
        ("failed", broken, "broken"),
        ("warn", unreadable, "unreadable"),
    ] {
        writeln!(out, "<li class={class}><b>{count}</b> <span>{what}</span></li>")?;
    }
    writeln!(out, "</ul>")
}

fn write_case(file: &CaseFile, case: &CaseResult, out: &mut dyn Write) -> io::Result<()> {
    let (line, column) = case.at();
    let (name, said) = (Text(&case.name), case.sentence().unwrap_or_default());
    writeln!(out, "<article class=\"worst deny\"><h3>{} {name}</h3>", badge(&case.outcome))?;
    let rule = Text(&case.rule);
    writeln!(out, "<p class=kicker><code>{rule}</code> · <code>{}:{line}:{column}</code></p>", Text(&file.file))?;
    writeln!(out, "<p>{}</p>", Sentence(&said))?;
    if let Some(hint) = case.hint() {
        writeln!(out, "<p>hint: {}</p>", Sentence(hint))?;
    }
    let diff = case.diff();
    if !diff.is_empty() {
        writeln!(out, "<pre><code>")?;
        for line in diff.lines() {
            let (mark, end) = if line.starts_with(['-', '+']) { ("<mark>", "</mark>") } else { ("", "") };
            writeln!(out, "{mark}{}{end}", Text(line))?;
        }
        writeln!(out, "</code></pre>")?;
    }
    writeln!(out, "</article>")
}

fn write_file(file: &CaseFile, out: &mut dyn Write) -> io::Result<()> {
    let passed = file.cases.iter().filter(|case| case.outcome == Outcome::Passed).count();
    let (name, all) = (Text(&file.file), file.cases.len());
    writeln!(out, "<details><summary><code>{name}</code>: {passed} of {all} passed</summary><ul class=plain>")?;
    for case in &file.cases {
        let (rule, name) = (Text(&case.rule), Text(&case.name));
        writeln!(
            out,
            "<li>{} {name} <small><code>{rule}</code>, line {}</small></li>",
            badge(&case.outcome),
            case.line
        )?;
    }
    writeln!(out, "</ul></details>")
}

fn write_coverage(report: &CasesReport, out: &mut dyn Write) -> io::Result<()> {
    let coverage = &report.coverage;
    if coverage.rules == 0 {
        return Ok(());
    }
    writeln!(out, "<section><h2>Rules</h2>\n<p>{} of {} have cases.</p>", coverage.with_cases, coverage.rules)?;
    if !coverage.without.is_empty() {
        writeln!(out, "<details><summary>Without: {}</summary><ul class=plain>", coverage.without.len())?;
        coverage.without.iter().try_for_each(|rule| writeln!(out, "<li><code>{}</code></li>", Text(rule)))?;
        writeln!(out, "</ul></details>")?;
    }
    writeln!(out, "</section>")
}

/// A word with a sign, so that it is never told by its colour alone.
fn badge(outcome: &Outcome) -> String {
    let (class, sign) = match outcome {
        Outcome::Passed => ("kept", "✓"),
        Outcome::Failed(_) => ("deny", "✕"),
        Outcome::Broken(_) => ("failed", "!"),
    };
    format!("<span class=\"badge {class}\"><span aria-hidden=true>{sign}</span> {}</span>", outcome.word())
}
