//! What the Secret holds, key by key. Anybody may have edited it: each key is judged for itself, and what is of no use counts as absent.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;

use super::authority::{Authority, Certificate, KeyPem};

/// The content of the Secret as far as it is of use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stored {
    /// `tls.crt`, `tls.key`: present when they belong together.
    pub(crate) leaf: Option<Leaf>,
    /// `ca.crt`, `ca.key`: issues.
    pub(crate) current: Option<Authority>,
    /// `next-ca.crt`, `next-ca.key`: is made known before it issues.
    pub(crate) next: Option<Authority>,
    /// `old-ca.crt`: no longer issues.
    pub(crate) old: Vec<Certificate>,
}

/// A serving certificate with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    pub(crate) certificate: Certificate,
    pub(crate) chain_pem: String,
    pub(crate) key: KeyPem,
}

impl Leaf {
    pub(crate) fn read(chain: &str, key: &str) -> Option<Self> {
        let certificate = Certificate::read_all(chain).into_iter().next()?;
        let key = KeyPem::new(key.to_owned());
        key.belongs_to(&certificate).then(|| Self { certificate, chain_pem: chain.to_owned(), key })
    }
}

impl Stored {
    pub(crate) fn read(data: &BTreeMap<String, ByteString>) -> Self {
        let text = |key: &str| data.get(key).and_then(|value| std::str::from_utf8(&value.0).ok()).unwrap_or_default();
        let authority = |certificate: &str, key: &str| {
            let certificate = Certificate::read_authority(text(certificate))?;
            let key = Some(KeyPem::new(text(key).to_owned())).filter(|key| key.belongs_to(&certificate));
            Some(Authority { certificate, key })
        };
        Self {
            leaf: Leaf::read(text(LEAF), text(LEAF_KEY)),
            current: authority(CURRENT, CURRENT_KEY),
            next: authority(NEXT, NEXT_KEY),
            old: Certificate::read_authorities(text(OLD)),
        }
    }

    /// Puts it in place of what is there under our keys.
    pub(crate) fn write(&self, data: &mut BTreeMap<String, ByteString>) {
        let leaf = self.leaf.as_ref();
        let old: String = self.old.iter().map(|certificate| certificate.pem.as_str()).collect();
        let mut put = |key: &str, value: Option<&str>| match value {
            Some(value) => drop(data.insert(key.to_owned(), ByteString(value.as_bytes().to_vec()))),
            None => drop(data.remove(key)),
        };
        put(LEAF, leaf.map(|leaf| leaf.chain_pem.as_str()));
        put(LEAF_KEY, leaf.map(|leaf| leaf.key.as_str()));
        for (authority, certificate, key) in [(&self.current, CURRENT, CURRENT_KEY), (&self.next, NEXT, NEXT_KEY)] {
            put(certificate, authority.as_ref().map(|authority| authority.certificate.pem.as_str()));
            put(key, authority.as_ref().and_then(|authority| authority.key.as_ref()).map(KeyPem::as_str));
        }
        put(OLD, Some(old.as_str()).filter(|old| !old.is_empty()));
    }

    /// All that are to be trusted.
    pub(crate) fn authorities(&self) -> impl Iterator<Item = &Certificate> {
        [&self.current, &self.next].into_iter().flatten().map(|authority| &authority.certificate).chain(&self.old)
    }

    /// Who signed the leaf.
    pub(crate) fn issuer(&self) -> Option<&Certificate> {
        let leaf = self.leaf.as_ref()?;
        self.authorities().find(|authority| authority.signed(&leaf.certificate))
    }
}

const LEAF: &str = "tls.crt";
const LEAF_KEY: &str = "tls.key";
const CURRENT: &str = "ca.crt";
const CURRENT_KEY: &str = "ca.key";
const NEXT: &str = "next-ca.crt";
const NEXT_KEY: &str = "next-ca.key";
const OLD: &str = "old-ca.crt";
