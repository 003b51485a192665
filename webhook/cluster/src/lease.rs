//! One leader among the replicas, by one Lease.
//!
//! Led are the certificates, the webhook configurations, status and audit; every replica answers admission whether somebody leads or not.
//! No fencing: a write that left before leadership was lost may still arrive, so led writes carry the `resourceVersion` that they read.
//! A Lease that is deleted by hand is made again by its holder. Whoever *empties* it by hand may see two leaders for up to 5 s, and so may a replica
//! that starts just after it was deleted.

mod leading;
mod term;

use std::pin::pin;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::time::{Instant, sleep, timeout};

pub use self::leading::{Leading, while_leading};
pub use self::term::LEASE;

use self::leading::Office;
use self::term::{Observed, RENEW_DEADLINE, RENEW_EVERY, RETRY_EVERY, Record, Step, next_step};
use crate::client::is_outrun;
use crate::names::FIELD_MANAGER;
use crate::retry::{jittered, random};

/// The Lease could not be read or written. Whoever led goes on until [`LEASE`] nearly ends; then nobody leads.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Our account may not.
    #[error(
        "the API server forbids us to {verb} Lease `{namespace}/{name}`, so this replica cannot lead\nhint: our ServiceAccount needs `create`, `get` and `update` on `leases` of `coordination.k8s.io` in namespace `{namespace}`"
    )]
    Forbidden {
        /// `get`, ..
        verb: &'static str,
        /// Of the Lease.
        namespace: String,
        /// Of the Lease.
        name: String,
    },
    /// The API server refused or could not be reached.
    #[error("could not {verb} Lease `{namespace}/{name}`")]
    Failed {
        /// `get`, ..
        verb: &'static str,
        /// Of the Lease.
        namespace: String,
        /// Of the Lease.
        name: String,
        /// Why.
        source: Box<kube::Error>,
    },
    /// No answer in time.
    #[error("no answer from the API server when we tried to {verb} Lease `{namespace}/{name}`")]
    TimedOut {
        /// `get`, ..
        verb: &'static str,
        /// Of the Lease.
        namespace: String,
        /// Of the Lease.
        name: String,
    },
}

/// A name for [`Leadership`] that no other process has, not even the same container started again.
pub fn identity(pod: &str) -> String {
    format!("{pod}_{:016x}", random())
}

/// Runs for leader.
pub struct Leadership {
    api: Api<Lease>,
    namespace: String,
    name: String,
    identity: String,
    office: Office,
    lease: Option<Lease>,
    observed: Observed,
    /// When the last successful renewal was sent; `None` while we do not lead.
    renewed: Option<Instant>,
    reported: Option<String>,
}

impl Leadership {
    /// Of the Lease `name`. No two processes may have the same `identity`: see [`identity`].
    pub fn new(client: Client, namespace: &str, name: &str, identity: impl Into<String>) -> (Self, Leading) {
        let (office, leading) = Leading::new();
        let leadership = Self {
            api: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            identity: identity.into(),
            office,
            lease: None,
            observed: Observed::default(),
            renewed: None,
            reported: None,
        };
        (leadership, leading)
    }

