//! A bounded load on the API server: creates, dry-run or real, by a number of clients at once.
//!
//! It tells refusals by a policy from calls that failed and from an API server that was not there; a test says which may occur.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, PostParams};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::control_plane::ControlPlane;
use crate::eventually;

/// What is sent, and how.
pub struct Load {
    /// How many clients, each with connections of its own and one request at a time.
    pub workers: usize,
    /// How many requests in all; [`Running::stop`] may end it sooner.
    pub requests: u64,
    /// Whether the objects are not stored.
    pub dry_run: bool,
    /// The kind, such as `ApiResource::erase::<Pod>(&())`.
    pub resource: ApiResource,
    /// Where they are created.
    pub namespace: String,
    /// The object of the nth request. Real ones need names of their own.
    pub object: Arc<dyn Fn(u64) -> Value + Send + Sync>,
}

/// A load that goes on, beside the test.
pub struct Running {
    state: Arc<State>,
    requests: u64,
    done: Pin<Box<dyn Future<Output = Result<()>> + Send>>,
}

/// What became of it.
#[derive(Debug, Default, Clone)]
pub struct Report {
    /// Requests that were granted.
    pub granted: u64,
    /// Refused by a policy, by its message.
    pub denied: BTreeMap<String, u64>,
    /// Requests that failed because the API server could not call a webhook, by message.
    pub failed_calls: BTreeMap<String, u64>,
    /// Other answers of the API server that are errors, by message.
    pub errors: BTreeMap<String, u64>,
    /// Requests that the API server did not answer, by error.
    pub unanswered: BTreeMap<String, u64>,
    /// How long the answered ones took, in order.
    pub latencies: Vec<Duration>,
}

struct State {
    next: AtomicU64,
    done: AtomicU64,
    is_stopped: AtomicBool,
    report: Mutex<Report>,
}

impl Load {
    /// Begins, on the control plane's own runtime.
    pub fn start(self, plane: &ControlPlane) -> Result<Running> {
        let background = plane.background()?;
        let state = Arc::new(State {
            next: AtomicU64::new(0),
            done: AtomicU64::new(0),
            is_stopped: AtomicBool::new(false),
            report: Mutex::default(),
        });
        let requests = self.requests;
        let load = Arc::new(self);
        let mut workers = JoinSet::new();
        for _ in 0..load.workers {
            let api = {
                let _inside = background.enter();
                Api::namespaced_with(plane.client()?, &load.namespace, &load.resource)
            };
            workers.spawn_on(work(api, Arc::clone(&load), Arc::clone(&state)), &background);
        }
        let done = Box::pin(async move {
            while let Some(worker) = workers.join_next().await {
                worker?;
            }
            Ok(())
        });
        Ok(Running { state, requests, done })
    }
}

impl Running {
    /// How many requests were answered or given up.
    pub fn done(&self) -> u64 {
        self.state.done.load(Ordering::Relaxed)
    }

    /// Waits until this part of the requests is done: a fault in the middle third begins at 1/3.
    pub async fn until(&self, part: f64, limit: Duration) -> Result<()> {
        let wanted = (self.requests as f64 * part) as u64;
        eventually(&format!("{wanted} requests"), limit, async || Ok((self.done() >= wanted).then_some(()))).await
    }

    /// Sends no more; those under way end.
    pub fn stop(&self) {
        self.state.is_stopped.store(true, Ordering::Relaxed);
    }

    /// Waits for its end.
    pub async fn finish(self, limit: Duration) -> Result<Report> {
        tokio::time::timeout(limit, self.done).await.context("the load did not end")??;
        let mut report = self.state.report.lock().unwrap_or_else(PoisonError::into_inner).clone();
        report.latencies.sort_unstable();
        Ok(report)
    }
}

impl Report {
    /// The latency that this part of the answered requests did not exceed, such as 0.5 or 0.99.
    pub fn percentile(&self, part: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get((last as f64 * part) as usize).copied().unwrap_or_default()
    }

    /// Fails unless every request was granted.
    pub fn all_granted(&self) -> Result<()> {
        let bad = [&self.denied, &self.failed_calls, &self.errors, &self.unanswered];
        ensure!(bad.iter().all(|kind| kind.is_empty()), "{bad:#?} beside {} granted", self.granted);
        Ok(())
    }
}

async fn work(api: Api<DynamicObject>, load: Arc<Load>, state: Arc<State>) {
    let params = PostParams { dry_run: load.dry_run, ..PostParams::default() };
    while !state.is_stopped.load(Ordering::Relaxed) {
        let number = state.next.fetch_add(1, Ordering::Relaxed);
        if number >= load.requests {
            return;
        }
        let begin = Instant::now();
        let result = match serde_json::from_value((load.object)(number)) {
            Ok(object) => tokio::time::timeout(LIMIT, api.create(&params, &object)).await,
            Err(error) => Ok(Err(kube::Error::SerdeError(error))),
        };
        let took = begin.elapsed();
        let is_answered = matches!(result, Ok(Ok(_) | Err(kube::Error::Api(_))));
        {
            let mut report = state.report.lock().unwrap_or_else(PoisonError::into_inner);
            let (kind, message) = match result {
                Ok(Ok(_)) => {
                    report.granted += 1;
                    (None, String::new())
                }
                Ok(Err(kube::Error::Api(status))) => {
                    let kind = if status.message.contains("failed calling webhook") {
                        &mut report.failed_calls
                    } else if status.message.contains("denied the request") || status.code == 422 {
                        &mut report.denied
                    } else {
                        &mut report.errors
                    };
                    (Some(kind), status.message.clone())
                }
                Ok(Err(error)) => (Some(&mut report.unanswered), format!("{error:?}")),
                Err(_) => (Some(&mut report.unanswered), "no answer in time".to_owned()),
            };
            if let Some(kind) = kind {
                *kind.entry(message).or_default() += 1;
            }
            report.latencies.push(took);
        }
        state.done.fetch_add(1, Ordering::Relaxed);
        if !is_answered {
            // An API server that is away costs no time: 4 clients asked it 260,000 times.
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// As short as no client's, so that the first answers are seen.
const PAUSE: Duration = Duration::from_millis(50);

/// Longer than the longest webhook time-out of 30 s.
const LIMIT: Duration = Duration::from_secs(40);
