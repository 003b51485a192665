//! The life of one pod: volumes, process, probes, restarts, and an end in order.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::ResourceExt as _;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::watch;
use tokio::time::Instant;

use super::container::{command, only_container};
use super::probe::Prober;
use super::status::{Is, State};
use super::volumes::{Volumes, folder};
use super::{Node, PodView};
use crate::processes::POLL;

/// Runs the pod until it is gone.
pub(super) async fn run(node: Arc<Node>, view: PodView, receiver: watch::Receiver<Option<Pod>>) {
    let Some(pod) = receiver.borrow().clone() else { return };
    let volumes = Volumes::new(node.client.clone(), folder(&node.host.folder, &view.uid));
    let now = Timestamp::now();
    let container = pod.spec.as_ref().and_then(|spec| spec.containers.first());
    let state = State {
        container: container.map(|container| container.name.clone()).unwrap_or_default(),
        image: container.and_then(|container| container.image.clone()).unwrap_or_default(),
        address: view.address,
        since: now,
        is: Is::Waiting { reason: "ContainerCreating", message: String::new() },
        last_exit: None,
        restarts: 0,
        is_started: false,
        is_ready: false,
        ready_changed: now,
    };
    let at_once = Instant::now();
    let mut life =
        Life { node, view, pod, receiver, volumes, state, written: None, refresh: at_once, next_write: at_once };
    let result = life.live().await;
    if let Err(error) = result {
        life.print(&format!("the test's kubelet gave up: {error:#}"));
    }
    life.node.note(&life.view.uid, |view| (view.pid, view.is_ready, view.is_gone) = (None, false, true));
}

struct Life {
    node: Arc<Node>,
    view: PodView,
    /// As it was at the start: what runs does not change.
    pod: Pod,
    /// As it is: only its deletion matters.
    receiver: watch::Receiver<Option<Pod>>,
    volumes: Volumes,
    state: State,
    written: Option<State>,
    refresh: Instant,
    next_write: Instant,
}

/// Why a process is no longer attended to.
enum Outcome {
    Ended(ExitStatus),
    Unhealthy,
    Deleted,
}

impl Life {
    async fn live(&mut self) -> Result<()> {
        while !self.is_deleted() {
            if self.node.is_off() {
                return Ok(());
            }
            match self.prepare().await {
                Ok((command, container)) => {
                    self.run_process(command, &container).await?;
                    if !self.node.is_off() {
                        self.back_off().await;
                    }
                }
                Err(error) => {
                    // A Secret that is not there yet, or a spec that we do not play: the pod waits, and says for what.
                    let message = format!("{error:#}");
                    self.state.is = Is::Waiting { reason: "CreateContainerConfigError", message };
                    self.wait(RETRY).await;
                }
            }
        }
        if !self.node.is_off() {
            self.delete().await;
        }
        Ok(())
    }

    async fn prepare(&mut self) -> Result<(Command, Container)> {
        let container = only_container(&self.pod)?.clone();
        let status = self.pod.status.get_or_insert_default();
        status.pod_ip = Some(self.view.address.to_string());
        status.host_ip = Some(self.view.address.to_string());
        self.volumes.write(&self.pod).await?;
        let node = &self.node;
        let command = command(&node.host, &node.client, &node.binary, &self.pod, &self.volumes).await?;
        Ok((command, container))
    }

