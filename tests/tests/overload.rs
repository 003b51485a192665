//! More reviews than the server takes on: the rest is refused at once, and nobody stalls.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stateward_core::evaluate::{Call, Component, Evaluate, Evaluated, Judgement, Outcome};
use stateward_core::inventory::{BoxFuture, StoredInventory};
use stateward_core::manifest::{Action, Manifest, Rule, RuleKind, Severity, Subject};
use stateward_core::policy::Policy;
use stateward_core::policy_set::PolicySet;
use stateward_core::request::{GroupVersionResource, Operation, Request};
use stateward_server::{Limits, Options, Server, State, TlsSource};
use stateward_tests::client::{Endpoint, Protocol};
use stateward_tests::root;
use tokio::sync::Semaphore;

#[tokio::test(flavor = "multi_thread")]
async fn sheds_at_once_and_recovers() {
    let gate = Arc::new(Semaphore::new(0));
    let state = Arc::new(State::new());
    state.install(slow_policy(Arc::clone(&gate)), Arc::new(StoredInventory::default()), Vec::new());
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let limits = Limits { in_flight: IN_FLIGHT, ..Limits::default() };
    let options =
        Options { listen: any, admin_listen: any, tls: TlsSource::SelfSigned, drain_delay: Duration::ZERO, limits };
    let server = Server::bind(options, Arc::clone(&state)).await.unwrap();
    let endpoint = Endpoint::new(server.local_addr(), &server.ca_file().unwrap()).unwrap();
    let server = tokio::spawn(server.run(std::future::pending()));

    let protocols = [Protocol::Http1, Protocol::Http2];
    let held: Vec<_> = (0..IN_FLIGHT).map(|n| tokio::spawn(call(endpoint.clone(), protocols[n % 2]))).collect();
    let in_flight =
        || state.metrics().encode().unwrap().contains(&format!("stateward_in_flight_requests {IN_FLIGHT}\n"));
    tokio::time::timeout(PATIENCE, async {
        while !in_flight() {
            tokio::task::yield_now().await
        }
    })
    .await
    .unwrap();

    let started = Instant::now();
    for n in 0..50 {
        assert_eq!(call(endpoint.clone(), protocols[n % 2]).await, 503);
    }
    // The reviews that are held have ten seconds; who waited for one of them would have stalled.
    assert!(started.elapsed() < Duration::from_secs(9), "{:?}", started.elapsed());

    gate.add_permits(IN_FLIGHT + 2);
    for held in held {
        assert_eq!(held.await.unwrap(), 200);
    }
    for protocol in protocols {
        assert_eq!(call(endpoint.clone(), protocol).await, 200);
    }
    server.abort();
}

async fn call(endpoint: Endpoint, protocol: Protocol) -> u16 {
    let review = std::fs::read(root().join("tests/cases/reviews/create-statefulsets-apply.json")).unwrap();
    endpoint.post(protocol, "/validate/fail?timeout=10s", review).await.unwrap().status
}

/// Judges nothing until it is let through the gate.
struct Slow(Arc<Semaphore>);

impl Evaluate for Slow {
    fn validate<'a>(&'a self, call: &'a Call<'a>, _: &'a Request<'a>) -> BoxFuture<'a, Evaluated<Vec<Judgement>>> {
        Box::pin(async move {
            self.0.acquire().await.unwrap().forget();
            Evaluated {
                answer: Ok(vec![Judgement::default(); call.units.len()]),
                queued: Duration::ZERO,
                ran: Duration::ZERO,
            }
        })
    }

    fn mutate<'a>(&'a self, _: &'a Call<'a>, _: &'a Request<'a>) -> BoxFuture<'a, Evaluated<Outcome>> {
        Box::pin(async { Evaluated { answer: Ok(Outcome::default()), queued: Duration::ZERO, ran: Duration::ZERO } })
    }
}

fn slow_policy(gate: Arc<Semaphore>) -> PolicySet {
    let resource = GroupVersionResource {
        group: "apps".into(),
        version: "v1".into(),
        resource: "statefulsets".into(),
        subresource: "".into(),
    };
    let rule = Rule {
        id: "test/slow".to_owned(),
        kind: RuleKind::Validate,
        title: "Slow".to_owned(),
        description: "Takes its time.".to_owned(),
        category: "Test".to_owned(),
        severity: Severity::Low,
        since: "0.1.0".to_owned(),
        baseline: Action::Deny,
        strict: Action::Deny,
        when_undecided: Action::Audit,
        fixed: false,
        compares: false,
        needs_user: false,
        subjects: vec![Subject { resource, operations: vec![Operation::Create], condition: None, fail_closed: false }],
        reads: Vec::new(),
    };
    let manifest = Manifest {
        name: "slow".to_owned(),
        version: "0.1.0".to_owned(),
        description: "Takes its time.".to_owned(),
        url: None,
        rules: vec![rule],
        settings_schema: "{}".to_owned(),
    };
    let component = Component {
        reference: "builtin:slow".to_owned(),
        digest: "sha256:0".to_owned(),
        manifest: Arc::new(manifest),
        code: Arc::new(Slow(gate)),
    };
    let spec = serde_json::json!({ "metadata": { "name": "slow" }, "spec": { "component": "builtin:slow" } });
    let policy = Policy::new(&serde_json::from_value(spec).unwrap(), component).unwrap();
    PolicySet::new(vec![policy], Vec::new()).unwrap()
}

const IN_FLIGHT: usize = 4;
const PATIENCE: Duration = Duration::from_secs(60);
