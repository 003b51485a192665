//! Compiling in a child process: this program is both the parent and the child.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a test without a harness")]

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{ExitCode, Termination};
use std::time::{Duration, Instant};

use stateward_engine::{Compiler, Engine, EngineOptions, LoadError, compile_child};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("compile-component") => match compile_child(std::io::stdin(), std::io::stdout()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        },
        // Reads nothing, says nothing, never ends: the parent must end it.
        Some("hang") => loop {
            std::thread::park();
        },
        Some("abort") => std::process::abort(),
        // What `cargo test` and other runners ask.
        Some("--list") => ExitCode::SUCCESS,
        _ => tests().report(),
    }
}

fn tests() {
    for (name, test) in [
        ("compiles_and_caches", compiles_and_caches as fn()),
        ("says_what_is_not_valid", says_what_is_not_valid),
        ("a_child_that_hangs_is_ended", a_child_that_hangs_is_ended),
        ("a_child_that_dies_is_named", a_child_that_dies_is_named),
    ] {
        test();
        println!("test {name} ... ok");
    }
}

fn engine(mode: &str, cache: Option<&Path>, timeout: Duration) -> std::sync::Arc<Engine> {
    let program = std::env::current_exe().expect("a test knows its program");
    let compiler = Compiler::Child { program, args: vec![OsString::from(mode)] };
    Engine::new(EngineOptions {
        compiler,
        cache: cache.map(Path::to_owned),
        compile_timeout: timeout,
        ..EngineOptions::default()
    })
    .expect("an engine")
}

fn load(engine: &std::sync::Arc<Engine>, wasm: &[u8]) -> LoadError {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build().expect("a runtime");
    runtime.block_on(engine.load("file:test", wasm)).err().expect("an empty component does not fit the contract")
}

/// The smallest component there is: it compiles, but exports nothing.
const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";
const PATIENCE: Duration = Duration::from_secs(60);

fn compiles_and_caches() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("cache");
    let error = load(&engine("compile-component", Some(&cache), PATIENCE), EMPTY);
    assert!(matches!(error, LoadError::Contract { .. }), "{error}");
    let stored: Vec<_> =
        fs::read_dir(&cache).expect("the cache").map(|entry| entry.expect("a file").file_name()).collect();
    assert_eq!(stored.len(), 2, "{stored:?}");
    // The second time there is no compiler to ask.
    let error = load(&engine("abort", Some(&cache), PATIENCE), EMPTY);
    assert!(matches!(error, LoadError::Contract { .. }), "{error}");
    // Without a folder of ours there is one for as long as the engine lives.
    let error = load(&engine("compile-component", None, PATIENCE), EMPTY);
    assert!(matches!(error, LoadError::Contract { .. }), "{error}");
}

fn says_what_is_not_valid() {
    let junk = [EMPTY, &b"junk".repeat(100)].concat();
    let error = load(&engine("compile-component", None, PATIENCE), &junk);
    assert_eq!(error.to_string(), "it is not a valid component: malformed section id: 106 (at offset 0xa)");
}

fn a_child_that_hangs_is_ended() {
    let started = Instant::now();
    let error = load(&engine("hang", None, Duration::from_millis(100)), EMPTY);
    assert!(matches!(error, LoadError::CompileTimedOut { .. }), "{error}");
    assert!(started.elapsed() < PATIENCE);
}

fn a_child_that_dies_is_named() {
    let error = load(&engine("abort", None, PATIENCE), EMPTY);
    assert!(matches!(error, LoadError::CompilerDied { signal: 6 }), "{error}");
}
