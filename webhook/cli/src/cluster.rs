//! What the commands that talk to a cluster share: which one, and how a failure to reach it ends.

use std::path::PathBuf;

use anyhow::Result;
use stateward_cluster::client::{Client, Connect};
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

/// In whose name.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Impersonation {
    /// Ask in this user's name.
    #[arg(long = "as", value_name = "USER", id = "as_user")]
    as_user: Option<String>,
    /// Ask in this group's name, too; may be given several times.
    #[arg(long, value_name = "GROUP", id = "as_group", requires = "as_user")]
    as_group: Vec<String>,
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
        self.run_as(&Impersonation::default(), command)
    }

    /// The same in somebody's name.
    pub(crate) fn run_as<F: Future<Output = Result<Exit>>>(
        &self,
        who: &Impersonation,
        command: impl FnOnce(Client) -> F,
    ) -> Result<Exit> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let ended = runtime.block_on(async {
            let to = Connect {
                kubeconfig: self.kubeconfig.as_deref(),
                context: self.context.as_deref(),
                user: who.as_user.as_deref(),
                groups: &who.as_group,
            };
            let client = to.client().await?;
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
