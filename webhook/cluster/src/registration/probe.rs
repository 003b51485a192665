//! The probe: a StatefulSet that our own account creates as a dry run, and that our own server refuses when the API server reaches it.

use k8s_openapi::api::apps::v1::StatefulSet;
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::json;
use stateward_core::contract;

use super::problem::Problem;
use crate::names;
use crate::webhooks::Entry;

/// What came of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Probed {
    /// One of our entries refused it: the API server reaches us, trusts us, and understands our answers.
    Refused,
    /// Nobody did: the API server does not call us yet, or could not and let it pass.
    Passed,
    /// Something else stood in the way.
    Prevented(Problem),
}

/// Asks once. Nothing is stored.
pub(super) async fn probe(client: &Client, namespace: &str) -> Probed {
    let api: Api<StatefulSet> = Api::namespaced(client.clone(), namespace);
    let parameters = PostParams { dry_run: true, field_manager: Some(names::FIELD_MANAGER.to_owned()) };
    let set: StatefulSet = match serde_json::from_value(stateful_set()) {
        Ok(set) => set,
        Err(error) => return Probed::Prevented(Problem::from_text(format!("the probe cannot be written: {error}"))),
    };
    match api.create(&parameters, &set).await {
        Ok(_) => Probed::Passed,
        Err(kube::Error::Api(status)) if is_our_refusal(&status.message) => Probed::Refused,
        // With `Fail` already, or of an entry that already refuses: we are not reached.
        Err(kube::Error::Api(status))
            if status.message.contains("failed calling webhook") && is_ours(&status.message) =>
        {
            Probed::Passed
        }
        Err(error) => {
            let right = format!("statefulsets.apps in namespace `{namespace}`");
            Probed::Prevented(Problem::of("create", &right, &error))
        }
    }
}

fn is_our_refusal(message: &str) -> bool {
    message.contains("denied the request") && message.contains(contract::PROBE) && is_ours(message)
}

/// The API server puts the entry's name in front of whatever it was answered.
fn is_ours(message: &str) -> bool {
    Entry::ALL.into_iter().any(|entry| message.contains(&format!("webhook \"{entry}\"")))
}

fn stateful_set() -> serde_json::Value {
    let labels = json!({"app.kubernetes.io/name": NAME});
    json!({
        "metadata": {"name": NAME, "labels": labels, "annotations": {contract::PROBE: "true"}},
        "spec": {
            "serviceName": NAME,
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "none", "image": "none:none"}]},
            },
        },
    })
}

/// Never stored; seen in audit logs.
const NAME: &str = "stateward-probe";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_refusal_counts() {
        let ours =
            "admission webhook \"validate-fail.stateward.dev\" denied the request: the probe (stateward.dev/probe)";
        assert!(is_our_refusal(ours));
        assert!(!is_our_refusal(&ours.replace("validate-fail.stateward.dev", "policy.example.com")));
        assert!(!is_our_refusal("admission webhook \"validate-fail.stateward.dev\" denied the request: no"));
        assert!(!is_our_refusal("failed calling webhook \"validate-fail.stateward.dev\": stateward.dev/probe"));
    }

    #[test]
    fn it_is_a_stateful_set() {
        assert!(serde_json::from_value::<StatefulSet>(stateful_set()).is_ok());
    }
}
