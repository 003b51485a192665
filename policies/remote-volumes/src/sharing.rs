//! Volumes that several members would share.

use stateward_sdk::prelude::*;

use crate::Settings;

/// VOL-2 of the rule catalogue.
pub const SHARED_CLAIM: Rule = Rule {
    id: "remote-volumes/shared-claim",
    title: "Members do not share a claim",
    description: "A PersistentVolumeClaim that the pod template names is mounted by every member. Two members that write to one volume corrupt it \
                  (louislam/uptime-kuma#5224), and a claim of mode ReadWriteOnce lets them as long as they run on one node \
                  (kubernetes/kubernetes#60903).",
    category: promise::OWN_VOLUME,
    severity: Severity::Critical,
    baseline: Action::Deny,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS, Subject::STATEFUL_SETS_SCALE],
    reads: &[Read::by_name(
        StatefulSet::KIND,
        &[
            "/spec/replicas",
            "/spec/template/spec/containers",
            "/spec/template/spec/initContainers",
            "/spec/template/spec/volumes",
            "/spec/volumeClaimTemplates",
        ],
    )],
    ..Rule::VALIDATE
};

/// VOL-3 of the rule catalogue.
pub const UNSCALABLE_CLAIM: Rule = Rule {
    id: "remote-volumes/unscalable-claim",
    title: "A second member would have a volume of its own",
    description: "A set of one replica that writes to a claim by its name works until somebody scales it: then all members write to that claim \
                  (prometheus/prometheus#8308). `volumeClaimTemplates` cannot be added later, so this is the time.",
    category: promise::OWN_VOLUME,
    severity: Severity::Medium,
    baseline: Action::Warn,
    strict: Action::Warn,
    subjects: &[Subject::STATEFUL_SETS, Subject::STATEFUL_SETS_SCALE],
    reads: SHARED_CLAIM.reads,
    ..Rule::VALIDATE
};

/// Fires on a named claim that is writable in an effective volume of a set with two replicas or more.
pub fn shared_claim(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    let replicas = set.replicas();
    if replicas < 2 {
        return;
    }
    for (index, volume, claim) in set.shared_claims() {
        let name = &claim.claim_name;
        out.finding(
            claim_path(index),
            format!("volumes[{}]", volume.name),
            format!("all {replicas} members write to the one claim `{name}`"),
        )
        .hint(format!(
            "declare `{}` in `volumeClaimTemplates`, so that each member has a claim of its own, or keep `replicas: 1`",
            volume.name
        ));
    }
}

/// The same with one replica.
pub fn unscalable_claim(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    if set.replicas() != 1 {
        return;
    }
    for (index, volume, claim) in set.shared_claims() {
        let name = &claim.claim_name;
        out.finding(
            claim_path(index),
            format!("volumes[{}]", volume.name),
            format!("a second member would write to the claim `{name}` too"),
        )
        .hint(format!("declare `{}` in `volumeClaimTemplates`; the field cannot be added later", volume.name));
    }
}

fn claim_path(volume: usize) -> Pointer {
    Pointer::new("/spec/template/spec/volumes").index(volume).key("persistentVolumeClaim").key("claimName")
}
