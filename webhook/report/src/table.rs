//! One line for each finding, in columns.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use stateward_core::manifest::Action;
use stateward_core::pointer::field_path;

use crate::check::{CheckReport, Finding};
use crate::columns::{self, Row};
use crate::text::summary_line;

/// Writes the table, in the report's order, and the summary.
pub fn write(report: &CheckReport, out: &mut dyn Write) -> io::Result<()> {
    columns::write("ACTION", HEAD, report.findings.iter().map(row).collect(), out)?;
    summary_line(&report.summary(), out)
}

fn row(finding: &Finding) -> Row<4> {
    let object = &finding.object;
    let cells = [finding.rule.clone(), object.kind.clone(), object.full_name(), field_path(&finding.path)];
    Row { word: finding.action.to_string(), style: style(finding.action), cells }
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
