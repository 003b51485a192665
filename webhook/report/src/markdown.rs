//! A summary for a pull request's comment or `$GITHUB_STEP_SUMMARY`: what is refused and warned about, the worst objects first; the rest in numbers.
//!
//! A comment has at most 65,536 letters and a step's summary 1 MiB
//! (<https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#adding-a-job-summary>): long lists are cut, and say by how much.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use stateward_core::manifest::Action;
use stateward_core::pointer::field_path;

use crate::check::{CheckReport, Finding, Object, Summary};
use crate::exemptions;
use crate::suspected::{self, SuspectedWriter};
use crate::text::{fixable_in_words, printable};
use crate::wrong::Wrong;

/// Writes the whole report.
pub fn write(report: &CheckReport, out: &mut dyn Write) -> io::Result<()> {
    let summary = report.summary();
    let Summary { objects, judged, denied, warned, undecided, changed, failed } = summary;
    writeln!(out, "## Stateward: {}\n", headline(report, &summary))?;
    writeln!(out, "| Objects | Judged | Denied | Warned | Undecided | Changed | Failed policy |")?;
    writeln!(out, "|--:|--:|--:|--:|--:|--:|--:|")?;
    writeln!(out, "| {objects} | {judged} | {denied} | {warned} | {undecided} | {changed} | {failed} |")?;

    let broken = broken(report);
    list("Not judged", &broken, None, MAX_LINES_BYTES, out)?;
    let rows: Vec<String> = worst_first(&report.findings).into_iter().map(row).collect();
    list(
        "Denied and warned",
        &rows,
        Some("| | Object | Rule | Field | What | Fix |\n|---|---|---|---|---|---|"),
        MAX_ROWS_BYTES,
        out,
    )?;
    if let Some(line) = fixable_in_words(report) {
        writeln!(out, "\n{line}.")?;
    }
    list("Undecided", &undecided_by_reason(report), None, MAX_LINES_BYTES, out)?;
    let said = |each: &SuspectedWriter| format!("- {}: {}", title(&each.object), text(&each.sentence()));
    let suspected: Vec<String> = report.suspected.iter().map(said).collect();
    list(suspected::TITLE, &suspected, None, MAX_LINES_BYTES, out)?;
    exemptions::markdown::write_table(&report.exemptions, out)?;

    let audited = report.findings.iter().filter(|finding| finding.action == Action::Audit);
    let exempted = audited.clone().filter(|finding| finding.exemption.is_some()).count();
    match audited.count() {
        0 => Ok(()),
        count => writeln!(out, "\nAudit findings, not listed: {count} ({exempted} exempted)."),
    }
}

fn headline(report: &CheckReport, summary: &Summary) -> String {
    let is_broken = !(report.unreadable.is_empty()
        && report.refused.is_empty()
        && report.malformed.is_empty()
        && report.failures.is_empty());
    let said = match (summary.denied, summary.warned) {
        (0, 0) => "nothing is denied".to_owned(),
        (0, warned) => format!("nothing is denied, {}", of(warned, "warned about")),
        (denied, _) => of(denied, "denied"),
    };
    format!("{said}{}", if is_broken { "; not everything could be judged" } else { "" })
}

fn of(count: usize, what: &str) -> String {
    format!("{} {} {what}", objects_in_words(count), if count == 1 { "is" } else { "are" })
}

fn objects_in_words(count: usize) -> String {
    if count == 1 { "1 object".to_owned() } else { format!("{count} objects") }
}

/// What does not fit is counted.
pub(crate) fn list(
    title: &str,
    lines: &[String],
    head: Option<&str>,
    most: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n### {title}\n")?;
    if let Some(head) = head {
        writeln!(out, "{head}")?;
    }
    let mut left = most;
    let mut written = 0;
    for line in lines {
        let Some(rest) = left.checked_sub(line.len() + 1) else { break };
        left = rest;
        written += 1;
        writeln!(out, "{line}")?;
    }
    match lines.len() - written {
        0 => Ok(()),
        more => writeln!(out, "\n.. and {more} more"),
    }
}

/// Objects with a denial before those with warnings alone, else as in the input; findings of one object stay together.
fn worst_first(findings: &[Finding]) -> Vec<&Finding> {
    let mut worst: BTreeMap<usize, Action> = BTreeMap::new();
    for finding in findings {
        let action = worst.entry(finding.object.index).or_insert(finding.action);
        *action = finding.action.max(*action);
    }
    let mut said: Vec<&Finding> = findings.iter().filter(|finding| finding.action >= Action::Warn).collect();
    said.sort_by_key(|finding| std::cmp::Reverse(worst.get(&finding.object.index).copied()));
    said
}

fn row(finding: &Finding) -> String {
    let Finding { object, at, rule, action, path, message, hint, .. } = finding;
    let action = if *action == Action::Deny { "**deny**" } else { "warn" };
    let place = code(&format!("{}:{}", object.file, at.line));
    format!(
        "| {action} | {}<br>{place} | {} | {} | {} | {} |",
        title(object),
        code(rule),
        code(&field_path(path)),
        text(message),
        text(hint.as_deref().unwrap_or_default())
    )
}

