//! The top of the page: what is worst, what that means, how to mend it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use stateward_core::manifest::{Action, Severity};
use stateward_core::pointer::field_path;

use super::data::{Data, marked};
use super::escape::{Part, Sentence, Text};
use super::sources::Sources;
use super::{Page, badge, plural, severity};
use crate::check::{CheckReport, Finding, Snippet};

/// Writes the worst three rules' findings, the worst in full.
pub(super) fn write(page: &Page<'_>, data: &Data, out: &mut dyn Write) -> io::Result<()> {
    let groups = groups(page.report);
    let Some((first, others)) = groups.split_first() else { return Ok(()) };
    writeln!(
        out,
        "<section aria-labelledby=worst><h2 id=worst>{}</h2>",
        if others.is_empty() { "What is wrong" } else { "The worst of it" }
    )?;
    write_group(page, first, data, 3, out)?;
    if !others.is_empty() {
        writeln!(out, "<h3 class=next>Then</h3>\n<div class=cards>")?;
        others.iter().take(SHOWN - 1).try_for_each(|group| write_group(page, group, data, 4, out))?;
        writeln!(out, "</div>")?;
    }
    writeln!(out, "</section>")
}

/// The findings of one rule at their worst.
struct Group<'a> {
    finding: &'a Finding,
    /// By their index.
    objects: BTreeSet<usize>,
}

/// Worst first: what is refused before what is warned about, then by severity, then by how many objects it is wrong in.
fn groups(report: &CheckReport) -> Vec<Group<'_>> {
    let mut by_rule: BTreeMap<&str, Group<'_>> = BTreeMap::new();
    for finding in &report.findings {
        let group = by_rule.entry(&finding.rule).or_insert_with(|| Group { finding, objects: BTreeSet::new() });
        if rank(finding) > rank(group.finding) {
            *group = Group { finding, objects: BTreeSet::new() };
        }
        if rank(finding) == rank(group.finding) {
            group.objects.insert(finding.object.index);
        }
    }
    let mut groups: Vec<Group<'_>> = by_rule.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse((rank(group.finding), group.objects.len())));
    groups
}

fn rank(finding: &Finding) -> (Action, Severity) {
    (finding.action, finding.severity)
}

fn write_group(page: &Page<'_>, group: &Group<'_>, data: &Data, level: u8, out: &mut dyn Write) -> io::Result<()> {
    let Group { finding, objects } = group;
    let Finding { object, at, path, rule, .. } = *finding;
    let is_first = level == 3;
    let mut sources = Sources::new(page.objects);
    let without_secret =
        |sources: &mut Sources<'_>, text: &str| sources.without_secret(object, path, text).into_owned();
    let message = without_secret(&mut sources, &finding.message);
    writeln!(out, "<article class=\"worst {}\">", class(finding.action))?;
    writeln!(out, "<p class=kicker>{} {}</p>", badge(finding.action), severity(finding.severity))?;
    writeln!(out, "<h{level}>{}</h{level}>", Sentence(&message))?;
    write!(out, "<p>in <a href=\"#object={}\">{}</a>", Part(data.key(object.index)), Text(&object.title()))?;
    if objects.len() > 1 {
        let more = objects.len() - 1;
        write!(
            out,
            "; <a href=\"#rule={}\">{more} more object{}</a> break{} the same rule",
            Part(rule),
            plural(more),
            if more == 1 { "s" } else { "" }
        )?;
    }
    writeln!(out, "</p>\n<div class=columns><dl>")?;
    if let Some(rule) = page.rule(rule) {
        writeln!(out, "<dt>What it means</dt><dd>{}</dd>", Sentence(&rule.description))?;
    }
    let fix = finding.hint.as_deref().map(|hint| without_secret(&mut sources, hint));
    let fix = fix.unwrap_or_else(|| format!("`stateward rules --explain {rule}` shows what is accepted"));
    writeln!(out, "<dt>How to fix it</dt><dd class=fix>{}</dd>", Sentence(&fix))?;
    if !path.is_empty() {
        writeln!(out, "<dt>Field</dt><dd><code class=path>{}</code></dd>", Text(&field_path(path)))?;
    }
    if !object.file.is_empty() {
        let line = if at.line > 0 { format!(":{}:{}", at.line, at.column) } else { String::new() };
        writeln!(out, "<dt>Where</dt><dd><code class=path>{}{line}</code></dd>", Text(&object.file))?;
    }
    writeln!(out, "<dt>Rule</dt><dd><code>{}</code></dd></dl>", Text(rule))?;
    if let Some(tree) = sources.of(object) {
        let drawn = tree.snippet(path);
        if is_first {
            write_snippet(&drawn, out)?;
        } else {
            writeln!(out, "<details><summary>The field in the object</summary>")?;
            write_snippet(&drawn, out)?;
            writeln!(out, "</details>")?;
        }
    }
    writeln!(out, "</div></article>")
}

fn write_snippet(snippet: &Snippet, out: &mut dyn Write) -> io::Result<()> {
    let marked = marked(snippet);
    write!(out, "<pre tabindex=0 role=region aria-label=\"The field in the object\"><code>")?;
    for (at, line) in snippet.text.split('\n').enumerate() {
        if marked.contains(&at) {
            writeln!(out, "<mark>{}</mark>", Text(line))?;
        } else {
            writeln!(out, "{}", Text(line))?;
        }
    }
    writeln!(out, "</code></pre>")
}

fn class(action: Action) -> &'static str {
    match action {
        Action::Deny => "deny",
        Action::Warn => "warn",
        _ => "audit",
    }
}

/// More is a list, and that is the table.
const SHOWN: usize = 3;
