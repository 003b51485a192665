//! Ways to become the manager, to break it or to do away with it, by somebody who may do everything in the namespace; and what must go on.

use serde_json::{Value, json};

use super::ledger::{
    CONTROLLER, LEDGER, LEDGER_STATUS, LOOSE_POD as LOOSE, MALLORY, OPERATOR, PLAIN, PODS, SETS, WORKER, WORKER_STATUS,
    ledger, member, pod, reference, spec, unstamped,
};
use super::{Attack, Sent, Verb, Wanted};

/// All of them; each succeeds without the guard.
pub fn all(uid: &str) -> Vec<Attack> {
    [of_new_pods(uid), of_known_pods(), of_bindings(), of_sets(), of_the_contract()].into_iter().flatten().collect()
}

/// What members, restores and nodes do.
pub fn none(uid: &str) -> Vec<Attack> {
    let by = |by, groups, name, verb, path: &str, body| Attack {
        name,
        sent: Sent { by, groups, verb, path: path.to_owned(), body },
        wanted: Wanted::Harmless,
    };
    let keyless = json!({ "metadata": { "name": "ledger-9", "labels": { "app": "ledger" } }, "spec": spec() });
    let mut mirror = pod("etcd-node-0", &json!({}));
    mirror["metadata"]["annotations"] = json!({ "kubernetes.io/config.mirror": "hash" });
    mirror["spec"]["nodeName"] = "node-0".into();
    let adopted = json!({ "metadata": { "ownerReferences": [reference("loose", "9")], "labels": { "stateward.dev/role": "worker", "stateward.dev/set": "loose" },
        "annotations": { "stateward.dev/write": "deny", "stateward.dev/ordinal": "0", "stateward.dev/manager-host": "loose-0.loose.shop.svc" } } });
    let kubelets = json!({ "status": { "message": "on its way" } });
    vec![
        by(CONTROLLER, &[], "a stamped worker", Verb::Create, PODS, member("ledger-7", "worker", "7", uid)),
        by(CONTROLLER, &[], "an adopted pod becomes a worker", Verb::Merge, LOOSE, adopted),
        by("velero", &[], "a restored pod without keys", Verb::Create, PODS, keyless),
        by("system:node:node-0", &["system:nodes", "system:masters"], "a mirror pod", Verb::Create, PODS, mirror),
        by(
            "system:node:node-0",
            &["system:nodes", "system:masters"],
            "a member's status",
            Verb::Merge,
            WORKER_STATUS,
            kubelets,
        ),
        by(MALLORY, &[], "other labels", Verb::Merge, WORKER, json!({ "metadata": { "labels": { "team": "a" } } })),
        by(MALLORY, &[], "an image", Verb::Merge, LEDGER, image("ledger:2")),
        by(
            "mallory",
            &[],
            "scale",
            Verb::Merge,
            "/apis/apps/v1/namespaces/shop/statefulsets/ledger/scale",
            json!({ "spec": { "replicas": 5 } }),
        ),
        by(
            "mallory",
            &[],
            "opting in while it runs",
            Verb::Merge,
            PLAIN,
            json!({ "metadata": { "annotations": { "stateward.dev/writes": "manager-only" } } }),
        ),
    ]
}

