//! What of an object may be shown to whoever reads a report, who may not be allowed to read the object.

use serde_json::Value;
use stateward_core::pointer::tokens;

/// Whether nothing of the value at `pointer` may be shown.
pub fn is_secret(pointer: &str) -> bool {
    guard_of(pointer).is_none()
}

/// Writes [`HIDDEN`] in place of every value that may not be shown.
pub fn redact(object: &mut Value) {
    hide(object, Some(Guard::Open), false);
}

/// What stands in place of a value.
pub const HIDDEN: &str = "(not shown)";

/// What may be shown below a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guard {
    /// All but what a key closes.
    Open,
    /// Of environment variables: names, and where their values come from.
    Environment,
    /// Of annotations: ours.
    Annotations,
}

impl Guard {
    /// Below `key`; `None`: nothing may be shown.
    pub(super) fn below(self, key: &str) -> Option<Self> {
        match (self, key) {
            (Self::Annotations, _) => is_ours(key).then_some(Self::Open),
            (Self::Environment, "valueFrom") => Some(Self::Open),
            (_, "env") | (Self::Environment, "name") => Some(Self::Environment),
            (Self::Environment, _) => None,
            (Self::Open, "annotations") => Some(Self::Annotations),
            (Self::Open, _) => (!SECRET.contains(&key)).then_some(Self::Open),
        }
    }

    /// Whether a value may be shown; `is_name`: that of a key `name`.
    pub(super) fn shows(self, is_name: bool) -> bool {
        self == Self::Open || (self == Self::Environment && is_name)
    }
}

/// Below a field; `None`: nothing may be shown.
pub(super) fn guard_of(pointer: &str) -> Option<Guard> {
    tokens(pointer).try_fold(Guard::Open, |guard, token| {
        // `-`: behind the last item.
        let is_index = token == "-" || token.bytes().all(|byte| byte.is_ascii_digit());
        if is_index && guard != Guard::Annotations { Some(guard) } else { guard.below(&token) }
    })
}

/// Of an environment variable, or of anything.
pub(super) fn is_name(pointer: &str) -> bool {
    pointer.ends_with("/name")
}

fn is_ours(key: &str) -> bool {
    key.split_once('/').is_some_and(|(domain, _)| domain == OURS)
}

fn hide(value: &mut Value, guard: Option<Guard>, is_name: bool) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                hide(value, guard.and_then(|guard| guard.below(key)), key == "name");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| hide(item, guard, is_name)),
        scalar => {
            if !guard.is_some_and(|guard| guard.shows(is_name)) {
                *scalar = HIDDEN.into();
            }
        }
    }
}

/// Keys whose values may hold secrets, wherever they are. `value`: of environment variables and of the headers that probes send.
const SECRET: &[&str] =
    &["args", "binaryData", "command", "data", "options", "stringData", "value", "volumeAttributes"];

/// The domain of annotations that are shown.
const OURS: &str = "stateward.dev";
