//! `deploy/examples/manager-worker`: `strict` has nothing to say of it, each of its parts is missed when it is gone, and its scripts never start a worker
//! as a writer.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use stateward_tests::{cache, root, stateward};
use tempfile::TempDir;

fn example() -> PathBuf {
    root().join("deploy/examples/manager-worker")
}

fn check(folder: &Path) -> (Option<i32>, Value) {
    let output = Command::new(stateward())
        .args(["check", "--profile", "strict", "--require-decided", "-o", "json"])
        .arg(folder)
        .env("STATEWARD_CACHE_DIR", cache())
        .output()
        .unwrap();
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), report)
}

#[test]
fn strict_finds_nothing() {
    let (code, report) = check(&example());
    assert_eq!(code, Some(0), "{report:#}");
    for list in ["results", "undecided", "failures", "malformed", "unreadable", "notJudged"] {
        assert_eq!(report[list], Value::Array(Vec::new()), "{list}");
    }
    let changes: Vec<&str> = report["changed"].as_array().unwrap().iter().map(|each| text(&each["path"])).collect();
    assert_eq!(
        changes,
        ["/metadata/annotations/stateward.dev~1manager", "/spec/template/metadata/labels/stateward.dev~1governed"]
    );
    let promises = report["promises"][0]["promises"].as_array().unwrap();
    assert_eq!(promises.len(), 9);
    assert!(promises.iter().all(|promise| promise["state"] == "kept"), "{promises:#?}");
}

#[test]
fn the_readme_shows_what_check_says() {
    let output = Command::new(stateward())
        .args(["check", "deploy/examples/manager-worker", "--profile", "strict"])
        .current_dir(root())
        .env("STATEWARD_CACHE_DIR", cache())
        .output()
        .unwrap();
    let shown = format!(
        "```console\n$ stateward check deploy/examples/manager-worker --profile strict\n{}```\n",
        String::from_utf8(output.stdout).unwrap()
    );
    let readme = fs::read_to_string(example().join("README.md")).unwrap();
    assert!(readme.contains(&shown), "README.md shows something else than this:\n{shown}");
}

/// A file, what is replaced in it by what, and what is then said by which rule.
const BREAKS: &[(&str, &str, &str, &str)] = &[
    ("ledger.yaml", "manager-only", "manager_only", "Deny manager-writes/invalid-contract"),
    ("ledger.yaml", "sidecar:follow", "sidecar:pursue", "Deny manager-writes/invalid-contract"),
    (
        "ledger.yaml",
        "    metadata:\n      labels:\n",
        "    metadata:\n      labels:\n        stateward.dev/role: manager\n",
        "Deny manager-writes/forged-role",
    ),
    ("ledger.yaml", "OrderedReady", "Parallel", "Deny manager-writes/parallel-manager"),
    ("ledger.yaml", "whenScaled: Retain", "whenScaled: Delete", "Deny manager-writes/manager-data-loss"),
    ("ledger.yaml", "[ReadWriteOnce]", "[ReadWriteMany]", "Deny manager-writes/shared-data"),
    ("ledger.yaml", "          readinessProbe:", "          livenessProbe:", "Deny ordered-identity/no-readiness-gate"),
    ("services.yaml", "  clusterIP: None\n", "", "Deny ordered-identity/not-headless"),
    ("services.yaml", "    stateward.dev/role: manager\n", "", "Warn manager-writes/mixed-service"),
    (
        "services.yaml",
        "stateward.dev/role: manager",
        "stateward.dev/role: worker",
        "Warn manager-writes/no-write-service",
    ),
    ("disruption-budget.yaml", "app: ledger", "app: other", "Warn operations/no-disruption-budget"),
    ("storage-class.yaml", "ebs.csi.aws.com", "rancher.io/local-path", "Deny remote-volumes/local-class"),
    ("storage-class.yaml", "name: ledger-data", "name: ledger", "Deny remote-volumes/missing-class"),
];

#[test]
fn each_part_is_missed() {
    for (file, from, to, expected) in BREAKS {
        let copy = tempfile::tempdir().unwrap();
        for name in files(&example(), "yaml") {
            fs::copy(example().join(&name), copy.path().join(&name)).unwrap();
        }
        let path = copy.path().join(file);
        let before = fs::read_to_string(&path).unwrap();
        let after = before.replacen(from, to, 1);
        assert_ne!(before, after, "{file} has no `{from}`");
        fs::write(&path, after).unwrap();
        let (code, report) = check(copy.path());
        let results = report["results"].as_array().unwrap().iter();
        let said: BTreeSet<String> =
            results.map(|each| format!("{} {}", text(&each["action"]), text(&each["rule"]))).collect();
        assert!(said.contains(*expected), "`{to}` for `{from}` in {file}: {said:?}");
        let is_denied = said.iter().any(|each| each.starts_with("Deny"));
        assert_eq!(code, Some(i32::from(is_denied)), "`{to}` for `{from}` in {file}: {said:?}");
    }
}

