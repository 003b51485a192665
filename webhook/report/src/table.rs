//! One line for each finding, in columns.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use stateward_core::manifest::Action;
use stateward_core::pointer::field_path;

use crate::check::{CheckReport, Finding};
use crate::text::{printable, summary_line};

/// Writes the table, in the report's order, and the summary.
pub fn write(report: &CheckReport, out: &mut dyn Write) -> io::Result<()> {
    if !report.findings.is_empty() {
        let rows: Vec<[String; 4]> = report.findings.iter().map(row).collect();
        let width = |at: usize| {
            let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
            cells.chain(HEAD.get(at).map(|head| head.len())).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
        let bold = Style::new().bold();
        writeln!(out, "{bold}ACTION  {}{bold:#}", line(&HEAD, &widths))?;
        for (finding, row) in report.findings.iter().zip(&rows) {
            let style = style(finding.action);
            let action = finding.action.to_string();
            let fill = " ".repeat("ACTION".len().saturating_sub(action.len()));
            writeln!(out, "{style}{action}{style:#}{fill}  {}", line(row, &widths))?;
        }
        writeln!(out)?;
    }
    summary_line(&report.summary(), out)
}

fn row(finding: &Finding) -> [String; 4] {
    let object = &finding.object;
    let cells = [finding.rule.clone(), object.kind.clone(), object.full_name(), field_path(&finding.path)];
    cells.map(|cell| printable(&cell).into_owned())
}

/// Filled up, but for the end of the line.
fn line(cells: &[impl AsRef<str>], widths: &[usize]) -> String {
    let filled = cells.iter().zip(widths).map(|(cell, &width)| format!("{:width$}", cell.as_ref()));
    filled.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

fn style(action: Action) -> Style {
    match action {
        Action::Deny => AnsiColor::Red.on_default(),
        Action::Warn => AnsiColor::Yellow.on_default(),
        _ => AnsiColor::Blue.on_default(),
    }
}

/// Behind the action.
const HEAD: [&str; 4] = ["RULE", "KIND", "NAMESPACE/NAME", "FIELD"];
