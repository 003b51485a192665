//! One file for each promise. All of them measure in rounds, each round everything in turn, and take medians over the rounds.

pub mod checking;
pub mod evaluation;
pub mod matching;
pub mod serving;
pub mod starting;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};

/// How long to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Rounds of everything.
    pub rounds: usize,
    /// CPU time of one thing in one round, about.
    pub slice: Duration,
    /// One run of the load generator.
    pub load: Duration,
    /// Starts with an empty cache; each compiles the built-in component.
    pub cold_starts: usize,
    /// Objects in a folder that `check` reads.
    pub objects: usize,
}

impl Effort {
    /// Within ten minutes.
    pub const FULL: Self = Self {
        rounds: 9,
        slice: Duration::from_millis(60),
        load: Duration::from_millis(1_200),
        cold_starts: 5,
        objects: 6_000,
    };

    /// Within a minute: shows that everything works; the numbers are worth little.
    pub const QUICK: Self = Self {
        rounds: 1,
        slice: Duration::from_millis(5),
        load: Duration::from_millis(200),
        cold_starts: 1,
        objects: 337,
    };
}

/// The programs that are measured and measure.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The product.
    pub stateward: PathBuf,
    /// This program, which is also the load generator and the native server.
    pub bench: PathBuf,
}

impl Programs {
    /// First argument of the load generator.
    pub const LOAD: &str = "load";
    /// First argument of the native server.
    pub const NATIVE: &str = "native";

    /// The product that was built beside the running program.
    pub fn beside(bench: &Path) -> Result<Self> {
        let stateward = bench.with_file_name("stateward");
        ensure!(stateward.is_file(), "`{}` is not built\nhint: `cargo xtask bench` builds it", stateward.display());
        Ok(Self { stateward, bench: bench.to_path_buf() })
    }
}
