//! Deletions that keep neither order nor identity.

use stateward_sdk::accounts::is_machinery;
use stateward_sdk::contract::stamped_set;
use stateward_sdk::prelude::*;

use crate::{Settings, conditions};

/// OR-10 of the rule catalogue.
pub const UNORDERED_DELETE: Rule = Rule {
    id: "ordered-identity/unordered-delete",
    title: "A set is scaled down before it is deleted",
    description: "Deleting a StatefulSet deletes its members in no order at all: the manager may go before the workers have what it wrote \
                  (gardener/etcd-druid#843). Scaling to 0 first stops them in reverse, each once the one after it is gone. A set of one has no order; \
                  but its member, too, then stops while the set is there to bring it back.",
    category: promise::ORDERED,
    severity: Severity::Medium,
    baseline: Action::Warn,
    strict: Action::Deny,
    needs_user: true,
    subjects: &[Subject::STATEFUL_SETS_DELETE],
    ..Rule::VALIDATE
};

/// Section 4 of the reference.
///
/// The catalogue names the finalizer `orphan`; the server heeds it only where the request names no policy (`shouldOrphanDependents`), and so
/// does the rule.
pub const ORPHANING_DELETE: Rule = Rule {
    id: "ordered-identity/orphaning-delete",
    title: "Members keep their controller",
    description: "An orphaning deletion leaves the pods running and nobody who replaces them: a member that fails then stays away. A new set of the \
                  same name and selector takes the pods over, with the labels that they have. It is the way to change immutable fields; the gap \
                  between the two should be short.",
    category: "identified, available",
    severity: Severity::Medium,
    subjects: &[Subject::STATEFUL_SETS_DELETE],
    ..Rule::VALIDATE
};

/// Section 4 of the reference.
pub const FORCE_DELETE: Rule = Rule {
    id: "ordered-identity/force-delete",
    title: "A member is gone before its replacement comes",
    description: "A deletion with a grace period of 0 removes the pod's object at once, whatever still runs on its node, and the controller makes a \
                  pod of the same name elsewhere: two processes with one identity write to one volume (derailed/k9s#2819). Of a lost node nobody \
                  knows whether it still writes: say so with the taint `node.kubernetes.io/out-of-service` (KEP-2268), which also detaches its \
                  volumes. Kubelets, the controllers that clean up and the setting `trustedUsers` may; other accounts in `kube-system` are add-ons' \
                  and may not.",
    category: promise::IDENTIFIED,
    severity: Severity::Critical,
    baseline: Action::Warn,
    strict: Action::Deny,
    needs_user: true,
    subjects: &[
        Subject::of(Resource::PODS, &[Operation::Delete]).when(conditions::POD_FORCED),
        Subject::of(Resource::PODS.sub("eviction"), &[Operation::Create]).when(conditions::EVICTION_FORCED),
    ],
    reads: &[Read::by_name(
        Pod::KIND,
        &[
            "/metadata/ownerReferences",
            "/metadata/labels/stateward.dev~1role",
            "/metadata/labels/stateward.dev~1set",
            "/spec/nodeName",
            "/spec/terminationGracePeriodSeconds",
            "/status/phase",
        ],
    )],
    ..Rule::VALIDATE
};

/// Fires when a person deletes a set that has members, or wants some, and does not leave them running.
pub fn unordered_delete(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    if !set.is_live() {
        return;
    }
    match (cx.delete_options().orphans(&set.metadata), cx.is_person(&cx.settings.trusted_users)) {
        (Some(true), _) | (_, Some(false)) => {}
        (Some(false), Some(true)) => {
            let (name, members) = (&set.metadata.name, set.replicas().max(set.status.replicas));
            // One member has no order to stop in.
            let members = if members == 1 {
                "its only member goes with it".to_owned()
            } else {
                format!("its {members} members stop in no order")
            };
            out.finding(
                "/spec/replicas",
                "replicas",
                format!("`{name}` is deleted before it is scaled down: {members}"),
            )
            .hint(format!("`kubectl scale statefulset/{name} --replicas=0` and wait, then delete it"));
        }
        (None, _) => unknown_policy(cx, out),
        (Some(false), None) => out.needs_user(),
    }
}

