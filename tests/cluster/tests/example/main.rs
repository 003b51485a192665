//! `deploy/examples/manager-worker` on a cluster with the product: what its README tells, from the first start to leaving the contract.

mod seen;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use stateward_cluster_tests::eventually;
use stateward_cluster_tests::installed::Installed;

use seen::{Creations, PATIENCE, environment, example, get, leads, mounted, path, pods, rolled, run, silent};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_with_one_writer() -> Result<()> {
    Installed::run("example", sections).await
}

async fn sections(on: &Installed) -> Result<()> {
    on.replicas(3).await?;
    // Its members stand on a node each.
    let labels = json!({ "kubernetes.io/hostname": "node-2", "topology.kubernetes.io/zone": "zone-c" });
    let node = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "node-2", "labels": labels } });
    on.plane.apply(&node.to_string()).await?;
    // Kubelets delete with a grace period of 0 when a pod has stopped, and are known by their group; kwok plays them under a name of its own.
    let trusts = json!({ "spec": { "settings": { "trustedUsers": ["kwok"] } } }).to_string();
    for policy in ["wasmpolicy/ordered-identity", "wasmpolicy/manager-writes"] {
        on.granted(&["patch", policy, "--type=merge", "--patch", &trusts]).await?;
        on.granted(&["wait", "--for=condition=Ready", "--timeout=60s", policy]).await?;
    }
    members_come_in_order(on).await.context("bootstrap")?;
    on.fails("validate-closed.stateward.dev").await?;
    on.is_guarded(true).await?;
    members_know_who_they_are(on).await.context("roles")?;
    services_lead_by_role(on).await.context("services")?;
    applying_again_changes_nothing(on).await.context("drift")?;
    nobody_takes_the_role(on).await.context("refusals")?;
    the_manager_comes_back(on).await.context("manager lost")?;
    a_lost_volume_is_replaced(on).await.context("volume lost")?;
    workers_go_and_come(on).await.context("scale")?;
    the_manager_is_updated_last(on).await.context("rolling update")?;
    it_leaves(on).await.context("leaving")
}

async fn members_come_in_order(on: &Installed) -> Result<()> {
    let namespace = example().join("namespace.yaml");
    silent(on, &["apply", "-f", path(&namespace)?]).await?;
    let passwords = ["--from-literal=replication=a", "--from-literal=application=b"];
    let secret = ["create", "secret", "generic", "ledger-passwords", "-n", "ledger"];
    silent(on, &[&secret[..], &passwords].concat()).await?;
    silent(on, &["create", "configmap", "ledger-begin", "-n", "ledger", "--from-literal=from=nothing"]).await?;
    let creations = Creations::since_now(on).await?;
    let said = silent(on, &["apply", "-k", path(&example())?]).await?;
    ensure!(
        said.starts_with("namespace/ledger unchanged\n") && said.contains("statefulset.apps/ledger created"),
        "{said}"
    );
    ensure!(creations.next(3).await? == ["ledger-0", "ledger-1", "ledger-2"]);
    rolled(on).await?;
    silent(on, &["delete", "configmap", "ledger-begin", "-n", "ledger"]).await?;
    // What the scripts and the backups want is there under the name that they say.
    let set = get(on, "statefulset/ledger").await?;
    for volume in set["spec"]["template"]["spec"]["volumes"].as_array().context("no volumes")? {
        let wanted = [(&volume["configMap"]["name"], "configmap"), (&volume["secret"]["secretName"], "secret")];
        for (name, kind) in wanted.into_iter().filter_map(|(name, kind)| Some((name.as_str()?, kind))) {
            get(on, &format!("{kind}/{name}")).await?;
        }
    }
    silent(
        on,
        &["create", "job", "-n", "ledger", "--from=cronjob/ledger-backup", "ledger-backup-now", "--dry-run=server"],
    )
    .await?;
    let restore = example().join("restore.yaml");
    silent(on, &["create", "-f", path(&restore)?, "--dry-run=server"]).await?;
    for ordinal in 0..3 {
        let claim = get(on, &format!("pvc/data-ledger-{ordinal}")).await?;
        ensure!(claim["status"]["phase"] == "Bound", "{claim}");
    }
    // One `apply` more would not do as a proof that a warning is seen here at all.
    let zero = ["scale", "statefulset/ledger", "-n", "ledger", "--replicas=0", "--dry-run=server"];
    let (_, said) = run(on, &zero).await?;
    ensure!(said.contains("[manager-writes/scaled-to-zero]"), "{said}");
    Ok(())
}

