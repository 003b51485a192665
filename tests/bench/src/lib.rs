//! Measures what DESIGN section 15 promises. Numbers of one machine and one hour mean little, so every promise about time has a partner that is
//! measured in the same run, in turns with it: the same rules natively, the same server with native rules, parsing alone.
//!
//! ```text
//! bench           the orchestrator: measures, prints the table, writes RESULTS.md
//! bench load      the load generator, in a process of its own: closed loop, TLS keep-alive
//! bench native    the server with the rules compiled in instead of Wasm: the floor
//! ```
//!
//! Modules in reading order:

pub mod cpu;
pub mod input;
pub mod load;
pub mod machine;
pub mod measure;
pub mod policies;
pub mod process;
pub mod results;
pub mod statistics;
