//! `stateward audit` on a real cluster: what was there before the product, judged without it, then with its policies and exemptions; what may not be
//! read is said; and what `check` says of the same objects in a file is the same.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stateward_cluster_tests::installed::Installed;
use stateward_cluster_tests::shop::{SHOP, but, namespace, stateful_set};
use stateward_cluster_tests::{eventually, http, stateward};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_runs_is_judged() -> Result<()> {
    Installed::run_bare("audit", sections).await
}

async fn sections(on: &Installed) -> Result<()> {
    fill(on).await?;
    nothing_of_ours_is_needed(on).await.context("before the installation")?;
    values_are_not_shown(on).await.context("values")?;
    a_part_may_be_asked_for(on).await.context("a part")?;
    what_may_not_be_read_is_said(on).await.context("rights")?;
    a_file_says_the_same(on).await.context("the same in a file")?;
    what_changed_is_said(on).await.context("a baseline")?;
    on.installs().await?;
    the_clusters_policies_judge(on).await.context("installed")?;
    every_replica_draws_the_page(on).await.context("the page")
}

/// Two namespaces; in one of them a set that breaks rules, with a password for all to see.
async fn fill(on: &Installed) -> Result<()> {
    on.open_shop().await?;
    on.plane.apply(&namespace("test")).await?;
    // Nobody is there who stamps.
    let all_write = json!({ "metadata": { "annotations": { "stateward.dev/writes": "any" } } });
    on.plane.apply(&but(stateful_set("ledger", 2), &all_write).to_string()).await?;
    let env = json!([{ "name": "PASSWORD", "value": SECRET }]);
    let abrupt = json!({
        "metadata": { "namespace": "test", "labels": { "team": "a" } },
        "spec": { "template": { "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{ "name": "ledger", "image": "ledger:1", "env": env, "args": [SECRET] }],
        } } },
    });
    let abrupt = but(but(stateful_set("abrupt", 1), &all_write), &abrupt);
    on.plane.apply(&abrupt.to_string()).await?;
    for set in ["shop/ledger", "test/abrupt"] {
        let (namespace, name) = set.split_once('/').context("no set")?;
        on.granted(&["rollout", "status", &format!("statefulset/{name}"), "-n", namespace, "--timeout=60s"]).await?;
    }
    Ok(())
}

async fn nothing_of_ours_is_needed(on: &Installed) -> Result<()> {
    let (code, report, said) = audit(on, &[]).await?;
    ensure!(code == Some(1), "{code:?} {said}");
    ensure!(said.contains("no WasmPolicy can be read in this cluster: the built-in policies judge"), "{said}");
    let found = findings(&report);
    ensure!(found.contains("Deny ordered-identity/zero-grace StatefulSet test/abrupt"), "{found:#?}");
    ensure!(
        !found.iter().any(|line| line.starts_with("Deny") && line.ends_with("StatefulSet shop/ledger")),
        "{found:#?}"
    );
    // Two sets, three members, two Services.
    let judged = report["summary"]["judged"].as_u64().unwrap_or_default();
    ensure!(judged >= 7, "{}", report["summary"]);
    let changed = report["changed"].as_array().context("no list")?;
    ensure!(changed.is_empty(), "what is stored is not changed first: {changed:?}");
    Ok(())
}

async fn values_are_not_shown(on: &Installed) -> Result<()> {
    let (code, said) = on.stateward(&["audit"]).await?;
    ensure!(code == Some(1) && !said.contains(SECRET), "{said}");
    let page = on.plane.folder().join("page.html");
    let (code, _) = on.stateward(&["audit", "-o", &format!("html={}", page.display())]).await?;
    let page = std::fs::read_to_string(page)?;
    ensure!(
        code == Some(1) && page.contains("audit of all namespaces") && page.contains("terminationGracePeriodSeconds"),
        "{page}"
    );
    ensure!(!page.contains(SECRET), "{page}");
    ensure!(
        said.contains("statefulsets.apps/test/abrupt:") && said.contains("terminationGracePeriodSeconds: 0"),
        "{said}"
    );
    Ok(())
}

async fn a_part_may_be_asked_for(on: &Installed) -> Result<()> {
    let denied = |report: &Value| report["summary"]["denied"].clone();
    let (code, report, said) = audit(on, &["--namespace", SHOP]).await?;
    ensure!(code == Some(0) && denied(&report) == 0, "{code:?} {said} {:#?}", findings(&report));
    ensure!(findings(&report).iter().all(|line| line.contains(" shop/")), "{:#?}", findings(&report));
    let (code, report, said) = audit(on, &["-l", "team=a"]).await?;
    ensure!(
        code == Some(1) && denied(&report) == 1 && report["summary"]["objects"] == 1,
        "{said} {}",
        report["summary"]
    );
    let (code, report, _) = audit(on, &["-l", "team in (b, c)"]).await?;
    ensure!(code == Some(5) && report["summary"]["objects"] == 0, "{code:?} {}", report["summary"]);
    Ok(())
}

