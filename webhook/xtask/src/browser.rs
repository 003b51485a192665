//! The browser that the report's page is tested in.

use std::process::{Command, Stdio};

/// Installs Debian's Chromium where there is no browser and we may; else the tests say that they lack one.
pub(crate) fn ensure_browser() {
    let is_there = |program: &str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    };
    if ["chromium", "chromium-browser", "google-chrome"].into_iter().any(is_there) || !is_there("apt-get") {
        return;
    }
    println!("installing Chromium: the report's page is tested in it");
    let steps: [&[&str]; 2] = [&["update", "-qq"], &["install", "--yes", "--no-install-recommends", "-qq", "chromium"]];
    for arguments in steps {
        let status = Command::new("apt-get")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status();
        if !status.is_ok_and(|status| status.success()) {
            println!("`apt-get {}` failed: the tests of the page will be skipped", arguments.join(" "));
            return;
        }
    }
}
