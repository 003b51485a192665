//! The manager contract: who is governed, and what the webhook writes before it judges.

use serde_json::{Value, json};

use super::kind;
use super::tree::{Set, name};

/// Keys that only the webhook writes.
pub(super) const PROTECTED: &[&str] = &[
    "stateward.dev/manager",
    "stateward.dev/governed",
    "stateward.dev/role",
    "stateward.dev/set",
    "stateward.dev/write",
    "stateward.dev/ordinal",
    "stateward.dev/manager-host",
];

pub(super) const GOVERNED: &str = "stateward.dev/governed";

impl<'a> Set<'a> {
    /// The owner's word; `Some("")` is one, too.
    pub(super) fn writes(self) -> Option<&'a str> {
        self.annotation("stateward.dev/writes")
    }

    pub(super) fn is_governed(self) -> bool {
        self.writes() == Some("manager-only")
    }

    pub(super) fn manager(self) -> String {
        format!("{}-{}", self.name(), self.start())
    }
}

/// An object after the mutating rules, which change sets: `strict` declares what nobody declared, and what is governed is stamped.
pub fn after_mutation(object: &Value, is_strict: bool) -> Value {
    let mut changed = object.clone();
    if kind(object).1 != "StatefulSet" {
        return changed;
    }
    if is_strict && Set(object).writes().is_none() {
        put(&mut changed["metadata"], "annotations", "stateward.dev/writes", "manager-only");
    }
    // Without a name there is no manager to name.
    if Set(&changed).is_governed() && !name(&changed).is_empty() {
        let manager = Set(&changed).manager();
        put(&mut changed["metadata"], "annotations", "stateward.dev/manager", &manager);
        put(&mut changed["spec"]["template"]["metadata"], "labels", GOVERNED, "true");
    }
    changed
}

fn put(metadata: &mut Value, map: &str, key: &str, value: &str) {
    if !metadata[map].is_object() {
        metadata[map] = json!({});
    }
    metadata[map][key] = Value::from(value);
}
