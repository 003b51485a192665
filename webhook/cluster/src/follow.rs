//! Follows all objects of one kind: a list, then a watch, again from the list where the watch is lost. Never ends by itself.

use std::fmt;

use futures::StreamExt;
use kube::api::DynamicObject;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Error};
use tokio::sync::watch;

/// Where what is followed goes.
pub(crate) trait Follower: Send {
    /// A list begins: what is not in it is gone.
    fn begin(&mut self);
    /// An object of the list that began.
    fn listed(&mut self, object: DynamicObject);
    /// The list is complete.
    fn complete(&mut self);
    /// An object is new or has changed.
    fn applied(&mut self, object: DynamicObject);
    /// An object is gone.
    fn deleted(&mut self, object: &DynamicObject);
}

/// How well a kind is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// The first list is under way.
    #[default]
    Syncing,
    /// All objects are known, as of a moment ago.
    Synced,
    /// All objects were known, but the watch is broken: as of a while ago.
    Stale {
        /// What the API server says.
        reason: String,
    },
    /// It cannot be listed. The reason names the permission where one is missing.
    Unknown {
        /// What the API server says.
        reason: String,
    },
}

impl Health {
    /// Whether waiting on would be of use.
    pub const fn is_settled(&self) -> bool {
        !matches!(self, Self::Syncing)
    }

    /// Whether what is not found is absent.
    pub const fn is_known(&self) -> bool {
        matches!(self, Self::Synced | Self::Stale { .. })
    }

    fn failed(&mut self, reason: String, is_final: bool) -> bool {
        let next = match self {
            Self::Synced | Self::Stale { .. } => Self::Stale { reason },
            // The API server is away: it may know more in a moment.
            Self::Syncing if !is_final => return false,
            Self::Syncing | Self::Unknown { .. } => Self::Unknown { reason },
        };
        let is_new = *self != next;
        *self = next;
        is_new
    }
}

/// Runs until it is dropped. `what` names the kind in permissions: `statefulsets.apps`.
pub(crate) async fn follow(
    api: Api<DynamicObject>,
    config: watcher::Config,
    what: &str,
    mut follower: impl Follower,
    health: &watch::Sender<Health>,
) {
    // 800 ms at first, 30 s at most, with jitter.
    let mut events = watcher::watcher(api, config).default_backoff().boxed();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => follower.begin(),
            Ok(Event::InitApply(object)) => follower.listed(object),
            Ok(Event::InitDone) => {
                follower.complete();
                is_synced(health);
            }
            Ok(Event::Apply(object)) => {
                follower.applied(object);
                is_synced(health);
            }
            Ok(Event::Delete(object)) => {
                follower.deleted(&object);
                is_synced(health);
            }
            Err(error) => {
                let Failure { reason, is_final, is_routine } = failure(&error, what);
                if !is_routine && health.send_if_modified(|health| health.failed(reason.clone(), is_final)) {
                    tracing::warn!(kind = what, error = reason, "watch broken");
                }
            }
        }
    }
}

fn is_synced(health: &watch::Sender<Health>) {
    health.send_if_modified(|health| {
        let is_new = *health != Health::Synced;
        *health = Health::Synced;
        is_new
    });
}

struct Failure {
    reason: String,
    /// It will be the same until somebody changes the cluster.
    is_final: bool,
    /// Watches end; nothing is wrong.
    is_routine: bool,
}

fn failure(error: &watcher::Error, what: &str) -> Failure {
    let (source, verbs): (Option<&Error>, &str) = match error {
        watcher::Error::InitialListFailed(source) => (Some(source), "list"),
        watcher::Error::WatchStartFailed(source) | watcher::Error::WatchFailed(source) => (Some(source), "watch"),
        watcher::Error::WatchError(_) | watcher::Error::NoResourceVersion => (None, "watch"),
    };
    let code = match (source, error) {
        (Some(Error::Api(status)), _) | (None, watcher::Error::WatchError(status)) => status.code,
        _ => 0,
    };
    let reason = match code {
        403 => format!("this account may not {verbs} `{what}`"),
        404 => format!("the cluster has no `{what}`"),
        _ => source.map_or_else(|| error.to_string(), said),
    };
    Failure { reason, is_final: matches!(code, 403 | 404), is_routine: code == GONE }
}

/// In words, without the debug form that the client's own `Display` adds.
pub(crate) fn said(error: &Error) -> String {
    match error {
        Error::Api(status) => status.message.clone(),
        other => chain(other),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_words = cause.to_string();
        if !words.contains(&cause_words) {
            words = format!("{words}: {cause_words}");
        }
        source = cause.source();
    }
    words
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syncing => f.write_str("not synced yet"),
            Self::Synced => f.write_str("synced"),
            Self::Stale { reason } => write!(f, "stale: {reason}"),
            Self::Unknown { reason } => f.write_str(reason),
        }
    }
}

/// The version that a watch began with is too old: it begins again.
const GONE: u16 = 410;
