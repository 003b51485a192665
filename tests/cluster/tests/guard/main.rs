//! The native guard where nobody else is: no replica of the webhook runs, and none was ever installed.

mod shop;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use shop::Shop;
use stateward_cluster_tests::attacks::{Attack, Wanted, keys, ledger};
use stateward_cluster_tests::{ControlPlane, eventually, measured};
use stateward_rules_tests::default_policies;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_without_the_webhook() -> Result<()> {
    let Some(plane) = ControlPlane::start("guard").await? else { return Ok(()) };
    let shop = Shop::open(&plane).await?;
    let attacks = keys::all(&shop.uid().await?);
    every_attack_works_without_it(&shop, &attacks).await.context("every attack works without it")?;
    let without = status_update(&shop).await?;
    shop.guard().await?;
    measured(&format!(
        "a pod's status takes {without:?} without the guard and {:?} with it",
        status_update(&shop).await?
    ));
    every_attack_is_refused(&shop, &attacks).await.context("every attack is refused")?;
    what_is_right_is_let_through(&shop).await.context("what is right is let through")?;
    the_api_server_complains_of_nothing(&shop).await.context("the API server complains of nothing")?;
    orphans_are_adopted(&shop).await.context("orphans are adopted")?;
    a_member_without_a_role_does_not_start(&shop).await.context("a member without a role does not start")?;
    everybody_else_goes_on(&shop).await.context("everybody else goes on")?;
    two_policies_share_it(&shop).await.context("two policies share it")?;
    a_namespace_goes(&shop).await.context("a namespace goes")?;
    plane.passed();
    Ok(())
}

/// Else a refusal would show nothing.
async fn every_attack_works_without_it(shop: &Shop<'_>, attacks: &[Attack]) -> Result<()> {
    for attack in attacks {
        let answer = shop.send(&attack.sent).await?;
        ensure!(answer.is_granted(), "{}: {answer:?}", attack.name);
    }
    Ok(())
}

