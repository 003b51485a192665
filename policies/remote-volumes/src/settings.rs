//! What administrators may set for this family.

use schemars::JsonSchema;
use serde::Deserialize;
use stateward_sdk::family::CheckSettings;

/// Settings of the family.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// Drivers (provisioners) whose volumes live on one node, beside the built-in list.
    pub local_drivers: DriverList,
    /// Drivers whose volumes any node can attach, beside the built-in list.
    pub remote_drivers: DriverList,
}

/// Changes to a built-in list of drivers. A name may begin with `*` to match by its end.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DriverList {
    /// Also on the list.
    pub add: Vec<String>,
    /// Not on the list, whatever the built-in one says.
    pub remove: Vec<String>,
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
        errors
    }
}

#[cfg(test)]
mod tests {
    use super::Settings;
    use stateward_sdk::family::CheckSettings;

    #[test]
    fn a_driver_is_local_or_remote() {
        let settings: Settings =
            serde_json::from_str(r#"{"localDrivers": {"add": ["a", "b"]}, "remoteDrivers": {"add": ["b"]}}"#).unwrap();
        assert_eq!(
            settings.check(),
            ["/localDrivers/add/1: `b` is also in `remoteDrivers.add`; a driver is one or the other"]
        );
        assert!(Settings::default().check().is_empty());
    }
}
