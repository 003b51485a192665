//! Reports as they are stored: what is there, what of it is still true, and what goes.
//!
//! Knows nothing of what a report says: each comes with a digest of that, which is an annotation of the stored one. A second scan of an unchanged cluster
//! lists and writes nothing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use http::Request;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, ObjectMeta, PostParams, Preconditions};
use kube::{Api, Client};
use serde_json::Value;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::client::{is_forbidden, is_not_found, is_outrun};
use crate::follow::said;
use crate::names;
use crate::retry::{CALL, timely};

/// How reports are found and told apart.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Of the API.
    pub group: &'static str,
    /// Of the API.
    pub version: &'static str,
    /// The label that ours have.
    pub managed_by: (&'static str, &'static str),
    /// The label that names what a report is about.
    pub resource: &'static str,
    /// The annotation with the digest.
    pub digest: &'static str,
    /// The annotation with the generation that the report has as it was written: one that somebody has edited since has another.
    pub generation: &'static str,
}

/// A report that should be there.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// `None`: cluster-scoped.
    pub namespace: Option<String>,
    /// `metadata.name`.
    pub name: String,
    /// Of what it says.
    pub digest: String,
    /// The whole object.
    pub object: Value,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Had none before.
    pub created: usize,
    /// Said something else before.
    pub replaced: usize,
    /// About what is no more, or about what there is nothing to say of any more.
    pub deleted: usize,
    /// Said the same before.
    pub kept: usize,
    /// Could not be written.
    pub failed: usize,
}

/// One scan's reports.
pub struct Reports {
    client: Client,
    layout: Layout,
    stored: HashMap<Key, Stored>,
    seen: HashSet<Key>,
    pace: Interval,
    written: Written,
    problem: Option<String>,
}

type Key = (Option<String>, String);

struct Stored {
    uid: String,
    resource_version: String,
    digest: String,
    /// Counts changes of what it says, by whomever.
    generation: i64,
    /// It says what was written.
    is_ours: bool,
    /// What it is about.
    resource: String,
}

impl Reports {
    /// Reads which are there, 500 at a time and without what they say. `None`: nobody serves such reports here.
    pub async fn read(client: &Client, layout: Layout) -> Result<Option<Self>, String> {
        Self::read_in(client, layout, None).await
    }

    /// The same of one namespace: others' are neither read nor taken away.
    pub async fn read_in(client: &Client, layout: Layout, namespace: Option<&str>) -> Result<Option<Self>, String> {
        if !is_served(client, layout).await? {
            return Ok(None);
        }
        let mut pace = interval_at(Instant::now(), PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reports = Self {
            client: client.clone(),
            layout,
            stored: HashMap::new(),
            seen: HashSet::new(),
            pace,
            written: Written::default(),
            problem: None,
        };
        reports.list(namespace, true).await?;
        if namespace.is_none() {
            reports.list(None, false).await?;
        }
        Ok(Some(reports))
    }

    /// Makes the report be there as it is wanted. What cannot be written is counted, and the first reason kept.
    pub async fn put(&mut self, wanted: Wanted) {
        let key = (wanted.namespace.clone(), wanted.name.clone());
        self.seen.insert(key.clone());
        let stored = self.stored.get(&key);
        if stored.is_some_and(|stored| stored.digest == wanted.digest && stored.is_ours) {
            self.written.kept += 1;
            return;
        }
        let mut version = stored.map(|stored| (stored.resource_version.clone(), stored.generation));
        for _ in 0..ATTEMPTS {
            match self.write(&wanted, version.as_ref()).await {
                Ok(()) if version.is_some() => return self.written.replaced += 1,
                Ok(()) => return self.written.created += 1,
                // Somebody wrote it meanwhile, or deleted it.
                Err(error) if is_outrun(&error) && (version.is_some() || !is_not_found(&error)) => {
                    let api = self.api(wanted.namespace.as_deref(), wanted.namespace.is_some());
                    match timely(CALL, api.get_metadata_opt(&wanted.name)).await {
                        Ok(found) => {
                            version = found.and_then(|found| {
                                Some((found.metadata.resource_version?, found.metadata.generation.unwrap_or_default()))
                            });
                        }
                        Err(error) => return self.fail("get", &error),
                    }
                }
                // Its namespace goes, and what it is about with it.
                Err(error) if is_not_found(&error) || is_ending(&error) => return,
                Err(error) => return self.fail(if version.is_some() { "update" } else { "create" }, &error),
            }
        }
        self.written.failed += 1;
        self.problem.get_or_insert_with(|| "others write the same reports at the same time".to_owned());
    }

    /// Takes away what was not seen since [`Self::read`]. Of what was `unread`, such as `statefulsets.apps`, nobody knows whether it is still there.
    pub async fn sweep(self, unread: &[String]) -> (Written, Option<String>) {
        self.sweep_of(|_, resource| !unread.iter().any(|unread| unread == resource)).await
    }

    /// The same of those that are meant, by their name and by what they are about, such as `statefulsets.apps`.
    pub async fn sweep_of(mut self, is_meant: impl Fn(&str, &str) -> bool) -> (Written, Option<String>) {
        let stored = std::mem::take(&mut self.stored);
        let gone =
            stored.into_iter().filter(|(key, stored)| !self.seen.contains(key) && is_meant(&key.1, &stored.resource));
        for ((namespace, name), stored) in gone.collect::<Vec<_>>() {
            self.pace.tick().await;
            let only = Preconditions { uid: Some(stored.uid), resource_version: Some(stored.resource_version) };
            let parameters = DeleteParams { preconditions: Some(only), ..DeleteParams::default() };
            let api = self.api(namespace.as_deref(), namespace.is_some());
            match timely(CALL, api.delete(&name, &parameters)).await {
                Ok(_) => self.written.deleted += 1,
                // The garbage collector was quicker, or somebody has written it: the next scan knows.
                Err(error) if is_outrun(&error) => {}
                Err(error) => self.fail("delete", &error),
            }
        }
        (self.written, self.problem)
    }

    async fn list(&mut self, namespace: Option<&str>, is_namespaced: bool) -> Result<(), String> {
        let api = self.api(namespace, is_namespaced);
        let (label, value) = self.layout.managed_by;
        let mut page = ListParams::default().labels(&format!("{label}={value}")).limit(PAGE);
        loop {
            let list = timely(CALL, api.list_metadata(&page)).await.map_err(|error| reason("list", &error))?;
            for report in list.items {
                let ObjectMeta { name, namespace, uid, resource_version, labels, annotations, generation, .. } =
                    report.metadata;
                let of = |map: &Option<BTreeMap<String, String>>, key: &str| {
                    map.as_ref().and_then(|map| map.get(key)).cloned().unwrap_or_default()
                };
                let generation = generation.unwrap_or_default();
                let stored = Stored {
                    uid: uid.unwrap_or_default(),
                    resource_version: resource_version.unwrap_or_default(),
                    digest: of(&annotations, self.layout.digest),
                    // An aggregated API may not count.
                    is_ours: generation == 0 || of(&annotations, self.layout.generation) == generation.to_string(),
                    generation,
                    resource: of(&labels, self.layout.resource),
                };
                self.stored.insert((namespace, name.unwrap_or_default()), stored);
            }
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page.continue_token = Some(token),
                None => return Ok(()),
            }
        }
    }

