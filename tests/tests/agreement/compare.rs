//! Asks the binary and the oracle, and says where they differ.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use stateward_tests::oracle::{self, Expected, RULES, World};
use stateward_tests::stateward;

use crate::case::Case;
use crate::objects;

/// Namespace, kind and name.
type Key = (String, String, String);

/// Judges all cases in four runs of the binary and compares each object with the oracle.
pub(crate) fn compare(cases: &mut [Case]) {
    let folder = tempfile::tempdir().unwrap();
    let cluster = folder.path().join("cluster.json");
    let known = objects::cluster();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": known});
    std::fs::write(&cluster, list.to_string()).unwrap();
    let input = folder.path().join("cases");
    std::fs::create_dir(&input).unwrap();
    for (number, case) in cases.iter_mut().enumerate() {
        // A namespace of its own, so that no case is the neighbour of another.
        let namespace = format!("case-{number}");
        case.move_to(&namespace);
        std::fs::write(input.join(format!("{namespace}.json")), case.list()).unwrap();
    }
    let present: BTreeSet<String> = stateward_stateful::describe().rules.into_iter().map(|rule| rule.id).collect();
    let rules: BTreeMap<&str, &[&str]> = RULES.iter().copied().filter(|(rule, _)| present.contains(*rule)).collect();
    let mut differences = Differences::default();
    for is_strict in [false, true] {
        for is_known in [false, true] {
            let answers = check(&input, is_strict, is_known.then_some(cluster.as_path()));
            for case in cases.iter() {
                let admitted: Vec<Value> =
                    case.objects.iter().map(|object| oracle::after_mutation(object, is_strict)).collect();
                let world = World { namespace: &admitted, cluster: if is_known { &known } else { &[] } };
                for object in &case.objects {
                    let expected = oracle::judge(object, world, is_strict);
                    let answered = answers.get(&key(object)).cloned().unwrap_or_default();
                    for (rule, fields) in &rules {
                        let (check, oracle) = (about(&answered, rule), about(&expected, rule));
                        if check != oracle {
                            let said = format!("{rule}: check {check}, oracle {oracle}");
                            differences.entry(said).or_default().push(example(case, object, fields));
                        }
                    }
                }
            }
        }
    }
    assert!(differences.is_empty(), "{}", words(&differences));
}

/// By rule and both verdicts: the objects.
type Differences = BTreeMap<String, Vec<String>>;

fn key(object: &Value) -> Key {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&object["metadata"]["namespace"]), text(&object["kind"]), text(&object["metadata"]["name"]))
}

/// What is said of one rule.
fn about(lines: &Expected, rule: &str) -> String {
    let of_rule = lines.iter().filter_map(|(line, count)| {
        let (named, what) = line.split_once(' ')?;
        (named == rule).then(|| format!("{what} x{count}"))
    });
    let said: Vec<String> = of_rule.collect();
    if said.is_empty() { "nothing".to_owned() } else { said.join(" and ") }
}

/// An object, and the fields that a rule is about, one a line.
fn example(case: &Case, object: &Value, fields: &[&str]) -> String {
    let (_, kind, name) = key(object);
    let mut example = format!("    {kind} {name} of {}\n", case.name);
    for field in fields {
        if let Some(value) = object.pointer(field).filter(|value| !value.is_null()) {
            let value: String = value.to_string().chars().take(MOST_OF_A_FIELD).collect();
            example.push_str(&format!("      {field}: {value}\n"));
        }
    }
    example
}

fn words(differences: &Differences) -> String {
    let mut words = String::new();
    for (said, examples) in differences {
        words.push_str(&format!("\n{said}: {} times\n", examples.len()));
        // Real objects before those that were changed.
        let mut examples: Vec<&String> = examples.iter().collect();
        examples.sort_by_key(|example| example.lines().next().map(str::len));
        examples.dedup();
        examples.into_iter().take(SHOWN).for_each(|example| words.push_str(example));
    }
    words
}

/// Runs the binary once; answers by object.
fn check(input: &Path, is_strict: bool, inventory: Option<&Path>) -> BTreeMap<Key, Expected> {
    let mut command = Command::new(stateward());
    command.arg("check").arg(input).args(["-o", "json", "--profile", if is_strict { "strict" } else { "baseline" }]);
    if let Some(inventory) = inventory {
        command.arg("--inventory").arg(inventory);
    }
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{:?}: {stderr}", output.status);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut answers: BTreeMap<Key, Expected> = BTreeMap::new();
    let mut add = |entry: &Value, what: &str, most: usize| {
        let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
        let said = answers.entry((text("namespace"), text("kind"), text("name"))).or_default();
        let count = said.entry(format!("{} {what}", text("rule"))).or_default();
        *count = most.min(*count + 1);
    };
    for result in report["results"].as_array().unwrap() {
        add(result, &result["action"].as_str().unwrap().to_lowercase(), usize::MAX);
    }
    for undecided in report["undecided"].as_array().unwrap() {
        add(undecided, "undecided", 1);
    }
    answers
}

/// Examples of each difference; the rest is alike.
const SHOWN: usize = 3;

/// Enough to see what it is about.
const MOST_OF_A_FIELD: usize = 600;
