//! What administrators may set for this family.

use schemars::JsonSchema;
use serde::Deserialize;
use stateward_sdk::data_paths::{DATA_PATHS, DATA_VARIABLES};
use stateward_sdk::family::CheckSettings;
use stateward_sdk::images::DATABASES;
use stateward_sdk::lists::ListChange;

use crate::drivers::{NODE_LOCAL, REMOTE, ZONAL};

/// Settings of the family.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// Drivers (provisioners) whose volumes live on one node, beside the built-in list. One `*` in a name stands for any text.
    pub local_drivers: ListChange,
    /// Drivers whose volumes any node can attach, beside the built-in list. One `*` in a name stands for any text.
    pub remote_drivers: ListChange,
    /// Drivers whose volumes only some nodes can attach, those of one zone for example, beside the built-in list.
    pub zonal_drivers: ListChange,
    /// Where databases keep their data, beside the built-in list: paths in containers, where `*` stands for one name (`/srv/*/db`), and variables
    /// that hold such a path (`$PGDATA`).
    pub data_paths: ListChange,
    /// Images that hold a database, beside the built-in list: the last part of their name, without tag.
    pub database_images: ListChange,
    /// Accounts that are not persons, beside Kubernetes' own: rules about what persons do leave them alone.
    pub trusted_users: Vec<String>,
    /// Accounts of back-up tools that make claims and pods by hand when they restore. Such pods come in without a role and join as workers.
    pub restorers: Vec<String>,
}

impl CheckSettings for Settings {
    fn check(&self) -> Vec<String> {
        let mut errors = Vec::new();
        for (place, driver) in self.local_drivers.add.iter().enumerate() {
            if self.remote_drivers.add.contains(driver) {
                errors.push(format!(
                    "/localDrivers/add/{place}: `{driver}` is also in `remoteDrivers.add`; a driver is one or the other"
                ));
            }
        }
        for (place, path) in self.data_paths.add.iter().enumerate() {
            if !path.starts_with(['/', '$']) {
                errors.push(format!(
                    "/dataPaths/add/{place}: `{path}` is neither a path (`/srv/db`) nor a variable (`$PGDATA`)"
                ));
            }
        }
        errors.extend(self.local_drivers.absent("localDrivers", &NODE_LOCAL));
        errors.extend(self.remote_drivers.absent("remoteDrivers", &REMOTE));
        errors.extend(self.zonal_drivers.absent("zonalDrivers", &ZONAL));
        errors.extend(self.data_paths.absent("dataPaths", &[&DATA_PATHS[..], &DATA_VARIABLES].concat()));
        errors.extend(self.database_images.absent("databaseImages", &DATABASES));
        errors
    }
}

#[cfg(test)]
mod tests {
    use super::Settings;
    use stateward_sdk::family::CheckSettings;

    fn errors(settings: &str) -> Vec<String> {
        serde_json::from_str::<Settings>(settings).unwrap().check()
    }

    #[test]
    fn a_driver_is_local_or_remote() {
        assert_eq!(
            errors(r#"{"localDrivers": {"add": ["a", "b"]}, "remoteDrivers": {"add": ["b"]}}"#),
            ["/localDrivers/add/1: `b` is also in `remoteDrivers.add`; a driver is one or the other"]
        );
        assert!(Settings::default().check().is_empty());
    }

    #[test]
    fn what_is_removed_is_on_its_own_list() {
        let both = r#"["ebs.csi.aws.com", "topolvm.io/*"]"#;
        assert_eq!(
            errors(&format!(
                r#"{{"localDrivers": {{"remove": {both}}}, "remoteDrivers": {{"remove": {both}}}, "zonalDrivers": {{"remove": {both}}}}}"#
            )),
            [
                "/localDrivers/remove/0: `ebs.csi.aws.com` is not on the built-in list: nothing would be removed",
                "/remoteDrivers/remove/1: `topolvm.io/*` is not on the built-in list: nothing would be removed",
                "/zonalDrivers/remove/1: `topolvm.io/*` is not on the built-in list: nothing would be removed",
            ]
        );
        assert!(
            errors(r#"{"dataPaths": {"remove": ["/data", "$PGDATA"]}, "databaseImages": {"remove": ["redis"]}}"#)
                .is_empty()
        );
    }

    #[test]
    fn data_is_at_a_path_or_named_by_a_variable() {
        assert!(errors(r#"{"dataPaths": {"add": ["/srv/*/db", "$OUR_DATA"], "remove": ["/data"]}}"#).is_empty());
        assert_eq!(
            errors(r#"{"dataPaths": {"add": ["/", "srv"]}}"#),
            ["/dataPaths/add/1: `srv` is neither a path (`/srv/db`) nor a variable (`$PGDATA`)"]
        );
    }
}
