//! Names the manager on a governed set, marks its pods, and puts back what a PUT of the owner's manifest leaves out.

use stateward_sdk::prelude::*;

use crate::Settings;
use crate::conditions::{self, SET_CREATED, SET_UPDATED};
use crate::declare_writes::declares;
use crate::keys::{GOVERNED, MANAGER, MANAGER_ONLY, WRITES, is_governed, is_opt_out, manager_name};

/// §6.2 of the contract.
pub const STAMP_SET: Rule = Rule {
    id: "manager-writes/stamp-set",
    title: "Governed sets name their manager",
    description: "A governed StatefulSet gets the annotation `stateward.dev/manager` with the name of its first pod, and when it is made the \
                  template label by which its pods are known. An update that lacks what the stored object has (`kubectl replace`, an operator, a \
                  roll-back) gets it back: without that the set would roll, as any change of its template makes it (kubernetes/kubernetes#135017), \
                  and leave the contract.",
    category: promise::ONE_WRITER,
    severity: Severity::High,
    fixed: true,
    subjects: &[
        Subject::of(Resource::STATEFUL_SETS, SET_CREATED).when(conditions::SET_DECLARED),
        Subject::of(Resource::STATEFUL_SETS, SET_UPDATED).when(conditions::SET_STAMPED),
    ],
    ..Rule::MUTATE
};

/// Writes, restores or removes what the set's own intent asks for. The template is touched at CREATE, to put back, and to remove at opt-out: any
/// other change of it would restart the members.
pub fn stamp_set(set: &StatefulSet, cx: &Context<Settings>, out: &mut Changes) {
    match (cx.operation(), cx.old().and_then(Object::as_stateful_set)) {
        (Operation::Create, _) if is_governed(set) || declares(set, cx) => {
            let Some(manager) = manager_name(set) else {
                out.undecided("the server has not chosen a name yet: give the set a `name` instead of `generateName`");
                return;
            };
            let mut patch = MergePatch::default();
            write_manager(&mut patch, set, &manager);
            if template_label(set) != Some("true") {
                patch.set(&TEMPLATE_LABELS, GOVERNED, "true");
            }
            out.merge(&patch, format!("only `{manager}` may write"));
        }
        (Operation::Update, Some(old)) => follow(old, set, out),
        _ => {}
    }
}

/// Puts back what got lost, and does what the intent that then holds asks for.
fn follow(old: &StatefulSet, set: &StatefulSet, out: &mut Changes) {
    let (before, after) = (&old.metadata.annotations, &set.metadata.annotations);
    let (label_before, label) = (template_label(old), template_label(set));
    let writes = after.get(WRITES).or(before.get(WRITES));
    let mut patch = MergePatch::default();
    if let Some(writes) = writes
        && !after.has(WRITES)
    {
        patch.set(&ANNOTATIONS, WRITES, writes);
    }
    if is_opt_out(old, writes) {
        if after.has(MANAGER) {
            patch.remove(&ANNOTATIONS, MANAGER);
        }
        if label.is_some() {
            patch.remove(&TEMPLATE_LABELS, GOVERNED);
        }
        return out.merge(&patch, "the set leaves the manager contract");
    }
    if writes == Some(MANAGER_ONLY)
        && let Some(manager) = manager_name(set)
    {
        write_manager(&mut patch, set, &manager);
    } else if let Some(manager) = before.get(MANAGER)
        && !after.has(MANAGER)
    {
        patch.set(&ANNOTATIONS, MANAGER, manager);
    }
    if let Some(before) = label_before
        && label.is_none()
    {
        patch.set(&TEMPLATE_LABELS, GOVERNED, before);
    }
    out.merge(
        &patch,
        "the manager contract's keys are kept: to leave it, scale to 0 and write `stateward.dev/writes: any`",
    );
}

fn write_manager(patch: &mut MergePatch, set: &StatefulSet, manager: &str) {
    if set.metadata.annotations.get(MANAGER) != Some(manager) {
        patch.set(&ANNOTATIONS, MANAGER, manager);
    }
}

fn template_label<'s>(set: &'s StatefulSet) -> Option<&'s str> {
    set.spec.template.metadata.labels.get(GOVERNED)
}

const ANNOTATIONS: [&str; 2] = ["metadata", "annotations"];
const TEMPLATE_LABELS: [&str; 4] = ["spec", "template", "metadata", "labels"];

#[cfg(test)]
mod tests {
    use super::STAMP_SET;
    use crate::ManagerWrites;
    use crate::declare_writes::DECLARE_WRITES;
    use proptest::prelude::*;
    use serde_json::Value;
    use stateward_sdk::testing::{Test, json};

    const WRITES: &str = "stateward.dev/writes";
    const MANAGER: &str = "stateward.dev/manager";
    const GOVERNED: &str = "stateward.dev/governed";

    fn set(annotations: Value, labels: Value, replicas: i64) -> Value {
        json!({"kind": "StatefulSet", "metadata": {"name": "db", "annotations": annotations},
            "spec": {"replicas": replicas, "template": {"metadata": {"labels": labels}}}})
    }

    fn governed(replicas: i64) -> Value {
        set(json!({WRITES: "manager-only", MANAGER: "db-0"}), json!({"app": "db", GOVERNED: "true"}), replicas)
    }

    fn annotations(set: &Value) -> &Value {
        &set["metadata"]["annotations"]
    }

    fn labels(set: &Value) -> &Value {
        &set["spec"]["template"]["metadata"]["labels"]
    }

    fn update(old: Value, new: Value) -> Value {
        Test::<ManagerWrites>::update(old, new).change(&[&STAMP_SET]).object
    }

