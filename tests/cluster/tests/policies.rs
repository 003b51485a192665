//! What is wrong with a policy or an exemption is said where one looks, and nothing else suffers from it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::{Value, json};
use stateward_cluster_tests::installed::Installed;
use stateward_cluster_tests::shop::SHOP;
use stateward_cluster_tests::{eventually, http};

#[tokio::test]
async fn what_is_wrong_is_said_and_the_rest_goes_on() -> Result<()> {
    Installed::run("policies", all).await
}

async fn all(on: &Installed) -> Result<()> {
    on.replicas(3).await?;
    on.open_shop().await?;
    let processes = processes(on);
    a_component_that_is_not_there(on).await.context("no component")?;
    settings_that_are_wrong(on).await.context("settings")?;
    the_list_tells_which_are_ready(on).await.context("columns")?;
    what_the_kinds_refuse(on).await.context("schema")?;
    a_bad_exemption(on).await.context("exemption")?;
    the_next_good_edit_is_taken(on).await.context("good edit")?;
    ensure!(self::processes(on) == processes, "a replica was started again");
    Ok(())
}

async fn a_component_that_is_not_there(on: &Installed) -> Result<()> {
    let missing = "cannot read the component `/nowhere/rules.wasm`: no such file or directory";
    on.plane.apply(&policy("no-file", &json!({ "component": "file:/nowhere/rules.wasm" }))).await?;
    let status = status(on, "no-file", "NotEnforced").await?;
    let said = format!("/spec/component: {missing}");
    ensure_eq(
        &conditions(&status),
        &[
            format!("Ready=False NotEnforced at 1: it is not enforced: {said}"),
            "SettingsValid=Unknown NotLoaded at 1: no replica has the component that knows them".to_owned(),
            format!("ComponentLoaded=False NotLoaded at 1: POD: {said}"),
            "Degraded=False AllKnown at 1: all that its rules look up is known".to_owned(),
        ],
    )?;
    everyone_says(on, &status, 1, &json!({ "component": said }))?;
    event(on, "no-file", &format!("Warning NotEnforced it is not enforced: {said}")).await?;
    on.refuses().await
}

async fn settings_that_are_wrong(on: &Installed) -> Result<()> {
    let wrong = json!({
        "component": "builtin:stateful",
        "rules": ["ordered-identity/zero-grace"],
        "settings": { "ordered-identity/zero-grace": { "nonsense": 1 } },
    });
    on.plane.apply(&policy("wrong-settings", &wrong)).await?;
    let status = status(on, "wrong-settings", "NotEnforced").await?;
    let said = "/spec/settings/ordered-identity~1zero-grace: there is no setting `ordered-identity/zero-grace`";
    ensure_eq(
        &conditions(&status),
        &[
            format!("Ready=False NotEnforced at 1: it is not enforced: {said}"),
            format!("SettingsValid=False Refused at 1: {said}"),
            "ComponentLoaded=Unknown NotLoaded at 1: no replica runs it".to_owned(),
            "Degraded=False AllKnown at 1: all that its rules look up is known".to_owned(),
        ],
    )?;
    everyone_says(on, &status, 1, &json!({ "spec": said }))?;
    event(on, "wrong-settings", &format!("Warning NotEnforced it is not enforced: {said}")).await?;
    on.refuses().await
}

async fn the_list_tells_which_are_ready(on: &Installed) -> Result<()> {
    let list = String::from_utf8(on.plane.kubectl(&["get", "wasmpolicies"]).await?.stdout)?;
    let mut lines = Vec::new();
    for line in list.lines() {
        // The last column is the age.
        let (line, age) = line.trim_end().rsplit_once(' ').context("one column")?;
        ensure!(age == "AGE" || age.ends_with('s'), "{list}");
        lines.push(line.trim_end().to_owned());
    }
    ensure_eq(
        &lines,
        &[
            "NAME               COMPONENT                  MODE      PROFILE    RULES   READY",
            "manager-writes     builtin:stateful           Enforce   baseline   24      True",
            "no-file            file:/nowhere/rules.wasm   Enforce   baseline           False",
            "operations         builtin:stateful           Enforce   baseline   9       True",
            "ordered-identity   builtin:stateful           Enforce   baseline   29      True",
            "remote-volumes     builtin:stateful           Enforce   baseline   31      True",
            "workload-kind      builtin:stateful           Enforce   baseline   4       True",
            "wrong-settings     builtin:stateful           Enforce   baseline           False",
        ]
        .map(str::to_owned),
    )
}

