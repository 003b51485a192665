//! What administrators may set for this family.

use schemars::JsonSchema;
use serde::Deserialize;
use stateward_sdk::family::CheckSettings;

/// Settings of the family.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// Accounts of the StatefulSet controller: only their pods can be members. Where the controller manager runs without
    /// `--use-service-account-credentials`, it is `system:kube-controller-manager`, which is weaker: every built-in controller is.
    #[schemars(length(min = 1))]
    pub controller_accounts: Vec<String>,
    /// Accounts of back-up tools that make pods by hand when they restore. Such pods come in without a role and join as workers.
    pub restorers: Vec<String>,
    /// Accounts that are not persons, beside Kubernetes' own: rules about what persons do leave them alone.
    pub trusted_users: Vec<String>,
    /// Members' containers get the environment variable `STATEWARD_ROLE`.
    pub stamp_environment: bool,
}

impl Settings {
    /// This account speaks for the StatefulSet controller.
    pub fn is_controller(&self, username: &str) -> bool {
        self.controller_accounts.iter().any(|account| account == username)
    }

    /// This account restores pods from a back-up.
    pub fn is_restorer(&self, username: &str) -> bool {
        self.restorers.iter().any(|account| account == username)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            controller_accounts: vec![CONTROLLER_ACCOUNT.to_owned()],
            restorers: Vec::new(),
            trusted_users: Vec::new(),
            stamp_environment: false,
        }
    }
}

impl CheckSettings for Settings {
    fn check(&self) -> Vec<String> {
        let mut errors = Vec::new();
        for (place, account) in self.restorers.iter().enumerate() {
            if self.is_controller(account) {
                errors.push(format!("/restorers/{place}: `{account}` is also in `controllerAccounts`, whose pods get a role; a restorer's pods get none"));
            }
        }
        errors
    }
}

/// The StatefulSet controller's own account, with `--use-service-account-credentials` as kubeadm and all hosted offers set it.
pub const CONTROLLER_ACCOUNT: &str = "system:serviceaccount:kube-system:statefulset-controller";

#[cfg(test)]
mod tests {
    use super::Settings;
    use stateward_sdk::family::CheckSettings;

    #[test]
    fn a_restorer_is_not_the_controller() {
        let settings: Settings =
            serde_json::from_str(r#"{"controllerAccounts": ["a"], "restorers": ["b", "a"]}"#).unwrap();
        assert_eq!(
            settings.check(),
            ["/restorers/1: `a` is also in `controllerAccounts`, whose pods get a role; a restorer's pods get none"]
        );
        assert!(Settings::default().check().is_empty());
    }
}
