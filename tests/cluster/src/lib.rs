//! A real control plane on loopback, and what plays kubelet and Service for our own pods there.
//!
//! Linux only: each plane takes a network of its own out of 127.0.0.0/8, which other systems do not route.

pub mod attacks;
pub mod audit;
pub mod balancer;
pub mod binaries;
pub mod control_plane;
pub mod http;
pub mod installed;
pub mod kubelet;
pub mod load;
pub mod metrics;
mod network;
pub mod open_reports;
mod pki;
pub mod processes;
mod replica;
mod servers;
pub mod shop;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::Instant;

pub use control_plane::ControlPlane;
pub use stateward_rules_tests::skip;

/// Waits until the condition gives a value, and says what was awaited, and how it last failed, when it does not in time.
/// An error is "not yet": in a cluster with faults most things fail at first.
pub async fn eventually<T>(
    what: &str,
    limit: Duration,
    mut condition: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        let last = match condition().await {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => "not yet".to_owned(),
            Err(error) => format!("{error:#}"),
        };
        if Instant::now() > deadline {
            bail!("waited {} s in vain for `{what}`: {last}", limit.as_secs_f32());
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Tells what a test measured: numbers that a machine's load may change are shown, not asserted.
#[expect(clippy::print_stdout, reason = "seen with `--nocapture`")]
pub fn measured(what: &str) {
    println!("measured: {what}");
}

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("..")).to_path_buf()
}

/// The product's binary, built if it is missing or older than its sources: no test judges yesterday's. `STATEWARD_BINARY` names another one, such as
/// the image's.
pub fn stateward() -> PathBuf {
    if let Some(binary) = std::env::var_os("STATEWARD_BINARY") {
        return binary.into();
    }
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        // With the features of the whole workspace, so that nothing is compiled twice.
        let arguments = ["build", "--quiet", "--workspace", "--locked", "--bin", "stateward"];
        let status = Command::new(cargo).args(arguments).current_dir(root()).status();
        assert!(status.is_ok_and(|status| status.success()), "`cargo {}` failed", arguments.join(" "));
        binary("stateward")
    };
    BINARY.get_or_init(build).clone()
}

/// A program that lies where this test was built: cargo builds a package's binaries before its tests.
pub fn binary(name: &str) -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let folder = program.parent().unwrap_or(Path::new("target/debug"));
    // Tests run from `target/debug/deps`, the bench from `target/debug`.
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    let binary = folder.join(name);
    assert!(binary.exists(), "there is no `{}`", binary.display());
    binary
}

/// Often enough that a wait costs a test no time of its own, and seldom enough to cost the machine none.
const POLL: Duration = Duration::from_millis(50);
