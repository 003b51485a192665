//! The certificate in force. The whole configuration is swapped when its source changes, so leaf and client authority change together.

mod trust;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::metrics::{Metrics, Outcome};
use crate::options::{PemPair, TlsSource};
use crate::self_signed::{CaFile, SelfSigned};
use crate::watch::Watch;
use trust::Patience;
pub use trust::Trust;

/// The certificate could not be loaded. Usually whoever made the Secret is at fault.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Not there, or not ours to read.
    #[error("could not read `{}`{}", .path.display(), hint(.path, .source))]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The temporary directory.
    #[error("could not write `{}`; hint: set TMPDIR to a directory that can be written to", .path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Not PEM, or not what the file's name says.
    #[error("`{}` holds no {what} in PEM", .path.display())]
    Pem {
        /// Which file.
        path: PathBuf,
        /// `certificate` or `private key`.
        what: &'static str,
        /// Why.
        source: pem::Error,
    },
    /// Chain and key do not belong together, or one of them is of no use.
    #[error("`{}/tls.crt` and `tls.key` do not make a serving certificate; hint: both must come from the same issue", .directory.display())]
    Unusable {
        /// Of both files.
        directory: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The client authority.
    #[error("`{}` is no authority for client certificates", .path.display())]
    ClientCa {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: VerifierBuilderError,
    },
    /// The cryptography lacks what TLS 1.2 and 1.3 need.
    #[error("TLS cannot be set up")]
    Protocol(#[source] rustls::Error),
    /// The self-signed certificate.
    #[error("could not make a self-signed certificate")]
    Generate(#[from] rcgen::Error),
}

/// The certificate in force, and where the next one comes from.
pub(crate) struct Certificates {
    config: ArcSwap<ServerConfig>,
    source: Source,
}

enum Source {
    Directory { path: PathBuf, checks_clients: bool, trust: Option<watch::Receiver<Trust>> },
    SelfSigned(CaFile),
    Pushed(watch::Receiver<Option<Arc<PemPair>>>),
}

impl Certificates {
    /// The first one; without a directory, and until one is pushed, self-signed.
    pub(crate) fn load(from: TlsSource, metrics: &Metrics) -> Result<Self, TlsError> {
        let (files, source) = match from {
            TlsSource::Directory { path, checks_clients, trust } => {
                (Files::read(&path, checks_clients)?, Source::Directory { path, checks_clients, trust })
            }
            TlsSource::SelfSigned => {
                let (files, ca) = Files::self_signed()?;
                (files, Source::SelfSigned(ca))
            }
            TlsSource::Pushed(pushed) => {
                let first = pushed.borrow().as_deref().map(Files::pushed);
                (first.map_or_else(|| Files::self_signed().map(|(files, _)| files), Ok)?, Source::Pushed(pushed))
            }
        };
        Ok(Self { config: ArcSwap::from_pointee(files.into_config(metrics)?), source })
    }

    /// For the next connection.
    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        self.config.load_full()
    }

    /// What a client must trust, where the certificate is self-signed.
    pub(crate) fn ca_file(&self) -> Option<PathBuf> {
        match &self.source {
            Source::SelfSigned(ca) => Some(ca.path()),
            Source::Directory { .. } | Source::Pushed(_) => None,
        }
    }

    /// Swaps the configuration when its source changes; ends only where nothing can change.
    pub(crate) async fn keep_current(&self, metrics: &Metrics) {
        match &self.source {
            Source::SelfSigned(_) => {}
            Source::Directory { path, checks_clients, trust } => {
                self.follow_directory(path, *checks_clients, trust.clone(), metrics).await;
            }
            Source::Pushed(pushed) => self.follow_pushed(pushed.clone(), metrics).await,
        }
    }

    async fn follow_directory(
        &self,
        directory: &Path,
        checks_clients: bool,
        mut trust: Option<watch::Receiver<Trust>>,
        metrics: &Metrics,
    ) {
        let mut watch = Watch::new(directory);
        let mut in_force = Files::read(directory, checks_clients).map(|files| files.hash()).ok();
        let mut has_changed = false;
        loop {
            if !std::mem::take(&mut has_changed) {
                watch.changed().await;
            }
            let files = Files::read(directory, checks_clients);
            let hash = files.as_ref().map(Files::hash).ok();
            if hash.is_some() && hash == in_force {
                continue;
            }
            // What cannot be read is reported by the swap.
            if let (Some(trust), Ok(chain)) = (&mut trust, files.as_ref().map_err(drop).and_then(Files::certificates)) {
                tokio::select! {
                    () = trust::trusted(&chain, trust, Patience::default()) => {}
                    () = watch.changed() => {
                        has_changed = true;
                        continue;
                    }
                }
            }
            if self.swap(files, metrics) {
                in_force = hash;
                tracing::info!(directory = %directory.display(), "certificate reloaded");
            }
        }
    }

    async fn follow_pushed(&self, mut pushed: watch::Receiver<Option<Arc<PemPair>>>, metrics: &Metrics) {
        // What was there when the server was bound is seen once more: it may have changed in between.
        pushed.mark_changed();
        while pushed.changed().await.is_ok() {
            let files = pushed.borrow_and_update().as_deref().map(Files::pushed);
            if let Some(files) = files
                && self.swap(Ok(files), metrics)
            {
                tracing::info!("certificate in force");
            }
        }
    }

    /// Whether it could be.
    fn swap(&self, files: Result<Files, TlsError>, metrics: &Metrics) -> bool {
        let config = files.and_then(|files| files.into_config(metrics));
        metrics.tls_reloads.get_or_create(&Outcome::of(config.is_ok())).inc();
        match config {
            Ok(config) => {
                self.config.store(Arc::new(config));
                true
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, cause, "certificate not reloaded, the former one stays in force");
                false
            }
        }
    }
}

