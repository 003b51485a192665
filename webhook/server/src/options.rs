//! Where the server listens, and every limit it keeps.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::tls::Trust;

/// What `serve` asks for.
#[derive(Clone, Debug)]
pub struct Options {
    /// HTTPS, for the API server.
    pub listen: SocketAddr,
    /// Plain HTTP: health and metrics for everybody who reaches it, the rest for loopback.
    pub admin_listen: SocketAddr,
    /// The serving certificate.
    pub tls: TlsSource,
    /// How long to go on accepting after the signal, while endpoints still name this replica.
    pub drain_delay: Duration,
    /// Against slow, many and hostile clients.
    pub limits: Limits,
}

/// Where the serving certificate comes from.
#[derive(Clone, Debug)]
pub enum TlsSource {
    /// A fresh authority for this host, gone with the process.
    SelfSigned,
    /// A folder with `tls.crt` and `tls.key`; swapped when it changes.
    Directory {
        /// Which.
        path: PathBuf,
        /// Whether its `ca.crt`, where there is one, signs clients' certificates, without which nobody is answered. In a Secret of cert-manager's it is
        /// the authority of the serving certificate.
        checks_clients: bool,
        /// What callers trust: a new certificate is held back until they trust it, for minutes at most. `None`: nobody knows, and it is served at once.
        trust: Option<watch::Receiver<Trust>>,
    },
    /// What was sent last. Until something is, a certificate that nobody trusts.
    Pushed(watch::Receiver<Option<Arc<PemPair>>>),
}

/// A serving certificate in PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct PemPair {
    /// Leaf first.
    pub chain: String,
    /// PKCS#8.
    pub key: String,
}

impl fmt::Debug for PemPair {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PemPair").field("chain", &self.chain).finish_non_exhaustive()
    }
}

/// Every wait and every amount that a client could otherwise choose.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Reviews being decided at once. One costs about 50 us of CPU, so this many are answered within tens of milliseconds;
    /// more would only wait for each other.
    pub in_flight: usize,
    /// Bytes of bodies held in memory at once, over all connections; only bytes that arrived count.
    pub buffered_bytes: usize,
    /// Open connections. At the cap the longest idle one gives way.
    pub connections: usize,
    /// TLS handshakes under way. At the cap the oldest gives way, so a flood of half-open connections never locks a good client out.
    pub handshakes: usize,
    /// From accept to the end of the handshake.
    pub handshake_timeout: Duration,
    /// From the first byte of a request to the end of its header (HTTP/1.1).
    pub header_timeout: Duration,
    /// For the body, within the call's own `timeout`.
    pub body_timeout: Duration,
    /// Without a request. Longer than the API server's pool keeps idle connections (90 s), so that it is never us who closes a
    /// connection that is about to be used.
    pub idle_timeout: Duration,
    /// After this, give or take a fifth, a connection is asked to be renewed: load spreads after a scale-out, new certificates reach everybody.
    pub connection_age: Duration,
    /// How long in-flight requests may take once draining has stopped the listener.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            in_flight: 512,
            buffered_bytes: 256 << 20,
            connections: 2_000,
            handshakes: 256,
            handshake_timeout: Duration::from_secs(5),
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(120),
            connection_age: Duration::from_secs(300),
            // The API server's largest `timeoutSeconds`.
            drain_timeout: Duration::from_secs(30),
        }
    }
}

/// Twice the API server's 3 MiB request limit (object and old object), rounded up.
pub const MAX_REVIEW_BYTES: usize = 8 << 20;
