//! Claims of a StatefulSet's members that somebody else mounts.

use stateward_sdk::accounts::is_machinery;
use stateward_sdk::contract::{WRITES_FIELD, is_governed};
use stateward_sdk::lists::matches;
use stateward_sdk::prelude::*;

use crate::Settings;
use crate::conditions::{POD_WITH_FOREIGN_CLAIM, TEMPLATE_WITH_CLAIM};

/// WL-4 of the rule catalogue. Looks at pods that have a controller, too: a Job's pod is as foreign as any.
///
/// A claim belongs to a member that the set has or wants. What a scaled-down set left behind has no writer, so it may be mounted: the honest way
/// to look at a member's data. Back-up tools run as Jobs, whose pods the Job controller makes (K8up, VolSync), so of pods that the machinery makes
/// the account counts that they run as.
pub const FOREIGN_CLAIM: Rule = Rule {
    id: "workload-kind/foreign-claim",
    title: "Only the member writes to its claim",
    description: "A claim of mode ReadWriteOnce may be mounted by any pod on the member's node, and nothing stops a pod that names it: it was accepted by a \
                  real API server. The member and the other pod then write to one file system, of which neither knows the other.",
    category: "own volume, one writer",
    severity: Severity::High,
    baseline: Action::Deny,
    strict: Action::Deny,
    needs_user: true,
    subjects: &[
        Subject::of(Resource::DEPLOYMENTS, &[Operation::Create, Operation::Update]).when(TEMPLATE_WITH_CLAIM),
        Subject::of(Resource::REPLICA_SETS, &[Operation::Create, Operation::Update]).when(TEMPLATE_WITH_CLAIM),
        Subject::of(Resource::PODS, &[Operation::Create]).when(POD_WITH_FOREIGN_CLAIM),
    ],
    reads: &[Read::of(
        StatefulSet::KIND,
        &[WRITES_FIELD, "/spec/replicas", "/spec/ordinals", "/spec/volumeClaimTemplates", "/status/replicas"],
    )],
    ..Rule::VALIDATE
};

/// Fires on writable volumes with a claim that belongs to a member of a set.
pub fn foreign_claim_of_deployment(deployment: &Deployment, cx: &Context<Settings>, out: &mut Findings) {
    judge(None, &deployment.spec.template.spec, TEMPLATE, cx, out);
}

/// The same of a ReplicaSet.
pub fn foreign_claim_of_replica_set(set: &ReplicaSet, cx: &Context<Settings>, out: &mut Findings) {
    judge(None, &set.spec.template.spec, TEMPLATE, cx, out);
}

/// The same of a Pod that is not the member itself.
pub fn foreign_claim_of_pod(pod: &Pod, cx: &Context<Settings>, out: &mut Findings) {
    judge(Some(&pod.metadata.name), &pod.spec, "/spec/volumes", cx, out);
}

/// `pod_name`: of pods that are judged themselves, not by their template.
fn judge(pod_name: Option<&str>, pod: &PodSpec, path: &str, cx: &Context<Settings>, out: &mut Findings) {
    for (index, volume) in pod.volumes.iter().enumerate() {
        let Some(claim) = &volume.persistent_volume_claim else { continue };
        let name = claim.claim_name.as_str();
        let Some((stem, ordinal)) = member_of(name) else { continue };
        if claim.read_only || is_made_for(pod_name, name, cx) || pod.only_reads(&volume.name) {
            continue;
        }
        if is_backup(pod, cx) {
            return;
        }
        let Some(sets) = cx.list::<StatefulSet>() else { return out.unavailable::<StatefulSet>() };
        let Some(set) = sets.iter().find(|set| has_claim(set, stem, ordinal)) else { continue };
        let member = format!("{}-{ordinal}", set.metadata.name);
        // Names are unique: whoever this is, it stands in the member's place.
        if pod_name == Some(member.as_str()) {
            continue;
        }
        if cx.user().is_none() {
            return out.needs_user();
        }
        let finding = out
            .finding(
                Pointer::new(path).index(index).key("persistentVolumeClaim").key("claimName"),
                format!("volumes[{}]", volume.name),
                format!("claim `{name}` is member `{member}`'s: two would write to it"),
            )
            .hint("mount it `readOnly`, mount a clone of it, or scale the set down first");
        if cx.profile() == Profile::Baseline && !is_governed(set) {
            finding.at_most(Action::Warn);
        }
    }
}

