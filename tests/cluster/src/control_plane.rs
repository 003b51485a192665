//! A control plane of our own: etcd, API server, controller manager, scheduler and kwok, and the faults that tests inject into it.
//!
//! It knows nothing of the product: that is installed by the test, and run by [`crate::kubelet`].

use std::fs;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hyper::http::Request;
use k8s_openapi::api::core::v1::{Node, ServiceAccount};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use rustix::process::Signal;
use serde_json::json;
use tokio::runtime::{Handle, Runtime};

use crate::binaries::{self, Program};
use crate::metrics::WebhookCounts;
use crate::network::Network;
use crate::pki::{Authority, Identity, User, kubeconfig};
use crate::processes::{Keeper, POLL, Server};
use crate::{audit, eventually, servers, skip};

/// A running control plane. All of it ends when this is dropped, or the test's process is gone.
pub struct ControlPlane {
    host: Arc<Host>,
    servers: Mutex<Vec<(Program, Server)>>,
    config: Config,
    admin: Identity,
    before: Mutex<WebhookCounts>,
    background: Option<Runtime>,
    has_passed: bool,
}

/// What our own pods need of the machine that they run on.
pub(crate) struct Host {
    pub(crate) folder: PathBuf,
    pub(crate) network: Network,
    pub(crate) keeper: Keeper,
    pub(crate) url: String,
    pub(crate) authority: String,
}

impl ControlPlane {
    /// Starts one, with two nodes and two storage classes. `None`, and a note, where the machine cannot.
    pub async fn start(test: &str) -> Result<Option<Self>> {
        let mut programs = Vec::new();
        for program in Program::CONTROL_PLANE {
            let Some(path) = tokio::task::spawn_blocking(move || binaries::find(program)).await?? else {
                skip(test, &format!("there is no {} and no Go to build it", program.name()));
                return Ok(None);
            };
            programs.push((program, path));
        }
        if binaries::kubectl().is_none() {
            skip(test, "there is no kubectl");
            return Ok(None);
        }
        let folder = tempfile::Builder::new().prefix("stateward-control-plane-").tempdir()?.keep();
        let network = Network::take()?;
        let address = network.host();
        let authority = Authority::new()?;
        let admin = servers::write_identities(&folder, address, &authority)?;
        audit::write_policy(&folder)?;
        let keeper = Keeper::start(&folder.join(servers::STORE))?;
        let servers = programs.into_iter().map(|(program, path)| {
            let log = folder.join(format!("{}.log", program.name()));
            (program, Server::new(path, servers::flags(program, &folder, address), log))
        });
        let servers = Mutex::new(servers.collect());
        let config = Kubeconfig::read_from(folder.join("admin.kubeconfig"))?;
        let config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await?;
        let url = servers::url(address);
        let host = Arc::new(Host { folder, network, keeper, url, authority: authority.pem });
        // Kubelet and balancer go on while a test blocks its own thread.
        let background = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let before = Mutex::default();
        let background = Some(background);
        let plane = Self { host, servers, config, admin, before, background, has_passed: false };
        for program in Program::CONTROL_PLANE {
            plane.start_program(program).await?;
        }
        // What is claimed of a version must have been seen on it.
        let minor = plane.minor().await?;
        ensure!(binaries::asked().is_none_or(|asked| asked == format!("1.{minor}")), "this is Kubernetes 1.{minor}");
        plane.furnish().await?;
        Ok(Some(plane))
    }

    /// Says that the test got what it wanted, so that nobody needs the logs.
    pub fn passed(mut self) {
        self.has_passed = true;
    }

    /// A client of the administrator's, for the runtime that this is called in.
    pub fn client(&self) -> Result<Client> {
        Ok(Client::try_from(self.config.clone())?)
    }

    /// A client of anybody's.
    pub fn client_as(&self, user: &str, groups: &[&str]) -> Result<Client> {
        let mut config = self.config.clone();
        config.auth_info.impersonate = Some(user.to_owned());
        config.auth_info.impersonate_groups = Some(groups.iter().map(|&group| group.to_owned()).collect());
        Ok(Client::try_from(config)?)
    }

    /// A client of the administrator's that asks once: usually an answer of 429 is asked for again for minutes.
    pub(crate) fn client_without_retries(&self) -> Result<Client> {
        let mut config = self.config.clone();
        config.default_retry = false;
        Ok(Client::try_from(config)?)
    }

