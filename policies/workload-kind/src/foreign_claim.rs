//! Claims of a StatefulSet's members that somebody else mounts.

use stateward_sdk::accounts::is_machinery;
use stateward_sdk::disks::{HOLDER_POD_FIELDS, HOLDER_SET_FIELDS, Holder, holder};
use stateward_sdk::lists::matches;
use stateward_sdk::prelude::*;

use crate::Settings;
use crate::conditions::{POD_WITH_FOREIGN_CLAIM, TEMPLATE_WITH_CLAIM};

/// WL-4 of the rule catalogue. Looks at pods that have a controller, too: a Job's pod is as foreign as any.
///
/// A claim belongs to a member that the set has or wants, and to one with a role that is still there, whatever became of its set: the set may have been
/// orphaned, or scaled to 0 with its manager's labels hidden from it. What a scaled-down set left behind has no writer, so it may be mounted: the honest way
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
    reads: &[Read::by_name(StatefulSet::KIND, HOLDER_SET_FIELDS), Read::by_name(Pod::KIND, HOLDER_POD_FIELDS).live()],
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
    judge(Some(&pod.metadata), &pod.spec, "/spec/volumes", cx, out);
}

/// `metadata`: of pods that are judged themselves, not by their template.
fn judge(metadata: Option<&ObjectMeta>, pod: &PodSpec, path: &str, cx: &Context<Settings>, out: &mut Findings) {
    for (index, volume) in pod.volumes.iter().enumerate() {
        let Some(claim) = &volume.persistent_volume_claim else { continue };
        let name = claim.claim_name.as_str();
        if member_of(name).is_none()
            || claim.read_only
            || is_made_for(metadata, volume, cx)
            || pod.only_reads(&volume.name)
        {
            continue;
        }
        if is_backup(pod, cx) {
            return;
        }
        let pod_name = metadata.map(|metadata| metadata.name.as_str());
        let Some(Holder { member, is_governed, is_left }) = holder(name, pod_name, cx, out) else { continue };
        let remedy = if is_left {
            format!("mount it `readOnly`, mount a clone of it, or wait until pod `{member}` is gone")
        } else {
            "mount it `readOnly`, mount a clone of it, or scale the set down first".to_owned()
        };
        let is_mover = is_mover(pod, cx);
        if is_mover && !is_governed {
            continue;
        }
        if cx.user().is_none() {
            return out.needs_user();
        }
        let finding = out.finding(
            Pointer::new(path).index(index).key("persistentVolumeClaim").key("claimName"),
            format!("volumes[{}]", volume.name),
            format!("claim `{name}` is member `{member}`'s: two would write to it"),
        );
        let finding = finding.hint(if is_mover {
            let account = runs_as(pod, cx);
            format!("if it is a back-up tool's, add `{account}` to the setting `backupAccounts`: the set is governed, and the name could be anybody's")
        } else {
            remedy
        });
        if cx.profile() == Profile::Baseline && !is_governed {
            finding.at_most(Action::Warn);
        }
    }
}

