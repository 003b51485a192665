//! Servers and load generators as processes of their own.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::cpu;
use crate::load::{Protocol, Report};
use crate::measure::Programs;

/// A certificate for `localhost` that is its own authority, as `--tls-dir` wants it.
pub fn write_certificate(folder: &Path) -> Result<()> {
    let certificate = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("tls.crt"), certificate.cert.pem())?;
    std::fs::write(folder.join("tls.key"), certificate.signing_key.serialize_pem())?;
    Ok(())
}

/// The folders that a server is started with.
#[derive(Clone, Debug)]
pub struct Folders {
    /// `--tls-dir`
    pub tls: PathBuf,
    /// `--policies`
    pub policies: PathBuf,
    /// `--inventory`
    pub inventory: PathBuf,
    /// `--cache-dir`
    pub cache: PathBuf,
}

/// A server that answers. Ends when it is dropped.
pub struct Server {
    child: Child,
    address: SocketAddr,
    tls: PathBuf,
    /// From the start of the process to the first `ok` of `/readyz`.
    pub ready: Duration,
}

impl Server {
    /// Starts a program with a server's flags, and waits until it is ready. Its log goes to the file; a disk or pipe would be measured too.
    pub fn start(program: &Path, arguments: &[&str], folders: &Folders) -> Result<Self> {
        let (address, admin) = (free_address()?, free_address()?);
        let mut command = Command::new(program);
        command.args(arguments).args(["--listen", &address.to_string(), "--admin-listen", &admin.to_string()]);
        command
            .arg("--tls-dir")
            .arg(&folders.tls)
            .arg("--policies")
            .arg(&folders.policies)
            .arg("--inventory")
            .arg(&folders.inventory);
        command.env(CACHE_VARIABLE, &folders.cache);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::options().write(true).open("/dev/null")?);
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot run {}", program.display()))?;
        let mut server = Self { child, address, tls: folders.tls.clone(), ready: Duration::ZERO };
        while !is_ready(admin) {
            if let Some(status) = server.child.try_wait()? {
                bail!("{} ended with {status} before it was ready", program.display());
            }
            ensure!(started.elapsed() < READY_WITHIN, "{} is not ready after {READY_WITHIN:?}", program.display());
            std::thread::sleep(READY_POLL);
        }
        server.ready = started.elapsed();
        Ok(server)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It holds nothing that an orderly end would save.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One run of the load generator.
#[derive(Clone, Debug)]
pub struct Load<'a> {
    /// The generator.
    pub program: &'a Path,
    /// One review a line.
    pub reviews: &'a Path,
    /// Over what.
    pub protocol: Protocol,
    /// Reviews under way.
    pub clients: usize,
    /// For this long.
    pub time: Duration,
}

/// What a run of the load generator cost the server, and what the clients saw.
#[derive(Clone, Debug)]
pub struct Run {
    /// The server's CPU for each request, microseconds.
    pub cpu_us: f64,
    /// What the clients saw.
    pub report: Report,
}

impl Load<'_> {
    /// Runs it against a server. An error of any request is an error of the run.
    pub fn run(&self, server: &Server) -> Result<Run> {
        self.run_at_most(server, usize::MAX)
    }

    /// Sends every review of the file once.
    pub fn run_each_once(&self, server: &Server, reviews: usize) -> Result<Run> {
        self.run_at_most(server, reviews)
    }

    fn run_at_most(&self, server: &Server, requests: usize) -> Result<Run> {
        let mut command = Command::new(self.program);
        command.args([Programs::LOAD, "--requests", &requests.to_string()]);
        command.args(["--wait", "--address", &server.address.to_string(), "--clients", &self.clients.to_string()]);
        command.args([
            "--milliseconds",
            &self.time.as_millis().to_string(),
            "--warm-up-milliseconds",
            WARM_UP_MILLISECONDS,
        ]);
        command.args(["--protocol", if self.protocol == Protocol::Http1 { "http1" } else { "http2" }]);
        command.arg("--ca").arg(server.tls.join("tls.crt")).arg("--reviews").arg(self.reviews);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut generator = Generator(child.with_context(|| format!("cannot run {}", self.program.display()))?);
        let (mut ask, mut answers) = generator.pipes()?;

        ensure!(line(&mut answers)? == "warm", "the load generator did not warm up");
        let before = cpu::of_process(server.pid())?;
        writeln!(ask, "go")?;
        let report = line(&mut answers)?;
        let used = cpu::of_process(server.pid())?.saturating_sub(before);
        let report: Report =
            serde_json::from_str(&report).with_context(|| format!("the load generator said `{report}`"))?;
        if let Some(error) = &report.first_error {
            bail!("{} of {} requests failed; the first: {error}", report.errors, report.answered + report.errors);
        }
        ensure!(report.answered > 0, "no request was answered");
        #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
        let cpu_us = used.as_secs_f64() * 1e6 / report.answered as f64;
        Ok(Run { cpu_us, report })
    }
}

struct Generator(Child);

impl Generator {
    fn pipes(&mut self) -> Result<(ChildStdin, BufReader<ChildStdout>)> {
        let pipes = self.0.stdin.take().zip(self.0.stdout.take());
        let (ask, answers) = pipes.context("the load generator has no pipes")?;
        Ok((ask, BufReader::new(answers)))
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Ends: the generator bounds its own time.
fn line(from: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    let read = from.read_line(&mut line)?;
    ensure!(read > 0, "the load generator ended early; its error is above");
    Ok(line.trim_end().to_owned())
}

/// A free port at this moment. Somebody may take it before the server does; then the server says so.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

fn is_ready(admin: SocketAddr) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&admin, Duration::from_millis(100))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
}

/// Where compiled components are kept; the bench has a cache of its own.
pub(crate) const CACHE_VARIABLE: &str = "STATEWARD_CACHE_DIR";

/// A cold start compiles the built-in component: 2 s on a quiet machine.
const READY_WITHIN: Duration = Duration::from_secs(60);
const READY_POLL: Duration = Duration::from_millis(1);
const WARM_UP_MILLISECONDS: &str = "200";
