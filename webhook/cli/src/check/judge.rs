//! Judges every object of the input, on all cores.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use stateward_core::admit::{Facts, Route, mutate, validate};
use stateward_core::exemption::Reaches;
use stateward_core::policy_set::PolicySet;
use stateward_core::promises::PromiseTable;
use stateward_core::request::{GroupVersionResource, Operation, Request};
use stateward_core::trace::PolicyTrace;
use stateward_core::verdict::Verdict;
use stateward_manifests::{Document, FileInventory, Neighbours, kinds};
use stateward_report::check::{CheckReport, NotJudged};
use stateward_report::promises::SetPromises;
use tokio::task::JoinSet;

use super::Input;
use super::located::Located;

/// Everything that judging one object needs, shared by the workers.
struct Bench {
    objects: Arc<Vec<Document>>,
    set: Arc<PolicySet>,
    inventory: Arc<FileInventory>,
    namespace: String,
    judged: BTreeSet<GroupVersionResource<'static>>,
    tables: Tables,
    what: Input,
    next: AtomicUsize,
}

/// What is asked of every verdict beside its findings.
pub(crate) struct Tables {
    promises: PromiseTable,
    reaches: Reaches,
}

impl Tables {
    /// Of one set.
    pub(crate) fn new(set: &PolicySet) -> Self {
        Self { promises: PromiseTable::new(set), reaches: Reaches::new(set) }
    }
}

/// Judges all objects. The report is sorted, whoever was done first.
pub(crate) async fn all(
    objects: Arc<Vec<Document>>,
    set: Arc<PolicySet>,
    inventory: Arc<FileInventory>,
    namespace: &str,
    what: Input,
) -> CheckReport {
    let mut report = CheckReport { objects: objects.len(), ..CheckReport::default() };
    let judged = set.judged_at_create();
    let tables = Tables::new(&set);
    let bench = Arc::new(Bench {
        objects,
        set,
        inventory,
        namespace: namespace.to_owned(),
        judged,
        tables,
        what,
        next: AtomicUsize::new(0),
    });
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let mut tasks = JoinSet::new();
    for _ in 0..workers {
        tasks.spawn(work(Arc::clone(&bench)));
    }
    for part in tasks.join_all().await {
        report.join(part);
    }
    report.sort();
    report
}

async fn work(bench: Arc<Bench>) -> CheckReport {
    let mut report = CheckReport::default();
    loop {
        let index = bench.next.fetch_add(1, Ordering::Relaxed);
        let Some(document) = bench.objects.get(index) else { return report };
        let resource = kinds::resource(&document.group_version_kind());
        if bench.judged.contains(&resource) {
            judge(&bench, index, document, resource, &mut report).await;
        } else if bench.judged.iter().any(|judged| judged.resource == resource.resource) {
            let object = Located::new(index, document, document.namespace_or(&bench.namespace)).object();
            let because = vec![format!("there is none for `{}`", document.api_version)];
            report.not_judged.push(NotJudged { object, because });
        }
    }
}

/// Of manifests mutating rules first, then the result is judged: what the API server does with a CREATE.
async fn judge(
    bench: &Bench,
    index: usize,
    document: &Document,
    resource: GroupVersionResource<'static>,
    report: &mut CheckReport,
) {
    let namespace = document.namespace_or(&bench.namespace);
    let neighbours = Arc::new(bench.inventory.neighbours(document));
    let facts = Facts {
        inventory: Arc::clone(&neighbours) as _,
        now: jiff::Timestamp::now(),
        deadline: Instant::now() + TIMEOUT,
        trace: false,
    };
    let mut request = Request {
        uid: Cow::Borrowed(""),
        operation: Operation::Create,
        kind: document.group_version_kind(),
        resource,
        name: document.name.as_deref().map(Cow::Borrowed),
        namespace: namespace.map(Cow::Borrowed),
        user: None,
        dry_run: false,
        object: Some(Cow::Borrowed(&document.json)),
        old_object: None,
        options: None,
    };
    let located = Located::new(index, document, namespace);
    let mut mutated = match bench.what {
        Input::Manifests => mutate(&bench.set, &request, &facts).await,
        Input::Stored => Verdict::default(),
    };
    if located.is_malformed(&mutated, report) {
        return;
    }
    if let Some(object) = mutated.object.take() {
        request.object = Some(Cow::Owned(object));
    }
    // The trace says who was asked: silence of those who were not is no praise.
    let judged = validate(&bench.set, &request, Route::All, &Facts { trace: true, ..facts }).await;
    if located.is_malformed(&judged, report) {
        return;
    }
    located.changes(&mutated, report);
    located.verdict(&mutated, Some(&neighbours), report);
    let object = request.object.as_deref().unwrap_or_default();
    record(located, (&request.kind.kind, object), &judged, Some(&neighbours), &bench.tables, report);
}

/// Adds what a validating call said of an object of this kind.
pub(crate) fn record(
    located: Located<'_>,
    (kind, object): (&str, &str),
    judged: &Verdict,
    neighbours: Option<&Neighbours>,
    tables: &Tables,
    report: &mut CheckReport,
) {
    located.verdict(judged, neighbours, report);
    located.exemptions(&tables.reaches, object, judged, report);
    if !is_judged(judged) {
        report.not_judged.push(NotJudged { object: located.object(), because: reasons(judged) });
        return;
    }
    report.judged += 1;
    if kind == "StatefulSet" {
        report.promises.push(SetPromises { kept: tables.promises.of(object, judged), object: located.object() });
    }
}

/// Whether any rule was asked, or would have been if it were known who asks.
fn is_judged(verdict: &Verdict) -> bool {
    !verdict.undecided.is_empty() || policies(verdict).any(|policy| policy.skipped.is_none())
}

/// Why no policy judges the object, those together that have the same reason.
fn reasons(verdict: &Verdict) -> Vec<String> {
    let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
    for policy in policies(verdict) {
        let Some(reason) = policy.skipped.as_deref() else { continue };
        let name = format!("`{}`", policy.policy);
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, names)) => names.push(name),
            None => reasons.push((reason, vec![name])),
        }
    }
    reasons.into_iter().map(|(reason, names)| format!("policy {}: {reason}", names.join(", "))).collect()
}

fn policies(verdict: &Verdict) -> impl Iterator<Item = &PolicyTrace> {
    verdict.trace.iter().flat_map(|trace| &trace.policies)
}

/// Policies have limits of their own; this one ends what no limit of theirs ends. As long as the API server would wait at most.
const TIMEOUT: Duration = Duration::from_secs(30);
