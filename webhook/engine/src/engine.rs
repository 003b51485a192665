//! Once per process: wasmtime, its pool, its clock, and the components that are loaded.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Semaphore;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::Policy;
use crate::cache::Cache;
use crate::compile::Compiler;
use crate::config;
use crate::guest::Guest;
use crate::host::Host;
use crate::lane::SlowLane;
use crate::room::{Room, Totals};
use crate::ticker::Ticker;

/// How much runs at once, and where compiled components are kept.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Guests beyond their first turn that run at once; the number of the runtime's workers.
    pub cores: usize,
    /// Evaluations of one component at once; the next ones wait.
    pub permits: usize,
    /// The same for components that are built in: their look-ups may wait, their code does not misbehave.
    pub builtin_permits: usize,
    /// Evaluations of one component that wait; the next ones fail at once.
    pub queue: usize,
    /// Instances of all components at once. Each reserves 4 GiB of address space.
    pub instances: u32,
    /// Where components are compiled.
    pub compiler: Compiler,
    /// The longest that compiling one component may take.
    pub compile_timeout: Duration,
    /// A folder for compiled components that only our user can write; `None`: compiled anew by every process.
    pub cache: Option<PathBuf>,
    /// A folder of compiled components that is only read, as an image brings it; asked first. One that is not there is left out.
    pub precompiled: Option<PathBuf>,
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Mostly: no address space for the pool.
    #[error(
        "wasmtime does not start: {reason}\nhint: each of the {instances} instances reserves 4 GiB of address space; is it limited (`ulimit -v`)?"
    )]
    Start {
        /// In wasmtime's words.
        reason: String,
        /// As configured.
        instances: u32,
    },
    /// No thread for the clock.
    #[error("cannot start the thread that interrupts guests: {0}")]
    Ticker(std::io::Error),
    /// Compiled code is run as it is: whoever can write there is us.
    #[error("the cache folder `{}` cannot be trusted: {reason}\nhint: make it with mode 0700, owned by the user that runs stateward", path.display())]
    UntrustedCache {
        /// Which folder.
        path: PathBuf,
        /// Its owner, mode or kind.
        reason: String,
    },
    /// Cannot be made or read.
    #[error("the cache folder `{}` cannot be used: {source}", path.display())]
    Cache {
        /// Which folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// Compiles, caches, instantiates, limits and calls components.
pub struct Engine {
    pub(crate) wasmtime: wasmtime::Engine,
    pub(crate) linker: Linker<Host>,
    pub(crate) options: EngineOptions,
    pub(crate) cache: Option<Cache>,
    pub(crate) precompiled: Option<Cache>,
    pub(crate) ticker: Arc<Ticker>,
    pub(crate) lane: Arc<SlowLane>,
    pub(crate) room: Arc<Room>,
    /// One compilation uses every core for most of its time, and memory.
    pub(crate) compiling: Semaphore,
    /// By digest: a component that two policies or two generations use is one, with one set of permits.
    pub(crate) loaded: Mutex<HashMap<String, Weak<Guest>>>,
    pagemap_scan: bool,
}

/// What runs of one component right now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentStats {
    /// As it calls itself.
    pub component: String,
    /// Instances alive.
    pub running: usize,
    /// Evaluations waiting for a permit.
    pub waiting: usize,
    /// Evaluations begun since it was loaded.
    pub evaluations: u64,
}

impl Default for EngineOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let permits = (2 * cores).min(MAX_DEFAULT_PERMITS);
        let builtin_permits = permits * 4;
        let instances = builtin_permits + permits * COMPONENTS_AT_ONCE;
        Self {
            cores,
            permits,
            builtin_permits,
            queue: permits * QUEUED_PER_PERMIT,
            instances: u32::try_from(instances).unwrap_or(u32::MAX),
            compiler: Compiler::InProcess,
            compile_timeout: Duration::from_secs(120),
            cache: None,
            precompiled: None,
        }
    }
}

impl Engine {
    /// Reserves the pool and starts the clock. Both end when the engine and all that was loaded with it are dropped.
    pub fn new(options: EngineOptions) -> Result<Arc<Self>, EngineError> {
        let pagemap_scan = config::pagemap_scan_available();
        let totals = Totals::for_instances(options.instances);
        let failed = |error: wasmtime::Error| EngineError::Start {
            reason: error.root_cause().to_string(),
            instances: options.instances,
        };
        let wasmtime = wasmtime::Engine::new(&config::serving(totals, pagemap_scan)).map_err(failed)?;
        let mut linker = Linker::new(&wasmtime);
        Policy::add_to_linker::<_, HasSelf<_>>(&mut linker, |host: &mut Host| host).map_err(failed)?;
        let cache = match (&options.cache, &options.compiler) {
            (Some(folder), _) => Some(Cache::open(folder)?),
            // What a child compiles comes back through a file.
            (None, Compiler::Child { .. }) => Some(Cache::temporary()?),
            (None, Compiler::InProcess) => None,
        };
        let precompiled =
            options.precompiled.as_deref().filter(|folder| folder.is_dir()).map(Cache::open).transpose()?;
        let ticker = Arc::new(Ticker::start(&wasmtime).map_err(EngineError::Ticker)?);
        tracing::info!(pagemap_scan, instances = options.instances, permits = options.permits, "engine started");
        Ok(Arc::new(Self {
            wasmtime,
            linker,
            cache,
            precompiled,
            ticker,
            lane: SlowLane::new(options.cores),
            room: Arc::new(Room::new(totals)),
            compiling: Semaphore::new(COMPILING_AT_ONCE),
            loaded: Mutex::new(HashMap::new()),
            pagemap_scan,
            options,
        }))
    }

    /// Whether instances are reset by `PAGEMAP_SCAN`; without it an evaluation costs twice as much.
    pub const fn pagemap_scan(&self) -> bool {
        self.pagemap_scan
    }

    /// What runs right now, by component name.
    pub fn stats(&self) -> Vec<ComponentStats> {
        let loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stats: Vec<_> = loaded
            .values()
            .filter_map(Weak::upgrade)
            .map(|guest| ComponentStats {
                component: guest.manifest.name.clone(),
                running: guest.code.permits.running(),
                waiting: guest.code.permits.waiting(),
                evaluations: guest.evaluations.load(Ordering::Relaxed),
            })
            .collect();
        drop(loaded);
        stats.sort_by(|a, b| a.component.cmp(&b.component));
        stats
    }
}

/// The second fills the gaps of the first; each may take a GiB.
const COMPILING_AT_ONCE: usize = 2;
/// Address space ends before cores do.
const MAX_DEFAULT_PERMITS: usize = 32;
/// At 2 ms for each evaluation, Python's, the last one waits 16 ms.
const QUEUED_PER_PERMIT: usize = 16;
/// Different components that fit beside the built-in one; while a set is reloaded the old and the new ones count.
const COMPONENTS_AT_ONCE: usize = 64;