async fn what_may_not_be_read_is_said(on: &Installed) -> Result<()> {
    let reader = ["create", "rolebinding", "reads", "-n", SHOP, "--clusterrole=view", "--user=reader"];
    on.granted(&reader).await?;
    let (code, report, said) = audit(on, &["--as", "reader", "-n", SHOP]).await?;
    // Within a namespace only what has none is kept from her.
    ensure!(code == Some(4), "{code:?} {said}");
    ensure!(said.contains("this account may not list `storageclasses.storage.k8s.io` in all namespaces"), "{said}");
    ensure!(!said.contains("`statefulsets.apps`"), "{said}");
    let judged = report["summary"]["judged"].as_u64().unwrap_or_default();
    ensure!(judged >= 4, "{}", report["summary"]);
    let (code, report, said) = audit(on, &["--as", "nobody"]).await?;
    ensure!(code == Some(4) && report["summary"]["objects"] == 0, "{code:?} {said}");
    ensure!(said.contains("this account may not list `statefulsets.apps` in all namespaces"), "{said}");
    let unreadable = report["unreadable"].as_array().context("no list")?;
    ensure!(unreadable.iter().any(|wrong| wrong["file"] == "statefulsets.apps"), "{unreadable:?}");
    Ok(())
}

/// Since an older report: here of the namespace that is well.
async fn what_changed_is_said(on: &Installed) -> Result<()> {
    let older = on.plane.folder().join("older.json");
    on.stateward(&["audit", "-n", SHOP, "-o", &format!("json={}", older.display())]).await?;
    let (_, said) = on.stateward(&["audit", "--baseline", older.to_str().context("no path")?]).await?;
    let counts = said.lines().find_map(|line| line.strip_prefix("note: since the older report: "));
    let counts = counts.with_context(|| said.clone())?;
    ensure!(
        !counts.starts_with("0 new") && counts.contains(", 0 gone, ") && !counts.contains(" 0 as before"),
        "{counts}"
    );
    Ok(())
}

/// One core: what is stored says the same of itself wherever it is read.
async fn a_file_says_the_same(on: &Installed) -> Result<()> {
    let kinds = "namespaces,statefulsets,deployments,replicasets,pods,services,persistentvolumeclaims,persistentvolumes,storageclasses,poddisruptionbudgets";
    let dump = on.plane.kubectl(&["get", kinds, "--all-namespaces", "-o", "json"]).await?;
    ensure!(dump.status.success(), "{dump:?}");
    let file = on.plane.folder().join("dump.json");
    std::fs::write(&file, &dump.stdout)?;
    let (_, of_cluster, _) = audit(on, &[]).await?;
    let (_, of_file, said) = audit(on, &[file.to_str().context("no path")?]).await?;
    let (of_cluster, of_file) = (findings(&of_cluster), findings(&of_file));
    ensure!(!of_file.is_empty(), "{said}");
    // A file knows only the kinds that it holds; what it says, the cluster says.
    let invented: Vec<_> = of_file.difference(&of_cluster).collect();
    ensure!(invented.is_empty(), "only in the file: {invented:#?}");
    let denied =
        |all: &BTreeSet<String>| all.iter().filter(|line| line.starts_with("Deny")).cloned().collect::<Vec<_>>();
    ensure!(denied(&of_file) == denied(&of_cluster), "{of_file:#?} {of_cluster:#?}");
    Ok(())
}

