//! Somebody else's certificate, mounted from a Secret: what is beside it is registered, and every step of its renewal is followed without a lost call.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use stateward_cluster::names::{APP, CERTIFICATES, NAMESPACE};
use stateward_cluster_tests::installed::Installed;
use stateward_cluster_tests::load::Load;
use stateward_cluster_tests::{eventually, measured};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_given_certificate_is_followed() -> Result<()> {
    let (first, second) = (Authority::new("first")?, Authority::new("second")?);
    let issued = first.issue()?;
    let overlay = [("kustomization.yaml", KUSTOMIZATION), ("secret.yaml", &secret(&issued, &[&first]).to_string())];
    Installed::run_overlaid("given", &overlay, async |on| {
        on.replicas(3).await?;
        on.open_shop().await?;
        serves(on, &issued, &[&first]).await.context("at first")?;
        renewed(on, &first, &second).await.context("a renewal step by step")?;
        replaced(on, &second).await.context("all at once")
    })
    .await
}

async fn renewed(on: &Installed, first: &Authority, second: &Authority) -> Result<()> {
    let before = on.plane.webhook_counts().await?;
    let load = Load { workers: 1, ..Installed::creates(MOST) }.start(&on.plane)?;
    let more = async |what: &str| {
        let than = load.done();
        eventually(what, PATIENCE, async || Ok((load.done() >= than + SOME).then_some(()))).await
    };
    more("creates before").await?;

    let mut serving = first.issue()?;
    put(on, &serving, &[first]).await?;
    serves(on, &serving, &[first]).await.context("a new certificate")?;
    more("creates with a new certificate").await?;

    // Whoever changes the authority lets it be trusted before it issues.
    let accepted = on.balancer.accepted();
    put(on, &serving, &[first, second]).await?;
    serves(on, &serving, &[first, second]).await.context("a new authority beside the former")?;
    more("creates with both authorities").await?;
    ensure!(on.balancer.accepted() > accepted, "the API server made no new connection for another `caBundle`");

    serving = second.issue()?;
    put(on, &serving, &[first, second]).await?;
    serves(on, &serving, &[first, second]).await.context("a certificate of the new authority")?;
    more("creates with a certificate of the new authority").await?;

    // Other replicas may read the files later: the former authority stays for a time.
    put(on, &serving, &[second]).await?;
    eventually("the files have the new authority alone", PATIENCE, async || {
        let expected = second.pem.as_bytes();
        let pods = on.kubelet.pods();
        let is_read = |root: &std::path::Path| std::fs::read(root.join("etc/stateward/tls/ca.crt")).ok();
        Ok(pods.iter().all(|pod| is_read(&pod.root).as_deref() == Some(expected)).then_some(()))
    })
    .await?;
    more("creates without the former authority").await?;
    serves(on, &serving, &[first, second]).await.context("the former authority stays")?;

    // Who starts now knows the new one only; every connection is made anew.
    on.granted(&["rollout", "restart", &format!("deployment/{APP}"), "-n", NAMESPACE]).await?;
    on.replicas(3).await?;
    serves(on, &serving, &[second]).await.context("after a roll-out")?;
    more("creates after a roll-out").await?;
    load.stop();
    let report = load.finish(PATIENCE).await?;
    measured(&format!("{} creates, {} ms at most", report.granted, report.percentile(1.0).as_millis()));
    on.unharmed(before, &report).await?;
    on.refuses().await?;

    let secrets: Api<Secret> = Api::namespaced(on.plane.client()?, NAMESPACE);
    ensure!(secrets.get_opt(CERTIFICATES).await?.is_none(), "`{CERTIFICATES}` was made");
    Ok(())
}

/// Against the documented order: where the certificate is read before the leader reads its authority, new connections fail for so long. It passes by
/// itself; how many calls it costs depends on how many connections are new.
async fn replaced(on: &Installed, second: &Authority) -> Result<()> {
    let before = on.plane.webhook_counts().await?;
    let load = Load { workers: 1, ..Installed::creates(MOST) }.start(&on.plane)?;
    let third = Authority::new("third")?;
    let serving = third.issue()?;
    let begun = Instant::now();
    put(on, &serving, &[&third]).await?;
    serves(on, &serving, &[second, &third]).await?;
    let than = load.done();
    eventually("creates go on", PATIENCE, async || Ok((load.done() >= than + SOME).then_some(()))).await?;
    load.stop();
    let report = load.finish(PATIENCE).await?;
    let failed = on.plane.webhook_counts().await?.failures() - before.failures();
    let took = begun.elapsed().as_millis();
    measured(&format!(
        "{failed} calls fail beside {} granted creates when all comes at once, in {took} ms",
        report.granted
    ));
    on.refuses().await
}

