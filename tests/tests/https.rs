//! `stateward serve` as it is started, with nothing but flags: both protocols, the admin port, the log, policies and manifests that change.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::{BufRead, BufReader};

use serde_json::Value;
use stateward_tests::client::{Endpoint, Protocol};
use stateward_tests::root;
use stateward_tests::server::{Serve, command, text};

#[tokio::test(flavor = "multi_thread")]
async fn with_no_flags_it_serves_the_built_in_policies() {
    let serve = Serve::start(&[]).unwrap();
    assert!(serve.address.ip().is_loopback());
    let ca = serve.ca.clone().unwrap();
    assert!(ca.exists());
    let endpoint = serve.endpoint().unwrap();
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let answer: Value =
            serde_json::from_slice(&endpoint.post(protocol, "/validate/fail?timeout=5s", review()).await.unwrap().body)
                .unwrap();
        assert_eq!(answer["response"]["uid"], uid());
    }
    let (status, policies) = serve.get("/policies").unwrap();
    let policies: Value = serde_json::from_str(&policies).unwrap();
    let names: Vec<&str> = policies["policies"].as_array().unwrap().iter().map(|policy| text(policy, "name")).collect();
    assert_eq!(
        (status, names),
        (200, vec!["manager-writes", "operations", "ordered-identity", "remote-volumes", "workload-kind"])
    );
    assert!(
        policies["policies"]
            .as_array()
            .unwrap()
            .iter()
            .all(|policy| policy["loaded"] == true && policy["errors"] == serde_json::json!([]))
    );

    serve.terminate().unwrap();
    assert!(serve.wait().unwrap().0.success());
    assert!(!ca.exists(), "the authority's file outlived the server");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_line_for_a_request_and_never_its_body() {
    let serve = Serve::start(&["--drain-delay", "0"]).unwrap();
    let mut review: Value = serde_json::from_slice(&review()).unwrap();
    review["request"]["object"]["metadata"]["annotations"]["example.com/token"] = "hunter2".into();
    let answer = serve.endpoint().unwrap().post(Protocol::Http1, "/validate/fail", review.to_string()).await.unwrap();
    assert_eq!(answer.status, 200);
    serve.terminate().unwrap();
    let (_, log) = serve.wait().unwrap();
    let lines: Vec<&Value> = log.iter().filter(|line| text(line, "message") == "admission").collect();
    let [line] = lines[..] else { panic!("{log:#?}") };
    let fields: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
    insta::assert_snapshot!(fields.join(" "), @"dry_run duration_ms kind level message name namespace operation policies route timestamp uid user verdict");
    assert_eq!(
        [text(line, "operation"), text(line, "kind"), text(line, "namespace"), text(line, "name"), text(line, "user")],
        ["CREATE", "StatefulSet", "demo", "db", "admin"]
    );
    assert!(!format!("{log:?}").contains("hunter2"));
}

