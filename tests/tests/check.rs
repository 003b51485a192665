//! `check` on hostile, odd and real input: it ends, says why, judges everything and says the same twice.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use stateward_tests::{cache, root, skip, stateward};

const SET: &str = include_str!("../cli/inputs/set.yaml");

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(stateward());
    command.arg("check").args(arguments).current_dir(root()).env("STATEWARD_CACHE_DIR", cache());
    command
}

fn check(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

fn check_stdin(arguments: &[&str], input: &[u8]) -> Output {
    let mut child =
        command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It may end before it has read all.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn corpus() -> Option<PathBuf> {
    let corpus = root().join("../shared/corpus");
    corpus.is_dir().then_some(corpus)
}

#[test]
fn every_object_of_the_corpus_is_judged_and_twice_the_same() {
    let Some(corpus) = corpus() else { return skip("check", "there is no ../shared/corpus") };
    let files = fs::read_dir(&corpus)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "yaml"));
    let files = files.count();
    assert!(files > 300, "the corpus has only {files} sets");
    for profile in ["baseline", "strict"] {
        let output = check(&["--profile", profile, "-o", "json", corpus.to_str().unwrap()]);
        let report = json(&output);
        let stateful = |object: &Value| object["kind"] == "StatefulSet";
        let not_judged = report["notJudged"].as_array().unwrap();
        // Objects of API groups and versions that Kubernetes no longer serves; each is named.
        assert!(not_judged.iter().all(|object| object["apiVersion"] != "apps/v1"));
        let sets = not_judged.iter().filter(|object| stateful(object)).count();
        assert_eq!(report["promises"].as_array().unwrap().len() + sets, files);
        assert_eq!(report["failures"].as_array().unwrap().len(), 0);
        assert_eq!(report["version"], "v1alpha1");
        let is_denied = report["summary"]["denied"].as_u64().unwrap() > 0;
        assert!(is_denied || profile == "baseline");
        // One real neighbour writes a number in quotes, which no API server takes.
        let malformed = text(&output.stderr).lines().filter(|line| line.starts_with("error")).count();
        assert_eq!((output.status.code(), malformed), (Some(2), 1));
        assert_eq!(check(&["--profile", profile, "-o", "json", corpus.to_str().unwrap()]).stdout, output.stdout);
    }
}

/// The same objects as one JSON `List` get the same findings.
#[test]
fn yaml_and_json_are_judged_alike() {
    let Some(corpus) = corpus() else { return skip("check", "there is no ../shared/corpus") };
    let documents = stateward_manifests::read(&[corpus.join("neighbours"), corpus]);
    let sets: Vec<&str> = documents
        .objects
        .iter()
        .filter(|object| object.kind == "StatefulSet")
        .map(|object| object.json.as_str())
        .collect();
    let list = format!("{{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{}]}}", sets.join(","));
    let from_json = json(&check_stdin(&["--profile", "strict", "-o", "json", "-"], list.as_bytes()));
    let stream: String = sets.iter().map(|set| format!("---\n{set}\n")).collect();
    let from_yaml =
        json(&check_stdin(&["--profile", "strict", "-o", "json", "-"], format!("# YAML\n{stream}").as_bytes()));
    let findings = |report: &Value| -> Vec<String> {
        let key = |finding: &Value| {
            ["namespace", "name", "rule", "action", "path", "place", "message"]
                .map(|field| finding[field].to_string())
                .join(" ")
        };
        let mut findings: Vec<String> = report["results"].as_array().unwrap().iter().map(key).collect();
        findings.sort();
        findings
    };
    assert!(findings(&from_json).len() > 100);
    assert_eq!(findings(&from_json), findings(&from_yaml));
    assert_eq!(from_json["summary"], from_yaml["summary"]);
}

#[test]
fn several_reports_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("a.json"), folder.path().join("b.jsonl"));
    let output = check_stdin(
        &["-", "-o", "text", "-o", &format!("json={}", first.display()), "-o", &format!("jsonl={}", second.display())],
        SET.as_bytes(),
    );
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&fs::read(first).unwrap()).unwrap();
    let lines: Vec<Value> =
        text(&fs::read(second).unwrap()).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let denied = lines.iter().find(|line| line["action"] == "Deny").unwrap();
    let mut keys: Vec<&str> = denied.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        ["action", "column", "file", "hint", "kind", "line", "message", "name", "namespace", "path", "place", "rule"]
    );
    assert_eq!((&denied["file"], &denied["rule"]), (&"<stdin>".into(), &"ordered-identity/zero-grace".into()));
    assert_eq!(report["results"].as_array().unwrap().len(), lines.len());
    assert!(text(&output.stdout).contains("\n1 object, 1 judged: 1 denied, 0 warned, 1 undecided, 0 changed\n"));
}

