//! `cargo xtask demo`: builds the webhook and shows what it answers to real reviews.

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::cargo::{cargo, ensure_wasm_target, root};

pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    ensure_wasm_target()?;
    println!("building the webhook (the first time takes minutes: it compiles a WebAssembly compiler)");
    let status = cargo(&["build", "--workspace", "--locked", "--bins"])?.status().context("cargo does not run")?;
    if !status.success() {
        return Ok(ExitCode::FAILURE);
    }
    // The demonstration is a client of the webhook like any other; it lives beside the other clients, in `tests`.
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root()?.join("target"), Into::into);
    let status = std::process::Command::new(target.join("debug/demo"))
        .args(arguments)
        .current_dir(root()?)
        .status()
        .context("the demonstration does not run")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
