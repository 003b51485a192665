//! Plays the Service: spreads TCP connections over our Ready pods, late by the time that EndpointSlices and proxies need.
//!
//! The shipped Service is made `ExternalName` with the control plane's own address, where we listen on the port that the
//! Service has: so the API server reaches it without a service network, and the webhook configurations run unchanged.
//! Only its first port is served. Like kube-proxy it leaves connections where they are, knows nothing of TLS, refuses
//! connections while no pod is Ready, and falls back to Ready pods that are ending when there are no others.
//! Unlike it, a connection to a pod that has just died is accepted and then reset.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use futures::StreamExt as _;
use futures::future::ready;
use futures::stream::select;
use k8s_openapi::api::core::v1::{Pod, Service, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::{Patch, PatchParams};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt as _};
use serde_json::json;
use stateward_cluster::names;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::control_plane::ControlPlane;
use crate::kubelet::{Steadily, only_container, port};

/// The proxy of our Service; ends when it is dropped.
pub struct Balancer {
    backends: watch::Receiver<Route>,
    accepted: Arc<AtomicUsize>,
    tasks: Vec<JoinHandle<()>>,
}

/// Where connections go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Route {
    port: u16,
    backends: Vec<SocketAddr>,
}

impl Balancer {
    /// Follows our Service, which need not exist yet, a second late.
    pub fn start(plane: &ControlPlane) -> Result<Self> {
        Self::with_delay(plane, Duration::from_secs(1))
    }

    /// The same with another delay.
    pub fn with_delay(plane: &ControlPlane, delay: Duration) -> Result<Self> {
        let background = plane.background()?;
        let _inside = background.enter();
        let client = plane.client()?;
        let (snapshots, late) = mpsc::unbounded_channel();
        let (sender, backends) = watch::channel(Route::default());
        let accepted = Arc::new(AtomicUsize::new(0));
        let follower = Follower {
            services: Api::namespaced(client.clone(), names::NAMESPACE),
            pods: Api::namespaced(client, names::NAMESPACE),
            address: plane.address(),
            service: None,
            running: BTreeMap::new(),
            listed: BTreeMap::new(),
            snapshots,
        };
        let tasks = vec![
            background.spawn(follower.follow()),
            background.spawn(delay_by(delay, late, sender)),
            background.spawn(serve(plane.address(), backends.clone(), Arc::clone(&accepted))),
        ];
        Ok(Self { backends, accepted, tasks })
    }

    /// The same way to a server that is no pod of ours, on this port: what is compared must come by it too.
    pub fn relay(plane: &ControlPlane, port: u16, backend: SocketAddr) -> Result<Self> {
        let background = plane.background()?;
        let (sender, backends) = watch::channel(Route { port, backends: vec![backend] });
        let accepted = Arc::new(AtomicUsize::new(0));
        let serve = serve(plane.address(), backends.clone(), Arc::clone(&accepted));
        let tasks = vec![background.spawn(async move {
            serve.await;
            drop(sender);
        })];
        Ok(Self { backends, accepted, tasks })
    }

    /// Where new connections go now.
    pub fn backends(&self) -> Vec<SocketAddr> {
        self.backends.borrow().backends.clone()
    }

    /// How many connections there were.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Knows Service and pods, and tells each change.
struct Follower {
    services: Api<Service>,
    pods: Api<Pod>,
    address: Ipv4Addr,
    service: Option<ServiceSpec>,
    running: BTreeMap<String, Pod>,
    /// While the pods are listed anew.
    listed: BTreeMap<String, Pod>,
    snapshots: mpsc::UnboundedSender<(Instant, Route)>,
}

enum Change {
    Service(Box<Event<Service>>),
    Pod(Box<Event<Pod>>),
}

impl Follower {
    async fn follow(mut self) {
        let ours = watcher::Config::default().fields(&format!("metadata.name={}", names::APP));
        let services = watcher(self.services.clone(), ours).backoff(Steadily);
        let pods = watcher(self.pods.clone(), watcher::Config::default()).backoff(Steadily);
        // An error means that the API server is away: what is known goes on.
        let mut changes = select(
            services.filter_map(|event| ready(event.ok().map(|event| Change::Service(Box::new(event))))).boxed(),
            pods.filter_map(|event| ready(event.ok().map(|event| Change::Pod(Box::new(event))))).boxed(),
        );
        let mut last = Route::default();
        while let Some(change) = changes.next().await {
            match change {
                Change::Service(event) => self.take_service(*event),
                Change::Pod(event) => self.take_pod(*event),
            }
            let route = self.route().unwrap_or_default();
            if route != last {
                last = route.clone();
                let _ = self.snapshots.send((Instant::now(), route));
            }
        }
    }

    fn take_service(&mut self, event: Event<Service>) {
        match event {
            Event::Apply(service) | Event::InitApply(service) => {
                let spec = service.spec.unwrap_or_default();
                let here = Some(self.address.to_string());
                if spec.type_.as_deref() != Some("ExternalName") || spec.external_name != here {
                    tokio::spawn(move_service(self.services.clone(), self.address));
                }
                self.service = Some(spec);
            }
            Event::Delete(_) => self.service = None,
            Event::Init | Event::InitDone => {}
        }
    }