struct Files {
    directory: PathBuf,
    chain: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl Files {
    fn self_signed() -> Result<(Self, CaFile), TlsError> {
        let SelfSigned { chain, key, ca } = SelfSigned::generate()?;
        let directory = ca.path().parent().map(Path::to_path_buf).unwrap_or_default();
        Ok((Self { directory, chain: chain.into_bytes(), key: key.into_bytes(), client_ca: None }, ca))
    }

    fn pushed(pair: &PemPair) -> Self {
        let PemPair { chain, key } = pair.clone();
        Self { directory: PathBuf::new(), chain: chain.into_bytes(), key: key.into_bytes(), client_ca: None }
    }

    /// All from one generation: where the files are links through `..data`, that link is followed once.
    fn read(directory: &Path, checks_clients: bool) -> Result<Self, TlsError> {
        let generation = fs::canonicalize(directory.join("..data")).unwrap_or_else(|_| directory.to_path_buf());
        let read = |name: &str| {
            let path = generation.join(name);
            fs::read(&path).map_err(|source| TlsError::Read { path: directory.join(name), source })
        };
        let client_ca = match read("ca.crt") {
            _ if !checks_clients => None,
            Err(TlsError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => None,
            ca => Some(ca?),
        };
        Ok(Self { directory: directory.to_path_buf(), chain: read("tls.crt")?, key: read("tls.key")?, client_ca })
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, ()> {
        certificates(&self.chain, &self.directory).map_err(drop)
    }

    fn hash(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        for part in [Some(&self.chain), Some(&self.key), self.client_ca.as_ref()] {
            hasher.update(part.map_or(0, |part| part.len() as u64 + 1).to_le_bytes());
            hasher.update(part.map(Vec::as_slice).unwrap_or_default());
        }
        hasher.finalize().into()
    }

    fn into_config(self, metrics: &Metrics) -> Result<ServerConfig, TlsError> {
        let chain = certificates(&self.chain, &self.directory.join("tls.crt"))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|source| TlsError::Pem {
            path: self.directory.join("tls.key"),
            what: "private key",
            source,
        })?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
        let config = config.map_err(TlsError::Protocol)?;
        let config = match &self.client_ca {
            None => config.with_no_client_auth(),
            Some(pem) => {
                let path = self.directory.join("ca.crt");
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(certificates(pem, &path)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                config.with_client_cert_verifier(verifier.map_err(|source| TlsError::ClientCa { path, source })?)
            }
        };
        let expiry = expiry_of(&chain);
        let config = config.with_single_cert(chain, key);
        let mut config = config.map_err(|source| TlsError::Unusable { directory: self.directory, source })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // The API server does not resume sessions; and a resumed one would have been checked against a client authority that may be gone.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        if let Some(expiry) = expiry {
            metrics.certificate_expiry.set(expiry);
            if expiry <= jiff::Timestamp::now().as_second() {
                tracing::warn!(
                    expiry,
                    "certificate has expired; hint: the API server refuses to call until `tls.crt` is renewed"
                );
            }
        }
        Ok(config)
    }
}

fn certificates(pem: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bad = |source| TlsError::Pem { path: path.to_path_buf(), what: "certificate", source };
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(bad)?;
    if found.is_empty() { Err(bad(pem::Error::NoItemsFound)) } else { Ok(found) }
}

/// Seconds since 1970.
fn expiry_of(chain: &[CertificateDer<'_>]) -> Option<i64> {
    let (_, leaf) = x509_parser::parse_x509_certificate(chain.first()?).ok()?;
    Some(leaf.validity().not_after.timestamp())
}

fn hint(path: &Path, source: &io::Error) -> &'static str {
    match (source.kind(), path.file_name().and_then(|name| name.to_str())) {
        (io::ErrorKind::NotFound, Some("tls.crt" | "tls.key")) => {
            "; hint: --tls-dir names a directory with `tls.crt` and `tls.key`, as in a Secret of type kubernetes.io/tls"
        }
        _ => "",
    }
}
