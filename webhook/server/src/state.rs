//! What is in force: policies and the other objects that they may look up. Swapped whole; a request keeps what it began with.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwapOption;
use serde::Serialize;
use stateward_core::contract;
use stateward_core::inventory::Inventory;
use stateward_core::manifest::Profile;
use stateward_core::policy_set::PolicySet;
use stateward_core::resources::{FailurePolicy, Mode};
use stateward_core::unread::Unread;

use tokio::sync::{mpsc, watch};

use crate::decisions::Decisions;
use crate::live::PageRequest;
use crate::metrics::{Metrics, PolicyMetrics};

/// Shared by the listener, the routes and whoever loads policies.
#[derive(Default)]
pub struct State {
    in_force: ArcSwapOption<InForce>,
    generation: AtomicU64,
    draining: AtomicBool,
    problems: Mutex<BTreeMap<String, Vec<String>>>,
    member_seen: watch::Sender<bool>,
    unread: OnceLock<mpsc::Sender<Unread>>,
    pages: OnceLock<mpsc::Sender<PageRequest>>,
    pub(crate) decisions: Decisions,
    metrics: Metrics,
}

/// One generation of policies and other objects.
pub struct InForce {
    /// Counts installs, from 1.
    pub generation: u64,
    /// What decides.
    pub policies: Arc<PolicySet>,
    /// Where look-ups are answered.
    pub inventory: Arc<dyn Inventory>,
    /// What `/policies` shows.
    pub statuses: Vec<PolicyStatus>,
    pub(crate) controller_accounts: BTreeSet<String>,
    pub(crate) metrics: HashMap<String, PolicyMetrics>,
}

/// One policy as `/policies` shows it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyStatus {
    /// `metadata.name`.
    pub name: String,
    /// `builtin:stateful`, ..
    pub component: String,
    /// `sha256:..`; `None` when it never loaded.
    pub digest: Option<String>,
    /// Whether it is enforced, perhaps as its last good version.
    pub loaded: bool,
    /// `metadata.generation` of what was last read; a file has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// Caps its actions.
    pub mode: Mode,
    /// Its own; a namespace may raise it.
    pub profile: Profile,
    /// What its failure means.
    pub failure_policy: FailurePolicy,
    /// Ids.
    pub rules: Vec<String>,
    /// What kept the last load from succeeding, each with file, field and line where they are known.
    pub errors: Vec<String>,
}

impl State {
    /// Nothing is in force yet: not ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a new generation in force for the requests to come.
    pub fn install(
        &self,
        policies: impl Into<Arc<PolicySet>>,
        inventory: Arc<dyn Inventory>,
        statuses: Vec<PolicyStatus>,
    ) {
        let policies = policies.into();
        let generation = self.generation.fetch_add(1, Ordering::Relaxed) + 1;
        let metrics = self.metrics.policies.install(&statuses);
        self.metrics.policy_set_generation.set(i64::try_from(generation).unwrap_or(i64::MAX));
        let controller_accounts = contract::controller_accounts(&policies);
        let next = InForce { generation, policies, inventory, statuses, controller_accounts, metrics };
        self.in_force.store(Some(Arc::new(next)));
    }

    /// What is in force now; `None` until the first [`State::install`].
    pub fn in_force(&self) -> Option<Arc<InForce>> {
        self.in_force.load_full()
    }

    /// What is wrong with a source of policies or objects that is not one policy's: a file that cannot be read. Empty: nothing any more.
    pub fn report(&self, source: &str, errors: Vec<String>) {
        let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        if errors.is_empty() {
            problems.remove(source);
        } else {
            problems.insert(source.to_owned(), errors);
        }
    }

    /// By source.
    pub(crate) fn problems(&self) -> BTreeMap<String, Vec<String>> {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether new calls should be sent here.
    pub fn is_ready(&self) -> bool {
        !self.is_draining() && self.in_force.load().is_some()
    }

    /// Whether the process is about to end.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub(crate) fn start_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether a StatefulSet's member was seen when it was made, on the path whose failures refuse: then they may.
    pub fn member_seen(&self) -> watch::Receiver<bool> {
        self.member_seen.subscribe()
    }

    pub(crate) fn see_member(&self) {
        self.member_seen.send_if_modified(|seen| !std::mem::replace(seen, true));
    }

    /// Warnings in answers that nobody reads. Some are lost where whoever asked for them here does not keep up; `None` to all but the first.
    pub fn unread_warnings(&self) -> Option<mpsc::Receiver<Unread>> {
        let (sender, receiver) = mpsc::channel(UNREAD);
        self.unread.set(sender).ok().map(|()| receiver)
    }

    /// Who waits for `/report`; one page after the other. `None` to all but the first. Until somebody asks for them here there is no such page.
    pub fn pages(&self) -> Option<mpsc::Receiver<PageRequest>> {
        let (sender, receiver) = mpsc::channel(PAGES);
        self.pages.set(sender).ok().map(|()| receiver)
    }

    pub(crate) fn page_requests(&self) -> Option<&mpsc::Sender<PageRequest>> {
        self.pages.get()
    }

    pub(crate) fn tell(&self, unread: impl FnOnce() -> Option<Unread>) {
        let Some(sender) = self.unread.get() else { return };
        if let Some(unread) = unread()
            && sender.try_send(unread).is_err()
        {
            tracing::debug!("a controller's warning is not told");
        }
    }

    /// What is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}

/// A controller's work queue tries the same objects again and again: what is lost comes again.
const UNREAD: usize = 64;

/// Who waits while a page is drawn: each is a scan.
const PAGES: usize = 2;