    fn take_pod(&mut self, event: Event<Pod>) {
        match event {
            Event::Apply(pod) => drop(self.running.insert(pod.uid().unwrap_or_default(), pod)),
            Event::Delete(pod) => drop(self.running.remove(&pod.uid().unwrap_or_default())),
            Event::Init => self.listed.clear(),
            Event::InitApply(pod) => drop(self.listed.insert(pod.uid().unwrap_or_default(), pod)),
            Event::InitDone => self.running = std::mem::take(&mut self.listed),
        }
    }

    fn route(&self) -> Option<Route> {
        let service = self.service.as_ref()?;
        let ports = service.ports.as_ref()?.first()?;
        let selector = service.selector.as_ref()?;
        let target = ports.target_port.clone().unwrap_or(IntOrString::Int(ports.port));
        let is_ours = |pod: &&Pod| selector.iter().all(|(key, value)| pod.labels().get(key) == Some(value));
        let all_ready: Vec<&Pod> = self.running.values().filter(is_ours).filter(|pod| is_ready(pod)).collect();
        let is_ending = |pod: &&&Pod| pod.metadata.deletion_timestamp.is_some();
        let mut chosen: Vec<&&Pod> = all_ready.iter().filter(|pod| !is_ending(pod)).collect();
        if chosen.is_empty() {
            chosen = all_ready.iter().filter(is_ending).collect();
        }
        let address = |pod: &Pod| -> Option<SocketAddr> {
            let port = port(&target, only_container(pod).ok()?).ok()?;
            Some(SocketAddr::new(pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok()?, port.try_into().ok()?))
        };
        let backends = chosen.into_iter().filter_map(|pod| address(pod)).collect();
        Some(Route { port: ports.port.try_into().ok()?, backends })
    }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"))
}

/// Makes the Service one that the API server finds here. Its ports and selector stay as shipped.
async fn move_service(services: Api<Service>, address: Ipv4Addr) {
    let patch = Patch::Merge(json!({ "spec": {
        "type": "ExternalName", "externalName": address.to_string(),
        "clusterIP": null, "clusterIPs": null, "ipFamilies": null, "ipFamilyPolicy": null, "internalTrafficPolicy": null,
    } }));
    // Failing for good shows in the API server's failing to reach it.
    for _ in 0..ATTEMPTS {
        match services.patch(names::APP, &PatchParams::default(), &patch).await {
            Ok(_) => return,
            Err(kube::Error::Api(status)) if status.code == 404 => return,
            Err(_) => sleep(Duration::from_millis(200)).await,
        }
    }
}

async fn delay_by(delay: Duration, mut late: mpsc::UnboundedReceiver<(Instant, Route)>, sender: watch::Sender<Route>) {
    while let Some((at, route)) = late.recv().await {
        sleep_until(at + delay).await;
        sender.send_replace(route);
    }
}

/// Listens while there is a pod to go to.
async fn serve(address: Ipv4Addr, mut routes: watch::Receiver<Route>, accepted: Arc<AtomicUsize>) {
    let mut listener: Option<(u16, TcpListener)> = None;
    loop {
        let route = routes.borrow_and_update().clone();
        if route.backends.is_empty() || listener.as_ref().is_some_and(|(port, _)| *port != route.port) {
            listener = None;
        }
        if listener.is_none() && !route.backends.is_empty() {
            match TcpListener::bind(SocketAddrV4::new(address, route.port)).await {
                Ok(bound) => listener = Some((route.port, bound)),
                Err(error) => {
                    complain(address, route.port, &error);
                    return;
                }
            }
        }
        let Some((_, open)) = &listener else {
            if routes.changed().await.is_err() {
                return;
            }
            continue;
        };
        tokio::select! {
            changed = routes.changed() => if changed.is_err() { return },
            connection = open.accept() => if let Ok((stream, _)) = connection {
                let turn = accepted.fetch_add(1, Ordering::Relaxed);
                if let Some(backend) = route.backends.get(turn % route.backends.len()) {
                    tokio::spawn(carry(stream, *backend));
                }
            },
        }
    }
}

async fn carry(mut client: TcpStream, backend: SocketAddr) {
    match timeout(CONNECT_LIMIT, TcpStream::connect(backend)).await.context("too late") {
        Ok(Ok(mut server)) => {
            let _ = client.set_nodelay(true);
            let _ = server.set_nodelay(true);
            let _ = copy_bidirectional(&mut client, &mut server).await;
        }
        Ok(Err(_)) | Err(_) => {
            // A reset, not an orderly end: nothing was taken.
            let _ = client.set_zero_linger();
        }
    }
}

#[expect(clippy::print_stdout, reason = "shown with the failure that follows")]
fn complain(address: Ipv4Addr, port: u16, error: &std::io::Error) {
    println!("the balancer cannot listen on {address}:{port}: {error}\nhint: ports below 1024 need root");
}

/// Four seconds: an API server that starts takes three.
const ATTEMPTS: usize = 20;

const CONNECT_LIMIT: Duration = Duration::from_secs(1);