    /// From the start of one process to its end.
    async fn run_process(&mut self, mut command: Command, container: &Container) -> Result<()> {
        let mut child = self.node.host.keeper.spawn(&mut command, &self.view.log)?;
        let pid = Pid::from_child(&child).as_raw_pid();
        self.node.note(&self.view.uid, |view| view.pid = Some(pid));
        self.state.is = Is::Running { since: Timestamp::now() };
        let mut probes = Probes::new(container, &self.view)?;
        let status = match self.attend(&mut child, &mut probes, container).await? {
            Outcome::Ended(status) => status,
            outcome @ (Outcome::Unhealthy | Outcome::Deleted) => {
                if matches!(outcome, Outcome::Unhealthy) {
                    self.print("the test's kubelet: the liveness or startup probe failed");
                }
                self.stop(&mut child, &mut probes, container).await?
            }
        };
        drop(probes);
        self.node.note(&self.view.uid, |view| (view.pid, view.is_ready) = (None, false));
        // As a shell counts: 128 and the signal's number.
        self.state.last_exit = status.code().or_else(|| Some(128 + status.signal()?));
        self.state.is_started = false;
        self.state.set_ready(false);
        Ok(())
    }

    async fn attend(&mut self, child: &mut Child, probes: &mut Probes, container: &Container) -> Result<Outcome> {
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(Outcome::Ended(status));
            }
            if self.node.is_off() {
                return Ok(Outcome::Ended(power_off(child)?));
            }
            if self.is_deleted() {
                return Ok(Outcome::Deleted);
            }
            if probes.startup.fails() || probes.liveness.as_ref().is_some_and(Prober::fails) {
                return Ok(Outcome::Unhealthy);
            }
            self.observe(probes, container).await?;
            if Instant::now() >= self.refresh {
                self.refresh = Instant::now() + REFRESH;
                // An API server that hangs costs one look, not the process's care.
                let refresh = self.volumes.refresh(&self.pod);
                tokio::time::timeout(WRITE_LIMIT, refresh).await.unwrap_or(Ok(()))?;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Takes over what the probes say.
    async fn observe(&mut self, probes: &mut Probes, container: &Container) -> Result<()> {
        if probes.startup.succeeds() && probes.readiness.is_none() {
            let start = |probe| Prober::start(probe, container, self.view.address);
            probes.readiness = Some(start(container.readiness_probe.as_ref())?);
            probes.liveness = Some(start(container.liveness_probe.as_ref())?);
        }
        self.state.is_started = probes.readiness.is_some();
        let is_ready = probes.readiness.as_ref().is_some_and(Prober::succeeds);
        self.state.set_ready(is_ready);
        self.node.note(&self.view.uid, |view| view.is_ready = is_ready);
        self.write_status().await;
        Ok(())
    }

    /// Ends the process in order. Readiness is still asked for, as a kubelet does.
    async fn stop(&mut self, child: &mut Child, probes: &mut Probes, container: &Container) -> Result<ExitStatus> {
        let hook = container.lifecycle.as_ref().and_then(|lifecycle| lifecycle.pre_stop.as_ref());
        let pause = hook.and_then(|hook| hook.sleep.as_ref()).map_or(0, |sleep| sleep.seconds);
        let asked = Instant::now();
        let begin = asked + Duration::from_secs(pause.try_into().unwrap_or(0));
        let end = asked + self.grace();
        let (mut term, mut is_forced) = (None, false);
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            if self.node.is_off() {
                return power_off(child);
            }
            if Instant::now() >= begin.min(end) && term.is_none() {
                kill_process(Pid::from_child(child), Signal::TERM)?;
                term = Some(Instant::now());
            }
            if term.is_some_and(|term| Instant::now() >= end.max(term + LEAST_GRACE)) && !is_forced {
                kill_process(Pid::from_child(child), Signal::KILL)?;
                is_forced = true;
            }
            self.observe(probes, container).await?;
            tokio::time::sleep(POLL).await;
        }
    }

    /// How long the process may take to end.
    fn grace(&self) -> Duration {
        let own = self.pod.spec.as_ref().and_then(|spec| spec.termination_grace_period_seconds);
        let seconds = match &*self.receiver.borrow() {
            Some(now) => now.metadata.deletion_grace_period_seconds.or(own),
            // Deleted by force: the API server no longer knows it.
            None => Some(1),
        };
        Duration::from_secs(seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(30))
    }

