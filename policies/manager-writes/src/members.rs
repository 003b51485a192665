//! Which members of a set a Service leads to, by the labels that they have or will have.

use stateward_sdk::objects::{POD_INDEX, POD_NAME};
use stateward_sdk::prelude::*;

use crate::keys::{GOVERNED, ROLE, SET};

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The first one.
    Manager,
    /// Any other.
    Worker,
}

/// Whether a member of that role is behind the Service, however many replicas there are today. A member has its template's labels, its own
/// of the contract, and Kubernetes' own.
pub fn selects(service: &Service, set: &StatefulSet, role: Role) -> bool {
    let asked = &service.spec.selector;
    let is_manager = |ordinal: i64| ordinal == set.start();
    let fits = |ordinal: i64| is_manager(ordinal) == (role == Role::Manager);
    service.selects(|key| match key {
        ROLE if role == Role::Manager => Some("manager"),
        ROLE => Some("worker"),
        SET => Some(set.metadata.name.as_str()),
        GOVERNED => Some("true"),
        POD_NAME => asked.get(key).filter(|pod| {
            member_of(pod).is_some_and(|(parent, ordinal)| *parent == *set.metadata.name && fits(ordinal))
        }),
        POD_INDEX => asked.get(key).filter(|index| index.parse().is_ok_and(fits)),
        key => set.spec.template.metadata.labels.get(key),
    })
}

/// Whether the Service leads to the set's manager and nobody else, and says so by role and set, or by the pod's name.
pub fn is_write_service(service: &Service, set: &StatefulSet) -> bool {
    meant_by(service) == Some(set.metadata.name.as_str()) && selects(service, set, Role::Manager)
}

/// The set whose manager a Service may be for: its selector names role and set, or a pod.
pub fn meant_by<'s>(service: &'s Service) -> Option<&'s str> {
    let selector = &service.spec.selector;
    match selector.get(POD_NAME) {
        Some(pod) => parent_of(pod),
        None if selector.get(ROLE) == Some("manager") => selector.get(SET),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Role, is_write_service, meant_by, selects};
    use proptest::prelude::*;
    use serde_json::Value;
    use stateward_sdk::prelude::{Service, StatefulSet};
    use stateward_sdk::testing::json;

    const SET: &str = r#"{"metadata": {"name": "db"}, "spec": {"ordinals": {"start": 2}, "template": {"metadata": {"labels": {"app": "db"}}}}}"#;

    fn with_service<T>(selector: &Value, judge: impl Fn(&Service<'_>, &StatefulSet<'_>) -> T) -> T {
        let service = json!({"spec": {"selector": selector}}).to_string();
        judge(&serde_json::from_str(&service).unwrap(), &serde_json::from_str(SET).unwrap())
    }

    fn reached(selector: &Value) -> (bool, bool) {
        with_service(selector, |service, set| {
            (selects(service, set, Role::Manager), selects(service, set, Role::Worker))
        })
    }

    #[test]
    fn members_are_told_apart_by_what_only_one_has() {
        let pod_name = "statefulset.kubernetes.io/pod-name";
        for (selector, both) in [
            (json!({"app": "db"}), (true, true)),
            (json!({"app": "web"}), (false, false)),
            (json!({}), (false, false)),
            (json!({"stateward.dev/role": "manager"}), (true, false)),
            (json!({"stateward.dev/role": "worker", "app": "db"}), (false, true)),
            (json!({"stateward.dev/set": "db", "stateward.dev/governed": "true"}), (true, true)),
            (json!({"stateward.dev/set": "other"}), (false, false)),
            (json!({pod_name: "db-2"}), (true, false)),
            (json!({pod_name: "db-0", "app": "db"}), (false, true)),
            (json!({pod_name: "web-2"}), (false, false)),
            (json!({"apps.kubernetes.io/pod-index": "2"}), (true, false)),
            (json!({"apps.kubernetes.io/pod-index": "3"}), (false, true)),
        ] {
            assert_eq!(reached(&selector), both, "{selector}");
        }
    }

    #[test]
    fn an_alias_leads_to_nobody() {
        let service = r#"{"spec": {"type": "ExternalName", "selector": {"app": "db"}}}"#;
        let (service, set): (Service<'_>, StatefulSet<'_>) =
            (serde_json::from_str(service).unwrap(), serde_json::from_str(SET).unwrap());
        assert!(!selects(&service, &set, Role::Manager));
    }

    proptest! {
        #[test]
        fn a_write_service_leads_to_the_manager_alone(
            role in prop::option::of("manager|worker"), set in prop::option::of("db|other"),
            pod in prop::option::of("db-2|db-3|other-2"), app in prop::option::of("db|web"),
        ) {
            let mut selector = json!({});
            let pairs = [("stateward.dev/role", role), ("stateward.dev/set", set), ("statefulset.kubernetes.io/pod-name", pod), ("app", app)];
            for (key, value) in pairs {
                if let Some(value) = value {
                    selector[key] = value.into();
                }
            }
            let (is_write, is_meant) = with_service(&selector, |service, set| (is_write_service(service, set), meant_by(service) == Some("db")));
            let names_one = (selector.get("stateward.dev/role").is_some() && selector.get("stateward.dev/set").is_some())
                || selector.get("statefulset.kubernetes.io/pod-name").is_some();
            prop_assert_eq!(is_write, reached(&selector) == (true, false) && names_one);
            prop_assert!(!is_write || is_meant);
        }
    }
}
