//! What the API server evaluates to save calls: CEL, at most 1 KiB each. The rules decide again themselves, so a condition may let too much
//! through, never too little. It must not fail on any object: a failure refuses the request, or skips the change.

use stateward_sdk::prelude::Operation;

/// Operations of the subjects.
pub const SET_CREATED: &[Operation] = &[Operation::Create];
/// As above.
pub const SET_UPDATED: &[Operation] = &[Operation::Update];
/// As above.
pub const POD_CREATED: &[Operation] = &[Operation::Create];
/// As above.
pub const POD_UPDATED: &[Operation] = &[Operation::Update];
/// As above.
pub const BINDING_CREATED: &[Operation] = &[Operation::Create];

/// The names of the protected keys after `stateward.dev/`.
macro_rules! keys {
    () => {
        "'governed', 'role', 'set', 'manager', 'write', 'ordinal', 'manager-host'"
    };
}

/// A map of a metadata, empty where it is absent.
macro_rules! map {
    ($metadata:literal, $map:literal) => {
        concat!("has(", $metadata, ".", $map, ") ? ", $metadata, ".", $map, " : {}")
    };
}

/// A metadata carries a protected key.
macro_rules! carries_keys {
    ($metadata:literal) => {
        concat!(
            "[",
            map!($metadata, "labels"),
            ", ",
            map!($metadata, "annotations"),
            "].exists(m, [",
            keys!(),
            "].exists(k, ('stateward.dev/' + k) in m))"
        )
    };
}

/// A key is in one of two maps, or has another value in the other: `$pairs` is a list of such pairs.
macro_rules! keys_differ {
    ($pairs:expr, $more:literal) => {
        concat!(
            $pairs,
            ".exists(p, [[",
            map!("p[0]", "labels"),
            ", ",
            map!("p[1]", "labels"),
            "], [",
            map!("p[0]", "annotations"),
            ", ",
            map!("p[1]", "annotations"),
            "]].exists(q, [",
            $more,
            keys!(),
            "].map(k, 'stateward.dev/' + k).exists(k, (k in q[0]) != (k in q[1]) || k in q[0] && q[0][k] != q[1][k])))"
        )
    };
}

/// The object has a controller that is a StatefulSet.
macro_rules! is_of_set {
    () => {
        "has(object.metadata.ownerReferences) && \
         object.metadata.ownerReferences.exists(r, has(r.controller) && r.controller == true && r.kind == 'StatefulSet')"
    };
}

/// The object has a controller that the old object has not.
macro_rules! controller_added {
    () => {
        "has(object.metadata.ownerReferences) && \
         object.metadata.ownerReferences.exists(r, has(r.controller) && r.controller == true && \
         !(has(oldObject.metadata.ownerReferences) && \
         oldObject.metadata.ownerReferences.exists(o, has(o.controller) && o.controller == true && o.uid == r.uid)))"
    };
}

/// A node asks: it makes mirrors of its static pods.
macro_rules! is_node {
    () => {
        "has(request.userInfo.groups) && 'system:nodes' in request.userInfo.groups"
    };
}

/// The controller's usual account does not ask.
macro_rules! is_others {
    () => {
        "request.userInfo.username != 'system:serviceaccount:kube-system:statefulset-controller'"
    };
}

/// Both objects are there.
macro_rules! both {
    () => {
        "object != null && oldObject != null && "
    };
}

/// A pod that a StatefulSet controls, or one with keys to strip.
pub const POD_TO_STAMP: &str =
    concat!("object != null && (", is_of_set!(), " || ", carries_keys!("object.metadata"), ")");

/// A pod that gets a controller.
pub const POD_ADOPTED: &str = concat!(both!(), controller_added!());

/// A pod with protected keys, or a binding that would write them onto one.
pub const WITH_KEYS: &str = concat!("object != null && ", carries_keys!("object.metadata"));

