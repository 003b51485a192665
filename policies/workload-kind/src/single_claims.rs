//! Claims that one node, or one pod, can attach at a time: whatever replaces or multiplies their pod multiplies their writers.

use stateward_sdk::prelude::*;

use crate::Settings;
use crate::conditions::{TEMPLATE_WITH_CLAIM, TOP_TEMPLATE_WITH_CLAIM};

/// WL-1 of the rule catalogue. Of several volumes each is reported, since each may belong to another claim.
///
/// A ReplicaSet has no strategy, so it is never `Recreate`: it starts the next pod as soon as the old one is asked to end. `maxSurge: 0` does not
/// help either: pods that are ending do not count.
pub const ROLLING_CLAIM: Rule = Rule {
    id: "workload-kind/rolling-claim",
    title: "One pod at a time writes to a claim",
    description: "A rolling update starts the new pod while the old one still runs. On one node both write to the claim (a write-ahead log was \
                  destroyed so during a Helm upgrade: stategraph/stategraph#526); on two nodes the new pod waits for a volume that the old one \
                  holds, and the roll-out hangs with Multi-Attach errors (digitalocean/csi-digitalocean#375). A Deployment with `Recreate` and one \
                  replica is fine.",
    category: "own volume, one writer",
    severity: Severity::High,
    baseline: Action::Warn,
    strict: Action::Deny,
    subjects: &[
        Subject::of(Resource::DEPLOYMENTS, WRITTEN).when(TOP_TEMPLATE_WITH_CLAIM),
        Subject::of(Resource::REPLICA_SETS, WRITTEN).when(TOP_TEMPLATE_WITH_CLAIM),
    ],
    reads: &[CLAIMS],
    ..Rule::VALIDATE
};

/// WL-2 of the rule catalogue.
pub const REPLICATED_CLAIM: Rule = Rule {
    id: "workload-kind/replicated-claim",
    title: "Replicas do not share a claim of one node",
    description: "All replicas of a Deployment mount the same claim. One that a single node can attach lets them run as long as they land on that \
                  node, where all of them write to one file system (kubernetes/kubernetes#60903); elsewhere they wait for ever.",
    category: "own volume, one writer",
    severity: Severity::Critical,
    baseline: Action::Deny,
    strict: Action::Deny,
    subjects: &[
        Subject::of(Resource::DEPLOYMENTS, WRITTEN).when(TEMPLATE_WITH_CLAIM),
        Subject::of(Resource::DEPLOYMENTS.sub("scale"), &[Operation::Update]),
        Subject::of(Resource::REPLICA_SETS, WRITTEN).when(TOP_TEMPLATE_WITH_CLAIM),
        Subject::of(Resource::REPLICA_SETS.sub("scale"), &[Operation::Update]),
    ],
    reads: &[
        CLAIMS,
        Read::by_name(Deployment::KIND, WORKLOAD_FIELDS),
        Read::by_name(ReplicaSet::KIND, WORKLOAD_FIELDS),
    ],
    ..Rule::VALIDATE
};

/// Fires on every claim of a single node or pod in a Deployment whose pods overlap when it is rolled out.
pub fn rolling_claim_of_deployment(deployment: &Deployment, cx: &Context<Settings>, out: &mut Findings) {
    let pod = &deployment.spec.template.spec;
    if deployment.metadata.controller().is_some() || claims(pod).next().is_none() {
        return;
    }
    match deployment.spec.strategy.kind.as_str() {
        "Recreate" => {}
        "" | "RollingUpdate" => each_single_claim(pod, cx, out, |out, place, path, claim| {
            out.finding(
                path,
                place,
                format!("a roll-out runs two pods on claim `{claim}`, which is for one at a time"),
            )
            .hint("write `strategy: {type: Recreate}`, or make it a StatefulSet");
        }),
        other => out.undecided(format!("`strategy.type: {other}` is not known here")),
    }
}

