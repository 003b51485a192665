//! Cases for people: a line for each file, then what failed with the difference, then the sum.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::{CaseFile, CaseResult, CasesReport, Difference, Outcome};
use crate::text::printable;
use crate::wrong::Wrong;

/// Writes the whole report.
pub fn write(report: &CasesReport, out: &mut dyn Write) -> io::Result<()> {
    for file in &report.files {
        file_line(file, report.unreadable_in(&file.file).count(), out)?;
    }
    for file in &report.files {
        for case in &file.cases {
            case_lines(file, case, out)?;
        }
    }
    if !report.files.is_empty() {
        writeln!(out)?;
    }
    summary_lines(report, out)
}

fn file_line(file: &CaseFile, unreadable: usize, out: &mut dyn Write) -> io::Result<()> {
    let name = printable(&file.file);
    let all = cases(file.cases.len());
    let not_passed = file.cases.iter().filter(|case| case.outcome != Outcome::Passed).count();
    let unread = unread(unreadable);
    match (not_passed, unreadable) {
        (0, 0) => writeln!(out, "{PASSED}ok{PASSED:#}    {name}: {all}"),
        (0, _) => writeln!(out, "{FAILED}FAIL{FAILED:#}  {name}: {all}{unread}"),
        _ => writeln!(out, "{FAILED}FAIL{FAILED:#}  {name}: {not_passed} of {all} failed{unread}"),
    }
}

/// What the errors above mean for the numbers.
fn unread(errors: usize) -> String {
    match errors {
        0 => String::new(),
        1 => ", 1 error in what was read".to_owned(),
        _ => format!(", {errors} errors in what was read"),
    }
}

fn case_lines(file: &CaseFile, case: &CaseResult, out: &mut dyn Write) -> io::Result<()> {
    match &case.outcome {
        Outcome::Passed => Ok(()),
        Outcome::Broken(wrong) => {
            title("broken", file, case, wrong.line.zip(wrong.column), out)?;
            broken_lines(wrong, out)
        }
        Outcome::Failed(differences) => {
            title("failed", file, case, None, out)?;
            differences.iter().try_for_each(|difference| difference_lines(difference, out))?;
            writeln!(out, "{FRAME}   |{FRAME:#}")
        }
    }
}

fn title(
    word: &str,
    file: &CaseFile,
    case: &CaseResult,
    place: Option<(usize, usize)>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (line, column) = place.unwrap_or((case.line, case.column));
    writeln!(out, "\n{FAILED}{word}[{}]{FAILED:#}{BOLD}: {}{BOLD:#}", printable(&case.rule), printable(&case.name))?;
    writeln!(out, "{FRAME}  -->{FRAME:#} {}:{line}:{column}", printable(&file.file))
}

fn broken_lines(wrong: &Wrong, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{FRAME}   ={FRAME:#} {BOLD}error{BOLD:#}: {}", printable(&wrong.message))?;
    match &wrong.hint {
        Some(hint) => writeln!(out, "{FRAME}   ={FRAME:#} {BOLD}hint{BOLD:#}: {}", printable(hint)),
        None => Ok(()),
    }
}

fn difference_lines(difference: &Difference, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{FRAME}   |{FRAME:#} in profile {}: - expected, + found", difference.profiles())?;
    for line in &difference.lines {
        let style = match line.sign {
            '-' => REMOVED,
            '+' => ADDED,
            _ => Style::new(),
        };
        writeln!(out, "{FRAME}   |{FRAME:#} {style}{} {}{style:#}", line.sign, printable(&line.text))?;
    }
    Ok(())
}

fn summary_lines(report: &CasesReport, out: &mut dyn Write) -> io::Result<()> {
    let summary = report.summary();
    if summary.failed > 0 {
        writeln!(
            out,
            "{BOLD}hint{BOLD:#}: mend the rule or the case; where the new answer is right, `--update` writes it into the file\n"
        )?;
    }
    writeln!(out, "{BOLD}{}{BOLD:#}", summary.in_numbers())?;
    if summary.cases == 0 && !report.requires_coverage {
        return Ok(());
    }
    let coverage = &report.coverage;
    write!(out, "rules: {} of {} have cases", coverage.with_cases, coverage.rules)?;
    let most = if report.requires_coverage { usize::MAX } else { MOST_RULES };
    let mut without: Vec<String> =
        coverage.without.iter().take(most).map(|rule| printable(rule).into_owned()).collect();
    let more = coverage.without.len() - without.len();
    if more > 0 {
        without.push(format!("and {more} more"));
    }
    match without.as_slice() {
        [] => writeln!(out),
        without => writeln!(out, "; without: {}", without.join(", ")),
    }
}

fn cases(count: usize) -> String {
    if count == 1 { "1 case".to_owned() } else { format!("{count} cases") }
}

const BOLD: Style = Style::new().bold();
const PASSED: Style = AnsiColor::Green.on_default().bold();
const FAILED: Style = AnsiColor::Red.on_default().bold();
const FRAME: Style = AnsiColor::BrightBlue.on_default().bold();
const REMOVED: Style = AnsiColor::Red.on_default();
const ADDED: Style = AnsiColor::Green.on_default();

/// Whoever tests one rule need not read the names of all others.
const MOST_RULES: usize = 5;