#[test]
fn colours_are_for_terminals() {
    let escape = b'\x1b';
    let plain = check_stdin(&["-"], SET.as_bytes());
    assert!(!plain.stdout.contains(&escape) && !plain.stderr.contains(&escape));
    let mut forced = command(&["-"]);
    forced.env("CLICOLOR_FORCE", "1").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = forced.spawn().unwrap();
    child.stdin.take().unwrap().write_all(SET.as_bytes()).unwrap();
    assert!(child.wait_with_output().unwrap().stdout.contains(&escape));
}

/// `stateward check .. | head` is a success: the reader has what it wanted.
#[test]
fn a_closed_pipe_is_a_success() {
    let documents: String =
        (0..2_000).map(|n| format!("---\n{}", SET.replace("name: orders", &format!("name: orders-{n}x")))).collect();
    let mut child = command(&["-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    drop(child.stdout.take());
    child.stdin.take().unwrap().write_all(documents.as_bytes()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// Unreadable input wins over a policy that does not load, that over a denial; what can be judged is judged all the same.
#[test]
fn of_several_exit_codes_the_worst_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("set.yaml", SET);
    let path = folder.path().to_str().unwrap();
    assert_eq!(check(&[path]).status.code(), Some(1));
    let with_broken = ["--policies", "deploy/../tests/cli/inputs/policies", path];
    assert_eq!(check(&with_broken).status.code(), Some(3));
    write("broken.yaml", "a: [");
    let output = check(&with_broken);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(json(&check(&[path, "-o", "json"]))["summary"]["denied"], 1);
}

#[test]
fn hostile_files_end_in_a_clear_error() {
    let bomb: String =
        (1..12).map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(","))).collect();
    let cases: [(&str, Vec<u8>, &str); 6] = [
        ("bomb.yaml", format!("a0: &a0 [x]\n{bomb}").into_bytes(), "anchors and aliases grow to more than 8 MiB"),
        ("deep.yaml", "- ".repeat(100_000).into_bytes(), "more than 100 levels of nesting"),
        ("deep.json", "[".repeat(100_000).into_bytes(), "not JSON"),
        ("bytes.yaml", b"a: \xff\n".to_vec(), "not UTF-8"),
        ("twice.json", b"{\"a\": 1, \"a\": 2}".to_vec(), "the key `a` is there twice, first in line 1"),
        ("huge.yaml", vec![b' '; 100 << 20], "larger than 64 MiB"),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes, expected) in cases {
        fs::write(folder.path().join(name), bytes).unwrap();
        let output = check(&[folder.path().join(name).to_str().unwrap()]);
        let said = text(&output.stderr);
        assert!(said.contains(expected) && said.contains(name), "{name}: {said}");
        assert_eq!(output.status.code(), Some(2), "{name}");
    }
}

/// Names and messages come from files: they must not steer the terminal.
#[test]
fn control_characters_of_the_input_do_not_reach_the_terminal() {
    let set = SET
        .replace("name: orders", "name: \"orders\\e]0;owned\\a\\r\"")
        .replace("database:1.0.0", "database:1.0.0\\u001b[2J");
    let output = check_stdin(&["-"], set.as_bytes());
    let shown = [output.stdout, output.stderr].concat();
    assert!(shown.iter().all(|byte| *byte >= 0x20 || *byte == b'\n'), "{}", String::from_utf8_lossy(&shown));
}

#[test]
fn namespaces_raise_the_profile() {
    let namespace =
        "---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n  labels: {stateward.dev/profile: strict}\n";
    let parallel = fs::read_to_string(root().join("deploy/examples/refused/parallel.yaml")).unwrap();
    let code = |text: &str| check_stdin(&["-"], text.as_bytes()).status.code();
    assert_eq!(code(&parallel), Some(0));
    assert_eq!(code(&(parallel + namespace)), Some(1));
}

/// `WasmPolicy` with these lines in its `spec`, in a folder of its own.
fn policy(spec: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let policy = format!(
        "apiVersion: stateward.dev/v1alpha1\nkind: WasmPolicy\nmetadata: {{name: p}}\nspec:\n  component: builtin:stateful\n{spec}"
    );
    fs::write(folder.path().join("policy.yaml"), policy).unwrap();
    folder
}

/// State and reasons of one promise of the only set.
fn promise<'a>(report: &'a Value, promise: &str) -> (&'a str, Vec<&'a str>) {
    let all = report["promises"][0]["promises"].as_array().unwrap();
    let each = all.iter().find(|each| each["promise"] == promise).unwrap();
    let because = each["because"].as_array().unwrap().iter().map(|why| why.as_str().unwrap()).collect();
    (each["state"].as_str().unwrap(), because)
}

