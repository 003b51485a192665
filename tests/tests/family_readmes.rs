//! Each family's README says what its rules and settings say of themselves. `UPDATE_READMES=1 cargo test --workspace --test family_readmes` writes
//! the part between the markers anew; the rest is written by hand.

use std::fmt::Write;
use std::fs;
use std::process::Command;

use serde_json::Value;
use stateward_sdk::family::Family;
use stateward_sdk::schema::SettingsSchema;
use stateward_tests::{cache, root, stateward};

#[test]
fn ordered_identity() {
    holds::<stateward_ordered_identity::OrderedIdentity>("ordered-identity");
}

#[test]
fn remote_volumes() {
    holds::<stateward_remote_volumes::RemoteVolumes>("remote-volumes");
}

#[test]
fn manager_writes() {
    holds::<stateward_manager_writes::ManagerWrites>("manager-writes");
}

#[test]
fn workload_kind() {
    holds::<stateward_workload_kind::WorkloadKind>("workload-kind");
}

#[test]
fn operations() {
    holds::<stateward_operations::Operations>("operations");
}

fn holds<F: Family>(family: &str) {
    let file = root().join("policies").join(family).join("README.md");
    let written = fs::read_to_string(&file).unwrap();
    let generated = format!("{BEGIN}\n## Rules\n\n{}\n{}{END}", rules(family), settings::<F>());
    let (before, rest) = written.split_once(BEGIN).unwrap_or_else(|| panic!("{}: no `{BEGIN}`", file.display()));
    let (_, after) = rest.split_once(END).unwrap_or_else(|| panic!("{}: no `{END}`", file.display()));
    let right = format!("{before}{generated}{after}");
    if std::env::var_os("UPDATE_READMES").is_some() {
        fs::write(&file, right).unwrap();
        return;
    }
    assert!(right == written, "{} is out of date: run this test with UPDATE_READMES=1", file.display());
}

fn rules(family: &str) -> String {
    let output = Command::new(stateward())
        .args(["rules", &format!("{family}/*"), "-o", "markdown"])
        .env("STATEWARD_CACHE_DIR", cache())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A table of the family's settings, from the schema that the server checks them against.
fn settings<F: Family>() -> String {
    let schema: Value = serde_json::from_str(&SettingsSchema::default().with::<F>().text()).unwrap();
    let properties = schema["properties"].as_object().unwrap();
    if properties.is_empty() {
        return "## Settings\n\nThere is nothing to set.\n".to_owned();
    }
    let mut text = "## Settings\n\nIn `spec.settings` of the family's policy. A list that the program brings along is changed by `add` and `remove`, \
                    and keeps growing with it.\n\n| Setting | Value | Meaning |\n|---|---|---|\n"
        .to_owned();
    for (name, property) in properties {
        let meaning = property["description"].as_str().unwrap_or_else(|| panic!("`{name}` has no description"));
        let meaning = meaning.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
        writeln!(text, "| `{name}` | {} | {meaning} |", value(property)).unwrap();
    }
    text
}

fn value(property: &Value) -> String {
    let default = match &property["default"] {
        Value::Null => String::new(),
        default => format!(", default `{default}`"),
    };
    match property["type"].as_str() {
        Some("array") => format!("list{default}"),
        Some(kind) => format!("{kind}{default}"),
        // A definition of its own.
        None => "`{add: [..], remove: [..]}`".to_owned(),
    }
}

const BEGIN: &str = "<!-- written by the test family_readmes -->";
const END: &str = "<!-- /written -->";
