//! SIGTERM under load: a client that keeps to `Connection: close` and `GOAWAY` loses no call.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hyper::body::Bytes;
use stateward_tests::client::{Connection, Endpoint, JSON, Protocol};
use stateward_tests::root;
use stateward_tests::server::{Serve, text};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Two replicas behind a Service, one of them goes. Its endpoint is forgotten some time after it said that it is not ready, so new connections still
/// come to it while it drains.
#[tokio::test(flavor = "multi_thread")]
async fn loses_no_call_of_5000_when_one_of_two_replicas_goes() {
    let going = Serve::start(&["--drain-delay", "2s"]).unwrap();
    let staying = Serve::start(&[]).unwrap();
    let service = Arc::new(Service {
        endpoints: [going.endpoint().unwrap(), staying.endpoint().unwrap()],
        is_forgotten: AtomicBool::new(false),
        left: AtomicU32::new(CALLS),
        connections: AtomicU32::new(0),
    });
    let clients: Vec<_> =
        [Protocol::Http1, Protocol::Http2, Protocol::Http1, Protocol::Http2, Protocol::Http1, Protocol::Http1]
            .into_iter()
            .map(|protocol| tokio::spawn(Arc::clone(&service).call(protocol)))
            .collect();

    until("a part of the calls", || service.left.load(Relaxed) < CALLS - CALLS / 4).await;
    going.terminate().unwrap();
    until("not ready", || going.get("/readyz").is_ok_and(|(status, body)| status == 503 && body == "draining\n")).await;
    // As kube-proxy: late.
    tokio::time::sleep(Duration::from_millis(300)).await;
    service.is_forgotten.store(true, Relaxed);

    for client in clients {
        client.await.unwrap().unwrap();
    }
    assert_eq!(service.left.load(Relaxed), 0);
    let (status, log) = going.wait().unwrap();
    assert!(status.success(), "{status}");
    let served = |log: &[serde_json::Value]| log.iter().filter(|line| text(line, "message") == "admission").count();
    assert!(served(&log) as u32 >= CALLS / 16, "the replica that goes took {} calls", served(&log));
    staying.terminate().unwrap();
}

/// A socket that is closed at once answers what still arrives with a reset, and the client throws away what it has not read: Go's client then fails the
/// calls that the last `GOAWAY` told it to send elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn after_its_last_word_it_still_listens() {
    let serve = Serve::start(&["--drain-delay", "60s"]).unwrap();
    let endpoint = serve.endpoint().unwrap();
    let mut client = endpoint.connect_tls(Protocol::Http1).await.unwrap();
    serve.terminate().unwrap();
    serve.logged("draining").unwrap();
    let body = review();
    let head = format!(
        "POST /mutate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    client.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&answer));
    // Far less than it listens for.
    let mut turns = tokio::time::interval(Duration::from_millis(5));
    for turn in 0..40 {
        turns.tick().await;
        client.get_mut().0.write_all(b"late").await.unwrap_or_else(|error| panic!("turn {turn}: {error}"));
    }
}

/// The API server's way: many calls at once on one connection over HTTP/2. Each is answered, or refused by `GOAWAY` and sent again.
#[tokio::test(flavor = "multi_thread")]
async fn loses_no_call_of_many_on_one_connection() {
    let serve = Serve::start(&["--drain-delay", "60s"]).unwrap();
    let endpoint = serve.endpoint().unwrap();
    let pool = Arc::new(Pool {
        current: tokio::sync::Mutex::new(endpoint.connect(Protocol::Http2).await.unwrap()),
        endpoint,
        left: AtomicU32::new(CALLS),
    });
    let clients: Vec<_> = (0..16).map(|_| tokio::spawn(Arc::clone(&pool).call())).collect();
    until("a part of the calls", || pool.left.load(Relaxed) < CALLS - CALLS / 4).await;
    serve.terminate().unwrap();
    for client in clients {
        client.await.unwrap().unwrap();
    }
    assert_eq!(pool.left.load(Relaxed), 0);
}

/// Without a delay: what has been sent is answered, idle connections are closed, and the process is gone soon.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_delay_it_ends_at_once_and_in_order() {
    let serve = Serve::start(&["--drain-delay", "0"]).unwrap();
    let endpoint = serve.endpoint().unwrap();
    let mut idle = endpoint.connect(Protocol::Http1).await.unwrap();
    let mut idle2 = endpoint.connect(Protocol::Http2).await.unwrap();
    for connection in [&mut idle, &mut idle2] {
        assert_eq!(connection.post("/mutate", review()).await.unwrap().status, 200);
    }
    let silent = endpoint.connect_tls(Protocol::Http1).await.unwrap();
    let started = Instant::now();
    serve.terminate().unwrap();
    let (status, log) = serve.wait().unwrap();
    assert!(status.success(), "{status}");
    assert!(started.elapsed() < Duration::from_secs(10), "took {:?}", started.elapsed());
    assert_eq!(log.last().map(|line| text(line, "message").to_owned()), Some("stopped".to_owned()));
    assert!(!idle.is_usable().await && !idle2.is_usable().await);
    drop(silent);
}

