//! Cases as CI systems read them: JUnit's XML, a suite for each file.

use std::io::{self, Write};
use std::time::Duration;

use super::{CaseFile, CaseResult, CasesReport, Outcome};
use crate::junit::parts::{error, escaped, property, unreadable};

/// Writes the whole report.
pub fn write(report: &CasesReport, out: &mut dyn Write) -> io::Result<()> {
    let summary = report.summary();
    let unreadable = report.unreadable.len();
    let took: Duration = report.files.iter().flat_map(|file| &file.cases).map(|case| case.took).sum();
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(
        out,
        r#"<testsuites name="stateward test" tests="{}" failures="{}" errors="{}" time="{}">"#,
        summary.cases + unreadable,
        summary.failed,
        summary.broken + unreadable,
        seconds(took)
    )?;
    for file in &report.files {
        suite(file, report, out)?;
    }
    let mut said: Vec<&str> = report.files.iter().map(|file| file.file.as_str()).collect();
    for wrong in &report.unreadable {
        if !said.contains(&wrong.file.as_str()) {
            said.push(&wrong.file);
            unreadable_suite(&wrong.file, report, out)?;
        }
    }
    writeln!(out, "</testsuites>")
}

fn suite(file: &CaseFile, report: &CasesReport, out: &mut dyn Write) -> io::Result<()> {
    let count = |is_it: fn(&Outcome) -> bool| file.cases.iter().filter(|case| is_it(&case.outcome)).count();
    let took: Duration = file.cases.iter().map(|case| case.took).sum();
    let errors = report.unreadable_in(&file.file).count();
    writeln!(
        out,
        r#"  <testsuite name="{}" tests="{}" failures="{}" errors="{}" skipped="0" time="{}">"#,
        escaped(&file.file),
        file.cases.len() + errors,
        count(|outcome| matches!(outcome, Outcome::Failed(_))),
        count(|outcome| matches!(outcome, Outcome::Broken(_))) + errors,
        seconds(took)
    )?;
    writeln!(out, "    <properties>")?;
    property("rules", &report.coverage.rules.to_string(), "      ", out)?;
    property("rules-with-cases", &report.coverage.with_cases.to_string(), "      ", out)?;
    writeln!(out, "    </properties>")?;
    for each in &file.cases {
        case(file, each, out)?;
    }
    for wrong in report.unreadable_in(&file.file) {
        unreadable(wrong, out)?;
    }
    writeln!(out, "  </testsuite>")
}

fn case(file: &CaseFile, case: &CaseResult, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        r#"    <testcase name="{}" classname="{}" file="{}" line="{}" time="{}">"#,
        escaped(&case.name),
        // Readers take a dot for a level.
        escaped(&case.rule.replace('/', ".")),
        escaped(&file.file),
        case.line,
        seconds(case.took)
    )?;
    writeln!(out, "      <properties>")?;
    property("rule", &case.rule, "        ", out)?;
    writeln!(out, "      </properties>")?;
    match &case.outcome {
        Outcome::Passed => {}
        Outcome::Failed(_) => {
            let text = format!("{}:{}:{}\n{}", file.file, case.line, case.column, case.diff());
            let message = case.sentence().unwrap_or_default();
            writeln!(
                out,
                r#"      <failure type="difference" message="{}">{}</failure>"#,
                escaped(&message),
                escaped(&text)
            )?;
        }
        Outcome::Broken(wrong) => error(wrong, "      ", out)?,
    }
    writeln!(out, "    </testcase>")
}

/// A file of which nothing can be read must not look as if it had no cases.
fn unreadable_suite(file: &str, report: &CasesReport, out: &mut dyn Write) -> io::Result<()> {
    let errors = report.unreadable_in(file).count();
    let name = escaped(file);
    writeln!(
        out,
        r#"  <testsuite name="{name}" tests="{errors}" failures="0" errors="{errors}" skipped="0" time="0.000000">"#
    )?;
    for wrong in report.unreadable_in(file) {
        unreadable(wrong, out)?;
    }
    writeln!(out, "  </testsuite>")
}

fn seconds(took: Duration) -> String {
    format!("{:.6}", took.as_secs_f64())
}
