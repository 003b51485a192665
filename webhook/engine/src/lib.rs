//! Runs policies. A component's bytes become a [`stateward_core::evaluate::Component`] in [`Engine::load`]; every
//! evaluation then gets a fresh instance that can do nothing but answer, within bounds of time, memory, stack and answer
//! size.
//!
//! Knows wasmtime and core. Deliberately knows no HTTP and no Kubernetes client. `unsafe` is in `cache` alone.
//! Whoever awaits an evaluation does so on a tokio runtime with its time driver on.

// Once per process.
mod config;
mod engine;
mod room;
mod ticker;

// Once per component.
mod cache;
mod compile;
mod describe;
mod load;
mod loader;
mod schema_bounds;
mod settings;

// Once per request: a permit, an instance, a call ..
mod clock;
mod guest;
mod host;
mod lane;
mod log;
mod memory;
mod permits;

// .. and its answer.
mod answer;
mod convert;
mod failure;
mod text;

mod bindings;

pub use compile::{Compiler, compile_child};
pub use engine::{ComponentStats, Engine, EngineError, EngineOptions};
pub use load::{LoadError, MAX_COMPONENT_BYTES};
pub use loader::{Fetch, FetchError, LoadedPolicies, PolicyError, PolicyLoader};
