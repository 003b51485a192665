//! The whole server: two ports, the certificate's watch, and an orderly end.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::connection::Phase;
use crate::listener::Listener;
use crate::options::Options;
use crate::state::State;
use crate::tls::{Certificates, TlsError};
use crate::{admin, routes};

/// A server that holds its ports but does not answer yet.
pub struct Server {
    options: Options,
    state: Arc<State>,
    certificates: Arc<Certificates>,
    socket: TcpListener,
    admin_socket: TcpListener,
    local_addr: SocketAddr,
    admin_addr: SocketAddr,
}

/// The server could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Ports below 1024 need a privilege; others may be taken.
    #[error("could not listen on `{address}`; hint: {flag} takes another address, port 0 any free one")]
    Bind {
        /// Which address.
        address: SocketAddr,
        /// `--listen` or `--admin-listen`.
        flag: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Server {
    /// Takes the ports and loads the certificate.
    pub async fn bind(options: Options, state: Arc<State>) -> Result<Self, ServerError> {
        let certificates = Arc::new(Certificates::load(options.tls.clone(), state.metrics())?);
        let (socket, local_addr) = bind(options.listen, "--listen").await?;
        let (admin_socket, admin_addr) = bind(options.admin_listen, "--admin-listen").await?;
        Ok(Self { options, state, certificates, socket, admin_socket, local_addr, admin_addr })
    }

    /// The HTTPS port.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The admin port.
    pub const fn admin_addr(&self) -> SocketAddr {
        self.admin_addr
    }

    /// What a client must trust, where the certificate is self-signed. The file is gone when the server is.
    pub fn ca_file(&self) -> Option<PathBuf> {
        self.certificates.ca_file()
    }

    /// Serves until `shutdown`, then drains: not ready, the delay for endpoints to be forgotten, no more accepting, what is in flight, end.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self { options, state, certificates, socket, admin_socket, .. } = self;
        let (phase, phases) = watch::channel(Phase::Serving);
        // Dropped with this function: they end with the server.
        let mut background = JoinSet::new();
        background.spawn(admin::serve(admin_socket, Arc::clone(&state)));
        background.spawn({
            let (certificates, state) = (Arc::clone(&certificates), Arc::clone(&state));
            async move { certificates.keep_current(state.metrics()).await }
        });
        let router = routes::router(Arc::clone(&state), options.limits);
        let listener = Listener { certificates, router, limits: options.limits, state: Arc::clone(&state) };
        let drain = async {
            shutdown.await;
            tracing::info!(delay_ms = u64::try_from(options.drain_delay.as_millis()).unwrap_or(u64::MAX), "draining");
            state.start_draining();
            phase.send_replace(Phase::Draining);
            sleep(options.drain_delay).await;
            phase.send_replace(Phase::Closing);
        };
        tokio::join!(listener.run(socket, phases), drain);
        tracing::info!("stopped");
    }
}

async fn bind(address: SocketAddr, flag: &'static str) -> Result<(TcpListener, SocketAddr), ServerError> {
    let failed = |source| ServerError::Bind { address, flag, source };
    let socket = TcpListener::bind(address).await.map_err(failed)?;
    let local = socket.local_addr().map_err(failed)?;
    Ok((socket, local))
}