    /// Creates without a version, else replaces what has it.
    async fn write(&mut self, wanted: &Wanted, version: Option<&(String, i64)>) -> Result<(), kube::Error> {
        self.pace.tick().await;
        let api = self.api(wanted.namespace.as_deref(), wanted.namespace.is_some());
        let mut object: DynamicObject =
            serde_json::from_value(wanted.object.clone()).map_err(kube::Error::SerdeError)?;
        // The API server counts from 1, and each change of what it says; what was another kind of object before counts as changed.
        let generation = version.map_or(1, |(_, generation)| generation + 1);
        let annotations = object.metadata.annotations.get_or_insert_default();
        annotations.insert(self.layout.generation.to_owned(), generation.to_string());
        let parameters = PostParams { field_manager: Some(names::FIELD_MANAGER.to_owned()), ..PostParams::default() };
        match version {
            None => timely(CALL, api.create(&parameters, &object)).await.map(drop),
            Some((version, _)) => {
                object.metadata.resource_version = Some(version.clone());
                timely(CALL, api.replace(&wanted.name, &parameters, &object)).await.map(drop)
            }
        }
    }

    fn api(&self, namespace: Option<&str>, is_namespaced: bool) -> Api<DynamicObject> {
        let Layout { group, version, .. } = self.layout;
        let (kind, plural) = if is_namespaced { ("Report", "reports") } else { ("ClusterReport", "clusterreports") };
        let resource = ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version: format!("{group}/{version}"),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        };
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        }
    }

    fn fail(&mut self, verb: &str, error: &kube::Error) {
        self.written.failed += 1;
        self.problem.get_or_insert_with(|| reason(verb, error));
    }
}

/// Asked of discovery: behind an aggregated API server there is no definition to look for.
async fn is_served(client: &Client, layout: Layout) -> Result<bool, String> {
    let path = format!("/apis/{}/{}", layout.group, layout.version);
    let request = Request::get(path).body(Vec::new()).map_err(|error| error.to_string())?;
    match timely(CALL, client.request::<Value>(request)).await {
        Ok(_) => Ok(true),
        Err(error) if is_not_found(&error) => Ok(false),
        Err(error) => Err(reason("find", &error)),
    }
}

/// Nothing is made in a namespace that is being deleted.
fn is_ending(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else { return false };
    let mut causes = status.details.iter().flat_map(|details| &details.causes);
    status.code == 403 && causes.any(|cause| cause.reason == ENDING)
}

fn reason(verb: &str, error: &kube::Error) -> String {
    if is_forbidden(error) {
        return format!("this account may not {verb} reports of `openreports.io`");
    }
    format!("cannot {verb} a report: {}", said(error))
}

const ENDING: &str = "NamespaceTerminating";
const PAGE: u32 = 500;
/// Of one report: others write it only by mistake.
const ATTEMPTS: usize = 3;
/// 50 writes a second: a first scan of 5,000 sets takes 100 s and is felt by nobody.
const PACE: Duration = Duration::from_millis(20);
