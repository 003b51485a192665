//! Our own certificates, in a Secret: followed by every replica, kept by the leader.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{ObjectMeta, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::memory::Memory;
use super::plan::{Change, Sightings, Step, Terms, plan, since};
use super::secret::Stored;
use super::{BundleReceiver, CaBundle, IssueError, Names, Registered, ServingCertificate};
use crate::client::is_outrun;
use crate::names::{APP, FIELD_MANAGER};
use crate::retry::{CALL, jittered};

/// The certificates could not be read or kept. What is served stays served.
#[derive(Debug, thiserror::Error)]
pub enum CertificatesError {
    /// Our account may not.
    #[error(
        "the API server forbids us to {verb} Secret `{namespace}/{name}`\nhint: our ServiceAccount needs `create` on `secrets` and `get`, `list`, `watch`, `update` on this one, in namespace `{namespace}`"
    )]
    Forbidden {
        /// `get`, ..
        verb: &'static str,
        /// Of the Secret.
        namespace: String,
        /// Of the Secret.
        name: String,
    },
    /// The API server refused or could not be reached.
    #[error("could not {verb} Secret `{namespace}/{name}`")]
    Failed {
        /// `get`, ..
        verb: &'static str,
        /// Of the Secret.
        namespace: String,
        /// Of the Secret.
        name: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No answer in time.
    #[error("no answer from the API server when we tried to {verb} Secret `{namespace}/{name}`")]
    TimedOut {
        /// `get`, ..
        verb: &'static str,
        /// Of the Secret.
        namespace: String,
        /// Of the Secret.
        name: String,
    },
    /// A certificate could not be made.
    #[error(transparent)]
    Issue(#[from] IssueError),
}

/// One for the process: [`SelfManaged::follow`] runs in every replica, [`SelfManaged::keep`] only while leading.
pub struct SelfManaged {
    api: Api<Secret>,
    namespace: String,
    name: String,
    names: Names,
    owner: Option<OwnerReference>,
    terms: Terms,
    memory: Mutex<Memory>,
    serving: watch::Sender<Option<Arc<ServingCertificate>>>,
    bundle: watch::Sender<Option<Arc<CaBundle>>>,
    /// Counts what was seen of the Secret.
    changes: watch::Sender<u64>,
}

impl SelfManaged {
    /// In the Secret `name`. The `owner`, if any, takes the Secret along when it is deleted.
    pub fn new(
        client: Client,
        namespace: &str,
        name: &str,
        names: Names,
        owner: Option<OwnerReference>,
        terms: Terms,
    ) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            names,
            owner,
            terms,
            memory: Mutex::default(),
            serving: watch::Sender::default(),
            bundle: watch::Sender::default(),
            changes: watch::Sender::default(),
        }
    }

    /// What to serve. `None` until a leader has made one; never `None` again after that.
    pub fn serving(&self) -> watch::Receiver<Option<Arc<ServingCertificate>>> {
        self.serving.subscribe()
    }

    /// What belongs into every `caBundle`. `None` until the Secret was seen with something in it.
    pub fn bundle(&self) -> BundleReceiver {
        self.bundle.subscribe()
    }

    /// Follows the Secret. Never ends.
    pub async fn follow(&self) {
        let only = watcher::Config::default().fields(&format!("metadata.name={}", self.name));
        let mut events = pin!(watcher(self.api.clone(), only).default_backoff());
        let mut stored = None;
        let mut listed = None;
        let mut reports = Reports::default();
        loop {
            let again = stored.as_ref().and_then(|stored| self.see(stored)).unwrap_or(LOOK_AGAIN).min(LOOK_AGAIN);
            let event = tokio::select! {
                event = events.next() => event,
                () = sleep(again) => continue,
            };
            match event {
                Some(Ok(watcher::Event::Init)) => listed = None,
                Some(Ok(watcher::Event::InitApply(secret))) => listed = Some(secret),
                Some(Ok(watcher::Event::InitDone)) => stored = Some(read(listed.take().as_ref())),
                Some(Ok(watcher::Event::Apply(secret))) => stored = Some(read(Some(&secret))),
                Some(Ok(watcher::Event::Delete(_))) => stored = Some(Stored::default()),
                Some(Err(error)) => {
                    reports.error(&self.watch_error(error));
                    continue;
                }
                // The stream has no end; if it ever had one, waiting is better than spinning.
                None => sleep(LOOK_AGAIN).await,
            }
            reports.clear();
            self.changes.send_modify(|changes| *changes = changes.wrapping_add(1));
        }
    }

    /// Keeps the Secret in order: makes what is missing, renews, changes authorities. Only for the leader; never ends.
    pub async fn keep(&self, mut registered: watch::Receiver<Registered>) {
        let mut changes = self.changes.subscribe();
        let mut sightings = Sightings::default();
        let mut reports = Reports::default();
        loop {
            let current = registered.borrow_and_update().clone();
            changes.mark_unchanged();
            let wait = match self.step(&mut sightings, &current).await {
                Ok(wait) => {
                    reports.clear();
                    wait
                }
                Err(error) => {
                    reports.error(&error);
                    jittered(RETRY)
                }
            };
            tokio::select! {
                () = sleep(wait) => {}
                Ok(()) = changes.changed() => {}
                Ok(()) = registered.changed() => {}
            }
        }
    }

    /// One look at the Secret and perhaps one change; how long there is nothing to do.
    async fn step(&self, sightings: &mut Sightings, registered: &Registered) -> Result<Duration, CertificatesError> {
        let trusted = sightings.see(registered, Instant::now());
        let secret = self.call("get", self.api.get_opt(&self.name)).await?;
        let stored = read(secret.as_ref());
        let now = Timestamp::now();
        let change = match plan(&stored, &self.names, &trusted, &self.terms, now) {
            Step::Wait(until) => return Ok(since(now, until).clamp(SHORTEST_WAIT, LONGEST_WAIT)),
            Step::Do(change) => change,
        };
        let served_by = self.lock().serving().map(|serving| serving.issuer.clone());
        let stored = stored.changed(change, &self.names, served_by.as_ref(), &self.terms, now)?;
        let wrote = self.write(secret, &stored).await?;
        if wrote {
            log(change, &stored);
        }
        Ok(SHORTEST_WAIT)
    }

    /// Whether it was written: not if somebody else wrote since it was read.
    async fn write(&self, former: Option<Secret>, stored: &Stored) -> Result<bool, CertificatesError> {
        let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let (verb, mut secret) = match former {
            Some(secret) => ("update", secret),
            None => ("create", self.empty()),
        };
        let mut data = secret.data.take().unwrap_or_default();
        stored.write(&mut data);
        secret.data = Some(data);
        let written = match verb {
            "create" => self.call(verb, self.api.create(&parameters, &secret)).await,
            _ => self.call(verb, self.api.replace(&self.name, &parameters, &secret)).await,
        };
        match written {
            Ok(_) => Ok(true),
            Err(CertificatesError::Failed { source, .. }) if source.downcast_ref().is_some_and(is_outrun) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn empty(&self) -> Secret {
        let label = ("app.kubernetes.io/name".to_owned(), APP.to_owned());
        let metadata = ObjectMeta {
            name: Some(self.name.clone()),
            namespace: Some(self.namespace.clone()),
            labels: Some(BTreeMap::from([label])),
            owner_references: self.owner.clone().map(|owner| vec![owner]),
            ..ObjectMeta::default()
        };
        Secret { metadata, type_: Some("Opaque".to_owned()), ..Secret::default() }
    }

    fn see(&self, stored: &Stored) -> Option<Duration> {
        let now = Timestamp::now();
        let mut memory = self.lock();
        let again = memory.see(stored, &self.names, &self.terms, now, Instant::now());
        publish(&self.serving, memory.serving().cloned());
        publish(&self.bundle, memory.bundle(now).map(Arc::new));
        again
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn call<T>(
        &self,
        verb: &'static str,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, CertificatesError> {
        match timeout(CALL, call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.error(verb, error)),
            Err(_) => {
                Err(CertificatesError::TimedOut { verb, namespace: self.namespace.clone(), name: self.name.clone() })
            }
        }
    }

    fn watch_error(&self, error: watcher::Error) -> CertificatesError {
        match error {
            watcher::Error::InitialListFailed(error) => self.error("list", error),
            watcher::Error::WatchStartFailed(error) | watcher::Error::WatchFailed(error) => self.error("watch", error),
            watcher::Error::WatchError(status) => self.error("watch", kube::Error::Api(status)),
            error @ watcher::Error::NoResourceVersion => CertificatesError::Failed {
                verb: "watch",
                namespace: self.namespace.clone(),
                name: self.name.clone(),
                source: Box::new(error),
            },
        }
    }

    fn error(&self, verb: &'static str, error: kube::Error) -> CertificatesError {
        let (namespace, name) = (self.namespace.clone(), self.name.clone());
        match error {
            kube::Error::Api(status) if status.is_forbidden() => CertificatesError::Forbidden { verb, namespace, name },
            source => CertificatesError::Failed { verb, namespace, name, source: Box::new(source) },
        }
    }
}

impl fmt::Debug for SelfManaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SelfManaged").field("namespace", &self.namespace).field("name", &self.name).finish()
    }
}

