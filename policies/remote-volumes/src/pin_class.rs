//! Writes the class that claims get into the template, and keeps it there.

use serde::Serialize;
use stateward_sdk::prelude::*;

use crate::Settings;
use crate::classes::{BETA_DEFAULT, CREATED, DEFAULT, class_read};
use crate::conditions::{CLASS_LACKING, CLASS_LOST};

/// SC-6 of the rule catalogue. It compares: what it wrote once is put back on every UPDATE that lacks it, also where it is switched off. Claim
/// templates cannot be changed, so without that the server would refuse the owner's own manifest ever after.
pub const PIN_CLASS: Rule = Rule {
    id: "remote-volumes/pin-class",
    title: "The default class is written down",
    description: "A claim template without a class is given the name of the class that is the default one when the set is made, so that members \
                  that are added later get the same storage as the first, whatever the default is by then. Off unless switched on: tools that \
                  compare the stored object with a file see the field.",
    category: promise::REMOTE,
    severity: Severity::Low,
    baseline: Action::Off,
    strict: Action::Off,
    compares: true,
    subjects: &[
        Subject::of(Resource::STATEFUL_SETS, &[Operation::Create]).when(CLASS_LACKING),
        Subject::of(Resource::STATEFUL_SETS, &[Operation::Update]).when(CLASS_LOST),
    ],
    reads: &[class_read(&[CREATED, DEFAULT, BETA_DEFAULT])],
    ..Rule::MUTATE
};

/// At CREATE the default class, on UPDATE the class that the template of that name had.
pub fn pin_class(set: &StatefulSet, cx: &Context<Settings>, out: &mut Changes) {
    let old = cx.old().and_then(Object::as_stateful_set);
    let mut operations = Vec::new();
    for template in set.claim_templates().filter(lacks_class) {
        let class = match (cx.operation(), old) {
            (Operation::Create, _) => match cx.storage_class(None) {
                Found::Unknown => return out.unavailable::<StorageClass>(),
                Found::Absent => return,
                Found::Found(class) => class.metadata.name.as_str(),
            },
            (Operation::Update, Some(old)) => {
                // Templates cannot change places either.
                let same = old.spec.volume_claim_templates.get(template.index);
                let same = same.filter(|same| same.metadata.name == template.claim.metadata.name);
                match same.and_then(|same| same.spec.storage_class_name.as_ref()) {
                    Some(class) => class.as_str(),
                    None => continue,
                }
            }
            _ => return,
        };
        operations.push(Add {
            op: "add",
            path: template.path().key("spec").key("storageClassName").into(),
            value: class.to_owned(),
        });
    }
    let note = match cx.operation() {
        Operation::Create => "members that are added later get the same class as the first",
        _ => "the class is kept: claim templates cannot be changed",
    };
    out.json_patch(&operations, note);
}

/// A template that names no class. One without anything has no `spec` to write to, and is refused by other rules.
fn lacks_class(template: &ClaimTemplate) -> bool {
    let spec = &template.claim.spec;
    let has_spec = !spec.access_modes.is_empty() || spec.resources.requests.storage.is_some();
    has_spec && template.claim.class_name().is_none()
}

/// One operation of RFC 6902.
#[derive(Serialize)]
struct Add {
    op: &'static str,
    path: String,
    value: String,
}

#[cfg(test)]
mod tests {
    use super::PIN_CLASS;
    use crate::RemoteVolumes;
    use proptest::prelude::*;
    use serde_json::Value;
    use stateward_sdk::testing::{Test, json};

    fn any_set() -> impl Strategy<Value = Value> {
        let class = prop_oneof![Just(json!(null)), Just(json!("")), Just(json!("fast"))];
        let name = prop_oneof![Just("data"), Just("wal")];
        let template = (name, class, any::<bool>()).prop_map(|(name, class, is_complete)| {
            let mut template = json!({"metadata": {"name": name}});
            if is_complete {
                template["spec"] = json!({"accessModes": ["ReadWriteOnce"], "storageClassName": class});
            }
            template
        });
        prop::collection::vec(template, 0..3).prop_map(
            |templates| json!({"kind": "StatefulSet", "metadata": {"name": "db"}, "spec": {"volumeClaimTemplates": templates}}),
        )
    }

    proptest! {
        #[test]
        fn a_second_run_changes_nothing(old in any_set(), new in any_set()) {
            let standard = json!({"kind": "StorageClass", "metadata": {"name": "standard",
                "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}});
            for test in [Test::<RemoteVolumes>::create(new.clone()).beside(standard), Test::update(old, new)] {
                let pinned = test.change(&[&PIN_CLASS]).object;
                prop_assert_eq!(test.with_object(&pinned).change(&[&PIN_CLASS]).changes, 0);
            }
        }

        #[test]
        fn an_update_only_repeats_what_there_was(old in any_set(), new in any_set()) {
            let after = Test::<RemoteVolumes>::update(old.clone(), new.clone()).change(&[&PIN_CLASS]).object;
            for index in 0..3 {
                let class = |set: &Value| {
                    set.pointer(&format!("/spec/volumeClaimTemplates/{index}/spec/storageClassName")).cloned().filter(|class| !class.is_null())
                };
                prop_assert!(class(&after) == class(&new) || class(&after) == class(&old));
            }
        }
    }
}
