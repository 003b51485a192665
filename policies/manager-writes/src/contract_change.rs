//! Refuses that a set leaves the contract while it has members.

use stateward_sdk::prelude::*;

use crate::Settings;
use crate::conditions::{self, SET_UPDATED};
use crate::keys::{Key, WRITES, is_governed};
use crate::member::member_left;
use crate::refusal::REFUSAL;

/// §6.1 of the contract.
pub const CONTRACT_CHANGE: Rule = Rule {
    id: "manager-writes/contract-change",
    title: "A set leaves the contract when it has no members",
    description: "`stateward.dev/writes: manager-only` that changes or vanishes under running members takes the guard off while clients and workers still \
                  rely on one writer. The annotation can be changed through `statefulsets/status` too, by accounts that may write nothing else.",
    compares: true,
    subjects: &[
        Subject::of(Resource::STATEFUL_SETS, SET_UPDATED).when(conditions::SET_KEYS_DIFFER).fail_closed(),
        Subject::of(Resource::STATEFUL_SETS.sub("status"), SET_UPDATED)
            .when(conditions::SET_STATUS_KEYS_DIFFER)
            .fail_closed(),
    ],
    reads: &[Read::of(Pod::KIND, &[]).live()],
    ..REFUSAL
};

/// Fires on a governed set that is no longer, while it was live, by its own words or by a look at its pods. Absent is lost, not an opt-out: the mutating call puts it back, unless it was
/// skipped.
pub fn contract_change_of_set(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    let Some(old) = cx.old().and_then(Object::as_stateful_set) else { return };
    if !is_governed(old) || is_governed(set) {
        return;
    }
    if !old.is_live() {
        match member_left(&set.metadata.name, &[old.start()], cx) {
            Found::Absent => {}
            Found::Unknown => out.unavailable::<Pod>(),
            Found::Found(pod) => {
                say(format!("`{WRITES}: manager-only` ends while pod `{pod}` is still there"), out)
                    .hint(format!("wait until `{pod}` is gone, and send the request again"));
            }
        }
        return;
    }
    match set.metadata.annotations.get(WRITES) {
        None => say(format!("`{WRITES}: manager-only` is missing while the set has members"), out)
            .hint("keep the annotation. If you left it out, send the request again: the mutating webhook, which puts it back, was not asked"),
        Some(writes) => say(format!("`{WRITES}` changes from `manager-only` to `{writes}` while the set has members"), out)
            .hint("leave it `manager-only`; to leave the contract, scale the set to 0 and then write `any`"),
    };
}

/// Fires on any change through the set's status.
pub fn contract_change_of_status(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    let Some(old) = cx.old().and_then(Object::as_stateful_set) else { return };
    let (before, after) = (old.metadata.annotations.get(WRITES), set.metadata.annotations.get(WRITES));
    if before != after {
        let word = |value: Option<&str>| value.map_or_else(|| "absent".to_owned(), |value| format!("`{value}`"));
        say(format!("`{WRITES}` changes from {} to {} through the set's status", word(before), word(after)), out)
            .hint("leave it as it is: a status says what is, and who may write is the owner's to say, on the StatefulSet itself");
    }
}

fn say<'f>(message: String, out: &'f mut Findings) -> Made<'f> {
    let key = Key::annotation(WRITES);
    out.finding(key.path("/metadata"), key.place(""), message)
}
