//! Totals: in a line, by promise, by rule, by namespace. Each number leads to its objects in the table.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use stateward_core::manifest::Action;
use stateward_core::promises::{PROMISES, State};

use super::escape::{Part, Sentence, Text};
use super::{Page, plural};
use crate::check::{CheckReport, Object, Summary};

/// Writes all of them.
pub(super) fn write(page: &Page<'_>, summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<section aria-labelledby=totals><h2 id=totals>Totals</h2>")?;
    tiles(page.report, summary, out)?;
    promises(page.report, out)?;
    writeln!(out, "<div class=split>")?;
    rules(page, out)?;
    namespaces(page.report, out)?;
    writeln!(out, "</div></section>")
}

/// Objects by their worst finding, as the summary counts them.
fn tiles(report: &CheckReport, summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    let audited = worst(report).into_values().filter(|&action| action == Action::Audit).count();
    let Summary { denied, warned, undecided, changed, failed, .. } = *summary;
    let mut tiles = vec![
        ("deny", denied, "denied", "the API server would refuse them"),
        ("warn", warned, "warned", "let in, with a warning"),
        ("audit", audited, "audit", "something is only noted"),
        ("undecided", undecided, "undecided", "a rule lacks a fact: not a pass"),
        ("changed", changed, "changed", "the webhook would add to them"),
    ];
    if failed > 0 {
        tiles.push(("failed", failed, "failed", "a policy broke on them"));
    }
    writeln!(out, "<p>Objects, each by the worst of its findings:</p>\n<ul class=tiles>")?;
    for (filter, count, word, means) in tiles {
        let class = if count == 0 { "none" } else { filter };
        writeln!(
            out,
            "<li class={class}><a href=\"#verdict={filter}\"><b data-total={filter}>{count}</b> <span>{word}</span></a><small>{means}</small></li>"
        )?;
    }
    writeln!(out, "</ul>")
}

fn promises(report: &CheckReport, out: &mut dyn Write) -> io::Result<()> {
    let sets = report.promises.len();
    if sets == 0 {
        return Ok(());
    }
    let of = if sets == 1 { "the StatefulSet".to_owned() } else { format!("{sets} StatefulSets") };
    writeln!(
        out,
        "<h3 id=by-promise>By promise</h3>\n<p>What {of} keep{} of what is promised to those who use a stateful set.</p>\n<div class=scroll><table class=totals aria-labelledby=by-promise>\n\
         <thead><tr><th scope=col>Promise</th><th scope=col class=num>Kept</th><th scope=col class=num>Broken</th><th scope=col class=num>Undecided</th>\
         <td class=bar></td></tr></thead><tbody>",
        if sets == 1 { "s" } else { "" }
    )?;
    for (at, (promise, means)) in PROMISES.iter().zip(MEANINGS).enumerate() {
        let mut counts = [0_usize; 3];
        for kept in report.promises.iter().filter_map(|set| set.kept.get(at)) {
            let [kept_count, broken, undecided] = &mut counts;
            match kept.state {
                State::Kept => *kept_count += 1,
                State::Broken(_) => *broken += 1,
                State::Undecided(_) => *undecided += 1,
            }
        }
        let [kept, broken, undecided] = counts;
        writeln!(
            out,
            "<tr><th scope=row><b>{promise}</b> <small>{means}</small></th><td class=num>{kept}</td>\
             <td class=num>{}</td><td class=num>{}</td><td class=bar>{}</td></tr>",
            filtered(broken, &format!("promise={at}:broken")),
            filtered(undecided, &format!("promise={at}:undecided")),
            bar(counts)
        )?;
    }
    writeln!(out, "</tbody></table></div>")
}

/// The three numbers beside it once more, to compare rows at a glance.
fn bar(counts: [usize; 3]) -> String {
    let all = counts.iter().sum::<usize>().max(1);
    let mut start = 0;
    let parts = counts.iter().zip(["kept", "deny", "undecided"]).map(|(count, class)| {
        let width = count * BAR / all;
        let part = format!("<rect class={class} x={start} width={width} height=10 />");
        start += width;
        part
    });
    let parts: String = parts.collect();
    format!("<svg viewBox=\"0 0 {BAR} 10\" preserveAspectRatio=none aria-hidden=true>{parts}</svg>")
}

#[derive(Default)]
struct Row {
    deny: usize,
    warn: usize,
    audit: usize,
    undecided: usize,
    objects: BTreeSet<usize>,
}

impl Row {
    fn count(&mut self, action: Action, object: &Object) {
        match action {
            Action::Deny => self.deny += 1,
            Action::Warn => self.warn += 1,
            _ => self.audit += 1,
        }
        self.objects.insert(object.index);
    }

    fn badness(&self) -> [usize; 4] {
        [self.deny, self.warn, self.audit, self.undecided]
    }
}