/// While draining, an answer over HTTP/1.1 says that it is the connection's last.
#[tokio::test(flavor = "multi_thread")]
async fn says_connection_close_while_it_drains() {
    let serve = Serve::start(&["--drain-delay", "60s"]).unwrap();
    let endpoint = serve.endpoint().unwrap();
    let mut kept = endpoint.connect(Protocol::Http1).await.unwrap();
    for _ in 0..2 {
        assert_eq!(kept.post("/mutate", review()).await.unwrap().status, 200);
        assert!(kept.is_usable().await);
    }
    serve.terminate().unwrap();
    serve.logged("draining").unwrap();
    assert_eq!(kept.post("/mutate", review()).await.unwrap().status, 200);
    assert!(!kept.is_usable().await);
    // New ones are still served, each once.
    let mut fresh = endpoint.connect(Protocol::Http1).await.unwrap();
    assert_eq!(fresh.post("/mutate", review()).await.unwrap().status, 200);
    assert!(!fresh.is_usable().await);
    let mut fresh = endpoint.connect(Protocol::Http2).await.unwrap();
    assert_eq!(fresh.post("/mutate", review()).await.unwrap().status, 200);
    until_async("GOAWAY", async || !fresh.is_usable().await).await;
}

/// As a shell has it of what a signal ended: not as if the arguments were wrong.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_and_says_so() {
    let serve = Serve::start(&["--drain-delay", "60s"]).unwrap();
    serve.terminate().unwrap();
    until("draining", || serve.get("/readyz").is_ok_and(|(status, _)| status == 503)).await;
    serve.terminate().unwrap();
    let (status, log) = serve.wait().unwrap();
    assert_eq!(status.code(), Some(143));
    assert!(log.iter().any(|line| text(line, "message").starts_with("ended by a second signal")), "{log:#?}");
}

/// One connection for all, replaced when it takes no more.
struct Pool {
    current: tokio::sync::Mutex<Connection>,
    endpoint: Endpoint,
    left: AtomicU32,
}

impl Pool {
    async fn call(self: Arc<Self>) -> Result<()> {
        let body = Bytes::from(review());
        while self.left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
            loop {
                let answer = self.connection().await?.try_post("/validate/fail?timeout=5s", JSON, body.clone()).await;
                if let Some(answer) = answer.context("a call failed")? {
                    ensure!(answer.status == 200, "{answer:?}");
                    break;
                }
            }
        }
        Ok(())
    }

    async fn connection(&self) -> Result<Connection> {
        let mut current = self.current.lock().await;
        if !current.is_usable().await {
            *current = self.endpoint.connect(Protocol::Http2).await.context("a connection failed")?;
        }
        current.beside().context("HTTP/2 takes several calls at once")
    }
}

/// A Service with two endpoints.
struct Service {
    endpoints: [Endpoint; 2],
    /// The first endpoint is gone from the list.
    is_forgotten: AtomicBool,
    left: AtomicU32,
    connections: AtomicU32,
}

impl Service {
    async fn call(self: Arc<Self>, protocol: Protocol) -> Result<()> {
        let body = Bytes::from(review());
        let mut connection = self.connect(protocol).await?;
        while self.left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
            loop {
                if !connection.is_usable().await {
                    connection = self.connect(protocol).await?;
                }
                let answer = connection.try_post("/validate/fail?timeout=5s", JSON, body.clone()).await;
                if let Some(answer) = answer.with_context(|| format!("a call over {protocol:?} failed"))? {
                    ensure!(answer.status == 200, "{answer:?}");
                    break;
                }
            }
        }
        Ok(())
    }

    async fn connect(&self, protocol: Protocol) -> Result<Connection> {
        let turn = self.connections.fetch_add(1, Relaxed) % 2;
        let [going, staying] = &self.endpoints;
        let endpoint = if turn == 0 && !self.is_forgotten.load(Relaxed) { going } else { staying };
        endpoint.connect(protocol).await.context("a connection failed")
    }
}

const CALLS: u32 = 5_000;

fn review() -> Vec<u8> {
    std::fs::read(root().join("tests/cases/reviews/create-statefulsets-apply.json")).unwrap()
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    until_async(what, async || condition()).await;
}

async fn until_async(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap_or_else(|_| panic!("waited in vain for {what}"));
}