/// A pod that the machinery makes, with a claim that is named after it: a member with its own. Where two sets derive one name, the set's own rules say so.
fn is_made_for(pod: Option<&str>, claim: &str, cx: &Context<Settings>) -> bool {
    let is_named_after = pod.and_then(|pod| claim.strip_suffix(pod)).is_some_and(|template| template.ends_with('-'));
    is_named_after && cx.user().is_some_and(|user| is_machinery(user, &[]))
}

/// `<template>-<set>-<ordinal>` of a member that the set has or wants. `stem` is what stands before the ordinal.
fn has_claim(set: &StatefulSet, stem: &str, ordinal: i64) -> bool {
    let members = set.start()..set.start().saturating_add(set.replicas().max(set.status.replicas));
    let template = stem.strip_suffix(set.metadata.name.as_str()).and_then(|stem| stem.strip_suffix('-'));
    members.contains(&ordinal)
        && template.is_some_and(|template| set.claim_templates().any(|each| *each.claim.metadata.name == *template))
}

/// A back-up tool asks, or the machinery for a pod that runs as one.
fn is_backup(pod: &PodSpec, cx: &Context<Settings>) -> bool {
    let Some(user) = cx.user() else { return false };
    let is_listed =
        |account: &str| cx.settings.backup_accounts.any(&BACKUP_ACCOUNTS, |pattern| matches(pattern, account));
    let runs_as = || format!("system:serviceaccount:{}:{}", cx.namespace(), pod.service_account_name);
    is_listed(&user.username) || is_machinery(user, &[]) && is_listed(&runs_as())
}

const TEMPLATE: &str = "/spec/template/spec/volumes";

/// Velero, K8up, VolSync, Kasten and Stash where their documentation installs them; K8up's, VolSync's and Stash's Jobs run beside the application.
pub const BACKUP_ACCOUNTS: [&str; 8] = [
    "system:serviceaccount:velero:*",
    "system:serviceaccount:k8up:*",
    "system:serviceaccount:*:pod-executor",
    "system:serviceaccount:volsync-system:*",
    "system:serviceaccount:*:volsync-*",
    "system:serviceaccount:kasten-io:*",
    "system:serviceaccount:stash:*",
    "system:serviceaccount:*:stash-*",
];

#[cfg(test)]
mod tests {
    use super::FOREIGN_CLAIM;
    use crate::WorkloadKind;
    use proptest::prelude::*;
    use stateward_sdk::testing::{Test, json};

    proptest! {
        #[test]
        fn a_claim_is_foreign_exactly_while_its_member_is_wanted(
            template in "[a-z]([-a-z0-9]{0,6}[a-z0-9])?",
            set in "[a-z]([-a-z0-9]{0,6}[a-z0-9])?",
            start in 0..3_i64,
            replicas in 0..4_i64,
            ordinal in 0..8_i64,
        ) {
            let claim = format!("{template}-{set}-{ordinal}");
            let pod = json!({"kind": "Pod", "metadata": {"name": "look"},
                "spec": {"volumes": [{"name": "disk", "persistentVolumeClaim": {"claimName": claim}}]}});
            let owner = json!({"kind": "StatefulSet", "metadata": {"name": set}, "spec": {
                "replicas": replicas, "ordinals": {"start": start}, "volumeClaimTemplates": [{"metadata": {"name": template}}]}});
            let said = Test::<WorkloadKind>::create(pod).by("alice").beside(owner).judge(&FOREIGN_CLAIM);
            prop_assert_eq!(!said.findings.is_empty(), (start..start + replicas).contains(&ordinal));
        }
    }
}
