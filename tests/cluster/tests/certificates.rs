//! Our own certificates against a real API server: whatever is done to the Secret, what each replica serves is trusted by what is registered.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use serde_json::json;
use stateward_cluster::certificates::{Names, Registered, SelfManaged, ServingCertificate, Terms};
use stateward_cluster::names::{APP, CERTIFICATES};
use stateward_cluster_tests::{ControlPlane, eventually};
use tokio::sync::watch;
use tokio::task::JoinHandle;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_done_to_the_secret_what_is_served_is_trusted() -> Result<()> {
    let Some(plane) = ControlPlane::start("certificates").await? else { return Ok(()) };
    plane.apply(RIGHTS).await?;
    let world = World::start(&plane).await?;
    let secrets: Api<Secret> = Api::default_namespaced(plane.client()?);
    let edit = async |data: serde_json::Value| {
        let patch = Patch::Merge(json!({ "stringData": data }));
        secrets.patch(CERTIFICATES, &PatchParams::default(), &patch).await
    };
    let garbage = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";

    let first = world.settled(None).await?;
    println!("first: expires {}", first.expires);

    // A lost key of the authority: another authority is introduced, becomes trusted, issues, and the former is forgotten.
    let before = secrets.get(CERTIFICATES).await?;
    edit(json!({ "ca.key": garbage })).await?;
    eventually("a next authority is introduced", PATIENCE, async || {
        world.check()?;
        Ok(keys(&secrets.get(CERTIFICATES).await?).contains(&"next-ca.crt".to_owned()).then_some(()))
    })
    .await?;
    let second = world.settled(Some(&first)).await?;
    let trusted = eventually("the former authority is forgotten", PATIENCE, async || {
        world.check()?;
        Ok(Some(keys(&secrets.get(CERTIFICATES).await?)).filter(|keys| !keys.contains(&"old-ca.crt".to_owned())))
    });
    ensure!(trusted.await? == ["ca.crt", "ca.key", "tls.crt", "tls.key"]);

    // A key of another certificate, garbage, and nothing at all.
    edit(json!({ "tls.key": garbage })).await?;
    let third = world.settled(Some(&second)).await?;
    edit(json!({ "ca.crt": "garbage" })).await?;
    let fourth = world.settled(Some(&third)).await?;
    secrets.delete(CERTIFICATES, &DeleteParams::default()).await?;
    let fifth = world.settled(Some(&fourth)).await?;

    // A backup from long ago, all of it valid, none of it trusted any more.
    let backup = Secret { data: before.data, ..secrets.get(CERTIFICATES).await? };
    secrets.replace(CERTIFICATES, &PostParams::default(), &backup).await?;
    let sixth = world.settled(Some(&fifth)).await?;
    ensure!(sixth.chain_pem == first.chain_pem);

    // The API server goes and comes back.
    plane.restart_apiserver().await?;
    world.check()?;
    let healed = eventually("edited", PATIENCE, async || Ok(Some(edit(json!({ "tls.crt": "" })).await?)));
    healed.await?;
    world.settled(Some(&sixth)).await?;
    plane.passed();
    Ok(())
}

/// Three replicas, one of which leads, and what registers their bundle.
struct World {
    replicas: Vec<Arc<SelfManaged>>,
    /// What is registered: written to the API server and read back.
    in_force: Arc<Mutex<String>>,
    tasks: Vec<JoinHandle<()>>,
}

impl World {
    async fn start(plane: &ControlPlane) -> Result<Self> {
        let user = "system:serviceaccount:default:stateward";
        let replicas: Vec<_> = (0..3).map(|_| Ok(Arc::new(own(plane.client_as(user, &[])?)))).collect::<Result<_>>()?;
        let mut tasks = Vec::new();
        for replica in &replicas {
            let replica = Arc::clone(replica);
            tasks.push(tokio::spawn(async move { replica.follow().await }));
        }
        let leader = replicas.first().context("no replica")?;
        let (registered, seen) = watch::channel(Registered::Nowhere);
        let keeper = Arc::clone(leader);
        tasks.push(tokio::spawn(async move { keeper.keep(seen).await }));

        let in_force = Arc::new(Mutex::new(String::new()));
        let configurations: Api<ValidatingWebhookConfiguration> = Api::all(plane.client()?);
        let (mut bundle, read) = (leader.bundle(), Arc::clone(&in_force));
        tasks.push(tokio::spawn(async move {
            loop {
                let current = bundle.borrow_and_update().clone();
                if let Some(current) = current {
                    let Ok(pem) = register(&configurations, &current.pem).await else {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        bundle.mark_changed();
                        continue;
                    };
                    *read.lock().expect("not poisoned") = pem.clone();
                    registered.send_replace(Registered::Bundles(vec![pem.into_bytes()]));
                }
                if bundle.changed().await.is_err() {
                    return;
                }
            }
        }));
        Ok(Self { replicas, in_force, tasks })
    }

