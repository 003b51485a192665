//! What the commands that talk to a cluster share: which one, and how a failure to reach it ends.

use std::path::PathBuf;

use anyhow::Result;
use stateward_cluster::client::{Client, connect};
use stateward_cluster::names;

use crate::exit::{self, Exit};

/// Which cluster.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Connection {
    /// How the API server is reached [default: KUBECONFIG, else the user's own file].
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// A context of it [default: the current one].
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

/// Which cluster, and where in it.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ClusterOptions {
    #[command(flatten)]
    connection: Connection,
    /// Where Stateward is installed.
    #[arg(short, long, value_name = "NAMESPACE", default_value = names::NAMESPACE, env = "STATEWARD_NAMESPACE")]
    pub(crate) namespace: String,
}

impl ClusterOptions {
    /// See [`Connection::run`].
    pub(crate) fn run<F: Future<Output = Result<Exit>>>(&self, command: impl FnOnce(Client) -> F) -> Result<Exit> {
        self.connection.run(command)
    }
}

impl Connection {
    /// Runs a command's part that needs the cluster. Whatever fails there is exit code 4: nothing was judged.
    pub(crate) fn run<F: Future<Output = Result<Exit>>>(&self, command: impl FnOnce(Client) -> F) -> Result<Exit> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let ended = runtime.block_on(async {
            let client = connect(self.kubeconfig.as_deref(), self.context.as_deref()).await?;
            command(client).await
        });
        match ended {
            Err(error) if !exit::is_broken_pipe(&error) => {
                anstream::eprintln!("{}error{:#}: {}", exit::ERROR, exit::ERROR, exit::described(&error));
                Ok(Exit { unreachable: true, ..Exit::default() })
            }
            ended => ended,
        }
    }
}
