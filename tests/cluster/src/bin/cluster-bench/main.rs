//! What the webhook costs in a cluster: a dry-run create beside an empty webhook in Go, memory with a large cluster's objects in the inventory, and a scan
//! of those.
//!
//! Prints a table; ratios are of one run on one machine. `cargo xtask bench --cluster` builds the product in release and runs this. With the argument
//! `audit` the first of the three is left out; a number after it is in how many namespaces the objects are, instead of 50.

mod audit;
mod empty;
mod latency;
mod memory;

use anyhow::Result;
use stateward_cluster_tests::installed::Installed;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let Some(installed) = Installed::start("cluster-bench").await? else { return Ok(()) };
    let (what, namespaces) = (std::env::args().nth(1), std::env::args().nth(2));
    if what.as_deref() != Some("audit") {
        latency::measure(&installed).await?;
    }
    memory::measure(&installed, namespaces.map_or(Ok(NAMESPACES), |number| number.parse())?).await?;
    audit::measure(&installed).await?;
    installed.plane.passed();
    Ok(())
}

/// 100 sets, 200 Services and 200 claims in each.
const NAMESPACES: u64 = 50;

#[expect(clippy::print_stdout, reason = "a bench's output is what it is for")]
fn say(line: &str) {
    println!("{line}");
}
