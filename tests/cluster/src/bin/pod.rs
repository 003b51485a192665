//! What the tests of the kubelet run in place of the product: it shows what it was given, and does what its signals say.
//!
//! `pod --listen ADDRESS --admin ADDRESS`. The first answers with the pod's name, the second `/readyz`, `/livez`, `/env`,
//! `/args` and any absolute path of a file. SIGUSR1 turns readiness over, SIGUSR2 liveness; SIGTERM ends it in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the pod's log")]
async fn main() -> Result<()> {
    let flag = |name: &str| std::env::args().find_map(|argument| argument.strip_prefix(name).map(str::to_owned));
    let service = TcpListener::bind(flag("--listen=").context("no --listen")?).await?;
    let admin = TcpListener::bind(flag("--admin=").context("no --admin")?).await?;
    let (ready, live) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(true)));
    let mut ends = signal(SignalKind::terminate())?;
    let mut turns_ready = signal(SignalKind::user_defined1())?;
    let mut turns_live = signal(SignalKind::user_defined2())?;
    println!("started");
    loop {
        tokio::select! {
            Ok((stream, _)) = service.accept() => {
                tokio::spawn(answer(stream, |_| (200, std::env::var("POD_NAME").unwrap_or_default())));
            }
            Ok((stream, _)) = admin.accept() => {
                let (ready, live) = (Arc::clone(&ready), Arc::clone(&live));
                tokio::spawn(answer(stream, move |path| show(path, &ready, &live)));
            }
            _ = turns_ready.recv() => drop(ready.fetch_not(Ordering::Relaxed)),
            _ = turns_live.recv() => drop(live.fetch_not(Ordering::Relaxed)),
            _ = ends.recv() => {
                println!("ended in order");
                return Ok(());
            }
        }
    }
}

fn show(path: &str, ready: &AtomicBool, live: &AtomicBool) -> (u16, String) {
    let health = |is_well: bool| (if is_well { 200 } else { 503 }, String::new());
    match path {
        "/readyz" => health(ready.load(Ordering::Relaxed)),
        "/livez" => health(live.load(Ordering::Relaxed)),
        "/env" => (200, std::env::vars().map(|(name, value)| format!("{name}={value}\n")).collect()),
        "/args" => (200, std::env::args().skip(1).map(|argument| format!("{argument}\n")).collect()),
        file => std::fs::read_to_string(file).map_or_else(|error| (404, error.to_string()), |text| (200, text)),
    }
}

/// One request, one answer.
async fn answer(stream: TcpStream, show: impl FnOnce(&str) -> (u16, String)) -> Result<()> {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") && stream.read_line(&mut request).await? > 0 {}
    let (status, body) = show(request.split(' ').nth(1).unwrap_or_default());
    let head = format!("HTTP/1.1 {status} -\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).await?;
    Ok(stream.shutdown().await?)
}
