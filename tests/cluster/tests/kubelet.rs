//! What plays kubelet and Service: pods run as their spec says, are probed, restarted and ended, and get connections while Ready.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{ApiResource, ListParams};
use kube::{Api, ResourceExt as _};
use rustix::process::Signal;
use serde_json::json;
use stateward_cluster::names::NAMESPACE;
use stateward_cluster_tests::balancer::Balancer;
use stateward_cluster_tests::kubelet::{Kubelet, PodView};
use stateward_cluster_tests::load::Load;
use stateward_cluster_tests::{ControlPlane, binary, eventually, http};

#[tokio::test]
async fn pods_run_as_their_spec_says() -> Result<()> {
    let Some(plane) = ControlPlane::start("kubelet").await? else { return Ok(()) };
    let kubelet = Kubelet::start(&plane, binary("pod"))?;
    let balancer = Balancer::with_delay(&plane, Duration::from_millis(200))?;
    plane.apply(MANIFEST).await?;
    ready(&plane, 3).await?;
    let pods = kubelet.pods();
    ensure!(pods.len() == 3, "{pods:?}");

    shows_what_the_spec_gives(&plane, &pods[0]).await?;
    mounted_secrets_follow(&plane, &pods[0]).await?;
    connections_go_to_ready_pods(&plane, &kubelet, &balancer).await?;
    a_load_is_counted(&plane).await?;
    the_api_server_reaches_the_service(&plane, &balancer).await?;

    // Killed, it starts again at once; not live, it is ended in order and starts again.
    kubelet.kill(&pods[0].name, Signal::KILL)?;
    restarts(&plane, &kubelet, &pods[0], 1).await?;
    kubelet.kill(&pods[0].name, Signal::USR2)?;
    restarts(&plane, &kubelet, &pods[0], 2).await?;
    ensure!(kubelet.log(&pods[0].name)?.matches("started").count() == 3);
    ensure!(kubelet.log(&pods[0].name)?.contains("ended in order"));

    // The API server's restart does not touch what runs.
    let before: Vec<_> = kubelet.pods().iter().map(|pod| pod.pid).collect();
    plane.restart_apiserver().await?;
    ready(&plane, 3).await?;
    ensure!(kubelet.pods().iter().map(|pod| pod.pid).collect::<Vec<_>>() == before);

    // Deleted, it ends in order, and a successor comes; deleted by force, it ends all the same.
    for flags in [&["--wait=false"][..], &["--wait=false", "--force", "--grace-period=0"]] {
        // A successor that has only just been started knows no signal yet, and the Deployment may still count the one before it.
        ready(&plane, 3).await?;
        let victim = eventually("all three answer", PATIENCE, async || {
            let pods = kubelet.pods();
            let answer = pods.len() == 3 && pods.iter().all(|pod| pod.is_ready);
            Ok(pods.into_iter().next().filter(|_| answer))
        })
        .await?;
        let output = plane.kubectl(&[&["delete", "pod", "-n", NAMESPACE, &victim.name], flags].concat()).await?;
        ensure!(output.status.success(), "{output:?}");
        let gone = || kubelet.all().iter().any(|pod| pod.uid == victim.uid && pod.is_gone);
        eventually("the pod is gone", PATIENCE, async || Ok(gone().then_some(()))).await?;
        ensure!(std::fs::read_to_string(&victim.log)?.contains("ended in order"), "{}", victim.name);
    }
    ready(&plane, 3).await?;

    let output = plane.kubectl(&["scale", "deployment", "stateward", "-n", NAMESPACE, "--replicas=0"]).await?;
    ensure!(output.status.success(), "{output:?}");
    eventually("nobody listens", PATIENCE, async || Ok(service(&plane).await.is_err().then_some(()))).await?;
    eventually("no pods", PATIENCE, async || Ok(kubelet.pods().is_empty().then_some(()))).await?;
    plane.passed();
    Ok(())
}

