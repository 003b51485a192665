//! What the leader scans: everything that is stored and that some rule judges, at its start, whenever policies or exemptions change, and on a schedule.
//!
//! One object at a time: a scan is in no hurry, and requests are.

use std::sync::Arc;
use std::time::Duration;

use stateward_cluster::audit::{Audited, Judge, Outcome, ScanError, Scanner, Stored, Storing};
use stateward_cluster::lease::{Leading, while_leading};
use stateward_cluster::reports::{Reports, Written};
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
    match cluster.args.audit_interval() {
        Some(interval) => while_leading(leading, || keep(cluster, state, interval)).await,
        None => while_leading(leading, || leave(cluster, state)).await,
    }
}

async fn keep(cluster: &Cluster, state: &State, interval: Duration) {
    // Dropped when we lead no longer: what we found is another replica's to say.
    let _told = Told { state, audited: &cluster.audited };
    let mut policies = cluster.policies.subscribe();
    let (mut teller, mut retry) = (Teller::default(), RETRY);
    loop {
        // The sender lives as long as this.
        let Ok(set) = policies.wait_for(Option::is_some).await.map(|set| set.clone()) else { return };
        let begun = Instant::now();
        let mut next = interval;
        if let Some(set) = set {
            let scanned = scan(cluster, state, set).await;
            if teller.tell(cluster, state, scanned) {
                retry = RETRY;
            } else {
                next = retry.min(interval);
                retry = next.saturating_mul(2);
            }
        }
        // Whoever may change an exemption in one namespace must not keep us reading all of them.
        let rested = Instant::now() + MOST_REST.min(begun.elapsed() * 2);
        tokio::select! {
            // Several objects of one `kubectl apply` are one change.
            _ = policies.changed() => tokio::time::sleep_until(rested.max(Instant::now() + SETTLES)).await,
            () = tokio::time::sleep(jittered(next)) => {}
        }
    }
}

/// Nobody is to judge what is stored: what was said of it once would stay for ever.
async fn leave(cluster: &Cluster, state: &State) {
    let _told = Told { state, audited: &cluster.audited };
    cluster.audited.send_replace(Audited::Off);
    loop {
        let problem = match Reports::read(&cluster.client, LAYOUT).await {
            Ok(None) => None,
            Ok(Some(reports)) => {
                let (Written { deleted, .. }, problem) = reports.sweep(&[]).await;
                tracing::info!(deleted, "what is stored is not judged: no report is kept");
                problem
            }
            Err(why) => Some(why),
        };
        let Some(error) = problem else { return std::future::pending().await };
        tracing::warn!(error, "reports of an earlier scan are left");
        tokio::time::sleep(jittered(MOST_REST)).await;
    }
}

async fn scan(cluster: &Cluster, state: &State, set: Arc<PolicySet>) -> Result<Outcome, ScanError> {
    let begun = Instant::now();
    let now = jiff::Timestamp::now();
    let (mut outcome, mut exempting) = (Outcome::new(now, &set), Exempting::new(&set));
    let mut scanner = Scanner::new(cluster.client.clone(), cluster.scope());
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
#[derive(Default)]
struct Teller {
    /// It was said that nobody serves reports.
    unserved: bool,
}

impl Teller {
    /// Answers whether all was judged, and written where it is kept.
    fn tell(&mut self, cluster: &Cluster, state: &State, scanned: Result<Outcome, ScanError>) -> bool {
        let outcome = match scanned {
            Ok(outcome) => outcome,
            Err(error) => {
                tracing::warn!(%error, "what is stored was not judged");
                state.metrics().count_audit_failure();
                state.report("audit", vec![error.to_string()]);
                cluster.audited.send_replace(Audited::Failed(error.to_string()));
                return false;
            }
        };
        let Outcome { took, objects, suspected, reports, unread, .. } = &outcome;
        let mut problems = unread.clone();
        problems.extend(reports.problem().map(str::to_owned));
        let seconds = took.as_secs_f64();
        if let Storing::Stored(written, _) = reports {
            let Written { created, replaced, deleted, kept, failed } = written;
            tracing::info!(objects, seconds, created, replaced, deleted, kept, failed, "what is stored was judged");
        } else {
            tracing::info!(objects, seconds, "what is stored was judged");
        }
        let is_unserved = *reports == Storing::NotServed;
        if is_unserved && !std::mem::replace(&mut self.unserved, is_unserved) {
            tracing::info!("`openreports.io` is not served: no report is kept");
        }
        self.unserved = is_unserved;
        if !problems.is_empty() {
            tracing::warn!(
                problems = problems.join("; "),
                "not all of what is stored was judged, or not all is reported"
            );
            state.metrics().count_audit_failure();
        }
        let is_whole = problems.is_empty();
        state.report("audit", problems);
        let sample =
            AuditSample { at: outcome.at.as_second(), took: seconds, objects: *objects, suspected: *suspected };
        let findings = outcome.findings.iter();
        let findings = findings
            .map(|((policy, rule, action), count)| (policy.as_str(), rule.as_str(), action.to_string(), *count));
        state.metrics().audit(sample, findings);
        cluster.audited.send_replace(Audited::Found(Arc::new(outcome)));
        is_whole
    }
}

/// What this leader says of its scans.
struct Told<'a> {
    state: &'a State,
    audited: &'a watch::Sender<Audited>,
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.state.metrics().no_audit();
        self.state.report("audit", Vec::new());
        self.audited.send_replace(Audited::NotYet);
    }
}

/// A change of policies is in force everywhere by then.
const SETTLES: Duration = Duration::from_secs(2);

/// After a scan, twice as long as it took, at most this.
const MOST_REST: Duration = Duration::from_secs(300);

/// After a scan that failed, twice as long after the next one, at most the interval.
const RETRY: Duration = Duration::from_secs(60);
