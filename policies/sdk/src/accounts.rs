//! Who asks: the cluster's own machinery, or a person.

use crate::bindings::stateward::policy::types::User;

/// Everybody who is not a person: the nodes, Kubernetes' own controllers, the scheduler, the API server, and whom the administrator trusts.
/// A person is everyone else, whatever tool he uses.
pub fn is_machinery(user: &User, trusted_users: &[String]) -> bool {
    MACHINERY_USERS.contains(&user.username.as_str())
        || user.groups.iter().any(|group| MACHINERY_GROUPS.contains(&group.as_str()))
        || trusted_users.contains(&user.username)
}

/// Accounts of control planes that run their controllers under one name each.
const MACHINERY_USERS: [&str; 3] = ["system:kube-scheduler", "system:kube-controller-manager", "system:apiserver"];

/// Kubelets, and the controllers with `--use-service-account-credentials`.
const MACHINERY_GROUPS: [&str; 2] = ["system:nodes", "system:serviceaccounts:kube-system"];

#[cfg(test)]
mod tests {
    use super::is_machinery;
    use crate::bindings::stateward::policy::types::User;

    #[test]
    fn everyone_else_is_a_person() {
        let user = |username: &str, groups: &[&str]| User {
            username: username.to_owned(),
            uid: String::new(),
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
            extra: Vec::new(),
        };
        let trusted = ["argo".to_owned()];
        assert!(is_machinery(&user("system:node:a", &["system:nodes"]), &trusted));
        assert!(is_machinery(
            &user("system:serviceaccount:kube-system:x", &["system:serviceaccounts:kube-system"]),
            &[]
        ));
        assert!(is_machinery(&user("system:apiserver", &["system:masters"]), &[]));
        assert!(is_machinery(&user("argo", &[]), &trusted));
        // A name alone proves no group, and the administrators' group is one of persons.
        assert!(!is_machinery(&user("system:node:a", &[]), &trusted));
        assert!(!is_machinery(&user("alice", &["system:masters"]), &trusted));
        assert!(!is_machinery(&user("argo", &[]), &[]));
    }
}
