//! What the leader scans: everything that is stored and that some rule judges, at its start, whenever policies or exemptions change, and on a schedule.
//!
//! One object at a time: a scan is in no hurry, and requests are.

use std::sync::Arc;
use std::time::Duration;

use stateward_cluster::audit::{Judge, Outcome, ScanError, Scanner, Scope, Stored, Storing};
use stateward_cluster::lease::{Leading, while_leading};
use stateward_cluster::reports::Reports;
use stateward_cluster::retry::jittered;
use stateward_core::policy_set::PolicySet;
use stateward_core::suspected::suspected;
use stateward_report::openreports::{Catalogue, resource_label};
use stateward_report::snippet::conceal;
use stateward_server::{AuditSample, State};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Cluster;
use super::exempting::Exempting;
use crate::open_reports::{LAYOUT, subject, wanted};

/// Runs as long as it is let; scans only while leading.
pub(super) async fn run(cluster: &Cluster, state: &State, leading: &Leading) {
    let Some(interval) = cluster.args.audit_interval() else { return };
    while_leading(leading, || keep(cluster, state, interval)).await;
}

async fn keep(cluster: &Cluster, state: &State, interval: Duration) {
    // Dropped when we lead no longer: what we found is another replica's to say.
    let _told = Told { state, audited: &cluster.audited };
    let mut policies = cluster.policies.subscribe();
    loop {
        // The sender lives as long as this.
        let Ok(set) = policies.wait_for(Option::is_some).await.map(|set| set.clone()) else { return };
        if let Some(set) = set {
            tell(cluster, state, scan(cluster, state, set).await);
        }
        tokio::select! {
            // Several objects of one `kubectl apply` are one change.
            _ = policies.changed() => tokio::time::sleep(SETTLES).await,
            () = tokio::time::sleep(jittered(interval)) => {}
        }
    }
}

async fn scan(cluster: &Cluster, state: &State, set: Arc<PolicySet>) -> Result<Outcome, ScanError> {
    let begun = Instant::now();
    let now = jiff::Timestamp::now();
    let (mut outcome, mut exempting) = (Outcome::new(now, &set), Exempting::new(&set));
    let mut scanner = Scanner::new(cluster.client.clone(), Scope::default());
    let (others, mut unread) = cluster.others(&mut scanner, &set).await?;
    let (judge, catalogue) = (Judge::new(Arc::clone(&set), others, now), Catalogue::new(&set));
    let mut reports = match Reports::read(&cluster.client, LAYOUT).await {
        Ok(reports) => reports,
        Err(why) => {
            outcome.reports = Storing::Unreadable(why);
            None
        }
    };
    for resource in set.judged_at_create() {
        let each = async |page: Vec<Stored>| {
            for stored in page {
                let mut verdict = judge.one(&stored).await;
                conceal(&mut verdict, &stored.json);
                outcome.count(&verdict);
                outcome.suspected += suspected(&stored.kind.kind, &stored.json).len();
                exempting.count(&stored, &verdict);
                let Some(reports) = reports.as_mut() else { continue };
                if let Some(report) = catalogue.report(subject(&stored), &verdict, now.as_second()) {
                    reports.put(wanted(report)).await;
                }
            }
        };
        if let Err(missing) = scanner.objects(&resource, each).await? {
            unread.push(missing);
        }
    }
    unread.sort();
    unread.dedup();
    if let Some(reports) = reports {
        let kinds: Vec<String> = unread.iter().map(|unread| resource_label(&unread.resource).into_owned()).collect();
        let (written, problem) = reports.sweep(&kinds).await;
        outcome.reports = Storing::Stored(written, problem);
    }
    outcome.unread = unread.iter().map(ToString::to_string).collect();
    let wrong = cluster.wrong_exemptions.borrow().clone();
    exempting.tell(&set, now, &wrong, unread.is_empty(), state);
    outcome.took = begun.elapsed();
    Ok(outcome)
}

/// To the log, the metrics, `/policies` and the status of the policies.
fn tell(cluster: &Cluster, state: &State, scanned: Result<Outcome, ScanError>) {
    let outcome = match scanned {
        Ok(outcome) => outcome,
        Err(error) => {
            tracing::warn!(%error, "what is stored was not judged");
            return state.report("audit", vec![error.to_string()]);
        }
    };
    let Outcome { took, objects, suspected, reports, unread, .. } = &outcome;
    let mut problems = unread.clone();
    let seconds = took.as_secs_f64();
    match reports {
        Storing::NotServed => tracing::info!(
            objects,
            seconds,
            "what is stored was judged; `openreports.io` is not served, no report is kept"
        ),
        Storing::Unreadable(why) => {
            tracing::warn!(objects, seconds, error = why, "what is stored was judged, and no report could be kept");
            problems.push(why.clone());
        }
        Storing::Stored(written, why) => {
            tracing::info!(
                objects,
                seconds,
                created = written.created,
                replaced = written.replaced,
                deleted = written.deleted,
                kept = written.kept,
                failed = written.failed,
                "what is stored was judged"
            );
            problems.extend(why.clone());
        }
    }
    state.report("audit", problems);
    let sample = AuditSample { at: outcome.at.as_second(), took: seconds, objects: *objects, suspected: *suspected };
    let findings = outcome.findings.iter();
    let findings =
        findings.map(|((policy, rule, action), count)| (policy.as_str(), rule.as_str(), action.to_string(), *count));
    state.metrics().audit(sample, findings);
    cluster.audited.send_replace(Some(Arc::new(outcome)));
}

/// What this leader says of its scans.
struct Told<'a> {
    state: &'a State,
    audited: &'a watch::Sender<Option<Arc<Outcome>>>,
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.state.metrics().no_audit();
        self.state.report("audit", Vec::new());
        self.audited.send_replace(None);
    }
}

/// A change of policies is in force everywhere by then.
const SETTLES: Duration = Duration::from_secs(2);
