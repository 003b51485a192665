//! What administrators may set for this family.

use schemars::JsonSchema;
use serde::Deserialize;
use stateward_sdk::family::CheckSettings;
use stateward_sdk::prelude::*;

use crate::management::OWNER_KEYS;

/// Settings of the family.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// Annotations that name who answers for a set or what to do when it fails, beside the built-in list.
    pub owner_keys: ListChange,
    /// Accounts that are not persons, beside Kubernetes' own: rules about what persons do leave them alone.
    pub trusted_users: Vec<String>,
}

impl CheckSettings for Settings {
    fn check(&self) -> Vec<String> {
        let is_key = |key: &str| {
            let name = key.rsplit_once('/').map_or(key, |(_, name)| name);
            !name.is_empty() && !key.contains(char::is_whitespace)
        };
        let added = self.owner_keys.add.iter().enumerate().filter(|(_, key)| !is_key(key));
        let added = added.map(|(place, key)| format!("/ownerKeys/add/{place}: `{key}` is no annotation's key"));
        added.chain(self.owner_keys.absent("ownerKeys", &OWNER_KEYS)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Settings;
    use stateward_sdk::family::CheckSettings;

    #[test]
    fn owner_keys_are_keys() {
        let settings: Settings = serde_json::from_str(
            r#"{"ownerKeys": {"add": ["team", "example.com/on-call", "example.com/", "on call"], "remove": ["owner", "runbok"]}}"#,
        )
        .unwrap();
        assert_eq!(
            settings.check(),
            [
                "/ownerKeys/add/2: `example.com/` is no annotation's key",
                "/ownerKeys/add/3: `on call` is no annotation's key",
                "/ownerKeys/remove/1: `runbok` is not on the built-in list (a8r.io/owner, a8r.io/runbook, owner, runbook): nothing would be removed",
            ]
        );
        assert!(Settings::default().check().is_empty());
    }
}
