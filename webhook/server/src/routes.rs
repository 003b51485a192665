//! Paths, and everything that is checked before a body is read as a review. What is not a review is answered in plain text, with a status that
//! makes it a failed call to the API server, so that the webhook's `failurePolicy` decides.

mod body;
mod rejection;
mod timeout;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State as Shared};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::Response;
use axum::routing::post;
use stateward_core::admit;
use tokio::sync::Semaphore;

use crate::admission::{self, Question, cut};
use crate::options::Limits;
use crate::state::State;

pub(crate) use rejection::Rejection;

/// The paths of the API server's port.
pub fn router(state: Arc<State>, limits: Limits) -> Router {
    let shared = Arc::new(App {
        in_flight: Semaphore::new(limits.in_flight),
        buffered: Semaphore::new(limits.buffered_bytes),
        limits,
        state,
    });
    let ask = |question: Question| {
        post(move |Shared(app): Shared<Arc<App>>, request: Request| respond(app, question, request))
    };
    Router::new()
        .route("/mutate", ask(Question::Mutate))
        .route("/validate/closed", ask(Question::Validate(admit::Route::Closed)))
        .route("/validate/fail", ask(Question::Validate(admit::Route::Fail)))
        .route("/validate/ignore", ask(Question::Validate(admit::Route::Ignore)))
        .fallback(|Shared(app): Shared<Arc<App>>, uri: Uri| async move {
            reject(&app, uri.path(), &Rejection::NotFound.into())
        })
        .method_not_allowed_fallback(|Shared(app): Shared<Arc<App>>, uri: Uri| async move {
            reject(&app, uri.path(), &Rejection::MethodNotAllowed.into())
        })
        .with_state(shared)
}

struct App {
    state: Arc<State>,
    limits: Limits,
    /// Reviews being decided.
    in_flight: Semaphore,
    /// Bytes of bodies in memory.
    buffered: Semaphore,
}

async fn respond(app: Arc<App>, question: Question, request: Request) -> Response {
    let uri = request.uri().clone();
    match unpanicked(answer(&app, question, request)).await {
        Ok(bytes) => {
            let mut response = Response::new(Body::from(bytes));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(rejected) => reject(&app, uri.path(), &rejected),
    }
}

/// A request that is not answered with a review.
struct Rejected {
    rejection: Rejection,
    /// Of the review, where it could be read.
    uid: Option<String>,
}

impl From<Rejection> for Rejected {
    fn from(rejection: Rejection) -> Self {
        Self { rejection, uid: None }
    }
}

async fn answer(app: &App, question: Question, request: Request) -> Result<Vec<u8>, Rejected> {
    let received = Instant::now();
    require_json(request.headers())?;
    let timeout = timeout::of_query(request.uri().query())?;
    let patience = app.limits.body_timeout.min(timeout);
    // Only what arrives counts against the budget, so slow clients that announce large bodies cannot use it up.
    let (body, _buffered) = body::read(request, &app.buffered, patience).await?;
    // Those who wait for bodies hold no permit: a permit means work.
    let _permit = app.in_flight.try_acquire().map_err(|_full| Rejection::Overloaded)?;
    let _counted = InFlight::count(app);
    let deadline = timeout::deadline(received, timeout);
    let decided = unpanicked(admission::decide(&app.state, question, &body, received, deadline));
    // The engine keeps the deadline itself; this is the net below it.
    let decided = match tokio::time::timeout_at((received + timeout).into(), decided).await {
        Ok(decided) => decided,
        Err(_elapsed) => Err(Rejection::DeadlinePassed),
    };
    // Read again, since only who is refused pays for it.
    decided.map_err(|rejection| Rejected { uid: admission::uid(&body), rejection })
}

fn require_json(headers: &HeaderMap) -> Result<(), Rejection> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let plain = headers.get(header::CONTENT_ENCODING).is_none_or(|encoding| encoding == "identity");
    if media_type.eq_ignore_ascii_case("application/json") && plain {
        Ok(())
    } else {
        Err(Rejection::UnsupportedMediaType)
    }
}

fn reject(app: &App, path: &str, Rejected { rejection, uid }: &Rejected) -> Response {
    let metrics = app.state.metrics();
    metrics.rejected.get_or_create(&crate::metrics::Cause { cause: rejection.cause() }).inc();
    let (path, uid, status) = (cut(path), uid.as_deref().map(cut), rejection.status().as_u16());
    if matches!(rejection, Rejection::Panicked) {
        metrics.panics.inc();
        tracing::error!(path, uid, status, error = rejection.text(), "request failed");
    } else {
        tracing::info!(path, uid, status, error = rejection.text(), "request rejected");
    }
    rejection.to_response()
}

/// A panic costs its own request, never the connection: over HTTP/2 that carries everybody's requests.
async fn unpanicked<T, E: From<Rejection>>(future: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)))
            .unwrap_or_else(|_panic| Poll::Ready(Err(Rejection::Panicked.into())))
    })
    .await
}

struct InFlight<'a>(&'a App);

impl<'a> InFlight<'a> {
    fn count(app: &'a App) -> Self {
        app.state.metrics().in_flight.inc();
        Self(app)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.state.metrics().in_flight.dec();
    }
}
