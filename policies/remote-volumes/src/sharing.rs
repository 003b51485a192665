//! Volumes that several members would share.

use stateward_sdk::prelude::*;

/// VOL-2 of the rule catalogue.
pub const SHARED_CLAIM: Rule = Rule {
    id: "remote-volumes/shared-claim",
    title: "Members do not share a claim",
    description: "A PersistentVolumeClaim that the pod template names is mounted by every member. Two members that write to one volume corrupt it, \
                  and a claim of mode ReadWriteOnce lets them as long as they run on one node.",
    category: "Volumes",
    severity: Severity::Critical,
    baseline: Action::Deny,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS, Subject::STATEFUL_SETS_SCALE],
    reads: &[Read {
        kind: <StatefulSet<'static> as Stored<'static>>::KIND,
        fields: &["/spec/replicas", "/spec/template/spec", "/spec/volumeClaimTemplates"],
        live: false,
    }],
    ..Rule::VALIDATE
};

/// Fires on a named claim that is writable in an effective volume of a set with two replicas or more.
pub fn shared_claim(set: &StatefulSet, _: &Context<NoSettings>, out: &mut Findings) {
    let replicas = set.replicas();
    if replicas < 2 {
        return;
    }
    for (index, volume) in set.effective_volumes() {
        let Some(claim) = &volume.persistent_volume_claim else { continue };
        if claim.read_only || set.spec.template.spec.only_reads(&volume.name) {
            continue;
        }
        let name = &claim.claim_name;
        out.finding(
            Pointer::new("/spec/template/spec/volumes").index(index).key("persistentVolumeClaim").key("claimName"),
            format!("volumes[{}]", volume.name),
            format!("all {replicas} members write to the one claim `{name}`"),
        )
        .hint(format!("move `{}` to `volumeClaimTemplates`, so that each member has a claim of its own, or keep `replicas: 1`", volume.name));
    }
}
