//! The cluster side: what the API server stores becomes policies and facts, and what the server needs from the cluster is kept in order.
//!
//! Knows Kubernetes' client. Deliberately knows no Wasm and no HTTP server: policies go out as resources of [`stateward_core`], certificates as PEM.

pub mod names;
pub mod registration;
pub mod webhooks;
