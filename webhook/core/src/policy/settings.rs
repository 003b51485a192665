//! Settings that nothing in the policy reads.

use serde_json::{Map, Value};

use super::{SelectedRule, SpecError};
use crate::manifest::{Manifest, Rule};
use crate::pointer;

/// A component's schema is one for all its families. Where it says whose a setting is, one of none of the selected rules' families is an error:
/// it would have no effect, without a word.
pub(super) fn check(
    settings: &Map<String, Value>,
    rules: &[SelectedRule],
    manifest: &Manifest,
    errors: &mut Vec<SpecError>,
) {
    if settings.is_empty() {
        return;
    }
    let schema: Value = serde_json::from_str(&manifest.settings_schema).unwrap_or_default();
    for key in settings.keys() {
        let property = schema.get("properties").and_then(|properties| properties.get(key));
        let Some(families) = property.and_then(|property| property.get(FAMILIES)?.as_array()) else { continue };
        let reads = |rule: &Rule| families.iter().any(|family| family == rule.family());
        if !rules.iter().filter_map(|selected| manifest.rule(selected.index)).any(reads) {
            let families: Vec<String> =
                families.iter().filter_map(Value::as_str).map(|family| format!("`{family}/*`")).collect();
            errors.push(
                SpecError::new(
                    format!("/spec/settings/{}", pointer::escape(key)),
                    format!("no rule of this policy reads `{key}`"),
                )
                .hint(format!("it is for {}: set it in the policy that selects them", families.join(", "))),
            );
        }
    }
}

/// In the schema of a setting: the families that read it.
const FAMILIES: &str = "x-families";
