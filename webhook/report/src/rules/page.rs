//! One rule in full: why, what it judges, an accepted and a refused example, the honest ways past it.

use std::io::{self, Write};

use anstyle::Style;
use stateward_core::manifest::{Action, RuleKind};

use super::{Example, RuleInForce, severity, subject};
use crate::text::printable;

/// Writes the page.
pub fn write(each: &RuleInForce<'_>, out: &mut dyn Write) -> io::Result<()> {
    let rule = each.rule;
    let bold = Style::new().bold();
    writeln!(out, "{bold}{}{bold:#}: {}", printable(&rule.id), printable(&rule.title))?;
    writeln!(
        out,
        "{} severity, {}, since {}",
        severity(rule.severity),
        printable(&rule.category),
        printable(&rule.since)
    )?;

    writeln!(out, "\n{bold}Why{bold:#}")?;
    paragraph(&rule.description, out)?;

    writeln!(out, "\n{bold}What happens{bold:#}")?;
    for line in what_happens(each) {
        item(&line, out)?;
    }
    for example in examples(&each.examples) {
        writeln!(out, "\n{bold}{}{bold:#}: {}", heading(example, rule.kind), printable(&example.name))?;
        write_example(example, out)?;
    }
    writeln!(out, "\n{bold}Past it{bold:#}")?;
    for line in past_it(each) {
        item(&line, out)?;
    }
    let Some(exemption) = exemption(each) else { return Ok(()) };
    writeln!(out)?;
    indented(&exemption, out)
}

/// What the rule means for a request, a sentence each.
pub(crate) fn what_happens(each: &RuleInForce<'_>) -> Vec<String> {
    let rule = each.rule;
    let subjects: Vec<String> = rule.subjects.iter().map(subject).collect();
    let mut lines =
        vec![format!("{} {}", if rule.kind == RuleKind::Mutate { "changes" } else { "judges" }, subjects.join(", "))];
    lines.push(if each.baseline == each.strict {
        format!("{} in both profiles", each.baseline)
    } else {
        format!("{} in baseline, {} in strict", each.baseline, each.strict)
    });
    if !rule.reads.is_empty() {
        let mut kinds: Vec<&str> = rule.reads.iter().map(|read| read.kind.kind.as_ref()).collect();
        kinds.dedup();
        let undecided =
            if rule.when_undecided == Action::Deny { "refuses" } else { "is undecided, and refuses nothing" };
        lines.push(format!("looks up {}; where that cannot be looked up it {undecided}", kinds.join(", ")));
    }
    if rule.needs_user {
        lines.push("needs to know who asks: undecided in files and in an audit".to_owned());
    }
    if rule.compares {
        lines.push("compares the old object with the new".to_owned());
    }
    lines
}

/// How to get past the rule honestly, a sentence each.
pub(crate) fn past_it(each: &RuleInForce<'_>) -> Vec<String> {
    let (rule, policy) = (each.rule, each.policy);
    if rule.fixed {
        return vec![
            "a rule of the manager contract: it cannot be overridden, exempted or left out alone".to_owned(),
            format!(
                "`spec.mode` of policy `{policy}` moves the whole contract; a set leaves it with `stateward.dev/writes: any` while it is scaled to 0"
            ),
        ];
    }
    if rule.kind == RuleKind::Mutate {
        return vec![format!(
            "`spec.actions: {{{}: \"Off\"}}` in policy `{policy}`, or `Apply` to switch it on",
            rule.id
        )];
    }
    vec![
        format!("for everybody: `spec.actions: {{{}: Warn}}` in policy `{policy}` (Off, Audit, Warn or Deny)", rule.id),
        "for some objects and a time, with a reason:".to_owned(),
    ]
}

/// A `PolicyExemption` to begin with, where one can help.
pub(crate) fn exemption(each: &RuleInForce<'_>) -> Option<String> {
    (!each.rule.fixed && each.rule.kind == RuleKind::Validate).then(|| {
        format!(
            "apiVersion: stateward.dev/v1alpha1\nkind: PolicyExemption\nmetadata: {{name: NAME, namespace: NAMESPACE}}\nspec:\n  rules: [{}]\n  \
             names: [OBJECT]\n  reason: WHY\n  expires: YYYY-MM-DDT00:00:00Z\n",
            each.rule.id
        )
    })
}

/// The first that is accepted and the first that is not.
pub(super) fn examples(examples: &[Example]) -> impl Iterator<Item = &Example> {
    [false, true].into_iter().filter_map(|accepted| examples.iter().find(|example| example.accepted == accepted))
}

/// `Refused`, `Accepted`, ..
pub(super) fn heading(example: &Example, kind: RuleKind) -> &'static str {
    match (example.accepted, kind) {
        (true, RuleKind::Validate) => "Accepted",
        (false, RuleKind::Validate) => "Refused",
        (true, RuleKind::Mutate) => "Left alone",
        (false, RuleKind::Mutate) => "Changed",
    }
}

fn write_example(example: &Example, out: &mut dyn Write) -> io::Result<()> {
    if let Some(request) = &example.request {
        writeln!(out, "  # {}", printable(request))?;
    }
    indented(&example.object, out)?;
    for said in &example.said {
        writeln!(out)?;
        item(&format!("{}: {}", said.field, said.message), out)?;
        if let Some(hint) = &said.hint {
            item(&format!("hint: {hint}"), out)?;
        }
        if let Some(why) = &said.why {
            item(&format!("why: {why}"), out)?;
        }
    }
    Ok(())
}

fn indented(text: &str, out: &mut dyn Write) -> io::Result<()> {
    text.lines().try_for_each(|line| writeln!(out, "    {}", printable(line)))
}

fn paragraph(text: &str, out: &mut dyn Write) -> io::Result<()> {
    wrap(text, WIDTH - 2).iter().try_for_each(|line| writeln!(out, "  {}", printable(line)))
}

fn item(text: &str, out: &mut dyn Write) -> io::Result<()> {
    for (at, line) in wrap(text, WIDTH - 4).iter().enumerate() {
        writeln!(out, "  {} {}", if at == 0 { "-" } else { " " }, printable(line))?;
    }
    Ok(())
}

/// Lines of whole words.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

const WIDTH: usize = 110;
