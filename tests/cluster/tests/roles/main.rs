//! `stateward roles` on a real cluster: a set of the contract as it should be, then broken in one way after the other and mended by what the command says.

mod command;
mod shop;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use command::{Seen, becomes, commands, mend, roles, roles_as, run, stateward_says, the_readme_shows_it};
use serde_json::{Value, json};
use shop::{BY_HAND, RIGHTS, SECOND_WRITER, SERVICES, set};
use stateward_cluster_tests::eventually;
use stateward_cluster_tests::installed::Installed;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_says_who_may_write() -> Result<()> {
    Installed::run("roles", sections).await
}

async fn sections(on: &Installed) -> Result<()> {
    on.replicas(3).await?;
    on.open_shop().await?;
    on.plane.apply(SERVICES).await?;
    on.plane.apply(&set("ledger", 3, true).to_string()).await?;
    on.plane.apply(&set("wiki", 2, false).to_string()).await?;
    for name in ["ledger", "wiki"] {
        rolled(on, name).await?;
    }
    nothing_is_wrong_with_a_whole_set(on).await.context("a whole set")?;
    a_set_that_joins_is_told_how(on).await.context("joining")?;
    what_was_done_while_nobody_was_asked_is_found(on).await.context("paused")?;
    rights_that_are_lacking_are_named(on).await.context("rights")?;
    a_service_that_leads_elsewhere_is_found(on).await.context("services")?;
    a_manager_that_is_away_is_found(on).await.context("away")
}

async fn nothing_is_wrong_with_a_whole_set(on: &Installed) -> Result<()> {
    becomes(on, "shop/ledger", &[]).await?;
    let seen = roles(on, &["shop/ledger"]).await?;
    ensure!((seen.code, seen.err.as_str()) == (Some(0), ""), "{seen:?}");
    let expected = "\
StatefulSet shop/ledger
writes         manager-only
manager        ledger-0, ready on NODE
members        3 of 3 ready, 0 unstamped
write Service  ledger-write -> ledger-0

MEMBER    ROLE     WRITE  STAMPED  NODE    STATE
ledger-0  manager  allow  yes      NODE  ready
ledger-1  worker   deny   yes      NODE  ready
ledger-2  worker   deny   yes      NODE  ready

nothing is wrong
";
    ensure!(seen.out == expected, "{}", seen.out);
    let table = "\
SET          MANAGER   READY  UNSTAMPED  WRITE SERVICE  STATE
shop/ledger  ledger-0  3/3    0          ledger-write   ok
";
    for arguments in [&[][..], &["-n", "shop"]] {
        let seen = roles(on, arguments).await?;
        ensure!((seen.code, seen.out.as_str(), seen.err.as_str()) == (Some(0), table, ""), "{seen:?}");
    }
    let empty = "no StatefulSet has joined the manager contract by `stateward.dev/writes: manager-only`\n";
    let seen = roles(on, &["-n", "default"]).await?;
    ensure!((seen.code, seen.out.as_str()) == (Some(0), empty), "{seen:?}");
    let seen = roles(on, &["shop/leger"]).await?;
    let absent = "error: there is no StatefulSet `leger` in namespace `shop`\nhint: ";
    ensure!(seen.code == Some(2) && seen.err.starts_with(absent), "{seen:?}");
    the_readme_shows_it(expected, "stateward roles shop/ledger")?;
    the_same_as_a_column(on).await?;
    for_machines(on).await
}

/// What kubectl shows of the same.
async fn the_same_as_a_column(on: &Installed) -> Result<()> {
    let column = ["get", "pods", "-n", "shop", "-l", "app=ledger", "-L", "stateward.dev/role"];
    let output = on.plane.kubectl(&column).await?;
    let said = String::from_utf8(output.stdout)?;
    let cells = |line: &str| -> Vec<String> { line.split_whitespace().map(str::to_owned).collect() };
    let rows: Vec<Vec<String>> = said.lines().map(cells).collect();
    let roles: Vec<(&str, &str)> = rows
        .iter()
        .map(|row| (row.first().map_or("", String::as_str), row.last().map_or("", String::as_str)))
        .collect();
    let expected = [("NAME", "ROLE"), ("ledger-0", "manager"), ("ledger-1", "worker"), ("ledger-2", "worker")];
    ensure!(roles == expected, "{said}");
    // Ages differ.
    the_readme_shows_it(&said, "kubectl get pods -n shop -l app=ledger -L stateward.dev/role")
}

