//! Manifests: YAML and JSON files to objects, and back from a path in an object to its line.
//!
//! Start at [`read`]. Each [`Document`] carries its JSON text for the rules and finds the place of a JSON Pointer when a finding needs one.
//! [`FileInventory`] lets one object look up its neighbours, [`policy_files`] reads `WasmPolicy` and `PolicyExemption`,
//! [`read_data`] reads documents that are no objects, [`to_yaml`] writes a value for people, and [`edit()`] changes fields in the text of a file.
//!
//! YAML is read as `kubectl` reads it (`sigs.k8s.io/yaml`): YAML 1.2 syntax, scalars as YAML 1.1 has them (`yes` and `on` are booleans,
//! `0755` is octal), `<<` merges, keys become text. Stricter in one point: a duplicate key is an error. Input is hostile: size, depth and what
//! aliases grow to are limited. Knows files and core; no runtime, no Wasm.

pub mod kinds;
pub mod policy_files;

mod data;
mod decode;
mod document;
mod edit;
mod error;
mod header;
mod inventory;
mod json;
mod json_outline;
mod json_span;
#[cfg(test)]
mod laws;
mod merge;
mod read;
mod scalar;
mod source;
mod yaml;
mod yaml_span;
mod yaml_text;

pub use data::{Data, DataFiles, read_data, read_data_text};
pub use document::{Document, Location};
pub use edit::{Edited, Operation, Refusal, Replacement, edit};
pub use error::{InputError, Position};
pub use inventory::{Ambiguity, FileInventory, Neighbours, stored};
pub use read::{Documents, cause, read, read_text};
pub use source::{Excerpt, Format, Source};
pub use yaml_text::to_yaml;
