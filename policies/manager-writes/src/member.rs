//! Whose member a pod is, and which keys that gives it. The role is bound to identity, never believed.

use stateward_sdk::prelude::*;

use crate::Settings;
use crate::keys::{GOVERNED, Key, MANAGER_HOST, ORDINAL, ROLE, SET, WRITE, is_governed};

/// What a look-up of a set answers to a pod that says it belongs to it.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is taken apart where it is made")]
pub enum Owner<'c> {
    /// A governed set, the very one that the pod refers to.
    Governed(StatefulSet<'c>),
    /// That set, and not governed; or no set of this name and uid.
    Other,
    /// It cannot be looked up here.
    Unknown,
    /// It was looked up in files that know no uid.
    WithoutUid,
}

/// The keys that a member's identity gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberKeys {
    set: String,
    ordinal: String,
    is_manager: bool,
    manager_host: Option<String>,
}

/// What rules about members read of sets.
pub const SET_FIELDS: &[&str] =
    &["/metadata/annotations/stateward.dev~1writes", "/spec/serviceName", "/spec/ordinals", "/spec/selector"];

/// The reference to the controller, if that is an `apps` StatefulSet.
pub fn owner_of<'p, 'a>(pod: &'p Pod<'a>) -> Option<&'p OwnerReference<'a>> {
    pod.metadata.controlling_set()
}

/// The reference that an UPDATE adds to an `apps` StatefulSet: the controller adopts an orphan.
pub fn adopter_of<'p, 'a>(old: &Pod, pod: &'p Pod<'a>) -> Option<&'p OwnerReference<'a>> {
    let before = old.metadata.controller();
    owner_of(pod).filter(|owner| before.is_none_or(|before| before.uid.as_str() != owner.uid.as_str()))
}

/// Looks the owner up. `live`: a cached `ordinals.start` would let two replicas of this webhook name two managers.
pub fn look_up<'c>(owner: &OwnerReference, cx: &Context<'c, '_, Settings>, live: bool) -> Owner<'c> {
    let found = if live { cx.find_live::<StatefulSet>(&owner.name) } else { cx.find::<StatefulSet>(&owner.name) };
    match found {
        Found::Unknown => Owner::Unknown,
        Found::Found(set) if is_governed(&set) && set.metadata.uid.is_empty() => Owner::WithoutUid,
        Found::Found(set) if is_governed(&set) && set.metadata.uid == owner.uid => Owner::Governed(set),
        Found::Found(_) | Found::Absent => Owner::Other,
    }
}

/// What a pod's controller reference has to do with a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// It is to this very set.
    Own,
    /// It names the set, or carries its uid, and not both as the controller would: it looks at the uid alone, and all else is its author's word.
    Claim,
    /// It is to another object: a set of another API, a Job, whatever made the pod.
    Other,
    /// The set was looked up in files that know no uid.
    WithoutUid,
}

impl Reference {
    /// Of a controller reference to a set that was looked up.
    pub fn of(owner: &OwnerReference, set: &StatefulSet) -> Self {
        let names = owner.kind.as_str() == "StatefulSet" && owner.group() == "apps" && owner.name == set.metadata.name;
        let is_its_uid = !owner.uid.is_empty() && owner.uid == set.metadata.uid;
        match (names, is_its_uid) {
            (true, _) if set.metadata.uid.is_empty() => Self::WithoutUid,
            (true, true) => Self::Own,
            (false, false) => Self::Other,
            (true, false) | (false, true) => Self::Claim,
        }
    }
}

/// The sets whose member a pod may be: the one that its controller reference names, and the one that its own name does. The controller looks at the
/// latter, and at the reference's uid alone.
pub fn sets_meant<'p>(pod: &'p Pod, controller: Option<&'p OwnerReference>) -> impl Iterator<Item = &'p str> {
    let referred = controller.filter(|owner| owner.kind.as_str() == "StatefulSet").map(|owner| owner.name.as_str());
    let parent = parent_of(&pod.metadata.name).filter(|parent| referred != Some(*parent));
    [referred, parent].into_iter().flatten()
}