    /// Waits until all replicas serve the same certificate, another than before; and checks all the while.
    async fn settled(&self, former: Option<&ServingCertificate>) -> Result<ServingCertificate> {
        let serving = eventually("all replicas serve the same new certificate", PATIENCE, async || {
            self.check()?;
            let all: Vec<_> = self.replicas.iter().map(|replica| replica.serving().borrow().clone()).collect();
            let [Some(one), rest @ ..] = all.as_slice() else { return Ok(None) };
            let same = rest.iter().all(|other| other.as_ref() == Some(one));
            Ok((same && former != Some(&**one)).then(|| Arc::clone(one)))
        });
        Ok(ServingCertificate::clone(&*serving.await?))
    }

    /// As an API server would: chain, names, purpose and dates.
    fn check(&self) -> Result<()> {
        let in_force = self.in_force.lock().expect("not poisoned").clone();
        for serving in self.replicas.iter().filter_map(|replica| replica.serving().borrow().clone()) {
            if in_force.is_empty() {
                continue;
            }
            let mut roots = RootCertStore::empty();
            for authority in CertificateDer::pem_slice_iter(in_force.as_bytes()) {
                roots.add(authority?)?;
            }
            let verifier =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(aws_lc_rs::default_provider()));
            let leaf = CertificateDer::from_pem_slice(serving.chain_pem.as_bytes())?;
            let name = ServerName::try_from(format!("{APP}.default.svc"))?;
            let verified = verifier.build()?.verify_server_cert(&leaf, &[], &name, &[], UnixTime::now());
            // Not an error that is waited out: it must never happen.
            assert!(verified.is_ok(), "what is served is not trusted: {verified:?}");
        }
        Ok(())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

fn own(client: kube::Client) -> SelfManaged {
    let terms = Terms { propagation: Duration::from_secs(3), overlap: Duration::from_secs(4), ..Terms::default() };
    SelfManaged::new(client, "default", CERTIFICATES, Names::new(APP, "default", Some("127.0.0.1")), None, terms)
}

/// Writes the bundle into a real configuration, which must accept it, and gives back what it holds then.
async fn register(configurations: &Api<ValidatingWebhookConfiguration>, pem: &str) -> Result<String> {
    use base64::Engine as _;
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": APP },
        "webhooks": [{
            "name": "validate.stateward.dev",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Ignore",
            "clientConfig": {
                "caBundle": base64::engine::general_purpose::STANDARD.encode(pem),
                "service": { "name": APP, "namespace": "default" },
            },
        }],
    });
    let written = configurations.patch(APP, &PatchParams::apply(APP).force(), &Patch::Apply(configuration)).await?;
    let webhooks = written.webhooks.unwrap_or_default();
    let bundle = webhooks.into_iter().next().and_then(|webhook| webhook.client_config.ca_bundle);
    Ok(String::from_utf8(bundle.context("no caBundle")?.0)?)
}

fn keys(secret: &Secret) -> Vec<String> {
    secret.data.iter().flatten().map(|(key, _)| key.clone()).collect()
}

const PATIENCE: Duration = Duration::from_secs(30);

/// No more than `deploy/base` gives.
const RIGHTS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: { name: certificates, namespace: default }
rules:
- { apiGroups: [''], resources: [secrets], verbs: [create] }
- { apiGroups: [''], resources: [secrets], resourceNames: [stateward-certificates], verbs: [get, list, watch, update] }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: { name: certificates, namespace: default }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: Role, name: certificates }
subjects: [{ kind: ServiceAccount, name: stateward, namespace: default }]
";
