//! Remote volumes: each pod has its own physical volume, on remote storage, that re-attaches to the replacement.

#![cfg_attr(test, allow(clippy::needless_pass_by_value, reason = "tests hand over `json!` literals"))]

pub mod claims;
pub mod classes;
pub mod drivers;
pub mod settings;
pub mod sharing;

use claims::{
    INCOMPLETE_CLAIM, NO_CLAIM_TEMPLATE, SHARED_ACCESS_MODE, incomplete_claim, no_claim_template, shared_access_mode,
};
use classes::{LOCAL_CLASS, local_class};
pub use settings::Settings;
use sharing::{SHARED_CLAIM, shared_claim};

stateward_sdk::rules! {
    /// The family `remote-volumes`.
    pub struct RemoteVolumes(Settings);
    validate {
        NO_CLAIM_TEMPLATE => StatefulSet: no_claim_template;
        SHARED_CLAIM => StatefulSet: shared_claim, Scale: shared_claim;
        SHARED_ACCESS_MODE => StatefulSet: shared_access_mode;
        INCOMPLETE_CLAIM => StatefulSet: incomplete_claim;
        LOCAL_CLASS => StatefulSet: local_class;
    }
    mutate {}
}
