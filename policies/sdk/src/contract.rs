//! The manager contract's labels and annotations, and whose they are. The table is in DESIGN's section on the manager contract.

use crate::objects::{ObjectMeta, StatefulSet};
use crate::pointer::Pointer;

/// Annotation of a StatefulSet, the owner's intent: `manager-only`, `any`, or empty, which means `any`.
pub const WRITES: &str = "stateward.dev/writes";
/// Annotation of a StatefulSet, the owner's intent: how workers synchronise (`init:<container>`, `sidecar:<container>`, `engine:<text>`, a comma list).
pub const SYNC: &str = "stateward.dev/sync";
/// Annotation of a StatefulSet, the owner's intent: what backs it up.
pub const BACKUP: &str = "stateward.dev/backup";
/// Annotation of a Service: `read-only` says that workers may be behind it.
pub const SERVICE: &str = "stateward.dev/service";
/// Label of a Namespace: the least profile in force there.
pub const PROFILE: &str = "stateward.dev/profile";
/// Annotation of a StatefulSet: the name of the pod that may write.
pub const MANAGER: &str = "stateward.dev/manager";
/// Label of a governed set's template, and so of its pods: `"true"`.
pub const GOVERNED: &str = "stateward.dev/governed";
/// Label of a pod: `manager` or `worker`.
pub const ROLE: &str = "stateward.dev/role";
/// Label of a pod: its set's name, so that no selector means another set's manager.
pub const SET: &str = "stateward.dev/set";
/// Annotation of a pod: `allow` or `deny`.
pub const WRITE: &str = "stateward.dev/write";
/// Annotation of a pod: decimal.
pub const ORDINAL: &str = "stateward.dev/ordinal";
/// Annotation of a pod: `<pod>.<service>.<namespace>.svc` of the manager.
pub const MANAGER_HOST: &str = "stateward.dev/manager-host";

/// The value of [`WRITES`] that makes a set governed.
pub const MANAGER_ONLY: &str = "manager-only";

/// Where [`WRITES`] is in a StatefulSet: what a rule declares to read that asks [`is_governed`] of a set it looks up.
pub const WRITES_FIELD: &str = "/metadata/annotations/stateward.dev~1writes";

/// Nobody but the contract's own mutations writes these. A closed list: an older server must not refuse a newer one's keys.
pub const PROTECTED_LABELS: [&str; 3] = [GOVERNED, ROLE, SET];
/// As [`PROTECTED_LABELS`].
pub const PROTECTED_ANNOTATIONS: [&str; 4] = [MANAGER, WRITE, ORDINAL, MANAGER_HOST];

/// One of an object's protected keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// In which map.
    pub map: &'static str,
    /// The key.
    pub name: &'static str,
}

impl Key {
    /// All protected keys.
    pub fn protected() -> impl Iterator<Item = Self> {
        let labels = PROTECTED_LABELS.into_iter().map(Self::label);
        labels.chain(PROTECTED_ANNOTATIONS.into_iter().map(Self::annotation))
    }

    /// A label.
    pub const fn label(name: &'static str) -> Self {
        Self { map: "labels", name }
    }

    /// An annotation.
    pub const fn annotation(name: &'static str) -> Self {
        Self { map: "annotations", name }
    }

    /// Its value on an object.
    pub fn of<'m>(self, metadata: &'m ObjectMeta) -> Option<&'m str> {
        if self.map == "labels" { metadata.labels.get(self.name) } else { metadata.annotations.get(self.name) }
    }

    /// Where it is, or would be, in a `metadata`.
    pub fn path(self, metadata: &str) -> Pointer {
        Pointer::new(metadata).key(self.map).key(self.name)
    }

    /// `labels[stateward.dev/role]`, after where the metadata is.
    pub fn place(self, owner: &str) -> String {
        let dot = if owner.is_empty() { "" } else { "." };
        format!("{owner}{dot}{}[{}]", self.map, self.name)
    }

    /// `label` or `annotation`.
    pub fn word(self) -> &'static str {
        if self.map == "labels" { "label" } else { "annotation" }
    }
}

/// The set's owner wants one writer.
pub fn is_governed(set: &StatefulSet) -> bool {
    set.metadata.annotations.get(WRITES) == Some(MANAGER_ONLY)
}

/// The owner takes the contract back by this value of [`WRITES`], which he may while the set has no members.
pub fn is_opt_out(old: &StatefulSet, writes: Option<&str>) -> bool {
    !old.is_live() && matches!(writes, Some("any" | ""))
}

/// The pod that may write: `<name>-<start>`. `None` while the server has not chosen a name.
pub fn manager_name(set: &StatefulSet) -> Option<String> {
    let name = &set.metadata.name;
    (!name.is_empty()).then(|| format!("{name}-{}", set.start()))
}

/// Whether an object carries any protected key.
pub fn carries_keys(metadata: &ObjectMeta) -> bool {
    Key::protected().any(|key| key.of(metadata).is_some())
}

/// The governed set that a pod with a role is a member of. Nobody can take these keys off a pod; references and other labels, whoever may patch it can
/// change: the controller goes by a reference's uid alone.
pub fn stamped_set<'m>(metadata: &'m ObjectMeta) -> Option<&'m str> {
    metadata.labels.get(SET).filter(|_| metadata.labels.has(ROLE))
}
