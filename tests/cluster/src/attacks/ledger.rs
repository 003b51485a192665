//! The set that is attacked, who attacks it, and what lies about there.

use serde_json::{Value, json};
use stateward_core::contract::{CONTROLLER_ACCOUNT, PROTECTED_ANNOTATIONS, PROTECTED_LABELS};

/// Administers the namespace.
pub const MALLORY: &str = "mallory";

/// The same, with rights that `admin` does not give and the roles of many operators do.
pub const OPERATOR: &str = "operator";

/// The protected keys of an object.
pub fn keys_of(object: &Value) -> Vec<(&'static str, Value)> {
    let labels = PROTECTED_LABELS.iter().map(|key| (*key, object["metadata"]["labels"][*key].clone()));
    let annotations = PROTECTED_ANNOTATIONS.iter().map(|key| (*key, object["metadata"]["annotations"][*key].clone()));
    labels.chain(annotations).collect()
}

/// As the webhook stamps a member.
pub fn keys(role: &str, write: &str, ordinal: &str) -> Value {
    json!({
        "labels": { "app": "ledger", "stateward.dev/governed": "true", "stateward.dev/role": role, "stateward.dev/set": "ledger" },
        "annotations": {
            "stateward.dev/write": write, "stateward.dev/ordinal": ordinal, "stateward.dev/manager-host": "ledger-0.ledger.shop.svc",
        },
    })
}

/// What the guard says to a member that nobody stamped.
pub fn unstamped(pod: &str) -> String {
    format!(
        "[manager-writes/forged-role] pod `{pod}` carries `stateward.dev/governed` and no role: the webhook `stateward`, which computes it, was not \
         asked or lacked a fact; hint: the controller tries again; `stateward doctor` says what is missing, and `stateward pause` lets members start \
         without a role"
    )
}

/// As the webhook stamps a set.
pub fn ledger() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {
            "name": "ledger", "namespace": "shop",
            "annotations": { "stateward.dev/writes": "manager-only", "stateward.dev/manager": "ledger-0" },
        },
        "spec": {
            "replicas": 2, "serviceName": "ledger",
            "selector": { "matchLabels": { "app": "ledger" } },
            "template": {
                "metadata": { "labels": { "app": "ledger", "stateward.dev/governed": "true" } },
                "spec": { "containers": [{ "name": "ledger", "image": "ledger:1" }] },
            },
        },
    })
}

/// A member as the webhook would stamp it, but for what it says of itself.
pub fn member(name: &str, role: &str, ordinal: &str, uid: &str) -> Value {
    let write = if role == "manager" { "allow" } else { "deny" };
    let mut metadata = keys(role, write, ordinal);
    if role == "manager" {
        metadata["annotations"]["stateward.dev/manager-host"] = format!("{name}.ledger.shop.svc").into();
    }
    metadata["name"] = name.into();
    metadata["ownerReferences"] = json!([reference("ledger", uid)]);
    json!({ "metadata": metadata, "spec": spec() })
}

/// A pod of nobody's.
pub fn pod(name: &str, labels: &Value) -> Value {
    json!({ "metadata": { "name": name, "labels": labels }, "spec": spec() })
}

/// What pods run.
pub fn spec() -> Value {
    json!({ "containers": [{ "name": "ledger", "image": "ledger:1" }] })
}

/// A controller reference.
pub fn reference(set: &str, uid: &str) -> Value {
    json!({ "apiVersion": "apps/v1", "kind": "StatefulSet", "name": set, "uid": uid, "controller": true })
}

/// A namespace, its administrator, and what an operator's role adds to it: `admin` may write no status, no binding, no revision and no
/// EndpointSlice.
pub const RIGHTS: &str = "
apiVersion: v1
kind: Namespace
metadata: { name: shop }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: { name: mallory, namespace: shop }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin }
subjects: [{ kind: User, name: mallory }, { kind: User, name: operator }]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: { name: careless, namespace: shop }
rules:
- apiGroups: ['']
  resources: [bindings, pods/binding, pods/ephemeralcontainers, pods/resize, pods/status]
  verbs: [create, get, patch, update]
- { apiGroups: [apps], resources: [controllerrevisions, statefulsets/status], verbs: [create, delete, get, patch, update] }
- { apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [create] }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: { name: careless, namespace: shop }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: Role, name: careless }
subjects: [{ kind: User, name: operator }]
---
# What a back-up tool may do.
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: { name: velero, namespace: shop }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin }
subjects: [{ kind: User, name: velero }]
";

/// A plain set that does not run, and a pod that no scheduler binds.
pub const LOOSE: &str = "
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: plain, namespace: shop }
spec:
  replicas: 1
  serviceName: plain
  selector: { matchLabels: { app: plain } }
  template:
    metadata: { labels: { app: plain } }
    spec: { containers: [{ name: plain, image: 'plain:1' }] }
---
apiVersion: v1
kind: Pod
metadata: { name: loose-0, namespace: shop }
spec:
  schedulerName: nobody
  containers: [{ name: loose, image: 'loose:1' }]
";

/// Whose pods may be members.
pub const CONTROLLER: &str = CONTROLLER_ACCOUNT;

/// All pods.
pub const PODS: &str = "/api/v1/namespaces/shop/pods";
/// The member that may write.
pub const MANAGER: &str = "/api/v1/namespaces/shop/pods/ledger-0";
/// A member that may not write.
pub const WORKER: &str = "/api/v1/namespaces/shop/pods/ledger-1";
/// Its status.
pub const WORKER_STATUS: &str = "/api/v1/namespaces/shop/pods/ledger-1/status";
/// A pod of nobody's.
pub const LOOSE_POD: &str = "/api/v1/namespaces/shop/pods/loose-0";
/// All sets.
pub const SETS: &str = "/apis/apps/v1/namespaces/shop/statefulsets";
/// The governed set.
pub const LEDGER: &str = "/apis/apps/v1/namespaces/shop/statefulsets/ledger";
/// Its status.
pub const LEDGER_STATUS: &str = "/apis/apps/v1/namespaces/shop/statefulsets/ledger/status";
/// A set that is not governed.
pub const PLAIN: &str = "/apis/apps/v1/namespaces/shop/statefulsets/plain";
