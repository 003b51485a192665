//! Rule cases: an object, what is beside it and who asks, with exactly what one rule must say. Runs them through [`stateward_core::admit`].
//!
//! [`read`] takes files, [`Runner`] runs one [`Case`] after the other, [`Coverage`] counts which rules have the cases that they need. What runs
//! the policies comes from outside ([`Bind`]): the engine, or native code; the results are the same. Knows files and core; no runtime, no Wasm.
//!
//! Modules in reading order:

// Once per file.
mod case;
mod expected;
mod file;
mod request;
mod shape;
mod subresource;

// Once per case.
mod inventory;
mod policies;
mod run;
mod said;

// What came of it.
mod compare;
mod coverage;
mod edit;
mod update;

pub use case::{Case, Cover};
pub use compare::{Difference, Line, Sign};
pub use coverage::{Coverage, RuleCoverage};
pub use expected::{ByProfile, Expected, ExpectedFinding};
pub use file::{CaseFile, CaseFiles, read, read_text};
pub use policies::Bind;
pub use run::{Admitted, CaseResult, Outcome, ProfileRun, Runner};
pub use said::{Finding, Said};
pub use update::Updated;
