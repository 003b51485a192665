//! The registration against a real API server, with no more rights than its table says: what is accepted, when it begins to refuse, what is restored,
//! what stays away, and what an uninstall leaves behind.

mod guard;
mod rights;
mod server;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhook, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::api::rbac::v1::{ClusterRole, RoleBinding};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use rights::RIGHTS;
use serde_json::json;
use server::Webhook;
use stateward_cluster::registration::{
    Inputs, Paused, Registrar, RegistrationState, Which, keep, pause, resume, state,
};
use stateward_cluster::webhooks::{Entry, Reach};
use stateward_cluster_tests::{ControlPlane, eventually};
use stateward_core::policy::Policy;
use stateward_core::policy_set::PolicySet;
use stateward_core::resources::WasmPolicy;
use stateward_rules_tests::default_policies;
use tokio::sync::watch;
use tokio::task::JoinHandle;

#[tokio::test(flavor = "multi_thread")]
async fn registers_proves_restores_pauses_and_leaves() -> Result<()> {
    let Some(plane) = ControlPlane::start("registration").await? else { return Ok(()) };
    plane.apply(RIGHTS).await?;
    let webhook = Webhook::start().await?;
    let cluster = Cluster { admin: plane.client()?, us: plane.client_as(ACCOUNT, &["system:serviceaccounts"])? };

    // Nothing is registered before there is something to say, and nothing refuses before it works.
    let (policies, member_seen) = (watch::Sender::new(None), watch::Sender::new(false));
    let inputs = Inputs {
        policies: policies.subscribe(),
        ca_bundle: watch::Sender::new(Some(webhook.authority.clone())).subscribe(),
        member_seen: member_seen.subscribe(),
    };
    let leader = cluster.lead("a", &webhook, &inputs);
    leader
        .until("policies are awaited", |state| state.awaiting.iter().any(|text| text.starts_with("policies")))
        .await?;
    ensure!(cluster.validating().await?.is_none());
    policies.send_replace(Some(Arc::new(shipped()?)));
    leader.until("both are registered", |state| state.registered && state.awaiting.len() == 2).await?;
    ensure!(cluster.failing().await?.is_empty(), "nothing refuses yet");
    eventually("the probe asks", PATIENCE, async || {
        Ok((webhook.calls("/validate/fail") > 1 && webhook.calls("/validate/closed") > 1).then_some(()))
    })
    .await?;
    ensure!(cluster.failing().await?.is_empty(), "a probe that passes proves nothing");
    webhook.refuses_the_probe.store(true, Ordering::Relaxed);
    leader.until("the probe was refused", |state| state.failing == [Entry::ValidateFail].into()).await?;
    ensure!(!guard::is_bound(&cluster).await?, "guarded before all refuse");
    member_seen.send_replace(true);
    leader.until("both refuse", |state| state.failing.len() == 2 && state.awaiting.is_empty()).await?;
    ensure!(cluster.failing().await? == ["validate-closed.stateward.dev", "validate-fail.stateward.dev"]);

    guard::is_kept(&cluster, &leader).await?;
    guard::it_goes_where_nobody_enforces(&cluster, &leader, &policies).await?;
    guard::a_deleted_binding_stays_away(&cluster, &leader).await?;

    // What the rules want is asked, nothing else.
    let asked = webhook.calls("/validate/fail");
    cluster.make_config_map().await?;
    ensure!(webhook.calls("/validate/fail") == asked, "asked about a ConfigMap");
    cluster.dry_run_set().await?;
    ensure!(webhook.calls("/validate/fail") > asked, "not asked about a StatefulSet");

    // Edits are restored, what others add beside them stays.
    cluster.edit_validating().await?;
    eventually("the edit is undone", PATIENCE, async || {
        let stored = cluster.validating().await?.context("it is gone")?;
        let annotations = stored.metadata.annotations.clone().unwrap_or_default();
        ensure!(annotations.get("example.com/note").is_some_and(|note| note == "kept"), "{annotations:?}");
        let entries = stored.webhooks.unwrap_or_default();
        Ok((entries.iter().all(is_whole) && entries.len() == 3).then_some(()))
    })
    .await?;

    // Deletion is the break-glass, for the next leader too; `resume` ends it.
    cluster.delete_validating().await?;
    let is_broken = |state: &RegistrationState| {
        let validating = BTreeSet::from([Which::Validating]);
        matches!(&state.paused, Some(Paused::Deleted { which, .. }) if *which == validating) && !state.registered
    };
    leader.until("the deletion is seen", is_broken).await?;
    eventually("the guard goes with it", PATIENCE, async || Ok((!guard::is_bound(&cluster).await?).then_some(())))
        .await?;
    drop(leader);
    member_seen.send_replace(false);
    let leader = cluster.lead("a", &webhook, &inputs);
    leader.until("the next leader leaves it away", is_broken).await?;
    ensure!(cluster.validating().await?.is_none());
    webhook.refuses_the_probe.store(false, Ordering::Relaxed);
    ensure!(resume(&cluster.admin, NAMESPACE).await?.is_some());
    leader.until("it is back", |state| state.registered && state.paused.is_none()).await?;
    ensure!(cluster.failing().await?.is_empty(), "what is made anew proves itself anew");
    webhook.refuses_the_probe.store(true, Ordering::Relaxed);
    leader.until("it refuses again", |state| state.failing == [Entry::ValidateFail].into()).await?;

    // Once flipped, flipped: a later leader has proved nothing and keeps it.
    webhook.refuses_the_probe.store(false, Ordering::Relaxed);
    drop(leader);
    let leader = cluster.lead("a", &webhook, &inputs);
    leader
        .until("a later leader knows", |state| state.registered && state.failing == [Entry::ValidateFail].into())
        .await?;

    member_seen.send_replace(true);
    leader.until("the guard is back", |state| state.guarded).await?;

    // A pause takes both away, survives a restart, and ends as it said.
    pause(&cluster.admin, NAMESPACE, None, jiff::Timestamp::now()).await?;
    ensure!(cluster.validating().await?.is_none() && cluster.mutating().await?.is_none());
    ensure!(!guard::is_bound(&cluster).await?, "guarded while nobody stamps");
    leader.until("the leader knows", |state| state.paused == Some(Paused::UntilResumed)).await?;
    drop(leader);
    let leader = cluster.lead("b", &webhook, &inputs);
    leader.until("a restart does not end it", |state| state.paused == Some(Paused::UntilResumed)).await?;
    pause(&cluster.admin, NAMESPACE, Some(Duration::from_secs(2)), jiff::Timestamp::now()).await?;
    leader.until("it ends by itself", |state| state.registered && state.paused.is_none()).await?;
    ensure!(state(&cluster.admin, NAMESPACE).await?.mutating.is_some());

    // What was deleted while nobody was there comes back with a restart.
    drop(leader);
    cluster.delete_validating().await?;
    let leader = cluster.lead("c", &webhook, &inputs);
    leader.until("a restart makes it again", |state| state.registered && state.paused.is_none()).await?;

    // A missing right has a name.
    let bindings: Api<RoleBinding> = Api::namespaced(cluster.admin.clone(), NAMESPACE);
    bindings.delete("stateward", &DeleteParams::default()).await?;
    drop(leader);
    let leader = cluster.lead("c", &webhook, &inputs);
    let named = "missing right: `get` on configmaps `stateward-state` in namespace `stateward-system`\nhint: ";
    leader.until("the right is named", |state| state.problems.iter().any(|text| text.starts_with(named))).await?;
    plane.apply(RIGHTS).await?;
    leader.until("it goes on", |state| state.registered && state.problems.is_empty()).await?;

    webhook.refuses_the_probe.store(true, Ordering::Relaxed);
    leader.until("the guard is there to be taken along", |state| state.guarded).await?;

    // The namespace takes all along, though a leader is still there.
    let namespaces: Api<Namespace> = Api::all(cluster.admin.clone());
    namespaces.delete(NAMESPACE, &DeleteParams::default()).await?;
    let roles: Api<ClusterRole> = Api::all(cluster.admin.clone());
    eventually("nothing is left", PATIENCE, async || {
        let is_left = roles.get_opt("stateward").await?.is_some()
            || cluster.validating().await?.is_some()
            || cluster.mutating().await?.is_some()
            || guard::stored(&cluster).await? != (None, None);
        Ok((!is_left).then_some(()))
    })
    .await?;
    drop(leader);
    plane.passed();
    Ok(())
}

