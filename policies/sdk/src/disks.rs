//! Whose disk a claim is, by its name: claims of template `data` and set `a-b` are named like those of template `data-a` and set `b`.

use crate::context::{Context, Found};
use crate::contract::{ROLE, is_governed};
use crate::objects::{Pod, PodSpec, StatefulSet, member_of, readings};

/// A member that writes to a claim, or is wanted to.
#[derive(Debug)]
pub struct Holder {
    /// The member.
    pub member: String,
    /// One writer was promised to its set, or it has a role, whatever became of its set.
    pub is_governed: bool,
    /// No set wants it; it is there all the same.
    pub is_left: bool,
}

/// What has to be known to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The sets of the namespace.
    Sets,
    /// The pods of certain names.
    Pods,
}

/// What a rule reads of sets that calls [`holder`].
pub const HOLDER_SET_FIELDS: &[&str] = &[
    crate::contract::WRITES_FIELD,
    "/spec/replicas",
    "/spec/ordinals",
    "/spec/volumeClaimTemplates",
    "/status/replicas",
];
/// What it reads of pods, live.
pub const HOLDER_POD_FIELDS: &[&str] = &["/metadata/labels/stateward.dev~1role", "/spec/volumes"];

/// The member that has the claim, other than a pod of the name `pod`: one that a set has or wants, or one with a role that is still there. Where a set makes
/// this claim for `pod` itself, another one counts if it has one writer only. Costs a list of the namespace's sets, and a live look-up per reading.
pub fn holder<S>(claim: &str, pod: Option<&str>, cx: &Context<S>) -> Result<Option<Holder>, Missing> {
    let Some((stem, ordinal)) = member_of(claim) else { return Ok(None) };
    let sets = cx.list::<StatefulSet>().ok_or(Missing::Sets)?;
    let makers = || sets.iter().filter(|set| makes_claim(set, stem));
    // Names are unique: whoever the pod is, it stands in the member's place by this reading.
    let is_own = |set: &str| pod.is_some_and(|pod| member_of(pod) == Some((set, ordinal)));
    let stands_in = makers().any(|set| is_own(&set.metadata.name));
    let others = makers().filter(|set| !is_own(&set.metadata.name) && (!stands_in || is_governed(set)));
    let wanting = others.filter(|set| wants(set, ordinal)).max_by_key(|set| is_governed(set));
    let wanting = wanting.map(|set| Holder {
        member: format!("{}-{ordinal}", set.metadata.name),
        is_governed: is_governed(set),
        is_left: false,
    });
    match wanting {
        Some(holder) if holder.is_governed => Ok(Some(holder)),
        wanting => match left(pod, claim, stem, ordinal, cx) {
            Found::Found(member) => Ok(Some(Holder { member, is_governed: true, is_left: true })),
            Found::Absent => Ok(wanting),
            Found::Unknown => wanting.map(Some).ok_or(Missing::Pods),
        },
    }
}

/// The member with a role that has the claim, though no governed set wants it: also one that is on its way out still writes. A file says nothing of what runs.
fn left<S>(pod: Option<&str>, claim: &str, stem: &str, ordinal: i64, cx: &Context<S>) -> Found<String> {
    if cx.user().is_none() {
        return Found::Absent;
    }
    for (_, set) in readings(stem) {
        let member = format!("{set}-{ordinal}");
        // A member's name is its host name: no longer one is made.
        if pod == Some(member.as_str()) || member.len() > 63 {
            continue;
        }
        match cx.find_live::<Pod>(&member) {
            Found::Unknown => return Found::Unknown,
            Found::Found(found) if found.metadata.labels.has(ROLE) && mounts(&found.spec, claim) => {
                return Found::Found(member);
            }
            Found::Found(_) | Found::Absent => {}
        }
    }
    Found::Absent
}

fn mounts(pod: &PodSpec, claim: &str) -> bool {
    pod.volumes
        .iter()
        .filter_map(|volume| volume.persistent_volume_claim.as_ref())
        .any(|of| of.claim_name.as_str() == claim)
}

/// `stem` is what stands before the ordinal.
fn makes_claim(set: &StatefulSet, stem: &str) -> bool {
    let template = stem.strip_suffix(set.metadata.name.as_str()).and_then(|stem| stem.strip_suffix('-'));
    template.is_some_and(|template| set.has_claim_template(template))
}

/// The set has that member, or wants it.
fn wants(set: &StatefulSet, ordinal: i64) -> bool {
    (set.start()..set.start().saturating_add(set.replicas().max(set.status.replicas))).contains(&ordinal)
}