async fn what_the_kinds_refuse(on: &Installed) -> Result<()> {
    // While a value is none of those that may be, the API server leaves the rest to the next try.
    let loud = policy("bad", &json!({ "component": "oci:rules", "mode": "Loud" }));
    let component =
        "Invalid value: \"oci:rules\": must be `builtin:NAME`, `file:PATH` or `oci://HOST/REPO:TAG[@sha256:..]`";
    let timeout = "Invalid value: \"soon\": must be a duration like `200ms` or `1s`, at most 10s";
    let memory = "Invalid value: \"much\": must be a quantity like `64Mi`, at most 64Mi";
    let empty = policy("bad", &json!({ "component": "oci:rules", "rules": [] }));
    let wrong = policy(
        "bad",
        &json!({
            "component": "oci:rules", "rules": ["zero-grace"], "profileVersion": "1",
            "limits": { "timeout": "soon", "memory": "much" },
        }),
    );
    let nothing = exemption("bad", &json!({ "rules": ["*"], "reason": "" }));
    let unchecked = "Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";
    let cases = [
        (
            loud,
            "WasmPolicy",
            vec![
                "spec.mode: Unsupported value: \"Loud\": supported values: \"Audit\", \"Warn\", \"Enforce\"".to_owned(),
                format!("<nil>: {unchecked}"),
            ],
        ),
        (
            empty,
            "WasmPolicy",
            vec![
                format!("spec.component: {component}"),
                "spec.rules: Invalid value: 0: spec.rules in body should have at least 1 items".to_owned(),
            ],
        ),
        (
            wrong,
            "WasmPolicy",
            vec![
                format!("spec.component: {component}"),
                format!("spec.limits.memory: {memory}"),
                format!("spec.limits.timeout: {timeout}"),
                "spec.profileVersion: Invalid value: \"1\": must be a version like `v0.1`".to_owned(),
                "spec.rules[0]: Invalid value: \"zero-grace\": must be `family/rule`, `family/*` or `*`".to_owned(),
            ],
        ),
        (
            nothing,
            "PolicyExemption",
            vec![
                "spec.reason: Invalid value: \"\": spec.reason in body should be at least 1 chars long".to_owned(),
                "spec.rules[0]: Invalid value: \"*\": must be `family/rule` or `family/*`".to_owned(),
                "spec: Invalid value: needs `names` or a `selector`; `selector: {}` is every object of the namespace"
                    .to_owned(),
            ],
        ),
    ];
    for (object, kind, mut expected) in cases {
        let said = on.refused(&["create", "-f", "-"], &object).await?;
        let (title, causes) = said.trim_end().split_once('\n').with_context(|| said.clone())?;
        ensure!(title.trim_end() == format!("The {kind} \"bad\" is invalid:"), "{said}");
        // In no order of their own.
        let mut causes: Vec<String> = causes.lines().map(|line| line.trim_start_matches("* ").to_owned()).collect();
        causes.sort();
        expected.sort();
        ensure_eq(&causes, &expected)?;
    }
    on.refuses().await
}

