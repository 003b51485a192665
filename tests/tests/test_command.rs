//! `stateward test`: its reports, and what `--update` leaves of a file. What it prints for people is in `tests/cli/test.md`.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use stateward_tests::{cache, root, stateward};

fn test(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(stateward());
    command.arg("test").args(arguments).arg("--policies").arg(root().join("tests/cli/inputs/grace-policy.yaml"));
    command.current_dir(folder).env("STATEWARD_CACHE_DIR", cache()).env_remove("STATEWARD_POLICIES").output().unwrap()
}

/// A folder with the cases of `tests/cli`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["grace.yaml", "unreadable.yaml"] {
        fs::copy(root().join("tests/cli/inputs/cases").join(name), folder.path().join(name)).unwrap();
    }
    folder
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Times differ from run to run.
fn without_times(report: &str) -> String {
    let mut stable = String::new();
    let mut rest = report;
    while let Some(at) = rest.find(" time=\"") {
        let (before, after) = rest.split_at(at);
        let value = after.trim_start_matches(" time=\"");
        let (time, behind) = value.split_once('"').unwrap();
        assert!(time.parse::<f64>().is_ok_and(|seconds| (0.0..60.0).contains(&seconds)), "{time}");
        stable.push_str(before);
        stable.push_str(" time=\"_\"");
        rest = behind;
    }
    stable + rest
}

#[test]
fn junit_has_a_suite_for_each_file() {
    let folder = folder();
    let output = test(folder.path(), &["-o", "junit"]);
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(without_times(&text(&output.stdout)));
}

#[test]
fn several_reports_at_once() {
    let folder = folder();
    let output = test(folder.path(), &["grace.yaml", "-o", "text", "-o", "json=report.json", "-o", "junit=report.xml"]);
    let mut report: Value = serde_json::from_slice(&fs::read(folder.path().join("report.json")).unwrap()).unwrap();
    for case in report["files"][0]["cases"].as_array_mut().unwrap() {
        assert!(case["durationMicroseconds"].take().as_u64().is_some());
    }
    insta::assert_json_snapshot!(report);
    assert!(text(&output.stdout).contains("4 cases in 1 file: 1 passed, 2 failed, 1 broken"));
    assert!(fs::read_to_string(folder.path().join("report.xml")).unwrap().starts_with("<?xml"));
}

/// What is there stays: reasons, comments, line breaks. A finding is added only with a reason, a file in which nothing changes is not written.
#[test]
fn update_writes_what_is_said_and_keeps_the_rest() {
    let folder = folder();
    let file = folder.path().join("grace.yaml");
    let before = fs::read_to_string(&file).unwrap();

    let output = test(folder.path(), &["grace.yaml", "--update"]);
    let first = fs::read_to_string(&file).unwrap();
    assert_eq!(first, before.replace("action: Warn  ", "action: Deny  "));
    assert_eq!(output.status.code(), Some(2), "a case is broken still");
    insta::assert_snapshot!(text(&output.stderr));

    let output = test(
        folder.path(),
        &["grace.yaml", "--update", "--why", "two writers: one volume", "--run", "nothing is said"],
    );
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), "note: grace.yaml: 1 case updated\n"));
    let second = fs::read_to_string(&file).unwrap();
    insta::assert_snapshot!(second.strip_prefix(first.split("- name: nothing is said").next().unwrap()).unwrap());

    let modified = fs::metadata(&file).unwrap().modified().unwrap();
    assert_eq!(test(folder.path(), &["grace.yaml", "--update", "--why", "again"]).status.code(), Some(2));
    assert_eq!(
        (fs::read_to_string(&file).unwrap(), fs::metadata(&file).unwrap().modified().unwrap()),
        (second, modified)
    );
}

#[test]
fn a_byte_order_mark_and_line_breaks_survive_an_update() {
    let folder = folder();
    let file = folder.path().join("grace.yaml");
    let windows = format!("\u{feff}{}", fs::read_to_string(&file).unwrap().replace('\n', "\r\n"));
    fs::write(&file, &windows).unwrap();
    test(folder.path(), &["grace.yaml", "--update"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), windows.replace("action: Warn  ", "action: Deny  "));
}

