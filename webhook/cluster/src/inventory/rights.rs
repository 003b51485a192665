//! Which rights are missing to look up live. A cache sees that it may not be listed; of these nobody would know before a request needs one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec, SubjectAccessReviewStatus,
};
use kube::api::PostParams;
use kube::core::GroupVersionKind as KubeKind;
use kube::{Api, Client, discovery};
use stateward_core::manifest::Read;
use stateward_core::request::GroupVersionKind;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use super::{is_asked_twice, is_never_cached};
use crate::follow::Health;

/// Asks for them until it is dropped: once, and then only while one is missing or doubted. An idle cluster is asked nothing.
pub(super) struct Rights {
    /// `None`: not asked yet.
    missing: watch::Receiver<Option<Missing>>,
    doubt: Arc<Notify>,
    task: AbortHandle,
}

/// What is missing of each kind, in words.
type Missing = Vec<(GroupVersionKind<'static>, String)>;

impl Rights {
    /// For look-ups of these kinds.
    pub(super) fn start(client: &Client, reads: &[Read]) -> Self {
        let (sender, missing) = watch::channel(None);
        let doubt = Arc::new(Notify::new());
        let task = tokio::spawn(run(client.clone(), needed(reads), Arc::clone(&doubt), sender)).abort_handle();
        Self { missing, doubt, task }
    }

    /// A look-up was refused.
    pub(super) fn doubt(&self) {
        self.doubt.notify_one();
    }

    /// Waits until they were asked for once.
    pub(super) async fn settled(&self) {
        // The sender is dropped with the task only, and that with this.
        let _ = self.missing.clone().wait_for(Option::is_some).await;
    }

    /// What is missing, by kind.
    pub(super) fn missing(&self) -> Vec<(GroupVersionKind<'static>, Health)> {
        let missing = self.missing.borrow().clone().unwrap_or_default();
        missing.into_iter().map(|(kind, reason)| (kind, Health::Unknown { reason })).collect()
    }
}

impl Drop for Rights {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Verbs on kinds.
type Needed = BTreeSet<(GroupVersionKind<'static>, &'static str)>;

fn needed(reads: &[Read]) -> Needed {
    let mut needed = Needed::new();
    for read in reads {
        let is_live = read.live || is_never_cached(&read.kind);
        if is_live || is_asked_twice(&read.kind) {
            needed.insert((read.kind.clone(), "get"));
        }
        if is_live && !read.by_name {
            needed.insert((read.kind.clone(), "list"));
        }
    }
    needed
}

async fn run(client: Client, needed: Needed, doubt: Arc<Notify>, sender: watch::Sender<Option<Missing>>) {
    loop {
        let asked = tokio::time::timeout(LIMIT, missing(&client, &needed)).await;
        // Nobody waits for an API server that is away: what was missing still is, as far as is known.
        let answer = asked.ok().and_then(Result::ok);
        let is_whole = answer.as_ref().is_some_and(Vec::is_empty);
        sender.send_modify(|missing| *missing = Some(answer.or_else(|| missing.take()).unwrap_or_default()));
        tokio::time::sleep(PAUSE).await;
        // What is taken away the next look-up sees. What is given back nobody tells.
        if is_whole {
            doubt.notified().await;
        }
    }
}

async fn missing(client: &Client, needed: &Needed) -> Result<Missing, kube::Error> {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let mut missing = Missing::new();
    for (kind, verb) in needed {
        let of = KubeKind::gvk(&kind.group, &kind.version, &kind.kind);
        let (resource, _) = discovery::pinned_kind(client, &of).await?;
        let attributes = ResourceAttributes {
            group: Some(resource.group.clone()),
            resource: Some(resource.plural.clone()),
            verb: Some((*verb).to_owned()),
            ..ResourceAttributes::default()
        };
        let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() };
        let review = SelfSubjectAccessReview { spec, ..Default::default() };
        let answer = reviews.create(&PostParams::default(), &review).await?.status;
        if answer.is_some_and(|SubjectAccessReviewStatus { allowed, .. }| !allowed) {
            let group = if resource.group.is_empty() { String::new() } else { format!(".{}", resource.group) };
            missing.push((kind.clone(), format!("this account may not {verb} `{}{group}`", resource.plural)));
        }
    }
    Ok(missing)
}

/// A few requests; they take 2 ms each.
const LIMIT: Duration = Duration::from_secs(5);
/// As often as the status is written.
const PAUSE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn read(group: &str, kind: &str, by_name: bool, live: bool) -> Read {
        let kind =
            GroupVersionKind { group: group.to_owned().into(), version: "v1".into(), kind: kind.to_owned().into() };
        Read { kind, fields: Vec::new(), by_name, live }
    }

    #[test]
    fn only_what_is_asked_live_is_needed() {
        let reads = [
            read("", "Service", false, false),
            read("", "Pod", true, false),
            read("coordination.k8s.io", "Lease", false, false),
            read("apps", "StatefulSet", false, false),
            read("apps", "Deployment", true, true),
        ];
        let needed: Vec<String> = needed(&reads).iter().map(|(kind, verb)| format!("{verb} {}", kind.kind)).collect();
        assert_eq!(needed, ["get Pod", "get Deployment", "get StatefulSet", "get Lease", "list Lease"]);
    }
}
