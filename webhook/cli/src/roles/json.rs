//! As one JSON document.

use std::io::{self, Write};

use serde_json::json;
use stateward_cluster::roles::Look;

/// A reader that knows `version` may rely on every field that is there today.
pub(super) fn write(seen: &Look, out: &mut dyn Write) -> io::Result<()> {
    let document = json!({ "version": VERSION, "sets": seen.sets, "unread": seen.unread });
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

/// As of all reports.
const VERSION: &str = "v1alpha1";
