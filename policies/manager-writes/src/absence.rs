//! What takes the manager away: nobody else may write until it is back.

use stateward_sdk::contract::WRITES_FIELD;
use stateward_sdk::prelude::*;

use crate::Settings;
use crate::conditions;
use crate::keys::{ROLE, is_governed, stamped_set};
use crate::member::{Owner, look_up, owner_of};

/// §4 of the rule catalogue.
pub const MANAGER_DELETE: Rule = Rule {
    id: "manager-writes/manager-delete",
    title: "The manager is not deleted by hand",
    description: "There is no failover: while the manager is away nobody writes, and it comes back with the same name and volume. Rolling updates \
                  take it last; with `updateStrategy: OnDelete` a deletion is how it gets its template, so it is only warned about. An eviction (`kubectl drain`), which may come without a deletion that could be refused \
                  (kubernetes/kubernetes#124018), must come to its end, so it is only warned about.",
    category: promise::AVAILABLE,
    severity: Severity::Medium,
    baseline: Action::Warn,
    strict: Action::Deny,
    needs_user: true,
    subjects: &[
        Subject::of(Resource::PODS, &[Operation::Delete]).when(conditions::MEMBER_DELETED),
        Subject::of(Resource::PODS.sub("eviction"), &[Operation::Create]).when(conditions::MEMBER_EVICTED),
    ],
    reads: &[
        Read::by_name(
            Pod::KIND,
            &[
                "/metadata/ownerReferences",
                "/metadata/deletionTimestamp",
                "/metadata/labels/stateward.dev~1role",
                "/metadata/labels/stateward.dev~1set",
            ],
        )
        .live(),
        Read::by_name(StatefulSet::KIND, &[WRITES_FIELD, "/spec/ordinals", "/spec/updateStrategy/type"]),
    ],
    ..Rule::VALIDATE
};

/// §6.7 of the contract.
pub const SCALED_TO_ZERO: Rule = Rule {
    id: "manager-writes/scaled-to-zero",
    title: "The manager runs",
    description: "A governed set that is scaled to 0 has no manager: nothing is written until it is scaled up. Its volume is kept, and it is the way to \
                  leave the contract, so it is only warned about.",
    category: promise::AVAILABLE,
    severity: Severity::Low,
    subjects: &[Subject::STATEFUL_SETS, Subject::STATEFUL_SETS_SCALE],
    reads: &[Read::by_name(StatefulSet::KIND, &["/spec/replicas", WRITES_FIELD])],
    ..Rule::VALIDATE
};

/// Fires when a person deletes the manager of a governed set. One that is on its way out already is not deleted again.
pub fn manager_delete(pod: &Pod, cx: &Context<Settings>, out: &mut Findings) {
    let Some((finding, update_type)) = judge(pod, "deleting", cx, out) else { return };
    match update_type {
        Some(UpdateType::OnDelete) => finding.at_most(Action::Warn).hint(
            "with `updateStrategy: OnDelete`, take it when all workers have the new template and writes may pause",
        ),
        _ => finding.hint("restart the set with `kubectl rollout restart`, which takes the manager last"),
    };
}

/// The same for an eviction, which names nothing but the pod.
pub fn manager_eviction(eviction: &Eviction, cx: &Context<Settings>, out: &mut Findings) {
    let name = &eviction.metadata.name;
    if member_of(name).is_none() {
        return;
    }
    match cx.find_live::<Pod>(name) {
        Found::Found(pod) => {
            if let Some((finding, _)) = judge(&pod, "evicting", cx, out) {
                finding
                    .at_most(Action::Warn)
                    .hint("drain the node when writes may pause, or let a PodDisruptionBudget keep the manager");
            }
        }
        Found::Absent => {}
        Found::Unknown => out.unavailable::<Pod>(),
    }
}

/// Fires on a governed set without replicas.
pub fn scaled_to_zero(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    if set.replicas() == 0 && is_governed(set) {
        out.finding("/spec/replicas", "replicas", "with 0 replicas there is no manager: nothing is written")
            .hint("write at least 1; volumes are kept, so what was written comes back with the manager");
    }
}

/// With how the set's members come to a new template.
fn judge<'f>(
    pod: &Pod,
    doing: &str,
    cx: &Context<Settings>,
    out: &'f mut Findings,
) -> Option<(Made<'f>, Option<UpdateType>)> {
    let name = &pod.metadata.name;
    if !pod.metadata.deletion_timestamp.is_empty() || cx.is_person(&cx.settings.trusted_users) == Some(false) {
        return None;
    }
    let set = managed_by(pod, cx, out)?;
    let parent = &set.metadata.name;
    if cx.user().is_none() {
        out.needs_user();
        return None;
    }
    let finding = out.finding(
        "/metadata/name",
        "name",
        format!("`{name}` is the manager of `{parent}`: {doing} it stops all writes until it is back"),
    );
    // Made anew it gets its role: the last step of joining while members run.
    let finding = if pod.metadata.labels.has(ROLE) { finding } else { finding.at_most(Action::Warn) };
    Some((finding, set.update_type()))
}

/// The governed set whose manager the pod is, by its role, or by its reference where it has none.
fn managed_by<'c>(pod: &Pod, cx: &Context<'c, '_, Settings>, out: &mut Findings) -> Option<StatefulSet<'c>> {
    let (parent, ordinal) = member_of(&pod.metadata.name)?;
    if let Some(set) = stamped_set(&pod.metadata) {
        if pod.metadata.labels.get(ROLE) != Some("manager") || parent != set {
            return None;
        }
        return match cx.find::<StatefulSet>(set) {
            // Of a set that starts elsewhere by now it is in the way.
            Found::Found(set) if is_governed(&set) && set.start() == ordinal => Some(set),
            Found::Found(_) | Found::Absent => None,
            Found::Unknown => {
                out.unavailable::<StatefulSet>();
                None
            }
        };
    }
    let owner = owner_of(pod)?;
    if parent != owner.name.as_str() {
        return None;
    }
    match look_up(owner, cx, false) {
        Owner::Governed(set) if set.start() == ordinal => Some(set),
        Owner::Governed(_) | Owner::Other => None,
        Owner::Unknown => {
            out.unavailable::<StatefulSet>();
            None
        }
        Owner::WithoutUid => {
            out.undecided(format!("StatefulSet `{}` has no uid here", owner.name));
            None
        }
    }
}