/// A pod that a StatefulSet controls, without a key.
pub const MEMBER_WITHOUT_KEYS: &str =
    concat!("object != null && ", is_of_set!(), " && !(", carries_keys!("object.metadata"), ")");

/// A pod of a StatefulSet with a claim that a template makes for it, and whose name can be read in more than one way: `data-a-b-0` in the volume `data` of
/// `a-b-0` is also a claim of `b-0` by a template `data-a`.
pub const MEMBER_WITH_RIVAL: &str = concat!(
    "object != null && ",
    is_of_set!(),
    " && has(object.metadata.name) && has(object.spec) && has(object.spec.volumes) && object.spec.volumes.exists(v, ",
    "has(v.name) && has(v.persistentVolumeClaim) && has(v.persistentVolumeClaim.claimName) && ",
    "v.persistentVolumeClaim.claimName == v.name + '-' + object.metadata.name && ",
    "v.persistentVolumeClaim.claimName.matches('^.+-.+-.+-[0-9]+$'))"
);

/// A pod with a member's name, by someone else than the controller or without a controller reference, or with a host name and a subdomain that could be a
/// member's; not a node's mirror pod. Whatever it
/// refers to: the controller looks at a reference's uid alone. It names the controller's usual account: where the setting
/// `controllerAccounts` says another, more calls are made.
pub const POD_CLAIMS_SET: &str = concat!(
    "object != null && (has(object.metadata.name) && object.metadata.name.matches('-[0-9]+$') && ",
    "(!has(object.metadata.ownerReferences) || ",
    "!object.metadata.ownerReferences.exists(r, has(r.controller) && r.controller == true) || ",
    is_others!(),
    ") || has(object.spec) && has(object.spec.hostname) && object.spec.hostname.matches('-[0-9]+$') && ",
    "has(object.spec.subdomain) && object.spec.subdomain != '' && ",
    is_others!(),
    ") && !(",
    is_node!(),
    ")"
);

/// A pod whose protected keys change, or that gets a controller.
pub const POD_KEYS_DIFFER: &str = concat!(
    both!(),
    "(",
    keys_differ!("[[object.metadata, oldObject.metadata]]", ""),
    " || ",
    controller_added!(),
    ")"
);

/// A new set that says who may write, or carries protected keys anywhere. The selector stands in a list of its own: the API server's CEL refuses a map
/// literal beside values of the object.
pub const SET_WITH_KEYS: &str = concat!(
    "object != null && ([object.metadata, ",
    "has(object.spec) && has(object.spec.template) && has(object.spec.template.metadata) ? object.spec.template.metadata : {}] + [",
    "has(object.spec) && has(object.spec.selector) && has(object.spec.selector.matchLabels) ? ",
    "{'labels': object.spec.selector.matchLabels} : {}] + ",
    "(has(object.spec) && has(object.spec.volumeClaimTemplates) ? ",
    "object.spec.volumeClaimTemplates.map(c, has(c.metadata) ? c.metadata : {}) : [])).exists(o, [",
    map!("o", "labels"),
    ", ",
    map!("o", "annotations"),
    "].exists(m, ['writes', ",
    keys!(),
    "].exists(k, ('stateward.dev/' + k) in m))) || ",
    "object != null && has(object.spec) && has(object.spec.selector) && has(object.spec.selector.matchExpressions) && ",
    "object.spec.selector.matchExpressions.exists(e, e.key.startsWith('stateward.dev/'))"
);

/// A set whose protected keys or `writes` change.
pub const SET_KEYS_DIFFER: &str = concat!(
    both!(),
    keys_differ!(
        "[[object.metadata, oldObject.metadata], \
         [has(object.spec) && has(object.spec.template) && has(object.spec.template.metadata) ? object.spec.template.metadata : {}, \
         has(oldObject.spec) && has(oldObject.spec.template) && has(oldObject.spec.template.metadata) ? oldObject.spec.template.metadata : {}]]",
        "'writes', "
    )
);