/// Everything because of which something was not judged.
fn broken(report: &CheckReport) -> Vec<String> {
    let wrong = |wrong: &Wrong| {
        let line = wrong.line.map(|line| format!(":{line}")).unwrap_or_default();
        let hint = wrong.hint.as_ref().map(|hint| format!("; {}", text(hint))).unwrap_or_default();
        format!("- {}: {}{hint}", code(&format!("{}{line}", wrong.file)), text(&wrong.message))
    };
    let mut lines: Vec<String> = report.unreadable.iter().chain(&report.refused).map(wrong).collect();
    lines.extend(report.malformed.iter().map(|malformed| {
        let hint = malformed.hint.as_ref().map(|hint| format!("; {}", text(hint))).unwrap_or_default();
        let field = code(&field_path(&malformed.path));
        format!("- {}: {field}: {}{hint}", title(&malformed.object), text(&malformed.message))
    }));
    lines.extend(report.failures.iter().map(|failure| {
        format!("- {}: policy {} failed: {}", title(&failure.object), code(&failure.policy), text(&failure.error))
    }));
    lines.extend(
        report.not_judged.iter().map(|each| format!("- {}: {}", title(&each.object), text(&each.because.join("; ")))),
    );
    lines
}

/// How many rules of how many objects lack the same fact, the most first.
fn undecided_by_reason(report: &CheckReport) -> Vec<String> {
    let mut reasons: BTreeMap<&str, (usize, BTreeSet<usize>)> = BTreeMap::new();
    for undecided in &report.undecided {
        let (rules, objects) = reasons.entry(&undecided.reason).or_default();
        *rules += 1;
        objects.insert(undecided.object.index);
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, (rules, _))| std::cmp::Reverse(*rules));
    let line = |(reason, (rules, objects)): (&str, (usize, BTreeSet<usize>))| {
        format!("- {}: {rules}× for {}", text(reason), objects_in_words(objects.len()))
    };
    reasons.into_iter().map(line).collect()
}

fn title(object: &Object) -> String {
    code(&object.title())
}

/// Text as it is; what is between backticks becomes code, where each has its partner.
pub(crate) fn text(text: &str) -> String {
    let text = cut(&printable(text));
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) || parts.iter().skip(1).step_by(2).any(|part| part.trim().is_empty()) {
        return escaped(&text);
    }
    let each = |(at, part): (usize, &&str)| if at % 2 == 0 { escaped(part) } else { code(part) };
    parts.iter().enumerate().map(each).collect()
}

/// As an element: what stands between backticks can hold no pipe in a table, and a backslash there is none that escapes.
pub(crate) fn code(text: &str) -> String {
    format!("<code>{}</code>", escaped(&cut(&printable(text))))
}

/// One line in which nothing is markup, ends a cell or calls somebody. Markdown takes no reference for structure; a name behind `@` is called also when it
/// is one, but not where an element stands between.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '@' => escaped.push_str("@<!-- -->"),
            letter if STRUCTURE.contains(letter) => escaped.push_str(&format!("&#{};", u32::from(letter))),
            letter => escaped.push(letter),
        }
    }
    escaped
}

fn cut(text: &str) -> String {
    if text.chars().count() <= MAX_LETTERS {
        return text.to_owned();
    }
    text.chars().take(MAX_LETTERS).chain(" ..".chars()).collect()
}

/// Of CommonMark and GitHub's additions: tables, deletions, mathematics.
const STRUCTURE: &str = "\\`*_[]<>&|~$#!";
/// Of one message: a policy of somebody else's may write a book.
const MAX_LETTERS: usize = 400;
/// With two lists of lines and the exemptions, all fits into a comment.
pub(crate) const MAX_ROWS_BYTES: usize = 36_000;
/// What could not be judged, and what not decided.
pub(crate) const MAX_LINES_BYTES: usize = 9_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_between_backticks_are_code() {
        assert_eq!(text("write `a|b`, not `c`"), "write <code>a&#124;b</code>, not <code>c</code>");
        assert_eq!(text("one ` alone"), "one &#96; alone");
        assert_eq!(text("``"), "&#96;&#96;");
        assert_eq!(text("@you"), "@<!-- -->you");
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let lines = vec!["x".repeat(10); 5];
        let mut out = Vec::new();
        assert!(list("Title", &lines, None, 25, &mut out).is_ok());
        assert!(String::from_utf8_lossy(&out).ends_with("\n\n.. and 3 more\n"));
    }

    proptest! {
        #[test]
        fn a_cell_stays_one_and_says_the_same(what in "(?s)[`|<>&@\\\\\r\n]{0,10}.{0,40}") {
            let cell = text(&what).replace("<code>", "").replace("</code>", "").replace("<!-- -->", "");
            prop_assert!(!cell.contains(['|', '<', '>', '`', '\\', '\n', '\r']));
            let mut read = cell;
            for letter in STRUCTURE.chars().filter(|&letter| letter != '&') {
                read = read.replace(&format!("&#{};", u32::from(letter)), &letter.to_string());
            }
            let read = read.replace("&#38;", "&");
            let plain = printable(&what).into_owned();
            prop_assert!(read == plain || read == plain.replace('`', ""), "{read:?} of {plain:?}");
        }
    }
}
