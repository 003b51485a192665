//! Plays kubelet for the pods of our own namespace: what the API server says is what runs.
//!
//! Each bound pod's one container becomes a process of the binary that the image would hold, with the arguments, environment,
//! volumes, token and probes of the pod's spec. Nothing is passed by hand, so flags, rights and mounts of the manifests are what
//! is tested. What differs from a real node, since processes share one file system and one network:
//! - a mount is a folder of the test, and paths below `mountPath` in arguments and environment lead there;
//! - relative paths lead into those folders, absolute ones that stand in objects and not in the spec do not;
//! - a pod has an address of its own (127.N.x.y), and `0.0.0.0` in arguments and environment becomes that;
//! - `KUBECONFIG` is added: it holds the API server's URL and leads to the pod's own token, whose usual path cannot be mounted;
//! - crashes back off after 1 s, not 10, and changed Secrets arrive after 1 s, not 60;
//! - no init containers, no exec or gRPC probes, no renewal of tokens (theirs is an hour).

mod container;
mod pod;
mod probe;
mod status;
mod volumes;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt as _};
use rustix::process::{Pid, Signal, kill_process};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::control_plane::{ControlPlane, Host};
use crate::eventually;

pub(crate) use container::only_container;
pub(crate) use probe::port;

/// The kubelet of one namespace. Its processes end with it, or with the control plane.
pub struct Kubelet {
    node: Arc<Node>,
    background: Handle,
    task: Mutex<JoinHandle<()>>,
}

/// What is known of a pod that is or was run here.
#[derive(Debug, Clone)]
pub struct PodView {
    /// Its name.
    pub name: String,
    /// Of this very pod: a successor of the same name has another.
    pub uid: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// Its process, while there is one.
    pub pid: Option<i32>,
    /// How often its process was started again.
    pub restarts: i32,
    /// Whether its readiness probe succeeds.
    pub is_ready: bool,
    /// Whether the pod is gone from the API server and its process ended.
    pub is_gone: bool,
    /// Standard output and error of all its processes.
    pub log: PathBuf,
    /// The container's `/`, once a process was started.
    pub root: PathBuf,
}

/// What the pods share.
struct Node {
    host: Arc<Host>,
    client: Client,
    namespace: String,
    binary: PathBuf,
    pods: Mutex<BTreeMap<String, PodView>>,
    is_off: AtomicBool,
}

impl Kubelet {
    /// Runs the pods of the namespace that our manifests use with this binary, from now on.
    pub fn start(plane: &ControlPlane, binary: PathBuf) -> Result<Self> {
        let background = plane.background()?;
        let _inside = background.enter();
        let host = plane.host();
        fs::create_dir_all(host.folder.join("pods"))?;
        let namespace = stateward_cluster::names::NAMESPACE.to_owned();
        let (client, is_off) = (plane.client()?, AtomicBool::new(false));
        let node = Arc::new(Node { host, client, namespace, binary, pods: Mutex::default(), is_off });
        let task = Mutex::new(background.spawn(follow(Arc::clone(&node))));
        Ok(Self { node, background, task })
    }

    /// Cuts the power of all nodes: the processes are gone, and the API server goes on believing what it was told last.
    pub async fn power_off(&self) -> Result<()> {
        self.node.is_off.store(true, Ordering::Relaxed);
        self.task.lock().unwrap_or_else(PoisonError::into_inner).abort();
        let are_gone = async || Ok(self.all().iter().all(|pod| pod.is_gone).then_some(()));
        eventually("no process of a pod is left", Duration::from_secs(10), are_gone).await
    }

    /// Starts all nodes again: what is bound to them runs anew, from what its volumes held.
    pub fn power_on(&self) {
        self.node.is_off.store(false, Ordering::Relaxed);
        let task = self.background.spawn(follow(Arc::clone(&self.node)));
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = task;
    }

    /// The pods that run, or are about to, in the order of their names.
    pub fn pods(&self) -> Vec<PodView> {
        let mut pods: Vec<PodView> = self.all().into_iter().filter(|pod| !pod.is_gone).collect();
        pods.sort_by(|a, b| a.name.cmp(&b.name));
        pods
    }

