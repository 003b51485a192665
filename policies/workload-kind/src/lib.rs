//! Workload kind: stateful applications run as StatefulSets.
//!
//! Rules look at the top of an ownership chain: what a controller made is its owner's matter. `foreign-claim` alone looks at every pod.

#![cfg_attr(test, allow(clippy::needless_pass_by_value, reason = "tests hand over `json!` literals"))]

pub mod conditions;
pub mod database_image;
pub mod foreign_claim;
pub mod settings;
pub mod single_claims;

use database_image::{
    DATABASE_IMAGE, database_image_of_deployment, database_image_of_pod, database_image_of_replica_set,
};
use foreign_claim::{FOREIGN_CLAIM, foreign_claim_of_deployment, foreign_claim_of_pod, foreign_claim_of_replica_set};
pub use settings::Settings;
use single_claims::{
    REPLICATED_CLAIM, ROLLING_CLAIM, replicated_claim_of_deployment, replicated_claim_of_replica_set,
    rolling_claim_of_deployment, rolling_claim_of_replica_set,
};

stateward_sdk::rules! {
    /// The family `workload-kind`.
    pub struct WorkloadKind(Settings);
    validate {
        ROLLING_CLAIM => Deployment: rolling_claim_of_deployment, ReplicaSet: rolling_claim_of_replica_set;
        REPLICATED_CLAIM =>
            Deployment: replicated_claim_of_deployment,
            DeploymentScale: replicated_claim_of_deployment,
            ReplicaSet: replicated_claim_of_replica_set,
            ReplicaSetScale: replicated_claim_of_replica_set;
        DATABASE_IMAGE =>
            Deployment: database_image_of_deployment,
            ReplicaSet: database_image_of_replica_set,
            Pod: database_image_of_pod;
        FOREIGN_CLAIM =>
            Deployment: foreign_claim_of_deployment,
            ReplicaSet: foreign_claim_of_replica_set,
            Pod: foreign_claim_of_pod;
    }
    mutate {}
}
