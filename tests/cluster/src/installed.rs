//! A control plane with `deploy/base` as a user gets it: the definitions, then the rest, and nothing passed by hand.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicyBinding, ValidatingWebhookConfiguration};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use stateward_cluster::names::{APP, NAMESPACE};

use crate::balancer::Balancer;
use crate::kubelet::Kubelet;
use crate::{ControlPlane, eventually, root, stateward};

/// A control plane on which our pods run and are called.
pub struct Installed {
    /// Where.
    pub plane: ControlPlane,
    /// What runs our pods.
    pub kubelet: Kubelet,
    /// What the API server's calls go through.
    pub balancer: Balancer,
}

impl Installed {
    /// Starts a control plane, installs, and runs the test on it; a failure comes with what the replicas logged. Where the machine cannot, only a
    /// note is left.
    pub async fn run(test: &str, sections: impl AsyncFnOnce(&Self) -> Result<()>) -> Result<()> {
        Self::run_overlaid(test, &[], sections).await
    }

    /// The same with a kustomization of the user's own: its files by name, in which `BASE` stands for the path to `deploy/base`.
    pub async fn run_overlaid(
        test: &str,
        overlay: &[(&str, &str)],
        sections: impl AsyncFnOnce(&Self) -> Result<()>,
    ) -> Result<()> {
        let then = async |on: &Self| {
            on.install_from(&on.installation(overlay)?).await?;
            on.enforces().await?;
            sections(on).await
        };
        Self::run_bare(test, then).await
    }

    /// The same for a test that installs by itself, since what was there before is its matter.
    pub async fn run_bare(test: &str, sections: impl AsyncFnOnce(&Self) -> Result<()>) -> Result<()> {
        let Some(bare) = Self::start_bare(test).await? else { return Ok(()) };
        if let Err(error) = sections(&bare).await {
            return Err(error.context(bare.logs()));
        }
        bare.plane.passed();
        Ok(())
    }

    /// Starts a control plane and installs. `None`, and a note, where the machine cannot.
    pub async fn start(test: &str) -> Result<Option<Self>> {
        let Some(installed) = Self::start_bare(test).await? else { return Ok(None) };
        installed.installs().await?;
        Ok(Some(installed))
    }

    async fn start_bare(test: &str) -> Result<Option<Self>> {
        let Some(plane) = ControlPlane::start(test).await? else { return Ok(None) };
        let kubelet = Kubelet::start(&plane, stateward())?;
        let balancer = Balancer::start(&plane)?;
        Ok(Some(Self { plane, kubelet, balancer }))
    }

    /// Installs, and waits until that is in force.
    pub async fn installs(&self) -> Result<()> {
        self.install().await?;
        self.enforces().await
    }

    /// The folder that is applied.
    fn installation(&self, overlay: &[(&str, &str)]) -> Result<PathBuf> {
        let base = root().join("deploy/base");
        if overlay.is_empty() {
            return Ok(base);
        }
        let folder = self.plane.folder().join("overlay");
        fs::create_dir(&folder)?;
        // A kustomization names no absolute paths.
        let up: PathBuf = folder.components().skip(1).map(|_| "..").collect();
        let base = up.join(base.strip_prefix("/")?).display().to_string();
        for (name, text) in overlay {
            fs::write(folder.join(name), text.replace("BASE", &base))?;
        }
        Ok(folder)
    }

    /// As `deploy/README.md` says.
    pub async fn install(&self) -> Result<()> {
        self.install_from(&root().join("deploy/base")).await
    }

    async fn install_from(&self, base: &Path) -> Result<()> {
        let crds = root().join("deploy/crds");
        self.granted(&["apply", "--server-side", "-k", &crds.to_string_lossy()]).await?;
        let definitions = ["crd/wasmpolicies.stateward.dev", "crd/policyexemptions.stateward.dev"];
        self.granted(&[&["wait", "--for=condition=Established", "--timeout=30s"][..], &definitions].concat()).await?;
        self.granted(&["apply", "--server-side", "-k", &base.to_string_lossy()]).await
    }

