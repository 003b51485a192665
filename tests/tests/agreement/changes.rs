//! For each rule, changes that make it fire and changes that just do not.

mod classes;
mod manager_writes;
mod operations;
mod ordered_identity;
mod remote_volumes;
mod services;
mod workload_kind;

use serde_json::Value;

use crate::case::Case;
use crate::objects;

#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) rule: &'static str,
    pub(crate) fires: bool,
    /// RFC 7386, on `base`.
    pub(crate) patch: Value,
    base: Value,
    /// Instead of the neighbours of that kind and name.
    beside: Vec<Value>,
}

pub(crate) fn all() -> Vec<Change> {
    [
        ordered_identity::changes(),
        services::changes(),
        remote_volumes::changes(),
        classes::changes(),
        manager_writes::changes(),
        workload_kind::changes(),
        operations::changes(),
    ]
    .concat()
}

/// Makes a rule fire on a set.
pub(crate) fn fires(rule: &'static str, patch: Value) -> Change {
    Change { rule, fires: true, patch, base: objects::set(), beside: Vec::new() }
}

/// Is as near as it can be to what makes the rule fire.
pub(crate) fn silent(rule: &'static str, patch: Value) -> Change {
    Change { fires: false, ..fires(rule, patch) }
}

impl Change {
    /// Another object than a set.
    pub(crate) fn of(self, base: Value) -> Self {
        Self { base, ..self }
    }

    pub(crate) fn beside(mut self, neighbour: Value) -> Self {
        self.beside.push(neighbour);
        self
    }

    pub(crate) fn kind(&self) -> &str {
        self.base["kind"].as_str().unwrap_or_default()
    }

    /// On an object that is otherwise sound.
    pub(crate) fn case(&self) -> Case {
        let beside = if self.kind() == "StatefulSet" { objects::beside_set() } else { Vec::new() };
        self.applied_to(&Case::new("made up", self.base.clone(), beside))
    }

    pub(crate) fn applied_to(&self, case: &Case) -> Case {
        let mut changed = case.clone();
        changed.name = format!("{}, changed for {}: {}", case.name, self.rule, self.patch);
        changed.patch(&self.patch);
        self.beside.iter().for_each(|neighbour| changed.put(neighbour.clone()));
        changed
    }
}