    /// All pods that ever ran here.
    pub fn all(&self) -> Vec<PodView> {
        self.node.pods.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// What the pod printed so far, its earlier processes included.
    pub fn log(&self, pod: &str) -> Result<String> {
        let all = self.all();
        let view =
            all.iter().rev().find(|view| view.name == pod).with_context(|| format!("no pod `{pod}` ran here"))?;
        fs::read_to_string(&view.log).with_context(|| format!("cannot read `{}`", view.log.display()))
    }

    /// Sends a signal to the pod's process, as if it came from inside.
    pub fn kill(&self, pod: &str, signal: Signal) -> Result<()> {
        let pods = self.pods();
        let pid = pods.iter().find(|view| view.name == pod).and_then(|view| Pid::from_raw(view.pid?));
        Ok(kill_process(pid.with_context(|| format!("pod `{pod}` has no process"))?, signal)?)
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        // The pods' own tasks end with their channels.
        self.task.lock().unwrap_or_else(PoisonError::into_inner).abort();
    }
}

impl Node {
    fn pods_api(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn is_off(&self) -> bool {
        self.is_off.load(Ordering::Relaxed)
    }

    /// Changes what is known of a pod.
    fn note(&self, uid: &str, change: impl FnOnce(&mut PodView)) {
        if let Some(view) = self.pods.lock().unwrap_or_else(PoisonError::into_inner).get_mut(uid) {
            change(view);
        }
    }
}

/// Gives each bound pod a task, and tells it what becomes of the pod.
async fn follow(node: Arc<Node>) {
    let mut running: BTreeMap<String, watch::Sender<Option<Pod>>> = BTreeMap::new();
    let mut listed = BTreeSet::new();
    let mut events = watcher(node.pods_api(), watcher::Config::default()).backoff(Steadily).boxed();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Apply(pod)) => apply(&node, &mut running, pod),
            Ok(Event::Delete(pod)) => {
                running.remove(&pod.uid().unwrap_or_default()).map(|sender| sender.send_replace(None));
            }
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(pod)) => {
                listed.insert(pod.uid().unwrap_or_default());
                apply(&node, &mut running, pod);
            }
            // Deleted while we did not look.
            Ok(Event::InitDone) => running.retain(|uid, sender| {
                let is_there = listed.contains(uid);
                if !is_there {
                    sender.send_replace(None);
                }
                is_there
            }),
            // The API server is away: what runs goes on, as on a real node.
            Err(_) => {}
        }
    }
}

fn apply(node: &Arc<Node>, running: &mut BTreeMap<String, watch::Sender<Option<Pod>>>, pod: Pod) {
    let uid = pod.uid().unwrap_or_default();
    if let Some(sender) = running.get(&uid) {
        sender.send_replace(Some(pod));
    } else if pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some()) {
        let name = pod.name_any();
        // One that ran before the power was cut keeps its address: a list of addresses in a status can only grow by patches.
        let known = node.pods.lock().unwrap_or_else(PoisonError::into_inner).get(&uid).map(|view| view.address);
        let address = known.unwrap_or_else(|| node.host.network.pod());
        let view = PodView {
            log: node.host.folder.join(format!("pods/{name}-{uid}.log")),
            root: volumes::root(&volumes::folder(&node.host.folder, &uid)),
            name,
            uid: uid.clone(),
            address,
            pid: None,
            restarts: 0,
            is_ready: false,
            is_gone: false,
        };
        node.pods.lock().unwrap_or_else(PoisonError::into_inner).insert(uid.clone(), view.clone());
        let (sender, receiver) = watch::channel(Some(pod));
        running.insert(uid, sender);
        tokio::spawn(pod::run(Arc::clone(node), view, receiver));
    }
}

/// An API server that is away is asked again at once: tests wait for it.
pub(crate) struct Steadily;

impl Iterator for Steadily {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(Duration::from_millis(200))
    }
}

impl Backoff for Steadily {
    fn reset(&mut self) {}
}
