//! Exemptions: who exempts what, why and until when, and whether anything still needs it. Those that somebody should look at stand first.

use std::io::{self, Write};

use super::data::Data;
use super::escape::{Part, Sentence, Text};
use super::{Page, plural};
use crate::exemptions::{Counts, Covered, Exemption, State};

/// Writes all of them, where there are any.
pub(super) fn write(page: &Page<'_>, data: &Data, out: &mut dyn Write) -> io::Result<()> {
    let all = &page.report.exemptions;
    if all.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "<section aria-labelledby=exemptions><h2 id=exemptions>Exemptions</h2>\n<p>{}. Findings that one covers are only noted while it lasts.</p>",
        Text(&Counts::of(all).in_words())
    )?;
    let (odd, plain): (Vec<&Exemption>, Vec<&Exemption>) = all.iter().partition(|exemption| is_odd(exemption));
    let rows: Vec<&Exemption> = odd.into_iter().chain(plain).collect();
    let (first, rest) = rows.split_at(rows.len().min(SHOWN));
    write_table(first, data, out)?;
    if !rest.is_empty() {
        writeln!(out, "<details><summary>{} more exemption{}</summary>", rest.len(), plural(rest.len()))?;
        write_table(rest, data, out)?;
        writeln!(out, "</details>")?;
    }
    writeln!(out, "</section>")
}

fn is_odd(exemption: &Exemption) -> bool {
    exemption.state != State::Active || exemption.is_unused()
}

fn write_table(rows: &[&Exemption], data: &Data, out: &mut dyn Write) -> io::Result<()> {
    let columns = ["Exemption", "State", "Ends", "Use", "Rules", "Objects", "Made with"];
    let columns = columns.map(|column| format!("<th scope=col>{column}</th>"));
    writeln!(
        out,
        "<div class=scroll><table class=totals aria-labelledby=exemptions>\n<thead><tr>{}</tr></thead><tbody>",
        columns.concat()
    )?;
    rows.iter().try_for_each(|exemption| write_row(exemption, data, out))?;
    writeln!(out, "</tbody></table></div>")
}

fn write_row(exemption: &Exemption, data: &Data, out: &mut dyn Write) -> io::Result<()> {
    let Exemption { state, reason, rules, expires, made_by, complaints, .. } = exemption;
    write!(out, "<tr><th scope=row><b>{}</b><small>{}</small>", Text(&exemption.full_name()), Text(reason))?;
    for told in complaints {
        let hint = told.hint.as_deref().map(|hint| format!("; {}", Sentence(hint))).unwrap_or_default();
        write!(out, "<small>{}{hint}</small>", Sentence(&told.message))?;
    }
    let unused = if exemption.is_unused() { badge("warn", "!", "Unused") } else { String::new() };
    let ends = expires.map(|expires| expires.strftime("%Y-%m-%d<br>%H:%M UTC").to_string()).unwrap_or_default();
    let rules: Vec<String> = rules.iter().map(|rule| format!("<code>{}</code>", Text(rule))).collect();
    writeln!(out, "</th><td>{} {unused}</td><td class=when>{}</td><td>", state_badge(*state), ends)?;
    write_use(exemption, data, out)?;
    writeln!(
        out,
        "</td><td>{}</td><td>{}</td><td>{}</td></tr>",
        rules.join(" "),
        Text(&exemption.whom()),
        Text(made_by.as_deref().unwrap_or("not known"))
    )
}

/// With the objects that it helps.
fn write_use(exemption: &Exemption, data: &Data, out: &mut dyn Write) -> io::Result<()> {
    let words = exemption.use_in_words();
    let helped: Vec<&Covered> = exemption.on.iter().filter(|covered| covered.tally.exempted > 0).collect();
    if helped.is_empty() {
        return write!(out, "{}", Sentence(&words));
    }
    writeln!(out, "<details><summary>{}</summary><ul class=plain>", Text(&words))?;
    for Covered { object, tally, .. } in helped.iter().take(MAX_OBJECTS) {
        let Some(object) = object else { continue };
        let title = object.title();
        let title = match data.key(object.index) {
            // Its findings are left out of this page.
            "" => Text(&title).to_string(),
            key => format!("<a href=\"#object={}\">{}</a>", Part(key), Text(&title)),
        };
        writeln!(out, "<li>{title}: {} finding{}</li>", tally.exempted, plural(tally.exempted))?;
    }
    match helped.len().saturating_sub(MAX_OBJECTS) {
        0 => {}
        more => writeln!(out, "<li>and {more} more</li>")?,
    }
    write!(out, "</ul></details>")
}

fn state_badge(state: State) -> String {
    match state {
        State::Active => badge("kept", "✓", "Active"),
        State::Expired => badge("warn", "!", "Expired"),
        State::Unknown => badge("undecided", "?", "Unknown"),
        State::Refused => badge("deny", "✕", "Refused"),
    }
}

/// A word with a sign, so that it is never told by its colour alone.
fn badge(class: &str, sign: &str, word: &str) -> String {
    format!("<span class=\"badge {class}\"><span aria-hidden=true>{sign}</span> {word}</span>")
}

/// What is beyond a screen is folded away.
const SHOWN: usize = 20;

/// Of one exemption; the JSON has them all.
const MAX_OBJECTS: usize = 20;
