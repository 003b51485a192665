//! A table for a pull request's comment or a job's summary.

use std::io::{self, Write};

use super::{Counts, Exemption, State};
use crate::markdown::{MAX_ROWS_BYTES, code, list, text};

/// Writes a document of its own.
pub fn write(all: &[Exemption], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "## Stateward: {}", Counts::of(all).in_words())?;
    write_table(all, out)
}

/// Writes the table; what does not fit is counted.
pub(crate) fn write_table(all: &[Exemption], out: &mut dyn Write) -> io::Result<()> {
    let rows: Vec<String> = all.iter().map(row).collect();
    let head =
        "| State | Exemption | Rules | Objects | Ends | Use | Made with | Reason |\n|---|---|---|---|---|---|---|---|";
    list("Exemptions", &rows, Some(head), MAX_ROWS_BYTES / 4, out)
}

fn row(exemption: &Exemption) -> String {
    let word = exemption.state.word();
    let state = match exemption.state {
        State::Active if exemption.is_unused() => "active, **unused**".to_owned(),
        State::Active => word.to_owned(),
        _ => format!("**{word}**"),
    };
    let complaints = exemption.complaints.iter().map(|told| format!("<br>{}", text(&told.message)));
    let rules: Vec<String> = exemption.rules.iter().map(|rule| code(rule)).collect();
    format!(
        "| {state} | {} | {} | {} | {} | {} | {} | {}{} |",
        code(&exemption.full_name()),
        rules.join(" "),
        text(&exemption.whom()),
        exemption.expires.map(|expires| expires.to_string()).unwrap_or_default(),
        text(&exemption.use_in_words()),
        text(exemption.made_by.as_deref().unwrap_or("not known")),
        text(&exemption.reason),
        complaints.collect::<String>()
    )
}