fn rules(page: &Page<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    for finding in &page.report.findings {
        rows.entry(&finding.rule).or_default().count(finding.action, &finding.object);
    }
    for undecided in &page.report.undecided {
        let row = rows.entry(&undecided.rule).or_default();
        row.undecided += 1;
        row.objects.insert(undecided.object.index);
    }
    let named = |id: &str| {
        let title = page.rule(id).map(|rule| format!("<small>{}</small>", Sentence(&rule.title))).unwrap_or_default();
        format!("<a href=\"#rule={}\"><code>{}</code></a> {title}", Part(id), breakable(id))
    };
    table("rule", "Rule", "Findings of each rule.", rows.into_iter().map(|(id, row)| (named(id), row)).collect(), out)
}

fn namespaces(report: &CheckReport, out: &mut dyn Write) -> io::Result<()> {
    let worst = worst(report);
    let mut rows: BTreeMap<Option<&str>, Row> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for object in report.findings.iter().map(|finding| &finding.object) {
        if let Some(&action) = worst.get(&object.index)
            && seen.insert(object.index)
        {
            rows.entry(object.namespace.as_deref()).or_default().count(action, object);
        }
    }
    let mut seen = BTreeSet::new();
    for object in report.undecided.iter().map(|undecided| &undecided.object) {
        let row = rows.entry(object.namespace.as_deref()).or_default();
        row.undecided += usize::from(seen.insert(object.index));
        row.objects.insert(object.index);
    }
    let sets = report.promises.iter().map(|set| &set.object);
    for object in sets.chain(report.changes.iter().map(|change| &change.object)) {
        rows.entry(object.namespace.as_deref()).or_default().objects.insert(object.index);
    }
    let named = |namespace: Option<&str>| match namespace {
        Some(namespace) => format!("<a href=\"#namespace={}\">{}</a>", Part(namespace), Text(namespace)),
        None => "<a href=\"#namespace=\">(no namespace)</a>".to_owned(),
    };
    let rows = rows.into_iter().map(|(namespace, row)| (named(namespace), row)).collect();
    table("namespace", "Namespace", "Objects, each by the worst of its findings.", rows, out)
}

/// Worst first; what is beyond a screen is folded away.
fn table(by: &str, head: &str, means: &str, mut rows: Vec<(String, Row)>, out: &mut dyn Write) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    rows.sort_by_key(|(_, row)| std::cmp::Reverse((row.badness(), row.objects.len())));
    writeln!(out, "<div><h3 id=by-{by}>By {by}</h3>\n<p>{means}</p>")?;
    let (first, rest) = rows.split_at(rows.len().min(SHOWN));
    part(by, head, first, out)?;
    if !rest.is_empty() {
        writeln!(out, "<details><summary>{} more {by}{}</summary>", rest.len(), plural(rest.len()))?;
        part(by, head, rest, out)?;
        writeln!(out, "</details>")?;
    }
    writeln!(out, "</div>")
}

fn part(by: &str, head: &str, rows: &[(String, Row)], out: &mut dyn Write) -> io::Result<()> {
    let columns = ["Deny", "Warn", "Audit", "Undecided", "Objects"]
        .map(|column| format!("<th scope=col class=num>{column}</th>"));
    writeln!(
        out,
        "<div class=scroll><table class=totals aria-labelledby=by-{by}>\n<thead><tr><th scope=col>{head}</th>{}</tr></thead><tbody>",
        columns.concat()
    )?;
    for (name, row) in rows {
        let [deny, warn, audit, undecided] = row.badness();
        let numbers =
            [("deny", deny), ("warn", warn), ("audit", audit), ("undecided", undecided), ("", row.objects.len())];
        let numbers = numbers.map(|(class, count)| {
            let class = if count == 0 { "zero" } else { class };
            format!("<td class=\"num {class}\">{count}</td>")
        });
        writeln!(out, "<tr><th scope=row>{name}</th>{}</tr>", numbers.concat())?;
    }
    writeln!(out, "</tbody></table></div>")
}

/// The worst action of every object that has a finding, by its index.
fn worst(report: &CheckReport) -> BTreeMap<usize, Action> {
    let mut worst = BTreeMap::new();
    for finding in &report.findings {
        let action = worst.entry(finding.object.index).or_insert(finding.action);
        *action = finding.action.max(*action);
    }
    worst
}

fn filtered(count: usize, filter: &str) -> String {
    if count == 0 { "0".to_owned() } else { format!("<a href=\"#{filter}\">{count}</a>") }
}

/// On a narrow screen an id breaks behind its family.
fn breakable(id: &str) -> String {
    let parts: Vec<String> = id.split('/').map(|part| Text(part).to_string()).collect();
    parts.join("/<wbr>")
}

/// Of the promises, in their order.
const MEANINGS: [&str; 9] = [
    "members are created in order and deleted in reverse",
    "each has a fixed name that no other has",
    "each is found under its name in DNS",
    "each has a disk for itself",
    "on storage that outlives a node",
    "its replacement gets the same disk again",
    "one member alone may write",
    "the others copy from it",
    "something keeps a copy elsewhere",
];

const SHOWN: usize = 10;

/// Width of a bar in its own units.
const BAR: usize = 1000;
