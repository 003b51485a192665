//! The log: lines on stderr, JSON for machines, text for a person at a terminal.

use std::io::{self, IsTerminal, Write};
use std::panic;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tracing_subscriber::EnvFilter;

/// Writes what is still waiting when it is dropped.
pub(super) struct Log {
    lines: Arc<Lines>,
    writer: Option<JoinHandle<()>>,
}

/// Starts logging at level `info`, or as `STATEWARD_LOG` says.
pub(super) fn start() -> Log {
    let lines = Arc::new(Lines::default());
    let writer = thread::Builder::new().name("log".to_owned()).spawn({
        let lines = Arc::clone(&lines);
        move || lines.write_to(io::stderr())
    });
    let filter = EnvFilter::try_from_env("STATEWARD_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_writer(Arc::clone(&lines));
    let started = if io::stderr().is_terminal() {
        // no-color.org: any value that is not empty.
        let is_colored = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        tracing::subscriber::set_global_default(log.with_ansi(is_colored).finish())
    } else {
        tracing::subscriber::set_global_default(
            log.json().flatten_event(true).with_current_span(false).with_span_list(false).finish(),
        )
    };
    if started.is_ok() {
        // The panic's own words may quote a request.
        panic::set_hook(Box::new(|panicked| {
            tracing::error!(location = panicked.location().map(ToString::to_string), "panicked");
        }));
    }
    Log { lines, writer: writer.ok() }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.lines.lock().is_closed = true;
        self.lines.wake.notify_one();
        if let Some(writer) = self.writer.take() {
            // Its panics are its own.
            let _ = writer.join();
        }
    }
}

/// Lines on their way to stderr. A request pays for copying its line, never for a system call, and never waits for whoever reads the log.
#[derive(Default)]
pub(super) struct Lines {
    waiting: Mutex<Waiting>,
    wake: Condvar,
}

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    dropped: u64,
    is_closed: bool,
}

impl Lines {
    fn write_to(&self, mut out: impl Write) {
        let mut bytes = Vec::new();
        loop {
            let mut waiting = self.lock();
            while waiting.bytes.is_empty() && !waiting.is_closed {
                waiting = self.wake.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            std::mem::swap(&mut bytes, &mut waiting.bytes);
            let (dropped, is_closed) = (std::mem::take(&mut waiting.dropped), waiting.is_closed);
            drop(waiting);
            // Nobody is left to be told that nobody reads the log.
            let _ = out.write_all(&bytes);
            bytes.clear();
            if dropped > 0 {
                tracing::warn!(dropped, "log lines dropped: they are read too slowly");
            }
            if is_closed && self.lock().bytes.is_empty() {
                return;
            }
            if !is_closed {
                thread::sleep(GATHER);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One line at a time.
impl Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.lock();
        if waiting.bytes.len() + line.len() > MAX_WAITING_BYTES {
            waiting.dropped += 1;
        } else {
            if waiting.bytes.is_empty() {
                self.wake.notify_one();
            }
            waiting.bytes.extend_from_slice(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One system call for the lines of this long.
const GATHER: Duration = Duration::from_millis(10);
/// Some 10,000 requests.
const MAX_WAITING_BYTES: usize = 4 << 20;
