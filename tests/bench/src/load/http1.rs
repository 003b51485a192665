//! HTTP/1.1 by hand: a client library would cost the machine more than the server that is measured.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::{Answer, Client, Plan};

/// One connection, one request at a time.
pub(super) struct Connection {
    stream: TlsStream<TcpStream>,
    /// Heads and bodies, ready to be sent.
    requests: Arc<Vec<Vec<u8>>>,
    buffer: Vec<u8>,
}

impl Connection {
    pub(super) fn new(stream: TlsStream<TcpStream>, plan: &Plan) -> Self {
        let requests = plan.reviews.iter().map(|review| {
            let head = format!(
                "POST {}?timeout=10s HTTP/1.1\r\nhost: localhost\r\nuser-agent: kube-apiserver-admission\r\naccept: application/json, */*\r\n\
                 content-type: application/json\r\ncontent-length: {}\r\n\r\n",
                plan.path,
                review.len()
            );
            [head.into_bytes(), review.clone().into_bytes()].concat()
        });
        Self { stream, requests: Arc::new(requests.collect()), buffer: Vec::with_capacity(16 * 1024) }
    }
}

impl Client for Connection {
    async fn ask(&mut self, n: usize) -> Result<Answer> {
        let request = self.requests.get(n).context("there is no such review")?;
        self.stream.write_all(request).await?;
        self.stream.flush().await?;
        self.buffer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await?;
            ensure!(read > 0, "the server closed the connection");
            if let Some(response) = Response::parse(&self.buffer)? {
                return Answer::read(response.status, response.body);
            }
        }
    }
}

struct Response<'a> {
    status: u16,
    body: &'a [u8],
}

impl<'a> Response<'a> {
    /// `None` until all of it is there.
    fn parse(bytes: &'a [u8]) -> Result<Option<Self>> {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
        let (head, rest) = bytes.split_at(end);
        let head = std::str::from_utf8(head)?;
        let body = rest.get(4..).unwrap_or_default();
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
        let status = status.with_context(|| format!("not an answer of HTTP/1.1: `{head}`"))?;
        let length = lines.find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        let Some(length) = length else { bail!("the answer has no content-length: `{head}`") };
        Ok(body.get(..length).map(|body| Self { status, body }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_the_whole_answer() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\ndate: x\r\n\r\nhello";
        for end in 0..text.len() {
            assert!(Response::parse(&text[..end]).unwrap().is_none(), "{end}");
        }
        let response = Response::parse(text).unwrap().unwrap();
        assert_eq!((response.status, response.body), (200, b"hello".as_slice()));
    }

    #[test]
    fn what_it_cannot_read_is_an_error() {
        for text in ["HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"] {
            assert!(Response::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
