//! Every review that was captured from a real API server, on every route, answer by answer. Once as the server knows nothing of the cluster, and once
//! with the cluster that the reviews come from. What the API server makes of each answer: `reference/control-plane.md` section 5.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use serde_json::Value;
use stateward_tests::client::{Connection, Protocol};
use stateward_tests::root;
use stateward_tests::server::Serve;

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_a_cluster() {
    check("without_a_cluster", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_with_the_cluster_they_come_from() {
    let cluster = root().join("tests/cases/cluster");
    check("with_the_cluster", &["--inventory", cluster.to_str().unwrap()]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_strictly() {
    let cluster = root().join("tests/cases/cluster");
    check("strict", &["--inventory", cluster.to_str().unwrap(), "--profile", "strict"]).await;
}

/// One snapshot for each review: the answers byte for byte, and below a mutating one its patch in clear.
async fn check(name: &str, flags: &[&str]) {
    let serve = Serve::start(flags).unwrap();
    let mut connection = serve.endpoint().unwrap().connect(Protocol::Http1).await.unwrap();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(format!("snapshots/reviews/{name}"));
    settings.set_prepend_module_to_snapshot(false);
    let reviews = reviews();
    assert!(reviews.len() >= 60, "{} reviews", reviews.len());
    let mut different = Vec::new();
    for (review, path) in reviews {
        let body = fs::read(&path).unwrap();
        let said = ask(&mut connection, &body).await;
        // All of them are looked at, not only up to the first that differs.
        let compared =
            catch_unwind(AssertUnwindSafe(|| settings.bind(|| insta::assert_snapshot!(review.as_str(), said))));
        if compared.is_err() {
            different.push(review);
        }
    }
    assert!(different.is_empty(), "other answers than before: {different:#?}");
}

/// All four routes, and what the validating ones say of the object after the patch: that is what the API server asks next.
async fn ask(connection: &mut Connection, body: &[u8]) -> String {
    let mut said = String::new();
    let mut patched = None;
    for route in ["/mutate", "/validate/closed", "/validate/fail", "/validate/ignore"] {
        let answer = post(connection, route, body.to_vec()).await;
        said.push_str(&format!("{route}\n{answer}\n"));
        if let Some(patch) = patch_of(&answer) {
            let mut review: Value = serde_json::from_slice(body).unwrap();
            json_patch::patch(&mut review["request"]["object"], &patch).unwrap();
            patch
                .iter()
                .for_each(|operation| said.push_str(&format!("  {}\n", serde_json::to_string(operation).unwrap())));
            patched = Some(review.to_string());
        }
    }
    if let Some(patched) = patched {
        let again = post(connection, "/mutate", patched.clone().into_bytes()).await;
        assert!(patch_of(&again).is_none(), "a second mutation changes something: {again}");
        for route in ["/validate/closed", "/validate/fail", "/validate/ignore"] {
            let answer = post(connection, route, patched.clone().into_bytes()).await;
            said.push_str(&format!("{route} after the patch\n{answer}\n"));
        }
    }
    said
}

/// The answer, which holds nothing that the API server takes for a failed call, or drops without a word.
async fn post(connection: &mut Connection, route: &str, body: Vec<u8>) -> String {
    let uid = serde_json::from_slice::<Value>(&body).unwrap()["request"]["uid"].clone();
    let answer = connection.post(&format!("{route}?timeout=10s"), body).await.unwrap();
    assert_eq!(answer.status, 200, "{route}: {}", answer.text());
    let review: Value = serde_json::from_slice(&answer.body).unwrap();
    let response = &review["response"];
    assert_eq!(response["uid"], uid, "{route}");
    assert_eq!(response.get("patch").is_some(), response.get("patchType").is_some(), "{route}");
    assert!(route == "/mutate" || response.get("patch").is_none(), "{route}");
    assert_eq!(response["allowed"] == false, response.get("status").is_some(), "{route}");
    for warning in response["warnings"].as_array().into_iter().flatten() {
        let warning = warning.as_str().unwrap();
        assert!(warning.chars().count() <= 256 && !warning.contains('\n') && !warning.is_empty(), "{route}: {warning}");
    }
    answer.text()
}

fn patch_of(answer: &str) -> Option<json_patch::Patch> {
    use base64::Engine as _;
    let answer: Value = serde_json::from_str(answer).unwrap();
    let patch = answer["response"]["patch"].as_str()?;
    Some(serde_json::from_slice(&base64::engine::general_purpose::STANDARD.decode(patch).unwrap()).unwrap())
}

fn reviews() -> BTreeMap<String, PathBuf> {
    let files = fs::read_dir(root().join("tests/cases/reviews")).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path)).collect()
}
