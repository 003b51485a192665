//! The keys of the manager contract (DESIGN section 8), and whose pods are members. The SDK's `contract` has the keys too; a test compares the two.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::labels::Selector;
use crate::policy::Policy;
use crate::policy_set::PolicySet;
use crate::request::{Operation, Request};
use crate::resources::Mode;

/// Below it all keys are ours; those that no constant here names are ignored, so that an older server does not refuse a newer one's.
pub const DOMAIN: &str = "stateward.dev/";

/// Label of a Namespace: the least profile in force there.
pub const PROFILE: &str = "stateward.dev/profile";

/// StatefulSet, annotation, the owner's intent: `manager-only` or `any`.
pub const WRITES: &str = "stateward.dev/writes";

/// The value of [`WRITES`] that makes a set governed.
pub const MANAGER_ONLY: &str = "manager-only";

/// StatefulSet, annotation, the owner's intent: how workers synchronise.
pub const SYNC: &str = "stateward.dev/sync";

/// StatefulSet, annotation, the owner's intent: what backs it up.
pub const BACKUP: &str = "stateward.dev/backup";

/// StatefulSet, annotation, ours alone: a dry-run CREATE that asks whether the API server reaches us. It is refused on every validating path.
pub const PROBE: &str = "stateward.dev/probe";

/// StatefulSet, annotation, ours: `<name>-<start>`.
pub const MANAGER: &str = "stateward.dev/manager";

/// Label of the template and so of pods, ours at CREATE: `true`.
pub const GOVERNED: &str = "stateward.dev/governed";

/// Pod, label, ours: `manager` or `worker`.
pub const ROLE: &str = "stateward.dev/role";

/// Pod, label, ours: the set's name.
pub const SET: &str = "stateward.dev/set";

/// Pod, annotation, ours: `allow` or `deny`.
pub const WRITE: &str = "stateward.dev/write";

/// Pod, annotation, ours: decimal.
pub const ORDINAL: &str = "stateward.dev/ordinal";

/// Pod, annotation, ours: `<pod>.<service>.<ns>.svc`.
pub const MANAGER_HOST: &str = "stateward.dev/manager-host";

/// Protected labels: nobody but the webhook sets or changes them.
pub const PROTECTED_LABELS: &[&str] = &[GOVERNED, ROLE, SET];

/// Protected annotations: nobody but the webhook sets or changes them.
pub const PROTECTED_ANNOTATIONS: &[&str] = &[MANAGER, WRITE, ORDINAL, MANAGER_HOST];

/// Who makes the pods of StatefulSets, unless a policy's settings say otherwise.
pub const CONTROLLER_ACCOUNT: &str = "system:serviceaccount:kube-system:statefulset-controller";

/// The accounts of the StatefulSet controller as the policies' settings `controllerAccounts` say: the built-in one with what they add, without what
/// they remove.
pub fn controller_accounts(policies: &PolicySet) -> BTreeSet<String> {
    let mut accounts = BTreeSet::from([CONTROLLER_ACCOUNT.to_owned()]);
    for policy in policies.policies() {
        adjust(&mut accounts, &serde_json::from_str(&policy.settings).unwrap_or_default());
    }
    accounts
}

/// What one policy's settings make of these accounts.
pub fn adjust(accounts: &mut BTreeSet<String>, settings: &Value) {
    let listed = |change: &str| -> Vec<String> {
        let list = settings.pointer(&format!("/controllerAccounts/{change}")).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    accounts.extend(listed("add"));
    for removed in listed("remove") {
        accounts.remove(&removed);
    }
}

/// Where the contract is enforced: the namespaces that each policy selects which has its rules in force and refuses. No two of them overlap.
pub fn enforced_in(policies: &PolicySet) -> Vec<&Selector> {
    let enforces = |policy: &&Policy| policy.mode == Mode::Enforce && policy.rule_ids().any(|id| id == FIXED_RULE);
    policies.policies().iter().filter(enforces).map(Policy::namespace_selector).collect()
}

/// Whether one of these accounts creates a pod: the proof that the rules of the contract are asked when a member is made.
pub fn is_members_birth(request: &Request<'_>, accounts: &BTreeSet<String>) -> bool {
    let resource = &request.resource;
    let is_pod = resource.group.is_empty() && resource.resource == "pods" && resource.subresource.is_empty();
    is_pod
        && request.operation == Operation::Create
        && !request.dry_run
        && request.user.as_ref().is_some_and(|user| accounts.contains(user.username.as_ref()))
}

/// The contract's rules are fixed: a policy selects all of them or none, so that one stands for all.
const FIXED_RULE: &str = "manager-writes/role-change";
