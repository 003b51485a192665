//! The host and its guests use the same words: the contract's keys, the promises, who is machinery.

use stateward_core::{contract as host, promises::PROMISES, request::User, unread::is_machinery};
use stateward_sdk::bindings::stateward::policy::types::User as GuestUser;
use stateward_sdk::{accounts, contract as guest, promise};

#[test]
fn the_contracts_keys_are_the_same() {
    let of_host = [
        host::WRITES,
        host::MANAGER_ONLY,
        host::SYNC,
        host::BACKUP,
        host::PROFILE,
        host::MANAGER,
        host::GOVERNED,
        host::ROLE,
        host::SET,
        host::WRITE,
        host::ORDINAL,
        host::MANAGER_HOST,
    ];
    let of_guest = [
        guest::WRITES,
        guest::MANAGER_ONLY,
        guest::SYNC,
        guest::BACKUP,
        guest::PROFILE,
        guest::MANAGER,
        guest::GOVERNED,
        guest::ROLE,
        guest::SET,
        guest::WRITE,
        guest::ORDINAL,
        guest::MANAGER_HOST,
    ];
    assert_eq!(of_host, of_guest);
    assert_eq!(host::PROTECTED_LABELS, guest::PROTECTED_LABELS);
    assert_eq!(host::PROTECTED_ANNOTATIONS, guest::PROTECTED_ANNOTATIONS);
}

#[test]
fn the_controllers_account_is_the_same() {
    assert_eq!(host::CONTROLLER_ACCOUNT, stateward_manager_writes::settings::CONTROLLER_ACCOUNT);
}

#[test]
fn promises_are_the_same_and_every_rule_keeps_one() {
    assert_eq!(PROMISES, promise::ALL);
    for rule in stateward_stateful::describe().rules {
        for word in promise::of(&rule.category) {
            assert!(
                promise::ALL.contains(&word) || [promise::AVAILABLE, promise::MANAGED].contains(&word),
                "`{}` keeps `{word}`, which nobody promised",
                rule.id
            );
        }
    }
}

#[test]
fn machinery_is_the_same() {
    let cases: [(&str, &[&str], bool); 8] = [
        ("system:node:a", &["system:nodes"], true),
        ("system:serviceaccount:kube-system:x", &["system:serviceaccounts:kube-system"], true),
        ("system:kube-scheduler", &[], true),
        ("system:kube-controller-manager", &[], true),
        ("system:apiserver", &["system:masters"], true),
        // A name alone proves no group, and the administrators' group is one of persons.
        ("system:node:a", &[], false),
        ("alice", &["system:masters"], false),
        ("system:serviceaccount:shop:x", &["system:serviceaccounts:shop"], false),
    ];
    for (username, groups, expected) in cases {
        let of_host = User {
            username: username.into(),
            groups: groups.iter().map(|&group| group.into()).collect(),
            ..User::default()
        };
        let of_guest = GuestUser {
            username: username.to_owned(),
            uid: String::new(),
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
            extra: Vec::new(),
        };
        assert_eq!(
            (is_machinery(&of_host), accounts::is_machinery(&of_guest, &[])),
            (expected, expected),
            "{username}"
        );
    }
}
