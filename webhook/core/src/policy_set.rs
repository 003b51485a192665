//! All policies and exemptions in force at one instant. Immutable: a reload makes a new set, a request keeps the one it began with.

use crate::manifest::Read;
use crate::policy::{Policy, SpecError};
use crate::resources::PolicyExemption;

/// All policies and exemptions in force at one instant.
pub struct PolicySet {
    policies: Vec<Policy>,
    exemptions: Vec<PolicyExemption>,
}

impl PolicySet {
    /// Joins policies. Fails where they contradict each other: each fixed rule is selected by at most one policy for a namespace.
    /// The errors carry the name of the policy they are about.
    pub fn new(policies: Vec<Policy>, exemptions: Vec<PolicyExemption>) -> Result<Self, Vec<(String, SpecError)>> {
        todo!()
    }

    /// In name order.
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// What look-ups may ask for: kinds with the union of their fields.
    pub fn reads(&self) -> Vec<Read> {
        todo!()
    }
}
