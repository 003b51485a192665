//! What field managers say about who wrote a protected key: a lead to follow, no finding.

use std::io::{self, Write};
use std::sync::Arc;

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use stateward_core::suspected::Suspected;

use crate::check::Object;
use crate::text::printable;

/// Who is said to have written a protected key of an object.
#[derive(Clone, Debug)]
pub struct SuspectedWriter {
    /// Of which object.
    pub object: Arc<Object>,
    /// What is said.
    pub said: Suspected,
}

/// As JSON.
#[derive(Serialize)]
pub(crate) struct Entry<'a> {
    #[serde(flatten)]
    object: &'a Object,
    #[serde(flatten)]
    said: &'a Suspected,
}

impl<'a> Entry<'a> {
    pub(crate) fn of(suspected: &'a SuspectedWriter) -> Self {
        Self { object: &suspected.object, said: &suspected.said }
    }
}

impl SuspectedWriter {
    /// `kubectl-label` wrote label `stateward.dev/role`, ..
    pub(crate) fn sentence(&self) -> String {
        let Suspected { key, place, manager, operation, subresource, time } = &self.said;
        let through = subresource.as_ref().map(|name| format!(" through `{name}`")).unwrap_or_default();
        let when = time.as_ref().map(|time| format!(" at {time}")).unwrap_or_default();
        format!("{place} `{key}` was written by `{manager}` ({operation}){through}{when}")
    }
}

/// Writes the section for people; nothing where nobody is suspected.
pub(crate) fn write(all: &[SuspectedWriter], out: &mut dyn Write) -> io::Result<()> {
    if all.is_empty() {
        return Ok(());
    }
    let (bold, blue) = (Style::new().bold(), AnsiColor::Blue.on_default());
    writeln!(out, "\n{bold}{TITLE}{bold:#}")?;
    for suspected in all.iter().take(MOST) {
        let (title, said) = (suspected.object.title(), suspected.sentence());
        writeln!(out, "  {blue}{}{blue:#}: {}", printable(&title), printable(&said))?;
    }
    match all.len().saturating_sub(MOST) {
        0 => Ok(()),
        more => writeln!(out, "  .. and {more} more; `-o json` names them all"),
    }
}

/// Over the section.
pub(crate) const TITLE: &str = "Suspected, by what field managers say: any client chooses its own name";

/// On a screen.
const MOST: usize = 20;