/// What each container would find in its environment.
async fn members_know_who_they_are(on: &Installed) -> Result<()> {
    for (ordinal, role, write) in [(0, "manager", "allow"), (1, "worker", "deny"), (2, "worker", "deny")] {
        let name = format!("ledger-{ordinal}");
        let pod = get(on, &format!("pod/{name}")).await?;
        let lists =
            ["initContainers", "containers"].map(|list| pod["spec"][list].as_array().cloned().unwrap_or_default());
        let containers = lists.concat();
        ensure!(containers.len() == 3, "{containers:?}");
        for container in containers {
            let environment = environment(&pod, &container)?;
            let expected = [
                ("STATEWARD_ROLE", role),
                ("STATEWARD_WRITE", write),
                ("STATEWARD_MANAGER_HOST", "ledger-0.ledger-members.ledger.svc"),
                ("POD_NAME", &name),
            ];
            for (key, value) in expected {
                ensure!(environment.get(key).is_some_and(|found| found == value), "{key} of {name}: {environment:?}");
            }
        }
    }
    Ok(())
}

async fn services_lead_by_role(on: &Installed) -> Result<()> {
    for (service, members) in [
        ("ledger-write", &["ledger-0"][..]),
        ("ledger-read", &["ledger-1", "ledger-2"]),
        ("ledger-members", &["ledger-0", "ledger-1", "ledger-2"]),
    ] {
        leads(on, service, members).await?;
    }
    Ok(())
}

async fn applying_again_changes_nothing(on: &Installed) -> Result<()> {
    let before = (get(on, "statefulset/ledger").await?, pods(on).await?);
    silent(on, &["apply", "-k", path(&example())?]).await?;
    let after = (get(on, "statefulset/ledger").await?, pods(on).await?);
    for part in ["/spec", "/metadata/generation", "/metadata/annotations", "/metadata/labels", "/status/updateRevision"]
    {
        ensure!(before.0.pointer(part).is_some(), "no {part}");
        ensure!(before.0.pointer(part) == after.0.pointer(part), "{part}: {:?}", after.0.pointer(part));
    }
    ensure!(before.1 == after.1, "{:?}, then {:?}", before.1, after.1);
    Ok(())
}

/// By somebody who may do all.
async fn nobody_takes_the_role(on: &Installed) -> Result<()> {
    let elsewhere = r#"{"spec":{"selector":{"stateward.dev/role":"worker"}}}"#;
    let from_1 = r#"{"metadata":{"annotations":{"stateward.dev/write":"allow"}}}"#;
    for (rule, arguments) in [
        ("manager-writes/manager-delete", &["delete", "pod/ledger-0", "--wait=false"][..]),
        ("ordered-identity/force-delete", &["delete", "pod/ledger-1", "--wait=false", "--force", "--grace-period=0"]),
        ("manager-writes/role-change", &["label", "pod/ledger-1", "--overwrite", "stateward.dev/role=manager"]),
        ("manager-writes/role-change", &["patch", "pod/ledger-1", "--patch", from_1]),
        ("manager-writes/write-service-changed", &["patch", "service/ledger-write", "--patch", elsewhere]),
        (
            "manager-writes/contract-change",
            &["annotate", "statefulset/ledger", "--overwrite", "stateward.dev/writes=any"],
        ),
    ] {
        let said = on.refused(&[arguments, &["-n", "ledger"]].concat(), "").await?;
        ensure!(said.contains(&format!("[{rule}]")), "{arguments:?}: {said}");
    }
    Ok(())
}

