//! One connection, from handshake to close. hyper reads and writes; here is everything that ends a connection: time-outs, age, drain.

mod activity;
mod watched;

use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use rustls::ServerConfig;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt;

use crate::options::Limits;
pub(crate) use activity::Activity;
use watched::Watched;

/// How far the server is in ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Serving,
    /// New connections are still accepted; each is asked to go after its next answer.
    Draining,
    /// Nothing is accepted; what is idle is closed.
    Closing,
}

/// Why a connection did not get through its handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandshakeError {
    TimedOut,
    /// A probe of the port, a client that does not trust us, or that we do not trust.
    Failed,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By the client, or after it was asked to go.
    Done,
    /// A header did not arrive in time.
    HeaderTimedOut,
    /// It did not go although it was asked to.
    Stuck,
}

pub(crate) async fn handshake(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    limits: &Limits,
) -> Result<TlsStream<TcpStream>, HandshakeError> {
    // Answers are small and awaited.
    let _ = stream.set_nodelay(true);
    match timeout(limits.handshake_timeout, TlsAcceptor::from(config).accept(stream)).await {
        Err(_elapsed) => Err(HandshakeError::TimedOut),
        Ok(Err(error)) => {
            tracing::debug!(%error, "handshake failed");
            Err(HandshakeError::Failed)
        }
        Ok(Ok(stream)) => Ok(stream),
    }
}

pub(crate) async fn serve(
    stream: TlsStream<TcpStream>,
    router: Router,
    limits: &Limits,
    activity: Arc<Activity>,
    phase: watch::Receiver<Phase>,
) -> Ended {
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let (watched, mut handed_back) = Watched::new(stream, Arc::clone(&activity));
    let io = TokioIo::new(watched);
    let service = Requests { router, activity: Arc::clone(&activity) };
    let supervisor = Supervisor { limits, activity: &activity, is_http2, opened: Instant::now(), phase };
    let ended = if is_http2 {
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(MAX_HEADER_BYTES)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .serve_connection(io, service);
        supervisor.run(connection).await
    } else {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // hyper's own time-out also ends idle connections; ours tells the two apart.
            .header_read_timeout(None)
            .max_buf_size(READ_BUFFER_BYTES)
            .serve_connection(io, service);
        supervisor.run(connection).await
    };
    if ended == Ended::Done
        && let Ok(stream) = handed_back.try_recv()
    {
        linger(stream.into_inner().0).await;
    }
    ended
}

/// Reads what the client still sends until it closes, too. Our last words (`GOAWAY`, the last answer) are on their way; a socket that is closed
/// while something arrives answers with a reset, and a client that gets it throws away what it has not read yet. Go's client then failed 12 to 28
/// of 5,000 calls instead of sending them elsewhere.
async fn linger(mut stream: TcpStream) {
    let until_closed = async {
        let mut unread = [0; 1024];
        while stream.read(&mut unread).await.is_ok_and(|bytes| bytes > 0) {}
    };
    let _ = timeout(LINGER, until_closed).await;
}

/// Ends a connection in time.
struct Supervisor<'a> {
    limits: &'a Limits,
    activity: &'a Activity,
    is_http2: bool,
    opened: Instant,
    phase: watch::Receiver<Phase>,
}

