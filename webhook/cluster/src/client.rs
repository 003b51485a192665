//! A client of the API server: from a kubeconfig, or from what a pod finds beside itself.

use std::path::Path;
use std::time::Duration;

use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};

pub use kube::Client;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Neither of the two.
    #[error(
        "no cluster is configured: {reason}\nhint: in a cluster the pod's service account is used; elsewhere set KUBECONFIG or --kubeconfig"
    )]
    Nowhere {
        /// What the client says.
        reason: String,
    },
    /// A kubeconfig that names no usable cluster or user.
    #[error(
        "kubeconfig `{path}` cannot be used: {reason}\nhint: `kubectl --kubeconfig {path} version` says whether it works"
    )]
    Kubeconfig {
        /// Which file.
        path: String,
        /// What the client says.
        reason: String,
    },
    /// The client could not be made of it.
    #[error("`{server}` cannot be asked: {reason}")]
    Client {
        /// The API server's address.
        server: String,
        /// What the client says.
        reason: String,
    },
}

/// Which API server is asked, and in whose name.
#[derive(Clone, Copy, Debug, Default)]
pub struct Connect<'a> {
    /// Else from KUBECONFIG, the user's own file, or the pod's service account.
    pub kubeconfig: Option<&'a Path>,
    /// Of it; else the current one.
    pub context: Option<&'a str>,
    /// Asked for in this name; the account needs the right to impersonate.
    pub user: Option<&'a str>,
    /// Beside the user.
    pub groups: &'a [String],
}

impl Connect<'_> {
    /// Asks nobody yet.
    pub async fn client(self) -> Result<Client, ConnectError> {
        let mut config = config(self.kubeconfig, self.context).await?;
        // A dead API server must be noticed before the Lease is lost. There is no read time-out: a watch is silent for minutes.
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        config.auth_info.impersonate = self.user.map(str::to_owned).or(config.auth_info.impersonate);
        if !self.groups.is_empty() {
            config.auth_info.impersonate_groups = Some(self.groups.to_vec());
        }
        let server = config.cluster_url.to_string();
        Client::try_from(config).map_err(|error| ConnectError::Client { server, reason: error.to_string() })
    }
}

/// A client without more.
pub async fn connect(kubeconfig: Option<&Path>, context: Option<&str>) -> Result<Client, ConnectError> {
    Connect { kubeconfig, context, ..Connect::default() }.client().await
}

/// A GET of what one of our own processes answers on its admin port: text, without credentials.
pub async fn fetch(server: &str, path: &str) -> Result<String, ConnectError> {
    let failed = |reason: String| ConnectError::Client { server: server.to_owned(), reason };
    let mut config = Config::new(server.parse().map_err(|error| failed(format!("{error}")))?);
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(crate::retry::CALL);
    let client = Client::try_from(config).map_err(|error| failed(error.to_string()))?;
    let request = http::Request::get(path).body(Vec::new()).map_err(|error| failed(error.to_string()))?;
    client.request_text(request).await.map_err(|error| failed(crate::follow::said(&error)))
}

/// Whether an error says that the account lacks a permission.
pub fn is_forbidden(error: &kube::Error) -> bool {
    code(error) == Some(403)
}

/// Whether there is no such object or kind.
pub fn is_not_found(error: &kube::Error) -> bool {
    code(error) == Some(404)
}

/// Whether somebody else wrote, made or deleted the object since it was read.
pub(crate) fn is_outrun(error: &kube::Error) -> bool {
    matches!(code(error), Some(404 | 409))
}

fn code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

async fn config(kubeconfig: Option<&Path>, context: Option<&str>) -> Result<Config, ConnectError> {
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    let Some(path) = kubeconfig else {
        if context.is_some() {
            let from = Config::from_kubeconfig(&options).await;
            return from.map_err(|error| ConnectError::Nowhere { reason: error.to_string() });
        }
        return Config::infer().await.map_err(|error| ConnectError::Nowhere { reason: error.to_string() });
    };
    let failed = |reason: String| ConnectError::Kubeconfig { path: path.display().to_string(), reason };
    let read = Kubeconfig::read_from(path).map_err(|error| failed(error.to_string()))?;
    Config::from_custom_kubeconfig(read, &options).await.map_err(|error| failed(error.to_string()))
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
