//! Certificates and keys as read from PEM: what they are for, until when, and whether they belong together.
//!
//! Reads nothing but PEM and makes nothing: see [`super::issue`].

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;
use rcgen::{KeyPair, PublicKeyData};
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// SHA-256 of the certificate in DER.
pub(crate) type Fingerprint = [u8; 32];

/// One certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// One block, with its line end.
    pub(crate) pem: String,
    der: Vec<u8>,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    /// DNS names and addresses that it is good for.
    pub(crate) names: BTreeSet<String>,
    is_authority: bool,
    public_key: Vec<u8>,
}

/// When the first authority of a bundle expires; `None` where there is none.
pub fn expiry(bundle: &str) -> Option<Timestamp> {
    Certificate::read_authorities(bundle).into_iter().map(|authority| authority.not_after).min()
}

impl Certificate {
    /// All that are in the text. Anything else in it is skipped.
    pub(crate) fn read_all(text: &str) -> Vec<Self> {
        let blocks = text.split(BEGIN).skip(1).filter_map(|rest| rest.split_once(END));
        blocks.filter_map(|(body, _)| Self::read(format!("{BEGIN}{body}{END}\n"))).collect()
    }

    fn read(pem: String) -> Option<Self> {
        let (_, block) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).ok()?;
        let (_, x509) = X509Certificate::from_der(&block.contents).ok()?;
        let validity = x509.validity();
        let names = x509.subject_alternative_name().ok()?;
        let names = names.map(|names| names.value.general_names.iter().filter_map(name).collect());
        Some(Self {
            fingerprint: Sha256::digest(&block.contents).into(),
            not_before: Timestamp::from_second(validity.not_before.timestamp()).ok()?,
            not_after: Timestamp::from_second(validity.not_after.timestamp()).ok()?,
            names: names.unwrap_or_default(),
            is_authority: x509.is_ca(),
            public_key: x509.public_key().subject_public_key.data.to_vec(),
            der: block.contents.clone(),
            pem,
        })
    }

    /// The first in the text that may sign others.
    pub(crate) fn read_authority(text: &str) -> Option<Self> {
        Self::read_all(text).into_iter().find(|certificate| certificate.is_authority)
    }

    /// All in the text that may sign others.
    pub(crate) fn read_authorities(text: &str) -> Vec<Self> {
        Self::read_all(text).into_iter().filter(|certificate| certificate.is_authority).collect()
    }

    pub(crate) fn is_valid_at(&self, now: Timestamp) -> bool {
        self.not_before <= now && now < self.not_after
    }

    /// Whether our key made the other's signature.
    pub(crate) fn signed(&self, other: &Self) -> bool {
        let (Ok((_, ours)), Ok((_, other))) =
            (X509Certificate::from_der(&self.der), X509Certificate::from_der(&other.der))
        else {
            return false;
        };
        self.is_authority && other.verify_signature(Some(ours.public_key())).is_ok()
    }
}

/// A private key, PKCS#8 in PEM. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyPem(String);

impl KeyPem {
    pub(crate) fn new(pem: String) -> Self {
        Self(pem)
    }

    /// For whoever serves with it. Must not be logged.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the certificate is for this key.
    pub(crate) fn belongs_to(&self, certificate: &Certificate) -> bool {
        KeyPair::from_pem(&self.0).is_ok_and(|key| key.der_bytes() == certificate.public_key)
    }
}

impl fmt::Debug for KeyPem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyPem(..)")
    }
}

/// Signs certificates as long as its key is at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authority {
    pub(crate) certificate: Certificate,
    /// `None` when it was lost: then it is only trusted.
    pub(crate) key: Option<KeyPem>,
}

impl Authority {
    pub(crate) fn can_issue(&self, now: Timestamp) -> bool {
        self.key.is_some() && self.certificate.is_valid_at(now)
    }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            address.ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
