//! The control plane's certificates and kubeconfigs.
//!
//! Users other than those of the components are impersonated by the administrator: any name, any groups, no certificate each.

use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use serde_json::{Value, json};

/// The one authority: of the API server, and of its clients.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate.
    pub(crate) pem: String,
}

/// A certificate and its key.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "control plane of the tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    /// For a server at this address.
    pub(crate) fn server(&self, address: Ipv4Addr) -> Result<Identity> {
        let names = [address.to_string(), "localhost".to_owned(), "kubernetes.default.svc".to_owned()];
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(&params)
    }

    /// For a user, with at most one group.
    pub(crate) fn client(&self, user: &str, group: Option<&str>) -> Result<Identity> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, user);
        if let Some(group) = group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Result<Identity> {
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Identity { certificate, key: key.serialize_pem() })
    }
}

/// Who a kubeconfig speaks as.
pub(crate) enum User<'a> {
    Certificate(&'a Identity),
    /// The bearer of the token in this file.
    TokenFile(&'a Path),
    /// Somebody, in the words of an administrator.
    Impersonated {
        admin: &'a Identity,
        user: &'a str,
        groups: &'a [&'a str],
    },
}

/// A kubeconfig, as JSON, which is YAML.
pub(crate) fn kubeconfig(server: &str, authority: &str, user: &User<'_>) -> Value {
    let certificate = |identity: &Identity| {
        json!({
            "client-certificate-data": STANDARD.encode(&identity.certificate),
            "client-key-data": STANDARD.encode(&identity.key),
        })
    };
    let user = match user {
        User::Certificate(identity) => certificate(identity),
        User::TokenFile(path) => json!({ "tokenFile": path }),
        User::Impersonated { admin, user, groups } => {
            let mut entry = certificate(admin);
            entry["as"] = json!(user);
            entry["as-groups"] = json!(groups);
            entry
        }
    };
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "tests",
        "clusters": [{
            "name": "tests",
            "cluster": { "server": server, "certificate-authority-data": STANDARD.encode(authority) },
        }],
        "users": [{ "name": "tests", "user": user }],
        "contexts": [{ "name": "tests", "context": { "cluster": "tests", "user": "tests" } }],
    })
}
