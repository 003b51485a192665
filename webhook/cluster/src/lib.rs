//! The cluster side: what the API server stores becomes policies and facts, and what the server needs from the cluster is kept in order.
//!
//! Knows Kubernetes' client. Deliberately knows no Wasm and no HTTP server: policies go out as resources of [`stateward_core`], certificates as PEM.
//!
//! ```text
//! client       how the API server is reached
//! crds         our kinds: schemas, printer columns, status
//! wanted       policies and exemptions, followed
//! inventory    other objects that rules look up, followed or asked for
//! status       what the cluster is told of each policy
//! lease        which replica leads
//! certificates our own authority and serving certificate, or given ones
//! webhooks     the webhook configurations, derived from the rules
//! guard        the contract where the API server judges it by itself, derived from the same
//! registration keeps them as derived, and out of the way
//! events       what a person sees without asking
//! unread       tells as Events what controllers were warned of
//! install      puts manifests into a cluster and takes them out
//! doctor       looks at an installation from outside
//! roles        looks at the sets of the manager contract from outside
//! audit        reads what already runs, to be judged
//! ```

pub mod audit;
pub mod certificates;
pub mod client;
pub mod crds;
pub mod doctor;
pub mod events;
mod follow;
pub mod guard;
pub mod install;
pub mod inventory;
pub mod lease;
pub mod names;
pub mod registration;
pub mod reports;
pub mod retry;
pub mod roles;
pub mod status;
pub mod unread;
pub mod wanted;
pub mod webhooks;