/// A pod of this set that is still there, named, whatever the set's status says: that lags, and a pod that is on its way out still writes. Members
/// with a role are found by their set's label, whatever their number; of pods without it only those of `ordinals` are asked for.
pub fn member_left(set: &str, ordinals: &[i64], cx: &Context<Settings>) -> Found<String> {
    let Some(members) = cx.list_live::<Pod>(&format!("{SET}={set}")) else { return Found::Unknown };
    if let Some(pod) = members.iter().find(|pod| parent_of(&pod.metadata.name) == Some(set)) {
        return Found::Found(pod.metadata.name.as_str().to_owned());
    }
    for ordinal in ordinals {
        let pod = format!("{set}-{ordinal}");
        match cx.find_live::<Pod>(&pod) {
            Found::Found(_) => return Found::Found(pod),
            Found::Absent => {}
            Found::Unknown => return Found::Unknown,
        }
    }
    Found::Absent
}

/// A pod of this set's members' names that may write, or says that it is the manager, under another number than the set's first.
pub fn is_managing_elsewhere(pod: &Pod, set: &StatefulSet) -> bool {
    let may_write = Key::annotation(WRITE).of(&pod.metadata) == Some("allow");
    let is_manager = Key::label(ROLE).of(&pod.metadata) == Some("manager");
    parent_of(&pod.metadata.name) == Some(&set.metadata.name)
        && (may_write || is_manager)
        && member_of(&pod.metadata.name).is_none_or(|(_, ordinal)| ordinal != set.start())
}

impl MemberKeys {
    /// The keys of the pod of this name; `None` when the set makes no such pod.
    pub fn computed(set: &StatefulSet, pod: &str, namespace: &str) -> Option<Self> {
        let name = set.metadata.name.as_str();
        let (parent, ordinal) = member_of(pod)?;
        let start = set.start();
        (parent == name).then(|| Self {
            set: name.to_owned(),
            ordinal: ordinal.to_string(),
            is_manager: ordinal == start,
            manager_host: set.service_name().map(|service| format!("{name}-{start}.{service}.{namespace}.svc")),
        })
    }

    /// It may write.
    pub fn is_manager(&self) -> bool {
        self.is_manager
    }

    /// The keys of an adopted pod: whatever it was before, it may not write.
    pub fn as_worker(&self) -> Self {
        Self { is_manager: false, ..self.clone() }
    }

    /// Every key that a member's metadata may carry, with its value; `None` where it must be absent.
    pub fn values(&self) -> [(Key, Option<&str>); 6] {
        let (role, write) = if self.is_manager { ("manager", "allow") } else { ("worker", "deny") };
        [
            (Key::label(ROLE), Some(role)),
            (Key::label(SET), Some(&self.set)),
            (Key::annotation(WRITE), Some(write)),
            (Key::annotation(ORDINAL), Some(&self.ordinal)),
            (Key::annotation(MANAGER_HOST), self.manager_host.as_deref()),
            (Key::annotation(crate::keys::MANAGER), None),
        ]
    }

    /// Keys whose values on a pod are not these. The template's label [`GOVERNED`] is there or not, but never something else.
    pub fn differences(&self, metadata: &ObjectMeta) -> Vec<(Key, Option<&str>)> {
        let mut differences: Vec<_> =
            self.values().into_iter().filter(|(key, value)| key.of(metadata) != *value).collect();
        if metadata.labels.get(GOVERNED).is_some_and(|value| value != "true") {
            differences.push((Key::label(GOVERNED), Some("true")));
        }
        differences
    }

    /// A pod carries exactly these.
    pub fn are_on(&self, metadata: &ObjectMeta) -> bool {
        self.differences(metadata).is_empty()
    }
}
