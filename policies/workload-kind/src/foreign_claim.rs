//! Claims of a StatefulSet's members that somebody else mounts.

use stateward_sdk::accounts::is_machinery;
use stateward_sdk::contract::{WRITES_FIELD, is_governed};
use stateward_sdk::lists::matches;
use stateward_sdk::objects::readings;
use stateward_sdk::prelude::*;

use crate::Settings;
use crate::conditions::{POD_WITH_FOREIGN_CLAIM, TEMPLATE_WITH_CLAIM};

/// WL-4 of the rule catalogue. Looks at pods that have a controller, too: a Job's pod is as foreign as any.
///
/// A claim belongs to a member that the set has or wants. What a scaled-down set left behind has no writer, so it may be mounted: the honest way
/// to look at a member's data. Back-up tools run as Jobs, whose pods the Job controller makes (K8up, VolSync, Stash), so of pods that the machinery
/// makes the account counts that they run as. Those Jobs run beside the application, and whoever may make a Job there may give its account their
/// names: good enough for a set that trusts its namespace, not for a governed one.
pub const FOREIGN_CLAIM: Rule = Rule {
    id: "workload-kind/foreign-claim",
    title: "Only the member writes to its claim",
    description: "A claim of mode ReadWriteOnce may be mounted by any pod on the member's node (kubernetes/kubernetes#60903), and nothing stops a \
                  pod that names it: it was accepted by a real API server. The member and the other pod then write to one file system, of which \
                  neither knows the other. Back-up tools may, by the accounts of their own namespaces. The names that K8up, VolSync and Stash give \
                  to accounts beside the application could be anybody's: they count for a governed set only where the setting `backupAccounts` names \
                  them.",
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
        if claim.read_only || is_made_for(pod_name, stem, ordinal, cx) || pod.only_reads(&volume.name) {
            continue;
        }
        if is_backup(pod, cx) {
            return;
        }
        let Some(sets) = cx.list::<StatefulSet>() else { return out.unavailable::<StatefulSet>() };
        let makers = || sets.iter().filter(|set| makes_claim(set, stem));
        // Names are unique: whoever this is, it stands in the member's place. Where two sets derive one name, the sets' own rules say so.
        if makers().any(|set| pod_name.is_some_and(|pod| is_member(pod, &set.metadata.name, ordinal))) {
            continue;
        }
        let wanting = makers().filter(|set| wants(set, ordinal));
        let Some(set) = wanting.max_by_key(|set| is_governed(set)) else { continue };
        let is_mover = is_mover(pod, cx);
        if is_mover && !is_governed(set) {
            continue;
        }
        if cx.user().is_none() {
            return out.needs_user();
        }
        let member = format!("{}-{ordinal}", set.metadata.name);
        let finding = out.finding(
            Pointer::new(path).index(index).key("persistentVolumeClaim").key("claimName"),
            format!("volumes[{}]", volume.name),
            format!("claim `{name}` is member `{member}`'s: two would write to it"),
        );
        let finding = finding.hint(if is_mover {
            let account = runs_as(pod, cx);
            format!("if it is a back-up tool's, add `{account}` to the setting `backupAccounts`: the set is governed, and the name could be anybody's")
        } else {
            "mount it `readOnly`, mount a clone of it, or scale the set down first".to_owned()
        });
        if cx.profile() == Profile::Baseline && !is_governed(set) {
            finding.at_most(Action::Warn);
        }
    }
}

/// A pod that the machinery makes, with a claim whose name can only be read as that of this very member's: nothing has to be looked up. The claim
/// `data-a-b-0` is not such a one: it may be that of `b-0` or of `a-b-0`.
fn is_made_for(pod: Option<&str>, stem: &str, ordinal: i64, cx: &Context<Settings>) -> bool {
    let mut all = readings(stem);
    let only = all.next().filter(|_| all.next().is_none());
    only.zip(pod).is_some_and(|((_, set), pod)| is_member(pod, set, ordinal))
        && cx.user().is_some_and(|user| is_machinery(user, &[]))
}

fn is_member(pod: &str, set: &str, ordinal: i64) -> bool {
    member_of(pod) == Some((set, ordinal))
}

/// Claims of the set are named `<template>-<set>-<ordinal>`; `stem` is what stands before the ordinal.
fn makes_claim(set: &StatefulSet, stem: &str) -> bool {
    let template = stem.strip_suffix(set.metadata.name.as_str()).and_then(|stem| stem.strip_suffix('-'));
    template.is_some_and(|template| set.has_claim_template(template))
}

/// The set has that member, or wants it.
fn wants(set: &StatefulSet, ordinal: i64) -> bool {
    (set.start()..set.start().saturating_add(set.replicas().max(set.status.replicas))).contains(&ordinal)
}

/// A back-up tool asks, or the machinery for a pod that runs as one.
fn is_backup(pod: &PodSpec, cx: &Context<Settings>) -> bool {
    let is_listed = |account: &str| is_listed(account, &BACKUP_ACCOUNTS, cx);
    cx.user().is_some_and(|user| is_listed(&user.username) || is_machinery(user, &[]) && is_listed(&runs_as(pod, cx)))
}

/// The machinery asks for a pod that runs as an account of a tool's Jobs, by its name.
fn is_mover(pod: &PodSpec, cx: &Context<Settings>) -> bool {
    cx.user().is_some_and(|user| is_machinery(user, &[])) && is_listed(&runs_as(pod, cx), &MOVER_ACCOUNTS, cx)
}

fn is_listed(account: &str, builtin: &[&str], cx: &Context<Settings>) -> bool {
    cx.settings.backup_accounts.any(builtin, |pattern| matches(pattern, account))
}

fn runs_as(pod: &PodSpec, cx: &Context<Settings>) -> String {
    format!("system:serviceaccount:{}:{}", cx.namespace(), pod.service_account_name)
}

const TEMPLATE: &str = "/spec/template/spec/volumes";

/// Velero, K8up, VolSync, Kasten and Stash where their documentation installs them: who may act there was trusted with the tool.
pub const BACKUP_ACCOUNTS: [&str; 5] = [
    "system:serviceaccount:velero:*",
    "system:serviceaccount:k8up:*",
    "system:serviceaccount:volsync-system:*",
    "system:serviceaccount:kasten-io:*",
    "system:serviceaccount:stash:*",
];

/// What K8up (`BACKUP_PODEXECACCOUNTNAME`), VolSync (`NewSAHandler`) and Stash (`PrefixStashBackup`, `PrefixStashRestore`) call the accounts that
/// they make beside the application, for their Jobs.
pub const MOVER_ACCOUNTS: [&str; 5] = [
    "system:serviceaccount:*:pod-executor",
    "system:serviceaccount:*:volsync-src-*",
    "system:serviceaccount:*:volsync-dst-*",
    "system:serviceaccount:*:stash-backup-*",
    "system:serviceaccount:*:stash-restore-*",
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