    /// Waits before the next start: not at first, then longer each time.
    async fn back_off(&mut self) {
        if self.is_deleted() {
            return;
        }
        let wait = BACK_OFF.saturating_mul(2_u32.saturating_pow(self.state.restarts.try_into().unwrap_or(0)) / 2);
        self.state.restarts += 1;
        let restarts = self.state.restarts;
        self.node.note(&self.view.uid, |view| view.restarts = restarts);
        self.state.is = Is::Waiting { reason: "CrashLoopBackOff", message: String::new() };
        self.wait(wait.min(LONGEST_BACK_OFF)).await;
    }

    /// Waits this long, or until the pod is deleted.
    async fn wait(&mut self, limit: Duration) {
        self.write_status().await;
        let deadline = Instant::now() + limit;
        while !self.is_deleted() && !self.node.is_off() && Instant::now() < deadline {
            tokio::time::sleep(POLL).await;
        }
    }

    fn is_deleted(&self) -> bool {
        self.receiver.borrow().as_ref().is_none_or(|pod| pod.metadata.deletion_timestamp.is_some())
    }

    /// Tells the API server that nothing is left of the pod, for as long as that takes.
    async fn delete(&mut self) {
        let preconditions = Preconditions { uid: Some(self.view.uid.clone()), resource_version: None };
        let params = DeleteParams::default().grace_period(0).preconditions(preconditions);
        while self.receiver.borrow().is_some() {
            match self.node.pods_api().delete(&self.pod.name_any(), &params).await {
                Ok(_) => return,
                // Not there, or another one of that name.
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => return,
                Err(_) => tokio::time::sleep(RETRY).await,
            }
        }
    }

    /// Writes the status if it changed. What cannot be written now is written later.
    async fn write_status(&mut self) {
        let is_known = self.written.as_ref() == Some(&self.state) || self.receiver.borrow().is_none();
        if is_known || Instant::now() < self.next_write {
            return;
        }
        let (pods, patch) = (self.node.pods_api(), Patch::Strategic(self.state.patch()));
        let (name, params) = (self.pod.name_any(), PatchParams::default());
        let write = pods.patch_status(&name, &params, &patch);
        match tokio::time::timeout(WRITE_LIMIT, write).await {
            Ok(Ok(_)) => self.written = Some(self.state.clone()),
            Ok(Err(kube::Error::Api(status))) if status.code == 422 => {
                self.print(&format!("the test's kubelet wrote a bad status: {}", status.message));
                self.written = Some(self.state.clone());
            }
            _ => self.next_write = Instant::now() + RETRY,
        }
    }

    /// Into the pod's log, which is where one looks.
    fn print(&self, line: &str) {
        use std::io::Write as _;
        let file = std::fs::File::options().create(true).append(true).open(&self.view.log);
        let _ = file.and_then(|mut file| writeln!(file, "{line}"));
    }
}

/// Nobody is told, and nothing is written.
fn power_off(child: &mut Child) -> Result<ExitStatus> {
    child.kill()?;
    Ok(child.wait()?)
}

/// The probes of one process. The other two begin when the first has succeeded.
struct Probes {
    startup: Prober,
    readiness: Option<Prober>,
    liveness: Option<Prober>,
}

impl Probes {
    fn new(container: &Container, view: &PodView) -> Result<Self> {
        let startup = Prober::start(container.startup_probe.as_ref(), container, view.address)?;
        Ok(Self { startup, readiness: None, liveness: None })
    }
}

/// How soon a container that could not start is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// How often mounted Secrets are read again.
const REFRESH: Duration = Duration::from_secs(1);

const BACK_OFF: Duration = Duration::from_secs(1);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(10);

/// Between the two signals, also where a hook has taken all of the time: a kubelet's `minimumGracePeriodInSeconds`.
const LEAST_GRACE: Duration = Duration::from_secs(2);

/// An API server that does not answer must not keep us from the process.
const WRITE_LIMIT: Duration = Duration::from_secs(1);