#[test]
fn the_scripts_are_mounted_and_parsed() {
    let kustomization = fs::read_to_string(example().join("kustomization.yaml")).unwrap();
    let listed: BTreeSet<&str> =
        kustomization.lines().filter_map(|line| line.trim().strip_prefix("- scripts/")).collect();
    let scripts = files(&example().join("scripts"), "sh");
    let others = files(&example().join("scripts"), "conf");
    assert_eq!(listed, scripts.iter().chain(&others).map(String::as_str).collect());
    for script in &scripts {
        let output = Command::new("sh").arg("-n").arg(example().join("scripts").join(script)).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{script}: {output:?}");
    }
}

/// A refusal that sends its reader to a section of the README sends him to one that is there.
#[test]
fn hints_lead_somewhere() {
    let readme = fs::read_to_string(example().join("README.md")).unwrap();
    let headings: Vec<&str> = readme.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let mut named = 0;
    for script in files(&example().join("scripts"), "sh") {
        // The shell's ways to write quotes inside quotes.
        let text = fs::read_to_string(example().join("scripts").join(&script)).unwrap();
        let text = text.replace("'\"'\"'", "'").replace("\\\"", "\"");
        for (_, after) in text.match_indices("README.md, \"").map(|(at, found)| text.split_at(at + found.len())) {
            let section = after.split('"').next().unwrap();
            assert!(headings.contains(&section), "{script} names `{section}`, which is none of {headings:?}");
            named += 1;
        }
    }
    assert!(named >= 5, "only {named} hints name a section");
}

#[test]
fn a_database_starts_as_its_role_and_volume_say_or_not_at_all() {
    // Role, write, whether the volume has a database, and whether it says that it is a worker's.
    let starts = |role: &str, write: &str, has_database: bool, is_workers: bool| {
        let pod = Pod::new(role, write);
        if has_database {
            pod.volume("PG_VERSION", "15\n");
        }
        if is_workers {
            pod.volume("standby.signal", "");
        }
        let output = pod.run("database.sh");
        assert_eq!(output.status.success(), output.stderr.is_empty(), "{output:?}");
        let said = String::from_utf8(if output.status.success() { output.stdout } else { output.stderr }).unwrap();
        (output.status.code(), said.lines().next().unwrap().to_owned())
    };
    let (code, started) = starts("manager", "allow", true, false);
    assert_eq!(code, Some(0));
    assert!(started.starts_with("postgres -D ") && !started.contains("primary_conninfo"), "{started}");
    let (code, started) = starts("worker", "deny", true, true);
    assert_eq!(code, Some(0));
    assert!(started.contains("primary_conninfo=host=ledger-0.ledger-members.ledger.svc user=replicator "), "{started}");
    assert!(started.ends_with(" -c primary_slot_name=ledger_1"), "{started}");

    let writer = "refused: this is a worker, and its database would start as a writer";
    assert_eq!(starts("worker", "deny", true, false), (Some(1), writer.to_owned()));
    let workers = "refused: this is the manager, and the volume was a worker's";
    assert_eq!(starts("manager", "allow", true, true), (Some(1), workers.to_owned()));
    assert_eq!(starts("manager", "allow", false, false), (Some(1), "refused: the volume has no database".to_owned()));
    for (role, write, why) in [
        ("", "", "this pod has no role"),
        ("manager", "deny", "role `manager` with write `deny` is neither a manager nor a worker"),
        ("worker", "allow", "role `worker` with write `allow` is neither a manager nor a worker"),
        ("", "allow", "role `` with write `allow` is neither a manager nor a worker"),
    ] {
        assert_eq!(starts(role, write, true, false), (Some(1), format!("refused: {why}")));
    }
}

/// What the containers of ledger-1 are given, with a `postgres` that only says how it was called.
struct Pod {
    folder: TempDir,
    role: String,
    write: String,
}

impl Pod {
    fn new(role: &str, write: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("data/pgdata")).unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        let postgres = folder.path().join("bin/postgres");
        fs::write(&postgres, "#!/bin/sh\necho postgres \"$@\"\n").unwrap();
        fs::set_permissions(&postgres, fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder, role: role.to_owned(), write: write.to_owned() }
    }

    fn volume(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join("data/pgdata").join(name), text).unwrap();
    }

    fn run(&self, script: &str) -> Output {
        let path = format!("{}:{}", self.folder.path().join("bin").display(), std::env::var("PATH").unwrap());
        Command::new("sh")
            .arg(example().join("scripts").join(script))
            .env("PATH", path)
            .env("PGDATA", self.folder.path().join("data/pgdata"))
            .env("POD_NAME", "ledger-1")
            .env("STATEWARD_ROLE", &self.role)
            .env("STATEWARD_WRITE", &self.write)
            .env("STATEWARD_MANAGER_HOST", "ledger-0.ledger-members.ledger.svc")
            .output()
            .unwrap()
    }
}

fn files(folder: &Path, extension: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<String> = entries
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    files
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