async fn for_machines(on: &Installed) -> Result<()> {
    let seen = roles(on, &["shop/ledger", "-o", "json"]).await?;
    let told: Value = serde_json::from_str(&seen.out).with_context(|| format!("{seen:?}"))?;
    let member = |name: &str, ordinal: u32, role: &str, write: &str| {
        json!({
            "name": name, "ordinal": ordinal, "state": "ready", "role": role, "write": write, "stamp": "right",
            "differences": [], "node": "NODE",
        })
    };
    let address = &told["sets"][0]["writeServices"][0]["endpoints"][0]["addresses"];
    ensure!(address[0].is_string(), "{}", seen.out);
    let expected = json!({
        "version": "v1alpha1",
        "unread": [],
        "sets": [{
            "namespace": "shop", "name": "ledger", "writes": "manager-only", "governed": true, "replicas": 3,
            "manager": "ledger-0", "ready": 3, "unstamped": 0, "problems": [],
            "members": [
                member("ledger-0", 0, "manager", "allow"),
                member("ledger-1", 1, "worker", "deny"),
                member("ledger-2", 2, "worker", "deny"),
            ],
            "writeServices": [{
                "name": "ledger-write",
                "endpoints": [{ "pod": "ledger-0", "addresses": address, "ready": true }],
            }],
        }],
    });
    ensure!(told == expected, "{}", seen.out);
    Ok(())
}

/// By its own hints alone: it says what is missing until nothing is.
async fn a_set_that_joins_is_told_how(on: &Installed) -> Result<()> {
    let seen = roles(on, &["shop/wiki"]).await?;
    let undeclared = "\
StatefulSet shop/wiki
writes         not declared
members        2 of 2 ready, 0 unstamped
write Service  none

MEMBER  ROLE  WRITE  STAMPED  NODE    STATE
wiki-0  -     -      -        NODE  ready
wiki-1  -     -      -        NODE  ready

1. problem: the set does not say who may write: it has no annotation `stateward.dev/writes`
   hint: if its first member alone shall write: `kubectl annotate statefulset wiki --namespace shop stateward.dev/writes=manager-only --overwrite`, then look here again; else leave it
";
    ensure!((seen.code, seen.out.as_str()) == (Some(1), undeclared), "{seen:?}");
    mend(on, &seen).await?;
    let seen = roles(on, &["shop/wiki"]).await?;
    let joined = "\
StatefulSet shop/wiki
writes         manager-only
manager        wiki-0, ready on NODE
members        2 of 2 ready, 2 unstamped
write Service  none

MEMBER  ROLE  WRITE  STAMPED  NODE    STATE
wiki-0  -     -      no       NODE  ready
wiki-1  -     -      no       NODE  ready

1. problem: 2 members have no role: `wiki-1`, `wiki-0`
   hint: make them anew: `kubectl delete pod wiki-1 --namespace shop`, then `wiki-0`, each when the one before is ready; `kubectl rollout restart statefulset wiki --namespace shop` does the same with all members

2. problem: only the manager may write, and no Service leads to it alone
   hint: `kubectl expose pod wiki-0 --namespace shop --name wiki-write --port PORT --selector stateward.dev/role=manager,stateward.dev/set=wiki`, and let clients write there
";
    ensure!((seen.code, seen.out.as_str()) == (Some(1), joined), "{seen:?}");
    the_readme_shows_it(joined, "stateward roles shop/wiki")?;
    let seen_all = roles(on, &[]).await?;
    let table = "\
SET          MANAGER   READY  UNSTAMPED  WRITE SERVICE  STATE
shop/ledger  ledger-0  3/3    0          ledger-write   ok
shop/wiki    wiki-0    2/2    2          -              2 problems

hint: `stateward roles shop/wiki` says what is wrong and how to mend it
";
    ensure!((seen_all.code, seen_all.out.as_str()) == (Some(1), table), "{seen_all:?}");
    the_readme_shows_it(table, "stateward roles")?;
    // The last hint first: a Service of a pod without a role leads nowhere, and that is no problem of its own.
    let expose = commands(&seen).pop().context("no command")?.replace("PORT", "5432");
    run(on, &expose).await?;
    becomes(on, "shop/wiki", &["unstamped-members"]).await?;
    run(on, "kubectl rollout restart statefulset wiki --namespace shop").await?;
    rolled(on, "wiki").await?;
    becomes(on, "shop/wiki", &[]).await?;
    let seen = roles(on, &["shop/wiki"]).await?;
    ensure!(seen.out.contains("\nwrite Service  wiki-write -> wiki-0\n"), "{}", seen.out);
    Ok(())
}

