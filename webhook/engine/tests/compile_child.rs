//! Compiling in a child process: this program is both the parent and the child.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a test without a harness")]

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use stateward_engine::{Compiler, Engine, EngineOptions, LoadError, compile_child};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.first().map(String::as_str) {
        Some("compile-component") => compile_child(std::io::stdin(), std::io::stdout()).map_err(Into::into),
        // Reads nothing, says nothing, never ends: the parent must end it.
        Some("hang") => loop {
            std::thread::park();
        },
        Some("abort") => std::process::abort(),
        // What `cargo test` and other runners ask.
        Some("--list") => Ok(()),
        _ => tests(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn tests() -> Result<()> {
    for (name, test) in [
        ("compiles_and_caches", compiles_and_caches as fn() -> Result<()>),
        ("says_what_is_not_valid", says_what_is_not_valid),
        ("a_child_that_hangs_is_ended", a_child_that_hangs_is_ended),
        ("a_child_that_dies_is_named", a_child_that_dies_is_named),
    ] {
        test()?;
        println!("test {name} ... ok");
    }
    Ok(())
}

/// What is said of `wasm` when the child is started in `mode`.
fn refusal(mode: &str, cache: Option<&Path>, timeout: Duration, wasm: &[u8]) -> Result<LoadError> {
    let compiler = Compiler::Child { program: std::env::current_exe()?, args: vec![OsString::from(mode)] };
    let cache = cache.map(Path::to_owned);
    let engine = Engine::new(EngineOptions { compiler, cache, compile_timeout: timeout, ..EngineOptions::default() })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build()?;
    runtime.block_on(engine.load("file:test", wasm)).err().ok_or_else(|| "it loads".into())
}

/// The smallest component there is: it compiles, but exports nothing.
const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";
const PATIENCE: Duration = Duration::from_secs(60);

fn compiles_and_caches() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let cache = folder.path().join("cache");
    let error = refusal("compile-component", Some(&cache), PATIENCE, EMPTY)?;
    assert!(matches!(error, LoadError::Contract { .. }), "{error}");
    assert_eq!(fs::read_dir(&cache)?.count(), 2, "the code and its digest");
    // The second time there is no compiler to ask.
    let error = refusal("abort", Some(&cache), PATIENCE, EMPTY)?;
    assert!(matches!(error, LoadError::Contract { .. }), "{error}");
    // Without a folder of ours there is one for as long as the engine lives.
    let error = refusal("compile-component", None, PATIENCE, EMPTY)?;
    assert!(matches!(error, LoadError::Contract { .. }), "{error}");
    Ok(())
}

fn says_what_is_not_valid() -> Result<()> {
    let junk = [EMPTY, &b"junk".repeat(100)].concat();
    let error = refusal("compile-component", None, PATIENCE, &junk)?;
    assert_eq!(error.to_string(), "it is not a valid component: malformed section id: 106 (at offset 0xa)");
    Ok(())
}

fn a_child_that_hangs_is_ended() -> Result<()> {
    let started = Instant::now();
    let error = refusal("hang", None, Duration::from_millis(100), EMPTY)?;
    assert!(matches!(error, LoadError::CompileTimedOut { .. }), "{error}");
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    Ok(())
}

fn a_child_that_dies_is_named() -> Result<()> {
    let error = refusal("abort", None, PATIENCE, EMPTY)?;
    assert!(matches!(error, LoadError::CompilerDied { signal: 6 }), "{error}");
    Ok(())
}
