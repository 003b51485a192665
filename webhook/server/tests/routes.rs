//! The routes without a socket: statuses, limits, and what an answer looks like.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Frame;
use serde_json::{Value, json};
use stateward_server::{Limits, State, admin, routes};
use support::review;
use tokio::sync::Semaphore;
use tower::ServiceExt;

#[tokio::test]
async fn answers_with_the_reviews_uid() {
    insta::assert_snapshot!(ask("/validate/fail?timeout=5s", &review("nothing")).await);
}

#[tokio::test]
async fn denies_with_rule_field_and_hint() {
    insta::assert_snapshot!(ask("/validate/fail", &review("deny")).await);
}

#[tokio::test]
async fn warns() {
    insta::assert_snapshot!(ask("/validate/fail", &review("warn")).await);
}

#[tokio::test]
async fn changes_with_a_json_patch() {
    insta::assert_snapshot!(ask("/mutate", &review("change")).await);
}

#[tokio::test]
async fn patches_nothing_that_no_rule_changes() {
    insta::assert_snapshot!(ask("/mutate", &review("deny")).await);
}

#[tokio::test]
async fn runs_a_rule_on_one_path_only() {
    for path in ["/validate/closed", "/validate/ignore"] {
        let answer: Value = serde_json::from_str(&ask(path, &review("deny")).await).unwrap();
        assert_eq!(answer["response"]["allowed"], true, "{path}");
    }
}