/// What a policy leaves out is not judged, and keeps nothing.
#[test]
fn no_praise_where_no_rule_looked() {
    let out = [
        ("match: {objectSelector: {matchLabels: {never: matches}}}", "its objectSelector does not select the object"),
        (
            "match: {excludeResourceRules: [{resources: [statefulsets]}]}",
            "no rule of it is asked about CREATE of apps/v1",
        ),
        (
            "match: {namespaceSelector: {matchLabels: {never: matches}}}",
            "its namespaceSelector does not select the namespace",
        ),
        ("match: {matchConditions: [{name: never, expression: 'false'}]}", "its match condition `never` is false"),
    ];
    for (spec, why) in out {
        let folder = policy(&format!("  rules: [ordered-identity/zero-grace]\n  {spec}\n"));
        let arguments = ["--policies", folder.path().to_str().unwrap(), "deploy/examples/refused/zero-grace.yaml"];
        let output = check(&arguments);
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(5), "{spec}: {stdout}");
        assert!(stdout.contains(" 0 judged: ") && !stdout.contains("kept"), "{spec}: {stdout}");
        assert!(stderr.contains(why), "{spec}: {stderr}");
        let report = json(&check(&[&arguments[..], &["-o", "json"]].concat()));
        assert_eq!(report["notJudged"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn a_promise_is_kept_only_where_all_of_its_rules_were_asked() {
    let report = |spec: &str, file: &str| {
        let folder = policy(spec);
        let output = check(&["-o", "json", "--policies", folder.path().to_str().unwrap(), file]);
        json(&output)
    };
    let off = report("  actions: {ordered-identity/zero-grace: 'Off'}\n", "deploy/examples/refused/zero-grace.yaml");
    assert_eq!(promise(&off, "identified"), ("undecided", vec!["ordered-identity/zero-grace: not in force"]));
    assert_eq!(promise(&off, "ordered"), ("kept", vec![]));
    let some = report("  rules: [remote-volumes/unmounted-claim]\n", "deploy/examples/broken/own-volume.yaml");
    let (state, because) = promise(&some, "own volume");
    assert!(state == "undecided" && because.len() > 3, "{state}: {because:?}");
    assert_eq!(promise(&some, "ordered"), ("undecided", vec!["no rule in force looks after it"]));
    let some = report("  rules: [operations/excluded-data]\n", "deploy/examples/broken/backed-up.yaml");
    assert_eq!(promise(&some, "backed up").0, "undecided");
}

#[test]
fn the_document_holds_every_error() {
    let report = json(&check(&["-o", "json", "tests/cli/inputs/wrong-types.yaml"]));
    let malformed: Vec<(&str, u64)> = report["malformed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|each| (each["path"].as_str().unwrap(), each["line"].as_u64().unwrap()))
        .collect();
    assert_eq!(malformed.len(), 4, "{malformed:?}");
    assert!(malformed.contains(&("/spec/replicas", 8)), "{malformed:?}");
    assert_eq!(report["unreadable"][0]["line"], 38);
    let report = json(&check(&["-o", "json", "--policies", "tests/cli/inputs/policies", "tests/cli/inputs/set.yaml"]));
    assert_eq!(report["refusedPolicies"].as_array().unwrap().len(), 3);
    let report = json(&check(&["-o", "json", "--inventory", "tests/cli/inputs/none", "tests/cli/inputs/set.yaml"]));
    assert_eq!(report["unreadable"][0]["file"], "tests/cli/inputs/none");
}

#[test]
fn a_folder_without_policies_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = check(&["--policies", folder.path().to_str().unwrap(), "tests/cli/inputs/set.yaml"]);
    assert_eq!(output.status.code(), Some(5));
    let expected = format!("there is no WasmPolicy in `{}`", folder.path().display());
    assert!(text(&output.stderr).contains(&expected), "{}", text(&output.stderr));
    let mut explain = Command::new(stateward());
    explain.args(["explain", "--policies", folder.path().to_str().unwrap()]);
    explain.arg(root().join("tests/cases/reviews/create-statefulsets-apply.json")).env("STATEWARD_CACHE_DIR", cache());
    let said = text(&explain.output().unwrap().stderr);
    assert_eq!(said, format!("note: {expected}\n"));
}

#[test]
fn a_set_without_a_name_is_not_called_generated() {
    let title = |set: String| text(&check_stdin(&["-"], set.as_bytes()).stdout);
    let without = title(SET.replace("  name: orders\n", ""));
    assert!(without.contains("StatefulSet shop/(no name)"), "{without}");
    let generated = title(SET.replace("  name: orders\n", "  generateName: orders-\n"));
    assert!(generated.contains("StatefulSet shop/(generated name)"), "{generated}");
}

#[test]
fn a_report_that_cannot_be_written_says_what_to_do() {
    let output = check(&["-o", "json=/nowhere/report.json", "tests/cli/inputs/set.yaml"]);
    let expected = "error: cannot write `/nowhere/report.json`: no such file or directory\nhint: there is no folder `/nowhere`; make it first\n";
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(2), expected));
}
