//! `/report`: what is stored, judged now by the policies in force, as the page that `stateward audit -o html` draws.
//!
//! One page at a time, and only while somebody waits for it.

use std::sync::Arc;

use stateward_cluster::audit::{Scanner, Scope};
use stateward_report::check::CheckReport;
use stateward_report::html;
use stateward_server::{PageRequest, State};

use super::Cluster;
use crate::audit::judge::{Judge, Wants};
use crate::audit::wrong;
use crate::judged::Exempting;
use crate::page::Sources;

/// Runs as long as it is let.
pub(super) async fn run(cluster: &Cluster, state: &State) {
    let Some(mut asked) = state.pages() else { return };
    while let Some(PageRequest { namespace, mut reply }) = asked.recv().await {
        let page = tokio::select! {
            page = draw(cluster, state, namespace) => page,
            // Nobody waits any more.
            () = reply.closed() => continue,
        };
        // Whoever has gone since does not need it.
        let _ = reply.send(page);
    }
}

async fn draw(cluster: &Cluster, state: &State, namespace: Option<String>) -> Result<Vec<u8>, String> {
    let in_force = state.in_force().ok_or("the policies are not loaded yet")?;
    let (set, now) = (Arc::clone(&in_force.policies), jiff::Timestamp::now());
    let place = namespace.as_ref().map_or_else(|| "all namespaces".to_owned(), |one| format!("namespace {one}"));
    let about = format!("audit of {place} by `{}`, the policies' own profiles", cluster.replica);
    let scope = Scope { namespace: namespace.clone(), ..cluster.scope() };
    let mut scanner = Scanner::new(cluster.client.clone(), scope);
    let failed = |error: stateward_cluster::audit::ScanError| error.to_string();
    let (others, mut unread) = cluster.others(&mut scanner, &set).await.map_err(failed)?;
    let wants = Wants { objects: MOST_BYTES, open_reports: false };
    let judge = Arc::new(Judge::new(Arc::clone(&set), others, now, wants));
    let mut report = CheckReport::default();
    unread.extend(judge.all(&mut scanner, set.judged_at_create(), &mut report, |_, _, _| {}).await.map_err(failed)?);
    unread.sort();
    unread.dedup();
    report.unreadable.extend(unread.iter().map(wrong));
    let exempting = Exempting::of_cluster(cluster.wrong_exemptions.borrow().clone());
    // Beside what renews the Lease.
    let drawn = tokio::task::spawn_blocking(move || {
        report.sort();
        exempting.conclude(&set, now, (namespace.as_deref(), None), &mut report);
        let sources = Sources::of_stored(judge.kept(), &set, about);
        let mut page = Vec::new();
        let json_of = |index| sources.json(index);
        html::write(&sources.page(&report, &json_of), &mut page).map(|()| page)
    });
    drawn.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}

/// Of objects that fields are shown of: 2,000 of 8 KB. What is beyond has its findings without the lines around them.
const MOST_BYTES: usize = 16 << 20;
