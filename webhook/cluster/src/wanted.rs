//! What the cluster asks for: all `WasmPolicy` and `PolicyExemption` objects, read one by one. One that cannot be read is said and left out; it
//! never stops the watch.

mod read;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::runtime::watcher;
use kube::{Api, Client};
use stateward_core::exemption::{self, WrongExemption};
use stateward_core::policy::SpecError;
use stateward_core::resources::{PolicyExemption, WasmPolicy};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::client::{is_forbidden, is_not_found};
use crate::crds::status::WasmPolicyStatus;
use crate::crds::{GROUP, VERSION};
use crate::follow::{self, Follower, Health};

/// All policies and exemptions at one instant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// In name order.
    pub policies: Vec<StoredPolicy>,
    /// In the order of namespace and name. Those that cannot be read, or are wrong whatever the policies are, are left out: a policy set takes no
    /// notice of them, and says nothing.
    pub exemptions: Vec<PolicyExemption>,
    /// What is wrong with those, each with the exemption's name: `prod/legacy`.
    pub exemption_errors: Vec<(String, SpecError)>,
    /// The same for who lists them. They come with `exemption_errors`.
    pub wrong_exemptions: Vec<WrongExemption>,
    /// Exemptions may not be listed: there may be some.
    pub are_exemptions_unread: bool,
}

impl Wanted {
    /// Whether any replica was asked when a member was made.
    pub fn is_member_seen(&self) -> bool {
        self.policies.iter().flat_map(|policy| &policy.status.replicas).any(|replica| replica.member_seen)
    }
}

/// A policy as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredPolicy {
    /// `metadata.name`.
    pub name: String,
    /// Of this object, and no other of the same name.
    pub uid: String,
    /// Counts changes of `spec`.
    pub generation: i64,
    /// What is asked for, with the profile version of the status where the spec names none.
    pub resource: Result<WasmPolicy, SpecError>,
    /// What was last written about it.
    pub status: WasmPolicyStatus,
}

/// Follows both kinds until it is dropped.
pub struct Watches {
    wanted: watch::Receiver<Arc<Wanted>>,
    health: [(&'static str, watch::Receiver<Health>); 2],
    _tasks: JoinSet<()>,
}

impl Watches {
    /// Begins.
    pub fn start(client: &Client) -> Self {
        let (wanted, receiver) = watch::channel(Arc::new(Wanted::default()));
        let wanted = Arc::new(wanted);
        let mut tasks = JoinSet::new();
        let policies = kind(client, "WasmPolicy", "wasmpolicies", Arc::clone(&wanted), take_policies, &mut tasks);
        let exemptions = kind(client, "PolicyExemption", "policyexemptions", wanted, take_exemptions, &mut tasks);
        Self { wanted: receiver, health: [policies, exemptions], _tasks: tasks }
    }

    /// Changes with every change of either kind, status included.
    pub fn wanted(&self) -> watch::Receiver<Arc<Wanted>> {
        self.wanted.clone()
    }

    /// Waits until both kinds were listed once. An API server that is away, a missing permission or a missing definition keep it waiting:
    /// nobody knows what is to be enforced.
    pub async fn synced(&self) {
        for (_, health) in &self.health {
            let mut health = health.clone();
            let known = health.wait_for(Health::is_known).await;
            if known.is_err() {
                // Only where the tasks are gone, and this with them.
                std::future::pending::<()>().await;
            }
        }
    }

    /// What keeps either kind from being known now.
    pub fn problems(&self) -> Vec<String> {
        let broken = self.health.iter().filter(|(_, health)| *health.borrow() != Health::Synced);
        broken.map(|(what, health)| format!("{what}: {}", *health.borrow())).collect()
    }
}

/// Both kinds as they are stored now. `None`: they are not defined here, or this account may not list the policies. Exemptions that it may not list are
/// none, and are said.
pub async fn stored(client: &Client) -> Result<Option<Wanted>, kube::Error> {
    let mut wanted = Wanted::default();
    match list(client, "WasmPolicy", "wasmpolicies").await {
        Ok(objects) => take_policies(&mut wanted, &objects),
        Err(error) if is_not_found(&error) || is_forbidden(&error) => return Ok(None),
        Err(error) => return Err(error),
    }
    match list(client, "PolicyExemption", "policyexemptions").await {
        Ok(objects) => take_exemptions(&mut wanted, &objects),
        Err(error) if is_not_found(&error) => {}
        Err(error) if is_forbidden(&error) => {
            let words = format!("this account may not list `policyexemptions.{GROUP}`: what they exempt is judged");
            wanted.exemption_errors.push(("*".to_owned(), SpecError::new(String::new(), words)));
            wanted.are_exemptions_unread = true;
        }
        Err(error) => return Err(error),
    }
    Ok(Some(wanted))
}

async fn list(client: &Client, kind: &str, plural: &str) -> Result<BTreeMap<Key, DynamicObject>, kube::Error> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource(kind, plural));
    Ok(api.list(&ListParams::default()).await?.into_iter().map(|object| (key(&object), object)).collect())
}