/// The same of a ReplicaSet that nobody controls.
pub fn rolling_claim_of_replica_set(set: &ReplicaSet, cx: &Context<Settings>, out: &mut Findings) {
    if set.metadata.controller().is_some() {
        return;
    }
    each_single_claim(&set.spec.template.spec, cx, out, |out, place, path, claim| {
        out.finding(
            path,
            place,
            format!("a ReplicaSet overlaps its pods on claim `{claim}`, which is for one at a time"),
        )
        .hint("make it a StatefulSet, or a Deployment of type `Recreate`");
    });
}

/// Fires on every claim of a single node or pod that two replicas or more mount.
pub fn replicated_claim_of_deployment(deployment: &Deployment, cx: &Context<Settings>, out: &mut Findings) {
    replicated_claim(&deployment.metadata, deployment.spec.replicas(), &deployment.spec.template.spec, cx, out);
}

/// The same of a ReplicaSet that nobody controls.
pub fn replicated_claim_of_replica_set(set: &ReplicaSet, cx: &Context<Settings>, out: &mut Findings) {
    replicated_claim(&set.metadata, set.spec.replicas(), &set.spec.template.spec, cx, out);
}

fn replicated_claim(metadata: &ObjectMeta, replicas: i64, pod: &PodSpec, cx: &Context<Settings>, out: &mut Findings) {
    if replicas < 2 || metadata.controller().is_some() {
        return;
    }
    each_single_claim(pod, cx, out, |out, place, path, claim| {
        out.finding(path, place, format!("{replicas} replicas share claim `{claim}`, which is for one at a time"))
            .hint("make it a StatefulSet with `volumeClaimTemplates`, or write `replicas: 1`");
    });
}

/// Reports the claims that one node, or one pod, can attach at a time; says of which claims that is not known.
fn each_single_claim(
    pod: &PodSpec,
    cx: &Context<Settings>,
    out: &mut Findings,
    report: impl Fn(&mut Findings, String, Pointer, &str),
) {
    for (index, volume, claim) in claims(pod) {
        match cx.find::<PersistentVolumeClaim>(claim) {
            Found::Unknown => out.unavailable::<PersistentVolumeClaim>(),
            // Whoever makes it later says how it can be attached.
            Found::Absent => {
                out.undecided(format!("claim `{claim}` is not there yet: how it can be attached is not known"))
            }
            Found::Found(stored) => match is_single(&stored) {
                Some(false) => {}
                Some(true) => {
                    let path = Pointer::new("/spec/template/spec/volumes").index(index);
                    report(
                        out,
                        format!("volumes[{}]", volume.name),
                        path.key("persistentVolumeClaim").key("claimName"),
                        claim,
                    );
                }
                None => out.undecided(format!("claim `{claim}` has an access mode that is not known here")),
            },
        }
    }
}

/// Volumes that name a claim.
fn claims<'p>(pod: &'p PodSpec) -> impl Iterator<Item = (usize, &'p Volume<'p>, &'p str)> {
    let volumes = pod.volumes.iter().enumerate();
    volumes.filter_map(|(index, volume)| {
        volume.persistent_volume_claim.as_ref().map(|claim| (index, volume, claim.claim_name.as_str()))
    })
}

/// One node, or one pod, at a time. `None`: a mode of a later version.
fn is_single(claim: &PersistentVolumeClaim) -> Option<bool> {
    let mut is_known = true;
    for mode in &claim.spec.access_modes {
        match mode.as_str() {
            "ReadWriteMany" | "ReadOnlyMany" => return Some(false),
            "ReadWriteOnce" | "ReadWriteOncePod" => {}
            _ => is_known = false,
        }
    }
    is_known.then_some(true)
}

const WRITTEN: &[Operation] = &[Operation::Create, Operation::Update];

const CLAIMS: Read = Read::by_name(PersistentVolumeClaim::KIND, &["/spec/accessModes"]);

/// What a Scale is judged by.
const WORKLOAD_FIELDS: &[&str] = &["/metadata/ownerReferences", "/spec/replicas", "/spec/template/spec/volumes"];
