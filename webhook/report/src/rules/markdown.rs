//! A family's rules for its README.

use std::io::{self, Write};

use super::RuleInForce;
use super::page::{examples, exemption, heading, past_it, what_happens};

/// Writes a table of the rules and a section for each. Nothing here depends on the machine or the day: a test compares it with what is committed.
pub fn write(rules: &[RuleInForce<'_>], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "| Rule | Keeps | baseline | strict |\n|---|---|---|---|")?;
    for each in rules {
        let rule = each.rule;
        let name = rule.id.rsplit('/').next().unwrap_or(&rule.id);
        writeln!(out, "| [{name}](#{name}) | {} | {} | {} |", cell(&rule.title), each.baseline, each.strict)?;
    }
    rules.iter().try_for_each(|each| section(each, out))
}

fn section(each: &RuleInForce<'_>, out: &mut dyn Write) -> io::Result<()> {
    let rule = each.rule;
    let name = rule.id.rsplit('/').next().unwrap_or(&rule.id);
    writeln!(out, "\n### {name}\n\n{} *({})*\n", rule.description, rule.category)?;
    for line in what_happens(each) {
        writeln!(out, "- {line}")?;
    }
    for example in examples(&each.examples) {
        writeln!(out, "\n{}: {}\n\n```yaml", heading(example, rule.kind), example.name)?;
        if let Some(request) = &example.request {
            writeln!(out, "# {request}")?;
        }
        write!(out, "{}", example.object)?;
        writeln!(out, "```")?;
        for said in &example.said {
            let hint = said.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
            writeln!(out, "\n> `{}`: {}{hint}", said.field, said.message)?;
        }
    }
    // What goes for every rule is said once, above the sections.
    if exemption(each).is_none() {
        writeln!(out)?;
        for line in past_it(each) {
            writeln!(out, "- {line}")?;
        }
    }
    Ok(())
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
