//! The browser that the report's page is tested in.

use std::path::Path;

use crate::debian;

/// Installs Debian's Chromium where there is no browser and we may; else the tests say that they lack one.
pub(crate) fn ensure_browser() {
    if ["chromium", "chromium-browser", "google-chrome"].into_iter().any(debian::is_there)
        || !debian::is_there("apt-get")
    {
        return;
    }
    println!("installing Chromium: the report's page is tested in it");
    let install = ["install", "--yes", "--no-install-recommends", "-qq", "chromium"];
    if !debian::run(&[("apt-get", &["update", "-qq"]), ("apt-get", &install)], Path::new(".")) {
        println!("the tests of the page will be skipped");
    }
}
