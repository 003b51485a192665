//! What the rules say of every real object that we have: the table `tests/cases/corpus.verdicts`, one line per object, profile and finding. A change of a rule shows
//! there what it does to real sets.
//!
//! Written anew by `UPDATE_VERDICTS=1 cargo test --workspace --test corpus`; read what changed before committing it. A denial in `baseline` needs a line in
//! `tests/cases/corpus.denials` that says why the set is really wrong. `-- --nocapture` prints how many of the sets each rule speaks to.
//!
//! Each set is judged with the objects of its group, in namespaces that no other group shares, and those objects with the group's first set. The cluster has the
//! corpus' StorageClasses, and a sound default one: a cluster without any is not what the manifests were written for.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};
use stateward_tests::{corpus, root, skip, stateward};

#[test]
fn real_objects_get_the_verdicts_of_the_table() {
    let Some(verdicts) = verdicts() else { return };
    let file = root().join("tests/cases/corpus.verdicts");
    let now: BTreeSet<String> = verdicts.lines.iter().map(Verdict::line).collect();
    if std::env::var_os("UPDATE_VERDICTS").is_some() {
        let text: String = now.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(file, text).unwrap();
        return;
    }
    let text = std::fs::read_to_string(file).unwrap();
    let committed: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    let gone = committed.difference(&now).map(|line| format!("- {line}\n"));
    let new = now.difference(&committed).map(|line| format!("+ {line}\n"));
    let differences: Vec<String> = gone.chain(new).collect();
    assert!(
        differences.is_empty(),
        "{} verdicts differ; read them, then UPDATE_VERDICTS=1 (see the test's header)\n{}",
        differences.len(),
        differences.iter().take(SHOWN).map(String::as_str).collect::<String>(),
    );
}

/// `rules.md`, checks on the whole.
#[test]
fn baseline_lets_real_sets_pass() {
    let Some(verdicts) = verdicts() else { return };
    let of_core = |action: &str| {
        let mut by_rule: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let wanted = verdicts.lines.iter().filter(|line| line.profile == "baseline" && line.action == action);
        for line in wanted.filter(|line| verdicts.core.contains(&line.file)) {
            by_rule.entry(line.rule.as_str()).or_default().insert(line.file.as_str());
        }
        by_rule
    };
    let percent = |count: usize| 100.0 * count as f64 / verdicts.core.len() as f64;
    let said = ["Deny", "Warn", "Audit"].map(|action| (action, of_core(action)));
    println!("of {} core sets, in percent:", verdicts.core.len());
    for (action, by_rule) in &said {
        for (rule, files) in by_rule {
            println!("  {:5.1}  {action:5} {rule}", percent(files.len()));
        }
    }
    let [(_, denied), (_, warned), _] = said;
    let refused: BTreeSet<&str> = denied.into_values().flatten().collect();
    println!("  {:5.1}  refused in all: {refused:?}", percent(refused.len()));
    assert!(percent(refused.len()) <= MOST_REFUSED, "{refused:#?}");
    let noisy: Vec<_> =
        warned.iter().filter(|(_, files)| percent(files.len()) > MOST_WARNED).map(|(rule, _)| rule).collect();
    assert!(noisy.is_empty(), "warn on more than {MOST_WARNED} % of the core sets: {noisy:?}");
}

/// A line of `corpus.denials` is `FILE KIND/NAME RULE PLACE: why it is really wrong`.
#[test]
fn every_denial_is_really_wrong() {
    let Some(verdicts) = verdicts() else { return };
    let denied = verdicts.lines.iter().filter(|line| line.profile == "baseline" && line.action == "Deny");
    let denied: BTreeSet<String> =
        denied.map(|line| format!("{} {} {} {}", line.file, line.object, line.rule, line.place)).collect();
    let text = std::fs::read_to_string(root().join("tests/cases/corpus.denials")).unwrap();
    let reviewed = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let (denial, why) = line.split_once(": ").unwrap_or_else(|| panic!("no reason: {line}"));
        assert!(why.len() > 20, "a reason is a sentence: {line}");
        denial.to_owned()
    });
    let reviewed: BTreeSet<String> = reviewed.collect();
    let missing: Vec<_> = denied.difference(&reviewed).collect();
    let gone: Vec<_> = reviewed.difference(&denied).collect();
    assert!(missing.is_empty() && gone.is_empty(), "without a reason: {missing:#?}\nnot denied: {gone:#?}");
}

