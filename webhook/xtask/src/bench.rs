//! `cargo xtask bench`: builds the measuring programs in release and runs them.

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::cargo::{cargo, ensure_wasm_target};

pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    ensure_wasm_target()?;
    let status = cargo(&["build", "--release", "--locked", "--package", "stateward", "--package", "stateward-bench"])?
        .status()
        .context("cargo does not run")?;
    if !status.success() {
        return Ok(ExitCode::FAILURE);
    }
    if let [only] = arguments
        && only == "--cluster"
    {
        return in_cluster();
    }
    let mut command = cargo(&["run", "--release", "--locked", "--package", "stateward-bench", "--bin", "bench", "--"])?;
    let status = command.args(arguments).status().context("the bench does not run")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// On the control plane of the tests, with the product in release.
fn in_cluster() -> Result<ExitCode> {
    let binary = std::env::current_dir()?.join("target/release/stateward");
    let run = ["run", "--locked", "--package", "stateward-cluster-tests", "--bin", "cluster-bench"];
    let status = cargo(&run)?.env("STATEWARD_BINARY", binary).status().context("the bench does not run")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