#[tokio::test]
async fn refuses_other_paths_and_methods() {
    let router = router(Limits::default());
    let get = Request::get("/mutate").body(Body::empty()).unwrap();
    assert_eq!(router.clone().oneshot(get).await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
    for path in ["/", "/validate", "/validate/all", "/mutate/", "/metrics", "/readyz"] {
        assert_eq!(send(&router, post(path, "{}")).await.0, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn refuses_other_content_types() {
    let router = router(Limits::default());
    for (content_type, status) in [
        (Some("application/json"), StatusCode::OK),
        (Some("Application/JSON; charset=utf-8"), StatusCode::OK),
        (Some("application/yaml"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (Some("application/jsonp"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (Some("text/plain"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (Some(""), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (None, StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ] {
        let mut request = Request::post("/validate/fail");
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        let request = request.body(Body::from(review("nothing"))).unwrap();
        assert_eq!(send(&router, request).await.0, status, "{content_type:?}");
    }
    let compressed = Request::post("/mutate")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONTENT_ENCODING, "gzip");
    let compressed = compressed.body(Body::from("x")).unwrap();
    assert_eq!(send(&router, compressed).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn refuses_what_is_no_review() {
    let router = router(Limits::default());
    let good: Value = serde_json::from_str(&review("nothing")).unwrap();
    let mut said = String::new();
    for (name, change) in [
        ("no uid", (|review| review["request"]["uid"] = "".into()) as fn(&mut Value)),
        ("null uid", |review| review["request"]["uid"] = Value::Null),
        ("a number for a uid", |review| review["request"]["uid"] = 7.into()),
        ("no request", |review| review["request"] = Value::Null),
        ("v1beta1", |review| review["apiVersion"] = "admission.k8s.io/v1beta1".into()),
        ("another kind", |review| review["kind"] = "ConversionReview".into()),
        ("no version", |review| drop(review.as_object_mut().unwrap().remove("apiVersion"))),
        ("an unknown operation", |review| review["request"]["operation"] = "PATCH".into()),
        ("no operation", |review| drop(review["request"].as_object_mut().unwrap().remove("operation"))),
        ("no kind", |review| review["request"]["kind"] = Value::Null),
        ("no resource", |review| review["request"]["resource"] = Value::Null),
        ("an array", |review| *review = Value::Array(Vec::new())),
        ("an array of the right fields", |review| {
            *review = Value::Array(["apiVersion", "kind", "request"].map(|field| review[field].take()).into());
        }),
        ("a kind in an array", |review| review["request"]["kind"] = json!(["apps", "v1", "StatefulSet"])),
        ("a resource in an array", |review| review["request"]["resource"] = json!(["apps", "v1", "statefulsets"])),
        ("a user in an array", |review| review["request"]["userInfo"] = json!(["alice", "", [], {}])),
        ("a text for a request", |review| review["request"] = "none".into()),
        ("megabytes for a request", |review| review["request"] = "ä".repeat(1 << 20).into()),
    ] {
        let mut review = good.clone();
        change(&mut review);
        let (status, text) = send(&router, post("/validate/fail", &review.to_string())).await;
        said.push_str(&format!("{name}: {} {text}", status.as_u16()));
    }
    for (name, body) in [
        ("empty", String::new()),
        ("cut off", good.to_string()[..200].to_owned()),
        ("text after it", format!("{good} {{}}")),
        ("a key twice", good.to_string().replace(r#""dryRun":false"#, r#""dryRun":true,"dryRun":false"#)),
    ] {
        let (status, text) = send(&router, post("/validate/fail", &body)).await;
        said.push_str(&format!("{name}: {} {text}", status.as_u16()));
    }
    let (status, text) = send(&router, post_bytes("/validate/fail", Bytes::from_static(b"{\"kind\":\"\xff\"}"))).await;
    said.push_str(&format!("not UTF-8: {} {text}", status.as_u16()));
    insta::assert_snapshot!(said);
}

#[tokio::test]
async fn refuses_a_timeout_that_is_no_duration() {
    let router = router(Limits::default());
    for query in ["timeout=", "timeout=5", "timeout=-1s", "timeout=0s", "timeout=soon"] {
        assert_eq!(
            send(&router, post(&format!("/mutate?{query}"), &review("nothing"))).await.0,
            StatusCode::BAD_REQUEST,
            "{query}"
        );
    }
}

#[tokio::test]
async fn takes_8_mib_and_not_a_byte_more() {
    let router = router(Limits::default());
    let review = review("nothing");
    let padded = |bytes: usize| format!("{review}{}", " ".repeat(bytes - review.len()));
    for (bytes, status) in [(8 << 20, StatusCode::OK), ((8 << 20) + 1, StatusCode::PAYLOAD_TOO_LARGE)] {
        assert_eq!(send(&router, post("/validate/fail", &padded(bytes))).await.0, status, "{bytes} announced");
        // Without a length, in pieces.
        let body = padded(bytes).into_bytes();
        let pieces = body.chunks(100_000).map(Bytes::copy_from_slice).collect();
        let request = Request::post("/validate/fail").header(header::CONTENT_TYPE, "application/json");
        let request = request.body(Body::new(Pieces(pieces))).unwrap();
        assert_eq!(send(&router, request).await.0, status, "{bytes} in pieces");
    }
}

#[tokio::test]
async fn gives_up_on_a_body_that_does_not_arrive() {
    let router = router(Limits { body_timeout: Duration::from_millis(20), ..Limits::default() });
    let request = Request::post("/validate/fail")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::new(Never))
        .unwrap();
    assert_eq!(send(&router, request).await.0, StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test]
async fn refuses_bodies_beyond_the_memory_for_them() {
    let router = router(Limits { buffered_bytes: 100, ..Limits::default() });
    assert_eq!(send(&router, post("/validate/fail", &review("nothing"))).await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn sheds_what_is_too_much_and_answers_again_afterwards() {
    let gate = Arc::new(Semaphore::new(0));
    let state = support::state(Arc::clone(&gate));
    let router = routes::router(Arc::clone(&state), Limits { in_flight: 2, ..Limits::default() });
    let (ask, waiting) = (router.clone(), review("wait"));
    let held: Vec<_> = (0..2)
        .map(|_| {
            let (ask, waiting) = (ask.clone(), waiting.clone());
            tokio::spawn(async move { send(&ask, post("/validate/fail", &waiting)).await.0 })
        })
        .collect();
    until(|| metric(&state, "stateward_in_flight_requests ") == "2").await;

    let shed = router.clone().oneshot(post("/validate/fail", &review("nothing"))).await.unwrap();
    assert_eq!(shed.status(), StatusCode::SERVICE_UNAVAILABLE);
    // With it the API server would hold the request and try again.
    assert_eq!(shed.headers().get(header::RETRY_AFTER), None);
    assert_eq!(metric(&state, r#"stateward_rejected_requests_total{cause="overload"} "#), "1");

    gate.add_permits(2);
    for held in held {
        assert_eq!(held.await.unwrap(), StatusCode::OK);
    }
    assert_eq!(send(&router, post("/validate/fail", &review("nothing"))).await.0, StatusCode::OK);
    assert_eq!(metric(&state, "stateward_in_flight_requests "), "0");
}

#[tokio::test]
async fn answers_in_time_even_where_a_component_does_not() {
    let state = support::state(Arc::new(Semaphore::new(0)));
    let router = routes::router(state, Limits::default());
    let (status, _) = send(&router, post("/validate/fail?timeout=50ms", &review("wait"))).await;
    assert_eq!(status, StatusCode::GATEWAY_TIMEOUT);
}

#[tokio::test]
async fn a_panic_costs_its_own_request() {
    let state = support::state(gate());
    let router = routes::router(Arc::clone(&state), Limits::default());
    assert_eq!(send(&router, post("/validate/fail", &review("panic"))).await.0, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(send(&router, post("/validate/fail", &review("nothing"))).await.0, StatusCode::OK);
    assert_eq!(metric(&state, "stateward_panics_total "), "1");
    assert_eq!(metric(&state, "stateward_in_flight_requests "), "0");
}

#[tokio::test]
async fn answers_nothing_before_the_policies_are_loaded() {
    let state = Arc::new(State::new());
    let router = routes::router(Arc::clone(&state), Limits::default());
    assert_eq!(send(&router, post("/validate/fail", &review("nothing"))).await.0, StatusCode::SERVICE_UNAVAILABLE);
    let admin = admin::router(Arc::clone(&state));
    assert_eq!(
        send(&admin, get("/readyz")).await,
        (StatusCode::SERVICE_UNAVAILABLE, "the policies are not loaded yet\n".to_owned())
    );
    assert_eq!(send(&admin, get("/livez")).await.0, StatusCode::OK);

    support::install(&state, gate());
    assert_eq!(send(&admin, get("/readyz")).await.0, StatusCode::OK);
    assert_eq!(send(&router, post("/validate/fail", &review("nothing"))).await.0, StatusCode::OK);
}

#[tokio::test]
async fn counts_what_it_answers() {
    let state = support::state(gate());
    let router = routes::router(Arc::clone(&state), Limits::default());
    for (path, say) in
        [("/validate/fail", "nothing"), ("/validate/fail", "warn"), ("/validate/fail", "deny"), ("/mutate", "change")]
    {
        send(&router, post(path, &review(say))).await;
    }
    let admin = admin::router(Arc::clone(&state));
    let (_, text) = send(&admin, get("/metrics")).await;
    // What takes time differs from run to run.
    let mut steady: Vec<&str> =
        text.lines().filter(|line| !line.contains("_bucket{") && !line.contains("_sum{")).collect();
    // Labels come in any order.
    steady.sort_unstable();
    insta::assert_snapshot!(steady.join("\n"));
}

#[tokio::test]
async fn tells_whether_a_policy_is_in_force_as_it_was_read() {
    let state = support::state(gate());
    let [loaded, generation] = ["loaded", "generation"].map(|of| format!("stateward_policy_{of}{{policy=\"echo\"}} "));
    assert_eq!([metric(&state, &loaded), metric(&state, &generation)], ["1", "3"]);

    let in_force = state.in_force().unwrap();
    let mut statuses = in_force.statuses.clone();
    statuses[0].generation = Some(4);
    statuses[0].errors.push("`spec.mode`: unknown variant `Enforced`".to_owned());
    state.install(Arc::clone(&in_force.policies), Arc::clone(&in_force.inventory), statuses);
    assert_eq!([metric(&state, &loaded), metric(&state, &generation)], ["0", "4"]);

    state.install(Arc::clone(&in_force.policies), Arc::clone(&in_force.inventory), Vec::new());
    assert_eq!([metric(&state, &loaded), metric(&state, &generation)], ["", ""]);
}

#[tokio::test]
async fn shows_what_is_loaded_and_what_is_wrong() {
    let state = support::state(gate());
    state.report("policies", vec!["policies/broken.yaml:3:9: `spec.mode`: unknown variant `Enforced`".to_owned()]);
    let (_, text) = send(&admin::router(Arc::clone(&state)), get("/policies")).await;
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn from_elsewhere_only_health_and_metrics_are_seen() {
    let admin = admin::public_router(support::state(gate()));
    for (path, status) in [
        ("/livez", 200),
        ("/readyz", 200),
        ("/metrics", 200),
        ("/policies", 403),
        ("/decisions", 403),
        ("/report", 403),
    ] {
        assert_eq!(send(&admin, get(path)).await.0.as_u16(), status, "{path}");
    }
}

#[tokio::test]
async fn a_page_is_drawn_by_whoever_reads_the_cluster() {
    let state = support::state(gate());
    let admin = admin::router(Arc::clone(&state));
    let (status, text) = send(&admin, get("/report")).await;
    assert_eq!((status.as_u16(), text.lines().next()), (404, Some("this server reads no cluster")));
    let mut pages = state.pages().unwrap();
    let drawing = tokio::spawn(async move {
        let first = pages.recv().await.unwrap();
        assert_eq!(first.namespace, None);
        first.reply.send(Ok(b"<!doctype html>".to_vec())).unwrap();
        let second = pages.recv().await.unwrap();
        assert_eq!(second.namespace.as_deref(), Some("shop"));
        second.reply.send(Err("the API server is away".to_owned())).unwrap();
    });
    let (status, text) = send(&admin, get("/report")).await;
    assert_eq!((status.as_u16(), text.as_str()), (200, "<!doctype html>"));
    let (status, text) = send(&admin, get("/report?namespace=shop")).await;
    assert_eq!((status.as_u16(), text.lines().next()), (503, Some("the API server is away")));
    drawing.await.unwrap();
    for (query, expected) in [("namespace=a%2fb", 400), ("nowhere=shop", 400), ("", 503)] {
        assert_eq!(send(&admin, get(&format!("/report?{query}"))).await.0.as_u16(), expected, "{query}");
    }
}

#[tokio::test]
async fn people_ask_loopback_by_a_name_that_is_loopback() {
    let admin = admin::router(support::state(gate()));
    for (host, expected) in [
        ("localhost:8080", 200),
        ("LOCALHOST", 200),
        ("127.0.0.1:8080", 200),
        ("[::1]:8080", 200),
        ("[::1]", 200),
        ("rebound.example:8080", 403),
        ("localhost.rebound.example", 403),
        ("10.0.0.1:8080", 403),
        ("", 403),
    ] {
        let mut request = get("/policies");
        request.headers_mut().insert("host", host.parse().unwrap());
        assert_eq!(send(&admin, request).await.0.as_u16(), expected, "{host}");
    }
    for (name, value, expected) in [
        ("sec-fetch-site", "none", 200),
        ("sec-fetch-site", "same-origin", 200),
        ("sec-fetch-site", "cross-site", 403),
        ("sec-fetch-site", "same-site", 403),
        ("x-forwarded-for", "10.0.0.1", 403),
        ("x-forwarded-proto", "http", 403),
        ("forwarded", "for=10.0.0.1", 403),
    ] {
        let mut request = get("/policies");
        request.headers_mut().insert(name, value.parse().unwrap());
        assert_eq!(send(&admin, request).await.0.as_u16(), expected, "{name}: {value}");
        let mut request = get("/livez");
        request.headers_mut().insert(name, value.parse().unwrap());
        assert_eq!(send(&admin, request).await.0.as_u16(), 200, "probes and scrapers may come through one");
    }
}

fn router(limits: Limits) -> axum::Router {
    routes::router(support::state(gate()), limits)
}

async fn ask(path: &str, review: &str) -> String {
    let (status, body) = send(&router(Limits::default()), post(path, review)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

async fn send(router: &axum::Router, request: Request<Body>) -> (StatusCode, String) {
    let response: Response<Body> = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

fn post(path: &str, body: &str) -> Request<Body> {
    post_bytes(path, Bytes::copy_from_slice(body.as_bytes()))
}

fn post_bytes(path: &str, body: Bytes) -> Request<Body> {
    Request::post(path).header(header::CONTENT_TYPE, "application/json").body(Body::from(body)).unwrap()
}

fn metric(state: &State, line: &str) -> String {
    let text = state.metrics().encode().unwrap();
    text.lines().find_map(|found| found.strip_prefix(line)).unwrap_or_default().to_owned()
}

async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap();
}

/// Nobody waits at it.
fn gate() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(0))
}

/// A body that never comes.
struct Never;

impl HttpBody for Never {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Pending
    }
}

/// A body in pieces, of a length that is not announced.
struct Pieces(VecDeque<Bytes>);

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }
}
