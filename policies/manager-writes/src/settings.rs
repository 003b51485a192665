//! What administrators may set for this family.

use schemars::JsonSchema;
use serde::Deserialize;
use stateward_sdk::family::CheckSettings;
use stateward_sdk::lists::{ListChange, matches};

/// Settings of the family.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// Accounts of the StatefulSet controller, beside the built-in `system:serviceaccount:kube-system:statefulset-controller`: only their pods can be
    /// members. Where the controller manager runs without `--use-service-account-credentials`, add `system:kube-controller-manager`, which is weaker:
    /// every built-in controller asks by that name.
    pub controller_accounts: ListChange,
    /// Accounts of back-up tools that make pods by hand when they restore. Such pods come in without a role and join as workers.
    pub restorers: Vec<String>,
    /// Accounts that are not persons, beside Kubernetes' own: rules about what persons do leave them alone.
    pub trusted_users: Vec<String>,
    /// Names of Services that are for reading, so that workers may be behind them, beside the built-in `*-ro`, `*-read`, `*-replica`, `*-replicas`
    /// and `*-readonly`. A `*` stands for any text.
    pub read_only_service_names: ListChange,
    /// Words in the name of an init container or sidecar that say that it synchronises, beside the built-in `clone`, `sync`, `restore`, `replicat`
    /// and `follow`.
    pub sync_names: ListChange,
    /// Members that the controller makes get the environment variable `STATEWARD_ROLE` in their containers; pods that are adopted have what they bring.
    pub stamp_environment: bool,
}

impl Settings {
    /// This account speaks for the StatefulSet controller.
    pub fn is_controller(&self, username: &str) -> bool {
        self.controller_accounts.any(&CONTROLLER_ACCOUNTS, |account| account == username)
    }

    /// This account restores pods from a back-up.
    pub fn is_restorer(&self, username: &str) -> bool {
        self.restorers.iter().any(|account| account == username)
    }

    /// A Service of this name is for reading.
    pub fn is_read_only_name(&self, service: &str) -> bool {
        self.read_only_service_names.any(&READ_ONLY_SERVICES, |pattern| matches(pattern, service))
    }

    /// A container of this name synchronises its member.
    pub fn is_sync_like(&self, container: &str) -> bool {
        self.sync_names.any(&SYNC_WORDS, |word| container.contains(word))
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
        let accounts = &self.controller_accounts;
        for (place, account) in accounts.add.iter().enumerate() {
            if account.is_empty() || account.contains('*') {
                errors.push(format!(
                    "/controllerAccounts/add/{place}: `{account}` is no account; accounts are compared whole"
                ));
            }
        }
        if accounts.add.is_empty() && CONTROLLER_ACCOUNTS.iter().all(|account| accounts.removes(account)) {
            errors.push(
                "/controllerAccounts/remove: leaves no account, and no pod could be a member; add the controller's own"
                    .to_owned(),
            );
        }
        errors.extend(accounts.absent("controllerAccounts", &CONTROLLER_ACCOUNTS));
        errors.extend(self.read_only_service_names.absent("readOnlyServiceNames", &READ_ONLY_SERVICES));
        errors.extend(self.sync_names.absent("syncNames", &SYNC_WORDS));
        // An empty one would fit every name, and the rule would never speak again.
        for (field, list) in [("readOnlyServiceNames", &self.read_only_service_names), ("syncNames", &self.sync_names)]
        {
            for place in (0..list.add.len()).filter(|place| list.add.get(*place).is_some_and(String::is_empty)) {
                errors.push(format!("/{field}/add/{place}: is empty; write a name or a part of one"));
            }
        }
        errors
    }
}

/// As the well-known charts name the Service of their replicas.
const READ_ONLY_SERVICES: [&str; 5] = ["*-ro", "*-read", "*-replica", "*-replicas", "*-readonly"];

/// In the names of containers that clone or follow: `clone-mysql`, `restore-data`, `git-sync`, `replication`.
const SYNC_WORDS: [&str; 5] = ["clone", "sync", "restore", "replicat", "follow"];

const CONTROLLER_ACCOUNTS: [&str; 1] = [CONTROLLER_ACCOUNT];

/// The StatefulSet controller's own account, with `--use-service-account-credentials` as kubeadm and all hosted offers set it.
pub const CONTROLLER_ACCOUNT: &str = "system:serviceaccount:kube-system:statefulset-controller";

#[cfg(test)]
mod tests {
    use super::{CONTROLLER_ACCOUNT, Settings};
    use stateward_sdk::family::CheckSettings;

    #[test]
    fn a_restorer_is_not_the_controller() {
        let settings: Settings =
            serde_json::from_str(r#"{"controllerAccounts": {"add": ["a"]}, "restorers": ["b", "a"]}"#).unwrap();
        assert_eq!(
            settings.check(),
            ["/restorers/1: `a` is also in `controllerAccounts`, whose pods get a role; a restorer's pods get none"]
        );
        assert!(Settings::default().check().is_empty());
    }

    #[test]
    fn somebody_is_the_controller() {
        let read = |accounts: &str| -> Settings {
            serde_json::from_str(&format!(r#"{{"controllerAccounts": {accounts}}}"#)).unwrap()
        };
        let who = |settings: &Settings| ["a", CONTROLLER_ACCOUNT].map(|account| settings.is_controller(account));
        assert_eq!(who(&Settings::default()), [false, true]);
        assert_eq!(who(&read(r#"{"add": ["a"]}"#)), [true, true]);
        let moved = read(&format!(r#"{{"add": ["a"], "remove": ["{CONTROLLER_ACCOUNT}"]}}"#));
        assert_eq!((who(&moved), moved.check()), ([true, false], vec![]));
        assert_eq!(
            read(&format!(r#"{{"remove": ["{CONTROLLER_ACCOUNT}"]}}"#)).check(),
            ["/controllerAccounts/remove: leaves no account, and no pod could be a member; add the controller's own"]
        );
        assert_eq!(
            read(r#"{"add": ["system:*"]}"#).check(),
            ["/controllerAccounts/add/0: `system:*` is no account; accounts are compared whole"]
        );
        assert_eq!(
            read(r#"{"remove": ["a"]}"#).check(),
            [format!(
                "/controllerAccounts/remove/0: `a` is not on the built-in list ({CONTROLLER_ACCOUNT}): nothing would be removed"
            )]
        );
        assert!(serde_json::from_str::<Settings>(r#"{"controllerAccounts": ["a"]}"#).is_err());
    }

    #[test]
    fn lists_of_names_carry_the_difference() {
        let settings: Settings = serde_json::from_str(
            r#"{"readOnlyServiceNames": {"add": ["reports"], "remove": ["*-read"]}, "syncNames": {"add": ["pull"], "remove": ["sync"]}}"#,
        )
        .unwrap();
        assert_eq!(
            ["db-ro", "db-read", "reports", "db"].map(|name| settings.is_read_only_name(name)),
            [true, false, true, false]
        );
        assert_eq!(
            ["clone-mysql", "git-sync", "pull-data"].map(|name| settings.is_sync_like(name)),
            [true, false, true]
        );
        let empty: Settings = serde_json::from_str(r#"{"syncNames": {"add": ["a", ""]}}"#).unwrap();
        assert_eq!(empty.check(), ["/syncNames/add/1: is empty; write a name or a part of one"]);
    }
}
