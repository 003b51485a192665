//! Ordered identity: pods are created in order, deleted in reverse, each with a unique fixed name and DNS.

pub mod shutdown;

use stateward_sdk::prelude::*;

use shutdown::{ZERO_GRACE, zero_grace};

stateward_sdk::rules! {
    /// The family `ordered-identity`.
    pub struct OrderedIdentity(NoSettings);
    validate {
        ZERO_GRACE => StatefulSet: zero_grace;
    }
    mutate {}
}
