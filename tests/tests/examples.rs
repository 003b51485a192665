//! The examples that are shipped keep their word: one database keeps every promise under `strict`, and one set for each promise breaks just that.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use stateward_core::promises::PROMISES;
use stateward_tests::{cache, root, stateward};

fn examples() -> PathBuf {
    root().join("deploy/examples")
}

fn check(arguments: &[&str]) -> Output {
    let mut command = Command::new(stateward());
    command.args(["check", "--profile", "strict", "-o", "json"]).args(arguments);
    command.current_dir(root()).env("STATEWARD_CACHE_DIR", cache()).output().unwrap()
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// `promise, state, because` of the one set in a report.
fn promises(report: &Value) -> Vec<(String, String, Vec<String>)> {
    let sets = report["promises"].as_array().unwrap();
    assert_eq!(sets.len(), 1, "{sets:?}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let because = |each: &Value| each["because"].as_array().unwrap().iter().map(text).collect();
    let all = sets[0]["promises"].as_array().unwrap().iter();
    all.map(|each| (text(&each["promise"]), text(&each["state"]), because(each))).collect()
}

fn files(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(examples().join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn one_database_keeps_every_promise() {
    let output = check(&["--require-decided", path(&examples().join("accepted"))]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    let report = report(&output);
    let loud: Vec<&Value> =
        report["results"].as_array().unwrap().iter().filter(|each| each["action"] != "Audit").collect();
    assert!(loud.is_empty(), "{loud:#?}");
    for (promise, state, because) in promises(&report) {
        assert_eq!(state, "kept", "{promise}: {because:?}");
    }
}

/// By the command in its first comment, and no other promise with it.
#[test]
fn each_promise_has_a_set_that_breaks_it_alone() {
    let mut seen = BTreeSet::new();
    for file in files("broken") {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&file).unwrap();
        let comments: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("# ")).collect();
        let command = comments.iter().find_map(|line| line.strip_prefix("stateward check --profile strict "));
        let arguments: Vec<&str> = command.expect(&name).split_whitespace().collect();
        assert!(file.ends_with(arguments.last().unwrap()), "{}: {arguments:?}", file.display());
        let promises = promises(&report(&check(&arguments)));
        let not_kept: Vec<String> = promises
            .iter()
            .filter(|(_, state, _)| state != "kept")
            .map(|(promise, state, _)| format!("{} {state}", promise.replace(' ', "-")))
            .collect();
        let mut expected = vec![format!("{name} broken")];
        // What lies on a node cannot follow its member to another.
        expected.extend((name == "remote").then(|| "re-attaching broken".to_owned()));
        assert_eq!(not_kept, expected, "{}: {promises:#?}", file.display());
        seen.insert(name);
    }
    assert_eq!(seen, PROMISES.iter().map(|promise| promise.replace(' ', "-")).collect());
}

#[test]
fn what_is_refused_names_its_rule() {
    for file in files("refused") {
        let report = report(&check(&[path(&file)]));
        let results = report["results"].as_array().unwrap().iter();
        let denied: Vec<&str> = results
            .filter(|result| result["action"] == "Deny")
            .map(|result| result["rule"].as_str().unwrap())
            .collect();
        let comment = fs::read_to_string(&file).unwrap().lines().next().unwrap().to_owned();
        assert!(denied.iter().any(|rule| comment.contains(rule)), "{}: {denied:?}", file.display());
    }
}
