//! Debian's packages, which some tests want beside Rust.

use std::path::Path;
use std::process::{Command, Stdio};

/// Whether the PATH has it.
pub(crate) fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Runs them in this folder until one fails, and says whether none did.
pub(crate) fn run(steps: &[(&str, &[&str])], folder: &Path) -> bool {
    steps.iter().all(|(program, arguments)| {
        let status = Command::new(program)
            .args(*arguments)
            .current_dir(folder)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status();
        let is_done = status.is_ok_and(|status| status.success());
        if !is_done {
            println!("`{program} {}` failed", arguments.join(" "));
        }
        is_done
    })
}
