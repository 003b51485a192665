//! What sets keep of what is promised to those who use them: the end of a report for people.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::Arc;

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use stateward_core::promises::{Kept, PROMISES, Reason, State};

use crate::check::Object;
use crate::text::printable;

/// The promises to one set.
#[derive(Clone, Debug)]
pub struct SetPromises {
    /// The set.
    pub object: Arc<Object>,
    /// All promises, in their order.
    pub kept: Vec<Kept>,
}

/// Writes what one set keeps, or of many how often each promise is kept.
pub fn write(sets: &[SetPromises], out: &mut dyn Write) -> io::Result<()> {
    match sets {
        [] => Ok(()),
        [set] => one(set, out),
        many => table(many, out),
    }
}

/// For the JSON document.
#[derive(Serialize)]
pub(crate) struct Entry<'a> {
    #[serde(flatten)]
    object: &'a Object,
    promises: Vec<PromiseEntry<'a>>,
}

#[derive(Serialize)]
struct PromiseEntry<'a> {
    promise: &'static str,
    state: &'static str,
    because: Vec<Cow<'a, str>>,
}

impl<'a> Entry<'a> {
    pub(crate) fn of(set: &'a SetPromises) -> Self {
        let promises = set.kept.iter().map(|kept| PromiseEntry {
            promise: kept.promise,
            state: word(&kept.state),
            because: because(&kept.state),
        });
        Self { object: &set.object, promises: promises.collect() }
    }
}

fn one(set: &SetPromises, out: &mut dyn Write) -> io::Result<()> {
    let bold = Style::new().bold();
    let count = set.kept.iter().filter(|kept| kept.state == State::Kept).count();
    let title = printable(&set.object.title()).into_owned();
    writeln!(out, "\n{bold}{title} keeps {count} of {} promises{bold:#}", set.kept.len())?;
    let width = PROMISES.iter().map(|promise| promise.len()).max().unwrap_or(0);
    for kept in &set.kept {
        let style = style(&kept.state);
        let because = in_short(&kept.state);
        let line =
            format!("  {style}{:9}{style:#}  {:width$}  {}", word(&kept.state), kept.promise, printable(&because));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn table(sets: &[SetPromises], out: &mut dyn Write) -> io::Result<()> {
    let bold = Style::new().bold();
    let width = PROMISES.iter().map(|promise| promise.len()).max().unwrap_or(0);
    writeln!(
        out,
        "\n{bold}{:width$}  kept  broken  undecided{bold:#}  of {} sets",
        "promise",
        sets.len(),
        width = width + 2
    )?;
    for (at, promise) in PROMISES.iter().enumerate() {
        let count = |word_of: &str| {
            sets.iter().filter(|set| set.kept.get(at).is_some_and(|kept| word(&kept.state) == word_of)).count()
        };
        writeln!(out, "  {promise:width$}  {:4}  {:6}  {:9}", count("kept"), count("broken"), count("undecided"))?;
    }
    Ok(())
}

fn word(state: &State) -> &'static str {
    match state {
        State::Kept => "kept",
        State::Broken(_) => "broken",
        State::Undecided(_) => "undecided",
    }
}

/// Everything, for programs.
pub(crate) fn because(state: &State) -> Vec<Cow<'_, str>> {
    match state {
        State::Kept => Vec::new(),
        State::Broken(because) => because.iter().map(Into::into).collect(),
        State::Undecided(reasons) => reasons.iter().map(in_full).collect(),
    }
}

fn in_full(reason: &Reason) -> Cow<'_, str> {
    match &reason.rule {
        Some(rule) => format!("{rule}: {}", reason.words).into(),
        None => Cow::Borrowed(&reason.words),
    }
}

/// Each reason once, for people: which rules lack it stands above.
fn in_short(state: &State) -> String {
    let State::Undecided(reasons) = state else { return because(state).join(", ") };
    let mut groups: Vec<(&Reason, usize)> = Vec::new();
    for reason in reasons {
        match groups.iter_mut().find(|(first, _)| first.words == reason.words) {
            Some((_, count)) => *count += 1,
            None => groups.push((reason, 1)),
        }
    }
    let words = groups.iter().map(|(first, count)| match count {
        1 => in_full(first),
        _ => format!("{count} rules: {}", first.words).into(),
    });
    words.collect::<Vec<_>>().join("; ")
}

fn style(state: &State) -> Style {
    match state {
        State::Kept => AnsiColor::Green.on_default(),
        State::Broken(_) => AnsiColor::Red.on_default(),
        State::Undecided(_) => AnsiColor::Cyan.on_default(),
    }
}
