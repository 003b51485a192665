//! Manager writes: only the first pod, the manager, may write; workers synchronise from it.

use stateward_sdk::prelude::*;

stateward_sdk::rules! {
    /// The family `manager-writes`.
    pub struct ManagerWrites(NoSettings);
    validate {}
    mutate {}
}
