//! One replica, asked as the API server asks it: by the trust that is registered, but not through the Service.

use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::Api;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use stateward_cluster::names::{APP, NAMESPACE};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::http::exchange;
use crate::installed::Installed;

impl Installed {
    /// Connects to a replica, if its certificate is one that what is registered trusts.
    pub async fn connect(&self, replica: Ipv4Addr) -> Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        let configurations: Api<ValidatingWebhookConfiguration> = Api::all(self.plane.client()?);
        let webhooks = configurations.get(APP).await?.webhooks.unwrap_or_default();
        let bundle = webhooks.into_iter().next().and_then(|webhook| webhook.client_config.ca_bundle);
        for authority in CertificateDer::pem_slice_iter(&bundle.context("no caBundle")?.0) {
            roots.add(authority?)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let connector = TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()));
        let stream = TcpStream::connect((replica, PORT)).await?;
        Ok(connector.connect(ServerName::try_from(format!("{APP}.{NAMESPACE}.svc"))?, stream).await?)
    }

    /// Sends a review to a replica; status and body of the answer.
    pub async fn review(&self, replica: Ipv4Addr, path: &str, review: &Value) -> Result<(u16, String)> {
        let body = review.to_string();
        let headers = format!("Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close", body.len());
        let request = format!("POST {path} HTTP/1.1\r\nHost: {APP}\r\n{headers}\r\n\r\n{body}");
        exchange(self.connect(replica).await?, &request).await
    }
}

/// Of the container that `deploy/base` runs.
const PORT: u16 = 9443;
