//! The admin port: plain HTTP for probes and metrics, and on loopback for people.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State as Shared};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::live;
use crate::state::State;

/// All paths of the admin port, as loopback sees them. A port-forward comes from there.
pub fn router(state: Arc<State>) -> Router {
    let for_people = Router::new()
        .route("/policies", get(policies))
        .route("/decisions", get(decisions))
        .route("/report", get(live::page))
        .layer(middleware::from_fn(only_from_here));
    public().merge(for_people).with_state(state)
}

/// What everybody who reaches the port may see: kubelet and a scraper do not come from loopback.
pub fn public_router(state: Arc<State>) -> Router {
    let elsewhere = || async { (StatusCode::FORBIDDEN, "only on loopback\nhint: kubectl port-forward\n") };
    PEOPLES.iter().fold(public(), |router, path| router.route(path, get(elsewhere))).with_state(state)
}

fn public() -> Router<Arc<State>> {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
}

/// Loopback is no proof by itself. A page of anybody's in a browser beside a port-forward can ask it, also under a name of its own (DNS rebinding), where it
/// would read the answer; and the sidecar of a service mesh hands on from loopback what came from elsewhere.
async fn only_from_here(request: Request, next: Next) -> Response {
    match refusal(request.headers()) {
        Some(refused) => (StatusCode::FORBIDDEN, refused).into_response(),
        None => next.run(request).await,
    }
}

fn refusal(headers: &HeaderMap) -> Option<&'static str> {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let host = text(header::HOST);
    let name =
        host.map(|host| host.rsplit_once(':').filter(|(_, port)| !port.contains(']')).map_or(host, |(name, _)| name));
    if name.is_some_and(|name| !is_local(name)) {
        return Some("asked for under another name\nhint: ask `localhost`\n");
    }
    if FORWARDED.iter().any(|name| headers.contains_key(name)) {
        return Some("asked for through a proxy\nhint: kubectl port-forward\n");
    }
    let is_of_another = text(SEC_FETCH_SITE).is_some_and(|site| !matches!(site, "none" | "same-origin"));
    is_of_another.then_some("asked for by another page\nhint: open it by its address\n")
}

fn is_local(name: &str) -> bool {
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

async fn readyz(Shared(state): Shared<Arc<State>>) -> Response {
    if state.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response()
    } else if state.is_ready() {
        "ok\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the policies are not loaded yet\n").into_response()
    }
}

async fn metrics(Shared(state): Shared<Arc<State>>) -> Response {
    match state.metrics().encode() {
        Ok(text) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn policies(Shared(state): Shared<Arc<State>>) -> Response {
    let in_force = state.in_force();
    let body = json!({
        "generation": in_force.as_ref().map_or(0, |in_force| in_force.generation),
        "policies": in_force.as_ref().map(|in_force| &in_force.statuses),
        "problems": state.problems(),
    });
    ([(header::CONTENT_TYPE, "application/json")], format!("{body:#}\n")).into_response()
}

/// The oldest one first.
async fn decisions(Shared(state): Shared<Arc<State>>) -> Response {
    let body = json!(state.decisions.all());
    ([(header::CONTENT_TYPE, "application/json")], format!("{body}\n")).into_response()
}

/// Serves until it is dropped.
pub(crate) async fn serve(listener: TcpListener, state: Arc<State>) {
    let (local, public) = (router(Arc::clone(&state)), public_router(state));
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, peer)) = listener.accept().await else {
            // Out of file descriptors, most likely: it passes.
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else { continue };
        let router = if peer.ip().to_canonical().is_loopback() { &local } else { &public };
        let service = TowerToHyperService::new(router.clone());
        connections.spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(IDLE)
                .serve_connection(TokioIo::new(stream), service);
            // A client that goes away is not our concern.
            let _ = connection.await;
            drop(permit);
        });
    }
}

/// Who was refused, what is enforced, what runs.
const PEOPLES: [&str; 3] = ["/policies", "/decisions", "/report"];
/// What proxies add; Envoy's is a sidecar's of Istio.
const FORWARDED: [HeaderName; 4] = [
    header::FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-envoy-attempt-count"),
];
/// What browsers say of who asks: `cross-site` and `same-site` are other pages.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Probes, a scraper, a person or two.
const CONNECTIONS: usize = 64;
/// Longer than the usual scrape interval, so that its connection lives.
const IDLE: Duration = Duration::from_secs(120);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