    #[test]
    fn a_new_governed_set_is_stamped() {
        let new = set(json!({WRITES: "manager-only", MANAGER: "me"}), json!({"app": "db"}), 3);
        let stamped = Test::<ManagerWrites>::create(new).change(&[&STAMP_SET]).object;
        assert_eq!(stamped, governed(3));
        let mut shifted = set(json!({WRITES: "manager-only"}), json!(null), 3);
        shifted["spec"]["ordinals"] = json!({"start": 5});
        let stamped = Test::<ManagerWrites>::create(shifted).change(&[&STAMP_SET]).object;
        assert_eq!((&annotations(&stamped)[MANAGER], &labels(&stamped)[GOVERNED]), (&json!("db-5"), &json!("true")));
    }

    #[test]
    fn what_declare_writes_writes_counts() {
        let silent = Test::<ManagerWrites>::create(set(json!(null), json!({"app": "db"}), 3));
        assert_eq!(silent.change(&[&STAMP_SET]).changes, 0);
        assert_eq!(silent.change(&[&DECLARE_WRITES, &STAMP_SET]).object, governed(3));
        let any = Test::<ManagerWrites>::create(set(json!({WRITES: "any"}), json!({"app": "db"}), 3));
        assert_eq!(any.change(&[&DECLARE_WRITES, &STAMP_SET]).changes, 0);
    }

    #[test]
    fn without_a_name_there_is_no_manager_to_name() {
        let mut unnamed = set(json!({WRITES: "manager-only"}), json!({}), 3);
        unnamed["metadata"]["name"] = Value::Null;
        let changed = Test::<ManagerWrites>::create(unnamed).change(&[&STAMP_SET]);
        assert_eq!((changed.changes, changed.undecided.len()), (0, 1));
    }

    #[test]
    fn a_put_of_the_owners_manifest_gets_everything_back() {
        assert_eq!(update(governed(3), set(json!(null), json!({"app": "db"}), 3)), governed(3));
        assert_eq!(update(governed(3), set(json!({WRITES: "manager-only"}), json!({"app": "db"}), 3)), governed(3));
        // Also scaled to 0: absent is lost, not an opt-out.
        assert_eq!(update(governed(0), set(json!({}), json!({"app": "db"}), 0)), governed(0));
        let any = |replicas| set(json!({WRITES: "any"}), json!({"app": "db"}), replicas);
        assert_eq!(update(any(3), set(json!({}), json!({"app": "db"}), 3)), any(3));
        // What is put back holds at once: out is out, in one go.
        assert_eq!(update(any(0), set(json!({}), json!({"app": "db", GOVERNED: "true"}), 0)), any(0));
    }

    #[test]
    fn opting_in_while_running_leaves_the_template_alone() {
        let opted = update(
            set(json!({}), json!({"app": "db"}), 3),
            set(json!({WRITES: "manager-only"}), json!({"app": "db"}), 3),
        );
        assert_eq!((&annotations(&opted)[MANAGER], labels(&opted)), (&json!("db-0"), &json!({"app": "db"})));
    }

    #[test]
    fn opting_out_takes_the_stamps_off_once_nothing_runs() {
        for out in ["any", ""] {
            let leaving =
                |replicas| set(json!({WRITES: out, MANAGER: "db-0"}), json!({"app": "db", GOVERNED: "true"}), replicas);
            let gone = set(json!({WRITES: out}), json!({"app": "db"}), 0);
            assert_eq!(update(governed(0), leaving(0)), gone);
            // With the owner's manifest, which never had them.
            assert_eq!(update(governed(0), gone.clone()), gone);
            // While live the contract's keys stay, and validation refuses.
            let bare = set(json!({WRITES: out}), json!({"app": "db"}), 3);
            assert_eq!(update(governed(3), bare), leaving(3));
            let mut stopping = governed(0);
            stopping["status"] = json!({"replicas": 1});
            assert_eq!(annotations(&update(stopping, gone))[MANAGER], "db-0");
        }
    }

    fn any_set() -> impl Strategy<Value = Value> {
        let writes =
            prop_oneof![Just(None), Just(Some("manager-only")), Just(Some("any")), Just(Some("")), Just(Some("odd"))];
        let manager = prop_oneof![Just(None), Just(Some("db-0")), Just(Some("db-1"))];
        let label = prop_oneof![Just(None), Just(Some("true")), Just(Some("false"))];
        (writes, manager, label, 0..3_i64, 0..2_i64).prop_map(|(writes, manager, label, replicas, status)| {
            let mut set = set(json!({}), json!({"app": "db"}), replicas);
            for (map, key, value) in [("annotations", WRITES, writes), ("annotations", MANAGER, manager)] {
                if let Some(value) = value {
                    set["metadata"][map][key] = value.into();
                }
            }
            if let Some(label) = label {
                set["spec"]["template"]["metadata"]["labels"][GOVERNED] = label.into();
            }
            set["status"] = json!({"replicas": status});
            set
        })
    }

    proptest! {
        #[test]
        fn a_second_stamping_changes_nothing(old in any_set(), new in any_set()) {
            let update = Test::<ManagerWrites>::update(old, new.clone());
            let stamped = update.change(&[&STAMP_SET]).object;
            prop_assert_eq!(update.with_object(&stamped).change(&[&STAMP_SET]).changes, 0);
            let create = Test::<ManagerWrites>::create(new);
            let stamped = create.change(&[&DECLARE_WRITES, &STAMP_SET]).object;
            prop_assert_eq!(create.with_object(&stamped).change(&[&DECLARE_WRITES, &STAMP_SET]).changes, 0);
        }
    }
}
