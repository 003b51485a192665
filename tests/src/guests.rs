//! Builds the misbehaving policies of `tests/guests`: all of them, once for each process.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};

use anyhow::{Context, Result, anyhow, bail};
use wit_component::ComponentEncoder;

/// The component made of `tests/guests/examples/NAME.rs`.
pub fn component(name: &str) -> Result<Vec<u8>> {
    let module = module(name)?;
    ComponentEncoder::default()
        .module(&module)
        .and_then(|encoder| encoder.validate(true).encode())
        .map_err(|error| anyhow!("guest `{name}` is not a module of the contract: {error:#}"))
}

/// The core module that [`component`] wraps.
pub fn module(name: &str) -> Result<Vec<u8>> {
    let path = built()?.join(format!("{name}.wasm"));
    fs::read(&path).with_context(|| format!("there is no guest `{name}` ({})", path.display()))
}

/// Names of all guests, sorted.
pub fn names() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder().join("examples"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.push(path.file_stem().unwrap_or_default().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn built() -> Result<&'static Path> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}"))) {
        Ok(path) => Ok(path),
        Err(words) => bail!("{words}"),
    }
}

/// Runs a Cargo of its own, in a target folder of its own. Answers the folder with the modules.
fn build() -> Result<PathBuf> {
    let target = target_folder()?;
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Flags and wrappers (clippy's, coverage's) that are meant for the outer build.
    for name in [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "CARGO_TARGET_DIR",
        "RUSTC_WORKSPACE_WRAPPER",
        "CARGO_BUILD_RUSTFLAGS",
    ] {
        command.env_remove(name);
    }
    let output = command
        .args(["build", "--release", "--examples", "--locked", "--quiet", "--target", TARGET, "--manifest-path"])
        .arg(folder().join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .output()
        .context("cargo does not start")?;
    if output.status.success() {
        return Ok(target.join(TARGET).join("release/examples"));
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let is_without_target =
        words.contains("can't find crate for `core`") || words.contains("can't find crate for `std`");
    let hint = if is_without_target { format!("\nhint: rustup target add {TARGET}") } else { String::new() };
    bail!("tests/guests does not compile for `{TARGET}`\n{words}{hint}")
}

/// Beside the profiles' folders. A test runs as `<target>/<profile>/deps/<test>`.
fn target_folder() -> Result<PathBuf> {
    let program = env::current_exe()?;
    let target = program.ancestors().nth(3).context("the test is not in a target folder")?;
    Ok(target.join("guests"))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("guests")
}

const TARGET: &str = "wasm32-unknown-unknown";
