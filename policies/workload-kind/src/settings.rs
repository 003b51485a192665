//! What administrators may set for this family.

use schemars::JsonSchema;
use serde::Deserialize;
use stateward_sdk::family::CheckSettings;
use stateward_sdk::images::DATABASES;
use stateward_sdk::prelude::*;

use crate::foreign_claim::BACKUP_ACCOUNTS;

/// Settings of the family.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// Accounts of back-up tools, beside the built-in list: they may mount a member's claim. `*` stands for any text. An account counts that
    /// makes the pod, or that the pod of a Job runs as. The accounts that K8up, VolSync and Stash make beside the application are built in for sets
    /// that are not governed; for a governed set name them here, e.g. `system:serviceaccount:shop:volsync-src-daily`.
    pub backup_accounts: ListChange,
    /// Names of images that hold a database (the last part of the reference, without tag), beside the built-in list.
    pub database_images: ListChange,
}

impl CheckSettings for Settings {
    fn check(&self) -> Vec<String> {
        let lists = [("backupAccounts", &self.backup_accounts.add), ("databaseImages", &self.database_images.add)];
        let mut errors = Vec::new();
        for (field, entries) in lists {
            for (place, _) in entries.iter().enumerate().filter(|(_, entry)| entry.is_empty()) {
                errors.push(format!("/{field}/add/{place}: an empty text is no name"));
            }
        }
        for (place, entry) in self.backup_accounts.add.iter().enumerate().filter(|(_, entry)| *entry == "*") {
            errors.push(format!(
                "/backupAccounts/add/{place}: `{entry}` is everybody: switch `foreign-claim` off instead"
            ));
        }
        errors.extend(self.backup_accounts.absent("backupAccounts", &BACKUP_ACCOUNTS));
        errors.extend(self.database_images.absent("databaseImages", &DATABASES));
        errors
    }
}

#[cfg(test)]
mod tests {
    use super::Settings;
    use stateward_sdk::family::CheckSettings;

    #[test]
    fn lists_hold_names() {
        let settings: Settings = serde_json::from_str(
            r#"{"backupAccounts": {"add": ["a", "*"]}, "databaseImages": {"add": [""], "remove": ["redis", ""]}}"#,
        )
        .unwrap();
        assert_eq!(
            settings.check(),
            [
                "/databaseImages/add/0: an empty text is no name",
                "/backupAccounts/add/1: `*` is everybody: switch `foreign-claim` off instead",
                "/databaseImages/remove/1: `` is not on the built-in list: nothing would be removed",
            ]
        );
        assert!(Settings::default().check().is_empty());
    }
}
