//! In the product's place: an HTTPS server that counts calls, allows everything, and refuses the probe when it is told to.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::Result;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

pub(crate) struct Webhook {
    pub(crate) url: String,
    /// PEM of what signs its certificate.
    pub(crate) authority: Vec<u8>,
    pub(crate) refuses_the_probe: Arc<AtomicBool>,
    calls: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Webhook {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address: SocketAddr = listener.local_addr()?;
        let signed = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![signed.cert.der().clone()], key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let webhook = Self {
            url: format!("https://{address}"),
            authority: signed.cert.pem().into_bytes(),
            refuses_the_probe: Arc::default(),
            calls: Arc::default(),
        };
        let (refuses, calls) = (Arc::clone(&webhook.refuses_the_probe), Arc::clone(&webhook.calls));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, refuses, calls) = (acceptor.clone(), Arc::clone(&refuses), Arc::clone(&calls));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = service_fn(move |request| answer(request, Arc::clone(&refuses), Arc::clone(&calls)));
                    let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Ok(webhook)
    }

    /// So far, by path.
    pub(crate) fn calls(&self, path: &str) -> usize {
        self.calls.lock().unwrap().get(path).copied().unwrap_or(0)
    }
}

async fn answer(
    request: Request<Incoming>,
    refuses: Arc<AtomicBool>,
    calls: Arc<Mutex<BTreeMap<String, usize>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let review: Value = serde_json::from_slice(&body).unwrap_or_default();
    *calls.lock().unwrap().entry(path.clone()).or_default() += 1;
    let is_probe = review["request"]["object"]["metadata"]["annotations"].get("stateward.dev/probe").is_some();
    let mut response = json!({"uid": review["request"]["uid"], "allowed": true});
    if is_probe && path != "/mutate" && refuses.load(Ordering::Relaxed) {
        response["allowed"] = json!(false);
        response["status"] =
            json!({"code": 403, "reason": "Forbidden", "message": "the probe (stateward.dev/probe) is always refused"});
    }
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response});
    Ok(Response::new(Full::new(Bytes::from(review.to_string()))))
}
