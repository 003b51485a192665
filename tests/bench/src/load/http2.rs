//! HTTP/2: all clients share one connection, as all of an API server's calls do.

use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::{Request, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::{Answer, Client, Plan};

/// One client's hold on the connection.
#[derive(Clone)]
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    uri: Uri,
    bodies: Arc<Vec<Bytes>>,
}

impl Connection {
    pub(super) async fn new(stream: TlsStream<TcpStream>, plan: &Plan) -> Result<Self> {
        let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        // Ends with the last sender.
        tokio::spawn(connection);
        let uri = format!("https://localhost{}?timeout=10s", plan.path).parse()?;
        let bodies = plan.reviews.iter().map(|review| Bytes::copy_from_slice(review.as_bytes())).collect();
        Ok(Self { sender, uri, bodies: Arc::new(bodies) })
    }
}

impl Client for Connection {
    async fn ask(&mut self, n: usize) -> Result<Answer> {
        let body = self.bodies.get(n).context("there is no such review")?.clone();
        let request = Request::post(self.uri.clone())
            .header("user-agent", "kube-apiserver-admission")
            .header("accept", "application/json, */*")
            .header("content-type", "application/json")
            .body(Full::new(body))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        Answer::read(status, &body)
    }
}