/// A StatefulSet's pod that the machinery makes, with the claim that the controller makes for it by a template of the volume's name. Whether that is another
/// member's as well is asked by `manager-writes/rival-claim`, for which nobody waits: with no replica up, every set would whose name has a dash.
fn is_made_for(metadata: Option<&ObjectMeta>, volume: &Volume, cx: &Context<Settings>) -> bool {
    let Some(pod) = metadata.filter(|metadata| metadata.controlling_set().is_some()) else { return false };
    let claim = volume.persistent_volume_claim.as_ref().map_or("", |claim| &claim.claim_name);
    let template = claim.strip_suffix(pod.name.as_str()).and_then(|rest| rest.strip_suffix('-'));
    let is_own = template == Some(volume.name.as_str()) && member_of(&pod.name).is_some();
    is_own && cx.user().is_some_and(|user| is_machinery(user, &[]))
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
            let said = Test::<WorkloadKind>::create(pod).by("alice").beside(owner).knowing("Pod").judge(&FOREIGN_CLAIM);
            prop_assert_eq!(!said.findings.is_empty(), (start..start + replicas).contains(&ordinal));
        }
    }

    /// Orphaned, or hidden from its set: it writes all the same.
    #[test]
    fn a_member_that_is_left_keeps_its_claim() {
        let pod = |name: &str, claim: &str| {
            json!({"kind": "Pod", "metadata": {"name": name},
            "spec": {"volumes": [{"name": "disk", "persistentVolumeClaim": {"claimName": claim}}]}})
        };
        let stamped = |claim: &str| {
            let mut member = pod("db-0", claim);
            member["metadata"]["labels"] = json!({"stateward.dev/role": "manager"});
            member
        };
        let by = |user: &str, member| {
            Test::<WorkloadKind>::create(pod("look", "data-db-0"))
                .by(user)
                .beside(member)
                .knowing("StatefulSet")
                .judge(&FOREIGN_CLAIM)
        };
        let said = by("alice", stamped("data-db-0"));
        assert_eq!(said.findings.iter().map(|finding| finding.at_most.is_none()).collect::<Vec<_>>(), [true]);
        assert!(by("alice", stamped("other-db-0")).is_silent());
        // A plain set whose claim is read the other way wants it by now.
        let plain = json!({"kind": "StatefulSet", "metadata": {"name": "b"}, "spec": {"volumeClaimTemplates": [{"metadata": {"name": "data-a"}}]}});
        let mut orphan = stamped("data-a-b-0");
        orphan["metadata"]["name"] = "a-b-0".into();
        let said = Test::<WorkloadKind>::create(pod("look", "data-a-b-0"))
            .by("alice")
            .beside(orphan)
            .beside(plain)
            .judge(&FOREIGN_CLAIM);
        assert_eq!(said.findings.iter().map(|finding| finding.at_most.is_none()).collect::<Vec<_>>(), [true]);
        assert!(by("alice", pod("db-0", "data-db-0")).is_silent());
        assert!(by("system:serviceaccount:velero:velero", stamped("data-db-0")).is_silent());
        let test = Test::<WorkloadKind>::create(pod("look", "data-db-0")).knowing("StatefulSet");
        assert!(test.judge(&FOREIGN_CLAIM).is_silent(), "a file");
        assert!(test.by("alice").judge(&FOREIGN_CLAIM).is_undecided());
        let again =
            Test::<WorkloadKind>::create(stamped("data-db-0")).by("alice").knowing("StatefulSet").knowing("Pod");
        assert!(again.judge(&FOREIGN_CLAIM).is_silent(), "itself");
    }

    /// Whose else it is asks `manager-writes/rival-claim`.
    #[test]
    fn the_controllers_own_claims_are_not_judged_here() {
        let pod = |volume: &str, kind: &str| {
            json!({"kind": "Pod",
            "metadata": {"name": "b-5", "ownerReferences": [{"apiVersion": "apps/v1", "kind": kind, "name": "b", "uid": "2", "controller": true}]},
            "spec": {"volumes": [{"name": volume, "persistentVolumeClaim": {"claimName": "data-a-b-5"}}]}})
        };
        let rival = json!({"kind": "StatefulSet", "metadata": {"name": "a-b", "annotations": {"stateward.dev/writes": "manager-only"}},
            "spec": {"replicas": 6, "volumeClaimTemplates": [{"metadata": {"name": "data"}}]}});
        let by = |user: &str, pod| {
            Test::<WorkloadKind>::create(pod).by(user).beside(rival.clone()).knowing("Pod").judge(&FOREIGN_CLAIM)
        };
        let controller = "system:kube-controller-manager";
        assert!(by(controller, pod("data-a", "StatefulSet")).is_silent());
        assert_eq!(by(controller, pod("disk", "StatefulSet")).findings.len(), 1, "no template of the set makes it");
        assert_eq!(by(controller, pod("data-a", "Job")).findings.len(), 1, "no set's");
        assert_eq!(by("alice", pod("data-a", "StatefulSet")).findings.len(), 1);
    }
}