/// Two sides of one API server.
struct Cluster {
    admin: Client,
    /// With the rights of our own account.
    us: Client,
}

impl Cluster {
    fn lead(&self, run: &str, webhook: &Webhook, inputs: &Inputs) -> Leader {
        let registrar = Registrar {
            client: self.us.clone(),
            namespace: NAMESPACE.to_owned(),
            reach: Reach::Url(webhook.url.clone()),
            probe_namespace: "default".to_owned(),
            run: run.to_owned(),
            foreign_ca: false,
        };
        let (sender, state) = watch::channel(RegistrationState::default());
        let inputs = inputs.clone();
        Leader { task: tokio::spawn(async move { keep(&registrar, inputs, &sender).await }), state }
    }

    async fn validating(&self) -> Result<Option<ValidatingWebhookConfiguration>> {
        Ok(Api::all(self.admin.clone()).get_opt("stateward").await?)
    }

    async fn mutating(&self) -> Result<Option<MutatingWebhookConfiguration>> {
        Ok(Api::all(self.admin.clone()).get_opt("stateward").await?)
    }

    /// Names of the entries of which a failure refuses.
    async fn failing(&self) -> Result<Vec<String>> {
        let entries = self.validating().await?.and_then(|stored| stored.webhooks).unwrap_or_default();
        Ok(entries
            .into_iter()
            .filter(|entry| entry.failure_policy.as_deref() == Some("Fail"))
            .map(|e| e.name)
            .collect())
    }