async fn every_attack_is_refused(shop: &Shop<'_>, attacks: &[Attack]) -> Result<()> {
    let mut wrong = Vec::new();
    for attack in attacks {
        let answer = shop.send(&attack.sent).await?;
        let is_right = match &attack.wanted {
            Wanted::Refused(message) => {
                let object = answer.message.split(" is forbidden: ").next().unwrap_or_default();
                let said = format!(
                    "{object} is forbidden: ValidatingAdmissionPolicy 'stateward' with binding 'stateward' denied request: {message}"
                );
                answer.code == 403 && answer.message == said
            }
            Wanted::Harmless => {
                answer.is_granted()
                    && ledger::keys_of(&answer.object) == ledger::keys_of(&shop.get(&attack.sent.path).await?)
            }
        };
        if !is_right {
            wrong.push(format!("{}: {} {}\n  not {:?}", attack.name, answer.code, answer.message, attack.wanted));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    measured(&format!("{} attacks", attacks.len()));
    Ok(())
}

async fn what_is_right_is_let_through(shop: &Shop<'_>) -> Result<()> {
    for attack in keys::none(&shop.uid().await?) {
        let answer = shop.send(&attack.sent).await?;
        ensure!(answer.is_granted(), "{}: {answer:?}", attack.name);
    }
    Ok(())
}

/// It checks the types of every expression against every resource that the policy names.
async fn the_api_server_complains_of_nothing(shop: &Shop<'_>) -> Result<()> {
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(shop.plane.client()?);
    let status = eventually("the types are checked", PATIENCE, async || {
        let status = policies.get("stateward").await?.status.context("no status")?;
        Ok(status.observed_generation.is_some().then_some(status))
    })
    .await?;
    let warnings = status.type_checking.and_then(|checked| checked.expression_warnings).unwrap_or_default();
    ensure!(warnings.is_empty(), "{warnings:#?}");
    Ok(())
}

async fn orphans_are_adopted(shop: &Shop<'_>) -> Result<()> {
    let before = shop.get(MANAGER).await?;
    shop.kubectl(&["delete", "statefulset", "ledger", "-n", "shop", "--cascade=orphan"]).await?;
    shop.plane.apply(&ledger::ledger().to_string()).await?;
    let set = shop.get("/apis/apps/v1/namespaces/shop/statefulsets/ledger").await?;
    for path in [MANAGER, WORKER] {
        eventually("it is adopted", PATIENCE, async || {
            let pod = shop.get(path).await?;
            Ok((pod["metadata"]["ownerReferences"][0]["uid"] == set["metadata"]["uid"]).then_some(()))
        })
        .await?;
    }
    let after = shop.get(MANAGER).await?;
    ensure!(after["metadata"]["uid"] == before["metadata"]["uid"], "it was made anew");
    ensure!(ledger::keys_of(&after) == ledger::keys_of(&before), "{after}");
    Ok(())
}

/// Nobody stamps: better no member than one that does not know what it is.
async fn a_member_without_a_role_does_not_start(shop: &Shop<'_>) -> Result<()> {
    shop.kubectl(&["delete", "pod", "ledger-1", "-n", "shop", "--wait=false"]).await?;
    let refused = "Create Pod ledger-1 in StatefulSet ledger failed error: pods \"ledger-1\" is forbidden: ValidatingAdmissionPolicy 'stateward' with \
                   binding 'stateward' denied request";
    let said = format!("{refused}: {}", ledger::unstamped("ledger-1"));
    eventually("an Event says why", PATIENCE, async || {
        let events = shop
            .kubectl(&["get", "events", "-n", "shop", "-o", "jsonpath={range .items[*]}{.message}{\"\\n\"}{end}"])
            .await?;
        ensure!(events.contains(&said), "{events}");
        Ok(Some(()))
    })
    .await?;
    // What `pause` does, by hand.
    shop.kubectl(&["delete", "validatingadmissionpolicybinding", "stateward"]).await?;
    eventually("it starts without a role", PATIENCE, async || {
        let pod = shop.get(WORKER).await?;
        Ok((pod["metadata"]["labels"]["stateward.dev/role"].is_null() && pod["status"]["phase"] == "Running")
            .then_some(()))
    })
    .await?;
    shop.guard().await
}

async fn everybody_else_goes_on(shop: &Shop<'_>) -> Result<()> {
    shop.plane.apply(shop::NEIGHBOURS).await?;
    let rolled = |what: &'static str| ["rollout", "status", what, "-n", "next-door", "--timeout=60s"];
    shop.kubectl(&rolled("statefulset/wiki")).await?;
    shop.kubectl(&rolled("deployment/web")).await?;
    shop.kubectl(&["wait", "job/once", "-n", "next-door", "--for=jsonpath={.status.ready}=1", "--timeout=60s"]).await?;
    shop.kubectl(&["scale", "statefulset/wiki", "-n", "next-door", "--replicas=3"]).await?;
    shop.kubectl(&["set", "image", "statefulset/wiki", "wiki=wiki:2", "-n", "next-door"]).await?;
    shop.kubectl(&["set", "image", "deployment/web", "web=web:2", "-n", "next-door"]).await?;
    shop.kubectl(&rolled("statefulset/wiki")).await?;
    shop.kubectl(&rolled("deployment/web")).await?;
    let image = "jsonpath={.items[*].spec.containers[0].image}";
    let images = shop.kubectl(&["get", "pods", "-n", "next-door", "-l", "app=wiki", "-o", image]).await?;
    ensure!(images == "wiki:2 wiki:2 wiki:2", "{images}");
    // Of a governed set, too, as far as no member is made.
    shop.kubectl(&["scale", "statefulset/ledger", "-n", "shop", "--replicas=1"]).await?;
    eventually("the worker goes", PATIENCE, async || Ok((shop.status(WORKER).await? == 404).then_some(()))).await
}

/// By the namespaces' labels: what no selector can say, an expression does.
async fn two_policies_share_it(shop: &Shop<'_>) -> Result<()> {
    let shipped = default_policies().into_iter().find(|policy| policy.metadata.name == "manager-writes");
    let shipped = shipped.context("not shipped")?;
    let mut policies = [shipped.clone(), shipped];
    for (policy, team) in policies.iter_mut().zip(["a", "b"]) {
        policy.metadata.name = team.to_owned();
        policy.spec.matches.namespace_selector =
            Some(serde_json::from_value(json!({ "matchLabels": { "team": team } }))?);
    }
    shop.put(&policies).await?;
    shop.judges(false).await?;
    shop.kubectl(&["label", "namespace", "shop", "team=b"]).await?;
    shop.judges(true).await
}

/// The most frequent request that the guard sees; the median.
async fn status_update(shop: &Shop<'_>) -> Result<Duration> {
    let pods: Api<Pod> = Api::namespaced(shop.plane.client()?, "shop");
    let dry = PatchParams { dry_run: true, ..PatchParams::default() };
    let mut took = Vec::new();
    for number in 0..200 {
        let patch = Patch::Merge(json!({ "status": { "message": number.to_string() } }));
        let start = Instant::now();
        pods.patch_status("ledger-1", &dry, &patch).await?;
        took.push(start.elapsed());
    }
    took.sort_unstable();
    Ok(took[took.len() / 2])
}

async fn a_namespace_goes(shop: &Shop<'_>) -> Result<()> {
    for namespace in ["shop", "next-door"] {
        shop.kubectl(&["delete", "namespace", namespace, "--timeout=60s"]).await?;
    }
    Ok(())
}

const MANAGER: &str = "/api/v1/namespaces/shop/pods/ledger-0";
const WORKER: &str = "/api/v1/namespaces/shop/pods/ledger-1";

const PATIENCE: Duration = Duration::from_secs(60);