impl Supervisor<'_> {
    async fn run<C: GracefulConnection>(mut self, connection: C) -> Ended {
        let mut connection = pin!(connection);
        let renew_at = self.opened + jittered(self.limits.connection_age);
        let mut draining_since: Option<Instant> = None;
        let mut asked_at: Option<Instant> = None;
        loop {
            let now = Instant::now();
            let phase = *self.phase.borrow_and_update();
            if phase >= Phase::Draining {
                draining_since.get_or_insert(now);
            }
            let renewing = draining_since.is_some() || now >= renew_at;
            self.activity.set_last(renewing);

            if let Some(asked_at) = asked_at {
                if now >= asked_at + self.limits.drain_timeout {
                    return Ended::Stuck;
                }
            } else if self.must_ask(now, renewing, phase, draining_since) {
                connection.as_mut().graceful_shutdown();
                asked_at = Some(now);
            }
            if self.header_deadline().is_some_and(|deadline| now >= deadline) {
                return Ended::HeaderTimedOut;
            }

            let check_at = self.next_check(now, renew_at, draining_since, asked_at);
            tokio::select! {
                biased;
                _ = connection.as_mut() => return Ended::Done,
                _ = self.phase.changed() => {}
                () = self.activity.answered(), if renewing && asked_at.is_none() => {}
                () = sleep_until(check_at.into()) => {}
            }
        }
    }

    /// Whether it is time to say `GOAWAY`, or to close an idle HTTP/1.1 connection. A client that keeps to the protocol loses no request: over
    /// HTTP/1.1 it has been told `Connection: close` with its last answer, or has been idle for long.
    fn must_ask(&self, now: Instant, renewing: bool, phase: Phase, draining_since: Option<Instant>) -> bool {
        let (in_flight, since) = self.activity.in_flight_since();
        let idle_for = now.saturating_duration_since(since);
        let idle = in_flight == 0 && idle_for >= self.limits.idle_timeout;
        // Its first request may be on the way; `GOAWAY` before that would send the client round in circles while we still accept.
        let served = self.activity.has_served();
        let gone_quiet = phase == Phase::Closing
            && in_flight == 0
            && draining_since.is_some_and(|since| now >= since + LAST_REQUEST_GRACE)
            && now >= self.opened + LAST_REQUEST_GRACE;
        // Calls that are on the way are refused by it and sent again: not after each answer of each new connection.
        let is_young = now < self.opened + LAST_REQUEST_GRACE;
        idle || gone_quiet || (self.is_http2 && renewing && served && !is_young)
    }

    /// Over HTTP/1.1, when the header that has begun must be whole.
    fn header_deadline(&self) -> Option<Instant> {
        let began = self.activity.header_began().filter(|_| !self.is_http2)?;
        Some(began + self.limits.header_timeout)
    }

    /// The earliest time at which one of the questions above could be answered differently, if nothing else happens until then.
    fn next_check(
        &self,
        now: Instant,
        renew_at: Instant,
        draining_since: Option<Instant>,
        asked_at: Option<Instant>,
    ) -> Instant {
        // A header may begin at any time from now.
        let header = self.header_deadline().unwrap_or(now + self.limits.header_timeout);
        let (_, since) = self.activity.in_flight_since();
        let candidates = [
            Some(header),
            Some(since + self.limits.idle_timeout),
            Some(renew_at),
            draining_since.map(|since| since + LAST_REQUEST_GRACE),
            draining_since.map(|_| self.opened + LAST_REQUEST_GRACE),
            draining_since.map(|_| now + LAST_REQUEST_GRACE),
            asked_at.map(|asked_at| asked_at + self.limits.drain_timeout),
        ];
        let next = candidates.into_iter().flatten().filter(|candidate| *candidate > now).min();
        next.unwrap_or(now + self.limits.header_timeout)
    }
}

/// What hyper calls for each request.
struct Requests {
    router: Router,
    activity: Arc<Activity>,
}

impl Service<Request<Incoming>> for Requests {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let in_flight = Activity::begin(&self.activity);
        let activity = Arc::clone(&self.activity);
        let is_http2 = request.version() == Version::HTTP_2;
        let answer = self.router.clone().oneshot(request);
        Box::pin(async move {
            let mut response = answer.await?;
            drop(in_flight);
            if !is_http2 && activity.is_last() {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response)
        })
    }
}

/// Give or take a fifth, so that connections opened together are not renewed together.
fn jittered(age: Duration) -> Duration {
    // A fresh hasher's keys are random; no better randomness is needed.
    let random = RandomState::new().hash_one(());
    let fifth = age / 5;
    age - fifth + fifth.mul_f64(2.0 * (random % 1024) as f64 / 1024.0)
}

/// What the API server's client asks for at most.
const MAX_STREAMS: u32 = 250;
/// A review's request has six short headers.
const MAX_HEADER_BYTES: u32 = 16 << 10;
/// What a connection may have in memory that no request has taken yet. Most reviews fit; larger ones come in several goes.
const READ_BUFFER_BYTES: usize = 64 << 10;
const STREAM_WINDOW_BYTES: u32 = 256 << 10;
/// Shared by all streams, so that the API server's one connection is not held up by a single large review.
const CONNECTION_WINDOW_BYTES: u32 = 1 << 20;
/// A peer that vanished without a word is noticed in half a minute.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// A client that got our last words closes at once. As Go's server.
const LINGER: Duration = Duration::from_secs(1);
/// While draining: for a request that was on its way when we decided to close.
const LAST_REQUEST_GRACE: Duration = Duration::from_millis(500);
