//! What our account may do here.

/// The table of `stateward_cluster::registration`, and no more.
pub(crate) const RIGHTS: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: stateward-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: stateward}
rules:
- apiGroups: [admissionregistration.k8s.io]
  resources: [mutatingwebhookconfigurations, validatingwebhookconfigurations]
  verbs: [create]
- apiGroups: [admissionregistration.k8s.io]
  resources: [mutatingwebhookconfigurations, validatingwebhookconfigurations]
  resourceNames: [stateward]
  verbs: [get, list, watch, update, delete]
- apiGroups: [admissionregistration.k8s.io]
  resources: [validatingadmissionpolicies, validatingadmissionpolicybindings]
  verbs: [create]
- apiGroups: [admissionregistration.k8s.io]
  resources: [validatingadmissionpolicies]
  resourceNames: [stateward]
  verbs: [get, list, watch, update]
- apiGroups: [admissionregistration.k8s.io]
  resources: [validatingadmissionpolicybindings]
  resourceNames: [stateward]
  verbs: [get, list, watch, update, delete]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [clusterroles]
  resourceNames: [stateward]
  verbs: [get, patch]
- apiGroups: [""]
  resources: [namespaces]
  resourceNames: [stateward-system]
  verbs: [get]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: stateward}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: stateward}
subjects:
- {kind: ServiceAccount, name: stateward, namespace: stateward-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: stateward, namespace: stateward-system}
rules:
- {apiGroups: [""], resources: [configmaps], verbs: [create]}
- {apiGroups: [""], resources: [configmaps], resourceNames: [stateward-state], verbs: [get, list, watch, update]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: stateward, namespace: stateward-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: stateward}
subjects:
- {kind: ServiceAccount, name: stateward, namespace: stateward-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: stateward-probe, namespace: default}
rules:
- {apiGroups: [apps], resources: [statefulsets], verbs: [create]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: stateward-probe, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: stateward-probe}
subjects:
- {kind: ServiceAccount, name: stateward, namespace: stateward-system}
"#;
