//! Cases as workflow commands of GitHub Actions, which puts those that did not pass at the lines of a pull request. The last line is the sum.

use std::io::{self, Write};

use super::CasesReport;
use crate::github::{command, unreadable};

/// Writes what did not pass. The difference stays in the log: an annotation is a sentence.
pub fn write(report: &CasesReport, out: &mut dyn Write) -> io::Result<()> {
    report.unreadable.iter().try_for_each(|wrong| unreadable(wrong, "unreadable", out))?;
    for (file, case) in report.not_passed() {
        let what = format!("{}: {}", case.name, case.sentence().unwrap_or_default());
        let hint = case.hint().unwrap_or("`stateward test` shows the difference");
        command("error", &file.file, Some(case.at()), &case.rule, &what, Some(hint), out)?;
    }
    writeln!(out, "{}", report.summary().in_numbers())
}
