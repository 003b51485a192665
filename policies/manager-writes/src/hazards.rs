//! What makes one writer impossible in a governed set, or loses what it wrote.

use stateward_sdk::prelude::*;

use crate::Settings;
use crate::keys::is_governed;

/// OR-1 of the rule catalogue.
pub const PARALLEL_MANAGER: Rule = Rule {
    id: "manager-writes/parallel-manager",
    title: "The manager starts before its workers",
    description: "`podManagementPolicy: Parallel` starts all members at once: a worker is there before the manager that it copies from, and takes its own \
                  empty volume for the truth. The field cannot be changed later.",
    category: promise::ORDERED,
    severity: Severity::High,
    baseline: Action::Deny,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// MG-5 of the rule catalogue.
pub const SHARED_DATA: Rule = Rule {
    id: "manager-writes/shared-data",
    title: "Workers cannot reach the manager's data",
    description: "A claim that the pod template names is mounted by every member, and `ReadWriteMany` lets any pod mount the manager's claim: a \
                  worker writes to the manager's data, whatever its role says (prometheus/prometheus#8308: corrupt as soon as there were two).",
    category: promise::OWN_VOLUME,
    severity: Severity::Critical,
    baseline: Action::Deny,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// §6.7 of the contract.
pub const MANAGER_DATA_LOSS: Rule = Rule {
    id: "manager-writes/manager-data-loss",
    title: "The manager's volume outlives a scale to 0",
    description: "`whenScaled: Delete` (KEP-1847) deletes the claim of each member that is scaled away. The manager is the last one to go and the \
                  first to come back: after a scale to 0 it returns with an empty volume, and workers copy that.",
    category: promise::RE_ATTACHING,
    severity: Severity::Critical,
    baseline: Action::Deny,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// Fires on a governed set that is `Parallel`. Absent is `OrderedReady`.
pub fn parallel_manager(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    if !is_governed(set) {
        return;
    }
    match set.is_ordered() {
        Some(true) => {}
        Some(false) => {
            out.finding("/spec/podManagementPolicy", "podManagementPolicy", "`Parallel` starts workers before there is a manager to follow")
                .hint("write `OrderedReady`, or leave it out (the field is immutable: make the set anew); or `stateward.dev/writes: any`");
        }
        None => out.undecided(format!("`podManagementPolicy: {}` is not known here", set.spec.pod_management_policy)),
    }
}

/// Fires on a governed set's claim template of mode `ReadWriteMany`, and on a claim by name that is writable in an effective volume, whatever
/// `replicas` says: a set of one is scaled without being asked again here.
pub fn shared_data(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    if !is_governed(set) {
        return;
    }
    for template in set.claim_templates() {
        if template.claim.spec.access_modes.iter().any(|mode| mode.as_str() == "ReadWriteMany") {
            out.finding(
                template.path().key("spec").key("accessModes"),
                template.place(),
                "`ReadWriteMany` lets a worker mount the manager's volume and write to it",
            )
            .hint("write `accessModes: [ReadWriteOnce]`, or `[ReadWriteOncePod]` where the driver has it");
        }
    }
    for (index, volume, claim) in set.shared_claims() {
        out.finding(
            Pointer::new("/spec/template/spec/volumes").index(index).key("persistentVolumeClaim").key("claimName"),
            format!("volumes[{}]", volume.name),
            format!(
                "the claim `{}` is the manager's and every worker's: all of them can write to it",
                claim.claim_name
            ),
        )
        .hint(format!("declare `{}` in `volumeClaimTemplates`, or mount it read-only", volume.name));
    }
}

/// Fires on a governed set with `whenScaled: Delete`. Absent is `Retain`.
pub fn manager_data_loss(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    if !is_governed(set) {
        return;
    }
    match set.spec.claim_retention.when_scaled.as_str() {
        "" | "Retain" => {}
        "Delete" => {
            out.finding(
                WHEN_SCALED,
                "persistentVolumeClaimRetentionPolicy.whenScaled",
                "`Delete` takes the manager's data with it when the set is scaled to 0",
            )
            .hint("write `whenScaled: Retain`, and delete the claims of workers that are gone for good by hand")
            .remedy(Remedy::set(WHEN_SCALED, "Retain"));
        }
        other => out.undecided(format!("`whenScaled: {other}` is not known here")),
    }
}

const WHEN_SCALED: &str = "/spec/persistentVolumeClaimRetentionPolicy/whenScaled";