fn of_new_pods(uid: &str) -> Vec<Attack> {
    let stranger = |pod: &str, key: &str| {
        format!(
            "[manager-writes/forged-role] pod `{pod}` carries `stateward.dev/{key}`, which only members of governed sets carry, as the StatefulSet controller makes them; hint: remove \
             it, or raise `replicas` of the set"
        )
    };
    let mut no_owner = member("ledger-7", "manager", "7", uid);
    no_owner["metadata"]["ownerReferences"] = json!([]);
    let mut other_api = member("ledger-7", "manager", "7", uid);
    other_api["metadata"]["ownerReferences"][0]["apiVersion"] = "apps.kruise.io/v1beta1".into();
    let other_name = member("other-7", "worker", "7", uid);
    let mut no_keys = member("ledger-7", "worker", "7", uid);
    no_keys["metadata"]["labels"] = json!({ "app": "ledger", "stateward.dev/governed": "true" });
    no_keys["metadata"]["annotations"] = json!({});
    let mut two_minds = member("ledger-7", "worker", "7", uid);
    two_minds["metadata"]["annotations"]["stateward.dev/write"] = "allow".into();
    let mut other_host = member("ledger-7", "manager", "7", uid);
    other_host["metadata"]["annotations"]["stateward.dev/manager-host"] = "ledger-0.ledger.shop.svc".into();
    let unlike = |pod: &str| {
        format!(
            "[manager-writes/forged-role] pod `{pod}` carries keys under `stateward.dev/` that are not those of one member of its set; hint: leave them out of the template: they are \
             computed"
        )
    };
    let unstamped = unstamped("ledger-7");
    let governed = pod("sleeper", &json!({ "stateward.dev/governed": "true" }));
    vec![
        mallory(
            "a forged reference",
            Verb::Create,
            PODS,
            member("ledger-7", "worker", "7", uid),
            stranger("ledger-7", "governed"),
        ),
        mallory("keys without an owner", Verb::Create, PODS, no_owner, stranger("ledger-7", "governed")),
        mallory("`governed` without a role", Verb::Create, PODS, governed, stranger("sleeper", "governed")),
        mallory(
            "a role for anybody",
            Verb::Create,
            PODS,
            pod("free", &json!({ "stateward.dev/role": "manager" })),
            stranger("free", "role"),
        ),
        controllers("a set of another API", Verb::Create, PODS, other_api, stranger("ledger-7", "governed")),
        controllers("a member that was not stamped", Verb::Create, PODS, no_keys, unstamped),
        controllers("another set's member", Verb::Create, PODS, other_name, unlike("other-7")),
        controllers("a worker that may write", Verb::Create, PODS, two_minds, unlike("ledger-7")),
        controllers("a manager elsewhere", Verb::Create, PODS, other_host, unlike("ledger-7")),
    ]
}

fn of_known_pods() -> Vec<Attack> {
    let changes = |key: &str, pod: &str| {
        format!(
            "[manager-writes/role-change] `stateward.dev/{key}` of pod `{pod}` changes, and a role stays what it is; hint: leave it as it was: only making the pod anew changes it"
        )
    };
    let role = || json!({ "metadata": { "labels": { "stateward.dev/role": "manager" } } });
    let debugged = json!({
        "metadata": role()["metadata"],
        "spec": { "ephemeralContainers": [{ "name": "debug", "image": "debug:1", "targetContainerName": "ledger" }] },
    });
    let unlabelled = json!({ "metadata": { "labels": { "stateward.dev/role": null } } });
    let write = json!({ "metadata": { "annotations": { "stateward.dev/write": "allow" } } });
    let leaves = json!({ "metadata": { "labels": { "stateward.dev/governed": null } } });
    let mut adopted = member("loose-0", "manager", "0", "9");
    adopted["metadata"]["labels"] = json!({ "stateward.dev/role": "manager", "stateward.dev/set": "loose" });
    adopted["metadata"]["annotations"] = json!({ "stateward.dev/write": "allow", "stateward.dev/ordinal": "0" });
    adopted["metadata"]["ownerReferences"] = json!([reference("loose", "9")]);
    let adopted = json!({ "metadata": adopted["metadata"] });
    vec![
        mallory("a role on pods", Verb::Merge, WORKER, role(), changes("role", "ledger-1")),
        mallory("a right to write on pods", Verb::Merge, WORKER, write, changes("write", "ledger-1")),
        mallory("no role on pods", Verb::Merge, WORKER, unlabelled, changes("role", "ledger-1")),
        mallory("not governed on pods", Verb::Merge, WORKER, leaves, changes("governed", "ledger-1")),
        mallory("a role on a stranger", Verb::Merge, LOOSE, role(), changes("role", "loose-0")),
        operators("a role through pods/status", Verb::Merge, WORKER_STATUS, role(), changes("role", "ledger-1")),
        harmless(
            "a role through pods/ephemeralcontainers",
            "/api/v1/namespaces/shop/pods/ledger-1/ephemeralcontainers",
            debugged,
        ),
        harmless("a role through pods/resize", "/api/v1/namespaces/shop/pods/ledger-1/resize", role()),
        controllers("a manager by adoption", Verb::Merge, LOOSE, adopted, changes("role", "loose-0")),
    ]
}

