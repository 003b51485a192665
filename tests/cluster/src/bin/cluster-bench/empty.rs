//! The empty webhook in Go, registered like ours and reached like ours: by a Service, through the same kind of hop.

use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;
use stateward_cluster_tests::balancer::Balancer;
use stateward_cluster_tests::installed::Installed;
use stateward_cluster_tests::{binaries, eventually};
use tempfile::TempDir;

/// Runs until it is dropped.
pub(crate) struct Empty {
    process: Child,
    _relay: Balancer,
    _files: TempDir,
}

impl Empty {
    /// Builds, starts and registers it for sets with the label `bench`: `validated` by it, or `mutated` too.
    pub(crate) async fn start(installed: &Installed) -> Result<Self> {
        let files = tempfile::tempdir()?;
        let path = |name: &str| files.path().join(name);
        let status = Command::new("go")
            .args(["build", "-o"])
            .arg(path("emptywebhook"))
            .arg("./emptywebhook")
            .current_dir(binaries::module())
            .status()
            .context("go does not run")?;
        ensure!(status.success(), "the empty webhook does not build");
        let address = Ipv4Addr::LOCALHOST;
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec!["empty.default.svc".to_owned()])?.self_signed(&key)?.pem();
        std::fs::write(path("tls.crt"), &certificate)?;
        std::fs::write(path("tls.key"), key.serialize_pem())?;
        // Free now; who takes it in between fails the bench.
        let port = std::net::TcpListener::bind((address, 0))?.local_addr()?.port();
        let process = Command::new(path("emptywebhook"))
            .arg(format!("{address}:{port}"))
            .args([path("tls.crt"), path("tls.key")])
            .stdin(Stdio::null())
            .spawn()?;
        let relay = Balancer::relay(&installed.plane, PORT, (address, port).into())?;
        let empty = Self { process, _relay: relay, _files: files };
        eventually("the empty webhook listens", Duration::from_secs(10), async || {
            Ok(std::net::TcpStream::connect((address, port)).is_ok().then_some(()))
        })
        .await?;
        let service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": { "name": "empty", "namespace": "default" },
            "spec": { "type": "ExternalName", "externalName": installed.plane.address().to_string(), "ports": [{ "port": PORT }] },
        });
        installed.plane.apply(&service.to_string()).await?;
        for (kind, values) in [("Validating", &["validated", "mutated"][..]), ("Mutating", &["mutated"][..])] {
            let bundle = certificate.lines().collect::<Vec<_>>().join("\n") + "\n";
            let configuration = json!({
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": format!("{kind}WebhookConfiguration"),
                "metadata": { "name": "empty" },
                "webhooks": [{
                    "name": "empty.bench.example",
                    "clientConfig": {
                        "service": { "namespace": "default", "name": "empty", "port": PORT, "path": "/" },
                        "caBundle": encoded(&bundle),
                    },
                    "rules": [{
                        "apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["statefulsets"],
                    }],
                    "objectSelector": { "matchExpressions": [{ "key": "bench", "operator": "In", "values": values }] },
                    "failurePolicy": "Fail",
                    "sideEffects": "None",
                    "admissionReviewVersions": ["v1"],
                    "timeoutSeconds": 5,
                }],
            });
            installed.plane.apply(&configuration.to_string()).await?;
        }
        Ok(empty)
    }
}

impl Drop for Empty {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn encoded(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// Of the Service; free on the control plane's address.
const PORT: u16 = 4443;