    /// Runs kubectl and fails if it does.
    pub async fn granted(&self, arguments: &[&str]) -> Result<()> {
        let output = self.plane.kubectl(arguments).await?;
        ensure!(
            output.status.success(),
            "kubectl {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// Runs the product's own command as the administrator: its exit code, and what it prints.
    pub async fn stateward(&self, arguments: &[&str]) -> Result<(Option<i32>, String)> {
        let mut command = Command::new(stateward());
        command.args(arguments).env("KUBECONFIG", self.plane.admin());
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        Ok((output.status.code(), said.into_owned()))
    }

    /// Runs kubectl and fails if it does not; what it prints.
    pub async fn refused(&self, arguments: &[&str], input: &str) -> Result<String> {
        let output = self.plane.kubectl_with(&self.plane.admin(), arguments, input).await?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(!output.status.success(), "kubectl {}: granted; {said}", arguments.join(" "));
        Ok(said)
    }

    /// Deletes a member and waits for its successor. kubectl is not let wait: a successor of the same name that is there at once has been seen to keep
    /// it waiting for ever.
    pub async fn replace_pod(&self, namespace: &str, name: &str) -> Result<()> {
        let uid = ["get", "pod", name, "-n", namespace, "--ignore-not-found", "-o", "jsonpath={.metadata.uid}"];
        let before = self.plane.kubectl(&uid).await?.stdout;
        self.granted(&["delete", "pod", name, "-n", namespace, "--wait=false"]).await?;
        eventually("another pod has its place", PATIENCE, async || {
            let now = self.plane.kubectl(&uid).await?.stdout;
            Ok((!now.is_empty() && now != before).then_some(()))
        })
        .await
    }

    /// Waits until every policy is Ready and a failed call refuses, as soon as it may: see [`Self::members_are_guarded`] for the rest.
    pub async fn enforces(&self) -> Result<()> {
        self.granted(&["wait", "--for=condition=Ready", "--timeout=90s", "wasmpolicies", "--all"]).await?;
        self.fails("validate-fail.stateward.dev").await
    }

    /// Waits until a failed call to this entry refuses.
    pub async fn fails(&self, entry: &str) -> Result<()> {
        let configurations: Api<ValidatingWebhookConfiguration> = Api::all(self.plane.client()?);
        eventually(&format!("{entry} fails closed"), PATIENCE, async || {
            let webhooks = configurations.get(APP).await?.webhooks.unwrap_or_default();
            let is_closed = |policy: &Option<String>| policy.as_deref() == Some("Fail");
            Ok(webhooks.iter().any(|webhook| webhook.name == entry && is_closed(&webhook.failure_policy)).then_some(()))
        })
        .await
    }

    /// Waits until the native guard judges, or until it does not.
    pub async fn is_guarded(&self, is_guarded: bool) -> Result<()> {
        let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(self.plane.client()?);
        eventually(&format!("guarded: {is_guarded}"), PATIENCE, async || {
            Ok((bindings.get_opt(APP).await?.is_some() == is_guarded).then_some(()))
        })
        .await
    }

    /// The pod that leads.
    pub async fn leader(&self) -> Result<String> {
        let leases: Api<Lease> = Api::namespaced(self.plane.client()?, NAMESPACE);
        eventually("somebody leads", PATIENCE, async || {
            let holder = leases.get(APP).await?.spec.and_then(|spec| spec.holder_identity).unwrap_or_default();
            Ok(holder.split_once('_').map(|(pod, _)| pod.to_owned()))
        })
        .await
    }

    /// Waits until this many replicas are Ready and the Service leads to them.
    pub async fn replicas(&self, count: usize) -> Result<()> {
        let rolled = ["rollout", "status", "deployment/stateward", "-n", NAMESPACE, "--timeout=120s"];
        self.granted(&rolled).await?;
        eventually("the Service leads to them", PATIENCE, async || {
            Ok((self.balancer.backends().len() == count).then_some(()))
        })
        .await
    }

    /// What a replica has logged, for a test that fails.
    pub fn logs(&self) -> String {
        let logs = self.kubelet.all().into_iter().map(|pod| {
            let text = fs::read_to_string(&pod.log).with_context(|| pod.name.clone()).unwrap_or_default();
            let lines: Vec<&str> = text.lines().filter(|line| !line.contains("\"message\":\"admission\"")).collect();
            format!("{}:\n{}\n", pod.name, lines.join("\n"))
        });
        logs.collect()
    }
}

/// A busy machine compiles the built-in component in ten seconds, three times.
const PATIENCE: Duration = Duration::from_secs(90);
