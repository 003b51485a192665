//! A GET for health checks and probes: one connection, the status, no more.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The status of the answer.
pub(crate) async fn get(address: &str, path: &str, limit: Duration) -> Result<u16> {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: kube-probe/1.36\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        // `HTTP/1.1 200`: the rest says nothing that a probe asks.
        let mut status = [0; 12];
        stream.read_exact(&mut status).await?;
        let status = std::str::from_utf8(&status)?;
        status.rsplit(' ').next().context("no status")?.parse().context("no status")
    };
    tokio::time::timeout(limit, ask).await.with_context(|| format!("`{address}{path}` does not answer"))?
}