/// Of what was answered who, what, by which rules; through the command as through the port.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_decisions_are_told() {
    let serve = Serve::start(&["--drain-delay", "0"]).unwrap();
    let mut review: Value = serde_json::from_slice(&review()).unwrap();
    let endpoint = serve.endpoint().unwrap();
    endpoint.post(Protocol::Http1, "/validate/ignore", review.to_string()).await.unwrap();
    let spec = review.pointer_mut("/request/object/spec/template/spec").unwrap();
    spec["terminationGracePeriodSeconds"] = 0.into();
    spec["containers"][0]["args"] = serde_json::json!(["hunter2"]);
    review["request"]["name"] = "db-ä".into();
    endpoint.post(Protocol::Http2, "/validate/fail", review.to_string()).await.unwrap();
    let (status, text) = serve.get("/decisions").unwrap();
    assert!(status == 200 && !text.contains("hunter2"), "{text}");
    let told: Value = serde_json::from_str(&text).unwrap();
    let all = told["decisions"].as_array().unwrap();
    assert_eq!(
        (all.len(), &all[0]["route"], &all[1]["verdict"]),
        (2, &Value::from("ignore"), &Value::from("denied")),
        "{text}"
    );
    let asked = |arguments: &'static [&str]| {
        let mut command = std::process::Command::new(stateward_tests::stateward());
        command.args(["decisions", "--url", &format!("http://{}", serve.admin)]).args(arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let denied = asked(&["--denied", "-n", "demo"]);
    let (time, line) = denied.trim_end().split_once(' ').unwrap();
    assert!(time.len() == 20 && time.ends_with('Z'), "{denied}");
    assert!(
        line.starts_with("denied  fail   CREATE StatefulSet demo/db-ä by admin: deny ordered-identity/zero-grace"),
        "{line}"
    );
    assert_eq!(asked(&["--last", "1", "--namespace", "nowhere"]), "");
    assert_eq!(asked(&[]).lines().count(), 2);
    let json: Value = serde_json::from_str(&asked(&["-o", "json"])).unwrap();
    assert_eq!(json["decisions"], told["decisions"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_request_makes_a_short_line() {
    let serve = Serve::start(&["--drain-delay", "0"]).unwrap();
    let mut review: Value = serde_json::from_slice(&review()).unwrap();
    for field in ["/uid", "/kind/kind", "/namespace", "/name", "/userInfo/username"] {
        *review["request"].pointer_mut(field).unwrap() = "ä".repeat(100_000).into();
    }
    let answer = serve.endpoint().unwrap().post(Protocol::Http1, "/validate/fail", review.to_string()).await.unwrap();
    assert_eq!(answer.status, 200);
    let line = serve.logged("admission").unwrap();
    for field in ["uid", "kind", "namespace", "name", "user"] {
        assert_eq!(text(&line, field), "ä".repeat(169), "{field}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_emptied_or_cut_off_ends_no_policy() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start_unready(&["--policies", folder.path().to_str().unwrap()]).unwrap();
    let endpoint = serve.endpoint().unwrap();

    // None at all: a folder that is not filled yet, or the wrong one.
    serve.until("the mistake", || problems(&serve).contains("no policy could be loaded")).unwrap();
    assert_eq!(serve.get("/readyz").unwrap().0, 503);
    assert_eq!(endpoint.post(Protocol::Http1, "/validate/fail", review()).await.unwrap().status, 503);

    let file = folder.path().join("a.yaml");
    let other = policy("other", "Enforce", "Deny").replace("zero-grace", "name-too-long");
    let both = format!("{other}---\n{}", policy("ours", "Enforce", "Deny"));
    let is_ready = || serve.get("/readyz").unwrap().0 == 200;
    fs::write(&file, &both).unwrap();
    serve.until("ready", is_ready).unwrap();
    assert!(is_denied(&endpoint).await);

    for cut_off in [String::new(), "# soon\n".to_owned(), format!("{other}---\n")] {
        fs::write(&file, cut_off).unwrap();
        serve
            .until("the gap", || {
                problems(&serve).contains("gone from the file: ") && problems(&serve).contains("`ours`")
            })
            .unwrap();
        assert!(problems(&serve).contains("hint: to remove what a file holds, delete the file"));
        assert_eq!(policy_status(&serve, "ours")["loaded"], true);
        assert!(is_ready() && is_denied(&endpoint).await);
        fs::write(&file, &both).unwrap();
        serve.until("the repair", || problems(&serve) == "{}").unwrap();
    }

    // Taken out on purpose, and removed.
    fs::write(&file, &other).unwrap();
    serve.until("the end of `ours`", || policy_status(&serve, "ours").is_null()).unwrap();
    assert!(!is_denied(&endpoint).await);
    fs::remove_file(&file).unwrap();
    serve.until("the end of `other`", || policies(&serve)["policies"] == serde_json::json!([])).unwrap();
    assert!(is_ready() && problems(&serve) == "{}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_policy_keeps_its_last_good_version() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (folder.path().join("a.yaml"), folder.path().join("b.yaml"));
    fs::write(&ours, policy("ours", "Enforce", "Deny")).unwrap();
    fs::write(&theirs, policy("theirs", "Audit", "Deny").replace("zero-grace", "name-too-long")).unwrap();
    let serve = Serve::start(&["--policies", folder.path().to_str().unwrap()]).unwrap();
    let endpoint = serve.endpoint().unwrap();
    assert!(is_denied(&endpoint).await);

    // A value that there is not: the former version stays, and file, line and field are named.
    fs::write(&ours, policy("ours", "Enforced", "Deny")).unwrap();
    serve.until("the mistake", || problems(&serve).contains("a.yaml:6:")).unwrap();
    let said = problems(&serve);
    assert!(said.contains("spec.mode") && said.contains("Enforced") && said.contains("hint: "), "{said}");
    let complaint = serve.logged("file not loaded").unwrap();
    assert_eq!((text(&complaint, "file"), &complaint["line"]), (ours.to_str().unwrap(), &Value::from(6)));
    assert!(is_denied(&endpoint).await);

    // An action for a rule that there is not: known only once the component is asked.
    fs::write(&ours, policy("ours", "Enforce", "Deny").replace("zero-grace: Deny", "zero-gravity: Deny")).unwrap();
    serve
        .until("the second mistake", || policy_status(&serve, "ours")["errors"].to_string().contains("zero-gravity"))
        .unwrap();
    assert_eq!(policy_status(&serve, "ours")["loaded"], true);
    assert!(is_denied(&endpoint).await);

    // No YAML at all.
    fs::write(&ours, "kind: [").unwrap();
    serve
        .until("the third mistake", || !problems(&serve).contains("Enforced") && problems(&serve).contains("a.yaml:"))
        .unwrap();
    assert!(is_denied(&endpoint).await);

    // Repaired, and milder.
    fs::write(&ours, policy("ours", "Audit", "Deny")).unwrap();
    serve.until("the repair", || policy_status(&serve, "ours")["mode"] == "Audit").unwrap();
    assert_eq!(problems(&serve), "{}");
    assert!(!is_denied(&endpoint).await);

    // A policy that never loaded is not enforced; one that is taken away ends.
    fs::write(&ours, policy("late", "Enforce", "Forbid")).unwrap();
    serve.until("the new mistake", || problems(&serve).contains("Forbid")).unwrap();
    fs::remove_file(&ours).unwrap();
    serve.until("the end of `ours`", || policy_status(&serve, "ours").is_null() && problems(&serve) == "{}").unwrap();
    assert_eq!(policy_status(&serve, "theirs")["loaded"], true);
    assert!(!is_denied(&endpoint).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn looks_up_what_the_inventory_folder_holds() {
    let folder = tempfile::tempdir().unwrap();
    let service = |cluster_ip: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: db\n  namespace: demo\nspec:\n  clusterIP: {cluster_ip}\n  selector:\n    app: db\n"
        )
    };
    let file = folder.path().join("service.yaml");
    fs::write(&file, service("10.0.0.7")).unwrap();
    let serve = Serve::start(&["--inventory", folder.path().to_str().unwrap(), "--profile", "strict"]).unwrap();
    let endpoint = serve.endpoint().unwrap();
    let says_not_headless = async || {
        let answer = endpoint.post(Protocol::Http2, "/validate/fail", review()).await.unwrap();
        answer.text().contains("ordered-identity/not-headless")
    };
    assert!(says_not_headless().await);
    fs::write(&file, service("None")).unwrap();
    serve.until("the change", || serve.metric("stateward_policy_set_generation ") >= 2.0).unwrap();
    assert!(!says_not_headless().await);
}

/// What is in a file that cannot be read is not absent.
#[tokio::test(flavor = "multi_thread")]
async fn an_inventory_that_was_never_whole_answers_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let service =
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: other\n  namespace: demo\nspec: {clusterIP: 10.0.0.7}\n";
    fs::write(folder.path().join("a.yaml"), service).unwrap();
    let file = folder.path().join("b.yaml");
    fs::write(&file, "kind: [\n").unwrap();
    let serve = Serve::start_unready(&["--inventory", folder.path().to_str().unwrap()]).unwrap();
    let endpoint = serve.endpoint().unwrap();
    let complaint = serve.logged("file not loaded").unwrap();
    assert_eq!((text(&complaint, "file"), complaint["line"].is_u64()), (file.to_str().unwrap(), true));
    serve.logged("not ready: what is to be in force could not be loaded").unwrap();
    assert_eq!(serve.get("/readyz").unwrap().0, 503);
    for route in ["/mutate", "/validate/closed", "/validate/fail", "/validate/ignore"] {
        assert_eq!(endpoint.post(Protocol::Http1, route, review()).await.unwrap().status, 503);
        let is_rejected = |line: &Value| text(line, "message") == "request rejected" && text(line, "path") == route;
        serve
            .until("the line", || serve.log().iter().any(|line| is_rejected(line) && text(line, "uid") == uid()))
            .unwrap();
    }

    fs::write(&file, service.replace("other", "db")).unwrap();
    serve.until("ready", || serve.get("/readyz").unwrap().0 == 200).unwrap();
    assert_eq!(problems(&serve), "{}");
    assert_eq!(endpoint.post(Protocol::Http1, "/validate/fail", review()).await.unwrap().status, 200);

    // From now on the last whole one stays: what was in a file that is broken, emptied or cut off is not absent.
    let said_of_db = async || {
        let answer = endpoint.post(Protocol::Http1, "/validate/fail", review()).await.unwrap();
        let answer = answer.text();
        let is_said = |words| answer.contains(words);
        match (is_said("Service `db` is not headless"), is_said("[ordered-identity/not-headless] could not be decided"))
        {
            (true, _) => "found",
            (_, true) => "unknown",
            _ => "absent",
        }
    };
    let (third, db) = (service.replace("other", "third"), service.replace("other", "db"));
    let both = format!("{third}---\n{db}");
    for (broken, complaint, said) in [
        ("kind: [\n".to_owned(), "b.yaml:", "found"),
        (String::new(), "`v1 Service demo/db`; ", "found"),
        (format!("{third}---\n"), "`v1 Service demo/db`; ", "found"),
        (both.replace("name: db\n", "generateName: db\n"), "the object has no `metadata.name`", "unknown"),
    ] {
        fs::write(&file, &both).unwrap();
        serve.until("the repair", || problems(&serve) == "{}").unwrap();
        assert_eq!(said_of_db().await, "found");
        fs::write(&file, &broken).unwrap();
        serve.until("the mistake", || problems(&serve).contains(complaint)).unwrap();
        assert_eq!((serve.get("/readyz").unwrap().0, said_of_db().await), (200, said), "{broken}");
    }
    fs::write(&file, third).unwrap();
    serve.until("the end of `db`", || problems(&serve) == "{}").unwrap();
    assert_eq!(said_of_db().await, "absent");
}

#[test]
fn what_is_wrong_is_logged_once_while_it_lasts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.yaml");
    fs::write(&file, policy("ours", "Enforce", "Deny")).unwrap();
    fs::write(folder.path().join("b.yaml"), policy("theirs", "Enforced", "Deny")).unwrap();
    fs::write(folder.path().join("c.yaml"), policy("others", "Enforce", "Deny").replace("zero-grace", "zero-grief"))
        .unwrap();
    let serve = Serve::start(&["--policies", folder.path().to_str().unwrap()]).unwrap();
    for (generation, mode) in [(2.0, "Warn"), (3.0, "Audit")] {
        fs::write(&file, policy("ours", mode, "Deny")).unwrap();
        serve.until("the change", || serve.metric("stateward_policy_set_generation ") >= generation).unwrap();
        serve.until("the line", || policy_status(&serve, "ours")["mode"] == mode).unwrap();
    }
    serve.terminate().unwrap();
    let (_, log) = serve.wait().unwrap();
    let said = |message: &str| log.iter().filter(|line| text(line, "message") == message).count();
    assert_eq!((said("file not loaded"), said("policy not loaded")), (1, 2), "{log:#?}");
    assert!(said("policies in force") >= 3);
}

/// Whoever collects the log reads JSON, from the first line on.
#[test]
fn a_cache_that_cannot_be_used_is_a_line_of_the_log() {
    let mut serve = command(&[]).env("STATEWARD_CACHE_DIR", "/dev/null/cache").spawn().unwrap();
    let lines = BufReader::new(serve.stderr.take().unwrap()).lines();
    let warning = lines
        .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap())
        .find(|line| text(line, "message") == "compiled policies are not kept")
        .unwrap();
    serve.kill().unwrap();
    serve.wait().unwrap();
    assert_eq!(text(&warning, "level"), "WARN");
    assert!(text(&warning, "error").contains("`/dev/null/cache`"), "{warning}");
}

#[test]
fn says_what_is_wrong_with_the_command_line() {
    for (flags, words) in [
        (["--policies", "/nowhere/policies"], "--policies `/nowhere/policies` is not a folder"),
        (["--tls-dir", "/nowhere/tls"], "hint: --tls-dir names a directory with `tls.crt` and `tls.key`"),
        (["--drain-delay", "soon"], "expected a duration like `5s`"),
    ] {
        let mut serve = std::process::Command::new(stateward_tests::stateward());
        let output = serve.args(["serve", "--listen", "127.0.0.1:0"]).args(flags).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {said}");
        assert!(said.contains(words), "{flags:?}: {said}");
    }
}

#[test]
fn every_flag_has_its_twin_in_the_environment() {
    let mut serve = command(&[]);
    let output = serve.env("STATEWARD_TLS_DIR", "/nowhere/tls").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nowhere/tls"));
    let help = std::process::Command::new(stateward_tests::stateward()).args(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for flag in ["listen", "admin-listen", "policies", "profile", "inventory", "tls-dir", "drain-delay"] {
        let twin = format!("[env: STATEWARD_{}=", flag.to_uppercase().replace('-', "_"));
        assert!(help.contains(&format!("--{flag} ")) && help.contains(&twin), "{flag}: {help}");
    }
}

/// One rule, with this mode and action; the mode is on line 6.
fn policy(name: &str, mode: &str, action: &str) -> String {
    format!(
        "apiVersion: stateward.dev/v1alpha1\nkind: WasmPolicy\nmetadata:\n  name: {name}\nspec:\n  mode: {mode}\n  component: builtin:stateful\n  \
         rules: [ordered-identity/zero-grace]\n  actions:\n    ordered-identity/zero-grace: {action}\n"
    )
}

/// Whether a set whose pods get no time to end is refused.
async fn is_denied(endpoint: &Endpoint) -> bool {
    let mut review: Value = serde_json::from_slice(&review()).unwrap();
    review["request"]["object"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 0.into();
    let answer = endpoint.post(Protocol::Http1, "/validate/fail", review.to_string()).await.unwrap();
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    answer["response"]["allowed"] == false
}

fn policies(serve: &Serve) -> Value {
    serde_json::from_str(&serve.get("/policies").unwrap().1).unwrap()
}

fn problems(serve: &Serve) -> String {
    policies(serve)["problems"].to_string()
}

fn policy_status(serve: &Serve, name: &str) -> Value {
    policies(serve)["policies"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|policy| text(policy, "name") == name)
        .cloned()
        .unwrap_or_default()
}

fn review() -> Vec<u8> {
    fs::read(root().join("tests/cases/reviews/create-statefulsets-apply.json")).unwrap()
}

fn uid() -> String {
    let review: Value = serde_json::from_slice(&review()).unwrap();
    text(&review["request"], "uid").to_owned()
}