/// Each document of a file is edited where it stands.
#[test]
fn several_documents_of_a_file_are_updated() {
    let folder = folder();
    let file = folder.path().join("grace.yaml");
    let one = fs::read_to_string(&file).unwrap();
    let several = format!("{one}---\n{one}");
    fs::write(&file, &several).unwrap();
    let output = test(folder.path(), &["grace.yaml", "--update", "--run", "at once|enough"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), several.replace("action: Warn  ", "action: Deny  "));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn a_case_in_braces_is_left_alone_and_says_so() {
    let folder = folder();
    let file = folder.path().join("flow.yaml");
    let set = "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db}, spec: {template: {spec: {terminationGracePeriodSeconds: 0}}}}";
    let cases =
        format!("rule: ordered-identity/zero-grace\nobject: {set}\ncases:\n- {{name: at once, findings: []}}\n");
    fs::write(&file, &cases).unwrap();
    let output = test(folder.path(), &["flow.yaml", "--update", "--why", "two writers"]);
    assert!(text(&output.stderr).contains("edit it by hand"), "{}", text(&output.stderr));
    assert_eq!(fs::read_to_string(&file).unwrap(), cases);
}

/// A case that cannot be read is not a case that passed.
#[test]
fn what_cannot_be_read_of_a_file_is_no_success() {
    let folder = folder();
    let broken =
        "rule: ordered-identity/zero-grace\nneighbours: [1]\ncases:\n- name: no object\n---\nrule: 7\ncases: []\n";
    fs::write(folder.path().join("act.yaml"), broken).unwrap();
    let output = test(folder.path(), &["act.yaml", "-o", "text", "-o", "junit=report.xml"]);
    assert_eq!(output.status.code(), Some(2));
    let (said, shown) = (text(&output.stderr), text(&output.stdout));
    assert!(said.contains("act.yaml:2:14: `neighbours[0]`: `1` is not a Kubernetes object"), "{said}");
    assert!(shown.starts_with("FAIL  act.yaml: 0 cases, 2 errors in what was read\n"), "{shown}");
    let report = fs::read_to_string(folder.path().join("report.xml")).unwrap();
    assert_eq!(report.matches("<testsuite name=\"act.yaml\"").count(), 1, "{report}");
    assert!(report.contains(r#"tests="2" failures="0" errors="2""#), "{report}");
}

/// Names and messages come from files: they must not steer the terminal.
#[test]
fn control_characters_do_not_reach_the_terminal() {
    let folder = folder();
    let file = folder.path().join("grace.yaml");
    let evil = fs::read_to_string(&file).unwrap().replace("name: at once", "name: \"at \\e]0;once\\a\\u009b2J\"");
    fs::write(&file, evil).unwrap();
    for format in ["text", "junit"] {
        let shown = test(folder.path(), &["grace.yaml", "-o", format]).stdout;
        assert!(text(&shown).chars().all(|letter| !letter.is_control() || letter == '\n'), "{}", text(&shown));
    }
}

#[test]
fn standard_input_is_read_and_never_updated() {
    use std::io::Write;
    let folder = folder();
    let mut command = Command::new(stateward());
    command.args(["test", "-", "--update"]).current_dir(folder.path()).env("STATEWARD_CACHE_DIR", cache());
    command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may end before it has read all.
    let _ = child.stdin.take().unwrap().write_all(&fs::read(folder.path().join("grace.yaml")).unwrap());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("`--update` writes into files"), "{}", text(&output.stderr));
}

#[test]
fn completions_know_it() {
    for shell in ["bash", "fish", "zsh"] {
        let output = Command::new(stateward()).args(["completions", shell]).output().unwrap();
        assert!(text(&output.stdout).contains("require-coverage"), "{shell}");
    }
}
