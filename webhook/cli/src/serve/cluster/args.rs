//! The flags of `serve --cluster`.

use std::path::PathBuf;
use std::time::Duration;

use stateward_cluster::names;

/// Where we are in a cluster.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "In a cluster")]
pub(in crate::serve) struct ClusterArgs {
    /// Take policies, other objects and the certificate from the cluster, and keep its webhook configurations
    #[arg(long, env = "STATEWARD_CLUSTER", conflicts_with_all = ["policies", "inventory", "profile"])]
    pub(in crate::serve) cluster: bool,

    /// How the API server is reached [default: KUBECONFIG, else the pod's service account]
    #[arg(long, value_name = "FILE", requires = "cluster")]
    pub(super) kubeconfig: Option<PathBuf>,

    /// Where our own objects are
    #[arg(long, env = "STATEWARD_NAMESPACE", value_name = "NAMESPACE", default_value = names::NAMESPACE)]
    pub(super) namespace: String,

    /// The pod's name [default: the host's name]
    #[arg(long, env = "STATEWARD_IDENTITY", value_name = "NAME")]
    pub(super) identity: Option<String>,

    /// What all replicas of one roll-out share, such as the pod template's hash: another one ends a break-glass [default: the time of start]
    #[arg(long, env = "STATEWARD_RUN", value_name = "NAME")]
    pub(super) run: Option<String>,

    /// The Service through which the API server calls
    #[arg(long, env = "STATEWARD_SERVICE", value_name = "NAME", default_value = names::APP)]
    pub(super) service: String,

    /// Its port
    #[arg(long, env = "STATEWARD_SERVICE_PORT", value_name = "PORT", default_value_t = names::PORT)]
    pub(super) service_port: u16,

    /// `https://HOST:PORT` that the API server calls instead of the Service: for a server outside the cluster
    #[arg(long, env = "STATEWARD_WEBHOOK_URL", value_name = "URL", requires = "cluster")]
    pub(super) webhook_url: Option<String>,

    /// Where the probe is created, as a dry run, that tells whether the API server reaches us
    #[arg(long, env = "STATEWARD_PROBE_NAMESPACE", value_name = "NAMESPACE", default_value = "default")]
    pub(super) probe_namespace: String,

    /// How often the leader judges everything that is stored, beside its start and every change of policies; `0`: never, not then either
    #[arg(long, env = "STATEWARD_AUDIT_INTERVAL", value_name = "DURATION", default_value = "1h", value_parser = super::super::delay)]
    audit_interval: Duration,
}

impl ClusterArgs {
    /// `None`: nothing is scanned.
    pub(super) fn audit_interval(&self) -> Option<Duration> {
        Some(self.audit_interval).filter(|interval| !interval.is_zero())
    }
}
