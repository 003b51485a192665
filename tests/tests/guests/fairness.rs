//! Guests that loop do not keep others waiting.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use stateward_core::admit::{self, Route};
use stateward_core::policy_set::PolicySet;
use stateward_engine::{Engine, EngineOptions, PolicyLoader};
use tokio::runtime::{Builder, Runtime};

use crate::harness::{BAD, NEIGHBOUR, PATIENCE, facts, fetch, no_services, policy, request, runtime};

/// More than permits, more than cores.
const LOOPERS: usize = 50;

struct Stage {
    engine: Arc<Engine>,
    looping: Arc<PolicySet>,
    good: Arc<PolicySet>,
}

impl Stage {
    /// An engine of its own: its permits are counted.
    async fn new(timeout: &str) -> Self {
        let engine = Engine::new(EngineOptions::default()).unwrap();
        let looping = policy(BAD, "endless_loop", &json!({ "limits": { "timeout": timeout } }));
        let good = policy(NEIGHBOUR, "good", &json!({}));
        let mut sets = Vec::new();
        for resource in [looping, good] {
            let loaded = PolicyLoader::new(Arc::clone(&engine)).load(&[resource], &[], &fetch).await;
            assert_eq!(loaded.errors, []);
            sets.push(Arc::new(loaded.set));
        }
        let good = sets.pop().unwrap();
        Self { engine, looping: sets.pop().unwrap(), good }
    }

    /// Instances alive and evaluations waiting.
    fn busy(&self) -> (usize, usize) {
        let stats = self.engine.stats();
        (stats.iter().map(|component| component.running).sum(), stats.iter().map(|component| component.waiting).sum())
    }

    async fn until(&self, what: &str, condition: impl Fn((usize, usize)) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition(self.busy()) {
            assert!(Instant::now() < deadline, "{what} never came; {:?}", self.busy());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// One good request as a task of its own, like a server's.
    async fn ask_neighbour(&self) -> Duration {
        let set = Arc::clone(&self.good);
        let started = Instant::now();
        let verdict = tokio::spawn(async move {
            admit::validate(&set, &request(), Route::All, &facts(PATIENCE, no_services())).await
        })
        .await
        .unwrap();
        assert_eq!(verdict.failures, []);
        assert_eq!(verdict.rulings.len(), 1);
        started.elapsed()
    }
}

/// How long a good request takes while all the loopers loop: the middle of many, since other programs run on this machine too.
fn neighbour_beside_loopers(runtime: &Runtime) -> Duration {
    runtime.block_on(async {
        let stage = tokio::spawn(Stage::new("10s")).await.unwrap();
        for _ in 0..LOOPERS {
            let set = Arc::clone(&stage.looping);
            tokio::spawn(async move {
                admit::validate(&set, &request(), Route::All, &facts(PATIENCE, no_services())).await
            });
        }
        let permits = EngineOptions::default().permits;
        tokio::spawn(async move {
            stage.until("the rush", |busy| busy == (permits, LOOPERS - permits)).await;
            let mut took = Vec::new();
            for _ in 0..25 {
                took.push(stage.ask_neighbour().await);
            }
            assert_eq!(stage.busy().0, permits, "the loopers still loop");
            took.sort();
            took[took.len() / 2]
        })
        .await
        .unwrap()
    })
}

#[test]
fn fifty_loopers_on_one_worker() {
    let took = neighbour_beside_loopers(&runtime(1));
    println!("{took:?}");
    assert!(took < Duration::from_millis(50), "{took:?}");
}

#[test]
fn fifty_loopers_on_two_workers() {
    let took = neighbour_beside_loopers(&runtime(2));
    println!("{took:?}");
    assert!(took < Duration::from_millis(50), "{took:?}");
}

#[test]
fn fifty_loopers_on_the_only_thread() {
    let took = neighbour_beside_loopers(&Builder::new_current_thread().enable_all().build().unwrap());
    println!("{took:?}");
    assert!(took < Duration::from_millis(50), "{took:?}");
}

/// Every looper ends with the right failure, and leaves nothing behind.
#[test]
fn loopers_end() {
    runtime(2).block_on(async {
        let stage = Stage::new("20ms").await;
        let mut loopers = tokio::task::JoinSet::new();
        for _ in 0..LOOPERS {
            let set = Arc::clone(&stage.looping);
            loopers.spawn(async move {
                admit::validate(&set, &request(), Route::All, &facts(PATIENCE, no_services())).await
            });
        }
        for verdict in loopers.join_all().await {
            assert!(!verdict.allowed);
            assert_eq!(
                verdict.failures.iter().map(|failure| failure.error.to_string()).collect::<Vec<_>>(),
                ["did not finish within 20 ms"]
            );
        }
        assert_eq!(stage.busy(), (0, 0));
    });
}

/// A client that hangs up: its evaluation is dropped wherever it is, waiting, running its first turn or in the slow lane.
#[test]
fn dropped_evaluations_leave_nothing_behind() {
    runtime(2).block_on(async {
        let stage = Stage::new("10s").await;
        for round in 0..LOOPERS {
            let set = Arc::clone(&stage.looping);
            let looper = tokio::spawn(async move {
                admit::validate(&set, &request(), Route::All, &facts(PATIENCE, no_services())).await
            });
            if round % 2 == 0 {
                stage.until("a looper", |(running, _)| running > 0).await;
            }
            looper.abort();
        }
        stage.until("peace", |busy| busy == (0, 0)).await;
        stage.ask_neighbour().await;
    });
}

/// Beyond the queue: at once, and said as such.
#[test]
fn overload_fails_early() {
    runtime(2).block_on(async {
        let stage = Stage::new("10s").await;
        let options = EngineOptions::default();
        let most = options.permits + options.queue;
        let mut loopers = tokio::task::JoinSet::new();
        for _ in 0..most {
            let set = Arc::clone(&stage.looping);
            loopers.spawn(async move {
                admit::validate(&set, &request(), Route::All, &facts(PATIENCE, no_services())).await
            });
        }
        stage.until("the rush", |busy| busy == (options.permits, options.queue)).await;
        let verdict = admit::validate(&stage.looping, &request(), Route::All, &facts(PATIENCE, no_services())).await;
        let expected = format!("is overloaded: {} evaluations are waiting", options.queue);
        assert_eq!(verdict.failures.iter().map(|failure| failure.error.to_string()).collect::<Vec<_>>(), [expected]);
        stage.ask_neighbour().await;
    });
}