fn of_bindings() -> Vec<Attack> {
    let binding = json!({
        "metadata": { "name": "loose-0", "labels": { "stateward.dev/role": "manager" } }, "target": { "kind": "Node", "name": "node-0" },
    });
    let said =
        "[manager-writes/role-change] a binding of pod `loose-0` carries `stateward.dev/role`, which would be written onto the pod; hint: leave it out".to_owned();
    let path = "/api/v1/namespaces/shop/pods/loose-0/binding";
    vec![
        operators("a role through pods/binding", Verb::Create, path, binding.clone(), said.clone()),
        operators("a role through bindings", Verb::Create, "/api/v1/namespaces/shop/bindings", binding, said),
    ]
}

fn of_sets() -> Vec<Attack> {
    let forged = |set: &str, what: &str| {
        format!(
            "[manager-writes/forged-role] StatefulSet `{set}` carries a protected key: {what}; hint: remove it: keys of members are computed"
        )
    };
    let template = |metadata: Value| json!({ "spec": { "template": { "metadata": metadata } } });
    let governed = template(json!({ "labels": { "stateward.dev/governed": "true" } }));
    let mut selecting = ledger();
    selecting["metadata"]["name"] = "other".into();
    selecting["metadata"]["annotations"]["stateward.dev/manager"] = "other-0".into();
    let mut claiming = selecting.clone();
    selecting["spec"]["selector"]["matchExpressions"] =
        json!([{ "key": "stateward.dev/role", "operator": "DoesNotExist" }]);
    claiming["spec"]["volumeClaimTemplates"] = json!([{
        "metadata": { "name": "data", "labels": { "stateward.dev/role": "manager" } },
        "spec": { "accessModes": ["ReadWriteOncePod"], "resources": { "requests": { "storage": "1Gi" } } },
    }]);
    vec![
        mallory("a role in the template", Verb::Merge, PLAIN, template(json!({ "labels": { "stateward.dev/role": "manager" } })), forged("plain", "template label stateward.dev/role=manager")),
        mallory("a right in the template", Verb::Merge, LEDGER, template(json!({ "annotations": { "stateward.dev/write": "allow" } })), forged("ledger", "template annotation stateward.dev/write=allow")),
        mallory("a key in the selector", Verb::Create, SETS, selecting, forged("other", "selector stateward.dev/role")),
        mallory("a key in claim templates", Verb::Create, SETS, claiming, forged("other", "claim template label stateward.dev/role")),
        mallory("`governed` on a plain set", Verb::Merge, PLAIN, governed, "[manager-writes/forged-role] the template of StatefulSet `plain` carries `stateward.dev/governed`, and only that of a governed set does, with `true`; hint: remove it, or write the annotation `stateward.dev/writes: manager-only`".to_owned()),
    ]
}

