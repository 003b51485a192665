//! What a file does not say of its kind: where the API server serves it, and whether it lives in a namespace.

use std::borrow::Cow;

use stateward_core::request::{GroupVersionKind, GroupVersionResource};

/// The resource of a kind, as `kubectl` guesses it without a server (`meta.UnsafeGuessKindToResource`): right for every built-in kind.
/// What [`is_removed`] is served as its successor, so that no rule misses it.
pub fn resource(kind: &GroupVersionKind<'_>) -> GroupVersionResource<'static> {
    let lower = kind.kind.to_lowercase();
    let plural = if lower == "endpoints" {
        lower
    } else if lower.ends_with('s') {
        format!("{lower}es")
    } else if let Some(stem) = lower.strip_suffix('y') {
        format!("{stem}ies")
    } else {
        format!("{lower}s")
    };
    let owned = |text: &Cow<'_, str>| Cow::Owned(text.clone().into_owned());
    GroupVersionResource {
        group: owned(&kind.group),
        version: if is_removed(kind) { Cow::Borrowed("v1") } else { owned(&kind.version) },
        resource: Cow::Owned(plural),
        subresource: Cow::Borrowed(""),
    }
}

/// Whether the kind's version is gone since Kubernetes 1.16 and lives on as `apps/v1` with the same fields. Old charts still write it.
pub fn is_removed(kind: &GroupVersionKind<'_>) -> bool {
    kind.group == "apps" && matches!(&*kind.version, "v1beta1" | "v1beta2")
}

/// Whether a kind has no namespace. Of custom kinds only the server knows; they count as namespaced, as most are.
pub fn is_cluster_scoped(kind: &GroupVersionKind<'_>) -> bool {
    CLUSTER_SCOPED.contains(&(&*kind.group, &*kind.kind))
}

/// The built-in kinds without a namespace (`kubectl api-resources --namespaced=false` of 1.37), and our own.
const CLUSTER_SCOPED: [(&str, &str); 38] = [
    ("", "ComponentStatus"),
    ("", "Namespace"),
    ("", "Node"),
    ("", "PersistentVolume"),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("apiregistration.k8s.io", "APIService"),
    ("authentication.k8s.io", "SelfSubjectReview"),
    ("authentication.k8s.io", "TokenReview"),
    ("authorization.k8s.io", "SelfSubjectAccessReview"),
    ("authorization.k8s.io", "SelfSubjectRulesReview"),
    ("authorization.k8s.io", "SubjectAccessReview"),
    ("certificates.k8s.io", "CertificateSigningRequest"),
    ("certificates.k8s.io", "ClusterTrustBundle"),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
    ("networking.k8s.io", "IPAddress"),
    ("networking.k8s.io", "IngressClass"),
    ("networking.k8s.io", "ServiceCIDR"),
    ("node.k8s.io", "RuntimeClass"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("resource.k8s.io", "DeviceClass"),
    ("resource.k8s.io", "DeviceTaintRule"),
    ("resource.k8s.io", "ResourceSlice"),
    ("scheduling.k8s.io", "PriorityClass"),
    ("stateward.dev", "WasmPolicy"),
    ("storage.k8s.io", "CSIDriver"),
    ("storage.k8s.io", "CSINode"),
    ("storage.k8s.io", "StorageClass"),
    ("storage.k8s.io", "VolumeAttachment"),
    ("storage.k8s.io", "VolumeAttributesClass"),
    ("storagemigration.k8s.io", "StorageVersionMigration"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_version_is_judged_as_its_successor() {
        for (version, judged) in [("v1beta1", "v1"), ("v1beta2", "v1"), ("v1", "v1"), ("v2", "v2")] {
            let kind = GroupVersionKind { group: "apps".into(), version: version.into(), kind: "StatefulSet".into() };
            assert_eq!(resource(&kind).version, judged);
        }
    }

    #[test]
    fn guesses_the_resources_of_built_in_kinds() {
        for (kind, plural) in [
            ("StatefulSet", "statefulsets"),
            ("Ingress", "ingresses"),
            ("NetworkPolicy", "networkpolicies"),
            ("Endpoints", "endpoints"),
            ("StorageClass", "storageclasses"),
            ("PodDisruptionBudget", "poddisruptionbudgets"),
        ] {
            let kind = GroupVersionKind { kind: kind.into(), ..GroupVersionKind::default() };
            assert_eq!(resource(&kind).resource, plural);
        }
    }
}
