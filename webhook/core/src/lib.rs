//! Decides. A [`request::Request`] and a [`policy_set::PolicySet`] become a [`verdict::Verdict`]; start at [`admit::validate`].
//!
//! Knows Kubernetes' names and JSON. Deliberately knows no I/O, no clock, no runtime and no Wasm: whoever calls passes the time in, and
//! components are run behind [`evaluate::Evaluate`].
//!
//! Modules in reading order:

// What comes in.
pub mod contract;
pub mod evaluate;
pub mod inventory;
pub mod manifest;
pub mod request;
pub mod resources;

// What is installed.
mod conditions;
pub mod exemption;
pub mod labels;
mod matching;
pub mod policy;
pub mod policy_set;
mod version;

// One request.
pub mod admit;
mod builtin_exemption;
mod fold;
mod join;
mod mutate;
mod plan;
mod probe;
mod ratchet;

// What goes out.
mod message;
pub mod patch;
pub mod pointer;
pub mod promises;
pub mod suspected;
pub mod trace;
pub mod unread;
pub mod verdict;

// JSON without trees.
mod object;
mod prune;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod testing;
