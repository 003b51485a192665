//! The serving certificate: made and renewed by ourselves and kept in a Secret, or given.
//!
//! Every replica follows the Secret; the leader changes it. What is served and what is to be trusted comes out as PEM, for the server and for the
//! webhook configurations. Deliberately knows neither: in come the `caBundle`s that were read ([`Registered`]).

mod authority;
mod given;
mod issue;
mod memory;
mod plan;
mod registered;
mod secret;
mod self_managed;

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

pub use self::authority::KeyPem;
pub use self::authority::expiry;
pub use self::given::{GivenError, given};
pub use self::issue::IssueError;
pub use self::plan::Terms;
pub use self::registered::follow_registered;
pub use self::self_managed::{CertificatesError, SelfManaged};

use self::authority::Certificate;

/// What the server needs to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServingCertificate {
    /// The certificate, and what else belongs into the chain.
    pub chain_pem: String,
    /// Its key, PKCS#8.
    pub key_pem: KeyPem,
    /// From then on the API server refuses it.
    pub expires: Timestamp,
    /// The same for the authority that signed it.
    pub authority_expires: Timestamp,
    pub(crate) certificate: Certificate,
    pub(crate) issuer: Certificate,
}

/// The authorities to be trusted, all of them: during a change-over the former and the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaBundle {
    /// For `clientConfig.caBundle`.
    pub pem: String,
    /// How many.
    pub authorities: usize,
}

impl CaBundle {
    /// All authorities in the text, each once and in an order that does not depend on the text's; `None` when there is none.
    pub fn read(pem: &str) -> Option<Self> {
        Self::of(Certificate::read_authorities(pem))
    }

    pub(crate) fn of(authorities: impl IntoIterator<Item = Certificate>) -> Option<Self> {
        let mut authorities: Vec<_> = authorities.into_iter().collect();
        authorities.sort_by_key(|authority| (authority.not_before, authority.fingerprint));
        authorities.dedup_by_key(|authority| authority.fingerprint);
        let pem = authorities.iter().map(|authority| authority.pem.as_str()).collect();
        (!authorities.is_empty()).then_some(Self { pem, authorities: authorities.len() })
    }
}

/// The bundle in force; `None` until there is one.
pub type BundleReceiver = watch::Receiver<Option<Arc<CaBundle>>>;

/// The `caBundle`s that the API server holds, as last read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Registered {
    /// Not read yet, or no longer known.
    #[default]
    Unknown,
    /// There is no webhook configuration of ours: nobody calls.
    Nowhere,
    /// Of every entry of every configuration, in any order; empty where an entry has none.
    Bundles(Vec<Vec<u8>>),
}

/// What the certificate must be good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    service: String,
    all: BTreeSet<String>,
}

impl Names {
    /// Of the Service; and of a host or address (see [`host_of`]) for an API server that calls a URL.
    pub fn new(service: &str, namespace: &str, host: Option<&str>) -> Self {
        let service = format!("{service}.{namespace}.svc");
        let others = [format!("{service}.cluster.local"), service.trim_end_matches(".svc").to_owned()];
        let host =
            host.map(|host| host.parse().map_or_else(|_| host.to_ascii_lowercase(), |ip: IpAddr| ip.to_string()));
        Self { all: others.into_iter().chain(host).chain([service.clone()]).collect(), service }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &String> {
        self.all.iter()
    }

    pub(crate) fn are_in(&self, names: &BTreeSet<String>) -> bool {
        self.all.is_subset(names)
    }

    /// Whether a replica may serve it: another replica may have been told of another host.
    pub(crate) fn service_is_in(&self, names: &BTreeSet<String>) -> bool {
        names.contains(&self.service)
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, name) in self.all.iter().enumerate() {
            write!(f, "{}`{name}`", if n == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// The host of a webhook's URL, an IPv6 address without its brackets.
pub fn host_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split_once(']')?.0,
        None => authority.split(':').next()?,
    };
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_service_and_url() {
        let names = Names::new("stateward", "stateward-system", host_of("https://[::1]:9443/base?x"));
        insta::assert_snapshot!(names, @"`::1`, `stateward.stateward-system`, `stateward.stateward-system.svc`, `stateward.stateward-system.svc.cluster.local`");
        assert_eq!(host_of("https://Webhook.example:9443"), Some("Webhook.example"));
        assert_eq!(host_of("https://10.0.0.1/x"), Some("10.0.0.1"));
        assert_eq!(host_of("https:///x"), None);
        assert_eq!(host_of("10.0.0.1:9443"), None);
    }

    #[test]
    fn a_bundle_does_not_depend_on_the_order() {
        let authority = || {
            let params = |ca| {
                let mut params = rcgen::CertificateParams::default();
                params.is_ca = ca;
                params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
            };
            (params(rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained)), params(rcgen::IsCa::NoCa))
        };
        let ((a, leaf), (b, _)) = (authority(), authority());
        let bundle = CaBundle::read(&format!("# text\n{a}{leaf}{b}{a}")).unwrap();
        assert_eq!(bundle.authorities, 2);
        assert_eq!(Some(bundle), CaBundle::read(&format!("{b}\r\n{a}")));
        assert_eq!(CaBundle::read(&leaf), None);
        assert_eq!(CaBundle::read("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"), None);
    }
}
