//! A report as one page for people: what is worst and how to mend it, totals, and a table of all objects with their findings.
//!
//! The page is one file that asks for nothing: no network, no font, no framework; its policy (CSP) allows its own script and style and nothing else, by
//! their hashes. Totals and the worst findings are there without the script. Names and messages come from others: as markup they go through
//! [`escape`], to the script they go as data, and the script writes text, never markup. What may hold secrets is not in it: see [`crate::snippet`].

mod data;
mod escape;
mod exemptions;
mod sources;
mod totals;
mod worst;

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use stateward_core::manifest::{Action, Rule, Severity};

use crate::check::{CheckReport, Summary};
use crate::comparison::{Comparison, OldFinding};
use crate::wrong::Wrong;
use data::Data;
pub(crate) use escape::{Sentence, Text};
pub use sources::SourceOf;

/// What a page is made of.
pub struct Page<'a> {
    /// Sorted.
    pub report: &'a CheckReport,
    /// The JSON of the report's objects, for snippets. Secrets in it stay out of the page.
    pub objects: SourceOf<'a>,
    /// What the rules say of themselves. A rule that is not there has its findings' words alone.
    pub rules: Vec<&'a Rule>,
    /// What was judged, by what: `2 paths, profile strict`.
    pub about: String,
    /// When, for people; `None`: two pages of one report are the same bytes.
    pub made: Option<String>,
    /// What changed since an older report, and how that is named.
    pub comparison: Option<&'a Comparison>,
}

impl Page<'_> {
    fn rule(&self, id: &str) -> Option<&Rule> {
        self.rules.iter().copied().find(|rule| rule.id == id)
    }
}

/// Writes the page.
pub fn write(page: &Page<'_>, out: &mut dyn Write) -> io::Result<()> {
    let data = data::of(page);
    let summary = page.report.summary();
    write_head(&summary, out)?;
    writeln!(out, "<body>\n<a class=skip href=\"#objects\">Skip to the table of objects</a>")?;
    writeln!(out, "<header>\n<p class=brand>Stateward report</p>\n<h1>{}</h1>", headline(page.report, &summary))?;
    write_about(page, &summary, out)?;
    writeln!(out, "</header>\n<main>")?;
    worst::write(page, &data, out)?;
    write_gaps(page.report, out)?;
    if let Some(comparison) = page.comparison {
        write_comparison(page, comparison, &data, out)?;
    }
    totals::write(page, &summary, out)?;
    exemptions::write(page, &data, out)?;
    writeln!(out, "{TABLE}</main>\n{FOOTER}")?;
    let data = escape::json(&data)?;
    writeln!(out, "<script type=\"application/json\" id=data>{data}</script>")?;
    writeln!(out, "<script>{SCRIPT}</script>\n</body>\n</html>")
}

/// Whether the worst of a report is refused, warned about or only noted.
fn headline(report: &CheckReport, summary: &Summary) -> String {
    let Summary { judged, denied, warned, undecided, .. } = *summary;
    let of = format!("{judged} judged object{}", plural(judged));
    if judged == 0 {
        return "No object was judged".to_owned();
    }
    match (denied, warned) {
        (0, 0) if report.findings.is_empty() && undecided == 0 => format!("Nothing is wrong in {of}"),
        (0, 0) if report.findings.is_empty() => format!("Nothing wrong was found in {of}, but not everything is known"),
        (0, 0) => format!("Nothing would be denied or warned about in {of}"),
        (0, warned) => format!("Nothing would be denied, {warned} of {of} would be warned about"),
        (denied, _) => format!("{denied} of {of} would be denied"),
    }
}

fn write_head(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    let (script, style) = (hash(SCRIPT), hash(STYLE));
    writeln!(
        out,
        "<!doctype html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n\
         <meta http-equiv=Content-Security-Policy content=\"default-src 'none'; script-src '{script}'; style-src '{style}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=viewport content=\"width=device-width, initial-scale=1\">\n<meta name=referrer content=no-referrer>\n<meta name=color-scheme content=\"light dark\">\n\
         <title>Stateward: {} denied, {} warned, {} undecided</title>\n<style>{STYLE}</style>\n</head>",
        summary.denied, summary.warned, summary.undecided
    )
}

fn write_about(page: &Page<'_>, summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    let made = page.made.as_deref().map(|made| format!(" · {}", Text(made))).unwrap_or_default();
    let gaps = if is_whole(page.report) { "" } else { " · <a href=\"#gaps\">not complete</a>" };
    let Summary { objects, judged, .. } = *summary;
    let of = if objects == judged {
        String::new()
    } else {
        format!(" · {judged} of {objects} objects are of kinds that rules judge")
    };
    writeln!(out, "<p class=about>{}{made}{of}{gaps}</p>", Text(&page.about))
}

fn is_whole(report: &CheckReport) -> bool {
    let CheckReport { unreadable, refused, failures, malformed, not_judged, .. } = report;
    unreadable.is_empty() && refused.is_empty() && failures.is_empty() && malformed.is_empty() && not_judged.is_empty()
}