/// The same through the set's status, which leaves its template alone.
pub const SET_STATUS_KEYS_DIFFER: &str =
    concat!(both!(), keys_differ!("[[object.metadata, oldObject.metadata]]", "'writes', "));

/// The first ordinal of a set.
macro_rules! start {
    ($set:literal) => {
        concat!(
            "(has(",
            $set,
            ".spec) && has(",
            $set,
            ".spec.ordinals) && has(",
            $set,
            ".spec.ordinals.start) ? ",
            $set,
            ".spec.ordinals.start : 0)"
        )
    };
}

/// A set that says who may write, or did, and whose first ordinal changes.
pub const SET_START_MOVED: &str = concat!(
    both!(),
    start!("object"),
    " != ",
    start!("oldObject"),
    " && [object, oldObject].exists(o, has(o.metadata.annotations) && 'stateward.dev/writes' in o.metadata.annotations)"
);

/// A new set that does not say who may write.
pub const SET_UNDECLARED: &str =
    "object != null && !(has(object.metadata.annotations) && 'stateward.dev/writes' in object.metadata.annotations)";

/// A new set that says who may write.
pub const SET_DECLARED: &str =
    "object != null && has(object.metadata.annotations) && 'stateward.dev/writes' in object.metadata.annotations";

/// A set that is in the contract, or was.
pub const SET_STAMPED: &str = concat!(
    both!(),
    "([object, oldObject].exists(o, has(o.metadata.annotations) && \
     ['writes', 'manager'].exists(k, ('stateward.dev/' + k) in o.metadata.annotations)) || \
     [object, oldObject].exists(o, has(o.spec) && has(o.spec.template) && has(o.spec.template.metadata) && \
     has(o.spec.template.metadata.labels) && 'stateward.dev/governed' in o.spec.template.metadata.labels))"
);

/// A person deletes what could be the first member of a set: by its reference, which whoever may patch the pod can change (the controller looks at the
/// uid alone), or by its role, which nobody can.
pub const MEMBER_DELETED: &str = concat!(
    "object == null && oldObject != null && has(oldObject.metadata.name) && oldObject.metadata.name.matches('-[0-9]+$') && ",
    "(has(oldObject.metadata.ownerReferences) && ",
    "oldObject.metadata.ownerReferences.exists(r, has(r.controller) && r.controller == true && r.kind == 'StatefulSet') || ",
    "has(oldObject.metadata.labels) && 'stateward.dev/role' in oldObject.metadata.labels) && ",
    "!(has(request.userInfo.groups) && ",
    "request.userInfo.groups.exists(g, g in ['system:nodes', 'system:serviceaccounts:kube-system']))"
);

/// An eviction of a pod with a member's name.
pub const MEMBER_EVICTED: &str =
    "object != null && has(object.metadata.name) && object.metadata.name.matches('-[0-9]+$')";

/// A Service that selects pods.
pub const SERVICE_SELECTS: &str =
    "object != null && has(object.spec) && has(object.spec.selector) && size(object.spec.selector) > 0";

/// A Service that could lead to a manager goes, selects something else, becomes another type or has other ports.
pub const WRITE_SERVICE_CHANGED: &str = concat!(
    "oldObject != null && has(oldObject.spec) && has(oldObject.spec.selector) && ",
    "['stateward.dev/role', 'statefulset.kubernetes.io/pod-name'].exists(k, k in oldObject.spec.selector) && ",
    "(object == null || !has(object.spec) || !has(object.spec.selector) || ",
    "object.spec.selector != oldObject.spec.selector || ",
    "(has(object.spec.ports) ? object.spec.ports : []) != (has(oldObject.spec.ports) ? oldObject.spec.ports : []) || ",
    "(has(object.spec.type) ? object.spec.type : '') != (has(oldObject.spec.type) ? oldObject.spec.type : ''))"
);

#[cfg(test)]
mod tests;