/// Fires on a deletion that leaves the members without a controller.
pub fn orphaning_delete(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    match cx.delete_options().orphans(&set.metadata) {
        Some(false) => {}
        Some(true) => {
            out.finding(
                "/metadata/name",
                "name",
                format!(
                    "the members of `{}` stay without a controller: nobody replaces one that fails",
                    set.metadata.name
                ),
            )
            .hint("make the new set at once, with the same name and selector");
        }
        None => unknown_policy(cx, out),
    }
}

/// Fires on the deletion of a member with a grace period of 0 while its node may still run it.
pub fn force_delete(pod: &Pod, cx: &Context<Settings>, out: &mut Findings) {
    if cx.delete_options().grace_period_seconds == Some(0) {
        judge(pod, cx, out);
    }
}

/// The same through the eviction of a pod, which is removed without a request of its own.
pub fn force_eviction(eviction: &Eviction, cx: &Context<Settings>, out: &mut Findings) {
    if eviction.delete_options.grace_period_seconds != Some(0) || is_exempt(cx) == Some(true) {
        return;
    }
    let name = cx.request().name.as_deref().unwrap_or(&eviction.metadata.name);
    match cx.find::<Pod>(name) {
        Found::Found(pod) => judge(&pod, cx, out),
        Found::Absent => {}
        Found::Unknown => out.unavailable::<Pod>(),
    }
}

fn judge(pod: &Pod, cx: &Context<Settings>, out: &mut Findings) {
    let by_reference = || pod.metadata.controlling_set().map(|set| set.name.as_str());
    let Some(set) = stamped_set(&pod.metadata).or_else(by_reference) else { return };
    // A pod that is on no node runs nowhere. One whose own grace is 0 vanishes at once however it is deleted: `zero-grace` is about that.
    if pod.spec.node_name.is_empty() || pod.is_terminal() || pod.spec.grace() == 0 {
        return;
    }
    match is_exempt(cx) {
        Some(true) => {}
        None => out.needs_user(),
        Some(false) => {
            let (member, node) = (&pod.metadata.name, &pod.spec.node_name);
            out.finding(
                "/metadata/name",
                "name",
                format!("`{member}` may still run on node `{node}` when `{set}` gets another `{member}`"),
            )
            .hint("delete it without `--grace-period=0`; taint a lost node with `node.kubernetes.io/out-of-service:NoExecute`");
        }
    }
}

/// The machinery, as for all rules, and whom the administrator trusts: kubelets end a deletion by one with grace 0 once the containers are gone,
/// other controllers know that the node, the owner or the namespace is. In `kube-system` add-ons have accounts, too; there only those who remove
/// pods so are exempt.
fn is_exempt(cx: &Context<Settings>) -> Option<bool> {
    let user = cx.user()?;
    let trusted = &cx.settings.trusted_users;
    let may_be_add_on = !trusted.contains(&user.username)
        && user.username.starts_with("system:serviceaccount:kube-system:")
        && !REMOVERS.contains(&user.username.as_str());
    Some(is_machinery(user, trusted) && !may_be_add_on)
}

fn unknown_policy(cx: &Context<Settings>, out: &mut Findings) {
    out.undecided(format!("`propagationPolicy: {}` is not known here", cx.delete_options().propagation_policy));
}

/// With `--use-service-account-credentials`; else all of them are `system:kube-controller-manager`.
const REMOVERS: [&str; 3] = [
    "system:serviceaccount:kube-system:pod-garbage-collector",
    "system:serviceaccount:kube-system:generic-garbage-collector",
    "system:serviceaccount:kube-system:namespace-controller",
];
