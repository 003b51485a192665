//! One finding a line, for `jq`, `grep` and CI annotations.

use std::io::{self, Write};

use serde::Serialize;
use stateward_core::manifest::Action;
use stateward_core::verdict::ExemptedBy;

use crate::check::CheckReport;

/// Writes one line for each finding, in the report's order.
pub fn write(report: &CheckReport, out: &mut dyn Write) -> io::Result<()> {
    for finding in &report.findings {
        let line = Line {
            file: &finding.object.file,
            line: finding.at.line,
            column: finding.at.column,
            kind: &finding.object.kind,
            namespace: finding.object.namespace.as_deref(),
            name: finding.object.name.as_deref(),
            rule: &finding.rule,
            action: finding.action,
            path: &finding.path,
            place: &finding.place,
            message: &finding.message,
            hint: finding.hint.as_deref(),
            exemption: finding.exemption.as_ref(),
        };
        serde_json::to_writer(&mut *out, &line)?;
        writeln!(out)?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    kind: &'a str,
    namespace: Option<&'a str>,
    name: Option<&'a str>,
    rule: &'a str,
    action: Action,
    path: &'a str,
    place: &'a str,
    message: &'a str,
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exemption: Option<&'a ExemptedBy>,
}
