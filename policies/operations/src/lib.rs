//! Operations: cloning, synchronisation, back-up and management are yours to configure.

#![cfg_attr(test, allow(clippy::needless_pass_by_value, reason = "tests hand over `json!` literals"))]

pub mod backup;
pub mod budgets;
pub mod management;
pub mod settings;
pub mod spread;

use backup::{
    BACKUP_OF_MISSING_VOLUME, EXCLUDED_DATA, NO_BACKUP_INTENT, backup_of_missing_volume, excluded_data,
    no_backup_intent,
};
use budgets::{BLOCKING_BUDGET, NO_DISRUPTION_BUDGET, blocking_budget, no_disruption_budget};
use management::{NO_OWNER, PROFILE_LOWERED, no_owner, profile_lowered};
pub use settings::Settings;
use spread::{INEFFECTIVE_SPREAD, NO_SPREAD, ineffective_spread, no_spread};

stateward_sdk::rules! {
    /// The family `operations`.
    pub struct Operations(Settings);
    validate {
        NO_BACKUP_INTENT => StatefulSet: no_backup_intent;
        BACKUP_OF_MISSING_VOLUME => StatefulSet: backup_of_missing_volume;
        EXCLUDED_DATA => StatefulSet: excluded_data;
        NO_SPREAD => StatefulSet: no_spread, Scale: no_spread;
        INEFFECTIVE_SPREAD => StatefulSet: ineffective_spread;
        NO_DISRUPTION_BUDGET => StatefulSet: no_disruption_budget, Scale: no_disruption_budget;
        BLOCKING_BUDGET => PodDisruptionBudget: blocking_budget;
        NO_OWNER => StatefulSet: no_owner;
        PROFILE_LOWERED => Namespace: profile_lowered;
    }
    mutate {}
}
