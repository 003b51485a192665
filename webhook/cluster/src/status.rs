//! What the cluster is told about each `WasmPolicy`: every replica writes what it runs, the leader sums it up in conditions.
//!
//! Written by server-side apply, each replica as a field manager of its own, so that nobody overwrites anybody, and only what has changed: an idle
//! cluster sees no writes.

mod conditions;
mod exemptions;

use std::collections::HashMap;

use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::runtime::events::{Event, EventType, Recorder};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::audit::Audited;
use crate::client::{is_forbidden, is_not_found};
use crate::crds::status::{ReplicaStatus, WasmPolicyStatus};
use crate::crds::{GROUP, VERSION};
use crate::events::recorder;
use crate::follow::said;
use crate::names;
use crate::wanted::{StoredPolicy, Wanted, resource};

pub use conditions::{READY, REPORTED, summed_up};
pub use exemptions::{ExemptionProblem, ExemptionTeller};

/// Writes the status of policies for one replica.
pub struct StatusWriter {
    client: Client,
    namespace: String,
    /// The pod's name.
    replica: String,
    /// What was last written of ourselves, by the policy's uid.
    written: HashMap<String, ReplicaStatus>,
    recorder: Recorder,
}

impl StatusWriter {
    /// `replica` is the pod's name, `namespace` where our pods are.
    pub fn new(client: Client, namespace: &str, replica: &str) -> Self {
        let recorder = recorder(&client, replica);
        Self { client, namespace: namespace.to_owned(), replica: replica.to_owned(), written: HashMap::new(), recorder }
    }

    /// Tells what this replica runs: one entry for each stored policy, by its name. Answers what could not be written.
    pub async fn tell(&mut self, wanted: &Wanted, entries: &HashMap<String, ReplicaStatus>) -> Vec<String> {
        let mut failed = Vec::new();
        self.written.retain(|uid, _| wanted.policies.iter().any(|policy| policy.uid == *uid));
        for policy in &wanted.policies {
            let Some(entry) = entries.get(&policy.name) else { continue };
            let stored = policy.status.replicas.iter().find(|stored| stored.name == self.replica);
            // Somebody may have changed what we wrote, and after a restart we do not know what we wrote.
            if self.written.get(&policy.uid) == Some(entry) && stored == Some(entry) {
                continue;
            }
            if stored != Some(entry) {
                let manager = format!("{}-{}", names::FIELD_MANAGER, self.replica);
                match self.apply(&policy.name, &manager, json!({ "replicas": [entry] })).await {
                    Ok(()) => {}
                    // Deleted a moment ago.
                    Err(error) if is_not_found(&error) => continue,
                    Err(error) => {
                        failed.push(reason(&error));
                        continue;
                    }
                }
            }
            self.written.insert(policy.uid.clone(), entry.clone());
        }
        failed.sort_unstable();
        failed.dedup();
        failed
    }

    /// The leader's part: conditions from what all replicas say and what the last scan found, an Event where a policy stops being Ready. `alive` are the
    /// names of our pods.
    pub async fn sum_up(
        &mut self,
        wanted: &Wanted,
        alive: Option<&[String]>,
        audited: &Audited,
        now: jiff::Timestamp,
    ) -> Vec<String> {
        let mut failed = Vec::new();
        for policy in &wanted.policies {
            let gone = policy
                .status
                .replicas
                .iter()
                .filter(|replica| alive.is_some_and(|alive| !alive.contains(&replica.name)));
            for replica in gone {
                let manager = format!("{}-{}", names::FIELD_MANAGER, replica.name);
                if let Err(error) = self.apply(&policy.name, &manager, json!({})).await
                    && !is_not_found(&error)
                {
                    failed.push(reason(&error));
                }
            }
            let next = summed_up(policy, alive, audited, now);
            if is_same(&policy.status, &next) {
                continue;
            }
            match self.apply(&policy.name, names::FIELD_MANAGER, leaders_part(&next)).await {
                Ok(()) => self.event(policy, &next).await,
                Err(error) if is_not_found(&error) => {}
                Err(error) => failed.push(reason(&error)),
            }
        }
        failed.sort_unstable();
        failed.dedup();
        failed
    }

    /// The names of all replicas that are there, this one included; `None` where pods cannot be listed.
    pub async fn alive(&self) -> Option<Vec<String>> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let ours = kube::api::ListParams::default().labels(&format!("app.kubernetes.io/name={}", names::APP));
        let pods = pods.list(&ours).await.ok()?;
        // One on a lost node is ending for as long as the node is lost, and an evicted one stays as a record.
        let is_there = |pod: &Pod| {
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            pod.metadata.deletion_timestamp.is_none() && !matches!(phase, Some("Failed" | "Succeeded"))
        };
        let names = pods.items.into_iter().filter(is_there).filter_map(|pod| pod.metadata.name);
        let mut names: Vec<String> = names.collect();
        // Outside the cluster there is no pod of this name.
        names.push(self.replica.clone());
        Some(names)
    }

    async fn apply(&self, name: &str, manager: &str, status: Value) -> Result<(), kube::Error> {
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource("WasmPolicy", "wasmpolicies"));
        let object = json!({
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "kind": "WasmPolicy",
            "metadata": { "name": name },
            "status": status,
        });
        api.patch_status(name, &PatchParams::apply(manager).force(), &Patch::Apply(object)).await.map(|_| ())
    }

    async fn event(&self, policy: &StoredPolicy, next: &WasmPolicyStatus) {
        let ready = |status: &WasmPolicyStatus| {
            status.conditions.iter().find(|condition| condition.kind == READY).cloned().unwrap_or_default()
        };
        let (before, after) = (ready(&policy.status), ready(next));
        if (before.status.as_str(), &before.message) == (after.status.as_str(), &after.message)
            || after.status != "False"
        {
            return;
        }
        let event = Event {
            type_: EventType::Warning,
            reason: after.reason,
            note: Some(after.message.chars().take(EVENT_NOTE).collect()),
            action: "Load".to_owned(),
            secondary: None,
        };
        let of = ObjectReference {
            api_version: Some(format!("{GROUP}/{VERSION}")),
            kind: Some("WasmPolicy".to_owned()),
            name: Some(policy.name.clone()),
            uid: Some(policy.uid.clone()),
            ..ObjectReference::default()
        };
        if let Err(error) = self.recorder.publish(&event, &of).await {
            tracing::warn!(error = said(&error), policy = policy.name, "event not written");
        }
    }
}

fn leaders_part(status: &WasmPolicyStatus) -> Value {
    let part = WasmPolicyStatus { replicas: Vec::new(), ..status.clone() };
    serde_json::to_value(part).unwrap_or_default()
}

fn is_same(stored: &WasmPolicyStatus, next: &WasmPolicyStatus) -> bool {
    leaders_part(stored) == leaders_part(next)
}

fn reason(error: &kube::Error) -> String {
    if is_forbidden(error) {
        return "this account may not patch `wasmpolicies/status.stateward.dev`".to_owned();
    }
    format!("the status of a policy could not be written: {}", said(error))
}

/// The API server takes 1,024 bytes.
const EVENT_NOTE: usize = 250;
