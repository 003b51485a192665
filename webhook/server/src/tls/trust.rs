//! Whether whoever calls trusts a certificate yet. Files of a Secret reach replicas up to a minute apart, and the authority beside a new certificate
//! has to be registered by one of them before any of them serves it: otherwise calls fail for so long.

use std::time::Duration;

use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

/// What callers trust, and since when.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The authorities of each caller, in PEM: one `caBundle` each, all of which must do. An empty one stands for authorities that we do not know.
    pub bundles: Vec<Vec<u8>>,
    /// When it became so.
    pub since: Instant,
}

impl Trust {
    fn covers(&self, chain: &[CertificateDer<'_>]) -> bool {
        self.bundles.iter().filter(|bundle| !bundle.is_empty()).all(|bundle| is_signed_by(chain, bundle))
    }
}

/// How long to wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Until callers have noticed what they are to trust.
    pub propagation: Duration,
    /// In all.
    pub most: Duration,
}

impl Default for Patience {
    /// API servers use what they read about a second before (measured), and some are busy. Kubelets bring a Secret within two minutes, and the leader
    /// reads it within seconds.
    fn default() -> Self {
        Self { propagation: Duration::from_secs(10), most: Duration::from_secs(300) }
    }
}

/// Waits until callers trust the chain and have had the time to notice. Not for ever: who is wrong about them serves what there is.
pub(crate) async fn trusted(
    chain: &[CertificateDer<'_>],
    trust: &mut watch::Receiver<Trust>,
    Patience { propagation, most }: Patience,
) {
    let noticed = async {
        // Without a sender nobody will ever say more.
        while let Ok(covering) = trust.wait_for(|trust| trust.covers(chain)).await.map(|trust| trust.since) {
            tokio::select! {
                () = sleep_until(covering + propagation) => return,
                _ = trust.wait_for(|trust| !trust.covers(chain)) => {}
            }
        }
    };
    if timeout(most, noticed).await.is_err() {
        tracing::warn!(
            waited_seconds = most.as_secs(),
            "certificate is served that the API server does not trust; hint: put its authority into `ca.crt`, or into `caBundle`"
        );
    }
}

/// Only what another authority would mend counts: an expired certificate is none that waiting makes better.
fn is_signed_by(chain: &[CertificateDer<'_>], bundle: &[u8]) -> bool {
    let Some((leaf, intermediates)) = chain.split_first() else { return true };
    let Ok(leaf) = ParsedCertificate::try_from(leaf) else { return true };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(bundle).filter_map(Result::ok));
    let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms.all;
    let verified = verify_server_cert_signed_by_trust_anchor(&leaf, &roots, intermediates, UnixTime::now(), algorithms);
    !matches!(
        verified,
        // Two authorities of one name, as cert-manager makes them, differ by their keys.
        Err(Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature))
    )
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

    use super::*;

    struct Authority {
        issuer: Issuer<'static, KeyPair>,
        pem: Vec<u8>,
    }

    impl Authority {
        fn new(name: &str) -> Self {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let key = KeyPair::generate().unwrap();
            let pem = params.self_signed(&key).unwrap().pem().into_bytes();
            Self { issuer: Issuer::new(params, key), pem }
        }

        fn issue(&self) -> Vec<CertificateDer<'static>> {
            let params = CertificateParams::new(["stateward.stateward-system.svc".to_owned()]).unwrap();
            vec![params.signed_by(&KeyPair::generate().unwrap(), &self.issuer).unwrap().der().clone()]
        }
    }

    fn trust(bundles: &[&[u8]]) -> Trust {
        Trust { bundles: bundles.iter().map(|bundle| bundle.to_vec()).collect(), since: Instant::now() }
    }

    #[test]
    fn every_caller_must_trust_it() {
        // Of one name, as cert-manager makes the next one.
        let (former, next) = (Authority::new("ca"), Authority::new("ca"));
        let both = [former.pem.as_slice(), next.pem.as_slice()].concat();
        let chain = next.issue();
        let covers = |bundles: &[&[u8]]| trust(bundles).covers(&chain);
        assert!(covers(&[&next.pem, &both]));
        assert!(!covers(&[&former.pem]));
        assert!(!covers(&[&both, &former.pem]));
        // Nobody calls, or with authorities that we do not know.
        assert!(covers(&[]) && covers(&[b""]));
    }

    #[tokio::test]
    async fn it_waits_until_callers_have_noticed_and_not_for_ever() {
        let patience = Patience { propagation: Duration::from_millis(20), most: Duration::from_millis(200) };
        let (former, next) = (Authority::new("ca"), Authority::new("ca"));
        let (sender, mut receiver) = watch::channel(trust(&[&former.pem]));
        let begun = Instant::now();
        trusted(&former.issue(), &mut receiver, patience).await;
        assert!(begun.elapsed() >= patience.propagation);
        // Trusted in the middle of the wait: it lasts as long as that takes to be noticed.
        let chain = next.issue();
        let told = async {
            tokio::task::yield_now().await;
            sender.send_replace(trust(&[&next.pem]));
        };
        let begun = Instant::now();
        tokio::join!(trusted(&chain, &mut receiver, patience), told);
        assert!(begun.elapsed() >= patience.propagation);
        // Never: what there is is served after all.
        let begun = Instant::now();
        trusted(&former.issue(), &mut receiver, patience).await;
        assert!(begun.elapsed() >= patience.most);
    }
}
