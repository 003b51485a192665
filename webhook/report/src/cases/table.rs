//! One line for each case, in columns.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::{CaseFile, CaseResult, CasesReport, Outcome};
use crate::columns::{self, Row};

/// Writes the table, in the report's order, and the sum.
pub fn write(report: &CasesReport, out: &mut dyn Write) -> io::Result<()> {
    let rows = report.files.iter().flat_map(|file| file.cases.iter().map(|case| row(file, case)));
    columns::write("OUTCOME", ["RULE", "CASE", "PLACE"], rows.collect(), out)?;
    let bold = Style::new().bold();
    writeln!(out, "{bold}{}{bold:#}", report.summary().in_numbers())
}

fn row(file: &CaseFile, case: &CaseResult) -> Row<3> {
    let (line, column) = case.at();
    let cells = [case.rule.clone(), case.name.clone(), format!("{}:{line}:{column}", file.file)];
    let color = if case.outcome == Outcome::Passed { AnsiColor::Green } else { AnsiColor::Red };
    Row { word: case.outcome.word().to_owned(), style: color.on_default(), cells }
}
