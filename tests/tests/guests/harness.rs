//! A bad policy beside a good one, asked about one StatefulSet.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use serde_json::json;
use stateward_core::admit::{self, Facts, Route};
use stateward_core::inventory::{BoxFuture, Found, Inventory, Labels, Query};
use stateward_core::policy_set::PolicySet;
use stateward_core::request::{GroupVersionKind, GroupVersionResource, Operation, Request};
use stateward_core::resources::WasmPolicy;
use stateward_core::verdict::Verdict;
use stateward_engine::{Engine, EngineOptions, FetchError, LoadedPolicies, PolicyLoader};
use stateward_tests::guests;
use tokio::runtime::{Builder, Runtime};

/// The policy that runs the guest under test, and the one beside it.
pub(crate) const BAD: &str = "bad";
pub(crate) const NEIGHBOUR: &str = "neighbour";

/// The object of every request.
pub(crate) const OBJECT: &str = r#"{"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"web","namespace":"shop"},"spec":{"replicas":3}}"#;

/// One for all tests: bad guests must not get in the way of other tests either.
pub(crate) fn engine() -> &'static Arc<Engine> {
    static ENGINE: OnceLock<Arc<Engine>> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(EngineOptions::default()).unwrap())
}

pub(crate) fn runtime(workers: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(workers).enable_all().build().unwrap()
}

pub(crate) fn policy(name: &str, guest: &str, spec: &serde_json::Value) -> WasmPolicy {
    let mut resource = json!({ "metadata": { "name": name }, "spec": { "component": format!("file:{guest}") } });
    for (key, value) in spec.as_object().unwrap() {
        resource["spec"][key] = value.clone();
    }
    serde_json::from_value(resource).unwrap()
}

/// `file:NAME` is the guest of that name.
pub(crate) fn fetch(reference: &str) -> Result<Cow<'static, [u8]>, FetchError> {
    let name = reference.strip_prefix("file:").unwrap();
    guests::component(name).map(Cow::Owned).map_err(|error| FetchError { message: format!("{error:#}"), hint: None })
}

pub(crate) async fn load(policies: &[WasmPolicy]) -> LoadedPolicies {
    PolicyLoader::new(Arc::clone(engine())).load(policies, &[], &fetch).await
}

/// A set that must load.
pub(crate) async fn set(policies: &[WasmPolicy]) -> PolicySet {
    let loaded = load(policies).await;
    assert_eq!(loaded.errors, []);
    loaded.set
}

pub(crate) fn request() -> Request<'static> {
    Request {
        uid: "0b7e".into(),
        operation: Operation::Create,
        kind: GroupVersionKind { group: "apps".into(), version: "v1".into(), kind: "StatefulSet".into() },
        resource: GroupVersionResource {
            group: "apps".into(),
            version: "v1".into(),
            resource: "statefulsets".into(),
            subresource: "".into(),
        },
        name: Some("web".into()),
        namespace: Some("shop".into()),
        user: None,
        dry_run: false,
        object: Some(OBJECT.into()),
        old_object: None,
        options: None,
    }
}

pub(crate) fn facts(within: Duration, inventory: Arc<dyn Inventory>) -> Facts {
    Facts { inventory, now: jiff::Timestamp::UNIX_EPOCH, deadline: Instant::now() + within, trace: false }
}

/// Every look-up takes a while and finds `objects` of `bytes` each.
pub(crate) struct Services {
    pub(crate) takes: Duration,
    pub(crate) objects: usize,
    pub(crate) bytes: usize,
}

impl Inventory for Services {
    fn find<'a>(&'a self, _query: &'a Query<'a>) -> BoxFuture<'a, Found> {
        Box::pin(async move {
            tokio::time::sleep(self.takes).await;
            Found::Objects(vec![Arc::from(format!("\"{}\"", "x".repeat(self.bytes))); self.objects])
        })
    }

    fn namespace_labels<'a>(&'a self, _namespace: &'a str) -> BoxFuture<'a, Option<Arc<Labels>>> {
        Box::pin(std::future::ready(None))
    }
}

pub(crate) fn no_services() -> Arc<dyn Inventory> {
    Arc::new(Services { takes: Duration::ZERO, objects: 0, bytes: 0 })
}

/// Answers within this, however busy the machine is; a guest that is not stopped would run for ever.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What the guest brings about under both failure policies. Its neighbour must have warned each time.
pub(crate) fn beside_neighbour(guest: &str) -> String {
    beside_neighbour_with(guest, PATIENCE, &no_services())
}

pub(crate) fn beside_neighbour_with(guest: &str, within: Duration, inventory: &Arc<dyn Inventory>) -> String {
    let mut told = String::new();
    runtime(2).block_on(async {
        for failure_policy in ["Fail", "Ignore"] {
            let bad =
                json!({ "failurePolicy": failure_policy, "rules": ["guest/finds"], "limits": { "timeout": "1s" } });
            let good = json!({ "rules": ["guest/finds"] });
            let set = set(&[policy(BAD, guest, &bad), policy(NEIGHBOUR, "good", &good)]).await;
            let started = Instant::now();
            let verdict = admit::validate(&set, &request(), Route::All, &facts(within, Arc::clone(inventory))).await;
            assert!(started.elapsed() < PATIENCE, "took {:?}", started.elapsed());
            let neighbours: Vec<_> = verdict.rulings.iter().filter(|ruling| ruling.policy == NEIGHBOUR).collect();
            assert_eq!(neighbours.len(), 1, "{neighbours:?}");
            assert_eq!(neighbours[0].message, "there are too many replicas");
            tell(&mut told, failure_policy, &verdict);
        }
    });
    told
}

/// The whole answer, without the neighbour's part.
pub(crate) fn tell(told: &mut String, failure_policy: &str, verdict: &Verdict) {
    let decision = match &verdict.response.status {
        Some(status) => {
            format!("{} {}: {}", if verdict.allowed { "allowed" } else { "denied" }, status.code, status.message)
        }
        None => "allowed".to_owned(),
    };
    writeln!(told, "{failure_policy}: {decision}").unwrap();
    for ruling in verdict.rulings.iter().filter(|ruling| ruling.policy == BAD) {
        writeln!(told, "  {} {} {:?} {:?}: {}", ruling.action, ruling.rule, ruling.path, ruling.place, ruling.message)
            .unwrap();
    }
    for warning in verdict.response.warnings.iter().filter(|warning| !warning.contains("too many replicas")) {
        writeln!(told, "  warning: {warning}").unwrap();
    }
    for failure in &verdict.failures {
        writeln!(told, "  failure: {} {}", failure.policy, failure.error.cause()).unwrap();
    }
}