/// A set that joins, and a pod that takes the manager's labels.
async fn what_was_done_while_nobody_was_asked_is_found(on: &Installed) -> Result<()> {
    stateward_says(on, &["pause"]).await?;
    // The API server learns of it a moment later: of the guard and of each configuration for itself.
    eventually("nobody is asked", PATIENCE, async || {
        on.plane.apply(SECOND_WRITER).await?;
        let manager = "jsonpath={.metadata.annotations.stateward\\.dev/manager}";
        let dry = ["create", "--dry-run=server", "-f", "-", "-o", manager];
        let output = on.plane.kubectl_with(&on.plane.admin(), &dry, &set("late", 1, true).to_string()).await?;
        ensure!(output.status.success() && output.stdout.is_empty(), "{output:?}");
        Ok(Some(()))
    })
    .await?;
    on.plane.apply(&set("late", 1, true).to_string()).await?;
    rolled(on, "late").await?;
    stateward_says(on, &["resume"]).await?;
    on.fails("validate-fail.stateward.dev").await?;
    becomes(on, "shop/ledger", &["two-writers", "write-service-misled"]).await?;
    let seen = roles(on, &["shop/ledger"]).await?;
    let second = "
1. problem: 2 pods say that they may write: `ledger-0`, `loader`
   hint: `ledger-0` is the manager: `kubectl delete pod loader --namespace shop`, and look at what both wrote

2. problem: Service `ledger-write` leads writes to `loader`, and the manager is `ledger-0`
   hint: `kubectl get pod loader --namespace shop --show-labels` says why it is selected
";
    ensure!(seen.code == Some(1) && seen.out.ends_with(second), "{}", seen.out);
    mend(on, &seen).await?;
    becomes(on, "shop/ledger", &[]).await?;
    becomes(on, "shop/late", &["manager-not-recorded", "unstamped-members", "no-write-service"]).await?;
    mend(on, &roles(on, &["shop/late"]).await?).await?;
    becomes(on, "shop/late", &["unstamped-members", "no-write-service"]).await?;
    mend(on, &roles(on, &["shop/late"]).await?).await?;
    becomes(on, "shop/late", &["no-write-service"]).await?;
    on.granted(&["delete", "statefulset", "late", "-n", "shop"]).await
}

async fn rights_that_are_lacking_are_named(on: &Installed) -> Result<()> {
    on.plane.apply(RIGHTS).await?;
    let vera = on.plane.kubeconfig("vera", &[])?;
    let all = roles(on, &["-n", "shop"]).await?;
    // A role is known to the API server a moment after it was made.
    eventually("vera sees what the administrator does", PATIENCE, async || {
        let seen = roles_as(&vera, &["-n", "shop"]).await?;
        ensure!(seen == all, "{seen:?}");
        Ok(Some(()))
    })
    .await?;
    let whole = roles(on, &["shop/ledger"]).await?;
    ensure!(roles_as(&vera, &["shop/ledger"]).await? == whole);
    let seen = roles_as(&vera, &[]).await?;
    let forbidden = "error: this account may not list `statefulsets.apps` in all namespaces\nhint: `--namespace NAMESPACE` looks into one\n";
    ensure!(seen == (Seen { code: Some(4), out: String::new(), err: forbidden.to_owned() }), "{seen:?}");
    let seen = roles_as(&vera, &["default/db"]).await?;
    let forbidden =
        "error: this account may not list `statefulsets.apps` in `default`\nhint: the ClusterRole `view` allows it\n";
    ensure!(seen == (Seen { code: Some(4), out: String::new(), err: forbidden.to_owned() }), "{seen:?}");

    let fred = on.plane.kubeconfig("fred", &[])?;
    let partial = "\
StatefulSet shop/ledger
writes         manager-only
manager        ledger-0, unknown
members        ? of 3 ready, ? unstamped
write Service  ledger-write -> unknown

not read: you may not list `pods` in `shop`
not read: you may not list `endpointslices.discovery.k8s.io` in `shop`
hint: the ClusterRole `view` allows it

nothing is wrong in what could be read
";
    eventually("fred sees sets and Services", PATIENCE, async || {
        let seen = roles_as(&fred, &["shop/ledger"]).await?;
        ensure!(seen == (Seen { code: Some(4), out: partial.to_owned(), err: String::new() }), "{seen:?}");
        Ok(Some(()))
    })
    .await?;
    // He may list the names of namespaces, so each is tried.
    let seen = roles_as(&fred, &[]).await?;
    ensure!(
        seen.code == Some(4)
            && seen.out.contains("\nshop/ledger  ledger-0  ?/3    ?          ledger-write   unknown\n"),
        "{seen:?}"
    );
    ensure!(seen.out.contains("\nnot read: you may not list `statefulsets.apps` in `default`\n"), "{seen:?}");

    let nobody = Path::new("no-such.kubeconfig");
    let seen = roles_as(nobody, &[]).await?;
    ensure!(seen.code == Some(4) && seen.err.contains("hint: "), "{seen:?}");
    Ok(())
}