struct Verdicts {
    lines: Vec<Verdict>,
    /// The files of the sets that count.
    core: BTreeSet<String>,
}

struct Verdict {
    file: String,
    object: String,
    profile: &'static str,
    action: String,
    rule: String,
    place: String,
}

impl Verdict {
    fn line(&self) -> String {
        let Self { file, object, profile, action, rule, place } = self;
        format!("{file} {object} {profile} {action} {rule} {place}").trim_end().to_owned()
    }
}

/// Everything judged, once for all tests of this file; nothing where there is no corpus.
fn verdicts() -> Option<&'static Verdicts> {
    static VERDICTS: OnceLock<Option<Verdicts>> = OnceLock::new();
    VERDICTS.get_or_init(judge).as_ref()
}

fn judge() -> Option<Verdicts> {
    let Some(folder) = corpus::folder() else {
        skip("corpus", "there is no ../shared/corpus");
        return None;
    };
    let work = tempfile::tempdir().unwrap();
    let (input, cluster) = (work.path().join("input"), work.path().join("cluster"));
    std::fs::create_dir(&input).unwrap();
    std::fs::create_dir(&cluster).unwrap();
    std::fs::write(cluster.join("default.json"), default_class().to_string()).unwrap();
    let mut core = BTreeSet::new();
    // By namespace, kind and name: the file to show.
    let mut files: BTreeMap<[String; 3], String> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for (number, real) in corpus::sets(&folder).into_iter().enumerate() {
        let file = format!("sets/{}", real.file);
        if real.is_core() {
            core.insert(file.clone());
        }
        let is_first = seen.insert(real.group.clone());
        let mut objects = vec![(file, real.set)];
        for neighbour in corpus::neighbours(&folder, &real.group) {
            objects.push((format!("neighbours/{}/{}", real.group, neighbour.file), neighbour.object));
        }
        objects.retain(|(_, object)| object["kind"] != "StorageClass");
        for (position, (file, object)) in objects.iter_mut().enumerate() {
            corpus::move_to(object, &|namespace| format!("{number}-{namespace}"));
            if position == 0 || is_first {
                files.insert(key(&object["metadata"]["namespace"], object, &object["metadata"]["name"]), file.clone());
            }
        }
        let items: Vec<Value> = objects.into_iter().map(|(_, object)| object).collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        std::fs::write(input.join(format!("{number}.json")), list.to_string()).unwrap();
    }
    let inventory = [folder.join("storageclasses"), cluster];
    let lines = ["baseline", "strict"].into_iter().flat_map(|profile| check(&input, &inventory, profile, &files));
    Some(Verdicts { lines: lines.collect(), core })
}

fn check(
    input: &Path,
    inventory: &[PathBuf],
    profile: &'static str,
    files: &BTreeMap<[String; 3], String>,
) -> Vec<Verdict> {
    let mut command = Command::new(stateward());
    command.arg("check").arg(input).args(["-o", "json", "--profile", profile]);
    for folder in inventory {
        command.arg("--inventory").arg(folder);
    }
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{:?}: {stderr}", output.status);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let verdict = |result: &Value| {
        let text = |field: &str| result[field].as_str().unwrap_or_default().to_owned();
        let file = files.get(&key(&result["namespace"], result, &result["name"]))?.clone();
        let object = format!("{}/{}", text("kind"), text("name"));
        Some(Verdict { file, object, profile, action: text("action"), rule: text("rule"), place: text("place") })
    };
    report["results"].as_array().unwrap().iter().filter_map(verdict).collect()
}

fn key(namespace: &Value, object: &Value, name: &Value) -> [String; 3] {
    [namespace, &object["kind"], name].map(|value| value.as_str().unwrap_or_default().to_owned())
}

fn default_class() -> Value {
    json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "sound-default",
        "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}, "provisioner": "ebs.csi.aws.com",
        "reclaimPolicy": "Retain", "allowVolumeExpansion": true, "volumeBindingMode": "WaitForFirstConsumer"})
}

/// `rules.md`: at least 97 % pass without a denial.
const MOST_REFUSED: f64 = 3.0;

/// A rule that warns more often is not read.
const MOST_WARNED: f64 = 15.0;

/// Differences; a rule that changes its mind would fill the screen.
const SHOWN: usize = 60;
