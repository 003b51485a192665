//! Manager writes: only the first pod, the manager, may write; workers synchronise from it.
//!
//! [`keys`] says what is written where, [`member`] computes it; the rest are rules.

#![cfg_attr(test, allow(clippy::needless_pass_by_value, reason = "tests hand over `json!` literals"))]

pub mod absence;
pub mod adopted_pod;
pub mod conditions;
pub mod contract_change;
pub mod declare_writes;
pub mod environment;
#[cfg(test)]
mod examples;
pub mod forged_role;
pub mod hazards;
pub mod intent;
pub mod keys;
pub mod member;
pub mod members;
pub mod missing_role;
pub mod moved_manager;
pub mod refusal;
pub mod rival_claim;
pub mod role_change;
pub mod second_manager;
pub mod services;
pub mod settings;
pub mod stamp_pod;
pub mod stamp_set;
pub mod sync;
pub mod unbound_pod;
pub mod unstamped_members;

use absence::{MANAGER_DELETE, SCALED_TO_ZERO, manager_delete, manager_eviction, scaled_to_zero};
use adopted_pod::{ADOPTED_POD, adopted_pod, adopted_pod_of_set};
use contract_change::{CONTRACT_CHANGE, contract_change_of_set, contract_change_of_status};
use declare_writes::{DECLARE_WRITES, declare_writes};
use forged_role::{FORGED_ROLE, forged_role_of_pod, forged_role_of_set};
use hazards::{MANAGER_DATA_LOSS, PARALLEL_MANAGER, SHARED_DATA, manager_data_loss, parallel_manager, shared_data};
use intent::{INVALID_CONTRACT, UNDECLARED_WRITES, invalid_contract, undeclared_writes};
use missing_role::{MISSING_ROLE, missing_role};
use moved_manager::{MOVED_MANAGER, moved_manager};
use rival_claim::{RIVAL_CLAIM, rival_claim};
use role_change::{
    ROLE_CHANGE, role_change_of_binding, role_change_of_pod, role_change_of_pod_status, role_change_of_set,
    role_change_of_set_status,
};
use second_manager::{SECOND_MANAGER, second_manager};
use services::{
    MIXED_SERVICE, NO_WRITE_SERVICE, WRITE_SERVICE_CHANGED, mixed_service, mixed_service_of_set, no_write_service,
    write_service_changed,
};
pub use settings::Settings;
use stamp_pod::{STAMP_POD, stamp_pod};
use stamp_set::{STAMP_SET, stamp_set};
use sync::{UNDECLARED_SYNC, undeclared_sync};
use unbound_pod::{UNBOUND_POD, unbound_pod};
use unstamped_members::{UNSTAMPED_MEMBERS, unstamped_members};

stateward_sdk::rules! {
    /// The family `manager-writes`.
    pub struct ManagerWrites(Settings);
    validate {
        UNDECLARED_WRITES => StatefulSet: undeclared_writes, Scale: undeclared_writes;
        INVALID_CONTRACT => StatefulSet: invalid_contract;
        FORGED_ROLE => StatefulSet: forged_role_of_set, Pod: forged_role_of_pod;
        UNBOUND_POD => Pod: unbound_pod;
        MISSING_ROLE => Pod: missing_role;
        RIVAL_CLAIM => Pod: rival_claim;
        SECOND_MANAGER => Pod: second_manager;
        ADOPTED_POD => Pod: adopted_pod, StatefulSet: adopted_pod_of_set;
        ROLE_CHANGE =>
            StatefulSet: role_change_of_set,
            StatefulSetStatus: role_change_of_set_status,
            Pod: role_change_of_pod,
            PodStatus: role_change_of_pod_status,
            Binding: role_change_of_binding;
        CONTRACT_CHANGE => StatefulSet: contract_change_of_set, StatefulSetStatus: contract_change_of_status;
        MOVED_MANAGER => StatefulSet: moved_manager;
        PARALLEL_MANAGER => StatefulSet: parallel_manager;
        SHARED_DATA => StatefulSet: shared_data;
        MANAGER_DATA_LOSS => StatefulSet: manager_data_loss;
        UNSTAMPED_MEMBERS => StatefulSet: unstamped_members;
        UNDECLARED_SYNC => StatefulSet: undeclared_sync, Scale: undeclared_sync;
        MIXED_SERVICE => StatefulSet: mixed_service_of_set, Service: mixed_service;
        NO_WRITE_SERVICE => StatefulSet: no_write_service;
        WRITE_SERVICE_CHANGED => Service: write_service_changed;
        MANAGER_DELETE => Pod: manager_delete, Eviction: manager_eviction;
        SCALED_TO_ZERO => StatefulSet: scaled_to_zero, Scale: scaled_to_zero;
    }
    mutate {
        DECLARE_WRITES => StatefulSet: declare_writes;
        STAMP_SET => StatefulSet: stamp_set;
        STAMP_POD => Pod: stamp_pod;
    }
}
