//! Refuses keys that are not what identity gives. It compares values only: a validating call cannot see who wrote them.

use stateward_sdk::prelude::*;

use crate::Settings;
use crate::conditions::{self, POD_CREATED, SET_CREATED, SET_UPDATED};
use crate::keys::{GOVERNED, Key, MANAGER, carries_keys, is_governed, manager_name};
use crate::member::{MemberKeys, Owner, SET_FIELDS, look_up, owner_of};
use crate::refusal::REFUSAL;

/// §6.4 of the contract.
pub const FORGED_ROLE: Rule = Rule {
    id: "manager-writes/forged-role",
    title: "Nobody writes a role by hand",
    description: "The role is computed from the set and the pod's name. A template, a selector or a pod that brings keys of its own would make every \
                  member a manager, or a stranger; a governed set that does not name its manager, or a member without its role, was not stamped.",
    subjects: &[
        Subject::of(Resource::STATEFUL_SETS, SET_CREATED).when(conditions::SET_WITH_KEYS).fail_closed(),
        Subject::of(Resource::STATEFUL_SETS, SET_UPDATED).when(conditions::SET_KEYS_DIFFER).fail_closed(),
        Subject::of(Resource::PODS, POD_CREATED).when(conditions::WITH_KEYS).fail_closed(),
    ],
    reads: &[Read::by_name(StatefulSet::KIND, SET_FIELDS).live()],
    ..REFUSAL
};

/// Fires on protected keys where a set's owner writes, and on a governed set that is not stamped.
pub fn forged_role_of_set(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    judge_template(set, out);
    judge_selector(set, out);
    for template in set.claim_templates() {
        let metadata = &template.claim.metadata;
        for key in Key::protected().filter(|key| key.of(metadata).is_some()) {
            let path = key.path(&String::from(template.path().key("metadata")));
            forged(path, key.place(&template.place()), key, out);
        }
    }
    judge_manager(set, cx, out);
}

/// Fires on a member whose keys are not the computed ones, and on any other pod that carries some.
pub fn forged_role_of_pod(pod: &Pod, cx: &Context<Settings>, out: &mut Findings) {
    // One that carries none lacks its role, if anything: `missing-role`.
    if !carries_keys(&pod.metadata) {
        return;
    }
    let Some(owner) = owner_of(pod) else { return judge_stranger(pod, out) };
    match look_up(owner, cx, true) {
        Owner::Unknown => out.unavailable::<StatefulSet>(),
        Owner::WithoutUid => out.undecided(format!("StatefulSet `{}` has no uid here", owner.name)),
        Owner::Other => judge_stranger(pod, out),
        Owner::Governed(set) => match MemberKeys::computed(&set, &pod.metadata.name, cx.namespace()) {
            // Of what is stored nobody knows whether it was made or adopted: then it carries the keys of a worker.
            Some(keys) if cx.user().is_none() && keys.as_worker().are_on(&pod.metadata) => {}
            Some(keys) => judge_member(pod, &keys, out),
            None => {
                out.finding(
                    "/metadata/name",
                    "name",
                    format!("`{}` is not the name of a member of `{}`", pod.metadata.name, owner.name),
                )
                .hint("let the StatefulSet controller make the members: raise `replicas`");
            }
        },
    }
}

fn judge_template(set: &StatefulSet, out: &mut Findings) {
    let metadata = &set.spec.template.metadata;
    for key in Key::protected() {
        let Some(value) = key.of(metadata) else { continue };
        if key == Key::label(GOVERNED) && value == "true" && is_governed(set) {
            continue;
        }
        forged(key.path("/spec/template/metadata"), key.place("template"), key, out);
    }
}

fn judge_selector(set: &StatefulSet, out: &mut Findings) {
    let selector = &set.spec.selector;
    for key in Key::protected() {
        if selector.match_labels.has(key.name) {
            forged(
                Pointer::new("/spec/selector/matchLabels").key(key.name),
                format!("selector[{}]", key.name),
                key,
                out,
            );
        } else if let Some(index) =
            selector.match_expressions.iter().position(|requirement| requirement.key.as_str() == key.name)
        {
            let path = Pointer::new("/spec/selector/matchExpressions").index(index).key("key");
            forged(path, format!("selector[{}]", key.name), key, out);
        }
    }
}