type Take = fn(&mut Wanted, &BTreeMap<Key, DynamicObject>);

/// Namespace and name.
type Key = (String, String);

fn kind(
    client: &Client,
    kind: &str,
    plural: &'static str,
    wanted: Arc<watch::Sender<Arc<Wanted>>>,
    take: Take,
    tasks: &mut JoinSet<()>,
) -> (&'static str, watch::Receiver<Health>) {
    let (health, receiver) = watch::channel(Health::default());
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource(kind, plural));
    let what = format!("{plural}.{GROUP}");
    tasks.spawn(async move {
        let all = All { objects: BTreeMap::new(), listed: BTreeMap::new(), wanted, take };
        follow::follow(api, watcher::Config::default(), &what, all, &health).await;
    });
    (plural, receiver)
}

/// One of our kinds for the client.
pub(crate) fn resource(kind: &str, plural: &str) -> ApiResource {
    ApiResource {
        group: GROUP.to_owned(),
        version: VERSION.to_owned(),
        api_version: format!("{GROUP}/{VERSION}"),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    }
}

/// Every object of one kind.
struct All {
    objects: BTreeMap<Key, DynamicObject>,
    listed: BTreeMap<Key, DynamicObject>,
    wanted: Arc<watch::Sender<Arc<Wanted>>>,
    take: Take,
}

impl All {
    fn publish(&self) {
        self.wanted.send_if_modified(|wanted| {
            let mut next = Wanted::clone(wanted);
            (self.take)(&mut next, &self.objects);
            let is_new = **wanted != next;
            if is_new {
                *wanted = Arc::new(next);
            }
            is_new
        });
    }
}

impl Follower for All {
    fn begin(&mut self) {
        self.listed.clear();
    }

    fn listed(&mut self, object: DynamicObject) {
        self.listed.insert(key(&object), object);
    }

    fn complete(&mut self) {
        self.objects = std::mem::take(&mut self.listed);
        self.publish();
    }

    fn applied(&mut self, object: DynamicObject) {
        self.objects.insert(key(&object), object);
        self.publish();
    }

    fn deleted(&mut self, object: &DynamicObject) {
        self.objects.remove(&key(object));
        self.publish();
    }
}

fn key(object: &DynamicObject) -> Key {
    (object.metadata.namespace.clone().unwrap_or_default(), object.metadata.name.clone().unwrap_or_default())
}

fn take_policies(wanted: &mut Wanted, objects: &BTreeMap<Key, DynamicObject>) {
    wanted.policies = objects.values().map(read::policy).collect();
}

fn take_exemptions(wanted: &mut Wanted, objects: &BTreeMap<Key, DynamicObject>) {
    (wanted.exemptions, wanted.exemption_errors) = (Vec::new(), Vec::new());
    wanted.wrong_exemptions.clear();
    for ((namespace, name), object) in objects {
        let (resource, errors) = match read::exemption(object) {
            Ok(exemption) => {
                let wrong = exemption::check(&exemption, Some(Timestamp::now()));
                if wrong.is_empty() {
                    wanted.exemptions.push(exemption);
                    continue;
                }
                (Some(exemption), wrong)
            }
            Err(error) => (None, vec![error]),
        };
        wanted.exemption_errors.extend(errors.iter().map(|error| (format!("{namespace}/{name}"), error.clone())));
        let (namespace, name) = (Some(namespace.clone()), name.clone());
        wanted.wrong_exemptions.push(WrongExemption { namespace, name, resource, errors });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// In files the reader says the same; what nobody says, an administrator believes to be in force.
    #[test]
    fn an_exemption_that_is_wrong_is_said_and_left_out() {
        let take = |spec: Value| {
            let metadata = json!({ "name": "e", "namespace": "shop", "creationTimestamp": Timestamp::now() });
            let object = json!({ "metadata": metadata, "spec": spec });
            let object: DynamicObject = serde_json::from_value(object).unwrap();
            let mut wanted = Wanted::default();
            take_exemptions(&mut wanted, &BTreeMap::from([(key(&object), object)]));
            let errors = wanted.exemption_errors.iter().map(|(name, error)| format!("{name}{}", error.path)).collect();
            (wanted.exemptions.len(), errors)
        };
        let rules = json!(["a/b"]);
        let errors = |paths: &[&str]| paths.iter().map(|path| format!("shop/e{path}")).collect::<Vec<_>>();
        assert_eq!(take(json!({ "rules": rules, "names": ["db"], "reason": "r" })), (1, errors(&[])));
        let pattern = json!({ "rules": rules, "names": ["db-*"], "reason": "r", "expires": "2999-01-01T00:00:00Z" });
        assert_eq!(take(pattern), (0, errors(&["/spec/names/0", "/spec/expires"])));
        assert_eq!(take(json!({ "rules": rules, "names": "db" })), (0, errors(&["/spec/names"])));
    }
}
