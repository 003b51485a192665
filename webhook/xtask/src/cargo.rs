//! Calling cargo and rustup from a task.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The repository's root: two folders above this crate.
pub(crate) fn root() -> Result<PathBuf> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    Ok(root.context("this crate has moved")?.to_path_buf())
}

/// `cargo ARGUMENTS` in the repository's root, with its output on the terminal.
pub(crate) fn cargo(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root()?);
    // Set by the cargo that runs this task; a nested cargo must not take them for its own.
    for name in ["CARGO_PKG_NAME", "CARGO_PKG_VERSION", "CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH"] {
        command.env_remove(name);
    }
    Ok(command)
}

/// Adds the Wasm target where it is missing: the built-in policies are compiled for it.
pub(crate) fn ensure_wasm_target() -> Result<()> {
    let sysroot = Command::new("rustc")
        .args(["--print", "sysroot"])
        .current_dir(root()?)
        .output()
        .context("rustc does not run\nhint: install Rust with rustup")?;
    let sysroot = PathBuf::from(String::from_utf8_lossy(&sysroot.stdout).trim());
    if sysroot.join("lib/rustlib").join(WASM_TARGET).join("lib").is_dir() {
        return Ok(());
    }
    println!("adding the target {WASM_TARGET}");
    let status = Command::new("rustup")
        .args(["target", "add", WASM_TARGET])
        .current_dir(root()?)
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("the target {WASM_TARGET} is missing and rustup does not run\nhint: install your Rust's standard library for {WASM_TARGET}"))?;
    if !status.success() {
        bail!("`rustup target add {WASM_TARGET}` failed");
    }
    Ok(())
}

const WASM_TARGET: &str = "wasm32-unknown-unknown";