    /// The administrator's kubeconfig.
    pub fn admin(&self) -> PathBuf {
        self.host.folder.join("admin.kubeconfig")
    }

    /// The kubeconfig of user `alice`, group `dev`, who has a certificate and no rights.
    pub fn alice(&self) -> PathBuf {
        self.host.folder.join("alice.kubeconfig")
    }

    /// A kubeconfig of anybody's: the administrator speaks for them, and the API server and webhooks see them.
    pub fn kubeconfig(&self, user: &str, groups: &[&str]) -> Result<PathBuf> {
        let who = [&[user], groups].concat().join("-");
        let who: String = who.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let path = self.host.folder.join(format!("as-{who}.kubeconfig"));
        let user = User::Impersonated { admin: &self.admin, user, groups };
        fs::write(&path, kubeconfig(&self.host.url, &self.host.authority, &user).to_string())?;
        Ok(path)
    }

    /// Runs kubectl as the administrator.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<Output> {
        self.kubectl_with(&self.admin(), arguments, "").await
    }

    /// Runs kubectl with this kubeconfig and standard input.
    pub async fn kubectl_with(&self, kubeconfig: &Path, arguments: &[&str], input: &str) -> Result<Output> {
        let mut command = Command::new(binaries::kubectl().context("there is no kubectl")?);
        command
            .args(arguments)
            .env("KUBECONFIG", kubeconfig)
            // Its cache of what the server has must not come from another plane, nor be left with the user.
            .env("HOME", &self.host.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let input = input.to_owned();
        let run = move || -> Result<Output> {
            let mut child = command.spawn().context("kubectl does not start")?;
            if let Some(mut stdin) = child.stdin.take() {
                // It may end without reading.
                let _ = stdin.write_all(input.as_bytes());
            }
            Ok(child.wait_with_output()?)
        };
        tokio::task::spawn_blocking(run).await?
    }

    /// Applies this manifest as the administrator, and fails if kubectl does.
    pub async fn apply(&self, manifest: &str) -> Result<()> {
        let output = self.kubectl_with(&self.admin(), &["apply", "--filename", "-"], manifest).await?;
        ensure!(output.status.success(), "kubectl apply: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Starts a component that was stopped or killed, and waits until it answers, where it says so without TLS or to us.
    pub async fn start_program(&self, program: Program) -> Result<()> {
        self.with(program, |server| server.start(&self.host.keeper, &self.host.folder))?;
        eventually(program.name(), PATIENCE, async || {
            // A dead server never answers: say so at once, with its last words.
            if let Err(error) = self.with(program, Server::is_alive) {
                return Ok(Some(Err(error)));
            }
            Ok(self.answers(program).await?.then_some(Ok(())))
        })
        .await?
    }

    /// Ends a component in order, within [`GRACE`], and waits for that.
    pub async fn stop(&self, program: Program) -> Result<()> {
        self.end(program, Signal::TERM).await
    }

    /// Ends a component with SIGKILL.
    pub async fn kill(&self, program: Program) -> Result<()> {
        self.end(program, Signal::KILL).await
    }

    /// Halts a component: it keeps its connections and answers nothing.
    pub fn pause(&self, program: Program) -> Result<()> {
        self.with(program, |server| server.signal(Signal::STOP))
    }

    /// Lets a halted component go on.
    pub fn resume(&self, program: Program) -> Result<()> {
        self.with(program, |server| server.signal(Signal::CONT))
    }

    /// Ends the API server in order and starts it again.
    pub async fn restart_apiserver(&self) -> Result<()> {
        self.stop(Program::KubeApiserver).await?;
        self.start_program(Program::KubeApiserver).await
    }

    /// What the API server says about itself since its last start.
    pub async fn metrics(&self) -> Result<String> {
        self.get("/metrics").await
    }

    /// What the API server counted about webhooks, over all its starts. Calls between our last look and a kill are missing.
    pub async fn webhook_counts(&self) -> Result<WebhookCounts> {
        let now = WebhookCounts::read(&self.metrics().await?);
        Ok(now + *self.before.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Where logs are.
    pub fn folder(&self) -> &Path {
        &self.host.folder
    }

    /// The minor version of the API server, such as 33 of 1.33: for what Kubernetes itself does otherwise in one of them.
    pub async fn minor(&self) -> Result<u32> {
        let version = self.client()?.apiserver_version().await?;
        version.minor.parse().with_context(|| format!("the minor version is `{}`", version.minor))
    }

    /// The address of the control plane, and of the Service.
    pub fn address(&self) -> Ipv4Addr {
        self.host.network.host()
    }

    pub(crate) fn host(&self) -> Arc<Host> {
        Arc::clone(&self.host)
    }

    /// For what goes on beside the test.
    pub(crate) fn background(&self) -> Result<Handle> {
        Ok(self.background.as_ref().context("the control plane has ended")?.handle().clone())
    }

    async fn end(&self, program: Program, signal: Signal) -> Result<()> {
        if program == Program::KubeApiserver {
            let counts = self.metrics().await.map(|metrics| WebhookCounts::read(&metrics)).unwrap_or_default();
            let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
            *before = *before + counts;
        }
        self.with(program, |server| server.signal(signal))?;
        let asked = Instant::now();
        while self.with(program, Server::try_wait)?.is_none() {
            if asked.elapsed() > GRACE {
                self.with(program, |server| server.signal(Signal::KILL))?;
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Calls with the server, holding the lock no longer.
    fn with<T>(&self, program: Program, act: impl FnOnce(&mut Server) -> Result<T>) -> Result<T> {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        let server = servers.iter_mut().find(|(its, _)| *its == program);
        act(&mut server.with_context(|| format!("`{}` is not part of it", program.name()))?.1)
    }

    async fn answers(&self, program: Program) -> Result<bool> {
        match program {
            Program::Etcd => {
                let (address, path) = servers::etcd_health(self.address());
                Ok(crate::http::get(&address, path, POLL * 50).await? == 200)
            }
            Program::KubeApiserver => Ok(self.get("/readyz").await? == "ok"),
            // The others answer with certificates that nobody signed; what they do shows whether they run.
            _ => Ok(true),
        }
    }

    async fn get(&self, path: &str) -> Result<String> {
        Ok(self.client()?.request_text(Request::get(path).body(Vec::new())?).await?)
    }

    /// Two nodes in two zones, and two classes whose volumes kwok makes; then waits until pods can be made.
    async fn furnish(&self) -> Result<()> {
        let client = self.client()?;
        let nodes: Api<Node> = Api::all(client.clone());
        for (name, zone) in [("node-0", "zone-a"), ("node-1", "zone-b")] {
            let labels = json!({ "kubernetes.io/hostname": name, "topology.kubernetes.io/zone": zone });
            let node = json!({ "metadata": { "name": name, "labels": labels } });
            nodes.create(&PostParams::default(), &serde_json::from_value(node)?).await?;
        }
        let classes: Api<StorageClass> = Api::all(client.clone());
        for (name, binding, default) in
            [("remote", "Immediate", "true"), ("remote-wait", "WaitForFirstConsumer", "false")]
        {
            let annotations = json!({ "storageclass.kubernetes.io/is-default-class": default });
            let class = json!({
                "metadata": { "name": name, "annotations": annotations },
                "provisioner": "csi.example.com", "volumeBindingMode": binding, "allowVolumeExpansion": true,
            });
            classes.create(&PostParams::default(), &serde_json::from_value(class)?).await?;
        }
        eventually("nodes are Ready", PATIENCE, async || {
            let nodes = nodes.list(&Default::default()).await?;
            let ready = nodes.iter().filter(|node| is_ready(node)).count();
            Ok((ready == 2).then_some(()))
        })
        .await?;
        let accounts: Api<ServiceAccount> = Api::namespaced(client, "default");
        eventually("ServiceAccount `default`", PATIENCE, async || Ok(accounts.get_opt("default").await?.map(drop)))
            .await
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        self.host.keeper.end();
        if let Some(background) = self.background.take() {
            background.shutdown_background();
        }
        for (_, server) in self.servers.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            server.reap();
        }
        if self.has_passed {
            let _ = fs::remove_dir_all(&self.host.folder);
        } else {
            tell_where(&self.host.folder);
        }
    }
}

fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"))
}

#[expect(clippy::print_stdout, reason = "shown with the failure of the test")]
fn tell_where(folder: &Path) {
    println!("the logs of the control plane and of the pods are in {}", folder.display());
}

/// A busy machine needs 10 s for the API server; one that needs this long is not going to.
const PATIENCE: Duration = Duration::from_secs(60);

/// Open watches keep an API server that was asked to end for its request time-out of a minute; what it was doing ends sooner.
const GRACE: Duration = Duration::from_secs(3);
