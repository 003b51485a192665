//! Who a set belongs to.

use stateward_sdk::prelude::*;

use crate::{Settings, conditions};

/// Section 4 of the control-plane reference, way 5.
pub const FOREIGN_OWNER: Rule = Rule {
    id: "ordered-identity/foreign-owner",
    title: "A set's owner is not written through its status",
    description: "The subresource `status` lets an owner reference through. One to something that does not exist makes the garbage collector delete the \
                  set with all its members, in no order: a right to write a status is then a right to delete a database.",
    category: promise::IDENTIFIED,
    severity: Severity::Critical,
    baseline: Action::Deny,
    strict: Action::Deny,
    compares: true,
    needs_user: true,
    subjects: &[Subject::of(Resource::STATEFUL_SETS.sub("status"), &[Operation::Update]).when(conditions::OWNER_ADDED)],
    ..Rule::VALIDATE
};

/// Fires on every owner that a person adds through the status of a set.
pub fn foreign_owner(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    if set.metadata.owner_references.is_empty() {
        return;
    }
    let Some(Object::StatefulSetStatus(old)) = cx.old() else { return };
    for (index, owner) in set.metadata.owner_references.iter().enumerate() {
        if old.metadata.owner_references.iter().any(|each| is_same(each, owner)) {
            continue;
        }
        match cx.is_person(&cx.settings.trusted_users) {
            Some(false) => return,
            None => return out.needs_user(),
            Some(true) => {
                let (kind, name) = (&owner.kind, &owner.name);
                out.finding(
                    Pointer::new("/metadata/ownerReferences").index(index),
                    format!("ownerReferences[{kind}/{name}]"),
                    format!("an owner, {kind} `{name}`, is added through the status: if it does not exist, the set is deleted"),
                )
                .hint("add the owner through the set itself, not through its status");
            }
        }
    }
}

/// All four say which object is meant: the garbage collector looks for the uid under the kind and the name.
fn is_same(a: &OwnerReference, b: &OwnerReference) -> bool {
    a.uid == b.uid && a.kind == b.kind && a.name == b.name && a.api_version == b.api_version
}
