//! Refuses members that nobody stamped and that say nothing of their set.

use stateward_sdk::prelude::*;

use crate::Settings;
use crate::conditions::{self, POD_CREATED};
use crate::keys::carries_keys;
use crate::member::{Owner, SET_FIELDS, look_up, owner_of};
use crate::refusal::REFUSAL;

/// §6.7 of the contract. A set that joined while it ran has no label in its template, since nothing is restarted for that: whether a pod of it should have a
/// role only the set tells, and a condition looks nothing up. Every pod that any StatefulSet makes and that has no role is asked about, so nobody waits for
/// the answer: with no replica up, every database would.
pub const MISSING_ROLE: Rule = Rule {
    id: "manager-writes/missing-role",
    title: "A member starts with its role",
    description: "A member of a governed set that starts without a role is led to by no write Service, and nothing tells it not to write. Where the \
                  template carries `stateward.dev/governed`, it is refused whoever is away. Where a set joined while it ran and its owner has not \
                  added that label, it is refused by this rule: when the mutating call was skipped and this one is made.",
    when_undecided: Action::Audit,
    subjects: &[Subject::of(Resource::PODS, POD_CREATED).when(conditions::MEMBER_WITHOUT_KEYS)],
    reads: &[Read::by_name(StatefulSet::KIND, SET_FIELDS)],
    ..REFUSAL
};

/// Fires on a pod of a governed set without any key. One with some is `forged-role`'s, and one that somebody else makes `unbound-pod`'s.
pub fn missing_role(pod: &Pod, cx: &Context<Settings>, out: &mut Findings) {
    let Some(owner) = owner_of(pod).filter(|_| !carries_keys(&pod.metadata)) else { return };
    if cx.user().is_some_and(|user| !cx.settings.is_controller(&user.username)) {
        return;
    }
    match look_up(owner, cx, false) {
        Owner::Other => {}
        Owner::Unknown => out.unavailable::<StatefulSet>(),
        Owner::WithoutUid => out.undecided(format!("StatefulSet `{}` has no uid here", owner.name)),
        // What is stored may be older than its set's joining, and is no fault then: `unstamped-members` tells the set's owner.
        Owner::Governed(_) if cx.user().is_none() => {
            out.undecided(format!("whether it was made before `{}` joined the contract is not stored", owner.name));
        }
        Owner::Governed(_) => {
            let (pod, set) = (&pod.metadata.name, &owner.name);
            out.finding(
                "/metadata/labels",
                "labels[stateward.dev/role]",
                format!("`{pod}` is a member of the governed set `{set}` and has no role: the mutating webhook was not asked, or lacked a fact"),
            )
            .hint("the controller tries again; the label `stateward.dev/governed: \"true\"` in the set's template keeps this also while no replica answers");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::MISSING_ROLE;
    use crate::ManagerWrites;
    use crate::examples::{bare_pod, governed_set, made_by_controller, owned_pod, plain_set, reference, with_keys};
    use crate::settings::CONTROLLER_ACCOUNT;
    use serde_json::Value;
    use stateward_sdk::testing::{Test, json};

    /// Of a set whose template says nothing.
    fn keyless(mut pod: Value) -> Value {
        pod["metadata"]["labels"] = json!({"app": "db"});
        pod
    }

    #[test]
    fn a_member_without_a_key_is_refused() {
        let said = made_by_controller(keyless(owned_pod("db-0"))).judge(&MISSING_ROLE);
        assert_eq!(said.places(), ["labels[stateward.dev/role]"]);
    }

    #[test]
    fn one_that_nobody_is_seen_to_make_may_be_older_than_the_contract() {
        let stored = Test::<ManagerWrites>::create(keyless(owned_pod("db-0"))).beside(governed_set());
        assert!(stored.judge(&MISSING_ROLE).is_undecided());
    }

    #[test]
    fn others_are_not() {
        let judge = |pod: Value| made_by_controller(pod).judge(&MISSING_ROLE);
        assert!(judge(with_keys(owned_pod("db-0"), "manager", "0")).is_silent());
        assert!(judge(owned_pod("db-0")).is_silent(), "`forged-role` says it");
        assert!(judge(keyless(bare_pod("db-0"))).is_silent());
        let mut of_another = keyless(owned_pod("db-0"));
        of_another["metadata"]["ownerReferences"] = reference("apps/v1", "uid-2");
        assert!(judge(of_another).is_silent());
        let by_alice = Test::<ManagerWrites>::create(keyless(owned_pod("db-0"))).by("alice").beside(governed_set());
        assert!(by_alice.judge(&MISSING_ROLE).is_silent(), "`unbound-pod` says it");
        let plain = Test::<ManagerWrites>::create(keyless(owned_pod("db-0"))).by(CONTROLLER_ACCOUNT);
        assert!(plain.clone().beside(plain_set()).judge(&MISSING_ROLE).is_silent());
        assert!(plain.judge(&MISSING_ROLE).is_undecided());
    }
}
