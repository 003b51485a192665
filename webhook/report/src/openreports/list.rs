//! All reports of a run as one `List`, as `kubectl get -o json` prints one and `kubectl apply -f -` takes it: one document, which `jq` reads, too.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use crate::check::CheckReport;

/// Writes them in the order of the objects that they are about.
pub fn write(report: &CheckReport, out: &mut dyn Write) -> io::Result<()> {
    let items = report.open_reports.values().map(|report| &report.object).collect();
    serde_json::to_writer_pretty(&mut *out, &List { api_version: "v1", kind: "List", items })?;
    writeln!(out)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    api_version: &'static str,
    kind: &'static str,
    items: Vec<&'a Value>,
}
