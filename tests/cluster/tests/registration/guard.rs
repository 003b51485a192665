//! The native guard's binding: there while the webhooks stamp and refuse, and at no other time.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;
use stateward_cluster::guard;
use stateward_cluster::registration::{Paused, RegistrationState, Which, resume};
use stateward_cluster_tests::eventually;
use stateward_core::policy_set::PolicySet;
use stateward_core::resources::Mode;
use tokio::sync::watch;

use crate::{Cluster, Leader, NAMESPACE, PATIENCE, shipped, shipped_but};

/// Its object, and that it judges.
pub(crate) async fn stored(
    cluster: &Cluster,
) -> Result<(Option<ValidatingAdmissionPolicy>, Option<ValidatingAdmissionPolicyBinding>)> {
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(cluster.admin.clone());
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(cluster.admin.clone());
    Ok((policies.get_opt("stateward").await?, bindings.get_opt("stateward").await?))
}

/// Whether somebody is bound to be judged.
pub(crate) async fn is_bound(cluster: &Cluster) -> Result<bool> {
    Ok(stored(cluster).await?.1.is_some())
}

/// As derived, and the API server neither defaults nor drops anything of it.
pub(crate) async fn is_kept(cluster: &Cluster, leader: &Leader) -> Result<()> {
    leader.until("the guard judges", |state| state.guarded).await?;
    let (policy, binding) = stored(cluster).await?;
    let (policy, binding) = (policy.context("no policy")?, binding.context("no binding")?);
    let owner = policy.metadata.owner_references.iter().flatten().next().context("nobody's")?;
    let derived = guard::guard(&shipped()?, NAMESPACE, Some(&owner.uid)).context("nobody enforces")?;
    ensure!(policy.spec == derived.policy.spec && binding.spec == derived.binding.spec, "{policy:#?} {binding:#?}");
    ensure!(policy.metadata.owner_references == derived.policy.metadata.owner_references);
    ensure!(binding.metadata.owner_references == derived.binding.metadata.owner_references);

    let policies: Api<ValidatingAdmissionPolicy> = Api::all(cluster.admin.clone());
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(cluster.admin.clone());
    let conditions = json!([{ "name": "never", "expression": "false" }]);
    let (parameters, edit) =
        (PatchParams::default(), json!({ "spec": { "matchConditions": conditions, "failurePolicy": "Ignore" } }));
    policies.patch("stateward", &parameters, &Patch::Merge(edit)).await?;
    bindings
        .patch("stateward", &parameters, &Patch::Merge(json!({ "spec": { "validationActions": ["Audit"] } })))
        .await?;
    eventually("edits are undone", PATIENCE, async || {
        let (policy, binding) = stored(cluster).await?;
        let is_so = policy.and_then(|policy| policy.spec) == derived.policy.spec
            && binding.and_then(|binding| binding.spec) == derived.binding.spec;
        Ok(is_so.then_some(()))
    })
    .await?;
    // Each edit is one generation and its end another: nothing else was written.
    let (policy, binding) = stored(cluster).await?;
    ensure!(policy.and_then(|policy| policy.metadata.generation) == Some(3));
    ensure!(binding.and_then(|binding| binding.metadata.generation) == Some(3));
    policies.delete("stateward", &DeleteParams::default()).await?;
    eventually("the policy is made again", PATIENCE, async || Ok(stored(cluster).await?.0.map(drop))).await
}

/// The break-glass for the guard alone. Answers when it is over.
pub(crate) async fn a_deleted_binding_stays_away(cluster: &Cluster, leader: &Leader) -> Result<()> {
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(cluster.admin.clone());
    bindings.delete("stateward", &DeleteParams::default()).await?;
    let is_broken = |state: &RegistrationState| {
        let guard = BTreeSet::from([Which::Guard]);
        matches!(&state.paused, Some(Paused::Deleted { which, .. }) if *which == guard)
            && state.registered
            && !state.guarded
    };
    leader.until("the deletion is seen", is_broken).await?;
    ensure!(!is_bound(cluster).await?);
    ensure!(resume(&cluster.admin, NAMESPACE).await?.is_some());
    leader.until("it is back", |state| state.guarded && state.paused.is_none()).await
}

/// Who does not refuse needs no guard.
pub(crate) async fn it_goes_where_nobody_enforces(
    cluster: &Cluster,
    leader: &Leader,
    policies: &watch::Sender<Option<Arc<PolicySet>>>,
) -> Result<()> {
    let warns = shipped_but(|policy| {
        if policy.metadata.name == "manager-writes" {
            policy.spec.mode = Mode::Warn;
        }
    })?;
    policies.send_replace(Some(Arc::new(warns)));
    leader.until("the guard is off", |state| state.registered && !state.guarded).await?;
    ensure!(!is_bound(cluster).await?);
    policies.send_replace(Some(Arc::new(shipped()?)));
    leader.until("the guard is on", |state| state.guarded && state.paused.is_none()).await
}
