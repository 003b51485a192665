//! Manager writes: only the first pod, the manager, may write; workers synchronise from it.
//!
//! [`keys`] says what is written where, [`member`] computes it; the rest are rules.

#![cfg_attr(test, allow(clippy::needless_pass_by_value, reason = "tests hand over `json!` literals"))]

pub mod conditions;
pub mod declare_writes;
pub mod environment;
#[cfg(test)]
mod examples;
pub mod forged_role;
pub mod keys;
pub mod member;
pub mod role_change;
pub mod settings;
pub mod stamp_pod;
pub mod stamp_set;
pub mod unbound_pod;

use declare_writes::{DECLARE_WRITES, declare_writes};
use forged_role::{FORGED_ROLE, forged_role_of_pod, forged_role_of_set};
use role_change::{
    ROLE_CHANGE, role_change_of_binding, role_change_of_pod, role_change_of_pod_status, role_change_of_set,
    role_change_of_set_status,
};
pub use settings::Settings;
use stamp_pod::{STAMP_POD, stamp_pod};
use stamp_set::{STAMP_SET, stamp_set};
use unbound_pod::{UNBOUND_POD, unbound_pod};

stateward_sdk::rules! {
    /// The family `manager-writes`.
    pub struct ManagerWrites(Settings);
    validate {
        FORGED_ROLE => StatefulSet: forged_role_of_set, Pod: forged_role_of_pod;
        UNBOUND_POD => Pod: unbound_pod;
        ROLE_CHANGE =>
            StatefulSet: role_change_of_set,
            StatefulSetStatus: role_change_of_set_status,
            Pod: role_change_of_pod,
            PodStatus: role_change_of_pod_status,
            Binding: role_change_of_binding;
    }
    mutate {
        DECLARE_WRITES => StatefulSet: declare_writes;
        STAMP_SET => StatefulSet: stamp_set;
        STAMP_POD => Pod: stamp_pod;
    }
}
