//! Ordered identity: pods are created in order, deleted in reverse, each with a unique fixed name and DNS.

#![cfg_attr(test, allow(clippy::needless_pass_by_value, reason = "tests hand over `json!` literals"))]

pub mod names;
pub mod network;
pub mod order;
pub mod shutdown;

use stateward_sdk::prelude::*;

use names::{NAME_TOO_LONG, name_too_long};
use network::{NO_SERVICE_NAME, NOT_HEADLESS, no_service_name, not_headless};
use order::{NO_READINESS_GATE, PARALLEL_MANAGEMENT, no_readiness_gate, parallel_management};
use shutdown::{ZERO_GRACE, zero_grace};

stateward_sdk::rules! {
    /// The family `ordered-identity`.
    pub struct OrderedIdentity(NoSettings);
    validate {
        PARALLEL_MANAGEMENT => StatefulSet: parallel_management;
        NO_READINESS_GATE => StatefulSet: no_readiness_gate, Scale: no_readiness_gate;
        ZERO_GRACE => StatefulSet: zero_grace;
        NAME_TOO_LONG => StatefulSet: name_too_long;
        NO_SERVICE_NAME => StatefulSet: no_service_name, Scale: no_service_name;
        NOT_HEADLESS => StatefulSet: not_headless, Scale: not_headless;
    }
    mutate {}
}
