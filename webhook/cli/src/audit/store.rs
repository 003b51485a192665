//! `--store`: a report for each object, under the names and with the digests that the leader's have, so that the two do not fight.

use std::collections::HashSet;

use anyhow::{Result, anyhow};
use stateward_cluster::audit::{Scope, Stored};
use stateward_cluster::client::Client;
use stateward_cluster::reports::{Reports, Written};
use stateward_report::check::CheckReport;

use crate::exit::{ERROR, Exit, NOTE};
use crate::open_reports::{LAYOUT, wanted};

/// The reports that are there, and what of them this scan answers for.
pub(super) struct Store {
    reports: Reports,
    is_of_namespace: bool,
    /// The uids of what was judged, where labels select: of others nobody knows whether they are still there.
    seen: Option<HashSet<String>>,
}

impl Store {
    /// Reads the reports in scope.
    pub(super) async fn open(client: &Client, scope: &Scope) -> Result<Self> {
        let namespace = scope.namespace.as_deref();
        let reports = Reports::read_in(client, LAYOUT, namespace).await;
        let reports = reports.map_err(|why| anyhow!("no report can be stored: {why}\nhint: {RIGHTS}"))?;
        let reports = reports.ok_or_else(|| {
            anyhow!("no report can be stored: `{}/{}` is not served here\nhint: {SERVE}", LAYOUT.group, LAYOUT.version)
        })?;
        Ok(Self { reports, is_of_namespace: namespace.is_some(), seen: scope.labels.is_some().then(HashSet::new) })
    }

    /// Takes note of what is judged.
    pub(super) fn saw(&mut self, page: &[Stored]) {
        if let Some(seen) = &mut self.seen {
            seen.extend(page.iter().map(|stored| stored.uid.clone()));
        }
    }

    /// Makes the reports say what was found, and takes away those of what is no more. An incomplete scan stores nothing, nor one that knows no exemptions.
    pub(super) async fn keep(mut self, report: &CheckReport, knows_exemptions: bool, exit: &mut Exit) {
        if !(knows_exemptions && report.unreadable.is_empty() && report.refused.is_empty()) {
            anstream::eprintln!(
                "{ERROR}error{ERROR:#}: no report is stored: not everything could be read\nhint: {INCOMPLETE}"
            );
            exit.unreachable |= !knows_exemptions;
            return;
        }
        let all = report.open_reports.values();
        for report in all.filter(|report| !(self.is_of_namespace && report.namespace.is_none())) {
            self.reports.put(wanted(report.clone())).await;
        }
        let seen = self.seen;
        let (written, problem) =
            self.reports.sweep_of(|name, _| seen.as_ref().is_none_or(|seen| seen.contains(name))).await;
        let Written { created, replaced, deleted, kept, failed } = written;
        anstream::eprintln!(
            "{NOTE}note{NOTE:#}: reports: {created} created, {replaced} replaced, {deleted} deleted, {kept} as before"
        );
        if failed > 0 {
            let why = problem.unwrap_or_else(|| "others write them at the same time".to_owned());
            anstream::eprintln!("{ERROR}error{ERROR:#}: {failed} reports could not be written: {why}\nhint: {RIGHTS}");
            exit.unreachable = true;
        }
    }
}

const SERVE: &str =
    "its definitions are others' (`openreports/reports-api`, chart and manifests); without `--store` nothing is needed";
const RIGHTS: &str =
    "`--store` needs list, get, create, update and delete on `reports` and `clusterreports` of `openreports.io`";
const INCOMPLETE: &str = "mend what stands above, or get list on `policyexemptions.stateward.dev`; what is missing would be taken for what passes";
