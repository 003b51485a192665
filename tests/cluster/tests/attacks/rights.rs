//! What the administrator of a namespace has no right to: the API server says so, with the product or without.

use serde_json::{Value, json};
use stateward_cluster_tests::attacks::Verb;
use stateward_cluster_tests::attacks::ledger::pod;

use crate::attempt::{Attempt, refused, works};

pub(crate) fn all() -> Vec<Attempt> {
    let of_admission = |what: &str| format!("/apis/admissionregistration.k8s.io/v1/{what}/stateward");
    let may = |verb: &str, group: &str, resource: &str, subresource: &str, namespace: &str| {
        let asked = json!({ "verb": verb, "group": group, "resource": resource, "subresource": subresource, "namespace": namespace });
        json!({ "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": { "resourceAttributes": asked } })
    };
    let careless = json!({ "metadata": { "name": "more" }, "rules": [{ "apiGroups": [""], "resources": ["pods/binding"], "verbs": ["create"] }] });
    let bound = json!({
        "metadata": { "name": "more" }, "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
        "subjects": [{ "kind": "User", "name": "mallory" }],
    });
    let token = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {} });
    let exemption = json!({
        "apiVersion": "stateward.dev/v1alpha1", "kind": "PolicyExemption", "metadata": { "name": "me" },
        "spec": { "rules": ["manager-writes/*"], "names": ["ledger-7"], "reason": "because" },
    });
    let relabelled = json!({ "metadata": { "labels": { "stateward.dev/profile": "baseline", "team": "nobody" } } });
    let audit = json!({ "spec": { "mode": "Audit" } });
    let taint = json!({ "spec": { "taints": [{ "key": "gone", "effect": "NoExecute" }] } });
    let volume = json!({ "metadata": { "name": "mine" }, "spec": {
        "capacity": { "storage": "1Gi" }, "accessModes": ["ReadWriteOnce"], "csi": { "driver": "csi.example.com", "volumeHandle": "data-ledger-0" },
    } });
    let quota = json!({ "metadata": { "name": "none" }, "spec": { "hard": { "pods": "0" } } });
    let class = json!({ "metadata": { "name": "loud" }, "value": 1_000_000 });
    vec![
        refused("the webhooks deleted", Verb::Delete, of_admission("validatingwebhookconfigurations"), Value::Null),
        refused("the stamp deleted", Verb::Delete, of_admission("mutatingwebhookconfigurations"), Value::Null),
        refused("the guard deleted", Verb::Delete, of_admission("validatingadmissionpolicybindings"), Value::Null),
        refused(
            "the policy in another mode",
            Verb::Merge,
            "/apis/stateward.dev/v1alpha1/wasmpolicies/manager-writes",
            audit,
        ),
        refused(
            "an exemption",
            Verb::Create,
            "/apis/stateward.dev/v1alpha1/namespaces/shop/policyexemptions",
            exemption,
        ),
        refused("other labels of the namespace", Verb::Merge, "/api/v1/namespaces/shop", relabelled),
        refused("the replicas deleted", Verb::Delete, "/api/v1/namespaces/stateward-system/pods", Value::Null),
        refused(
            "the Lease taken",
            Verb::Delete,
            "/apis/coordination.k8s.io/v1/namespaces/stateward-system/leases/stateward",
            Value::Null,
        ),
        refused("the certificate's key read", Verb::Get, "/api/v1/namespaces/stateward-system/secrets", Value::Null),
        refused(
            "the controller's token",
            Verb::Create,
            "/api/v1/namespaces/kube-system/serviceaccounts/statefulset-controller/token",
            token,
        ),
        refused(
            "a pod in an excluded namespace",
            Verb::Create,
            "/api/v1/namespaces/kube-system/pods",
            pod("spy", &json!({ "stateward.dev/role": "manager" })),
        ),
        refused(
            "rights for themselves",
            Verb::Create,
            "/apis/rbac.authorization.k8s.io/v1/namespaces/shop/roles",
            careless,
        ),
        refused(
            "all rights for themselves",
            Verb::Create,
            "/apis/rbac.authorization.k8s.io/v1/namespaces/shop/rolebindings",
            bound,
        ),
        refused(
            "endpoints for the write Service",
            Verb::Create,
            "/api/v1/namespaces/shop/endpoints",
            json!({ "metadata": { "name": "ledger-write" } }),
        ),
        refused("a taint on the manager's node", Verb::Merge, "/api/v1/nodes/node-0", taint),
        refused("a volume with the manager's disk", Verb::Create, "/api/v1/persistentvolumes", volume),
        refused("a quota of nothing", Verb::Create, "/api/v1/namespaces/shop/resourcequotas", quota),
        refused("a priority of their own", Verb::Create, "/apis/scheduling.k8s.io/v1/priorityclasses", class),
        refused("the namespace deleted", Verb::Delete, "/api/v1/namespaces/shop", Value::Null),
        works("a shell in the manager", Verb::Create, REVIEWS, may("create", "", "pods", "exec", "shop")),
        works(
            "the controller's account borrowed",
            Verb::Create,
            REVIEWS,
            may("impersonate", "", "serviceaccounts", "", "kube-system"),
        ),
    ]
}

const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
