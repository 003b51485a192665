//! Somebody meddles with our Secret while creates run: it is put right, and no call fails.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use rcgen::{CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use stateward_cluster::names::{APP, CERTIFICATES, NAMESPACE};
use stateward_cluster_tests::eventually;
use stateward_cluster_tests::installed::Installed;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spoiled_secret_fails_no_call() -> Result<()> {
    Installed::run("secret", all).await
}

async fn all(installed: &Installed) -> Result<()> {
    installed.replicas(3).await?;
    installed.open_shop().await?;
    an_expired_certificate_is_renewed(installed).await.context("an expired certificate is renewed")?;
    certificates_are_made_again(installed).await.context("certificates are made again")
}

async fn an_expired_certificate_is_renewed(installed: &Installed) -> Result<()> {
    let before = installed.plane.webhook_counts().await?;
    let report = installed
        .under_load(async || {
            let stored = secret(installed).await?;
            let authority = text(&stored, "ca.crt")?;
            let issuer = Issuer::from_ca_cert_pem(&authority, KeyPair::from_pem(&text(&stored, "ca.key")?)?)?;
            let (chain, key) = expired(&issuer)?;
            edit(installed, json!({ "stringData": { "tls.crt": chain, "tls.key": key } })).await?;
            let leaf = renewed(installed, &[text(&stored, "tls.crt")?, chain]).await?;
            serve(installed, &leaf).await
        })
        .await?;
    installed.unharmed(before, &report).await
}

async fn certificates_are_made_again(installed: &Installed) -> Result<()> {
    let before = installed.plane.webhook_counts().await?;
    let report = installed
        .under_load(async || {
            let first = text(&secret(installed).await?, "tls.crt")?;
            edit(installed, json!({ "stringData": { "tls.crt": "garbage" } })).await?;
            let second = renewed(installed, std::slice::from_ref(&first)).await?;
            serve(installed, &second).await?;
            // Another authority is trusted for a minute before it issues what is served; that is lost, too, before the minute is over.
            edit(installed, json!({ "data": { "ca.crt": null, "ca.key": null } })).await?;
            let third = renewed(installed, &[first.clone(), second.clone()]).await?;
            let secrets: Api<Secret> = Api::namespaced(installed.plane.client()?, NAMESPACE);
            secrets.delete(CERTIFICATES, &DeleteParams::default()).await?;
            let fourth = renewed(installed, &[first, second, third]).await?;
            serve(installed, &fourth).await?;
            Ok(())
        })
        .await?;
    installed.unharmed(before, &report).await?;
    installed.refuses().await
}

/// Waits until the Secret holds a certificate, none of these.
async fn renewed(installed: &Installed, former: &[String]) -> Result<String> {
    eventually("another certificate is in the Secret", PATIENCE, async || {
        let leaf = text(&secret(installed).await?, "tls.crt")?;
        let is_certificate = leaf.starts_with("-----BEGIN CERTIFICATE-----");
        Ok((is_certificate && !former.contains(&leaf)).then_some(leaf))
    })
    .await
}

/// Waits until every replica serves this certificate, and what is registered trusts it.
async fn serve(installed: &Installed, leaf: &str) -> Result<()> {
    let wanted = CertificateDer::from_pem_slice(leaf.as_bytes())?;
    eventually("every replica serves it", PATIENCE, async || {
        for pod in installed.kubelet.pods() {
            let stream = installed.connect(pod.address).await.with_context(|| pod.name.clone())?;
            let served = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
            ensure!(served == Some(&wanted), "{} serves another", pod.name);
        }
        Ok(Some(()))
    })
    .await
}

async fn secret(installed: &Installed) -> Result<BTreeMap<String, ByteString>> {
    let secrets: Api<Secret> = Api::namespaced(installed.plane.client()?, NAMESPACE);
    Ok(secrets.get(CERTIFICATES).await?.data.unwrap_or_default())
}

fn text(data: &BTreeMap<String, ByteString>, key: &str) -> Result<String> {
    Ok(String::from_utf8(data.get(key).with_context(|| format!("no {key}"))?.0.clone())?)
}

async fn edit(installed: &Installed, patch: Value) -> Result<()> {
    let secrets: Api<Secret> = Api::namespaced(installed.plane.client()?, NAMESPACE);
    secrets.patch(CERTIFICATES, &PatchParams::default(), &Patch::Merge(patch)).await?;
    Ok(())
}

/// All in order but for the time.
fn expired(issuer: &Issuer<'_, KeyPair>) -> Result<(String, String)> {
    let mut params = CertificateParams::new(vec![
        format!("{APP}.{NAMESPACE}"),
        format!("{APP}.{NAMESPACE}.svc"),
        format!("{APP}.{NAMESPACE}.svc.cluster.local"),
    ])?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2020, 4, 1);
    let key = KeyPair::generate()?;
    Ok((params.signed_by(&key, issuer)?.pem(), key.serialize_pem()))
}

/// An authority is made known a minute before it issues.
const PATIENCE: Duration = Duration::from_secs(120);
