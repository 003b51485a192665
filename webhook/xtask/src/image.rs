//! `cargo xtask image`: the container image as an OCI layout in a folder, without a daemon.
//!
//! Builds a static release binary (or takes `--binary`), lets it compile the built-in policies, and packs both. Pushes nothing: tools that
//! read an OCI layout do that. `deploy/Dockerfile` makes the same image with a daemon.

mod elf;
mod layout;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::cargo::{cargo, ensure_wasm_target, root};
use layout::{Config, Entry};

pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let arguments = Arguments::parse(arguments)?;
    let binary = match arguments.binary {
        Some(binary) => binary,
        None => build()?,
    };
    let program = std::fs::read(&binary).with_context(|| format!("cannot read `{}`", binary.display()))?;
    let architecture = elf::architecture(&program)
        .with_context(|| format!("`{}` is no Linux program of a known architecture", binary.display()))?;
    if elf::is_dynamic(&program) {
        // Only with `--binary`: what is built here has been checked.
        println!("note: `{}` is dynamically linked, so this image does not start in a container", binary.display());
    }
    let version = version(&binary)?;

    let mut entries = vec![
        // What needs no folder of its own still wants one for temporary files: `docker run .. check -`.
        Entry::folder("tmp", 0o1777),
        Entry::folder("var", OURS),
        Entry::folder("var/cache", OURS),
        Entry::folder(PRECOMPILED, OURS),
        Entry::file("stateward", program, 0o755),
    ];
    for (name, bytes) in precompile(&binary)? {
        entries.push(Entry::file(&format!("{PRECOMPILED}/{name}"), bytes, 0o444));
    }
    let config = Config {
        architecture,
        // The number of "nobody" in distroless images: `runAsNonRoot` wants a number.
        user: "65532:65532",
        entrypoint: "/stateward",
        environment: vec![format!("STATEWARD_PRECOMPILED_DIR=/{PRECOMPILED}")],
        title: "stateward",
        version: &version,
    };
    let digest = layout::write(&arguments.out, entries, &config)?;
    println!("{} is an OCI layout of stateward:{version}, linux/{architecture}, {digest}", arguments.out.display());
    println!(
        "push it, for example: skopeo copy oci:{}:{version} docker://REGISTRY/stateward:{version}",
        arguments.out.display()
    );
    Ok(ExitCode::SUCCESS)
}

struct Arguments {
    out: PathBuf,
    binary: Option<PathBuf>,
}

impl Arguments {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut parsed = Self { out: root()?.join("target/image"), binary: None };
        let mut rest = arguments.iter();
        while let Some(flag) = rest.next() {
            let mut value = || rest.next().map(PathBuf::from).with_context(|| format!("`{flag}` wants a path"));
            match flag.as_str() {
                "--out" => parsed.out = value()?,
                "--binary" => parsed.binary = Some(value()?),
                other => bail!("there is no flag `{other}`\nhint: cargo xtask image [--out DIR] [--binary FILE]"),
            }
        }
        Ok(parsed)
    }
}

/// A static release binary. With the C library of GNU and not musl: the allocator is the one that the bench measures, the target is there
/// already, and since glibc 2.34 names are resolved without a library beside the program.
fn build() -> Result<PathBuf> {
    ensure_wasm_target()?;
    let target = host()?;
    let static_c = format!("target.{target}.rustflags=[\"-C\", \"target-feature=+crt-static\"]");
    // A target that is named, even if it is this machine's, keeps the flag away from build scripts and macros.
    let arguments =
        ["build", "--release", "--locked", "--package", "stateward", "--target", &target, "--config", &static_c];
    println!("building a static binary for {target}: minutes");
    let status = cargo(&arguments)?.status().context("cargo does not run")?;
    ensure!(status.success(), "`cargo {}` failed", arguments.join(" "));
    let target_folder = std::env::var_os("CARGO_TARGET_DIR").map_or(root()?.join("target"), PathBuf::from);
    let binary = target_folder.join(&target).join("release/stateward");
    let program = std::fs::read(&binary).with_context(|| format!("cannot read `{}`", binary.display()))?;
    ensure!(
        !elf::is_dynamic(&program),
        "`{}` is dynamically linked\nhint: flags in RUSTFLAGS replace this task's; unset it",
        binary.display()
    );
    Ok(binary)
}

fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("rustc does not run")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: ")).context("`rustc -vV` names no host")?;
    Ok(host.to_owned())
}

/// What `stateward --version` says after the name.
fn version(binary: &Path) -> Result<String> {
    let output = Command::new(binary).arg("--version").stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("`{}` does not run here", binary.display()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.trim().strip_prefix("stateward ").context("the binary does not say its version")?;
    Ok(version.to_owned())
}

/// The built-in policies as machine code. Any command that loads them leaves it in the cache; `rules` does nothing else.
fn precompile(binary: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let cache = std::env::temp_dir().join(format!("stateward-image-{}", std::process::id()));
    let status = Command::new(binary)
        .arg("rules")
        .env("STATEWARD_CACHE_DIR", &cache)
        // Or it would find them where an image has them.
        .env_remove("STATEWARD_PRECOMPILED_DIR")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("`{}` does not run here", binary.display()))?;
    let files = if status.success() { read_files(&cache) } else { Ok(Vec::new()) };
    let _ = std::fs::remove_dir_all(&cache);
    let files = files?;
    ensure!(files.iter().any(|(name, _)| name.ends_with(".cwasm")), "`stateward rules` compiled no policy");
    Ok(files)
}

fn read_files(folder: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read `{}`", folder.display()))? {
        let entry = entry?;
        files.push((entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path())?));
    }
    Ok(files)
}

/// Root's, and readable by everybody: nobody in the container can write the program or the machine code that it maps.
const PRECOMPILED: &str = "var/cache/stateward";

const OURS: u32 = 0o755;
