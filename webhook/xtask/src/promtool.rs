//! What the alerts are tested with.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::cargo::root;
use crate::debian;

/// Puts Debian's promtool into `target` where there is none and we may; else the tests say that they lack it. Unpacked, not installed: the package
/// would start a Prometheus on this machine, now and at every boot.
pub(crate) fn ensure_promtool() -> Result<()> {
    let target = root()?.join("target");
    let promtool = target.join("promtool");
    if promtool.is_file() || debian::is_there("promtool") || !debian::is_there("apt-get") {
        return Ok(());
    }
    println!("fetching promtool: the alerts are tested with it");
    let folder = target.join("promtool.package");
    // What an interrupted run has left.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    if !fetch(&folder, &promtool) {
        println!("the tests of the alerts will be skipped");
    }
    let _ = fs::remove_dir_all(&folder);
    Ok(())
}

fn fetch(folder: &Path, promtool: &Path) -> bool {
    let download: [(&str, &[&str]); 2] =
        [("apt-get", &["update", "-qq"]), ("apt-get", &["download", "-qq", "prometheus"])];
    if !debian::run(&download, folder) {
        return false;
    }
    // Its name has the version.
    let mut files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let Some(package) = files.find(|path| path.extension().is_some_and(|extension| extension == "deb")) else {
        return false;
    };
    let package = package.to_string_lossy();
    debian::run(&[("dpkg-deb", &["--extract", &package, "."])], folder)
        && fs::rename(folder.join("usr/bin/promtool"), promtool).is_ok()
}
