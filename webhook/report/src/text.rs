//! A report for people: the lines of the file with the field underlined, what is wrong, what to write instead.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet, Title};
use anstyle::{AnsiColor, Style};
use stateward_core::manifest::Action;
use stateward_core::pointer::field_path;
use stateward_core::verdict::ExemptedBy;

use crate::check::{Change, ChangeKind, CheckReport, Finding, Malformed, Object, Place, Summary, Undecided};
use crate::promises;
use crate::suspected;

/// Writes the whole report; it ends with the summary, and with what sets keep of what is promised.
pub fn write(report: &CheckReport, out: &mut dyn Write) -> io::Result<()> {
    let mut is_first = true;
    let said: Vec<&Finding> = report.findings.iter().filter(|finding| finding.action >= Action::Warn).collect();
    for finding in rendered(&said) {
        if !std::mem::take(&mut is_first) {
            writeln!(out)?;
        }
        writeln!(out, "{finding}")?;
    }
    let compact =
        |is_first: &mut bool, out: &mut dyn Write| if std::mem::take(is_first) { Ok(()) } else { writeln!(out) };
    let audited: Vec<&Finding> = report.findings.iter().filter(|finding| finding.action == Action::Audit).collect();
    if !(audited.is_empty() && report.changes.is_empty() && report.undecided.is_empty()) {
        compact(&mut is_first, out)?;
    }
    for change in &report.changes {
        change_line(change, out)?;
    }
    for finding in audited {
        audit_line(finding, out)?;
    }
    for (alike, more) in shortened(by_reason(&report.undecided)) {
        undecided_line(&alike, more, out)?;
    }
    if !(is_first && report.changes.is_empty()) {
        writeln!(out)?;
    }
    summary_line(&report.summary(), out)?;
    if let Some(line) = fixable_in_words(report) {
        writeln!(out, "{line}")?;
    }
    promises::write(&report.promises, out)?;
    suspected::write(&report.suspected, out)
}

/// The findings with their lines, on all cores: drawing one takes as long as judging an object.
fn rendered(findings: &[&Finding]) -> Vec<String> {
    let renderer = Renderer::styled();
    let render = |part: &[&Finding]| part.iter().map(|finding| renderer.render(&[group(finding)])).collect::<Vec<_>>();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut parts = findings.chunks(findings.len().div_ceil(threads).max(LEAST_FOR_A_THREAD));
    let first = parts.next().unwrap_or_default();
    std::thread::scope(|scope| {
        let others: Vec<_> = parts.map(|part| scope.spawn(|| render(part))).collect();
        let mut all = render(first);
        for other in others {
            all.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        all
    })
}

/// A field of a wrong type with its lines.
pub fn malformed(malformed: &Malformed) -> String {
    let Malformed { object, at, path, message, hint } = malformed;
    let title = Level::ERROR.primary_title(printable(message));
    let of = format!("{}, which is not judged", object.title());
    Renderer::styled().render(&[located(title, object, at, path, &of, hint.as_deref())])
}

fn group(finding: &Finding) -> Group<'_> {
    let Finding { object, at, path, .. } = finding;
    let level = if finding.action == Action::Deny {
        Level::ERROR.with_name(Some("deny"))
    } else {
        Level::WARNING.with_name(Some("warn"))
    };
    let title = level.primary_title(printable(&finding.message)).id(finding.rule.as_str());
    located(title, object, at, path, &object.title(), finding.hint.as_deref())
}

/// The lines under a title, with the field underlined, then whose field it is and the way out.
fn located<'a>(
    title: Title<'a>,
    object: &'a Object,
    at: &'a Place,
    path: &str,
    of: &str,
    hint: Option<&'a str>,
) -> Group<'a> {
    let mut group = match &at.snippet {
        Some(snippet) => {
            let annotation = AnnotationKind::Primary.span(snippet.span.clone()).label(label(path, at));
            title.element(
                Snippet::source(snippet.text.as_str())
                    .line_start(snippet.first_line)
                    .path(printable(&object.file))
                    .annotation(annotation),
            )
        }
        None => {
            let place = format!("{}:{}:{}: {}", printable(&object.file), at.line, at.column, field_path(path));
            title.element(Level::NOTE.no_name().message(place))
        }
    };
    group = group.element(Level::NOTE.with_name(Some("in")).message(printable(of).into_owned()));
    if let Some(hint) = hint {
        group = group.element(Level::HELP.with_name(Some("hint")).message(printable(hint)));
    }
    group
}

/// What stands beside the underline: the field as Kubernetes writes it, or what of it the file lacks.
fn label(path: &str, at: &Place) -> String {
    if at.missing.is_empty() { field_path(path) } else { format!("no `{}` here", field_path(&at.missing)) }
}