fn judge_manager(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    let key = Key::annotation(MANAGER);
    let named = key.of(&set.metadata);
    let computed = manager_name(set);
    if named.is_none() && is_governed(set) {
        out.finding(
            key.path("/metadata"),
            key.place(""),
            format!("a governed set names its manager, and `{MANAGER}` is missing"),
        )
        .hint(NOT_STAMPED);
    } else if let Some(named) = named
        && Some(named) != computed.as_deref()
    {
        let right =
            computed.map_or_else(|| "the first pod once the set has a name".to_owned(), |name| format!("`{name}`"));
        out.finding(
            key.path("/metadata"),
            key.place(""),
            format!("`{MANAGER}` is `{named}`; the manager is the first pod, {right}"),
        )
        .hint("leave the annotation out: it is written for you");
    }
    // A set that joined while it ran has none, and is stored like that; who makes one asks for it.
    if cx.operation() == Operation::Create
        && cx.user().is_some()
        && is_governed(set)
        && Key::label(GOVERNED).of(&set.spec.template.metadata).is_none()
    {
        let key = Key::label(GOVERNED);
        out.finding(
            key.path("/spec/template/metadata"),
            key.place("template"),
            format!("a governed set's template carries `{GOVERNED}: \"true\"`, and it is missing"),
        )
        .hint(NOT_STAMPED);
    }
}

fn judge_member(pod: &Pod, keys: &MemberKeys, out: &mut Findings) {
    for (key, computed) in keys.differences(&pod.metadata) {
        let is = key.of(&pod.metadata).map_or_else(|| "absent".to_owned(), |value| format!("`{value}`"));
        let right = computed.map_or_else(|| "absent".to_owned(), |value| format!("`{value}`"));
        out.finding(key.path("/metadata"), key.place(""), format!("{} `{}` is {is}; for this member it is {right}", key.word(), key.name))
            .hint("leave it out: a member's keys are computed. If they are missing, the mutating webhook was away; the controller tries again");
    }
}

fn judge_stranger(pod: &Pod, out: &mut Findings) {
    for key in Key::protected().filter(|key| key.of(&pod.metadata).is_some()) {
        forged(key.path("/metadata"), key.place(""), key, out);
    }
}

fn forged(path: Pointer, place: String, key: Key, out: &mut Findings) {
    out.finding(
        path,
        place,
        format!("{} `{}` is computed for members of governed sets, and nobody else carries it", key.word(), key.name),
    )
    .hint(
        "remove it; to have one writer, write the annotation `stateward.dev/writes: manager-only` on the StatefulSet",
    );
}

const NOT_STAMPED: &str = "send the request again: the mutating webhook, which writes it, was not asked";

#[cfg(test)]
mod tests {
    use super::FORGED_ROLE;
    use crate::ManagerWrites;
    use crate::examples::{bare_pod, governed_set, made_by_controller, owned_pod, plain_set, reference, with_keys};
    use crate::settings::CONTROLLER_ACCOUNT;
    use serde_json::Value;
    use stateward_sdk::testing::{Said, Test, json};

    fn create(set: Value) -> Said {
        Test::<ManagerWrites>::create(set).judge(&FORGED_ROLE)
    }

    #[test]
    fn a_stamped_set_and_a_plain_one_are_accepted() {
        assert!(create(governed_set()).is_silent());
        assert!(create(plain_set()).is_silent());
        let mut opted_in = governed_set();
        opted_in["spec"]["template"]["metadata"]["labels"] = json!({"app": "db"});
        assert!(Test::<ManagerWrites>::update(plain_set(), opted_in).judge(&FORGED_ROLE).is_silent());
        let mut newer_key = plain_set();
        newer_key["spec"]["template"]["metadata"]["labels"]["stateward.dev/of-a-later-version"] = "x".into();
        assert!(create(newer_key).is_silent());
    }

    #[test]
    fn a_governed_set_that_was_not_stamped_is_refused() {
        let mut set = plain_set();
        set["metadata"]["annotations"] = json!({"stateward.dev/writes": "manager-only"});
        assert_eq!(
            Test::<ManagerWrites>::create(set.clone()).by("alice").judge(&FORGED_ROLE).places(),
            ["annotations[stateward.dev/manager]", "template.labels[stateward.dev/governed]"]
        );
        let stored = create(set.clone());
        assert_eq!(stored.places(), ["annotations[stateward.dev/manager]"], "it may have joined while it ran");
        assert_eq!(
            Test::<ManagerWrites>::update(plain_set(), set.clone()).judge(&FORGED_ROLE).places(),
            ["annotations[stateward.dev/manager]"]
        );
        set["metadata"]["annotations"]["stateward.dev/manager"] = "db-1".into();
        assert!(create(set).places().contains(&"annotations[stateward.dev/manager]"));
    }

