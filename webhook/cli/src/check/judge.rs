//! Judges every object of the input, on all cores.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use stateward_core::admit::{Facts, Route, validate};
use stateward_core::exemption::Reaches;
use stateward_core::policy_set::PolicySet;
use stateward_core::promises::PromiseTable;
use stateward_core::request::{GroupVersionResource, Operation, Request};
use stateward_core::trace::PolicyTrace;
use stateward_core::verdict::Verdict;
use stateward_manifests::{Document, FileInventory, Neighbours, kinds};
use stateward_report::check::{CheckReport, NotJudged};
use stateward_report::openreports::{Catalogue, OpenReport, Subject};
use stateward_report::promises::SetPromises;
use tokio::task::JoinSet;

use super::Input;
use super::admitted::{self, Admitted};
use super::located::Located;
use super::remedy;

/// Everything that judging one object needs, shared by the workers.
pub(super) struct Bench {
    pub(super) objects: Arc<Vec<Document>>,
    pub(super) set: Arc<PolicySet>,
    pub(super) inventory: Arc<FileInventory>,
    asked: Asked,
    judged: BTreeSet<GroupVersionResource<'static>>,
    tables: Tables,
}

/// How the input is judged.
pub(crate) struct Asked {
    /// Of objects that name none.
    pub(crate) namespace: String,
    pub(crate) what: Input,
    /// Where what is said of each object is wanted as an object of `openreports.io`.
    pub(crate) catalogue: Option<Catalogue>,
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
///
/// Of manifests mutating rules first, then the results are judged beside each other: what the API server does with CREATEs.
pub(crate) async fn all(
    objects: Arc<Vec<Document>>,
    set: Arc<PolicySet>,
    inventory: Arc<FileInventory>,
    asked: Asked,
) -> CheckReport {
    let mut report = CheckReport { objects: objects.len(), ..CheckReport::default() };
    let judged = set.judged_at_create();
    let tables = Tables::new(&set);
    let bench = Arc::new(Bench { objects, set, inventory, asked, judged, tables });
    let admitted = Arc::new(match bench.asked.what {
        Input::Manifests => admitted::all(&bench).await,
        Input::Stored => HashMap::new(),
    });
    for part in on_all_cores(|next| work(Arc::clone(&bench), Arc::clone(&admitted), next)).await {
        report.join(part);
    }
    report.sort();
    report
}

/// Workers share one counter, which says whose turn is next.
pub(super) async fn on_all_cores<T, F>(work: impl Fn(Arc<AtomicUsize>) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let next = Arc::new(AtomicUsize::new(0));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let mut tasks = JoinSet::new();
    for _ in 0..workers {
        tasks.spawn(work(Arc::clone(&next)));
    }
    tasks.join_all().await
}

async fn work(bench: Arc<Bench>, admitted: Arc<HashMap<usize, Admitted>>, next: Arc<AtomicUsize>) -> CheckReport {
    let mut report = CheckReport::default();
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let Some(document) = bench.objects.get(index) else { return report };
        match bench.request(document) {
            Ok(request) => judge(&bench, (index, document), request, admitted.get(&index), &mut report).await,
            Err(resource) if bench.judged.iter().any(|judged| judged.resource == resource.resource) => {
                let object = Located::new(index, document, bench.namespace_of(document)).object();
                let because = vec![format!("there is none for `{}`", document.api_version)];
                report.not_judged.push(NotJudged { object, because });
            }
            Err(_) => {}
        }
    }
}

impl Bench {
    /// The CREATE of an object; its resource where nothing judges that.
    pub(super) fn request<'a>(&'a self, document: &'a Document) -> Result<Request<'a>, GroupVersionResource<'static>> {
        let resource = kinds::resource(&document.group_version_kind());
        if !self.judged.contains(&resource) {
            return Err(resource);
        }
        Ok(Request {
            uid: Cow::Borrowed(""),
            operation: Operation::Create,
            kind: document.group_version_kind(),
            resource,
            name: document.name.as_deref().map(Cow::Borrowed),
            namespace: self.namespace_of(document).map(Cow::Borrowed),
            user: None,
            dry_run: false,
            object: Some(Cow::Borrowed(&document.json)),
            old_object: None,
            options: None,
        })
    }

    fn namespace_of<'a>(&'a self, document: &'a Document) -> Option<&'a str> {
        document.namespace_or(&self.asked.namespace)
    }

    /// What is said of the object as an object of `openreports.io`; what has no name yet can have none.
    fn open_report(&self, request: &Request<'_>, judged: &Verdict) -> Option<OpenReport> {
        let Request { kind, resource, namespace, name, .. } = request;
        let (name, namespace) = (name.as_deref()?, namespace.as_deref());
        self.asked.catalogue.as_ref()?.report(Subject { kind, resource, namespace, name, uid: None }, judged, None)
    }
}

/// What is not in the request.
pub(super) fn facts(neighbours: &Arc<Neighbours>) -> Facts {
    Facts {
        inventory: Arc::clone(neighbours) as _,
        now: jiff::Timestamp::now(),
        deadline: Instant::now() + TIMEOUT,
        trace: false,
    }
}

async fn judge(
    bench: &Bench,
    (index, document): (usize, &Document),
    mut request: Request<'_>,
    admitted: Option<&Admitted>,
    report: &mut CheckReport,
) {
    let located = Located::new(index, document, bench.namespace_of(document));
    if admitted.is_some_and(|admitted| located.is_malformed(&admitted.verdict, report)) {
        return;
    }
    let neighbours = match admitted {
        Some(admitted) => Arc::clone(&admitted.neighbours),
        None => Arc::new(bench.inventory.neighbours(document)),
    };
    if let Some(object) = admitted.and_then(|admitted| admitted.object.as_deref()) {
        request.object = Some(Cow::Borrowed(object));
    }
    // The trace says who was asked: silence of those who were not is no praise.
    let judged = validate(&bench.set, &request, Route::All, &Facts { trace: true, ..facts(&neighbours) }).await;
    report.open_reports.extend(bench.open_report(&request, &judged).map(|open_report| (index, open_report)));
    if located.is_malformed(&judged, report) {
        return;
    }
    if let Some(Admitted { verdict, .. }) = admitted {
        located.changes(verdict, report);
        located.verdict(verdict, Some(&neighbours), report);
    }
    let object = request.object.as_deref().unwrap_or_default();
    if bench.asked.what == Input::Stored {
        located.suspected(object, report);
    }
    let before = report.findings.len();
    record(located, (&request.kind.kind, object), &judged, Some(&neighbours), &bench.tables, report);
    if bench.asked.what == Input::Manifests {
        for (finding, ruling) in report.findings.iter_mut().skip(before).zip(&judged.rulings) {
            finding.fix = remedy::of(ruling, object, document);
        }
    }
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
    let named = located.object();
    if !is_judged(judged) {
        report.not_judged.push(NotJudged { object: named, because: reasons(judged) });
        return;
    }
    report.judged += 1;
    if kind == "StatefulSet" {
        report.promises.push(SetPromises { kept: tables.promises.of(object, judged), object: Arc::clone(&named) });
    }
    report.judged_objects.push(named);
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
