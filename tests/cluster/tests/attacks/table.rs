//! The table of attacks in the family's README names every attack of this test, and none that there is not.

use std::collections::BTreeSet;
use std::fs;

use stateward_cluster_tests::root;

use crate::{attempt, stories, strict};

#[test]
fn the_table_and_the_attacks_agree() {
    let readme = fs::read_to_string(root().join("policies/manager-writes/README.md")).unwrap();
    let table = readme.split("\n## Attacks\n").nth(1).expect("no such section").split("\n## ").next().unwrap();
    let rows: Vec<Vec<&str>> = table.lines().filter_map(row).collect();
    assert!(rows.len() > 40, "{} rows", rows.len());
    let mut known = attempt::names();
    known.extend(stories::ALL.iter().chain(strict::ALL).map(|(name, _)| *name));
    let mut named = BTreeSet::new();
    for row in rows {
        let [way, happens, stopped, down, seen] = row[..] else { panic!("{row:?} has another number of cells") };
        assert!([way, happens, stopped, down, seen].iter().all(|cell| !cell.is_empty()), "{row:?}");
        for (number, text) in seen.split('"').enumerate() {
            if number % 2 == 1 {
                assert!(known.contains(text), "{way}: there is no attack \"{text}\"");
                named.insert(text);
            } else {
                text.split('`').skip(1).step_by(2).for_each(|test| exists(way, test));
            }
        }
    }
    let missing: Vec<_> = known.difference(&named).collect();
    assert!(missing.is_empty(), "not in the table: {missing:#?}");
}

/// As `file.rs::function`, below `tests/cluster/tests` or from the root.
fn exists(way: &str, test: &str) {
    let (file, function) = test.split_once("::").unwrap_or_else(|| panic!("{way}: `{test}` names no function"));
    let folder = if file.starts_with("policies/") || file.starts_with("tests/") { "" } else { "tests/cluster/tests" };
    let source =
        fs::read_to_string(root().join(folder).join(file)).unwrap_or_else(|error| panic!("{way}: {file}: {error}"));
    assert!(source.contains(&format!("fn {function}(")), "{way}: {file} has no `{function}`");
}

/// The cells of a row that is neither the head nor the line below it.
fn row(line: &str) -> Option<Vec<&str>> {
    let cells: Vec<&str> = line.strip_prefix('|')?.strip_suffix('|')?.split(" | ").map(str::trim).collect();
    (!cells[0].starts_with("---") && !cells[0].starts_with("Way")).then_some(cells)
}
