//! Runs policies. A component's bytes become a [`stateward_core::evaluate::Component`] in [`Engine::load`]; every evaluation then gets a
//! fresh instance that can do nothing but answer, within bounds of time, memory, stack and answer size.
//!
//! Knows wasmtime and core. Deliberately knows no HTTP and no Kubernetes client. `unsafe` is in [`cache`] alone.
//! Whoever awaits an evaluation does so on a tokio runtime with its time driver on.
//!
//! Modules in reading order, first what happens once per process, then once per component, then once per request:

mod config;
mod engine;
mod ticker;
mod room;

mod load;
mod cache;
mod compile;
mod describe;
mod schema_bounds;
mod settings;
mod loader;

mod guest;
mod permits;
mod lane;
mod clock;
mod host;
mod memory;
mod log;

mod answer;
mod convert;
mod text;
mod failure;

mod bindings;

pub use compile::{Compiler, compile_child};
pub use engine::{ComponentStats, Engine, EngineError, EngineOptions};
pub use load::{LoadError, MAX_COMPONENT_BYTES};
pub use loader::{Fetch, FetchError, LoadedPolicies, PolicyError, PolicyLoader};