    #[test]
    fn keys_in_what_the_owner_writes_are_refused() {
        let with = |pointer: &str, value: Value| {
            let mut set = governed_set();
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            set.pointer_mut(parent).unwrap()[key.replace("~1", "/")] = value;
            create(set)
        };
        let cases = [
            (
                "/spec/template/metadata/labels/stateward.dev~1role",
                json!("manager"),
                "template.labels[stateward.dev/role]",
            ),
            (
                "/spec/template/metadata/annotations",
                json!({"stateward.dev/write": "allow"}),
                "template.annotations[stateward.dev/write]",
            ),
            (
                "/spec/template/metadata/labels/stateward.dev~1governed",
                json!("false"),
                "template.labels[stateward.dev/governed]",
            ),
            ("/spec/selector/matchLabels/stateward.dev~1role", json!("manager"), "selector[stateward.dev/role]"),
            (
                "/spec/selector/matchExpressions",
                json!([{"key": "stateward.dev/set", "operator": "Exists"}]),
                "selector[stateward.dev/set]",
            ),
            (
                "/spec/volumeClaimTemplates",
                json!([{"metadata": {"name": "data", "labels": {"stateward.dev/set": "db"}}}]),
                "volumeClaimTemplates[data].labels[stateward.dev/set]",
            ),
        ];
        for (pointer, value, place) in cases {
            assert_eq!(with(pointer, value).places(), [place]);
        }
        let mut ungoverned = plain_set();
        ungoverned["spec"]["template"]["metadata"]["labels"]["stateward.dev/governed"] = "true".into();
        assert_eq!(create(ungoverned).places(), ["template.labels[stateward.dev/governed]"]);
    }

    #[test]
    fn a_member_carries_exactly_its_own_keys() {
        let judge = |pod: Value| made_by_controller(pod).judge(&FORGED_ROLE);
        assert!(judge(with_keys(owned_pod("db-0"), "manager", "0")).is_silent());
        assert!(judge(with_keys(owned_pod("db-2"), "worker", "2")).is_silent());
        assert_eq!(judge(owned_pod("db-0")).findings.len(), 5);
        assert_eq!(
            judge(with_keys(owned_pod("db-1"), "manager", "1")).places(),
            ["labels[stateward.dev/role]", "annotations[stateward.dev/write]"]
        );
        let mut labelled = with_keys(owned_pod("db-0"), "manager", "0");
        labelled["metadata"]["labels"]["stateward.dev/governed"] = "no".into();
        assert_eq!(judge(labelled).places(), ["labels[stateward.dev/governed]"]);
        assert_eq!(judge(owned_pod("db-first")).places(), ["name"]);
    }

    #[test]
    fn an_adopted_member_is_stored_as_a_worker() {
        let mut adopted = with_keys(owned_pod("db-0"), "manager", "0");
        adopted["metadata"]["labels"]["stateward.dev/role"] = "worker".into();
        adopted["metadata"]["annotations"]["stateward.dev/write"] = "deny".into();
        let stored = Test::<ManagerWrites>::create(adopted.clone()).beside(governed_set());
        assert!(stored.judge(&FORGED_ROLE).is_silent(), "{:?}", stored.judge(&FORGED_ROLE).places());
        assert!(!made_by_controller(adopted).judge(&FORGED_ROLE).is_silent(), "one that is made gets its own");
    }

    #[test]
    fn strangers_carry_no_keys() {
        let forged = |mut pod: Value, owner: Value| {
            pod["metadata"]["ownerReferences"] = owner;
            Test::<ManagerWrites>::create(with_keys(pod, "manager", "0")).by("alice")
        };
        assert_eq!(forged(bare_pod("db-0"), json!(null)).judge(&FORGED_ROLE).findings.len(), 6);
        let replica_set =
            json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "db", "uid": "1", "controller": true}]);
        assert_eq!(forged(bare_pod("db-0"), replica_set).judge(&FORGED_ROLE).findings.len(), 6);
        let of_set = |uid| forged(bare_pod("db-0"), reference("apps/v1", uid));
        assert_eq!(of_set("uid-2").beside(governed_set()).judge(&FORGED_ROLE).findings.len(), 6);
        assert_eq!(of_set("uid-1").beside(plain_set()).judge(&FORGED_ROLE).findings.len(), 6);
        assert_eq!(of_set("uid-1").knowing("StatefulSet").judge(&FORGED_ROLE).findings.len(), 6);
        let mut plain = bare_pod("db-0");
        plain["metadata"]["labels"] = json!({"app": "db"});
        assert!(Test::<ManagerWrites>::create(plain).by("alice").judge(&FORGED_ROLE).is_silent());
    }

    #[test]
    fn a_node_may_not_bring_keys_either() {
        let mut mirror = bare_pod("db-0");
        mirror["metadata"]["ownerReferences"] =
            json!([{"apiVersion": "v1", "kind": "Node", "name": "a", "uid": "1", "controller": true}]);
        let said =
            Test::<ManagerWrites>::create(with_keys(mirror, "manager", "0")).by("system:node:a").judge(&FORGED_ROLE);
        assert_eq!(said.findings.len(), 6);
    }

    #[test]
    fn without_a_look_up_it_is_undecided() {
        let member = || with_keys(owned_pod("db-0"), "manager", "0");
        assert!(Test::<ManagerWrites>::create(member()).by(CONTROLLER_ACCOUNT).judge(&FORGED_ROLE).is_undecided());
        // The user is not asked for: values are compared.
        assert!(Test::<ManagerWrites>::create(member()).beside(governed_set()).judge(&FORGED_ROLE).is_silent());
    }
}
