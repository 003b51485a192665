//! Compiles `policies/stateful` for Wasm and wraps it into a component, whose bytes the crate embeds.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use wit_component::ComponentEncoder;

fn main() -> ExitCode {
    match embed() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Cargo shows a build script's stderr when it fails.
            #[expect(clippy::print_stderr, reason = "the only way out of a build script")]
            {
                eprintln!("error: {error}");
            }
            ExitCode::FAILURE
        }
    }
}

fn embed() -> Result<(), Box<dyn Error>> {
    let workspace = Path::new(&variable("CARGO_MANIFEST_DIR")?).join("../..").canonicalize()?;
    let out = PathBuf::from(variable("OUT_DIR")?);
    for input in INPUTS {
        println!("cargo:rerun-if-changed={}", workspace.join(input).display());
    }
    let module = compile(&workspace, &target_folder(&out)?)?;
    let component = ComponentEncoder::default()
        .module(&fs::read(&module)?)
        .and_then(|encoder| encoder.validate(true).encode())
        .map_err(|error| format!("`{}` is not a module of the contract: {error:#}", module.display()))?;
    fs::write(out.join("stateful.wasm"), component)?;
    fs::write(out.join("cases.rs"), cases(&workspace)?)?;
    Ok(())
}

/// A list of the rules' own case files, `(name, text)`, as Rust source.
fn cases(workspace: &Path) -> Result<String, Box<dyn Error>> {
    let mut list = String::from("[\n");
    for family in FAMILIES {
        let folder = workspace.join("policies").join(family).join("cases");
        println!("cargo:rerun-if-changed={}", folder.display());
        let mut files: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(&folder).map_err(|error| format!("`{}`: {error}", folder.display()))? {
            files.push(entry?.path());
        }
        files.sort();
        for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "yaml")) {
            let name = file.strip_prefix(workspace)?.display().to_string();
            list.push_str(&format!("    ({name:?}, include_str!({:?})),\n", file.display().to_string()));
        }
    }
    list.push(']');
    Ok(list)
}

/// Runs a Cargo of its own, in a target folder of its own: the outer one holds the lock of the usual folder.
fn compile(workspace: &Path, target: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let cargo = variable("CARGO")?;
    let mut command = Command::new(&cargo);
    for (name, _) in env::vars_os() {
        if let Some(name) = name.to_str()
            && is_of_outer_build(name)
        {
            command.env_remove(name);
        }
    }
    let output = command
        .current_dir(workspace)
        .args([
            "build",
            "--package",
            "stateward-stateful",
            "--lib",
            "--release",
            "--target",
            TARGET,
            "--locked",
            "--quiet",
            "--target-dir",
        ])
        .arg(target)
        .env("CARGO_ENCODED_RUSTFLAGS", flags(workspace)?)
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3")
        .env("CARGO_PROFILE_RELEASE_LTO", "fat")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .env("CARGO_PROFILE_RELEASE_PANIC", "abort")
        .env("CARGO_PROFILE_RELEASE_STRIP", "symbols")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "false")
        .output()
        .map_err(|error| format!("`{cargo}` does not start: {error}"))?;
    if output.status.success() {
        return Ok(target.join(TARGET).join("release/stateward_stateful.wasm"));
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let is_without_target =
        words.contains("can't find crate for `core`") || words.contains("can't find crate for `std`");
    let hint = if is_without_target { format!("\nhint: rustup target add {TARGET}") } else { String::new() };
    Err(format!("policies/stateful does not compile for `{TARGET}`\n{words}{hint}").into())
}

/// What the outer build set for itself: its flags, its wrapper (clippy), its profile, its package.
fn is_of_outer_build(name: &str) -> bool {
    const NAMES: [&str; 8] = [
        "CARGO_BUILD_TARGET",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_TARGET_DIR",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTDOCFLAGS",
        "RUSTFLAGS",
        "CARGO_INCREMENTAL",
        "LLVM_PROFILE_FILE",
    ];
    const PREFIXES: [&str; 7] =
        ["CARGO_BUILD_", "CARGO_CFG_", "CARGO_FEATURE_", "CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_PROFILE_", "CLIPPY_"];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || is_of_target(name)
}

/// `CARGO_TARGET_<TRIPLE>_RUSTFLAGS` and the like.
fn is_of_target(name: &str) -> bool {
    name.starts_with("CARGO_TARGET_") && name.ends_with("FLAGS")
}

/// Panics name their source files: without this the same sources would give other bytes in another folder, and tell where it was.
fn flags(workspace: &Path) -> Result<String, Box<dyn Error>> {
    let cargo_home = env::var("CARGO_HOME").or_else(|_| env::var("HOME").map(|home| format!("{home}/.cargo")))?;
    Ok(format!("--remap-path-prefix={}=stateward\u{1f}--remap-path-prefix={cargo_home}=cargo", workspace.display()))
}

/// A folder beside the profiles' folders, so that all of them share what is compiled there. `OUT_DIR` is `<target>/<profile>/build/<package>/out`.
fn target_folder(out: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let target = out.ancestors().nth(4).ok_or("OUT_DIR is not in a target folder")?;
    Ok(target.join("builtin"))
}

fn variable(name: &str) -> Result<String, Box<dyn Error>> {
    env::var(name).map_err(|error| format!("{name}: {error}").into())
}

const TARGET: &str = "wasm32-unknown-unknown";

/// The folders below `policies` that hold rules, each with its cases.
const FAMILIES: [&str; 5] = ["ordered-identity", "remote-volumes", "manager-writes", "workload-kind", "operations"];

/// What the component's bytes depend on.
const INPUTS: [&str; 9] = [
    "Cargo.lock",
    "policies/wit",
    "policies/sdk",
    "policies/ordered-identity/src",
    "policies/remote-volumes/src",
    "policies/manager-writes/src",
    "policies/workload-kind/src",
    "policies/operations/src",
    "policies/stateful",
];
