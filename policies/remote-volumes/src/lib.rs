//! Remote volumes: each pod has its own physical volume, on remote storage, that re-attaches to the replacement.

#![cfg_attr(test, allow(clippy::needless_pass_by_value, reason = "tests hand over `json!` literals"))]

pub mod claim_requests;
pub mod claims;
pub mod class_traits;
pub mod classes;
pub mod collision;
pub mod conditions;
pub mod data;
pub mod drivers;
pub mod mounts;
pub mod pin_class;
pub mod retention;
pub mod settings;
pub mod sharing;
pub mod sources;

use claim_requests::{CLAIM_IN_USE, LOCAL_CLAIM, SQUATTED_CLAIM, claim_in_use, local_claim, squatted_claim};
use claims::{
    INCOMPLETE_CLAIM, NO_CLAIM_TEMPLATE, SHARED_ACCESS_MODE, incomplete_claim, no_claim_template, shared_access_mode,
};
use class_traits::{
    DEGRADED_REMOTE_CLASS, FILE_SYSTEM_DATABASE, FIXED_SIZE_CLASS, IMMEDIATE_BINDING, RECLAIM_DELETE,
    degraded_remote_class, file_system_database, fixed_size_class, immediate_binding, reclaim_delete,
};
use classes::{
    DEFAULT_CLASS, LOCAL_CLASS, MISSING_CLASS, STATIC_ONLY_CLASS, UNKNOWN_DRIVER, default_class, local_class,
    missing_class, static_only_class, unknown_driver,
};
use collision::{CLAIM_COLLISION, claim_collision};
use data::{EPHEMERAL_CLAIM, EPHEMERAL_DATA, HOST_PATH_DATA, ephemeral_claim, ephemeral_data, host_path_data};
use mounts::{
    SHADOWED_VOLUME, UNMOUNTED_CLAIM, VOLUME_MODE_MISMATCH, shadowed_volume, unmounted_claim, volume_mode_mismatch,
};
use pin_class::{PIN_CLASS, pin_class};
use retention::{DELETE_ON_SCALE_DOWN, DELETE_WITH_SET, delete_on_scale_down, delete_with_set};
pub use settings::Settings;
use sharing::{SHARED_CLAIM, UNSCALABLE_CLAIM, shared_claim, unscalable_claim};
use sources::{CLONED_SOURCE, DUPLICATE_CLAIM, PINNED_VOLUME, cloned_source, duplicate_claim, pinned_volume};

stateward_sdk::rules! {
    /// The family `remote-volumes`.
    pub struct RemoteVolumes(Settings);
    validate {
        NO_CLAIM_TEMPLATE => StatefulSet: no_claim_template;
        EPHEMERAL_DATA => StatefulSet: ephemeral_data;
        HOST_PATH_DATA => StatefulSet: host_path_data;
        EPHEMERAL_CLAIM => StatefulSet: ephemeral_claim;
        SHARED_CLAIM => StatefulSet: shared_claim, Scale: shared_claim;
        UNSCALABLE_CLAIM => StatefulSet: unscalable_claim, Scale: unscalable_claim;
        SHARED_ACCESS_MODE => StatefulSet: shared_access_mode;
        INCOMPLETE_CLAIM => StatefulSet: incomplete_claim;
        UNMOUNTED_CLAIM => StatefulSet: unmounted_claim;
        DUPLICATE_CLAIM => StatefulSet: duplicate_claim;
        SHADOWED_VOLUME => StatefulSet: shadowed_volume;
        VOLUME_MODE_MISMATCH => StatefulSet: volume_mode_mismatch;
        CLONED_SOURCE => StatefulSet: cloned_source;
        PINNED_VOLUME => StatefulSet: pinned_volume;
        CLAIM_COLLISION => StatefulSet: claim_collision;
        DELETE_WITH_SET => StatefulSet: delete_with_set;
        DELETE_ON_SCALE_DOWN => StatefulSet: delete_on_scale_down;
        CLAIM_IN_USE => PersistentVolumeClaim: claim_in_use;
        SQUATTED_CLAIM => PersistentVolumeClaim: squatted_claim;
        LOCAL_CLASS => StatefulSet: local_class;
        UNKNOWN_DRIVER => StatefulSet: unknown_driver;
        DEGRADED_REMOTE_CLASS => StatefulSet: degraded_remote_class;
        MISSING_CLASS => StatefulSet: missing_class;
        STATIC_ONLY_CLASS => StatefulSet: static_only_class;
        DEFAULT_CLASS => StatefulSet: default_class;
        RECLAIM_DELETE => StatefulSet: reclaim_delete;
        IMMEDIATE_BINDING => StatefulSet: immediate_binding;
        FIXED_SIZE_CLASS => StatefulSet: fixed_size_class;
        FILE_SYSTEM_DATABASE => StatefulSet: file_system_database;
        LOCAL_CLAIM => PersistentVolumeClaim: local_claim;
    }
    mutate {
        PIN_CLASS => StatefulSet: pin_class;
    }
}
