//! Requests that no rule judges, whatever is installed (DESIGN section 6).

use serde_json::Value;

use crate::object::{Head, value_of};
use crate::request::{Operation, Request};
use crate::verdict::BuiltinExemption;

/// The two accounts, known from the request alone; they are exempt from fixed rules too.
pub(crate) fn by_account(request: &Request<'_>) -> Option<BuiltinExemption> {
    let user = request.user.as_ref()?;
    ACCOUNTS.contains(&user.username.as_ref()).then_some(BuiltinExemption::ControllerAccount)
}

/// The exemptions that need the objects. Asked only when the verdict would not be a plain *allowed*; fixed rules are not covered.
pub(crate) fn by_object(request: &Request<'_>) -> Option<BuiltinExemption> {
    match request.operation {
        Operation::Update => {
            let (object, old_object) = (request.object.as_deref()?, request.old_object.as_deref()?);
            if is_being_deleted(old_object) {
                return Some(BuiltinExemption::BeingDeleted);
            }
            changes_only_finalizers(object, old_object).then_some(BuiltinExemption::FinalizersOnly)
        }
        Operation::Create => is_mirror_pod(request).then_some(BuiltinExemption::MirrorPod),
        Operation::Delete | Operation::Connect => None,
    }
}

fn is_being_deleted(old_object: &str) -> bool {
    Head::read(old_object).and_then(|head| head.metadata?.deletion_timestamp).is_some_and(|time| !time.0.is_empty())
}

/// A request that changes nothing at all is judged: it says what the stored object is like.
fn changes_only_finalizers(object: &str, old_object: &str) -> bool {
    let read = |text: &str| serde_json::from_str::<Value>(text).ok();
    let Some((mut object, mut old_object)) = read(object).zip(read(old_object)) else { return false };
    if object == old_object {
        return false;
    }
    for side in [&mut object, &mut old_object] {
        let Some(metadata) = side.get_mut("metadata").and_then(Value::as_object_mut) else { return false };
        for field in ["finalizers", "managedFields"] {
            metadata.remove(field);
        }
    }
    object == old_object
}

fn is_mirror_pod(request: &Request<'_>) -> bool {
    let resource = &request.resource;
    let is_pod = resource.group.is_empty() && resource.resource == "pods" && resource.subresource.is_empty();
    let is_node = request.user.as_ref().is_some_and(|user| user.groups.iter().any(|group| group == NODES));
    let is_mirror = || {
        let head = Head::read(request.object.as_deref()?)?;
        let annotations = head.metadata?.annotations?;
        value_of(&annotations.0, MIRROR_ANNOTATION).map(|_| ())
    };
    is_pod && is_node && is_mirror().is_some()
}

/// Their requests follow from what somebody else was already allowed to do.
const ACCOUNTS: &[&str] = &[
    "system:serviceaccount:kube-system:generic-garbage-collector",
    "system:serviceaccount:kube-system:namespace-controller",
];

const NODES: &str = "system:nodes";

/// The kubelet writes it on the API object of a static pod; the API server lets only nodes do so.
const MIRROR_ANNOTATION: &str = "kubernetes.io/config.mirror";
