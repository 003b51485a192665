//! Remote volumes: each pod has its own physical volume, on remote storage, that re-attaches to the replacement.

pub mod sharing;

use stateward_sdk::prelude::*;

use sharing::{SHARED_CLAIM, shared_claim};

stateward_sdk::rules! {
    /// The family `remote-volumes`.
    pub struct RemoteVolumes(NoSettings);
    validate {
        SHARED_CLAIM => StatefulSet: shared_claim, Scale: shared_claim;
    }
    mutate {}
}
