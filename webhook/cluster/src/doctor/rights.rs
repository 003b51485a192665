//! What our account must be allowed to do beside looking up objects: asked of the API server, right by right.

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};

use crate::names;

struct Right {
    group: &'static str,
    resource: &'static str,
    /// `wasmpolicies/status`.
    subresource: &'static str,
    verbs: &'static [&'static str],
    name: &'static str,
    is_ours: bool,
}

/// In words, such as ``update `leases.coordination.k8s.io/stateward` ``. Empty where the person may not ask.
pub(super) async fn missing(client: &Client, namespace: &str) -> Vec<String> {
    let reviews: Api<SubjectAccessReview> = Api::all(client.clone());
    let mut missing = Vec::new();
    for right in RIGHTS {
        for verb in right.verbs {
            let review = review(right, verb, namespace);
            let Ok(answer) = reviews.create(&PostParams::default(), &review).await else { return missing };
            if answer.status.is_some_and(|status| !status.allowed) {
                let group = if right.group.is_empty() { String::new() } else { format!(".{}", right.group) };
                let name = if right.name.is_empty() { String::new() } else { format!("/{}", right.name) };
                let below =
                    if right.subresource.is_empty() { String::new() } else { format!("/{}", right.subresource) };
                missing.push(format!("{verb} `{}{below}{group}{name}`", right.resource));
            }
        }
    }
    missing
}

fn review(right: &Right, verb: &str, namespace: &str) -> SubjectAccessReview {
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(format!("system:serviceaccount:{namespace}:{}", names::APP)),
            groups: Some(vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")]),
            resource_attributes: Some(ResourceAttributes {
                group: text(right.group),
                resource: text(right.resource),
                subresource: text(right.subresource),
                verb: text(verb),
                name: text(right.name),
                namespace: right.is_ours.then(|| namespace.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    }
}

const fn right(
    group: &'static str,
    resource: &'static str,
    verbs: &'static [&'static str],
    name: &'static str,
    is_ours: bool,
) -> Right {
    Right { group, resource, subresource: "", verbs, name, is_ours }
}

const RIGHTS: &[Right] = &[
    right("stateward.dev", "wasmpolicies", &["list", "watch"], "", false),
    right("stateward.dev", "policyexemptions", &["list", "watch"], "", false),
    Right { subresource: "status", ..right("stateward.dev", "wasmpolicies", &["patch"], "", false) },
    right("", "namespaces", &["get", "list", "watch"], "", false),
    right("", "secrets", &["create"], "", true),
    right("", "secrets", &["get", "list", "watch", "update"], names::CERTIFICATES, true),
    right("", "configmaps", &["create"], "", true),
    right("", "configmaps", &["get", "update"], names::STATE, true),
    right("coordination.k8s.io", "leases", &["create"], "", true),
    right("coordination.k8s.io", "leases", &["get", "update"], names::APP, true),
    right("admissionregistration.k8s.io", "validatingwebhookconfigurations", &["create"], "", false),
    right(
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
        &["get", "list", "watch", "update", "delete"],
        names::APP,
        false,
    ),
    right("admissionregistration.k8s.io", "mutatingwebhookconfigurations", &["create"], "", false),
    right(
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
        &["get", "list", "watch", "update", "delete"],
        names::APP,
        false,
    ),
    right("admissionregistration.k8s.io", "validatingadmissionpolicies", &["create"], "", false),
    right(
        "admissionregistration.k8s.io",
        "validatingadmissionpolicies",
        &["get", "list", "watch", "update"],
        names::APP,
        false,
    ),
    right("admissionregistration.k8s.io", "validatingadmissionpolicybindings", &["create"], "", false),
    right(
        "admissionregistration.k8s.io",
        "validatingadmissionpolicybindings",
        &["get", "list", "watch", "update", "delete"],
        names::APP,
        false,
    ),
    right("rbac.authorization.k8s.io", "clusterroles", &["get", "patch"], names::APP, false),
    right("events.k8s.io", "events", &["create", "patch"], "", false),
];