/// The same failure is logged once, not at every attempt.
#[derive(Default)]
struct Reports(Option<String>);

impl Reports {
    fn error(&mut self, error: &CertificatesError) {
        let message = error.to_string();
        if self.0.as_ref() != Some(&message) {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::error!(error = %message, cause, "certificates");
            self.0 = Some(message);
        }
    }

    fn clear(&mut self) {
        self.0 = None;
    }
}

fn read(secret: Option<&Secret>) -> Stored {
    static NOTHING: BTreeMap<String, ByteString> = BTreeMap::new();
    Stored::read(secret.and_then(|secret| secret.data.as_ref()).unwrap_or(&NOTHING))
}

/// Wakes nobody for the same again; never takes back what was there.
fn publish<T: PartialEq>(sender: &watch::Sender<Option<T>>, new: Option<T>) {
    sender.send_if_modified(|current| {
        let changed = new.is_some() && *current != new;
        if changed {
            *current = new;
        }
        changed
    });
}

fn log(change: Change, stored: &Stored) {
    let expires = stored.leaf.as_ref().map(|leaf| leaf.certificate.not_after.to_string());
    let authority_expires = stored.current.as_ref().map(|current| current.certificate.not_after.to_string());
    let did = match change {
        Change::Begin => "authority and certificate made",
        Change::Issue => "certificate renewed",
        Change::Introduce => "next authority made, to be trusted before it issues",
        Change::Promote => "next authority issues from now on",
        Change::DropOld => "former authorities no longer trusted",
    };
    tracing::info!(expires, authority_expires, "{did}");
}

/// For what time alone changes: something expires.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// After a failure.
const RETRY: Duration = Duration::from_secs(5);

/// Not to spin, whatever the plan says.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// A clock that is set may bring anything nearer.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);
