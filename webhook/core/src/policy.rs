//! One installed policy: a [`WasmPolicy`] bound to its component, checked.

use crate::evaluate::Component;
use crate::resources::WasmPolicy;

/// One installed policy.
#[derive(Clone)]
pub struct Policy {
    /// `metadata.name`.
    pub name: String,
    /// What it runs.
    pub component: Component,
}

/// Something that is wrong with a resource, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct SpecError {
    /// JSON Pointer into the resource: `/spec/actions/remote-volumes~1local-class`.
    pub path: String,
    /// What is wrong, with the value.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Policy {
    /// Binds a resource to its component. The settings have been checked by the component already. Answers every error, not the first.
    pub fn new(resource: &WasmPolicy, component: Component) -> Result<Self, Vec<SpecError>> {
        todo!()
    }
}