async fn shows_what_the_spec_gives(plane: &ControlPlane, pod: &PodView) -> Result<()> {
    let admin = format!("{}:9444", pod.address);
    let (_, environment) = http::fetch(&admin, "/env", PATIENCE).await?;
    for line in [format!("POD_NAME={}", pod.name), format!("POD_IP={}", pod.address), "WORD=secret!".to_owned()] {
        ensure!(environment.lines().any(|has| has == line), "no `{line}` in {environment}");
    }
    ensure!(!environment.contains("CARGO"), "the test's own environment leaks: {environment}");
    // Who it is for the API server: the account of its spec, by a token of its own.
    let config = environment.lines().find_map(|line| line.strip_prefix("KUBECONFIG=")).context("no KUBECONFIG")?;
    let output = plane.kubectl_with(config.as_ref(), &["auth", "whoami"], "").await?;
    let output = String::from_utf8_lossy(&output.stdout);
    ensure!(output.contains("system:serviceaccount:stateward-system:stateward"), "{output}");
    ensure!(output.contains(&pod.name), "the token is bound to the pod: {output}");
    Ok(())
}

async fn mounted_secrets_follow(plane: &ControlPlane, pod: &PodView) -> Result<()> {
    let admin = format!("{}:9444", pod.address);
    let (_, arguments) = http::fetch(&admin, "/args", PATIENCE).await?;
    let file = arguments.lines().find_map(|line| line.strip_prefix("--file=")).context("no --file")?;
    ensure!(http::fetch(&admin, file, PATIENCE).await? == (200, "secret!".to_owned()), "{file}");
    plane.apply(&MANIFEST.replace("secret!", "changed")).await?;
    eventually("the file changes", PATIENCE, async || {
        Ok((http::fetch(&admin, file, PATIENCE).await?.1 == "changed").then_some(()))
    })
    .await
}

async fn connections_go_to_ready_pods(plane: &ControlPlane, kubelet: &Kubelet, balancer: &Balancer) -> Result<()> {
    eventually("three backends", PATIENCE, async || Ok((balancer.backends().len() == 3).then_some(()))).await?;
    let mut answered = Vec::new();
    for _ in 0..6 {
        answered.push(service(plane).await?);
    }
    answered.sort();
    answered.dedup();
    let names: Vec<String> = kubelet.pods().into_iter().map(|pod| pod.name).collect();
    ensure!(answered == names, "{answered:?}");

    kubelet.kill(&names[1], Signal::USR1)?;
    eventually("two backends", PATIENCE, async || Ok((balancer.backends().len() == 2).then_some(()))).await?;
    for _ in 0..4 {
        ensure!(service(plane).await? != names[1], "a connection to a pod that is not Ready");
    }
    kubelet.kill(&names[1], Signal::USR1)?;
    eventually("three again", PATIENCE, async || Ok((balancer.backends().len() == 3).then_some(()))).await
}

/// Asks through the Service as an API server would, but for TLS.
async fn service(plane: &ControlPlane) -> Result<String> {
    Ok(http::fetch(&format!("{}:9443", plane.address()), "/", PATIENCE).await?.1)
}

async fn a_load_is_counted(plane: &ControlPlane) -> Result<()> {
    let load = Load {
        workers: 4,
        requests: 300,
        dry_run: true,
        resource: ApiResource::erase::<ConfigMap>(&()),
        namespace: "default".to_owned(),
        // One in a hundred has no valid name.
        object: std::sync::Arc::new(|n| json!({ "metadata": { "name": if n % 100 == 0 { "_" } else { "fine" } } })),
    };
    let running = load.start(plane)?;
    running.until(1.0 / 3.0, PATIENCE).await?;
    let report = running.finish(PATIENCE).await?;
    ensure!(report.granted == 297 && report.denied.values().sum::<u64>() == 3, "{report:?}");
    ensure!(report.all_granted().is_err() && report.percentile(0.5) <= report.percentile(0.99));
    Ok(())
}

/// It does, where it fails on what it finds there: our pods speak no TLS. So failed calls are counted, too.
async fn the_api_server_reaches_the_service(plane: &ControlPlane, balancer: &Balancer) -> Result<()> {
    plane.apply(WEBHOOK).await?;
    let arguments = ["create", "--filename", "-", "--dry-run=server"];
    let create = |name: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, labels: {{webhook: {name}}}}}")
    };
    let (before, admin) = (balancer.accepted(), plane.admin());
    eventually("a failed call refuses", PATIENCE, async || {
        let output = plane.kubectl_with(&admin, &arguments, &create("fail")).await?;
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok(message.contains("failed calling webhook").then_some(()))
    })
    .await?;
    ensure!(balancer.accepted() > before);
    eventually("a failed call is ignored, and counted", PATIENCE, async || {
        let output = plane.kubectl_with(&admin, &arguments, &create("ignore")).await?;
        ensure!(output.status.success(), "{output:?}");
        let counts = plane.webhook_counts().await?;
        Ok((counts.refused > 0 && counts.passed > 0 && counts.failures() <= counts.calls).then_some(()))
    })
    .await?;
    let output = plane.kubectl(&["delete", "validatingwebhookconfiguration", "stateward"]).await?;
    ensure!(output.status.success(), "{output:?}");
    Ok(())
}

