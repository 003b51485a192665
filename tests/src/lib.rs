//! What the integration tests share.

pub mod browser;
pub mod certificates;
pub mod client;
pub mod corpus;
pub mod fuzz;
pub mod guests;
pub mod oracle;
pub mod server;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Says that a test lacks something. `cargo xtask test` ends with all of these.
#[expect(clippy::print_stdout, reason = "seen with `--nocapture`")]
pub fn skip(test: &str, reason: &str) {
    println!("skipped: {test}: {reason}");
    if let Some(file) = std::env::var_os("STATEWARD_SKIPPED") {
        let mut lines = std::fs::read_to_string(&file).unwrap_or_default();
        lines.push_str(&format!("{test}: {reason}\n"));
        let _ = std::fs::write(file, lines);
    }
}

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("..")).to_path_buf()
}

/// A cache of compiled components that tests share: compiling the built-in one takes seconds.
pub fn cache() -> PathBuf {
    let cache = root().join("target/stateward-test-cache");
    #[cfg(unix)]
    let made = std::os::unix::fs::DirBuilderExt::mode(std::fs::DirBuilder::new().recursive(true), 0o700).create(&cache);
    #[cfg(not(unix))]
    let made = std::fs::create_dir_all(&cache);
    assert!(made.is_ok(), "{}: {made:?}", cache.display());
    cache
}

/// The binary, built if it is missing or older than its sources: no test judges yesterday's.
pub fn stateward() -> PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| binary("stateward")).clone()
}

/// The demonstration, and the binary that it starts.
pub fn demo() -> PathBuf {
    stateward();
    binary("demo")
}

/// A binary of the workspace, built with the features of the whole workspace so that nothing is compiled twice.
fn binary(name: &str) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["build", "--quiet", "--workspace", "--locked", "--bin", name];
    let status = Command::new(cargo).args(arguments).current_dir(root()).status();
    assert!(status.is_ok_and(|status| status.success()), "`cargo {}` failed", arguments.join(" "));
    // Tests run from `target/debug/deps`.
    let test = std::env::current_exe().unwrap_or_default();
    let binary = test.ancestors().nth(2).unwrap_or(Path::new("target/debug")).join(name);
    assert!(binary.exists(), "there is no {}", binary.display());
    binary
}
