//! The flags of etcd, the API server, the controller manager, the scheduler and kwok: what differs from the defaults, and why.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::Result;
use rcgen::KeyPair;

use crate::audit;
use crate::binaries::{self, Program};
use crate::pki::{Authority, Identity, User, kubeconfig};

/// The API server's URL.
pub(crate) fn url(host: Ipv4Addr) -> String {
    format!("https://{host}:{API_PORT}")
}

/// Where etcd answers without TLS whether it is well.
pub(crate) fn etcd_health(host: Ipv4Addr) -> (String, &'static str) {
    (format!("{host}:{ETCD_PORT}"), "/health")
}

/// Writes certificates and kubeconfigs of the components into the folder, and answers the administrator's.
pub(crate) fn write_identities(folder: &Path, host: Ipv4Addr, authority: &Authority) -> Result<Identity> {
    let write = |name: &str, text: &str| fs::write(folder.join(name), text);
    write("ca.crt", &authority.pem)?;
    let server = authority.server(host)?;
    write("apiserver.crt", &server.certificate)?;
    write("apiserver.key", &server.key)?;
    let tokens = KeyPair::generate()?;
    write("tokens.key", &tokens.serialize_pem())?;
    write("tokens.pub", &tokens.public_key_pem())?;

    let components = [
        ("controller", "system:kube-controller-manager", None),
        ("scheduler", "system:kube-scheduler", None),
        ("kwok", "kwok", Some("system:masters")),
        // No rights of her own: for a test to give her some.
        ("alice", "alice", Some("dev")),
    ];
    let config = |identity: &Identity| kubeconfig(&url(host), &authority.pem, &User::Certificate(identity)).to_string();
    for (name, user, group) in components {
        write(&format!("{name}.kubeconfig"), &config(&authority.client(user, group)?))?;
    }
    let admin = authority.client("admin", Some("system:masters"))?;
    write("admin.kubeconfig", &config(&admin))?;
    Ok(admin)
}

/// The flags of one of them.
pub(crate) fn flags(program: Program, folder: &Path, host: Ipv4Addr) -> Vec<String> {
    let file = |name: &str| folder.join(name).display().to_string();
    match program {
        Program::Etcd => vec![
            "--name=e0".to_owned(),
            format!("--data-dir={}", file(STORE)),
            // A test's data need not outlive the machine.
            "--unsafe-no-fsync".to_owned(),
            "--log-level=warn".to_owned(),
            // A lone member elects itself 0.6 s sooner.
            "--heartbeat-interval=20".to_owned(),
            "--election-timeout=200".to_owned(),
            format!("--listen-client-urls=http://{host}:{ETCD_PORT}"),
            format!("--advertise-client-urls=http://{host}:{ETCD_PORT}"),
            format!("--listen-peer-urls=http://{host}:{PEER_PORT}"),
            format!("--initial-advertise-peer-urls=http://{host}:{PEER_PORT}"),
            format!("--initial-cluster=e0=http://{host}:{PEER_PORT}"),
        ],
        Program::KubeApiserver => vec![
            format!("--etcd-servers=http://{host}:{ETCD_PORT}"),
            format!("--bind-address={host}"),
            format!("--secure-port={API_PORT}"),
            // Else it takes the default route's address, and does not start where there is none.
            format!("--advertise-address={host}"),
            // Else it complains that its address is a loopback one.
            "--endpoint-reconciler-type=none".to_owned(),
            "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
            // The default allows everything.
            "--authorization-mode=RBAC".to_owned(),
            // Else privileged pods are refused before any webhook sees them.
            "--allow-privileged".to_owned(),
            format!("--client-ca-file={}", file("ca.crt")),
            format!("--tls-cert-file={}", file("apiserver.crt")),
            format!("--tls-private-key-file={}", file("apiserver.key")),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", file("tokens.pub")),
            format!("--service-account-signing-key-file={}", file("tokens.key")),
            format!("--audit-policy-file={}", file(audit::POLICY)),
            format!("--audit-log-path={}", file(audit::LOG)),
        ],
        Program::KubeControllerManager => vec![
            format!("--kubeconfig={}", file("controller.kubeconfig")),
            // So that pods are created by `system:serviceaccount:kube-system:statefulset-controller`, as everywhere.
            "--use-service-account-credentials".to_owned(),
            "--leader-elect=false".to_owned(),
            format!("--bind-address={host}"),
            format!("--secure-port={CONTROLLERS_PORT}"),
            // The default of 20 a second costs four seconds at the start.
            "--kube-api-qps=500".to_owned(),
            "--kube-api-burst=1000".to_owned(),
            // Volumes are never attached here.
            "--controllers=*,-persistentvolume-attach-detach-controller".to_owned(),
            // A lost race between binder and StatefulSet is else tried again after 15 s.
            "--pvclaimbinder-sync-period=1s".to_owned(),
            format!("--root-ca-file={}", file("ca.crt")),
        ],
        Program::KubeScheduler => vec![
            format!("--kubeconfig={}", file("scheduler.kubeconfig")),
            "--leader-elect=false".to_owned(),
            format!("--bind-address={host}"),
            format!("--secure-port={SCHEDULER_PORT}"),
        ],
        Program::Kwok => vec![
            format!("--kubeconfig={}", file("kwok.kubeconfig")),
            format!("--config={}", binaries::module().join("kwok.yaml").display()),
            "--manage-all-nodes".to_owned(),
            // Without leases nodes become NotReady after 40 s.
            "--node-lease-duration-seconds=40".to_owned(),
            format!("--server-address={host}:{KWOK_PORT}"),
        ],
        Program::Helm => Vec::new(),
    }
}

/// etcd's folder inside that of the control plane.
pub(crate) const STORE: &str = "etcd";

// Each plane has an address of its own, so these can be fixed. Not the usual numbers: a server of the same machine may hold
// one of those on every address. Below 32768, where the kernel begins to give out ports of its own choice.
const ETCD_PORT: u16 = 21_379;
const PEER_PORT: u16 = 21_380;
const API_PORT: u16 = 21_643;
const CONTROLLERS_PORT: u16 = 21_257;
const SCHEDULER_PORT: u16 = 21_259;
const KWOK_PORT: u16 = 21_247;
