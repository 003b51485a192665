//! The load generator: `bench load --address HOST:PORT --ca FILE --reviews FILE ..`. Writes one line of JSON when it is done; with `--wait` also a
//! line `warm` before it measures, and waits for a line in between, so that whoever measures the server's CPU knows when to look.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use stateward_bench::load::{self, Plan, Protocol};

/// Runs until the plan is done.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (plan, wait) = parse(arguments.iter()).context(USAGE)?;
    // One thread: the generator must not take both cores from the server.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(load::run(plan, async {
        if !wait {
            return Ok(());
        }
        say("warm")?;
        // Nothing else is to be done meanwhile. Whoever started this ends it by closing the pipe.
        let read = std::io::stdin().read_line(&mut String::new())?;
        if read == 0 { bail!("nobody said `go`") } else { Ok(()) }
    }))?;
    say(&serde_json::to_string(&report)?)
}

fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

fn parse<'a>(mut arguments: impl Iterator<Item = &'a String>) -> Result<(Plan, bool)> {
    let (mut address, mut ca, mut reviews, mut wait) = (None, None, None, false);
    let mut plan = Plan {
        address: ([127, 0, 0, 1], 0).into(),
        ca: PathBuf::new(),
        path: "/validate/fail".to_owned(),
        protocol: Protocol::Http1,
        clients: 8,
        requests: u64::MAX,
        time: Duration::from_secs(5),
        warm_up: Duration::from_millis(300),
        reviews: Vec::new(),
    };
    while let Some(flag) = arguments.next() {
        if flag == "--wait" {
            wait = true;
            continue;
        }
        let value = arguments.next().with_context(|| format!("`{flag}` needs a value"))?;
        let bad = || format!("`{value}` is not a value of `{flag}`");
        match flag.as_str() {
            "--address" => address = Some(value.parse().with_context(bad)?),
            "--ca" => ca = Some(PathBuf::from(value)),
            "--reviews" => reviews = Some(PathBuf::from(value)),
            "--path" => plan.path.clone_from(value),
            "--protocol" => {
                plan.protocol = match value.as_str() {
                    "http1" => Protocol::Http1,
                    "http2" => Protocol::Http2,
                    _ => bail!(bad()),
                }
            }
            "--clients" => plan.clients = value.parse().with_context(bad)?,
            "--requests" => plan.requests = value.parse().with_context(bad)?,
            "--milliseconds" => plan.time = Duration::from_millis(value.parse().with_context(bad)?),
            "--warm-up-milliseconds" => plan.warm_up = Duration::from_millis(value.parse().with_context(bad)?),
            _ => bail!("there is no flag `{flag}`"),
        }
    }
    plan.address = address.context("`--address` is missing")?;
    plan.ca = ca.context("`--ca` is missing")?;
    let reviews = reviews.context("`--reviews` is missing")?;
    let text = std::fs::read_to_string(&reviews).with_context(|| format!("cannot read {}", reviews.display()))?;
    plan.reviews = text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    Ok((plan, wait))
}

const USAGE: &str = "\
usage: bench load --address HOST:PORT --ca FILE --reviews FILE [--path /validate/fail] [--protocol http1|http2] [--clients 8]
       [--requests N] [--milliseconds 5000] [--warm-up-milliseconds 300] [--wait]
FILE of reviews: AdmissionReviews as JSON, one a line, sent in rotation";
