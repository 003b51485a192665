//! `stateward serve`: the admission server with policies from this program or from a folder.

mod cluster;
mod logging;
mod sources;
mod statuses;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use stateward_server::{Limits, Options, Server, State, TlsSource, duration};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::args::ProfileName;
use crate::exit::Exit;
use cluster::{Cluster, ClusterArgs};
use sources::Sources;

/// Serves admission reviews over HTTPS until SIGTERM or SIGINT.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ServeArgs {
    /// Address of the HTTPS port that the API server calls
    #[arg(long, env = "STATEWARD_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:8443")]
    listen: SocketAddr,

    /// Address of the admin port: plain HTTP; health and metrics for everybody who reaches it, policies for loopback
    #[arg(long, env = "STATEWARD_ADMIN_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:8080")]
    admin_listen: SocketAddr,

    /// Folder of WasmPolicy and PolicyExemption files, reloaded on change; a policy ends with its file, not with a file that is broken, empty or
    /// cut off [default: the built-in policies]
    #[arg(long, env = "STATEWARD_POLICIES", value_name = "DIR")]
    policies: Option<PathBuf>,

    /// Profile of all policies, in place of their own
    #[arg(long, env = "STATEWARD_PROFILE", value_name = "PROFILE")]
    profile: Option<ProfileName>,

    /// Folder of manifests that stand for the cluster's other objects, reloaded on change
    #[arg(long, env = "STATEWARD_INVENTORY", value_name = "DIR")]
    inventory: Option<PathBuf>,

    /// Folder with `tls.crt`, `tls.key` and, to check client certificates, `ca.crt`, reloaded on change [default: self-signed]
    #[arg(long, env = "STATEWARD_TLS_DIR", value_name = "DIR")]
    tls_dir: Option<PathBuf>,

    /// How long to go on serving after SIGTERM, until endpoints are forgotten
    #[arg(long, env = "STATEWARD_DRAIN_DELAY", value_name = "DURATION", default_value = "5s", value_parser = delay)]
    drain_delay: Duration,

    #[command(flatten)]
    cluster: ClusterArgs,
}

/// Runs until a signal ends it.
pub(crate) fn run(args: ServeArgs) -> Result<Exit> {
    // The log is written by a thread of its own; what it still holds is written when this ends.
    let _log = logging::start();
    raise_file_limit();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("could not start the runtime")?;
    let served = runtime.block_on(serve(args));
    // A component may still be compiling.
    runtime.shutdown_timeout(Duration::from_secs(1));
    served
}

async fn serve(args: ServeArgs) -> Result<Exit> {
    // Before anything that takes time, so that an early signal is not lost.
    let mut signals = Signals::new()?;
    let mut sources = Sources::new(args.policies, args.profile.map(Into::into), args.inventory)?;
    let cluster = match args.cluster.cluster {
        true => Some(Cluster::connect(args.cluster, args.tls_dir.clone()).await?),
        false => None,
    };
    let given = || {
        let directory = |path| TlsSource::Directory { path, checks_clients: true, trust: None };
        args.tls_dir.clone().map_or(TlsSource::SelfSigned, directory)
    };
    let state = Arc::new(State::new());
    let options = Options {
        listen: args.listen,
        admin_listen: args.admin_listen,
        tls: cluster.as_ref().map_or_else(given, Cluster::tls),
        drain_delay: args.drain_delay,
        limits: Limits::default(),
    };
    let server = Server::bind(options, Arc::clone(&state)).await?;
    tracing::info!(
        address = %server.local_addr(),
        admin_address = %server.admin_addr(),
        ca_file = server.ca_file().map(|path| path.display().to_string()),
        "listening"
    );

    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut server = pin!(server.run({
        let mut stopped = stopped.clone();
        async move {
            let _ = stopped.wait_for(|asked| *asked).await;
        }
    }));
    // Ready once this has loaded the policies; ends with this function.
    let mut loading = pin!(async {
        match &cluster {
            Some(cluster) => Box::pin(cluster.run(&state, stopped)).await,
            None => sources.keep_loaded(&state).await,
        }
    });
    tokio::select! {
        () = &mut server => return Ok(Exit::default()),
        failed = &mut loading => return failed.map(|()| Exit::default()),
        _ = signals.next() => {}
    }
    let _ = stop.send(true);
    tokio::select! {
        // The Lease is given back while the last requests are answered, so that another replica leads at once.
        () = async { tokio::join!(&mut server, given_back(&mut loading)).0 } => Ok(Exit::default()),
        second = signals.next() => {
            tracing::error!("ended by a second signal before all requests were answered");
            Ok(Exit { killed_by: Some(second), ..Exit::default() })
        }
    }
}

/// What loads is not waited for where it does not end by itself.
async fn given_back(loading: &mut (impl Future<Output = Result<()>> + Unpin)) {
    let _ = tokio::time::timeout(GIVE_BACK, loading).await;
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        let listen = |kind| signal(kind).context("could not listen for signals");
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Its number.
    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.terminate.recv() => SIGTERM,
            _ = self.interrupt.recv() => SIGINT,
        }
    }
}

/// A connection is a file; the usual soft limit of 1,024 is fewer than the server is ready to hold.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};

    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // The old limit does, too.
    let _ = setrlimit(Resource::Nofile, limit);
}

fn delay(text: &str) -> Result<Duration, String> {
    duration::parse(text).ok_or_else(|| "expected a duration like `5s` or `500ms`".to_owned())
}

/// One write to the API server, and the leader's work has to end before it.
const GIVE_BACK: Duration = Duration::from_secs(3);

/// The same everywhere that POSIX is.
const SIGINT: u8 = 2;
const SIGTERM: u8 = 15;
