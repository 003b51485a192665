//! The authority of a certificate that somebody else renews: cert-manager, or an administrator. The certificate itself is read by the server.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::authority::Certificate;
use super::{BundleReceiver, CaBundle};

/// The file with the authority is of no use.
#[derive(Debug, thiserror::Error)]
pub enum GivenError {
    /// Not there, or not ours to read.
    #[error("could not read `{}`\nhint: put the authority there, or leave `caBundle` to an injector", .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is there.
    #[error("`{}` holds no certificate of an authority\nhint: it must have the certificate that signed `tls.crt`, in PEM, with `CA:TRUE`", .path.display())]
    NoAuthority {
        /// Which file.
        path: PathBuf,
    },
}

/// Reads `ca.crt` in the directory now and then again and again: the receiver, and what keeps it current, which never ends.
///
/// An authority that is replaced stays in the bundle for `overlap`, since other replicas read the new files at another time.
pub fn given(
    directory: &Path,
    overlap: Duration,
) -> Result<(BundleReceiver, impl Future<Output = ()> + Send + use<>), GivenError> {
    let path = directory.join("ca.crt");
    let mut known = Known::default();
    known.see(read(&path)?, overlap, Instant::now());
    let (sender, receiver) = watch::channel(known.bundle());
    let keep = async move {
        let mut failed = false;
        loop {
            sleep(EVERY).await;
            match read(&path) {
                Ok(authorities) => {
                    failed = false;
                    known.see(authorities, overlap, Instant::now());
                }
                Err(error) if !failed => {
                    failed = true;
                    tracing::error!(%error, "authority not read again, the former one stays in force");
                }
                Err(_) => {}
            }
            let bundle = known.bundle();
            sender.send_if_modified(|current| {
                let changed = *current != bundle;
                *current = bundle;
                changed
            });
        }
    };
    Ok((receiver, keep))
}

#[derive(Default)]
struct Known(Vec<(Certificate, Instant)>);

impl Known {
    fn see(&mut self, authorities: Vec<Certificate>, overlap: Duration, now: Instant) {
        self.0.retain(|(known, last)| now.saturating_duration_since(*last) <= overlap && !authorities.contains(known));
        self.0.extend(authorities.into_iter().map(|authority| (authority, now)));
    }

    fn bundle(&self) -> Option<Arc<CaBundle>> {
        CaBundle::of(self.0.iter().map(|(authority, _)| authority.clone())).map(Arc::new)
    }
}

fn read(path: &Path) -> Result<Vec<Certificate>, GivenError> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|source| GivenError::Read { path: path.to_path_buf(), source })?;
    let authorities = Certificate::read_authorities(&text);
    if authorities.is_empty() { Err(GivenError::NoAuthority { path: path.to_path_buf() }) } else { Ok(authorities) }
}

/// The server reads the files within a second of their change; the old authority is in the bundle meanwhile and the next one is not, so be quick.
const EVERY: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn authority() -> String {
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
    }

    #[test]
    fn a_replaced_authority_is_trusted_for_the_overlap() {
        let (one, other) = (authority(), authority());
        let (t0, overlap) = (Instant::now(), Duration::from_secs(60));
        let mut known = Known::default();
        let mut see = |pem: &str, seconds| {
            known.see(Certificate::read_authorities(pem), overlap, t0 + Duration::from_secs(seconds));
            known.bundle().unwrap().authorities
        };
        assert_eq!(
            [see(&one, 0), see(&one, 100), see(&other, 102), see(&other, 160), see(&other, 161)],
            [1, 1, 2, 2, 1]
        );
    }
}