async fn the_clusters_policies_judge(on: &Installed) -> Result<()> {
    let exemption = json!({
        "apiVersion": "stateward.dev/v1alpha1", "kind": "PolicyExemption",
        "metadata": { "name": "legacy", "namespace": "test" },
        "spec": { "rules": ["ordered-identity/zero-grace"], "names": ["abrupt"], "reason": "it is being replaced" },
    });
    on.plane.apply(&exemption.to_string()).await?;
    let (code, report, said) = audit(on, &[]).await?;
    ensure!(code == Some(0) && !said.contains("built-in policies judge"), "{code:?} {said} {:#?}", findings(&report));
    ensure!(
        findings(&report).contains("Audit ordered-identity/zero-grace StatefulSet test/abrupt"),
        "{:#?}",
        findings(&report)
    );
    // Who made a member is not stored with it: what rests on that does not pass.
    let vault = but(
        stateful_set("vault", 1),
        &json!({ "spec": { "selector": { "matchLabels": { "app": "vault" } }, "template": { "metadata": { "labels": { "app": "vault" } } } } }),
    );
    on.plane.apply(&vault.to_string()).await?;
    on.granted(&["rollout", "status", "statefulset/vault", "-n", SHOP, "--timeout=60s"]).await?;
    let (code, report, said) = audit(on, &["-n", SHOP]).await?;
    ensure!(code == Some(0), "{said} {:#?}", findings(&report));
    let undecided = report["undecided"].as_array().context("no list")?;
    let is_user_bound =
        |one: &&Value| one["reason"] == "nobody asked: the rule needs a user" && one["name"] == "vault-0";
    ensure!(
        undecided.iter().filter(is_user_bound).any(|one| one["rule"] == "manager-writes/unbound-pod"),
        "{undecided:#?}"
    );
    // What is asked for on the command line judges instead.
    let policies = on.plane.folder().join("policies");
    std::fs::create_dir(&policies)?;
    let strict = "{ apiVersion: stateward.dev/v1alpha1, kind: WasmPolicy, metadata: { name: only }, spec: { component: \"builtin:stateful\", rules: [\"operations/*\"] } }";
    std::fs::write(policies.join("only.yaml"), strict)?;
    let (_, report, said) = audit(on, &["--policies", policies.to_str().context("no path")?]).await?;
    let found = findings(&report);
    ensure!(!found.is_empty() && found.iter().all(|line| line.contains(" operations/")), "{said} {found:#?}");
    // A namespace's label counts as it does for a request.
    on.granted(&["label", "namespace", SHOP, "stateward.dev/profile=strict"]).await?;
    eventually("the scan sees it", PATIENCE, async || {
        let (_, report, _) = audit(on, &["-n", SHOP]).await?;
        let is_strict = |line: &String| !line.starts_with("Audit") && line.contains("shop/ledger");
        Ok(findings(&report).iter().any(is_strict).then_some(()))
    })
    .await
}

/// What the admin port draws for a person is what the command draws: the same objects and findings, of all namespaces and of one.
async fn every_replica_draws_the_page(on: &Installed) -> Result<()> {
    for (pod, namespace) in on.kubelet.pods().iter().zip([None, Some("test"), Some(SHOP)]) {
        let path = namespace.map_or_else(|| "/report".to_owned(), |namespace| format!("/report?namespace={namespace}"));
        let (status, live) = http::fetch(&format!("{}:8080", pod.address), &path, PATIENCE).await?;
        ensure!(status == 200, "{status} {live}");
        let file = on.plane.folder().join("live.html");
        let output = format!("html={}", file.display());
        let mut arguments = vec!["audit", "-o", &output];
        arguments.extend(namespace.iter().flat_map(|namespace| ["-n", namespace]));
        on.stateward(&arguments).await?;
        let (live, drawn) = (data(&live)?, data(&std::fs::read_to_string(&file)?)?);
        ensure!(live["findings"].as_array().is_some_and(|found| !found.is_empty()), "{live}");
        ensure!(live == drawn, "of {namespace:?}: {live}\n{drawn}");
        ensure!(!live.to_string().contains(SECRET), "{live}");
    }
    Ok(())
}

/// What a page's script reads.
fn data(page: &str) -> Result<Value> {
    let begin = "<script type=\"application/json\" id=data>";
    let (_, rest) = page.split_once(begin).context("no data")?;
    let (data, _) = rest.split_once("</script>").context("no end")?;
    Ok(serde_json::from_str(data)?)
}

/// The exit code, the JSON report and what is said beside it.
async fn audit(on: &Installed, arguments: &[&str]) -> Result<(Option<i32>, Value, String)> {
    let mut command = Command::new(stateward());
    command.arg("audit").args(arguments).args(["-o", "json"]).env("KUBECONFIG", on.plane.admin());
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let said = String::from_utf8(output.stderr)?;
    let report = serde_json::from_slice(&output.stdout).with_context(|| said.clone())?;
    Ok((output.status.code(), report, said))
}

/// `ACTION RULE KIND NAMESPACE/NAME`.
fn findings(report: &Value) -> BTreeSet<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = report["results"].as_array().into_iter().flatten();
    all.map(|one| {
        let [action, rule, kind, namespace, name] =
            ["action", "rule", "kind", "namespace", "name"].map(|key| text(&one[key]));
        format!("{action} {rule} {kind} {namespace}/{name}")
    })
    .collect()
}

const SECRET: &str = "hunter2";

const PATIENCE: Duration = Duration::from_secs(60);
