//! As one JSON document, and as a part of the report's.

use std::io::{self, Write};

use serde::Serialize;
use stateward_core::exemption::Tally;

use super::{Counts, Covered, Exemption, State, Told};
use crate::check::Object;
use crate::json::VERSION;

/// Writes the document.
pub fn write(all: &[Exemption], out: &mut dyn Write) -> io::Result<()> {
    let document =
        Document { version: VERSION, exemptions: all.iter().map(Entry::of).collect(), summary: Counts::of(all) };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

#[derive(Serialize)]
struct Document<'a> {
    version: &'static str,
    exemptions: Vec<Entry<'a>>,
    summary: Counts,
}

/// One exemption.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry<'a> {
    namespace: &'a str,
    name: &'a str,
    state: State,
    #[serde(rename = "use")]
    usage: Option<&'static str>,
    use_in_words: String,
    reason: &'a str,
    rules: &'a [String],
    names: &'a [String],
    selector: Option<&'a str>,
    expires: Option<jiff::Timestamp>,
    made_by: Option<&'a str>,
    complaints: &'a [Told],
    counts: Tally,
    on: Vec<On<'a>>,
}

#[derive(Serialize)]
struct On<'a> {
    #[serde(flatten)]
    object: &'a Object,
    counts: Tally,
}

impl<'a> Entry<'a> {
    pub(crate) fn of(exemption: &'a Exemption) -> Self {
        Self {
            namespace: &exemption.namespace,
            name: &exemption.name,
            state: exemption.state,
            usage: exemption.usage.as_ref().map(super::Usage::word),
            use_in_words: exemption.use_in_words(),
            reason: &exemption.reason,
            rules: &exemption.rules,
            names: &exemption.names,
            selector: exemption.selector.as_deref(),
            expires: exemption.expires,
            made_by: exemption.made_by.as_deref(),
            complaints: &exemption.complaints,
            counts: exemption.tally,
            on: exemption.on.iter().filter_map(On::of).collect(),
        }
    }
}

impl<'a> On<'a> {
    fn of(covered: &'a Covered) -> Option<Self> {
        Some(Self { object: covered.object.as_deref()?, counts: covered.tally })
    }
}
