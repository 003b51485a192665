//! Decides. A [`request::Request`] and a [`policy_set::PolicySet`] become a [`verdict::Verdict`]; start at [`admit::validate`].
//!
//! Knows Kubernetes' names and JSON. Deliberately knows no I/O, no clock, no runtime and no Wasm: whoever calls passes the time in, and
//! components are run behind [`evaluate::Evaluate`].
//!
//! Modules in reading order:

pub mod request;
pub mod resources;
pub mod manifest;
pub mod inventory;
pub mod evaluate;
pub mod policy;
pub mod policy_set;
pub mod admit;
pub mod verdict;
pub mod trace;