    /// Keeps trying to lead until `shutdown`; then stops what is led and gives the Lease back, so that another replica leads at once.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                () = self.step() => {}
            }
        }
        if self.renewed.is_some() && self.leave().await {
            self.release().await;
        }
    }

    async fn step(&mut self) {
        let result = match self.renewed {
            None => self.read().await,
            Some(_) => Ok(()),
        };
        let step = next_step(&self.identity, &self.observed, self.renewed, Instant::now());
        let result = match (result, step) {
            (Ok(()), Step::Wait(wait)) => {
                self.reported = None;
                return sleep(wait).await;
            }
            (_, Step::GiveUp) => {
                tracing::warn!(lease = %self.name, identity = %self.identity, "no longer leading");
                self.leave().await;
                return;
            }
            (Ok(()), Step::Create) => self.write("create").await,
            (Ok(()), Step::Take | Step::Renew) => self.write("update").await,
            (Err(error), _) => Err(error),
        };
        if let Err(error) = result {
            self.report(&error);
            sleep(jittered(RETRY_EVERY).min(self.until_deadline())).await;
        }
    }

    async fn read(&mut self) -> Result<(), LeaseError> {
        let lease = self.call("get", self.api.get_opt(&self.name)).await?;
        self.see(lease, Instant::now());
        Ok(())
    }

    /// Writes us into the Lease if nobody wrote since it was read. Losing that race is no error: the next step sees who won.
    async fn write(&mut self, verb: &'static str) -> Result<(), LeaseError> {
        // The term counts from here: the others see the record later than this.
        let sent = Instant::now();
        let ours = self.ours(&self.identity);
        let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let written = match verb {
            "create" => self.call(verb, self.api.create(&parameters, &ours)).await,
            _ => self.call(verb, self.api.replace(&self.name, &parameters, &ours)).await,
        };
        match written {
            Ok(lease) => {
                self.see(Some(lease), sent);
                if self.renewed.replace(sent).is_none() {
                    tracing::info!(lease = %self.name, identity = %self.identity, "leading");
                    self.office.lead();
                }
                Ok(())
            }
            Err(LeaseError::Failed { source, .. }) if is_outrun(&source) => self.read().await,
            Err(error) => Err(error),
        }
    }

    async fn leave(&mut self) -> bool {
        self.renewed = None;
        let ended = self.office.leave(LEASE - RENEW_DEADLINE).await;
        if !ended {
            tracing::error!(lease = %self.name, "led work has not ended, another replica may begin it");
        }
        ended
    }

    /// Best effort: a Lease that stays ours only makes the others wait.
    async fn release(&mut self) {
        // The last call may have been cut off by the shutdown and have arrived all the same.
        if self.read().await.is_err() || self.observed.record().is_none_or(|record| record.holder != self.identity) {
            return;
        }
        let free = self.ours("");
        match self.call("update", self.api.replace(&self.name, &PostParams::default(), &free)).await {
            Ok(_) => tracing::info!(lease = %self.name, "leadership released"),
            Err(error) => self.report(&error),
        }
    }

    /// The Lease as it would be with `holder`.
    fn ours(&self, holder: &str) -> Lease {
        let now = MicroTime(Timestamp::now());
        let mut lease = self.lease.clone().unwrap_or_default();
        let former = lease.spec.unwrap_or_default();
        let same = former.holder_identity.as_deref() == Some(holder);
        lease.metadata = ObjectMeta { name: Some(self.name.clone()), ..lease.metadata };
        lease.spec = Some(LeaseSpec {
            holder_identity: (!holder.is_empty()).then(|| holder.to_owned()),
            lease_duration_seconds: i32::try_from(LEASE.as_secs()).ok(),
            acquire_time: if same { former.acquire_time } else { Some(now.clone()) },
            renew_time: Some(now),
            lease_transitions: Some(former.lease_transitions.unwrap_or(0).saturating_add(i32::from(!same))),
            ..former
        });
        lease
    }

    fn see(&mut self, lease: Option<Lease>, now: Instant) {
        self.observed.see(lease.as_ref().map(record), now);
        self.lease = lease;
    }

    async fn call<T>(
        &self,
        verb: &'static str,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, LeaseError> {
        let (namespace, name) = (self.namespace.clone(), self.name.clone());
        match timeout(self.until_deadline().min(RENEW_EVERY), call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(kube::Error::Api(status))) if status.is_forbidden() => {
                Err(LeaseError::Forbidden { verb, namespace, name })
            }
            Ok(Err(source)) => Err(LeaseError::Failed { verb, namespace, name, source: Box::new(source) }),
            Err(_) => Err(LeaseError::TimedOut { verb, namespace, name }),
        }
    }

    /// Not even an attempt may last longer than we may lead.
    fn until_deadline(&self) -> std::time::Duration {
        self.renewed.map_or(RENEW_DEADLINE, |renewed| RENEW_DEADLINE.saturating_sub(renewed.elapsed()))
    }

    /// The same failure once, not every 2 s.
    fn report(&mut self, error: &LeaseError) {
        let message = error.to_string();
        if self.reported.as_ref() != Some(&message) {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::error!(error = %message, cause, leading = self.renewed.is_some(), "leader election");
            self.reported = Some(message);
        }
    }
}

fn record(lease: &Lease) -> Record {
    let spec = lease.spec.as_ref();
    let seconds = spec.and_then(|spec| spec.lease_duration_seconds).unwrap_or_default();
    Record {
        holder: spec.and_then(|spec| spec.holder_identity.clone()).unwrap_or_default(),
        lease: std::time::Duration::from_secs(u64::try_from(seconds).unwrap_or_default()),
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
    }
}
