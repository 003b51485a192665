//! What the webhook costs in a cluster: a dry-run create beside an empty webhook in Go, and memory with a large cluster's objects in the inventory.
//!
//! Prints a table; ratios are of one run on one machine. `cargo xtask bench --cluster` builds the product in release and runs this.

mod empty;
mod latency;
mod memory;

use anyhow::Result;
use stateward_cluster_tests::installed::Installed;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let Some(installed) = Installed::start("cluster-bench").await? else { return Ok(()) };
    latency::measure(&installed).await?;
    memory::measure(&installed).await?;
    installed.plane.passed();
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a bench's output is what it is for")]
fn say(line: &str) {
    println!("{line}");
}
