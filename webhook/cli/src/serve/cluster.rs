//! `stateward serve --cluster`: policies, facts and the certificate from the cluster, and what the cluster is told.

mod loading;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use stateward_cluster::client;
use stateward_cluster::inventory::Inventories;
use stateward_cluster::names;
use stateward_cluster::status::StatusWriter;
use stateward_cluster::wanted::Watches;
use stateward_engine::PolicyLoader;
use stateward_server::State;

use crate::engine;
use loading::Loading;

/// Where we are in a cluster.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "In a cluster")]
pub(super) struct ClusterArgs {
    /// Take policies, other objects and the certificate from the cluster, and keep its webhook configurations
    #[arg(long, env = "STATEWARD_CLUSTER", conflicts_with_all = ["policies", "inventory"])]
    pub(super) cluster: bool,

    /// How the API server is reached [default: KUBECONFIG, else the pod's service account]
    #[arg(long, value_name = "FILE", requires = "cluster")]
    kubeconfig: Option<PathBuf>,

    /// Where our own objects are
    #[arg(long, env = "STATEWARD_NAMESPACE", value_name = "NAMESPACE", default_value = names::NAMESPACE)]
    namespace: String,

    /// The pod's name [default: the host's name]
    #[arg(long, env = "STATEWARD_IDENTITY", value_name = "NAME")]
    identity: Option<String>,
}

/// Runs beside the server.
pub(super) struct Cluster {
    args: ClusterArgs,
    client: stateward_cluster::client::Client,
    replica: String,
}

impl Cluster {
    /// Asks nobody yet.
    pub(super) async fn connect(args: ClusterArgs) -> Result<Self> {
        let client = client::connect(args.kubeconfig.as_deref(), None).await?;
        let replica = args.identity.clone().unwrap_or_else(host_name);
        Ok(Self { args, client, replica })
    }

    /// Loads, then loads again whenever the cluster changes. Ends only where there is no engine to load with.
    pub(super) async fn keep_loaded(&self, state: &State) -> Result<()> {
        let watches = Watches::start(&self.client);
        let engine = tokio::task::spawn_blocking(|| engine::start(super::sources::log_engine));
        let engine = engine.await.context("could not start the engine")??;
        watches.synced().await;
        let inventories = Inventories::new(self.client.clone());
        let mut loading = Loading::new(&self.replica, PolicyLoader::new(engine), inventories);
        let mut status = StatusWriter::new(self.client.clone(), &self.args.namespace, &self.replica);
        let mut wanted = watches.wanted();
        loop {
            let now = wanted.borrow_and_update().clone();
            loading.load(&now, state).await;
            state.report("inventory", loading.unknown());
            state.report("watches", watches.problems());
            let mut failed = status.tell(&now, &loading.entries(&now)).await;
            let alive = status.alive().await;
            failed.extend(status.sum_up(&now, alive.as_deref(), jiff::Timestamp::now()).await);
            state.report("status", failed);
            tokio::select! {
                // The sender lives as long as the watches.
                _ = wanted.changed() => {}
                // Pods that are gone, kinds that became known, and what could not be written.
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

const LOOK: Duration = Duration::from_secs(10);
