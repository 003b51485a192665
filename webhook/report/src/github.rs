//! Findings as workflow commands of GitHub Actions, which puts them at the lines of a pull request.
//!
//! GitHub keeps the first 10 errors, 10 warnings and 10 notices of a step
//! (<https://github.com/actions/toolkit/blob/main/docs/problem-matchers.md#limitations>), so the worst stand first; the others stay in the log. All that
//! could not be decided is one notice. The last line is the summary.

use std::io::{self, Write};

use stateward_core::manifest::Action;
use stateward_core::pointer::field_path;

use crate::check::{CheckReport, Object};
use crate::text::{exempted, in_numbers, printable};
use crate::wrong::Wrong;

/// Writes the whole report. No colours: a command begins its line.
pub fn write(report: &CheckReport, out: &mut dyn Write) -> io::Result<()> {
    for wrong in &report.unreadable {
        unreadable(wrong, "unreadable", out)?;
    }
    for wrong in &report.refused {
        unreadable(wrong, "policy", out)?;
    }
    for malformed in &report.malformed {
        let at = (malformed.at.line, malformed.at.column);
        let (field, title) = (field_path(&malformed.path), malformed.object.title());
        let what = format!("{title} is not judged: {field}: {}", malformed.message);
        command("error", &malformed.object.file, Some(at), "malformed", &what, malformed.hint.as_deref(), out)?;
    }
    for failure in &report.failures {
        let what = format!("policy `{}` failed on {}: {}", failure.policy, failure.object.title(), failure.error);
        command("error", &failure.object.file, None, "policy", &what, None, out)?;
    }
    findings(report, Action::Deny, "error", out)?;
    for not_judged in &report.not_judged {
        let what = format!("no rule judges {}: {}", not_judged.object.title(), not_judged.because.join("; "));
        command("warning", &not_judged.object.file, None, "not judged", &what, None, out)?;
    }
    findings(report, Action::Warn, "warning", out)?;
    if let Some(first) = report.undecided.first() {
        let objects = report.summary().undecided;
        let plural = if objects == 1 { "" } else { "s" };
        let rules = report.undecided.len();
        let more = if rules == 1 { String::new() } else { format!(" and {} more", rules - 1) };
        let Object { file, .. } = &*first.object;
        let what = format!("{objects} object{plural} with undecided rules: {} ({}){more}", first.rule, first.reason);
        command("notice", file, None, "undecided", &what, Some("`-o text` names them all"), out)?;
    }
    findings(report, Action::Audit, "notice", out)?;
    writeln!(out, "{}", in_numbers(&report.summary()))
}

fn findings(report: &CheckReport, action: Action, word: &str, out: &mut dyn Write) -> io::Result<()> {
    for finding in report.findings.iter().filter(|finding| finding.action == action) {
        let by = finding.exemption.as_ref().map(exempted).unwrap_or_default();
        let what = format!("{}: {}: {}{by}", finding.object.title(), field_path(&finding.path), finding.message);
        let at = (finding.at.line, finding.at.column);
        command(word, &finding.object.file, Some(at), &finding.rule, &what, finding.hint.as_deref(), out)?;
    }
    Ok(())
}

/// An error of what cannot be read.
pub(crate) fn unreadable(wrong: &Wrong, title: &str, out: &mut dyn Write) -> io::Result<()> {
    let at = wrong.line.map(|line| (line, wrong.column.unwrap_or(1)));
    command("error", &wrong.file, at, title, &wrong.message, wrong.hint.as_deref(), out)
}

/// One command; the hint is its second line.
pub(crate) fn command(
    word: &str,
    file: &str,
    at: Option<(usize, usize)>,
    title: &str,
    what: &str,
    hint: Option<&str>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let file = property(file.strip_prefix("./").unwrap_or(file));
    let at = at.filter(|&(line, _)| line > 0).map(|(line, column)| format!(",line={line},col={column}"));
    let hint = hint.map(|hint| format!("\nhint: {}", printable(hint))).unwrap_or_default();
    let message = data(&format!("{}{hint}", printable(what)));
    writeln!(out, "::{word} file={file}{},title={}::{message}", at.unwrap_or_default(), property(title))
}

/// As the runner reads it back: <https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts>.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the runner does with it, last escape first.
    fn read(text: &str) -> String {
        text.replace("%2C", ",").replace("%3A", ":").replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")
    }

    proptest! {
        #[test]
        fn what_is_escaped_is_read_back(text in "(?s)[%:,\r\n0-9A-F]{0,20}.{0,20}") {
            prop_assert_eq!(read(&property(&text)), text.as_str());
            prop_assert!(!property(&text).contains([':', ',', '\r', '\n']));
            prop_assert!(!data(&text).contains(['\r', '\n']));
        }

        #[test]
        fn a_command_is_one_line(file in "(?s).{0,20}", title in "(?s).{0,20}", what in "(?s).{0,40}", hint in "(?s).{0,20}") {
            let mut out = Vec::new();
            prop_assert!(command("error", &file, Some((1, 2)), &title, &what, Some(&hint), &mut out).is_ok());
            let written = String::from_utf8_lossy(&out).into_owned();
            prop_assert_eq!(written.matches('\n').count(), 1);
            prop_assert_eq!(written.split("::").nth(1).map(|head| head.matches(',').count()), Some(3));
        }
    }
}
