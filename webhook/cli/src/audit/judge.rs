//! Judges stored objects a page at a time, on all cores, and puts what is said of them at the lines of what is shown.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use stateward_cluster::audit::{self, ScanError, Scanner, Stored, Unread};
use stateward_core::inventory::Store;
use stateward_core::policy_set::PolicySet;
use stateward_core::request::GroupVersionResource;
use stateward_report::check::CheckReport;
use stateward_report::openreports::Catalogue;
use stateward_report::snippet::conceal;
use tokio::task::JoinSet;

use super::shown;
use crate::check::judge::{Tables, record};
use crate::check::located::Located;
use crate::open_reports::subject;

/// What is wanted beside what is said for people.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wants {
    /// The objects that something is said of, up to so many bytes of JSON.
    pub(crate) objects: usize,
    /// What is said as objects of `openreports.io`.
    pub(crate) open_reports: bool,
}

/// Everything that judging one object needs, shared by the workers.
pub(crate) struct Judge {
    rules: audit::Judge,
    tables: Tables,
    /// Where what is said of each object is wanted as an object of `openreports.io`.
    catalogue: Option<Catalogue>,
    seconds: i64,
    /// The objects as they are shown, where a report shows more of them than the lines that are wrong.
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    objects: BTreeMap<usize, String>,
    /// How many bytes of JSON they may still become.
    left: usize,
}

impl Judge {
    pub(crate) fn new(set: Arc<PolicySet>, others: Arc<dyn Store>, now: Timestamp, wants: Wants) -> Self {
        let tables = Tables::new(&set);
        let catalogue = wants.open_reports.then(|| Catalogue::new(&set));
        let rules = audit::Judge::new(set, others, now);
        let kept = Mutex::new(Kept { left: wants.objects, ..Kept::default() });
        Self { rules, tables, catalogue, seconds: now.as_second(), kept }
    }

    /// By their numbers in the scan; each is answered once.
    pub(crate) fn kept(&self) -> BTreeMap<usize, String> {
        std::mem::take(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner).objects)
    }

    /// Judges everything of these resources into the report, in pages. `each` sees a page before that, and how many objects of the resource there were until
    /// then. Answers what could not be listed.
    pub(crate) async fn all(
        self: &Arc<Self>,
        scanner: &mut Scanner,
        resources: impl IntoIterator<Item = GroupVersionResource<'static>>,
        report: &mut CheckReport,
        mut each: impl FnMut(&GroupVersionResource<'static>, usize, &[Stored]),
    ) -> Result<Vec<Unread>, ScanError> {
        let mut unread = Vec::new();
        for resource in resources {
            let mut seen = 0;
            let judge = async |page: Vec<Stored>| {
                let first = report.objects;
                seen += page.len();
                report.objects += page.len();
                each(&resource, seen, &page);
                report.join(self.page(first, page).await);
            };
            if let Err(missing) = scanner.objects(&resource, judge).await? {
                unread.push(missing);
            }
        }
        Ok(unread)
    }

    /// `first`: the number of the page's first object in the whole scan.
    async fn page(self: &Arc<Self>, first: usize, page: Vec<Stored>) -> CheckReport {
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
        let mut judged = self.rules.one(&stored).await;
        conceal(&mut judged, &stored.json);
        let catalogue = self.catalogue.as_ref();
        let open_report = catalogue.and_then(|catalogue| catalogue.report(subject(&stored), &judged, self.seconds));
        report.open_reports.extend(open_report.map(|open_report| (index, open_report)));
        let Stored { kind, resource, namespace, name, json, .. } = stored;
        let title = shown::title(&resource, namespace.as_deref(), &name);
        // What the API server has stored, it has checked: only YAML that we wrote ourselves cannot be read.
        let Some(document) = shown::document(&title, &json) else { return };
        if !judged.rulings.is_empty() {
            self.keep(index, &document.json);
        }
        let located = Located::new(index, &document, namespace.as_deref());
        located.suspected(&json, report);
        if !located.is_malformed(&judged, report) {
            record(located, (&kind.kind, &json), &judged, None, &self.tables, report);
        }
    }
    fn keep(&self, index: usize, json: &str) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(left) = kept.left.checked_sub(json.len()) {
            kept.left = left;
            kept.objects.insert(index, json.to_owned());
        }
    }
}