fn change_line(change: &Change, out: &mut dyn Write) -> io::Result<()> {
    let verb = if change.action == Action::Apply { "changed" } else { "would change" };
    let field = field_path(&change.path);
    let what = match (change.operation, &change.value) {
        (ChangeKind::Remove, _) | (_, None) => format!("- {field}"),
        (ChangeKind::Add, Some(value)) => format!("+ {field}: {value}"),
        (ChangeKind::Replace, Some(value)) => format!("~ {field}: {value}"),
    };
    let note = change.note.as_deref().map(|note| format!(" ({note})")).unwrap_or_default();
    line(out, verb, AnsiColor::Green, &change.rule, &change.object, &change.at, &format!("{what}{note}"))
}

fn audit_line(finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let by = finding.exemption.as_ref().map(exempted).unwrap_or_default();
    let message = format!("{}{by}", finding.message);
    line(out, "audit", AnsiColor::Blue, &finding.rule, &finding.object, &finding.at, &message)
}

/// Who answers for what would be refused or warned about, and how long.
pub(crate) fn exempted(by: &ExemptedBy) -> String {
    let ExemptedBy { namespace, name, reason, expires } = by;
    format!(" (exempt by {namespace}/{name} until {expires}: {reason})")
}

/// What one object's rules lack, together where it is the same fact: a missing Service is one thing to a reader, not five.
fn by_reason(undecided: &[Undecided]) -> Vec<Vec<&Undecided>> {
    let mut groups: Vec<Vec<&Undecided>> = Vec::new();
    let mut first_of_object = 0;
    for each in undecided {
        if groups.last().and_then(|group| group.first()).is_none_or(|last| last.object.index != each.object.index) {
            first_of_object = groups.len();
        }
        let of_object = groups.iter_mut().skip(first_of_object);
        match of_object.into_iter().find(|group| group.first().is_some_and(|first| first.reason == each.reason)) {
            Some(group) => group.push(each),
            None => groups.push(vec![each]),
        }
    }
    groups
}

/// Of many objects whose rules lack the same, the first few, the last of them with how many more there are: what an audit cannot know it does not know of
/// thousands.
fn shortened(all: Vec<Vec<&Undecided>>) -> Vec<(Vec<&Undecided>, usize)> {
    let mut known: BTreeMap<(Vec<&str>, &str), (usize, usize)> = BTreeMap::new();
    let mut shown: Vec<(Vec<&Undecided>, usize)> = Vec::new();
    for alike in all {
        let rules = alike.iter().map(|each| each.rule.as_str()).collect();
        let reason = alike.first().map(|each| each.reason.as_str()).unwrap_or_default();
        let (count, last) = known.entry((rules, reason)).or_default();
        *count += 1;
        if *count <= MOST_ALIKE {
            *last = shown.len();
            shown.push((alike, 0));
        } else if let Some((_, more)) = shown.get_mut(*last) {
            *more += 1;
        }
    }
    shown
}

fn undecided_line(alike: &[&Undecided], more: usize, out: &mut dyn Write) -> io::Result<()> {
    let Some(first) = alike.first() else { return Ok(()) };
    let rules: Vec<&str> = alike.iter().map(|each| each.rule.as_str()).collect();
    let more = if more == 0 { String::new() } else { format!(" (and of {more} more)") };
    let reason = format!("{}{more}", first.reason);
    line(out, "undecided", AnsiColor::Cyan, &rules.join(", "), &first.object, &first.at, &reason)
}

fn line(
    out: &mut dyn Write,
    word: &str,
    color: AnsiColor,
    rule: &str,
    object: &Object,
    at: &Place,
    message: &str,
) -> io::Result<()> {
    let style = color.on_default().bold();
    let (place, message) = (printable(&object.file), printable(message));
    writeln!(
        out,
        "{style}{word}[{rule}]{style:#}: {place}:{}:{}: {}: {message}",
        at.line,
        at.column,
        printable(&object.title())
    )
}

/// The summary in one line.
pub(crate) fn summary_line(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    let bold = Style::new().bold();
    writeln!(out, "{bold}{}{bold:#}", in_numbers(summary))
}

/// `2 findings can be fixed with ..`; none where there is nothing to fix.
pub(crate) fn fixable_in_words(report: &CheckReport) -> Option<String> {
    match report.fixable() {
        0 => None,
        1 => Some("1 finding can be fixed with `check --fix`; `--diff` shows it".to_owned()),
        many => Some(format!("{many} findings can be fixed with `check --fix`; `--diff` shows them")),
    }
}

/// `1 object, 1 judged: 1 denied, ..`.
pub(crate) fn in_numbers(summary: &Summary) -> String {
    let Summary { objects, judged, denied, warned, undecided, changed, failed } = *summary;
    let plural = if objects == 1 { "" } else { "s" };
    let failed = if failed == 0 { String::new() } else { format!(", {failed} with a failed policy") };
    format!(
        "{objects} object{plural}, {judged} judged: {denied} denied, {warned} warned, {undecided} undecided, {changed} changed{failed}"
    )
}

/// One line, without what would steer a terminal: messages come from policies, names from files.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect())
}

/// Objects whose rules lack the same.
const MOST_ALIKE: usize = 3;

/// Starting a thread takes as long as drawing two or three findings.
const LEAST_FOR_A_THREAD: usize = 32;