/// Its node is emptied, and takes nobody for a while: nobody writes, and no worker takes its place.
async fn the_manager_comes_back(on: &Installed) -> Result<()> {
    let before = pods(on).await?;
    let node = get(on, "pod/ledger-0").await?["spec"]["nodeName"].as_str().context("no node")?.to_owned();
    let selector = "--pod-selector=app=ledger";
    let drain = ["drain", &node, selector, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s"];
    let (_, said) = run(on, &drain).await?;
    ensure!(said.contains("[manager-writes/manager-delete]"), "{said}");
    eventually("the new pod waits for a node", PATIENCE, async || {
        let now = get(on, "pod/ledger-0").await?;
        let is_new = now["metadata"]["uid"] != before["ledger-0"].uid.as_str();
        Ok((is_new && now["status"]["phase"] == "Pending").then_some(()))
    })
    .await?;
    leads(on, "ledger-write", &[]).await?;
    leads(on, "ledger-read", &["ledger-1", "ledger-2"]).await?;
    on.granted(&["uncordon", &node]).await?;
    rolled(on).await?;
    let after = pods(on).await?;
    for (name, member) in &after {
        ensure!(member.role == before[name].role, "{after:?}");
        ensure!((member.uid == before[name].uid) == (name != "ledger-0"), "{after:?}");
    }
    leads(on, "ledger-write", &["ledger-0"]).await
}

/// The manager's by the exemption of the README, a worker's with a warning.
async fn a_lost_volume_is_replaced(on: &Installed) -> Result<()> {
    let claim = ["delete", "pvc/data-ledger-0", "-n", "ledger", "--wait=false"];
    let said = on.refused(&claim, "").await?;
    ensure!(said.contains("[remote-volumes/claim-in-use]"), "{said}");
    let readme = fs::read_to_string(example().join("README.md"))?;
    let exemption = readme.split("<<EXEMPTION\n").nth(1).and_then(|rest| rest.split("EXEMPTION\n").next());
    let exemption = exemption.context("the README has no exemption")?;
    let (from, to) = (exemption.find("$(date").context("no date")?, exemption.rfind(')').context("no date")? + 1);
    let mut exemption = exemption.to_owned();
    let expires = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    exemption.replace_range(from..to, &format!("{expires:.0}"));
    on.plane.apply(&exemption).await?;
    eventually("the exemption is known", PATIENCE, async || {
        // To each of the replicas.
        for what in ["pvc/data-ledger-0", "pod/ledger-0"].repeat(6) {
            run(on, &["delete", what, "-n", "ledger", "--dry-run=server"]).await?;
        }
        Ok(Some(()))
    })
    .await?;
    for ordinal in ["0", "2"] {
        let (claim, pod) = (format!("pvc/data-ledger-{ordinal}"), format!("pod/ledger-{ordinal}"));
        let before = get(on, &claim).await?;
        let (_, said) = run(on, &["delete", &claim, "-n", "ledger", "--wait=false"]).await?;
        ensure!(said.contains("[remote-volumes/claim-in-use]") == (ordinal == "2"), "{said}");
        silent(on, &["delete", &pod, "-n", "ledger", "--wait=false"]).await?;
        eventually("it has another volume", PATIENCE, async || {
            let now = get(on, &claim).await?;
            let is_new = now["metadata"]["uid"] != before["metadata"]["uid"] && now["status"]["phase"] == "Bound";
            Ok(is_new.then_some(()))
        })
        .await?;
        rolled(on).await?;
    }
    silent(on, &["delete", "policyexemption/rebuild-ledger-0", "-n", "ledger"]).await?;
    services_lead_by_role(on).await
}

async fn workers_go_and_come(on: &Installed) -> Result<()> {
    let before = pods(on).await?;
    silent(on, &["scale", "statefulset/ledger", "-n", "ledger", "--replicas=2"]).await?;
    eventually("ledger-2 is gone", PATIENCE, async || {
        Ok(pods(on).await?.keys().eq(["ledger-0", "ledger-1"]).then_some(()))
    })
    .await?;
    leads(on, "ledger-read", &["ledger-1"]).await?;
    // Its volume waits for it.
    let claim = get(on, "pvc/data-ledger-2").await?;
    silent(on, &["scale", "statefulset/ledger", "-n", "ledger", "--replicas=3"]).await?;
    rolled(on).await?;
    let after = pods(on).await?;
    ensure!(after.keys().eq(before.keys()), "{after:?}");
    for (name, member) in &after {
        ensure!(
            member.role == before[name].role && (member.uid == before[name].uid) == (name != "ledger-2"),
            "{after:?}"
        );
    }
    ensure!(get(on, "pvc/data-ledger-2").await?["spec"]["volumeName"] == claim["spec"]["volumeName"]);
    services_lead_by_role(on).await
}

/// A change to a file that the members read.
async fn the_manager_is_updated_last(on: &Installed) -> Result<()> {
    let copy = on.plane.folder().join("example");
    fs::create_dir_all(copy.join("scripts"))?;
    for folder in [PathBuf::new(), PathBuf::from("scripts")] {
        for entry in fs::read_dir(example().join(&folder))? {
            let from = entry?.path();
            if from.is_file() {
                fs::copy(&from, copy.join(&folder).join(from.file_name().context("no name")?))?;
            }
        }
    }
    let settings = copy.join("scripts/postgresql.conf");
    let text = fs::read_to_string(&settings)?;
    ensure!(text.contains("max_connections = 100"), "{text}");
    fs::write(&settings, text.replace("max_connections = 100", "max_connections = 200"))?;
    let before = get(on, "pod/ledger-0").await?;
    let creations = Creations::since_now(on).await?;
    silent(on, &["apply", "-k", path(&copy)?]).await?;
    ensure!(creations.next(3).await? == ["ledger-2", "ledger-1", "ledger-0"]);
    rolled(on).await?;
    let after = get(on, "pod/ledger-0").await?;
    ensure!(mounted(&before)? != mounted(&after)?, "{}", mounted(&after)?);
    let creations = Creations::since_now(on).await?;
    silent(on, &["rollout", "undo", "statefulset/ledger", "-n", "ledger"]).await?;
    ensure!(creations.next(3).await? == ["ledger-2", "ledger-1", "ledger-0"]);
    rolled(on).await?;
    ensure!(mounted(&before)? == mounted(&get(on, "pod/ledger-0").await?)?);
    members_know_who_they_are(on).await?;
    services_lead_by_role(on).await
}

/// In order, and then nobody has a role: the scripts refuse to start, since nobody says who writes.
async fn it_leaves(on: &Installed) -> Result<()> {
    let (_, said) = run(on, &["scale", "statefulset/ledger", "-n", "ledger", "--replicas=0"]).await?;
    ensure!(said.contains("[manager-writes/scaled-to-zero]"), "{said}");
    eventually("no member is left", PATIENCE, async || {
        let none = pods(on).await?.is_empty() && get(on, "statefulset/ledger").await?["status"]["replicas"] == 0;
        Ok(none.then_some(()))
    })
    .await?;
    // Nothing lives there now, so claims are the owner's: an older copy may take their place.
    let claims = ["pvc/data-ledger-0", "pvc/data-ledger-1", "pvc/data-ledger-2"];
    silent(on, &[&["delete", "-n", "ledger", "--dry-run=server"][..], &claims].concat()).await?;
    let leave = ["annotate", "statefulset/ledger", "-n", "ledger", "--overwrite", "stateward.dev/writes=any"];
    let (_, said) = run(on, &leave).await?;
    let set = get(on, "statefulset/ledger").await?;
    ensure!(set["metadata"]["annotations"]["stateward.dev/manager"].is_null(), "{said}: {set}");
    ensure!(set["spec"]["template"]["metadata"]["labels"] == json!({ "app": "ledger" }), "{set}");
    on.granted(&["scale", "statefulset/ledger", "-n", "ledger", "--replicas=1"]).await?;
    rolled(on).await?;
    let pod = get(on, "pod/ledger-0").await?;
    let container = &pod["spec"]["containers"][0];
    ensure!(!environment(&pod, container)?.contains_key("STATEWARD_ROLE"), "{pod}");
    leads(on, "ledger-write", &[]).await
}