    async fn make_config_map(&self) -> Result<()> {
        let map: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "any"}}))?;
        Api::default_namespaced(self.admin.clone()).create(&PostParams::default(), &map).await?;
        Ok(())
    }

    async fn dry_run_set(&self) -> Result<()> {
        let set: StatefulSet = serde_json::from_value(json!({
            "metadata": {"name": "db"},
            "spec": {
                "serviceName": "db",
                "selector": {"matchLabels": {"app": "db"}},
                "template": {
                    "metadata": {"labels": {"app": "db"}},
                    "spec": {"containers": [{"name": "db", "image": "db:1"}]},
                },
            },
        }))?;
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        Api::default_namespaced(self.admin.clone()).create(&dry, &set).await?;
        Ok(())
    }

    /// As somebody would who wants to be left alone.
    async fn edit_validating(&self) -> Result<()> {
        let mut stored = self.validating().await?.context("not registered")?;
        let mut entries: Vec<serde_json::Value> = serde_json::from_value(serde_json::to_value(&stored.webhooks)?)?;
        entries[0]["failurePolicy"] = json!("Ignore");
        entries[0]["matchConditions"] = json!([{"name": "never", "expression": "false"}]);
        entries[1]["rules"] = json!([]);
        stored.webhooks = Some(serde_json::from_value(json!(entries))?);
        stored.metadata.annotations = Some([("example.com/note".to_owned(), "kept".to_owned())].into());
        stored.metadata.managed_fields = None;
        stored.metadata.resource_version = None;
        let all: Api<ValidatingWebhookConfiguration> = Api::all(self.admin.clone());
        all.patch("stateward", &PatchParams::default(), &Patch::Merge(serde_json::to_value(&stored)?)).await?;
        Ok(())
    }

    async fn delete_validating(&self) -> Result<()> {
        let all: Api<ValidatingWebhookConfiguration> = Api::all(self.admin.clone());
        all.delete("stateward", &DeleteParams::default()).await?;
        Ok(())
    }
}

fn is_whole(entry: &ValidatingWebhook) -> bool {
    let policy = if entry.name == "validate-ignore.stateward.dev" { "Ignore" } else { "Fail" };
    entry.failure_policy.as_deref() == Some(policy)
        && entry.rules.as_ref().is_some_and(|rules| !rules.is_empty())
        && entry.match_conditions.iter().flatten().all(|condition| condition.name != "never")
}

/// Leads until it is dropped.
struct Leader {
    task: JoinHandle<()>,
    state: watch::Receiver<RegistrationState>,
}

impl Leader {
    async fn until(&self, what: &str, is_so: impl Fn(&RegistrationState) -> bool) -> Result<()> {
        let mut state = self.state.clone();
        let waited = tokio::time::timeout(PATIENCE, state.wait_for(|state| is_so(state))).await;
        let came = waited.map(|result| result.is_ok()).unwrap_or(false);
        ensure!(came, "waited in vain until {what}: {:#?}", *self.state.borrow());
        Ok(())
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn shipped() -> Result<PolicySet> {
    shipped_but(|_| {})
}

fn shipped_but(change: impl Fn(&mut WasmPolicy)) -> Result<PolicySet> {
    let component = stateward_native::component();
    let mut policies = default_policies();
    policies.iter_mut().for_each(change);
    let policies = policies.iter().map(|policy| Policy::new(policy, component.clone())).collect::<Result<_, _>>();
    let policies = policies.map_err(|errors| anyhow::anyhow!("{errors:?}"))?;
    PolicySet::new(policies, vec![]).map_err(|errors| anyhow::anyhow!("{errors:?}"))
}

const NAMESPACE: &str = "stateward-system";
const ACCOUNT: &str = "system:serviceaccount:stateward-system:stateward";

/// Two cores run five servers and a build.
const PATIENCE: Duration = Duration::from_secs(60);