async fn a_service_that_leads_elsewhere_is_found(on: &Installed) -> Result<()> {
    run(on, "kubectl set selector service ledger-write --namespace shop app=ledger").await?;
    let seen = roles(on, &["shop/ledger"]).await?;
    let misled = "
1. problem: only the manager may write, and no Service leads to it alone
   hint: `kubectl set selector service ledger-write --namespace shop stateward.dev/role=manager,stateward.dev/set=ledger`

2. problem: Service `ledger-write` leads to the manager and to its workers alike
   hint: for writing: `kubectl set selector service ledger-write --namespace shop stateward.dev/role=manager,stateward.dev/set=ledger`; for reading: `kubectl annotate service ledger-write --namespace shop stateward.dev/service=read-only`
";
    ensure!(seen.code == Some(1) && seen.out.ends_with(misled), "{}", seen.out);
    mend(on, &seen).await?;
    becomes(on, "shop/ledger", &[]).await?;

    on.plane.apply(BY_HAND).await?;
    let seen = roles(on, &["shop/ledger"]).await?;
    ensure!(seen.code == Some(1) && seen.out.contains("\nwrite Service  ledger-write -> "), "{seen:?}");
    let by_hand = "
1. problem: Service `ledger-write` leads writes to `ledger-1`, and the manager is `ledger-0`
   hint: somebody else than Kubernetes wrote it: `kubectl delete endpointslice by-hand --namespace shop`
";
    ensure!(seen.out.ends_with(by_hand), "{}", seen.out);
    mend(on, &seen).await?;
    becomes(on, "shop/ledger", &[]).await
}

async fn a_manager_that_is_away_is_found(on: &Installed) -> Result<()> {
    on.granted(&["scale", "statefulset/ledger", "-n", "shop", "--replicas=0"]).await?;
    eventually("its pods are gone", PATIENCE, async || {
        let left = on.plane.kubectl(&["get", "pods", "-n", "shop", "-l", "app=ledger", "-o", "name"]).await?.stdout;
        Ok(left.is_empty().then_some(()))
    })
    .await?;
    becomes(on, "shop/ledger", &["scaled-to-zero"]).await?;
    let seen = eventually("nobody is behind the Service", PATIENCE, async || {
        let seen = roles(on, &["shop/ledger"]).await?;
        Ok(seen.out.contains("-> nobody\n").then_some(seen))
    })
    .await?;
    let scaled = "\
StatefulSet shop/ledger
writes         manager-only
manager        ledger-0, does not exist
members        0 of 0 ready, 0 unstamped
write Service  ledger-write -> nobody

1. problem: with 0 replicas there is no manager: nothing is written
   hint: `kubectl scale statefulset ledger --namespace shop --replicas 1`, or as many as it had
";
    ensure!((seen.code, seen.out.as_str()) == (Some(1), scaled), "{seen:?}");
    mend(on, &seen).await?;
    becomes(on, "shop/ledger", &[]).await?;

    // A set that is made anew adopts the pod that is there, with the keys that it was made with.
    on.granted(&["delete", "statefulset", "ledger", "-n", "shop", "--cascade=orphan"]).await?;
    on.plane.apply(&set("ledger", 1, true).to_string()).await?;
    becomes(on, "shop/ledger", &[]).await?;
    let uid = async |what: &str, path: &str| {
        let path = format!("jsonpath={{.metadata.{path}uid}}");
        Ok::<_, anyhow::Error>(on.plane.kubectl(&["get", what, "-n", "shop", "-o", &path]).await?.stdout)
    };
    let owner = uid("pod/ledger-0", "ownerReferences[0].").await?;
    ensure!(!owner.is_empty() && owner == uid("statefulset/ledger", "").await?, "nothing was adopted");
    Ok(())
}

async fn rolled(on: &Installed, set: &str) -> Result<()> {
    on.granted(&["rollout", "status", &format!("statefulset/{set}"), "-n", "shop", "--timeout=60s"]).await
}

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