/// What the report cannot speak of.
fn write_gaps(report: &CheckReport, out: &mut dyn Write) -> io::Result<()> {
    let gaps = [
        (report.unreadable.len(), "what could not be read", &report.unreadable),
        (report.refused.len(), "policies that did not load", &report.refused),
    ];
    if is_whole(report) {
        return Ok(());
    }
    writeln!(out, "<section class=gaps aria-labelledby=gaps><h2 id=gaps>This report is not complete</h2>\n<ul>")?;
    for (count, what, wrongs) in gaps {
        if count > 0 {
            writeln!(out, "<li><details><summary>{count}: {what}</summary><ul>")?;
            wrongs.iter().try_for_each(|wrong| write_wrong(wrong, out))?;
            writeln!(out, "</ul></details></li>")?;
        }
    }
    for (count, filter, what) in [
        (report.failures.len(), "failed", "a policy broke on an object"),
        (report.malformed.len(), "malformed", "a field has a wrong type, so its object was not judged"),
        (report.not_judged.len(), "skipped", "an object of a kind that rules judge, which none of them judged"),
    ] {
        if count > 0 {
            writeln!(out, "<li><a href=\"#verdict={filter}\">{count}: {what}</a></li>")?;
        }
    }
    writeln!(out, "</ul></section>")
}

/// What cannot be read, as an item of a list.
pub(crate) fn write_wrong(wrong: &Wrong, out: &mut dyn Write) -> io::Result<()> {
    let place = match (wrong.line, wrong.column) {
        (Some(line), Some(column)) => format!(":{line}:{column}"),
        (Some(line), None) => format!(":{line}"),
        _ => String::new(),
    };
    let hint = wrong.hint.as_deref().map(|hint| format!("; {}", Sentence(hint))).unwrap_or_default();
    writeln!(out, "<li><code>{}{place}</code>: {}{hint}</li>", Text(&wrong.file), Sentence(&wrong.message))
}

fn write_comparison(page: &Page<'_>, comparison: &Comparison, data: &Data, out: &mut dyn Write) -> io::Result<()> {
    let Comparison { new, gone, unknown, kept } = comparison;
    writeln!(out, "<section aria-labelledby=changed><h2 id=changed>Since the older report</h2>")?;
    writeln!(
        out,
        "<p>{} new finding{}, {} gone, {kept} as before{}.</p>",
        new.len(),
        plural(new.len()),
        gone.len(),
        if unknown.is_empty() { String::new() } else { format!(", {} that cannot be decided now", unknown.len()) }
    )?;
    if !new.is_empty() {
        writeln!(out, "<details open><summary>New: {}</summary><ul class=plain>", new.len())?;
        let mut findings: Vec<_> = new.iter().filter_map(|&at| page.report.findings.get(at)).collect();
        findings.sort_by_key(|finding| std::cmp::Reverse((finding.action, finding.severity)));
        for finding in findings.into_iter().take(MAX_CHANGES) {
            writeln!(
                out,
                "<li>{} <a href=\"#object={}\">{}</a>: {}</li>",
                badge(finding.action),
                escape::Part(data.key(finding.object.index)),
                Text(&finding.object.title()),
                Sentence(&finding.message)
            )?;
        }
        write_rest(new.len(), "<a href=\"#since=new\">all of them in the table</a>", out)?;
        writeln!(out, "</ul></details>")?;
    }
    for (title, findings) in [("Gone", gone), ("Cannot be decided now", unknown)] {
        if !findings.is_empty() {
            writeln!(out, "<details><summary>{title}: {}</summary><ul class=plain>", findings.len())?;
            findings.iter().take(MAX_CHANGES).try_for_each(|finding| write_old(finding, out))?;
            write_rest(findings.len(), "the older report has them all", out)?;
            writeln!(out, "</ul></details>")?;
        }
    }
    writeln!(out, "</section>")
}

fn write_old(finding: &OldFinding, out: &mut dyn Write) -> io::Result<()> {
    let (title, message) = (finding.title(), Sentence(&finding.message));
    writeln!(out, "<li>{} {}: {message} <code>{}</code></li>", badge(finding.action), Text(&title), Text(&finding.rule))
}

fn write_rest(count: usize, where_else: &str, out: &mut dyn Write) -> io::Result<()> {
    if count > MAX_CHANGES {
        writeln!(out, "<li>and {} more: {where_else}</li>", count - MAX_CHANGES)?;
    }
    Ok(())
}

/// An action as a word with a sign, so that it is never told by its colour alone.
fn badge(action: Action) -> String {
    let (class, sign, word) = match action {
        Action::Deny => ("deny", "✕", "Deny"),
        Action::Warn => ("warn", "!", "Warn"),
        Action::Audit | Action::Off => ("audit", "i", "Audit"),
        Action::Apply => ("apply", "+", "Apply"),
    };
    format!("<span class=\"badge {class}\"><span aria-hidden=true>{sign}</span> {word}</span>")
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "low severity: worth knowing",
        Severity::Medium => "medium severity: will hurt some day",
        Severity::High => "high severity: hurts at the next failure",
        Severity::Critical => "critical severity: loses data",
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// What a content security policy knows an element by.
pub(crate) fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text.as_bytes())))
}

const SCRIPT: &str = include_str!("html/page.js");
pub(crate) const STYLE: &str = include_str!("html/page.css");
const TABLE: &str = include_str!("html/table.html");
const FOOTER: &str = include_str!("html/footer.html");

/// Of a list of changes; the table has them all.
const MAX_CHANGES: usize = 10;
