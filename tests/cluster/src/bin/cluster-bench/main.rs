//! What the webhook costs in a cluster: a dry-run create beside an empty webhook in Go, memory with a large cluster's objects in the inventory, and a scan
//! of those.
//!
//! Prints a table; ratios are of one run on one machine. `cargo xtask bench --cluster` builds the product in release and runs this. With the argument
//! `audit` the first of the three is left out.

mod audit;
mod empty;
mod latency;
mod memory;

use anyhow::Result;
use stateward_cluster_tests::installed::Installed;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let Some(installed) = Installed::start("cluster-bench").await? else { return Ok(()) };
    if std::env::args().nth(1).as_deref() != Some("audit") {
        latency::measure(&installed).await?;
    }
    memory::measure(&installed).await?;
    audit::measure(&installed).await?;
    installed.plane.passed();
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a bench's output is what it is for")]
fn say(line: &str) {
    println!("{line}");
}
