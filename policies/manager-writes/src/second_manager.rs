//! Refuses a manager while another one is there.

use stateward_sdk::prelude::*;

use crate::Settings;
use crate::conditions::{self, POD_CREATED};
use crate::keys::{ROLE, SET};
use crate::member::{MemberKeys, Owner, SET_FIELDS, look_up, owner_of};
use crate::refusal::REFUSAL;

/// The last word on one writer. Every other rule judges a request that is stored a moment later; by then the first ordinal may have moved, the set
/// may have been made anew, or a pod may be there that a list of pods did not show. The StatefulSet controller makes the pods of one set one after
/// the other and waits for each, so that what it has made before is stored when it is asked for here: a role is only given at CREATE, never later.
pub const SECOND_MANAGER: Rule = Rule {
    id: "manager-writes/second-manager",
    title: "One manager at a time",
    description: "A pod that is on its way out still writes until its containers have stopped. When the first ordinal of a set has moved, or the set was \
                  made anew with another one, the pod that is manager from now on waits until the old one is gone; the controller tries again by itself.",
    subjects: &[Subject::of(Resource::PODS, POD_CREATED).when(conditions::WITH_KEYS).fail_closed()],
    reads: &[Read::by_name(StatefulSet::KIND, SET_FIELDS).live(), Read::of(Pod::KIND, &[]).live()],
    ..REFUSAL
};

/// Fires on a new manager while a pod of another name has the role in the same set, whosever it is: a Service selects by labels.
pub fn second_manager(pod: &Pod, cx: &Context<Settings>, out: &mut Findings) {
    let name = &pod.metadata.name;
    let Some(owner) = owner_of(pod) else { return };
    if pod.metadata.labels.get(ROLE) != Some("manager") {
        // A worker; or a manager that was not stamped, and `forged-role` refuses that.
        return;
    }
    let set = match look_up(owner, cx, true) {
        Owner::Unknown => return out.unavailable::<StatefulSet>(),
        Owner::WithoutUid => return out.undecided(format!("StatefulSet `{}` has no uid here", owner.name)),
        Owner::Other => return,
        Owner::Governed(set) => set,
    };
    if !MemberKeys::computed(&set, name, cx.namespace()).is_some_and(|keys| keys.is_manager()) {
        return;
    }
    let set = &set.metadata.name;
    let Some(managers) = cx.list_live::<Pod>(&format!("{ROLE}=manager,{SET}={set}")) else {
        return out.unavailable::<Pod>();
    };
    if let Some(other) = managers.iter().find(|other| *other.metadata.name != **name) {
        let other = &other.metadata.name;
        out.finding(
            "/metadata/name",
            "name",
            format!("`{name}` would be the manager of `{set}`, and `{other}` still is"),
        )
        .hint(format!("wait until `{other}` is gone: the controller tries again"));
    }
}

#[cfg(test)]
mod tests {
    use super::SECOND_MANAGER;
    use crate::examples::{bare_pod, made_by_controller, owned_pod, plain_set, with_keys};
    use crate::settings::CONTROLLER_ACCOUNT;
    use serde_json::Value;
    use stateward_sdk::testing::{Said, Test};

    fn beside(pod: Value, other: Value) -> Said {
        made_by_controller(pod).beside(other).judge(&SECOND_MANAGER)
    }

    fn manager(name: &str) -> Value {
        with_keys(owned_pod(name), "manager", "0")
    }

    #[test]
    fn the_first_manager_is_accepted() {
        assert!(made_by_controller(manager("db-0")).knowing("Pod").judge(&SECOND_MANAGER).is_silent());
        assert!(beside(manager("db-0"), with_keys(owned_pod("db-1"), "worker", "1")).is_silent());
        // Of itself the server has something to say.
        assert!(beside(manager("db-0"), manager("db-0")).is_silent());
        let mut other_set = with_keys(bare_pod("wiki-0"), "manager", "0");
        other_set["metadata"]["labels"]["stateward.dev/set"] = "wiki".into();
        assert!(beside(manager("db-0"), other_set).is_silent());
    }

    #[test]
    fn a_second_one_waits() {
        assert_eq!(beside(manager("db-0"), manager("db-1")).places(), ["name"]);
        let mut terminating = manager("db-1");
        terminating["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        assert_eq!(beside(manager("db-0"), terminating).places(), ["name"]);
        // An orphan, or of the set that was: the write Service selects it still.
        assert_eq!(beside(manager("db-0"), with_keys(bare_pod("db-1"), "manager", "1")).places(), ["name"]);
    }

    #[test]
    fn others_are_not_asked_for() {
        assert!(made_by_controller(with_keys(owned_pod("db-1"), "worker", "1")).judge(&SECOND_MANAGER).is_silent());
        assert!(made_by_controller(owned_pod("db-0")).judge(&SECOND_MANAGER).is_silent());
        let stranger = Test::<crate::ManagerWrites>::create(manager("db-0")).by("alice").beside(plain_set());
        assert!(stranger.judge(&SECOND_MANAGER).is_silent());
        assert!(Test::<crate::ManagerWrites>::create(bare_pod("db-0")).judge(&SECOND_MANAGER).is_silent());
    }

    #[test]
    fn without_a_look_up_it_is_undecided() {
        assert!(made_by_controller(manager("db-0")).judge(&SECOND_MANAGER).is_undecided());
        let alone = Test::<crate::ManagerWrites>::create(manager("db-0")).by(CONTROLLER_ACCOUNT);
        assert!(alone.judge(&SECOND_MANAGER).is_undecided());
    }
}