/// Waits until every replica shows this certificate, these authorities are in every entry of both configurations, and one trusts the other.
async fn serves(on: &Installed, issued: &Issued, authorities: &[&Authority]) -> Result<()> {
    let expected = CertificateDer::from_pem_slice(issued.chain.as_bytes())?;
    let mut trusted = pems(authorities);
    trusted.sort();
    eventually("what is served and what is registered", PATIENCE, async || {
        let bundles = bundles(on).await?;
        ensure!(bundles.len() == 5, "{} entries", bundles.len());
        let mut roots = RootCertStore::empty();
        for bundle in &bundles {
            let mut found: Vec<String> = String::from_utf8(bundle.clone())?
                .split_inclusive("-----END CERTIFICATE-----\n")
                .map(str::to_owned)
                .collect();
            found.sort();
            ensure!(found == trusted, "{} authorities, not {}", found.len(), trusted.len());
            for authority in CertificateDer::pem_slice_iter(bundle) {
                roots.add(authority?)?;
            }
        }
        let pods = on.kubelet.pods();
        ensure!(pods.len() == 3, "{} pods", pods.len());
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(config));
        for pod in pods {
            let stream = TcpStream::connect((pod.address, 9443)).await?;
            let name = ServerName::try_from(format!("{APP}.{NAMESPACE}.svc"))?;
            // As an API server does; it fails where the chain is not trusted.
            let stream = connector.connect(name, stream).await.with_context(|| pod.name.clone())?;
            let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            ensure!(shown == Some(&expected), "{} shows another certificate", pod.name);
        }
        Ok(Some(()))
    })
    .await
}

/// Of every entry of both configurations.
async fn bundles(on: &Installed) -> Result<Vec<Vec<u8>>> {
    let validating: Api<ValidatingWebhookConfiguration> = Api::all(on.plane.client()?);
    let mutating: Api<MutatingWebhookConfiguration> = Api::all(on.plane.client()?);
    let validating = validating.get(APP).await?.webhooks.unwrap_or_default();
    let mutating = mutating.get(APP).await?.webhooks.unwrap_or_default();
    let all = validating.into_iter().map(|entry| entry.client_config);
    let all = all.chain(mutating.into_iter().map(|entry| entry.client_config));
    all.map(|config| Ok(config.ca_bundle.context("no caBundle")?.0)).collect()
}

async fn put(on: &Installed, issued: &Issued, authorities: &[&Authority]) -> Result<()> {
    let secrets: Api<Secret> = Api::namespaced(on.plane.client()?, NAMESPACE);
    let patch = json!({ "data": secret(issued, authorities)["data"] });
    secrets.patch("stateward-tls", &PatchParams::default(), &Patch::Merge(patch)).await?;
    Ok(())
}

fn secret(issued: &Issued, authorities: &[&Authority]) -> Value {
    let data = |text: &str| ByteString(text.as_bytes().to_vec());
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": { "name": "stateward-tls", "namespace": NAMESPACE },
        "data": {
            "tls.crt": data(&issued.chain), "tls.key": data(&issued.key), "ca.crt": data(&pems(authorities).concat()),
        },
    })
}

fn pems(authorities: &[&Authority]) -> Vec<String> {
    authorities.iter().map(|authority| authority.pem.clone()).collect()
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

struct Issued {
    chain: String,
    key: String,
}

impl Authority {
    fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem().replace("\r\n", "\n");
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    fn issue(&self) -> Result<Issued> {
        let mut params = CertificateParams::new([format!("{APP}.{NAMESPACE}.svc")])?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        Ok(Issued { chain: params.signed_by(&key, &self.issuer)?.pem(), key: key.serialize_pem() })
    }
}

/// As `deploy/README.md` says.
const KUSTOMIZATION: &str = "
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [BASE, secret.yaml]
patches:
- target: { kind: Deployment, name: stateward }
  patch: |-
    - { op: add, path: /spec/template/spec/containers/0/args/-, value: --tls-dir=/etc/stateward/tls }
    - { op: add, path: /spec/template/spec/containers/0/volumeMounts/-, value: { name: tls, mountPath: /etc/stateward/tls, readOnly: true } }
    - { op: add, path: /spec/template/spec/volumes/-, value: { name: tls, secret: { secretName: stateward-tls } } }
";

/// So many creates with each state of the Secret.
const SOME: u64 = 100;

/// Never reached.
const MOST: u64 = 1_000_000;

const PATIENCE: Duration = Duration::from_secs(90);
