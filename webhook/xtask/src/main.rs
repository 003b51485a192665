//! The repository's tasks: `cargo xtask demo`, `test`, `bench`, `image`. Each installs what it needs.
#![expect(clippy::print_stdout, reason = "a task's output is what it is for")]

mod bench;
mod browser;
mod cargo;
mod debian;
mod demo;
mod image;
mod kubernetes;
mod promtool;
mod test;

use std::process::ExitCode;

use anyhow::{Result, bail};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            println!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Result<ExitCode> {
    let (task, rest) = match arguments.split_first() {
        Some((task, rest)) => (task.as_str(), rest),
        None => ("help", &[][..]),
    };
    match task {
        "demo" => demo::run(rest),
        "test" => test::run(rest),
        "bench" => bench::run(rest),
        "image" => image::run(rest),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        other => bail!("there is no task `{other}`\n{USAGE}"),
    }
}

const USAGE: &str = "\
usage: cargo xtask TASK

  demo             build, start the webhook on loopback, post real AdmissionReviews to it and show what it answers
  test [SUITE..]   every test, with minutes per suite and what was skipped; SUITE is a name from its table
  test --kubernetes VERSION [SUITE..]
                   only the tests in a cluster, on the control plane of this version, such as 1.33
  bench --cluster  a dry-run create beside an empty webhook, and memory with a large inventory, on a real control plane
  bench [--quick]  the table of speed and size, as ratios in one run; writes tests/bench/RESULTS.md
  image [--out DIR] [--binary FILE]
                   the container image as an OCI layout (target/image), of a static binary that it builds; no daemon";
