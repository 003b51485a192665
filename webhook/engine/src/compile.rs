//! Wasm to machine code. Cranelift on a hostile component may take minutes and gigabytes, so a server lets a child of its own program do it,
//! within limits of memory and time that cost nothing but the child.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::load::{LoadError, MAX_COMPONENT_BYTES};
use crate::{config, text};

/// Where components are compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compiler {
    /// Here: for tests, and for commands that end soon. Leaves 20 MB of heap behind.
    InProcess,
    /// In a child whose main function is [`compile_child`].
    Child {
        /// Mostly the running program itself.
        program: PathBuf,
        /// `compile-component`.
        args: Vec<OsString>,
    },
}

/// The whole of the compiling child: limits itself, reads Wasm, writes machine code. An error goes to stderr, with exit code 1.
pub fn compile_child(stdin: impl Read, mut stdout: impl Write) -> Result<(), LoadError> {
    limit(Resource::Data, CHILD_MEMORY_BYTES);
    limit(Resource::Cpu, CHILD_CPU_SECONDS);
    limit(Resource::Core, 0);
    let mut wasm = Vec::new();
    stdin.take(MAX_COMPONENT_BYTES as u64 + 1).read_to_end(&mut wasm).map_err(LoadError::Compiler)?;
    let engine = wasmtime::Engine::new(&config::compiling()).map_err(|error| invalid(&error))?;
    let code = precompile(&engine, &wasm)?;
    stdout.write_all(&code).and_then(|()| stdout.flush()).map_err(LoadError::Compiler)
}

impl Compiler {
    /// Machine code for `engine`. Blocks.
    pub(crate) fn compile(
        &self,
        engine: &wasmtime::Engine,
        wasm: &[u8],
        timeout: Duration,
    ) -> Result<Vec<u8>, LoadError> {
        match self {
            Self::InProcess => precompile(engine, wasm),
            Self::Child { program, args } => {
                let child = Command::new(program)
                    .args(args)
                    // It needs nothing from us but the bytes.
                    .env_clear()
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .map_err(LoadError::Compiler)?;
                converse(child, wasm, timeout)
            }
        }
    }
}

fn precompile(engine: &wasmtime::Engine, wasm: &[u8]) -> Result<Vec<u8>, LoadError> {
    engine.precompile_component(wasm).map_err(|error| invalid(&error))
}

/// Feeds the child and reads it out, each on a thread of its own since any of the pipes may fill up first; ends it when time is up.
fn converse(mut child: Child, wasm: &[u8], timeout: Duration) -> Result<Vec<u8>, LoadError> {
    let deadline = Instant::now() + timeout;
    let (Some(mut stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(LoadError::Compiler(io::Error::other("the compiler has no pipes")));
    };
    std::thread::scope(|scope| {
        // A child that ends early breaks the pipe; its status says why.
        scope.spawn(move || stdin.write_all(wasm));
        let words = scope.spawn(move || read_up_to(stderr, MAX_WORDS_BYTES));
        let (code_to, code_from) = mpsc::channel();
        scope.spawn(move || code_to.send(read_up_to(stdout, MAX_CODE_BYTES)));
        let code = code_from.recv_timeout(deadline.saturating_duration_since(Instant::now()));
        let ended = if code.is_ok() { wait_until(&mut child, deadline) } else { None };
        let Some(status) = ended else {
            // Closes all pipes, so that the threads end.
            child.kill().and_then(|()| child.wait()).map_err(LoadError::Compiler)?;
            return Err(LoadError::CompileTimedOut { limit: timeout });
        };
        let words = words.join().ok().and_then(Result::ok).unwrap_or_default();
        match code {
            Ok(Ok(code)) if status.success() => Ok(code),
            Ok(Err(error)) if status.success() => Err(LoadError::Compiler(error)),
            _ => Err(died(status, &words)),
        }
    })
}

/// The status of a child that has closed its output; `None` when it does not end in time.
fn wait_until(child: &mut Child, deadline: Instant) -> Option<ExitStatus> {
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(POLL);
    }
}

fn died(status: ExitStatus, words: &[u8]) -> LoadError {
    use std::os::unix::process::ExitStatusExt;
    match status.signal() {
        Some(signal) if signal == rustix::process::Signal::XCPU.as_raw() => {
            LoadError::CompileTimedOut { limit: Duration::from_secs(CHILD_CPU_SECONDS) }
        }
        Some(signal) => LoadError::CompilerDied { signal },
        None => {
            let words = text::clean(String::from_utf8_lossy(words).trim_end(), MAX_WORDS_BYTES);
            // The child printed an error of ours, perhaps with `error: ` before it.
            match words.split_once(INVALID) {
                Some((_, reason)) => LoadError::Invalid { reason: reason.to_owned() },
                None => LoadError::Compiler(io::Error::other(format!("{status}: {words}"))),
            }
        }
    }
}

fn read_up_to(from: impl Read, max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(max as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Lowers a limit of this process. One that is lower already stays.
fn limit(resource: Resource, most: u64) {
    let current = getrlimit(resource);
    let most = current.maximum.map_or(most, |hard| hard.min(most));
    // Lowering is always allowed; if it were not, the parent's limit of time still holds.
    let _ = setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
}

fn invalid(error: &wasmtime::Error) -> LoadError {
    LoadError::Invalid { reason: text::clean(&error.root_cause().to_string(), MAX_WORDS_BYTES) }
}

/// A 1 MB component takes 190 MB, Python's 18 MB below a GiB. Heap and private mappings; reserved address space does not count.
const CHILD_MEMORY_BYTES: u64 = 1 << 30;
/// Python's takes 8 s on two cores.
const CHILD_CPU_SECONDS: u64 = 100;
/// Machine code is three times as large as Wasm.
const MAX_CODE_BYTES: usize = 256 << 20;
/// How [`LoadError::Invalid`] begins.
const INVALID: &str = "it is not a valid component: ";
const MAX_WORDS_BYTES: usize = 1 << 10;
/// Between the end of the output and the end of the process.
const POLL: Duration = Duration::from_millis(1);
