//! Processes that a test starts, stops and breaks; none outlives it.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// Ends every process that it was told of when it is asked to, and when the test's process is gone. See `src/bin/keeper.rs`.
pub(crate) struct Keeper {
    child: Mutex<Child>,
    input: Mutex<Option<ChildStdin>>,
}

impl Keeper {
    /// Starts it; at the end it removes `store`.
    pub(crate) fn start(store: &Path) -> Result<Self> {
        let mut child = Command::new(crate::binary("keeper"))
            .arg(store)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            // Ctrl-C goes to the whole group of the terminal, and this one must outlive it.
            .process_group(0)
            .spawn()
            .context("the keeper does not start")?;
        let input = Mutex::new(child.stdin.take());
        Ok(Self { child: Mutex::new(child), input })
    }

    /// Starts a process under its care, with the log as standard output and error.
    pub(crate) fn spawn(&self, command: &mut Command, log: &Path) -> Result<Child> {
        let output = File::options().create(true).append(true).open(log);
        let output = output.with_context(|| format!("cannot write `{}`", log.display()))?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .spawn()
            .with_context(|| format!("`{}` does not start", command.get_program().display()))?;
        let mut input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        let told = input.as_mut().is_some_and(|input| writeln!(input, "{}", child.id()).is_ok());
        if !told {
            let _ = child.kill();
            let _ = child.wait();
            bail!("the keeper is gone");
        }
        Ok(child)
    }

    /// Ends all that was started, and waits for that.
    pub(crate) fn end(&self) {
        drop(self.input.lock().unwrap_or_else(PoisonError::into_inner).take());
        let _ = self.child.lock().unwrap_or_else(PoisonError::into_inner).wait();
    }
}

/// A server that can be started again with the same flags.
pub(crate) struct Server {
    program: PathBuf,
    flags: Vec<String>,
    log: PathBuf,
    child: Option<Child>,
}

impl Server {
    pub(crate) fn new(program: PathBuf, flags: Vec<String>, log: PathBuf) -> Self {
        Self { program, flags, log, child: None }
    }

    /// Starts it, if it does not run.
    pub(crate) fn start(&mut self, keeper: &Keeper, folder: &Path) -> Result<()> {
        if self.child.is_none() {
            let mut command = Command::new(&self.program);
            command.args(&self.flags).current_dir(folder);
            self.child = Some(keeper.spawn(&mut command, &self.log)?);
        }
        Ok(())
    }

    /// Sends a signal, if it runs.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let child = self.child.as_ref().with_context(|| format!("`{}` does not run", self.program.display()))?;
        Ok(kill_process(Pid::from_child(child), signal)?)
    }

    /// Whether it has ended, which this also takes note of.
    pub(crate) fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        let Some(child) = self.child.as_mut() else { return Ok(Some(ExitStatus::default())) };
        let status = child.try_wait()?;
        if status.is_some() {
            self.child = None;
        }
        Ok(status)
    }

    /// Takes note of an end that is certain.
    pub(crate) fn reap(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// An error with the end of its log, if it has ended.
    pub(crate) fn is_alive(&mut self) -> Result<()> {
        match self.try_wait()? {
            None => Ok(()),
            Some(status) => {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                let lines: Vec<&str> = log.lines().rev().take(5).collect();
                bail!("`{}` ended with {status}: {}", self.program.display(), lines.join("\n"))
            }
        }
    }
}

/// When the process began, in ticks since the machine's start; `None` where there is no such process.
pub fn started_at(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything; the 22nd field is the 20th after it.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

/// How often we look whether a child has ended.
pub(crate) const POLL: Duration = Duration::from_millis(20);