/// One slip of the pen, and it exempts nothing: `on.refuses` creates what it names.
async fn a_bad_exemption(on: &Installed) -> Result<()> {
    let spec = json!({
        "rules": ["ordered-identity/zero-grace", "ordered-identity/zero-grade"], "names": ["bad"], "reason": "for a test",
    });
    on.plane.apply(&exemption("slip", &spec)).await?;
    let slip = "exemption shop/slip: /spec/rules/1: there is no rule `ordered-identity/zero-grade`; hint: did you mean `ordered-identity/zero-grace`?";
    the_pages_say(on, &[slip]).await?;
    on.refuses().await?;
    eventually("an Event on it says so", PATIENCE, async || {
        let said = on.plane.kubectl(&["describe", "policyexemption", "slip", "-n", SHOP]).await?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let event = "/spec/rules/1: there is no rule `ordered-identity/zero-grade`";
        Ok((said.contains("Invalid") && said.contains(event)).then_some(()))
    })
    .await?;
    on.granted(&["delete", "policyexemption", "slip", "-n", SHOP]).await?;
    the_pages_say(on, &[]).await?;

    // What no schema says: names are compared whole, and exemptions end.
    let spec = json!({ "rules": ["ordered-identity/zero-grace"], "names": ["b*"], "reason": "for a test" });
    on.plane.apply(&exemption("pattern", &spec)).await?;
    let spec = json!({
        "rules": ["ordered-identity/zero-grace"], "names": ["bad"], "reason": "for a test",
        "expires": "2999-01-01T00:00:00Z",
    });
    on.plane.apply(&exemption("century", &spec)).await?;
    let century = "exemption shop/century: /spec/expires: `2999-01-01T00:00:00Z` is more than 90 days away; hint: exemptions end; renew it when the time comes";
    let pattern = "exemption shop/pattern: /spec/names/0: `b*` is not a name: names are compared whole; hint: the names of single objects; for more of them a `selector` on their labels";
    the_pages_say(on, &[century, pattern]).await?;
    on.refuses().await?;
    on.granted(&["delete", "policyexemption", "--all", "-n", SHOP]).await?;
    the_pages_say(on, &[]).await
}

async fn the_next_good_edit_is_taken(on: &Installed) -> Result<()> {
    let good = json!({ "component": "builtin:stateful", "rules": ["operations/*"], "mode": "Audit" });
    on.plane.apply(&policy("no-file", &good)).await?;
    let good = json!({ "component": "builtin:stateful", "rules": ["ordered-identity/zero-grace"], "settings": {} });
    on.plane.apply(&policy("wrong-settings", &good)).await?;
    for name in ["no-file", "wrong-settings"] {
        let status = status(on, name, "Enforced").await?;
        let [ready, settings, component, degraded] =
            conditions(&status).try_into().map_err(|_| anyhow!("{status:#}"))?;
        ensure!(ready == "Ready=True Enforced at 2: on 3 replicas", "{ready}");
        let valid = "SettingsValid=True Valid at 2: the resource and its settings are as the component wants them";
        ensure!(settings == valid, "{settings}");
        ensure!(component.starts_with("ComponentLoaded=True Loaded at 2: sha256:"), "{component}");
        ensure!(degraded == "Degraded=False AllKnown at 2: all that its rules look up is known", "{degraded}");
    }
    on.granted(&["delete", "wasmpolicy", "no-file", "wrong-settings"]).await?;
    on.refuses().await
}

/// The policy's, once it is or is not Ready for this reason, and every replica has read what is written now.
async fn status(on: &Installed, name: &str, reason: &str) -> Result<Value> {
    eventually(&format!("`{name}` is {reason}"), PATIENCE, async || {
        let output = on.plane.kubectl(&["get", "wasmpolicy", name, "-o", "json"]).await?;
        let policy: Value = serde_json::from_slice(&output.stdout)?;
        let (status, generation) = (&policy["status"], &policy["metadata"]["generation"]);
        let replicas = status["replicas"].as_array().context("no replica")?;
        let ready = status["conditions"].as_array().into_iter().flatten().find(|one| one["type"] == "Ready");
        let ready = ready.context("no condition")?;
        let is_known = replicas.len() == 3 && replicas.iter().all(|replica| replica["generation"] == *generation);
        ensure!(ready["reason"] == reason && status["observedGeneration"] == *generation, "{ready}");
        Ok(is_known.then(|| status.clone()))
    })
    .await
}

