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
#[derive(Clone, Copy, Debug)]
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

/// The programs that were built beside this one.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The product.
    pub stateward: PathBuf,
    /// The same server with native rules.
    pub native: PathBuf,
    /// The load generator.
    pub load: PathBuf,
}

impl Programs {
    /// In the folder of the running program.
    pub fn beside(program: &Path) -> Result<Self> {
        let folder = program.parent().unwrap_or(Path::new("."));
        let find = |name: &str| -> Result<PathBuf> {
            let path = folder.join(name);
            ensure!(path.is_file(), "`{}` is not built\nhint: `cargo xtask bench` builds everything", path.display());
            Ok(path)
        };
        Ok(Self { stateward: find("stateward")?, native: find("native")?, load: find("load")? })
    }
}
