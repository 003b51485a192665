//! The check list in `deploy/README.md` is whole, and every test that it names is there.

use std::fs;

use stateward_cluster_tests::root;

#[test]
fn every_item_is_answered_by_tests_that_exist() {
    let readme = fs::read_to_string(root().join("deploy/README.md")).unwrap();
    let rows: Vec<Vec<&str>> = readme.lines().filter_map(row).collect();
    // As many as Kubernetes' page has.
    let numbers: Vec<usize> = rows.iter().map(|row| row[0].parse().unwrap()).collect();
    assert_eq!(numbers, (1..=45).collect::<Vec<_>>());
    for row in rows {
        let [number, item, kept, tests] = row[..] else { panic!("{row:?} has another number of cells") };
        assert!(!item.is_empty() && !kept.is_empty(), "item {number}");
        if tests == "—" {
            continue;
        }
        for test in tests.split(", ") {
            let name = test.trim_matches('`');
            let (file, function) =
                name.split_once("::").unwrap_or_else(|| panic!("item {number}: `{name}` names no function"));
            let folder = if file.contains('/') { "" } else { "tests/cluster/tests" };
            let path = root().join(folder).join(file);
            let source = fs::read_to_string(&path).unwrap_or_else(|error| panic!("item {number}: {file}: {error}"));
            assert!(source.contains(&format!("fn {function}(")), "item {number}: {file} has no `{function}`");
        }
    }
}

/// The cells of a row that begins with a number.
fn row(line: &str) -> Option<Vec<&str>> {
    let cells: Vec<&str> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
    cells[0].parse::<usize>().is_ok().then_some(cells)
}
