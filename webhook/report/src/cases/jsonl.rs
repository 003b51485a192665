//! One case a line, for `jq` and `grep`; what cannot be read has lines of its own.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::CasesReport;
use super::json::case;

/// Writes every case, in the report's order.
pub fn write(report: &CasesReport, out: &mut dyn Write) -> io::Result<()> {
    for wrong in &report.unreadable {
        line(&wrong.file, json!({ "outcome": "unreadable", "error": wrong }), out)?;
    }
    for file in &report.files {
        file.cases.iter().try_for_each(|each| line(&file.file, case(each), out))?;
    }
    Ok(())
}

fn line(file: &str, mut said: Value, out: &mut dyn Write) -> io::Result<()> {
    if let Some(said) = said.as_object_mut() {
        said.insert("file".to_owned(), file.into());
    }
    serde_json::to_writer(&mut *out, &said)?;
    writeln!(out)
}
