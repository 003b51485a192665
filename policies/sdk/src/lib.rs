//! What a policy author writes against: rules are plain functions over borrowed views, and a table names them.
//!
//! ```
//! use stateward_sdk::prelude::*;
//!
//! const NO_REPLICA: Rule = Rule {
//!     id: "team/no-replica",
//!     title: "Sets have a replica",
//!     description: "A set of no replicas is a mistake here.",
//!     category: "Team",
//!     strict: Action::Deny,
//!     subjects: &[Subject::STATEFUL_SETS],
//!     ..Rule::VALIDATE
//! };
//!
//! fn no_replica(set: &StatefulSet, _: &Context<NoSettings>, out: &mut Findings) {
//!     if set.replicas() == 0 {
//!         out.finding("/spec/replicas", "replicas", "has no replicas").hint("write `replicas: 1`");
//!     }
//! }
//!
//! stateward_sdk::rules! {
//!     /// The rules of one team.
//!     pub struct Team(NoSettings);
//!     validate {
//!         NO_REPLICA => StatefulSet: no_replica;
//!     }
//!     mutate {}
//! }
//! ```
//!
//! Rules run natively in `cargo test` ([`testing`]); [`component!`] puts families of rules into the Wasm envelope.
//!
//! Modules in reading order:

pub mod accounts;
#[cfg(target_arch = "wasm32")]
mod arena;
pub mod bindings;
pub mod changes;
pub mod component;
pub mod context;
pub mod contract;
pub mod data_paths;
pub mod disks;
pub mod family;
pub mod findings;
pub mod images;
pub mod lists;
pub mod objects;
pub mod peers;
pub mod pointer;
pub mod promise;
pub mod remedy;
pub mod rule;
#[cfg(not(target_arch = "wasm32"))]
pub mod schema;
pub mod settings;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod text;
pub mod tree;
pub mod variables;
pub mod view;

/// Everything that a file of rules needs.
pub mod prelude {
    pub use crate::changes::{Changes, MergePatch};
    pub use crate::context::{Context, Found};
    pub use crate::findings::{Findings, Made};
    pub use crate::lists::ListChange;
    pub use crate::objects::{
        Binding, ClaimTemplate, Container, DeleteOptions, Deployment, Eviction, IntOrString, Namespace, Object,
        ObjectMeta, OwnerReference, PersistentVolume, PersistentVolumeClaim, Pod, PodDisruptionBudget, PodSpec,
        ReplicaSet, Service, SiblingSet, StatefulSet, StorageClass, Stored, UpdateType, Volume, member_of, parent_of,
    };
    pub use crate::pointer::Pointer;
    pub use crate::promise;
    pub use crate::remedy::Remedy;
    pub use crate::rule::{Action, Kind, Operation, Profile, Read, Resource, Rule, Severity, Subject};
    pub use crate::settings::NoSettings;
    pub use crate::text::{Map, Text};
}
