//! The accept loop. Every connection is a task of its own from its first byte on, so no client makes another wait; the caps choose who gives way.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use crate::connection::{self, Activity, Ended, HandshakeError, Phase};
use crate::metrics::Cause;
use crate::options::Limits;
use crate::state::State;
use crate::tls::Certificates;

/// What every connection shares.
pub(crate) struct Listener {
    pub(crate) certificates: Arc<Certificates>,
    pub(crate) router: Router,
    pub(crate) limits: Limits,
    pub(crate) state: Arc<State>,
}

impl Listener {
    /// Accepts until the phase is `Closing`, then waits for what is in flight.
    pub(crate) async fn run(self, socket: TcpListener, mut phase: watch::Receiver<Phase>) {
        let shared = Arc::new(self);
        let open = Arc::new(Open::default());
        let mut tasks = JoinSet::new();
        let mut next_id: Id = 0;
        loop {
            let accepted = tokio::select! {
                accepted = socket.accept() => accepted,
                Some(_) = tasks.join_next(), if !tasks.is_empty() => continue,
                _ = phase.wait_for(|phase| *phase == Phase::Closing) => break,
            };
            match accepted {
                Ok((stream, _)) => {
                    open.admit(&shared, &mut tasks, next_id, stream, &phase);
                    next_id += 1;
                }
                Err(error) => {
                    // Out of file descriptors, most likely: it passes when connections end.
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        // Whoever is through TCP's own handshake must not find a reset.
        while let Some((stream, _)) = accept_pending(&socket).await {
            open.admit(&shared, &mut tasks, next_id, stream, &phase);
            next_id += 1;
        }
        drop(socket);
        let ended =
            tokio::time::timeout(shared.limits.drain_timeout, async { while tasks.join_next().await.is_some() {} })
                .await;
        if ended.is_err() {
            tracing::warn!(connections = tasks.len(), "connections cut off: they did not end in time");
        }
        tasks.shutdown().await;
    }

    async fn serve(self: Arc<Self>, open: Arc<Open>, id: Id, stream: TcpStream, phase: watch::Receiver<Phase>) {
        let _entry = Entry { open: &open, id };
        let metrics = self.state.metrics();
        let stream = match connection::handshake(stream, self.certificates.current(), &self.limits).await {
            Ok(stream) => stream,
            Err(error) => {
                let cause = match error {
                    HandshakeError::TimedOut => "timeout",
                    HandshakeError::Failed => "tls",
                };
                metrics.handshake_failures.get_or_create(&Cause { cause }).inc();
                return;
            }
        };
        let activity = Arc::new(Activity::new());
        if !open.establish(&self, id, &activity) {
            return;
        }
        metrics.connections.inc();
        let counted = Counted(&self.state);
        let ended = connection::serve(stream, self.router.clone(), &self.limits, activity, phase).await;
        drop(counted);
        let cause = match ended {
            Ended::Done => return,
            Ended::HeaderTimedOut => "header_timeout",
            Ended::Stuck => "stuck",
        };
        metrics.connections_closed.get_or_create(&Cause { cause }).inc();
    }
}

type Id = u64;

/// All connections, so that the caps can choose who gives way.
#[derive(Default)]
struct Open(Mutex<Tables>);

#[derive(Default)]
struct Tables {
    /// Oldest first.
    handshaking: BTreeMap<Id, AbortHandle>,
    established: BTreeMap<Id, (AbortHandle, Arc<Activity>)>,
}

impl Open {
    fn admit(
        self: &Arc<Self>,
        shared: &Arc<Listener>,
        tasks: &mut JoinSet<()>,
        id: Id,
        stream: TcpStream,
        phase: &watch::Receiver<Phase>,
    ) {
        // Held across the spawn, so that the task cannot leave the table before it is in it.
        let mut tables = self.lock();
        if tables.handshaking.len() >= shared.limits.handshakes
            && let Some((_, oldest)) = tables.handshaking.pop_first()
        {
            oldest.abort();
            shared.state.metrics().handshake_failures.get_or_create(&Cause { cause: "displaced" }).inc();
        }
        let task = Arc::clone(shared).serve(Arc::clone(self), id, stream, phase.clone());
        tables.handshaking.insert(id, tasks.spawn(task));
    }

    /// Whether there is room; at the cap the longest idle connection gives way.
    fn establish(&self, shared: &Listener, id: Id, activity: &Arc<Activity>) -> bool {
        let mut tables = self.lock();
        // Displaced in this very moment: the abort is on its way.
        let Some(task) = tables.handshaking.remove(&id) else { return false };
        if tables.established.len() >= shared.limits.connections {
            let idle = tables.established.iter().filter(|(_, (_, activity))| activity.in_flight_since().0 == 0);
            let longest_idle = idle.min_by_key(|(_, (_, activity))| activity.in_flight_since().1).map(|(id, _)| *id);
            shared.state.metrics().connections_closed.get_or_create(&Cause { cause: "displaced" }).inc();
            match longest_idle.and_then(|id| tables.established.remove(&id)) {
                Some((displaced, _)) => displaced.abort(),
                None => return false,
            }
        }
        tables.established.insert(id, (task, Arc::clone(activity)));
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a connection out of the tables, however it ends.
struct Entry<'a> {
    open: &'a Open,
    id: Id,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        let mut tables = self.open.lock();
        tables.handshaking.remove(&self.id);
        tables.established.remove(&self.id);
    }
}

struct Counted<'a>(&'a State);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.metrics().connections.dec();
    }
}

/// What already waits in the socket's queue.
async fn accept_pending(socket: &TcpListener) -> Option<(TcpStream, std::net::SocketAddr)> {
    poll_fn(|cx| match socket.poll_accept(cx) {
        Poll::Ready(accepted) => Poll::Ready(accepted.ok()),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
