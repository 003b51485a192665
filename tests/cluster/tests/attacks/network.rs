//! Where clients are led: no label stops a process, a Service that selects the manager does.

use serde_json::{Value, json};
use stateward_cluster_tests::attacks::Verb;

use crate::attempt::{Attempt, Facts, works};

pub(crate) fn all(facts: &Facts) -> Vec<Attempt> {
    let selector = |selector: Value| json!({ "spec": { "selector": selector } });
    let elsewhere = selector(json!({ "stateward.dev/role": null, "stateward.dev/set": null, "app": "spy" }));
    let alias = json!({ "spec": { "type": "ExternalName", "externalName": "spy.example.com", "clusterIP": null, "clusterIPs": null, "selector": null } });
    let service = |name: &str, spec: Value| json!({ "metadata": { "name": name }, "spec": spec });
    let mixed = service("all", json!({ "selector": { "app": "ledger" }, "ports": [{ "port": 5432 }] }));
    let same_address =
        json!({ "selector": { "app": "spy" }, "ports": [{ "port": 5432 }], "externalIPs": [facts.address] });
    let slice = json!({
        "metadata": { "name": "forged", "labels": { "kubernetes.io/service-name": "ledger-write" } },
        "addressType": "IPv4", "endpoints": [{ "addresses": ["10.0.0.66"] }], "ports": [{ "name": "", "port": 5432 }],
    });
    let everybody = json!({ "metadata": { "name": "everybody" }, "spec": { "podSelector": {}, "ingress": [{}] } });
    let nobody = json!({ "metadata": { "name": "nobody" }, "spec": { "podSelector": {}, "ingress": [] } });
    let other_port = json!({ "spec": { "ports": [{ "port": 5432, "targetPort": 5433 }] } });
    vec![
        works("the write Service led elsewhere", Verb::Merge, WRITE, elsewhere),
        works("the write Service without a selector", Verb::Merge, WRITE, selector(Value::Null)),
        works("the write Service as an alias", Verb::Merge, WRITE, alias),
        works("another port of the manager behind the write Service", Verb::Merge, WRITE, other_port),
        works("the write Service deleted", Verb::Delete, WRITE, Value::Null),
        works("the governing Service deleted", Verb::Delete, format!("{SERVICES}/ledger"), Value::Null),
        works("a Service over manager and workers", Verb::Create, SERVICES, mixed),
        works("the write Service's address for another Service", Verb::Create, SERVICES, service("spy", same_address)),
        works("an EndpointSlice for the write Service", Verb::Create, SLICES, slice).by_operator(),
        works("a NetworkPolicy that lets everybody in", Verb::Create, POLICIES, everybody),
        works("a NetworkPolicy that lets nobody in", Verb::Create, POLICIES, nobody),
        works("the NetworkPolicy deleted", Verb::Delete, format!("{POLICIES}/ledger"), Value::Null),
    ]
}

const SERVICES: &str = "/api/v1/namespaces/shop/services";
const WRITE: &str = "/api/v1/namespaces/shop/services/ledger-write";
const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices";
const POLICIES: &str = "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies";
