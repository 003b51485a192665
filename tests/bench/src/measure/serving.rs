//! The whole server over TLS, against the same server with native rules: its CPU for each request, requests a second, latencies.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{Effort, Programs};
use crate::input::Input;
use crate::load::Protocol;
use crate::process::{Folders, Load, Run, Server};
use crate::statistics::{median, ratio};

/// One way of calling, of both servers.
#[derive(Clone, Debug)]
pub struct Serving {
    /// Over what.
    pub protocol: Protocol,
    /// Reviews under way.
    pub clients: usize,
    /// `stateward serve`
    pub wasm: Figures,
    /// The same server with native rules.
    pub native: Figures,
    /// Of the CPU times, round by round.
    pub cpu_ratio: f64,
    /// Of the requests a second, round by round.
    pub throughput_ratio: f64,
}

/// Medians over the rounds.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// The server's CPU for each request.
    pub cpu_us: f64,
    /// Verdicts.
    pub per_second: f64,
    /// Latency.
    pub p50_us: f64,
    /// Latency.
    pub p99_us: f64,
    /// Of each round, since both move with the machine.
    pub p99_to_p50: f64,
}

/// Measures all ways of calling with one input.
pub fn measure(
    programs: &Programs,
    input: &Input,
    reviews: &Path,
    folders: &Folders,
    effort: Effort,
) -> Result<Vec<Serving>> {
    let wasm = Server::start(&programs.stateward, &["serve"], folders).context("`stateward serve`")?;
    let native = Server::start(&programs.bench, &[Programs::NATIVE], folders).context("the native server")?;
    same_verdicts(programs, input, reviews, &wasm, &native)?;

    let ways: Vec<(Protocol, usize)> = [Protocol::Http1, Protocol::Http2]
        .into_iter()
        .flat_map(|protocol| CLIENTS.map(|clients| (protocol, clients)))
        .collect();
    let mut runs: Vec<(Vec<Run>, Vec<Run>)> = ways.iter().map(|_| Default::default()).collect();
    for _ in 0..effort.rounds {
        for (&(protocol, clients), (of_wasm, of_native)) in ways.iter().zip(&mut runs) {
            let load = Load { program: &programs.bench, reviews, protocol, clients, time: effort.load };
            of_wasm.push(load.run(&wasm).context("`stateward serve` under load")?);
            of_native.push(load.run(&native).context("the native server under load")?);
        }
    }
    let summed = ways.into_iter().zip(runs).map(|((protocol, clients), (wasm, native))| Serving {
        protocol,
        clients,
        cpu_ratio: ratio(&column(&wasm, |run| run.cpu_us), &column(&native, |run| run.cpu_us)),
        throughput_ratio: ratio(
            &column(&wasm, |run| run.report.per_second()),
            &column(&native, |run| run.report.per_second()),
        ),
        wasm: Figures::of(&wasm),
        native: Figures::of(&native),
    });
    Ok(summed.collect())
}

/// Each review once: both servers must allow the same number, or they do not do the same work.
fn same_verdicts(programs: &Programs, input: &Input, reviews: &Path, wasm: &Server, native: &Server) -> Result<()> {
    let load = Load {
        program: &programs.bench,
        reviews,
        protocol: Protocol::Http1,
        clients: 1,
        time: Duration::from_secs(30),
    };
    let (wasm, native) =
        (load.run_each_once(wasm, input.reviews.len())?, load.run_each_once(native, input.reviews.len())?);
    ensure!(
        (wasm.report.answered, wasm.report.allowed) == (native.report.answered, native.report.allowed),
        "{} of {} were allowed by `stateward serve`, {} of {} by the native server",
        wasm.report.allowed,
        wasm.report.answered,
        native.report.allowed,
        native.report.answered
    );
    Ok(())
}

impl Figures {
    fn of(runs: &[Run]) -> Self {
        let middle = |of: fn(&Run) -> f64| median(&column(runs, of));
        Self {
            cpu_us: middle(|run| run.cpu_us),
            per_second: middle(|run| run.report.per_second()),
            p50_us: middle(|run| run.report.p50_us),
            p99_us: middle(|run| run.report.p99_us),
            p99_to_p50: middle(|run| run.report.p99_us / run.report.p50_us),
        }
    }
}

fn column(runs: &[Run], of: impl Fn(&Run) -> f64) -> Vec<f64> {
    runs.iter().map(of).collect()
}

/// One at a time, a busy API server, and many.
const CLIENTS: [usize; 3] = [1, 8, 64];
