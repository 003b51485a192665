//! The definitions of `openreports.io`, as its authors publish them: a Go module, kept by Go's own cache and checked by its sum.
//!
//! They are other people's work, so they are not in the repository.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// The text of both definitions, for `kubectl apply`.
pub fn definitions() -> Result<String> {
    let mut command = Command::new("go");
    command.args(["mod", "download", "-json", MODULE]);
    // The sum is compared here, so nobody else has to be asked for it. Outside of a module Go looks at no `go.mod`.
    command.env("GONOSUMDB", "*").env("GOFLAGS", "-mod=mod").current_dir(std::env::temp_dir());
    let output = command.output().context("`go mod download`")?;
    let said = || String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "`go mod download -json {MODULE}`: {}", said());
    let module: Value = serde_json::from_slice(&output.stdout).with_context(said)?;
    ensure!(module["Sum"] == SUM, "{MODULE} has the sum {}, expected {SUM}", module["Sum"]);
    let folder = PathBuf::from(module["Dir"].as_str().context("no folder")?).join("config/crd");
    let read = |name: &str| {
        let file = folder.join(name);
        fs::read_to_string(&file).with_context(|| file.display().to_string())
    };
    Ok(format!("{}\n---\n{}", read("openreports.io_reports.yaml")?, read("openreports.io_clusterreports.yaml")?))
}

const MODULE: &str = "github.com/openreports/reports-api@v0.2.1";
const SUM: &str = "h1:g9KS3yle9Y1elmww4TK9EkD1rl6inIaiIJPX6e+u680=";
