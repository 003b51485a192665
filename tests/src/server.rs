//! The real binary, serving.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::client::Endpoint;

/// `stateward serve` in a process of its own, on free ports; ended when it is dropped.
pub struct Serve {
    child: Child,
    log: Arc<Mutex<Vec<Value>>>,
    reader: Option<JoinHandle<()>>,
    /// The HTTPS port.
    pub address: SocketAddr,
    /// The admin port.
    pub admin: SocketAddr,
    /// What must be trusted, where the certificate is self-signed.
    pub ca: Option<PathBuf>,
}

impl Serve {
    /// Starts it with these flags beside the ports, and waits until it is ready.
    pub fn start(flags: &[&str]) -> Result<Self> {
        let serve = Self::start_unready(flags)?;
        serve.until("ready", || serve.get("/readyz").is_ok_and(|(status, _)| status == 200))?;
        Ok(serve)
    }

    /// Starts it, and waits until it listens.
    pub fn start_unready(flags: &[&str]) -> Result<Self> {
        let mut child = command(flags).spawn()?;
        let stderr = child.stderr.take().context("no stderr")?;
        let log = Arc::new(Mutex::new(Vec::new()));
        let reader = thread::spawn({
            let log = Arc::clone(&log);
            move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                    log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                }
            }
        });
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut serve = Self { child, log, reader: Some(reader), address: nowhere, admin: nowhere, ca: None };
        let listening = serve.logged("listening")?;
        serve.address = text(&listening, "address").parse()?;
        serve.admin = text(&listening, "admin_address").parse()?;
        serve.ca = Some(PathBuf::from(text(&listening, "ca_file"))).filter(|path| !path.as_os_str().is_empty());
        Ok(serve)
    }

    /// For clients that trust its self-signed certificate.
    pub fn endpoint(&self) -> Result<Endpoint> {
        Endpoint::new(self.address, self.ca.as_deref().context("the certificate is not self-signed")?)
    }

    /// A path of the admin port: status and body.
    pub fn get(&self, path: &str) -> Result<(u16, String)> {
        let mut stream = TcpStream::connect(self.admin)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut response = String::new();
        stream.read_to_string(&mut response)?;
        let (head, body) = response.split_once("\r\n\r\n").context("no header")?;
        let status = head.split(' ').nth(1).context("no status")?.parse()?;
        Ok((status, body.to_owned()))
    }

    /// The value of a metric's line, 0 where there is none.
    pub fn metric(&self, series: &str) -> f64 {
        let text = self.get("/metrics").map(|(_, text)| text).unwrap_or_default();
        text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok()).unwrap_or(0.0)
    }

    /// What it has logged so far.
    pub fn log(&self) -> Vec<Value> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for a line with this message.
    pub fn logged(&self, message: &str) -> Result<Value> {
        let find = || self.log().into_iter().find(|line| text(line, "message") == message);
        self.until(message, || find().is_some())?;
        find().context("the line is gone")
    }

    /// Waits for a condition.
    pub fn until(&self, what: &str, condition: impl Fn() -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !condition() {
            let is_gone = self.reader.as_ref().is_none_or(JoinHandle::is_finished);
            if is_gone || Instant::now() > deadline {
                bail!("waited in vain for `{what}`; the log: {:#?}", self.log());
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::TERM)?)
    }

    /// Waits for its end, and answers all that it logged.
    pub fn wait(mut self) -> Result<(ExitStatus, Vec<Value>)> {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            ensure!(Instant::now() < deadline, "it does not end");
            thread::sleep(POLL);
        };
        if let Some(reader) = self.reader.take() {
            reader.join().ok().context("the log's reader panicked")?;
        }
        Ok((status, self.log()))
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The command, with nothing from our own environment that it would listen to.
pub fn command(flags: &[&str]) -> Command {
    let mut command = Command::new(crate::stateward());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("STATEWARD_")) {
        command.env_remove(name);
    }
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
        .args(flags)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// A field of a line of the log.
pub fn text<'a>(line: &'a Value, field: &str) -> &'a str {
    line.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// A busy machine compiles the built-in component in ten seconds.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);
