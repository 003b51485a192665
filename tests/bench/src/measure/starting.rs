//! From nothing to ready, and what a server holds while nobody asks.

use anyhow::{Context, Result};

use super::{Effort, Programs};
use crate::cpu::{self, Resident};
use crate::process::{Folders, Server};
use crate::statistics::median;

/// Starts of `stateward serve`, and its memory.
#[derive(Clone, Copy, Debug)]
pub struct Starting {
    /// From the start of the process to ready, with nothing compiled.
    pub cold_ms: f64,
    /// The same with the built-in component in the cache.
    pub warm_ms: f64,
    /// Warm started, before the first request.
    pub idle: Resident,
}

/// Measures with the policies of the folders.
pub fn measure(programs: &Programs, folders: &Folders, effort: Effort) -> Result<Starting> {
    let start =
        |folders: &Folders| Server::start(&programs.stateward, &["serve"], folders).context("`stateward serve`");
    let mut cold = Vec::new();
    for n in 0..effort.cold_starts {
        let folders = Folders { cache: folders.cache.with_extension(format!("cold-{n}")), ..folders.clone() };
        cold.push(start(&folders)?.ready.as_secs_f64() * 1e3);
    }
    // Fills the cache.
    start(folders)?;
    let mut warm = Vec::new();
    let mut idle = Vec::new();
    for _ in 0..effort.rounds {
        let server = start(folders)?;
        warm.push(server.ready.as_secs_f64() * 1e3);
        idle.push(cpu::resident(server.pid())?);
    }
    idle.sort_by_key(|resident| resident.all);
    let idle = *idle.get(idle.len() / 2).context("there was no round")?;
    Ok(Starting { cold_ms: median(&cold), warm_ms: median(&warm), idle })
}
