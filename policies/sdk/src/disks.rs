//! Whose disk a claim is, by its name: claims of template `data` and set `a-b` are named like those of template `data-a` and set `b`.

use crate::context::{Context, Found};
use crate::contract::{ROLE, is_governed};
use crate::findings::Findings;
use crate::objects::{Pod, PodSpec, StatefulSet, member_of, readings};

/// A member that writes to a claim, or is wanted to.
#[derive(Debug)]
pub struct Holder {
    /// The member.
    pub member: String,
    /// One writer was promised, to its set or to that of the pod that is judged; or it has a role, whatever became of its set.
    pub is_governed: bool,
    /// It mounts the claim now, whether a set wants it or not.
    pub is_left: bool,
}

/// What a rule reads of sets, by name, that calls [`holder`].
pub const HOLDER_SET_FIELDS: &[&str] = &[
    crate::contract::WRITES_FIELD,
    "/spec/replicas",
    "/spec/ordinals",
    "/spec/volumeClaimTemplates",
    "/status/replicas",
];
/// What it reads of pods, live.
pub const HOLDER_POD_FIELDS: &[&str] = &["/metadata/labels/stateward.dev~1role", "/spec/volumes"];

/// The member that has the claim, other than a pod of the name `pod`: one that a set has or wants, or one with a role that is still there.
///
/// Where a set makes this claim for `pod` itself, another one counts only if it has one writer; and where that set has one writer as well, only a pod that
/// mounts the claim now: else each of the two would keep the other from starting. Every set is asked for by its name: a list could be made too long to be
/// answered by whoever may make sets. Costs a look-up, and a live one, for each way to read the name. What cannot be looked up is told, and `None`.
pub fn holder<S>(claim: &str, pod: Option<&str>, cx: &Context<S>, out: &mut Findings) -> Option<Holder> {
    let (stem, ordinal) = member_of(claim)?;
    let is_own = |set: &str| pod.is_some_and(|pod| member_of(pod) == Some((set, ordinal)));
    let mut own = None;
    let mut wanting: Option<Holder> = None;
    let mut plain: Option<Holder> = None;
    for (template, name) in readings(stem) {
        let set = match cx.find::<StatefulSet>(name) {
            Found::Unknown => {
                out.unavailable::<StatefulSet>();
                return None;
            }
            Found::Found(set) if set.has_claim_template(template) => set,
            Found::Found(_) | Found::Absent => continue,
        };
        let is_governed = is_governed(&set);
        if is_own(name) {
            own = Some(is_governed);
        } else if wants(&set, ordinal) {
            let of = if is_governed { &mut wanting } else { &mut plain };
            of.get_or_insert(Holder { member: format!("{name}-{ordinal}"), is_governed, is_left: false });
        }
    }
    let wanting = match own {
        Some(true) => None,
        Some(false) => wanting,
        None => wanting.or(plain),
    };
    if wanting.as_ref().is_some_and(|holder| holder.is_governed) {
        return wanting;
    }
    match left(pod, claim, stem, ordinal, own == Some(true), cx) {
        Found::Found(member) => Some(Holder { member, is_governed: true, is_left: true }),
        Found::Unknown if wanting.is_none() => {
            out.unavailable::<Pod>();
            None
        }
        Found::Absent | Found::Unknown => wanting,
    }
}

/// The member that has the claim, though no governed set wants it: one that is on its way out still writes. `any`: also one without a role. A file says nothing
/// of what runs.
fn left<S>(pod: Option<&str>, claim: &str, stem: &str, ordinal: i64, any: bool, cx: &Context<S>) -> Found<String> {
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
            Found::Found(found) if (any || found.metadata.labels.has(ROLE)) && mounts(&found.spec, claim) => {
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

/// The set has that member, or wants it.
fn wants(set: &StatefulSet, ordinal: i64) -> bool {
    (set.start()..set.start().saturating_add(set.replicas().max(set.status.replicas))).contains(&ordinal)
}
