//! The control plane of the tests: it starts, a StatefulSet runs in it, and it keeps what it has through a restart.

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Node, PersistentVolumeClaim};
use kube::Api;
use kube::api::ListParams;
use stateward_cluster_tests::binaries::Program;
use stateward_cluster_tests::{ControlPlane, eventually};

#[tokio::test]
async fn a_control_plane_runs_stateful_sets_and_survives_a_restart() -> Result<()> {
    let start = Instant::now();
    let Some(plane) = ControlPlane::start("control_plane").await? else { return Ok(()) };
    println!("up after {} ms", start.elapsed().as_millis());

    plane.apply(DATABASE).await?;
    let sets: Api<StatefulSet> = Api::default_namespaced(plane.client()?);
    let ready = eventually("3 replicas are ready", PATIENCE, async || {
        let status = sets.get("db").await?.status.unwrap_or_default();
        Ok((status.ready_replicas == Some(3)).then_some(status))
    });
    let revision = ready.await?.update_revision;
    let claims: Api<PersistentVolumeClaim> = Api::default_namespaced(plane.client()?);
    let claims = claims.list(&ListParams::default()).await?;
    let bound = claims.iter().filter_map(|claim| claim.status.as_ref()?.phase.as_deref()).filter(|&p| p == "Bound");
    ensure!(bound.count() == 3, "{claims:?}");

    // Who one is: the administrator, alice by certificate, and anybody else by impersonation.
    let bob = plane.kubeconfig("bob", &["dev", "ops"])?;
    for (kubeconfig, user) in [(plane.admin(), "admin"), (plane.alice(), "alice"), (bob, "bob")] {
        let output = plane.kubectl_with(&kubeconfig, &["auth", "whoami"], "").await?;
        let output = String::from_utf8_lossy(&output.stdout);
        ensure!(output.contains(user), "{output}");
    }

    ensure!(plane.webhook_counts().await?.calls == 0, "nothing is registered");
    plane.restart_apiserver().await?;
    let set = sets.get("db").await?;
    ensure!(set.status.unwrap_or_default().update_revision == revision, "the set is another one");

    // A store that does not answer stops the API server; one that comes back does not need it restarted.
    plane.pause(Program::Etcd)?;
    let nodes: Api<Node> = Api::all(plane.client()?);
    let answer = tokio::time::timeout(Duration::from_secs(1), nodes.list(&ListParams::default())).await;
    ensure!(!matches!(answer, Ok(Ok(_))), "etcd still answers");
    plane.resume(Program::Etcd)?;
    eventually("the store answers", PATIENCE, async || Ok(Some(nodes.list(&ListParams::default()).await?))).await?;

    plane.kill(Program::KubeScheduler).await?;
    plane.start_program(Program::KubeScheduler).await?;
    plane.passed();
    Ok(())
}

/// The keeper outlives a test that is killed; here its input ends while what it keeps still runs.
#[test]
fn what_a_lost_test_started_is_ended() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut kept = Command::new(env!("CARGO_BIN_EXE_pod"))
        .args(["--listen=127.0.0.1:0", "--admin=127.0.0.1:0"])
        .stdout(Stdio::null())
        .spawn()?;
    let mut keeper = Command::new(env!("CARGO_BIN_EXE_keeper")).arg(folder.path()).stdin(Stdio::piped()).spawn()?;
    writeln!(keeper.stdin.take().context("no input")?, "{}", kept.id())?;
    ensure!(keeper.wait()?.success());
    ensure!(kept.wait()?.signal() == Some(9), "it was not killed");
    ensure!(!folder.path().exists(), "the store's folder is still there");
    Ok(())
}

const DATABASE: &str = "
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 3
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers:
      - {name: db, image: example.com/db:1, volumeMounts: [{name: data, mountPath: /data}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOncePod], resources: {requests: {storage: 1Gi}}}
";

const PATIENCE: Duration = Duration::from_secs(60);
