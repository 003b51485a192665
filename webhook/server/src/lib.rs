//! The admission server: HTTPS in, `AdmissionReview` out. Start at [`Server`].
//!
//! Knows sockets, TLS and HTTP. Deliberately knows no Wasm and no cluster: policies and other objects come in through [`State::install`],
//! and what a request leads to is decided by [`stateward_core::admit`].
//!
//! Modules in the order in which a request meets them:
//!
//! ```text
//! listener   accepts, caps connections, drains
//! connection one connection: handshake, HTTP/1.1 or HTTP/2, time-outs
//! tls        the certificate in force, swapped when its directory changes
//! routes     path, method, content type, body limit, deadline
//! review     AdmissionReview in and out
//! admission  decode, decide, encode, one log line
//! state      policies and other objects in force
//! ```

pub mod admin;
mod admission;
mod connection;
mod decisions;
pub mod duration;
mod listener;
mod live;
mod metrics;
mod options;
pub mod review;
pub mod routes;
mod self_signed;
mod server;
mod state;
mod tls;
pub mod watch;

pub use decisions::{Decision, LastDecisions};
pub use live::PageRequest;
pub use metrics::{AuditSample, ExemptionCount, Metrics};
pub use options::{Limits, MAX_REVIEW_BYTES, Options, PemPair, TlsSource};
pub use server::{Server, ServerError};
pub use state::{InForce, PolicyStatus, State};
pub use tls::{TlsError, Trust};
