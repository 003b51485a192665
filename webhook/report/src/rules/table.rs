//! All rules, a line each.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use stateward_core::manifest::Action;
use stateward_core::resources::Mode;

use super::{RuleInForce, severity};
use crate::text::printable;

/// Writes a table for each policy, and how to read on.
pub fn write(rules: &[RuleInForce<'_>], out: &mut dyn Write) -> io::Result<()> {
    let bold = Style::new().bold();
    let width = rules.iter().map(|each| each.rule.id.len()).max().unwrap_or(0).max("RULE".len());
    let mut policy = None;
    for each in rules {
        if policy != Some(each.policy) {
            if policy.replace(each.policy).is_some() {
                writeln!(out)?;
            }
            let mode = match each.mode {
                Mode::Enforce => "",
                Mode::Warn => ", mode Warn: nothing is refused or changed",
                Mode::Audit => ", mode Audit: nothing is refused, changed or said",
            };
            writeln!(out, "{bold}policy {}{bold:#}{mode}", printable(each.policy))?;
            writeln!(out, "  {:width$}  {:8}  {:6}  {:8}  KEEPS", "RULE", "BASELINE", "STRICT", "SEVERITY")?;
        }
        let (baseline, strict) = (styled(each.baseline, 8), styled(each.strict, 6));
        let id = printable(&each.rule.id);
        writeln!(
            out,
            "  {id:width$}  {baseline}  {strict}  {:8}  {}",
            severity(each.rule.severity),
            printable(&each.rule.title)
        )?;
    }
    let count = |action| rules.iter().filter(|each| each.strict == action).count();
    let plural = if rules.len() == 1 { "" } else { "s" };
    writeln!(
        out,
        "\n{bold}{} rule{plural}{bold:#}; in strict {} deny, {} warn, {} audit, {} change; one in full: --explain RULE",
        rules.len(),
        count(Action::Deny),
        count(Action::Warn),
        count(Action::Audit),
        count(Action::Apply)
    )
}

/// In its colour, filled up to a width that colour codes do not count in.
fn styled(action: Action, width: usize) -> String {
    let style = match action {
        Action::Deny => AnsiColor::Red.on_default(),
        Action::Warn => AnsiColor::Yellow.on_default(),
        Action::Audit => AnsiColor::Blue.on_default(),
        Action::Apply => AnsiColor::Green.on_default(),
        Action::Off => Style::new(),
    };
    let word = action.to_string();
    format!("{style}{word}{style:#}{}", " ".repeat(width.saturating_sub(word.len())))
}