async fn restarts(plane: &ControlPlane, kubelet: &Kubelet, pod: &PodView, times: i32) -> Result<()> {
    let what = format!("{} has started {times} times again", pod.name);
    eventually(&what, PATIENCE, async || {
        let view = kubelet.pods().into_iter().find(|view| view.uid == pod.uid).context("it is gone")?;
        Ok((view.restarts == times && view.is_ready).then_some(()))
    })
    .await?;
    let pods: Api<Pod> = Api::namespaced(plane.client()?, NAMESPACE);
    eventually("the status says so", PATIENCE, async || {
        let statuses = pods.get(&pod.name).await?.status.and_then(|status| status.container_statuses);
        Ok(statuses.is_some_and(|all| all[0].restart_count == times && all[0].ready).then_some(()))
    })
    .await
}

async fn ready(plane: &ControlPlane, replicas: i32) -> Result<()> {
    let client = plane.client()?;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    let pods: Api<Pod> = Api::namespaced(client, NAMESPACE);
    let ready = eventually("all replicas are ready", PATIENCE, async || {
        let status = deployments.get("stateward").await?.status.unwrap_or_default();
        let is_done = status.ready_replicas == Some(replicas) && status.replicas == Some(replicas);
        Ok(is_done.then_some(()))
    });
    if let Err(error) = ready.await {
        let pods = pods.list(&ListParams::default()).await?;
        let states: Vec<_> = pods.iter().map(|pod| (pod.name_any(), &pod.status)).collect();
        return Err(error.context(format!("{states:#?}")));
    }
    Ok(())
}

const MANIFEST: &str = r#"
apiVersion: v1
kind: Namespace
metadata:
  name: stateward-system
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: stateward, namespace: stateward-system}
---
apiVersion: v1
kind: Secret
metadata: {name: words, namespace: stateward-system}
stringData: {word: secret!}
---
apiVersion: v1
kind: Service
metadata: {name: stateward, namespace: stateward-system}
spec:
  selector: {app: stateward}
  ports:
  - {name: webhook, port: 9443, targetPort: webhook}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: stateward, namespace: stateward-system}
spec:
  replicas: 3
  selector: {matchLabels: {app: stateward}}
  template:
    metadata: {labels: {app: stateward}}
    spec:
      serviceAccountName: stateward
      terminationGracePeriodSeconds: 5
      containers:
      - name: stateward
        image: example.com/pod:1
        args: ["--listen=0.0.0.0:9443", "--admin=$(POD_IP):9444", "--file=/etc/words/below/word"]
        env:
        - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
        - {name: WORD, valueFrom: {secretKeyRef: {name: words, key: word}}}
        ports:
        - {name: webhook, containerPort: 9443}
        - {name: admin, containerPort: 9444}
        startupProbe: {httpGet: {path: /livez, port: admin}, periodSeconds: 1, failureThreshold: 10}
        readinessProbe: {httpGet: {path: /readyz, port: admin}, periodSeconds: 1, failureThreshold: 1}
        livenessProbe: {httpGet: {path: /livez, port: admin}, periodSeconds: 1, failureThreshold: 2}
        volumeMounts:
        - {name: words, mountPath: /etc/words, readOnly: true}
        - {name: scratch, mountPath: /tmp}
      volumes:
      - name: words
        secret: {secretName: words, items: [{key: word, path: below/word}]}
      - {name: scratch, emptyDir: {}}
"#;

const WEBHOOK: &str = "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: stateward}
webhooks:
- name: fail.stateward.dev
  objectSelector: {matchLabels: {webhook: fail}}
  failurePolicy: Fail
  rules: &rules [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  clientConfig: &service {service: {namespace: stateward-system, name: stateward, port: 9443, path: /validate}}
  sideEffects: None
  admissionReviewVersions: [v1]
- name: ignore.stateward.dev
  objectSelector: {matchLabels: {webhook: ignore}}
  failurePolicy: Ignore
  rules: *rules
  clientConfig: *service
  sideEffects: None
  admissionReviewVersions: [v1]
";

const PATIENCE: Duration = Duration::from_secs(30);
