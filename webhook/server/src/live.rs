//! The report as a page, drawn when somebody asks for it: what is stored, as the rules in force judge it now.
//!
//! Whoever reads the cluster draws it, one page at a time; this only hands on who asks.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State as Shared};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;

use crate::state::State;

/// Somebody waits for a page.
#[derive(Debug)]
pub struct PageRequest {
    /// Only what is in this namespace; `None`: everything.
    pub namespace: Option<String>,
    /// The page as bytes of HTML, or why there is none. Closed where nobody waits any more.
    pub reply: oneshot::Sender<Result<Vec<u8>, String>>,
}

/// `?namespace=shop`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    namespace: Option<String>,
}

/// `/report`.
pub(crate) async fn page(Shared(state): Shared<Arc<State>>, Query(wanted): Query<Wanted>) -> Response {
    let Some(drawers) = state.page_requests() else {
        return (StatusCode::NOT_FOUND, format!("this server reads no cluster\nhint: {FILES}\n")).into_response();
    };
    let namespace = wanted.namespace.filter(|namespace| !namespace.is_empty());
    if namespace.as_deref().is_some_and(|namespace| !is_label(namespace)) {
        return (StatusCode::BAD_REQUEST, "no namespace has such a name\n").into_response();
    }
    let (reply, drawn) = oneshot::channel();
    match drawers.try_send(PageRequest { namespace, reply }) {
        Ok(()) => {}
        Err(TrySendError::Full(_)) => return unavailable("others wait for a page already"),
        Err(TrySendError::Closed(_)) => return unavailable("this replica is about to end"),
    }
    match tokio::time::timeout(LIMIT, drawn).await {
        Ok(Ok(Ok(page))) => (HEADERS, page).into_response(),
        Ok(Ok(Err(why))) => unavailable(&why),
        Ok(Err(_)) => unavailable("this replica is about to end"),
        Err(_) => {
            let text = format!("what is stored was not judged within {} s\nhint: {PART}\n", LIMIT.as_secs());
            (StatusCode::GATEWAY_TIMEOUT, text).into_response()
        }
    }
}

fn unavailable(why: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "10")], format!("{why}\nhint: try again in a moment\n"))
        .into_response()
}

/// RFC 1123, as the API server wants names of namespaces.
fn is_label(name: &str) -> bool {
    name.len() <= 63 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// The page has a policy (CSP) of its own, and nothing of it is anybody else's to keep or to frame.
const HEADERS: [(header::HeaderName, &str); 4] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
];

const FILES: &str =
    "`stateward audit FOLDER -o html=FILE` draws the page of files, `stateward serve --cluster` that of a cluster";
const PART: &str =
    "`/report?namespace=NAME` judges one namespace, `stateward audit -o html=FILE` takes the time that it takes";

/// 25,000 objects in 50 namespaces take about a minute on one core.
const LIMIT: Duration = Duration::from_secs(300);
