//! A server outside the cluster: no pod, no Service, no balancer. The API server calls it by a URL, over HTTP/2, with what is registered for that.

use std::net::{SocketAddrV4, TcpListener};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use stateward_cluster::names::APP;
use stateward_cluster_tests::installed::Installed;
use stateward_cluster_tests::shop::{SHOP, stateful_set};
use stateward_cluster_tests::{root, stateward};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_outside_the_cluster_is_called_by_its_url() -> Result<()> {
    Installed::run_bare("outside", sections).await
}

async fn sections(on: &Installed) -> Result<()> {
    let apply = async |flag: &str, path: &str| {
        on.granted(&["apply", "--server-side", flag, &root().join("deploy").join(path).to_string_lossy()]).await
    };
    apply("-k", "crds").await?;
    on.granted(&["wait", "--for=condition=Established", "--timeout=30s", "crd/wasmpolicies.stateward.dev"]).await?;
    for file in ["namespace.yaml", "rbac.yaml", "policies.yaml"] {
        apply("-f", &format!("base/{file}")).await?;
    }
    let server = Server::start(on)?;
    on.enforces().await?;
    on.open_shop().await?;
    on.refuses().await?;

    let output = on.plane.kubectl(&["get", "validatingwebhookconfiguration", APP, "-o", "json"]).await?;
    let configuration: Value = serde_json::from_slice(&output.stdout)?;
    for entry in configuration["webhooks"].as_array().context("no entries")? {
        let path = entry["name"].as_str().and_then(|name| name.split('.').next()).unwrap_or_default();
        let url = format!("{}/{}", server.url, path.replace('-', "/"));
        ensure!(entry["clientConfig"]["url"] == url && entry["clientConfig"]["service"].is_null(), "{entry:#}");
    }
    let before = on.plane.webhook_counts().await?;
    on.plane.apply(&stateful_set("ledger", 2).to_string()).await?;
    on.granted(&["rollout", "status", "statefulset/ledger", "-n", SHOP, "--timeout=60s"]).await?;
    on.fails("validate-closed.stateward.dev").await?;
    on.is_guarded(true).await?;
    let roles = ["get", "pods", "-n", SHOP, "-o", "jsonpath={.items[*].metadata.labels.stateward\\.dev/role}"];
    let roles = on.plane.kubectl(&roles).await?.stdout;
    ensure!(roles == b"manager worker", "{}", String::from_utf8_lossy(&roles));
    let after = on.plane.webhook_counts().await?;
    ensure!(after.calls > before.calls && after.failures() == before.failures(), "{before:?}, then {after:?}");
    ensure!(on.balancer.accepted() == 0 && on.kubelet.all().is_empty(), "somebody else was asked");
    Ok(())
}

/// Ends when it is dropped.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start(on: &Installed) -> Result<Self> {
        let [address, admin] = [free(on)?, free(on)?];
        let url = format!("https://{address}");
        let process = Command::new(stateward())
            .args(["serve", "--cluster", "--listen", &address.to_string(), "--admin-listen", &admin.to_string()])
            .args(["--webhook-url", &url, "--identity", "outside"])
            .env("KUBECONFIG", on.plane.admin())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(on.plane.folder().join("outside.log"))?)
            .spawn()?;
        Ok(Self { process, url })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// On the control plane's own address; who takes it in between fails the test.
fn free(on: &Installed) -> Result<SocketAddrV4> {
    let address = on.plane.address();
    let listener = TcpListener::bind((address, 0))?;
    Ok(SocketAddrV4::new(address, listener.local_addr()?.port()))
}
