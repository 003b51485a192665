//! What is in the cluster.

use serde_json::{Value, json};
use stateward_cluster_tests::shop::but;

/// In the contract or not.
pub(crate) fn set(name: &str, replicas: u32, is_governed: bool) -> Value {
    let plain = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": name, "namespace": "shop" },
        "spec": {
            "replicas": replicas, "serviceName": name, "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "containers": [{ "name": "db", "image": "db:1" }] },
            },
        },
    });
    let writes = if is_governed { json!("manager-only") } else { Value::Null };
    but(plain, &json!({ "metadata": { "annotations": { "stateward.dev/writes": writes } } }))
}

/// Beside the namespace and the governing Service of every shop.
pub(crate) const SERVICES: &str = "
apiVersion: v1
kind: Service
metadata: { name: ledger-write, namespace: shop }
spec: { selector: { stateward.dev/role: manager, stateward.dev/set: ledger }, ports: [{ port: 5432 }] }
---
apiVersion: v1
kind: Service
metadata: { name: ledger-read, namespace: shop }
spec: { selector: { app: ledger }, ports: [{ port: 5432 }] }
---
apiVersion: v1
kind: Service
metadata: { name: wiki, namespace: shop }
spec: { clusterIP: None, selector: { app: wiki }, ports: [{ port: 5432 }] }
";

/// `view` in one namespace; and less than that in one, with the names of all.
pub(crate) const RIGHTS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: { name: vera, namespace: shop }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view }
subjects: [{ kind: User, name: vera }]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: { name: fred, namespace: shop }
rules:
- { apiGroups: [apps], resources: [statefulsets], verbs: [list] }
- { apiGroups: [''], resources: [services], verbs: [list] }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: { name: fred, namespace: shop }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: Role, name: fred }
subjects: [{ kind: User, name: fred }]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: namespace-names }
rules:
- { apiGroups: [''], resources: [namespaces], verbs: [list] }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: fred }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: namespace-names }
subjects: [{ kind: User, name: fred }]
";

/// The write Service selects it.
pub(crate) const SECOND_WRITER: &str = "
apiVersion: v1
kind: Pod
metadata: { name: loader, namespace: shop, labels: { stateward.dev/role: manager, stateward.dev/set: ledger } }
spec: { containers: [{ name: loader, image: 'loader:1' }] }
";

/// As somebody may write it who may write EndpointSlices.
pub(crate) const BY_HAND: &str = "
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: by-hand, namespace: shop, labels: { kubernetes.io/service-name: ledger-write } }
addressType: IPv4
ports: [{ name: '', port: 5432, protocol: TCP }]
endpoints:
- addresses: [10.99.0.1]
  conditions: { ready: true }
  targetRef: { kind: Pod, name: ledger-1, namespace: shop }
";
