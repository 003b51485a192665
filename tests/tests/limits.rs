//! Slow, many and hostile clients cost themselves; a good client beside them is answered. The server runs in this process, with short limits.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use stateward_core::inventory::StoredInventory;
use stateward_core::policy_set::PolicySet;
use stateward_server::{Limits, Options, Server, State, TlsSource};
use stateward_tests::client::{Endpoint, JSON, Protocol};
use stateward_tests::root;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_comes_by_drops_is_cut_off() {
    let server = Running::start(Limits { header_timeout: SHORT, ..Limits::default() }).await;
    let mut slow = server.endpoint.connect_tls(Protocol::Http1).await.unwrap();
    let drops = async {
        slow.write_all(b"POST /mutate HTTP/1.1\r\n").await.unwrap();
        while slow.write_all(b"x: y\r\n").await.is_ok() && slow.flush().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, drops).await.unwrap();
    server.until(r#"stateward_closed_connections_total{cause="header_timeout"} 1"#).await;
    server.answers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_outlives_the_time_for_a_header() {
    let server = Running::start(Limits { header_timeout: SHORT, ..Limits::default() }).await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut kept = server.endpoint.connect(protocol).await.unwrap();
        for _ in 0..3 {
            assert_eq!(kept.post("/mutate", review()).await.unwrap().status, 200);
            tokio::time::sleep(SHORT * 2).await;
            assert!(kept.is_usable().await, "{protocol:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_closed_in_the_end() {
    let server = Running::start(Limits { idle_timeout: SHORT, ..Limits::default() }).await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut kept = server.endpoint.connect(protocol).await.unwrap();
        assert_eq!(kept.post("/mutate", review()).await.unwrap().status, 200);
        until(async || !kept.is_usable().await).await;
    }
    // One that never asked anything.
    let mut silent = server.endpoint.connect_tls(Protocol::Http1).await.unwrap();
    assert_eq!(
        timeout(PATIENCE, silent.read_u8()).await.unwrap().unwrap_err().kind(),
        std::io::ErrorKind::UnexpectedEof
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_comes_by_drops_is_given_up() {
    let server = Running::start(Limits { body_timeout: SHORT, ..Limits::default() }).await;
    let mut slow = server.endpoint.connect_tls(Protocol::Http1).await.unwrap();
    slow.write_all(
        b"POST /mutate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{",
    )
    .await
    .unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, slow.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    server.answers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_open_connections_give_way() {
    let limits = Limits { handshakes: 8, handshake_timeout: Duration::from_secs(60), ..Limits::default() };
    let server = Running::start(limits).await;
    let mut half_open = Vec::new();
    for _ in 0..50 {
        half_open.push(TcpStream::connect(server.address).await.unwrap());
        server.answers().await;
    }
    server.until(r#"stateward_handshake_failures_total{cause="displaced"}"#).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_does_not_end_is_ended() {
    let server = Running::start(Limits { handshake_timeout: SHORT, ..Limits::default() }).await;
    let mut half_open = TcpStream::connect(server.address).await.unwrap();
    half_open.write_all(&[0x16, 0x03, 0x01]).await.unwrap();
    assert!(matches!(timeout(PATIENCE, half_open.read(&mut [0; 64])).await.unwrap(), Ok(0) | Err(_)));
    server.until(r#"stateward_handshake_failures_total{cause="timeout"} 1"#).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_cap_the_longest_idle_connection_gives_way() {
    let server = Running::start(Limits { connections: 2, ..Limits::default() }).await;
    let mut first = server.endpoint.connect(Protocol::Http1).await.unwrap();
    first.post("/mutate", review()).await.unwrap();
    let mut second = server.endpoint.connect(Protocol::Http1).await.unwrap();
    second.post("/mutate", review()).await.unwrap();
    let mut third = server.endpoint.connect(Protocol::Http1).await.unwrap();
    assert_eq!(third.post("/mutate", review()).await.unwrap().status, 200);
    until(async || !first.is_usable().await).await;
    assert!(second.is_usable().await);
    assert_eq!(second.post("/mutate", review()).await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_connection_is_renewed_without_a_lost_call() {
    let server = Running::start(Limits { connection_age: SHORT, ..Limits::default() }).await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut kept = server.endpoint.connect(protocol).await.unwrap();
        let calls = async {
            while kept.is_usable().await {
                match kept.try_post("/mutate", JSON, review().into()).await.unwrap() {
                    Some(answer) => assert_eq!(answer.status, 200),
                    // Over HTTP/1.1 the last answer says so; over HTTP/2 the server may say so between two requests.
                    None => assert_eq!(protocol, Protocol::Http2),
                }
            }
        };
        timeout(PATIENCE, calls).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn takes_8_mib_over_both_protocols_and_not_a_byte_more() {
    let server = Running::start(Limits::default()).await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        for (bytes, status) in [(8 << 20, 200), ((8 << 20) + 1, 413), (40 << 20, 413)] {
            let mut body = review();
            body.resize(bytes, b' ');
            let answer = server.endpoint.post(protocol, "/validate/fail", body).await.unwrap();
            assert_eq!(answer.status, status, "{bytes} over {protocol:?}: {}", answer.text());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_statuses_over_both_protocols() {
    let server = Running::start(Limits::default()).await;
    let text = String::from_utf8(review()).unwrap();
    let beta = text.replace("admission.k8s.io/v1\"", "admission.k8s.io/v1beta1\"");
    let nobody = {
        let mut review: serde_json::Value = serde_json::from_str(&text).unwrap();
        review["request"]["uid"] = "".into();
        review.to_string()
    };
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut connection = server.endpoint.connect(protocol).await.unwrap();
        for (path, content_type, body, status) in [
            ("/validate/fail?timeout=5s", "application/json", text.as_str(), 200),
            ("/validate/fail", "application/yaml", &text, 415),
            ("/validate/fail", "application/json", &beta, 400),
            ("/validate/fail", "application/json", &nobody, 400),
            ("/validate/fail", "application/json", "", 400),
            ("/validate", "application/json", &text, 404),
            ("/mutate", "application/json; charset=utf-8", &text, 200),
        ] {
            // A refusal may end an HTTP/1.1 connection whose body was not read.
            if !connection.is_usable().await {
                connection = server.endpoint.connect(protocol).await.unwrap();
            }
            let answer = connection.post_as(path, content_type, body.to_owned()).await.unwrap();
            assert_eq!(answer.status, status, "{path} {content_type}: {}", answer.text());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_http_or_not_tls_disturbs_nobody() {
    let server = Running::start(Limits::default()).await;
    let mut plain = TcpStream::connect(server.address).await.unwrap();
    plain.write_all(b"POST /mutate HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, plain.read_to_end(&mut answer)).await.unwrap();
    assert!(!answer.starts_with(b"HTTP"));
    let mut garbage = server.endpoint.connect_tls(Protocol::Http2).await.unwrap();
    garbage.write_all(&[0xff; 4096]).await.unwrap();
    let _ = timeout(PATIENCE, garbage.read_to_end(&mut answer)).await.unwrap();
    let mut endless = server.endpoint.connect_tls(Protocol::Http1).await.unwrap();
    let flood = async {
        endless.write_all(b"POST /mutate HTTP/1.1\r\n").await.unwrap();
        while endless.write_all(&[b'a'; 1 << 14]).await.is_ok() {}
    };
    timeout(PATIENCE, flood).await.unwrap();
    server.answers().await;
}

/// A server in this process, without policies.
struct Running {
    address: SocketAddr,
    endpoint: Endpoint,
    state: Arc<State>,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(limits: Limits) -> Self {
        let state = Arc::new(State::new());
        state.install(PolicySet::default(), Arc::new(StoredInventory::default()), Vec::new());
        let server = Server::bind(options(limits), Arc::clone(&state)).await.unwrap();
        let address = server.local_addr();
        let ca: PathBuf = server.ca_file().unwrap();
        let endpoint = Endpoint::new(address, &ca).unwrap();
        let task = tokio::spawn(server.run(std::future::pending()));
        Self { address, endpoint, state, task }
    }

    /// A good client is answered.
    async fn answers(&self) {
        assert_eq!(
            self.endpoint.post(Protocol::Http1, "/validate/fail?timeout=5s", review()).await.unwrap().status,
            200
        );
    }

    /// Waits until a line of the metrics begins so.
    async fn until(&self, line: &str) {
        until(async || self.state.metrics().encode().unwrap().lines().any(|found| found.starts_with(line))).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn options(limits: Limits) -> Options {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    Options { listen: any, admin_listen: any, tls: TlsSource::SelfSigned, drain_delay: Duration::ZERO, limits }
}

fn review() -> Vec<u8> {
    std::fs::read(root().join("tests/cases/reviews/create-statefulsets-apply.json")).unwrap()
}

async fn until(mut condition: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, wait).await.unwrap();
}

/// What a limit is set to where the test waits for it.
const SHORT: Duration = Duration::from_millis(200);
/// What no test should come near.
const PATIENCE: Duration = Duration::from_secs(60);
