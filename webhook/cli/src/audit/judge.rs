//! Judges stored objects a page at a time, on all cores, and puts what is said of them at the lines of what is shown.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use stateward_cluster::audit::{self, Stored};
use stateward_core::inventory::StoredInventory;
use stateward_core::policy_set::PolicySet;
use stateward_report::check::CheckReport;
use tokio::task::JoinSet;

use super::shown;
use crate::check::judge::{Tables, record};
use crate::check::located::Located;

/// Everything that judging one object needs, shared by the workers.
pub(super) struct Judge {
    rules: audit::Judge,
    tables: Tables,
    /// The objects as they are shown, where a report shows more of them than the lines that are wrong.
    kept: Option<Mutex<BTreeMap<usize, String>>>,
}

impl Judge {
    pub(super) fn new(set: Arc<PolicySet>, inventory: StoredInventory, now: Timestamp, keeps: bool) -> Self {
        let tables = Tables::new(&set);
        let rules = audit::Judge::new(set, inventory, now);
        Self { rules, tables, kept: keeps.then(Mutex::default) }
    }

    /// By their numbers in the scan; each is answered once.
    pub(super) fn kept(&self) -> BTreeMap<usize, String> {
        let kept = self.kept.as_ref().map(|kept| kept.lock().unwrap_or_else(PoisonError::into_inner));
        kept.map(|mut kept| std::mem::take(&mut *kept)).unwrap_or_default()
    }

    /// `first`: the number of the page's first object in the whole scan.
    pub(super) async fn page(self: &Arc<Self>, first: usize, page: Vec<Stored>) -> CheckReport {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let mut tasks = JoinSet::new();
        let mut numbered: Vec<(usize, Stored)> =
            page.into_iter().enumerate().map(|(at, one)| (first + at, one)).collect();
        let share = numbered.len().div_ceil(workers).max(1);
        while !numbered.is_empty() {
            let rest = numbered.split_off(share.min(numbered.len()));
            let part = std::mem::replace(&mut numbered, rest);
            let judge = Arc::clone(self);
            tasks.spawn(async move {
                let mut report = CheckReport::default();
                for (index, stored) in part {
                    judge.one(index, stored, &mut report).await;
                }
                report
            });
        }
        let mut report = CheckReport::default();
        for part in tasks.join_all().await {
            report.join(part);
        }
        report
    }

    async fn one(&self, index: usize, stored: Stored, report: &mut CheckReport) {
        let judged = self.rules.one(&stored).await;
        let Stored { kind, resource, namespace, name, json, .. } = stored;
        let title = shown::title(&resource, namespace.as_deref(), &name);
        // What the API server has stored, it has checked: only YAML that we wrote ourselves cannot be read.
        let Some(document) = shown::document(&title, &json) else { return };
        if let Some(kept) = self.kept.as_ref().filter(|_| !judged.rulings.is_empty()) {
            kept.lock().unwrap_or_else(PoisonError::into_inner).insert(index, document.json.clone());
        }
        let located = Located::new(index, &document, namespace.as_deref());
        if !located.is_malformed(&judged, report) {
            record(located, (&kind.kind, &json), &judged, None, &self.tables, report);
        }
    }
}
