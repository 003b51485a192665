//! A client like the API server's: TLS, keep-alive, HTTP/1.1 or HTTP/2, and it keeps to `Connection: close` and `GOAWAY`.

use std::error::Error as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response, header};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What is spoken above TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// What the API server speaks to a Service.
    Http1,
    /// What it speaks to a URL.
    Http2,
}

/// Where a server is, and what is trusted of it.
#[derive(Clone)]
pub struct Endpoint {
    /// Its port.
    pub address: SocketAddr,
    config: Arc<ClientConfig>,
}

/// One connection.
pub struct Connection {
    sender: Sender,
    certificate: Option<CertificateDer<'static>>,
    is_last: bool,
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP's.
    pub status: u16,
    /// As it is.
    pub body: Bytes,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Endpoint {
    /// Trusts the authority in this file.
    pub fn new(address: SocketAddr, ca: &Path) -> Result<Self> {
        Self::with_client_certificate(address, ca, None)
    }

    /// The same, and shows a certificate: chain and key in PEM.
    pub fn with_client_certificate(address: SocketAddr, ca: &Path, own: Option<(&str, &str)>) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(ca)? {
            roots.add(certificate?)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let config = match own {
            None => config.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<Vec<_>, _>>()?;
                config.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes())?)?
            }
        };
        Ok(Self { address, config: Arc::new(config) })
    }

    /// TLS and nothing above it.
    pub async fn connect_tls(&self, protocol: Protocol) -> Result<TlsStream<TcpStream>> {
        let mut config = ClientConfig::clone(&self.config);
        // To a Service the API server offers no protocol at all.
        config.alpn_protocols = match protocol {
            Protocol::Http1 => Vec::new(),
            Protocol::Http2 => vec![b"h2".to_vec()],
        };
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::from(self.address.ip());
        Ok(TlsConnector::from(Arc::new(config)).connect(name, stream).await?)
    }

    /// A connection.
    pub async fn connect(&self, protocol: Protocol) -> Result<Connection> {
        let stream = self.connect_tls(protocol).await?;
        let certificate = stream
            .get_ref()
            .1
            .peer_certificates()
            .and_then(<[_]>::first)
            .map(|certificate| certificate.clone().into_owned());
        let io = TokioIo::new(stream);
        let sender = match protocol {
            Protocol::Http1 => {
                let (sender, connection) = http1::handshake(io).await?;
                tokio::spawn(connection);
                Sender::Http1(sender)
            }
            Protocol::Http2 => {
                let builder = http2::Builder::new(TokioExecutor::new()).timer(TokioTimer::new()).clone();
                let (sender, connection) = builder.handshake(io).await?;
                tokio::spawn(connection);
                Sender::Http2(sender)
            }
        };
        Ok(Connection { sender, certificate, is_last: false })
    }

    /// One request on a connection of its own.
    pub async fn post(&self, protocol: Protocol, path: &str, body: impl Into<Bytes>) -> Result<Answer> {
        self.connect(protocol).await?.post(path, body).await
    }
}

impl Connection {
    /// The server's certificate.
    pub const fn certificate(&self) -> Option<&CertificateDer<'static>> {
        self.certificate.as_ref()
    }

    /// The same connection again, for calls beside those of this one; `None` over HTTP/1.1, which has one call at a time.
    pub fn beside(&self) -> Option<Self> {
        match &self.sender {
            Sender::Http1(_) => None,
            Sender::Http2(sender) => Some(Self {
                sender: Sender::Http2(sender.clone()),
                certificate: self.certificate.clone(),
                is_last: self.is_last,
            }),
        }
    }

    /// Whether it takes another request: the server has neither closed it nor asked us to go.
    pub async fn is_usable(&mut self) -> bool {
        self.ready().await.is_ok() && !self.is_last
    }

    /// Over HTTP/1.1 the former answer may not have been put away yet.
    async fn ready(&mut self) -> hyper::Result<()> {
        match &mut self.sender {
            Sender::Http1(sender) => sender.ready().await,
            Sender::Http2(sender) => sender.ready().await,
        }
    }

    /// Sends a review.
    pub async fn post(&mut self, path: &str, body: impl Into<Bytes>) -> Result<Answer> {
        self.post_as(path, JSON, body).await
    }

    /// Sends it with another content type.
    pub async fn post_as(&mut self, path: &str, content_type: &str, body: impl Into<Bytes>) -> Result<Answer> {
        match self.try_post(path, content_type, body.into()).await? {
            Some(answer) => Ok(answer),
            None => bail!("the server closed the connection before the request was sent"),
        }
    }

    /// Sends a review; `None`: it was not sent, or the server said with `GOAWAY` that it did not look at it. Then it may be sent elsewhere.
    pub async fn try_post(&mut self, path: &str, content_type: &str, body: Bytes) -> Result<Option<Answer>> {
        let base = match &self.sender {
            Sender::Http1(_) => Request::post(path).header(header::HOST, "localhost"),
            Sender::Http2(_) => Request::post(format!("https://localhost{path}")),
        };
        let request = base
            .header(header::CONTENT_TYPE, content_type)
            .header(header::ACCEPT, "application/json, */*")
            .header(header::USER_AGENT, "kube-apiserver-admission")
            .body(Full::new(body))?;
        if self.ready().await.is_err() {
            return Ok(None);
        }
        let sent = match &mut self.sender {
            Sender::Http1(sender) => timeout(PATIENCE, sender.try_send_request(request)).await,
            Sender::Http2(sender) => timeout(PATIENCE, sender.try_send_request(request)).await,
        };
        match sent.context("no answer in time")? {
            Ok(response) => self.read(response).await.map(Some),
            Err(mut error) => match error.take_message() {
                Some(_unsent) => Ok(None),
                None if is_refused_by_goaway(error.error()) => Ok(None),
                None => Err(error.into_error().into()),
            },
        }
    }

    async fn read(&mut self, response: Response<Incoming>) -> Result<Answer> {
        self.is_last |= response.headers().get(header::CONNECTION).is_some_and(|value| value == "close");
        let status = response.status().as_u16();
        let body = timeout(PATIENCE, response.into_body().collect()).await.context("no body in time")??.to_bytes();
        Ok(Answer { status, body })
    }
}

/// Sent while the server's `GOAWAY` was on its way, with a stream id above the last that it looks at. Go's client sends such a request again.
fn is_refused_by_goaway(error: &hyper::Error) -> bool {
    let h2 = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
    h2.is_some_and(|error| error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR))
}

/// What reviews are sent as.
pub const JSON: &str = "application/json";

/// Longer than the server may take for anything.
const PATIENCE: Duration = Duration::from_secs(30);
