//! For people in a terminal: a line for each exemption, then whom it helps and what is wrong with it.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::{Counts, Covered, Exemption, State, plural};
use crate::text::printable;

/// Writes all of them, and how many there are.
pub fn write(all: &[Exemption], out: &mut dyn Write) -> io::Result<()> {
    if !all.is_empty() {
        write_table(all, out)?;
        for exemption in all {
            write_details(exemption, out)?;
        }
        writeln!(out)?;
    }
    writeln!(out, "{}", Counts::of(all).in_words())
}

fn write_table(all: &[Exemption], out: &mut dyn Write) -> io::Result<()> {
    let rows: Vec<[String; 7]> = all.iter().map(row).collect();
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
        cells.chain(HEAD.get(at).map(|head| head.len())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let bold = Style::new().bold();
    writeln!(out, "{bold}STATE    {}{bold:#}", line(&HEAD, &widths))?;
    for (exemption, row) in all.iter().zip(&rows) {
        let (style, word) = (style(exemption), exemption.state.word());
        writeln!(out, "{style}{word:7}{style:#}  {}", line(row, &widths))?;
    }
    Ok(())
}

fn row(exemption: &Exemption) -> [String; 7] {
    let or_none = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let cells = [
        exemption.full_name(),
        exemption.expires.map_or_else(|| "-".to_owned(), |expires| expires.to_string()),
        exemption.made_by.clone().unwrap_or_else(|| "not known".to_owned()),
        exemption.use_in_words(),
        or_none(exemption.rules.join(", ")),
        or_none(exemption.whom()),
        or_none(exemption.reason.clone()),
    ];
    cells.map(|cell| printable(&cell).into_owned())
}

/// Filled up, but for the end of the line.
fn line(cells: &[impl AsRef<str>], widths: &[usize]) -> String {
    let filled = cells.iter().zip(widths).map(|(cell, &width)| format!("{:width$}", cell.as_ref()));
    filled.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

fn write_details(exemption: &Exemption, out: &mut dyn Write) -> io::Result<()> {
    let helped: Vec<&Covered> = exemption.on.iter().filter(|covered| covered.tally.exempted > 0).collect();
    if helped.is_empty() && exemption.complaints.is_empty() {
        return Ok(());
    }
    let bold = Style::new().bold();
    writeln!(out, "\n{bold}{}{bold:#}", printable(&exemption.full_name()))?;
    for told in &exemption.complaints {
        let (word, style) = match exemption.state {
            State::Refused => ("error", AnsiColor::Red.on_default().bold()),
            _ => ("warning", AnsiColor::Yellow.on_default().bold()),
        };
        writeln!(out, "  {style}{word}{style:#}: {}", printable(&told.message))?;
        if let Some(hint) = &told.hint {
            writeln!(out, "  hint: {}", printable(hint))?;
        }
    }
    for Covered { object, tally, .. } in helped.iter().take(SHOWN) {
        let Some(object) = object else { continue };
        let count = tally.exempted;
        writeln!(out, "  {count} finding{} on {}", plural(count), printable(&object.title()))?;
    }
    match helped.len().saturating_sub(SHOWN) {
        0 => Ok(()),
        more => writeln!(out, "  and {more} more objects; `-o json` has them all"),
    }
}

fn style(exemption: &Exemption) -> Style {
    match exemption.state {
        State::Active if exemption.is_unused() => AnsiColor::Yellow.on_default(),
        State::Active => AnsiColor::Green.on_default(),
        State::Expired => AnsiColor::Yellow.on_default(),
        State::Unknown => AnsiColor::Cyan.on_default(),
        State::Refused => AnsiColor::Red.on_default(),
    }
}

/// Behind the state.
const HEAD: [&str; 7] = ["EXEMPTION", "ENDS", "MADE WITH", "USE", "RULES", "OBJECTS", "REASON"];

/// Of the objects that one exemption helps.
const SHOWN: usize = 10;
