//! What becomes of claims when members go.

use stateward_sdk::prelude::*;

use crate::Settings;

/// VOL-17 of the rule catalogue.
pub const DELETE_WITH_SET: Rule = Rule {
    id: "remote-volumes/delete-with-set",
    title: "Claims outlive the set",
    description: "With `whenDeleted: Delete` (KEP-1847) the claims are owned by the set: whoever deletes it, to change a field that cannot be \
                  changed or by mistake, deletes the data of all members with it.",
    category: promise::RE_ATTACHING,
    severity: Severity::High,
    baseline: Action::Warn,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// VOL-18 of the rule catalogue.
pub const DELETE_ON_SCALE_DOWN: Rule = Rule {
    id: "remote-volumes/delete-on-scale-down",
    title: "Claims outlive a member that is scaled away",
    description: "With `whenScaled: Delete` (KEP-1847) a member that is scaled away loses its data, and scaling to 0 deletes the manager's. Systems \
                  that remove the member from their own membership at the same time (Raft) want just that, since a stale volume would bring a \
                  removed member back (dc-tec/openbao-operator#341) or keep it from starting (etcd-io/etcd#14805): exempt them, with the reason.",
    category: promise::RE_ATTACHING,
    severity: Severity::High,
    baseline: Action::Warn,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// Fires on `whenDeleted: Delete`, also on a set that has no claims yet.
pub fn delete_with_set(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    let policy = &set.spec.claim_retention.when_deleted;
    judge("whenDeleted", policy, "deleting the set deletes the data of all its members", out);
}

/// Fires on `whenScaled: Delete`.
pub fn delete_on_scale_down(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    let policy = &set.spec.claim_retention.when_scaled;
    judge("whenScaled", policy, "scaling down deletes data: scaling up again attaches nothing", out);
}

fn judge(field: &str, policy: &str, what: &str, out: &mut Findings) {
    match policy {
        "" | "Retain" => {}
        "Delete" => {
            let path = Pointer::new("/spec/persistentVolumeClaimRetentionPolicy").key(field);
            out.finding(path.clone(), field, what)
                .hint(format!("write `{field}: Retain` and delete claims by hand, after a back-up"))
                .remedy(Remedy::set(path, "Retain"));
        }
        other => out.undecided(format!("`{field}: {other}` is not known here")),
    }
}