/// One line for each, without the names of pods.
fn conditions(status: &Value) -> Vec<String> {
    let line = |one: &Value| {
        let word = |field: &str| one[field].as_str().unwrap_or_default().to_owned();
        let message = without_pods(&word("message"), status);
        let (kind, is, reason) = (word("type"), word("status"), word("reason"));
        format!("{kind}={is} {reason} at {}: {message}", one["observedGeneration"])
    };
    // What the last scan says comes when that is over: `reports` looks at it.
    let loading = status["conditions"].as_array().into_iter().flatten().filter(|one| one["type"] != "Reported");
    loading.map(line).collect()
}

fn without_pods(message: &str, status: &Value) -> String {
    let pods = status["replicas"].as_array().into_iter().flatten().filter_map(|replica| replica["name"].as_str());
    pods.fold(message.to_owned(), |message, pod| message.replace(pod, "POD"))
}

/// Each of our pods has an entry, for this generation, with these errors.
fn everyone_says(on: &Installed, status: &Value, generation: i64, errors: &Value) -> Result<()> {
    let pods: Vec<Value> = on.kubelet.pods().into_iter().map(|pod| json!({
        "name": pod.name, "generation": generation, "loaded": false, "enforced": false, "ruleCount": 0, "errors": errors,
    })).collect();
    let mut replicas = status["replicas"].as_array().cloned().unwrap_or_default();
    replicas.sort_by_key(|replica| replica["name"].to_string());
    ensure!(replicas == pods, "{replicas:#?}\nnot: {pods:#?}");
    Ok(())
}

/// Waits for it on the policy itself.
async fn event(on: &Installed, policy: &str, expected: &str) -> Result<()> {
    let fields = format!("--field-selector=involvedObject.kind=WasmPolicy,involvedObject.name={policy}");
    let columns = "jsonpath={range .items[*]}{.type} {.reason} {.message}{\"\\n\"}{end}";
    let events = ["get", "events", "-A", &fields, "-o", columns];
    eventually("an Event says so", PATIENCE, async || {
        let said = String::from_utf8(on.plane.kubectl(&events).await?.stdout)?;
        ensure!(said == format!("{expected}\n"), "{said}");
        Ok(Some(()))
    })
    .await
}

/// What each replica shows to be wrong with exemptions.
async fn the_pages_say(on: &Installed, expected: &[&str]) -> Result<()> {
    for pod in on.kubelet.pods() {
        eventually("the page says so", PATIENCE, async || {
            let page = page(on, &pod.name).await?;
            let problems = page["problems"]["exemptions"].as_array().cloned().unwrap_or_default();
            ensure!(problems == expected, "{page:#}");
            Ok(Some(()))
        })
        .await?;
    }
    Ok(())
}

async fn page(on: &Installed, pod: &str) -> Result<Value> {
    let pods = on.kubelet.pods();
    let address = pods.iter().find(|view| view.name == pod).context("no such pod")?.address;
    let (_, page) = http::fetch(&format!("{address}:8080"), "/policies", PATIENCE).await?;
    Ok(serde_json::from_str(&page)?)
}

fn processes(on: &Installed) -> BTreeMap<String, Option<i32>> {
    on.kubelet.pods().into_iter().map(|pod| (pod.name, pod.pid)).collect()
}

fn policy(name: &str, spec: &Value) -> String {
    let metadata = json!({ "name": name });
    json!({ "apiVersion": "stateward.dev/v1alpha1", "kind": "WasmPolicy", "metadata": metadata, "spec": spec })
        .to_string()
}

fn exemption(name: &str, spec: &Value) -> String {
    let metadata = json!({ "name": name, "namespace": SHOP });
    json!({ "apiVersion": "stateward.dev/v1alpha1", "kind": "PolicyExemption", "metadata": metadata, "spec": spec })
        .to_string()
}

fn ensure_eq(lines: &[String], expected: &[String]) -> Result<()> {
    ensure!(lines == expected, "{}\nnot:\n{}", lines.join("\n"), expected.join("\n"));
    Ok(())
}

const PATIENCE: Duration = Duration::from_secs(60);
