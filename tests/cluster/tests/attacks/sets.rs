//! Sets that would have another manager, several, or none that knows of it.

use serde_json::{Value, json};
use stateward_cluster_tests::attacks::Verb;
use stateward_cluster_tests::attacks::ledger::{LEDGER, LEDGER_STATUS, SETS, ledger};
use stateward_cluster_tests::shop::but;

use crate::attempt::{Attempt, Facts, harmless, refused, works};

pub(crate) fn all(facts: &Facts) -> Vec<Attempt> {
    made().into_iter().chain(changed(facts)).chain(behind(facts)).collect()
}

fn made() -> Vec<Attempt> {
    let other = |change: &Value| {
        but(
            ledger(),
            &but(json!({ "metadata": { "name": "other", "annotations": { "stateward.dev/manager": null } } }), change),
        )
    };
    let unnamed = but(
        other(&json!({ "spec": { "serviceName": "other" } })),
        &json!({ "metadata": { "name": null, "generateName": "other-" } }),
    );
    let parallel = other(&json!({ "spec": { "podManagementPolicy": "Parallel" } }));
    let forged = other(&json!({ "metadata": { "annotations": { "stateward.dev/manager": "other-1" } } }));
    vec![
        refused("a governed set without a name", Verb::Create, SETS, unnamed),
        refused("a governed set that starts all at once", Verb::Create, SETS, parallel),
        harmless("a new set's own word for its manager", Verb::Create, format!("{SETS}?dryRun=All"), forged),
        refused(
            "a set with the labels of another one",
            Verb::Create,
            SETS,
            other(&json!({ "spec": { "serviceName": "other" } })),
        ),
    ]
}

fn changed(facts: &Facts) -> Vec<Attempt> {
    let template = |spec: Value| json!({ "spec": { "template": { "spec": spec } } });
    let claimed = template(json!({
        "containers": [{ "name": "ledger", "image": "ledger:1", "volumeMounts": [{ "name": "all", "mountPath": "/all" }] }],
        "volumes": [{ "name": "all", "persistentVolumeClaim": { "claimName": "data-ledger-0" } }],
    }));
    let moved = json!({ "metadata": { "annotations": { "stateward.dev/manager": "ledger-1" } }, "spec": { "ordinals": { "start": 1 } } });
    let mut owners = facts.set.clone();
    owners["metadata"] = json!({ "name": "ledger", "namespace": "shop", "annotations": { "stateward.dev/sync": "engine:streaming", "stateward.dev/backup": "none" } });
    owners["spec"]["template"]["metadata"]["labels"] = json!({ "app": "ledger" });
    let scale = format!("{LEDGER}/scale");
    let zero = || json!({ "spec": { "replicas": 0 } });
    let orphaning = json!({ "apiVersion": "meta.k8s.io/v1", "kind": "DeleteOptions", "propagationPolicy": "Orphan" });
    let dangling = json!({ "metadata": { "ownerReferences": [{ "apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "00000000-0000-0000-0000-000000000000" }] } });
    vec![
        harmless("a PUT of a set without keys", Verb::Put, LEDGER, owners),
        refused("another start and another manager", Verb::Merge, LEDGER, moved),
        refused(
            "another selector",
            Verb::Merge,
            LEDGER,
            json!({ "spec": { "selector": { "matchLabels": { "app": "other" } } } }),
        ),
        refused("other claim templates", Verb::Merge, LEDGER, json!({ "spec": { "volumeClaimTemplates": null } })),
        refused(
            "all at once from now on",
            Verb::Merge,
            LEDGER,
            json!({ "spec": { "podManagementPolicy": "Parallel" } }),
        ),
        refused("the manager's claim in every member", Verb::Strategic, LEDGER, claimed),
        refused(
            "a claim that goes with its member",
            Verb::Merge,
            LEDGER,
            json!({ "spec": { "persistentVolumeClaimRetentionPolicy": { "whenScaled": "Delete", "whenDeleted": "Retain" } } }),
        ),
        works("no replicas through the scale", Verb::Merge, scale, zero()),
        works("no replicas", Verb::Merge, LEDGER, zero()),
        works("the set deleted", Verb::Delete, LEDGER, Value::Null),
        works("the set deleted and its members left", Verb::Delete, LEDGER, orphaning),
        works("an owner of the set that is not there", Verb::Merge, LEDGER, dangling.clone()),
        refused("an owner that is not there through the status", Verb::Merge, LEDGER_STATUS, dangling).by_operator(),
        works(
            "a program of their own",
            Verb::Strategic,
            LEDGER,
            template(json!({ "containers": [{ "name": "ledger", "image": "evil:1" }] })),
        ),
    ]
}

/// What the controller makes members from when it does not take the set's own template.
fn behind(facts: &Facts) -> Vec<Attempt> {
    let name = facts.revision["metadata"]["name"].as_str().unwrap_or_default();
    let role = json!({ "data": { "spec": { "template": { "metadata": { "labels": { "stateward.dev/role": "manager" } } } } } });
    let mut another = but(facts.revision.clone(), &role);
    another["metadata"] = json!({ "name": "ledger-forged", "labels": { "app": "ledger" }, "ownerReferences": facts.revision["metadata"]["ownerReferences"] });
    vec![
        refused("another template in a revision", Verb::Merge, format!("{REVISIONS}/{name}"), role).by_operator(),
        works("a revision of their own", Verb::Create, REVISIONS, another).by_operator(),
    ]
}

const REVISIONS: &str = "/apis/apps/v1/namespaces/shop/controllerrevisions";
