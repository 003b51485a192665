//! Where the guard is tried: a governed set with a manager and a worker, as the webhook leaves them, a plain set, and somebody who may do all there.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hyper::http::Request;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use stateward_cluster::guard::guard;
use stateward_cluster_tests::attacks::ledger::{LOOSE, MALLORY, RIGHTS, keys, ledger};
use stateward_cluster_tests::attacks::{Answer, Sent, Verb};
use stateward_cluster_tests::{ControlPlane, eventually};
use stateward_core::policy::Policy;
use stateward_core::policy_set::PolicySet;
use stateward_core::resources::WasmPolicy;
use stateward_rules_tests::default_policies;

/// A plane with the shop in it.
pub(crate) struct Shop<'p> {
    pub(crate) plane: &'p ControlPlane,
}

impl<'p> Shop<'p> {
    /// Without the guard. The webhook's part is played by the administrator.
    pub(crate) async fn open(plane: &'p ControlPlane) -> Result<Self> {
        let shop = Self { plane };
        plane.apply(RIGHTS).await?;
        plane.apply(&ledger().to_string()).await?;
        plane.apply(LOOSE).await?;
        shop.kubectl(&["rollout", "status", "statefulset/ledger", "-n", "shop", "--timeout=60s"]).await?;
        let pods: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(plane.client()?, "shop");
        for (name, role, write, ordinal) in [("ledger-0", "manager", "allow", "0"), ("ledger-1", "worker", "deny", "1")]
        {
            let patch = json!({ "metadata": keys(role, write, ordinal) });
            pods.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await?;
        }
        Ok(shop)
    }

    /// Puts the guard there, and waits until it judges.
    pub(crate) async fn guard(&self) -> Result<()> {
        self.put(&default_policies()).await?;
        self.judges(true).await
    }

    /// Puts the guard there that these policies ask for.
    pub(crate) async fn put(&self, policies: &[WasmPolicy]) -> Result<()> {
        let component = stateward_native::component();
        let policies = policies.iter().map(|policy| Policy::new(policy, component.clone())).collect::<Result<_, _>>();
        let policies = policies.map_err(|errors| anyhow::anyhow!("{errors:?}"))?;
        let set = PolicySet::new(policies, vec![]).map_err(|errors| anyhow::anyhow!("{errors:?}"))?;
        let guard = guard(&set, "stateward-system", None).context("nobody enforces the contract")?;
        for (kind, object) in [
            ("ValidatingAdmissionPolicy", serde_json::to_value(&guard.policy)?),
            ("ValidatingAdmissionPolicyBinding", serde_json::to_value(&guard.binding)?),
        ] {
            let mut object = object;
            object["apiVersion"] = "admissionregistration.k8s.io/v1".into();
            object["kind"] = kind.into();
            self.plane.apply(&object.to_string()).await?;
        }
        Ok(())
    }

    /// Waits until the guard judges in the shop, or until it does not.
    pub(crate) async fn judges(&self, judges: bool) -> Result<()> {
        eventually(&format!("the guard judges: {judges}"), Duration::from_secs(30), async || {
            let forged = json!({ "metadata": { "labels": { "stateward.dev/role": "manager" } } });
            let sent = Sent {
                by: MALLORY,
                groups: &[],
                verb: Verb::Merge,
                path: "/api/v1/namespaces/shop/pods/loose-0".to_owned(),
                body: forged,
            };
            let answer = self.send(&sent).await?;
            ensure!(answer.is_granted() || answer.code == 403, "{answer:?}");
            Ok((answer.is_granted() != judges).then_some(()))
        })
        .await
    }

    /// Sends it as a dry run.
    pub(crate) async fn send(&self, sent: &Sent) -> Result<Answer> {
        self.plane.send(sent, true).await
    }

    /// The uid of the governed set.
    pub(crate) async fn uid(&self) -> Result<String> {
        let set = self.get("/apis/apps/v1/namespaces/shop/statefulsets/ledger").await?;
        Ok(set["metadata"]["uid"].as_str().context("no uid")?.to_owned())
    }

    /// What is stored.
    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        let client: Client = self.plane.client()?;
        // A subresource's object is the resource's.
        let main = path.split('/').take(path_length(path)).collect::<Vec<_>>().join("/");
        Ok(client.request(Request::get(main).body(Vec::new())?).await?)
    }

    /// Whether it is there.
    pub(crate) async fn status(&self, path: &str) -> Result<u16> {
        match self.plane.client()?.request::<Value>(Request::get(path).body(Vec::new())?).await {
            Ok(_) => Ok(200),
            Err(kube::Error::Api(status)) => Ok(status.code),
            Err(error) => Err(error.into()),
        }
    }

    /// As the administrator; what it prints.
    pub(crate) async fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let output = self.plane.kubectl(arguments).await?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "kubectl {}: {said}", arguments.join(" "));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// `/api/v1/namespaces/NS/pods/NAME`, or with two more for a group.
fn path_length(path: &str) -> usize {
    if path.starts_with("/apis/") { 8 } else { 7 }
}

/// Nothing to do with the contract.
pub(crate) const NEIGHBOURS: &str = "
apiVersion: v1
kind: Namespace
metadata: { name: next-door }
---
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: wiki, namespace: next-door }
spec:
  replicas: 2
  serviceName: wiki
  selector: { matchLabels: { app: wiki } }
  template:
    metadata: { labels: { app: wiki } }
    spec: { containers: [{ name: wiki, image: 'wiki:1' }] }
  volumeClaimTemplates:
  - metadata: { name: data }
    spec: { accessModes: [ReadWriteOncePod], storageClassName: remote, resources: { requests: { storage: 1Gi } } }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: next-door }
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: web, image: 'web:1' }] }
---
apiVersion: batch/v1
kind: Job
metadata: { name: once, namespace: next-door }
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{ name: once, image: 'once:1' }]
";
