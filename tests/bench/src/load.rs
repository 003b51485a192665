//! The load generator: as many clients as asked for, each sends its next review when it has read the answer to the last (a closed loop), over
//! TLS connections that stay open. HTTP/1.1 as the API server speaks to a Service: a connection for each client. HTTP/2 as it speaks to a URL:
//! all clients on one connection.

mod http1;
mod http2;
mod samples;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use samples::Clients;

/// What to send, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The server.
    pub address: SocketAddr,
    /// What to trust, PEM.
    pub ca: PathBuf,
    /// `/validate/fail`
    pub path: String,
    /// Over what.
    pub protocol: Protocol,
    /// Reviews under way at any time.
    pub clients: usize,
    /// No more than these in all.
    pub requests: u64,
    /// No longer than this.
    pub time: Duration,
    /// Before the measurement, on the same connections.
    pub warm_up: Duration,
    /// In rotation.
    pub reviews: Vec<String>,
}

/// HTTP's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// A connection for each client.
    Http1,
    /// One connection for all.
    Http2,
}

/// What came back.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// Answered with a verdict.
    pub answered: u64,
    /// Verdicts that allowed.
    pub allowed: u64,
    /// Not answered, not with 200, not with a verdict, or with a policy that failed.
    pub errors: u64,
    /// What the first error was.
    pub first_error: Option<String>,
    /// From the first request to the last answer.
    pub seconds: f64,
    /// Latency, microseconds.
    pub p50_us: f64,
    /// Latency, microseconds.
    pub p90_us: f64,
    /// Latency, microseconds.
    pub p99_us: f64,
    /// Latency, microseconds.
    pub max_us: f64,
}

impl Report {
    /// Verdicts a second.
    #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
    pub fn per_second(&self) -> f64 {
        self.answered as f64 / self.seconds
    }
}

/// Connects, warms up, waits for `go` and measures.
pub async fn run(plan: Plan, go: impl Future<Output = Result<()>>) -> Result<Report> {
    anyhow::ensure!(!plan.reviews.is_empty(), "there is no review to send");
    let plan = Arc::new(plan);
    let connector = Connector::new(&plan)?;
    match plan.protocol {
        Protocol::Http1 => {
            let mut connections = Vec::new();
            for _ in 0..plan.clients {
                connections.push(http1::Connection::new(connector.connect().await?, &plan));
            }
            measure(&plan, connections, go).await
        }
        Protocol::Http2 => {
            let connection = http2::Connection::new(connector.connect().await?, &plan).await?;
            measure(&plan, vec![connection; plan.clients], go).await
        }
    }
}

/// One client: asks the n-th review, and answers what the server says.
trait Client: Send + 'static {
    fn ask(&mut self, n: usize) -> impl Future<Output = Result<Answer>> + Send;
}

/// A verdict, as far as the load generator reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Answer {
    allowed: bool,
}

impl Answer {
    /// Reads no JSON: the server writes no spaces, and a parser would cost more than what is measured.
    fn read(status: u16, body: &[u8]) -> Result<Self> {
        let has = |text: &str| body.windows(text.len()).any(|window| window == text.as_bytes());
        let allowed = has("\"allowed\":true");
        if status != 200 || !(allowed || has("\"allowed\":false")) || has("\"code\":5") {
            bail!("the server answered {status}: {}", String::from_utf8_lossy(body.get(..400).unwrap_or(body)));
        }
        Ok(Self { allowed })
    }
}

async fn measure<C: Client>(plan: &Plan, clients: Vec<C>, go: impl Future<Output = Result<()>>) -> Result<Report> {
    let mut clients = Clients::new(clients);
    let warm = clients.run(plan.reviews.len(), u64::MAX, plan.warm_up).await;
    if let Some(error) = warm.first_error {
        bail!("while warming up: {error}");
    }
    go.await?;
    Ok(clients.run(plan.reviews.len(), plan.requests, plan.time).await)
}

struct Connector {
    address: SocketAddr,
    tls: TlsConnector,
    name: ServerName<'static>,
}

impl Connector {
    fn new(plan: &Plan) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        let pem = std::fs::read(&plan.ca).with_context(|| format!("cannot read {}", plan.ca.display()))?;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            roots.add(certificate?)?;
        }
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?;
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![match plan.protocol {
            Protocol::Http1 => b"http/1.1".to_vec(),
            Protocol::Http2 => b"h2".to_vec(),
        }];
        let name = ServerName::try_from("localhost")?;
        Ok(Self { address: plan.address, tls: TlsConnector::from(Arc::new(config)), name })
    }

    async fn connect(&self) -> Result<TlsStream<TcpStream>> {
        let connecting = async {
            let stream = TcpStream::connect(self.address).await?;
            stream.set_nodelay(true)?;
            self.tls.connect(self.name.clone(), stream).await
        };
        let connected = tokio::time::timeout(PATIENCE, connecting).await;
        connected
            .context("the server does not answer in time")?
            .with_context(|| format!("cannot connect to {}", self.address))
    }
}

/// For one answer, whatever the server does.
const PATIENCE: Duration = Duration::from_secs(10);

fn nanoseconds_since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_verdict_is_an_answer() {
        assert!(Answer::read(200, br#"{"response":{"uid":"1","allowed":true}}"#).unwrap().allowed);
        assert!(!Answer::read(200, br#"{"response":{"allowed":false,"status":{"code":403}}}"#).unwrap().allowed);
        for (status, body) in [(503, "too many"), (200, "{}"), (200, r#"{"allowed":false,"status":{"code":500}}"#)] {
            let error = Answer::read(status, body.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(&status.to_string()), "{error}");
        }
    }
}
