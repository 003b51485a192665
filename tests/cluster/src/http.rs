//! A plain GET on a connection of its own: for health checks, probes and looks at an admin port.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The status of the answer.
pub async fn get(address: &str, path: &str, limit: Duration) -> Result<u16> {
    Ok(fetch(address, path, limit).await?.0)
}

/// Status and body of the answer.
pub async fn fetch(address: &str, path: &str, limit: Duration) -> Result<(u16, String)> {
    let ask = async {
        let stream = TcpStream::connect(address).await?;
        let headers = "User-Agent: kube-probe/1.37\r\nAccept: */*\r\nConnection: close";
        exchange(stream, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n\r\n")).await
    };
    tokio::time::timeout(limit, ask).await.with_context(|| format!("`{address}{path}` does not answer"))?
}

/// Sends a request that asks for the connection's end, and reads the answer's status and body.
pub(crate) async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> Result<(u16, String)> {
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").context("no header")?;
    let status = head.split(' ').nth(1).context("no status")?.parse().context("no status")?;
    Ok((status, body.to_owned()))
}
