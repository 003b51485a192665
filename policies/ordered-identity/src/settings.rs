//! What administrators may set for this family.

use schemars::JsonSchema;
use serde::Deserialize;
use stateward_sdk::family::CheckSettings;
use stateward_sdk::images::DATABASES;
use stateward_sdk::prelude::ListChange;

/// Settings of the family.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// Names of images that hold a database (the last part of the reference, without tag), beside the built-in list.
    pub database_images: ListChange,
    /// Accounts that are not persons, beside Kubernetes' own: rules about what persons do leave them alone.
    pub trusted_users: Vec<String>,
}

impl CheckSettings for Settings {
    fn check(&self) -> Vec<String> {
        self.database_images.absent("databaseImages", &DATABASES).collect()
    }
}