fn of_the_contract() -> Vec<Attack> {
    let annotated = |key: &str, value: Value| json!({ "metadata": { "annotations": { key: value } } });
    let named = "[manager-writes/forged-role] `stateward.dev/manager` of StatefulSet `ledger` is `ledger-1`, and the manager is the first pod, `ledger-0`; hint: leave the annotation \
                 out: it is written for you";
    let moved = "[manager-writes/forged-role] `stateward.dev/manager` of StatefulSet `ledger` is `ledger-0`, and the manager is the first pod, `ledger-1`; hint: leave the annotation \
                 out: it is written for you";
    let left = "[manager-writes/contract-change] `stateward.dev/writes` of StatefulSet `ledger` is no longer `manager-only` while the set has members; hint: keep it; to leave the \
                contract, scale the set to 0 and then write `any`";
    let lost = "[manager-writes/role-change] the template of StatefulSet `ledger` loses `stateward.dev/governed` while the set has members; hint: keep it: `kubectl apply` does, and \
                after `kubectl replace` the webhook `stateward` puts it back when a replica of it runs";
    let status = "[manager-writes/role-change] the status of StatefulSet `ledger` brings other keys of the manager contract than the set has; hint: a status says what is: leave labels \
                  and annotations as they are";
    let unlabelled =
        json!({ "spec": { "template": { "metadata": { "labels": { "stateward.dev/governed": null } } } } });
    let relabelled =
        json!({ "spec": { "template": { "metadata": { "labels": { "stateward.dev/governed": "no" } } } } });
    let role = json!({ "metadata": { "labels": { "stateward.dev/role": "manager" } } });
    let start = json!({ "spec": { "ordinals": { "start": 1 } } });
    vec![
        mallory("another manager", Verb::Merge, LEDGER, annotated("stateward.dev/manager", "ledger-1".into()), named.to_owned()),
        mallory("another start", Verb::Merge, LEDGER, start, moved.to_owned()),
        mallory("`writes: any` while it runs", Verb::Merge, LEDGER, annotated("stateward.dev/writes", "any".into()), left.to_owned()),
        mallory("no `writes` while it runs", Verb::Merge, LEDGER, annotated("stateward.dev/writes", Value::Null), left.to_owned()),
        mallory("not governed while it runs", Verb::Merge, LEDGER, unlabelled, lost.to_owned()),
        mallory("another `governed` while it runs", Verb::Merge, LEDGER, relabelled, "[manager-writes/forged-role] the template of StatefulSet `ledger` carries `stateward.dev/governed`, and only that of a governed set does, with `true`; hint: remove it, or write the annotation `stateward.dev/writes: manager-only`".to_owned()),
        operators("`writes` through the status", Verb::Merge, LEDGER_STATUS, annotated("stateward.dev/writes", "any".into()), status.to_owned()),
        operators("another manager through the status", Verb::Merge, LEDGER_STATUS, annotated("stateward.dev/manager", "ledger-1".into()), status.to_owned()),
        operators("a role through the status", Verb::Merge, LEDGER_STATUS, role, status.to_owned()),
    ]
}

/// What whoever administers the namespace may try.
fn mallory(name: &'static str, verb: Verb, path: &str, body: Value, said: String) -> Attack {
    refused(MALLORY, name, verb, path, body, said)
}

/// What the role `admin` does not hold, and that of many an operator does.
fn operators(name: &'static str, verb: Verb, path: &str, body: Value, said: String) -> Attack {
    refused(OPERATOR, name, verb, path, body, said)
}

/// What even the controller's account may not.
fn controllers(name: &'static str, verb: Verb, path: &str, body: Value, said: String) -> Attack {
    refused(CONTROLLER, name, verb, path, body, said)
}

fn refused(by: &'static str, name: &'static str, verb: Verb, path: &str, body: Value, said: String) -> Attack {
    Attack { name, sent: Sent { by, groups: &[], verb, path: path.to_owned(), body }, wanted: Wanted::Refused(said) }
}

fn harmless(name: &'static str, path: &str, body: Value) -> Attack {
    let sent = Sent { by: OPERATOR, groups: &[], verb: Verb::Merge, path: path.to_owned(), body };
    Attack { name, sent, wanted: Wanted::Harmless }
}

fn image(image: &str) -> Value {
    json!({ "spec": { "template": { "spec": { "containers": [{ "name": "ledger", "image": image }] } } } })
}
