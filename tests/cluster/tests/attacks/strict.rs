//! A namespace that asks for `strict`, and the ways of several steps around what is refused there and only warned about elsewhere.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures::FutureExt as _;
use serde_json::{Value, json};
use stateward_cluster_tests::attacks::ledger::{MALLORY, MANAGER, PODS, WORKER, pod};
use stateward_cluster_tests::attacks::{Sent, Verb};
use stateward_cluster_tests::eventually;
use stateward_cluster_tests::installed::Installed;
use stateward_cluster_tests::shop::but;

use crate::get;
use crate::stories::{Story, event, granted, refused};

/// Each leaves the set with a manager and a worker.
pub(crate) const ALL: &[Story] = &[
    ("members in disguise, deleted by force", |on| members_in_disguise(on).boxed_local()),
    ("a claim by an ephemeral volume", |on| a_claim_by_an_ephemeral_volume(on).boxed_local()),
    ("the write Service by labels that anybody may write", |on| the_write_service_by_other_labels(on).boxed_local()),
];

/// Until all replicas know it.
pub(crate) async fn raise(on: &Installed) -> Result<()> {
    on.granted(&["label", "namespace/shop", "stateward.dev/profile=strict"]).await?;
    eventually("the label is seen", PATIENCE, async || Ok((deletions_granted(on).await? == 0).then_some(()))).await
}

/// As an administrator may who is not a person.
pub(crate) async fn lower(on: &Installed) -> Result<()> {
    let lower = Sent {
        by: "system:serviceaccount:kube-system:janitor",
        groups: &["system:serviceaccounts:kube-system", "system:masters"],
        verb: Verb::Merge,
        path: "/api/v1/namespaces/shop".to_owned(),
        body: json!({ "metadata": { "labels": { "stateward.dev/profile": null } } }),
    };
    let lowered = on.plane.send(&lower, false).await?;
    ensure!(lowered.is_granted(), "{}", lowered.message);
    eventually("the label is forgotten", PATIENCE, async || Ok((deletions_granted(on).await? == TRIES).then_some(())))
        .await
}

/// Of the manager, which nobody may delete under `strict`; more often than there are replicas.
async fn deletions_granted(on: &Installed) -> Result<usize> {
    let deletion = Sent { by: MALLORY, groups: &[], verb: Verb::Delete, path: MANAGER.to_owned(), body: Value::Null };
    let mut granted = 0;
    for _ in 0..TRIES {
        granted += usize::from(on.plane.send(&deletion, true).await?.is_granted());
    }
    Ok(granted)
}

/// Labels and references of a pod are its administrator's; its role and its set's name are not.
async fn members_in_disguise(on: &Installed) -> Result<()> {
    raise(on).await?;
    let by_force = json!({ "apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0 });
    for (path, set_by_reference) in [(MANAGER, true), (MANAGER, false), (WORKER, true), (WORKER, false)] {
        let before = get(on, path).await?;
        if set_by_reference {
            // The controller goes by the uid alone: it remains the set's member.
            let mut disguised = before["metadata"]["ownerReferences"].clone();
            disguised[0]["kind"] = "Ledger".into();
            granted(on, MALLORY, Verb::Merge, path, json!({ "metadata": { "ownerReferences": disguised } })).await?;
        } else {
            granted(on, MALLORY, Verb::Merge, path, json!({ "metadata": { "labels": { "app": "other" } } })).await?;
            eventually("the controller lets it go", PATIENCE, async || {
                Ok(get(on, path).await?["metadata"]["ownerReferences"].is_null().then_some(()))
            })
            .await?;
        }
        let said = refused(on, MALLORY, Verb::Delete, path, by_force.clone()).await?;
        ensure!(said.contains("[ordered-identity/force-delete]"), "{said}");
        if path == MANAGER {
            ensure!(said.contains("[manager-writes/manager-delete]"), "{said}");
            let said = refused(on, MALLORY, Verb::Delete, path, Value::Null).await?;
            ensure!(said.contains("[manager-writes/manager-delete]"), "{said}");
        }
        let back = json!({ "metadata": {
            "labels": { "app": "ledger" },
            "ownerReferences": if set_by_reference { before["metadata"]["ownerReferences"].clone() } else { Value::Null },
        } });
        granted(on, MALLORY, Verb::Merge, path, back).await?;
        eventually("it is the set's again", PATIENCE, async || {
            let now = get(on, path).await?;
            ensure!(now["metadata"]["uid"] == before["metadata"]["uid"], "it was made anew");
            Ok((now["metadata"]["ownerReferences"] == before["metadata"]["ownerReferences"]).then_some(()))
        })
        .await?;
    }
    lower(on).await
}

/// Its claim has the name of a member's: `<pod>-<volume>`. The controller that makes it is refused, and the pod waits.
async fn a_claim_by_an_ephemeral_volume(on: &Installed) -> Result<()> {
    raise(on).await?;
    let template = json!({ "spec": {
        "accessModes": ["ReadWriteOnce"], "storageClassName": "remote", "resources": { "requests": { "storage": "1Gi" } },
    } });
    let volume = json!({ "spec": { "volumes": [{ "name": "2", "ephemeral": { "volumeClaimTemplate": template } }] } });
    granted(on, MALLORY, Verb::Create, PODS, but(pod("data-ledger", &json!({})), &volume)).await?;
    event(on, "data-ledger-2", "[remote-volumes/squatted-claim]").await?;
    let claims = on.plane.kubectl(&["get", "pvc", "-n", "shop", "-o", "name"]).await?;
    let claims = String::from_utf8(claims.stdout)?;
    ensure!(claims.contains("data-ledger-1\n") && !claims.contains("data-ledger-2\n"), "{claims}");
    granted(on, MALLORY, Verb::Delete, &format!("{PODS}/data-ledger"), Value::Null).await?;
    lower(on).await
}

/// A label that a pod of hers may have as well; and one that the manager has not yet, so that nobody is behind the Service.
async fn the_write_service_by_other_labels(on: &Installed) -> Result<()> {
    raise(on).await?;
    let path = "/api/v1/namespaces/shop/services/ledger-write";
    let by_pod = json!({
        "stateward.dev/role": null, "stateward.dev/set": null, "statefulset.kubernetes.io/pod-name": "ledger-0",
    });
    for selector in [by_pod, json!({ "app": "ledger" })] {
        let change = json!({ "spec": { "selector": selector } });
        let said = refused(on, MALLORY, Verb::Merge, path, change).await?;
        ensure!(said.contains("[manager-writes/write-service-changed]"), "{said}");
    }
    lower(on).await
}

/// Requests after which each of three replicas was asked.
const TRIES: usize = 6;

const PATIENCE: Duration = Duration::from_secs(60);
