//! A running `stateward serve`, and a client for it as small as one can be: one TLS connection for each call.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

/// A running webhook; ended when dropped.
pub(crate) struct Webhook {
    process: Child,
    pub(crate) address: SocketAddr,
    pub(crate) admin_address: SocketAddr,
    pub(crate) ca_file: PathBuf,
    tls: Arc<ClientConfig>,
}

impl Webhook {
    /// Starts it on free ports of the loopback interface and waits until it is ready.
    pub(crate) fn start(inventory: &Path) -> Result<Self> {
        let binary = std::env::current_exe()?.with_file_name("stateward");
        let mut process = Command::new(&binary)
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--admin-listen",
                "127.0.0.1:0",
                "--drain-delay",
                "0s",
                "--inventory",
            ])
            .arg(inventory)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}\nhint: cargo xtask demo", binary.display()))?;
        let stderr = process.stderr.take().context("the webhook has no stderr")?;
        let mut lines = BufReader::new(stderr).lines();
        let listening = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let line: Value = serde_json::from_str(&line).ok()?;
            let fields = line.get("fields").unwrap_or(&line);
            (fields["message"] == "listening").then(|| fields.clone())
        });
        // Read on, or the webhook would one day wait for room in the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let Some(listening) = listening else {
            bail!("the webhook ended before it listened: {}", process.wait()?);
        };
        let field =
            |name: &str| listening[name].as_str().with_context(|| format!("the webhook does not say its {name}"));
        let ca_file = PathBuf::from(field("ca_file")?);
        let webhook = Self {
            address: field("address")?.parse()?,
            admin_address: field("admin_address")?.parse()?,
            tls: trusting(&ca_file)?,
            ca_file,
            process,
        };
        webhook.wait_until_ready()?;
        Ok(webhook)
    }

    /// Posts a review and answers its `response`.
    pub(crate) fn post(&self, path: &str, review: &Value) -> Result<Value> {
        let body = review.to_string();
        let name = ServerName::from(self.address.ip());
        let connection = ClientConnection::new(Arc::clone(&self.tls), name)?;
        let mut stream = StreamOwned::new(connection, self.connect(self.address)?);
        let answer = call(
            &mut stream,
            &format!(
                "POST {path}?timeout=5s HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                self.address,
                body.len(),
            ),
        )?;
        let review: Value = serde_json::from_str(&answer).with_context(|| format!("{path} answered {answer:?}"))?;
        Ok(review["response"].clone())
    }

    fn wait_until_ready(&self) -> Result<()> {
        let deadline = Instant::now() + READY_TIMEOUT;
        while Instant::now() < deadline {
            let mut stream = self.connect(self.admin_address)?;
            let request = format!("GET /readyz HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.admin_address);
            if call(&mut stream, &request).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("the webhook was not ready within {READY_TIMEOUT:?}")
    }

    fn connect(&self, address: SocketAddr) -> Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&address, CALL_TIMEOUT)?;
        stream.set_read_timeout(Some(CALL_TIMEOUT))?;
        stream.set_write_timeout(Some(CALL_TIMEOUT))?;
        Ok(stream)
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        // SIGTERM, not SIGKILL: it takes its temporary files along.
        if let Some(id) = i32::try_from(self.process.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
        let _ = self.process.wait();
    }
}

/// Sends a request, answers the body of a 200.
fn call(stream: &mut (impl Read + Write), request: &str) -> Result<String> {
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8(answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no body")?;
    let status = head.lines().next().unwrap_or_default();
    if !status.starts_with("HTTP/1.1 200") {
        bail!("{status}: {body}");
    }
    Ok(body.to_owned())
}

fn trusting(ca_file: &Path) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca_file).with_context(|| format!("cannot read {}", ca_file.display()))?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// Compiling the policies takes 2 s at most, on a busy machine several times that.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
