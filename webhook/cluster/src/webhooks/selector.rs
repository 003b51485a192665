//! Namespaces that are never sent to us.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

/// All namespaces but these. The API server itself writes and keeps that label. Cluster-scoped objects are sent all the same, a Namespace
/// only when it is none of these.
pub(super) fn not_in(namespaces: [&str; 3]) -> LabelSelector {
    let mut values = namespaces.map(str::to_owned).to_vec();
    values.sort_unstable();
    values.dedup();
    LabelSelector {
        match_expressions: Some(vec![LabelSelectorRequirement {
            key: "kubernetes.io/metadata.name".to_owned(),
            operator: "NotIn".to_owned(),
            values: Some(values),
        }]),
        match_labels: None,
    }
}
