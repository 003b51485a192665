//! Misbehaving guests on the real engine, through the one evaluation core. Whatever a guest does costs its own policy and nothing else.

mod changing;
mod fairness;
mod harness;
mod judging;
mod loading;

use std::fs;
use std::path::Path;

/// A guest that no test uses proves nothing.
#[test]
fn every_guest_has_a_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests");
    let sources: String =
        fs::read_dir(folder).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    let guests = stateward_tests::guests::names().unwrap();
    let unused: Vec<_> = guests.iter().filter(|guest| !sources.contains(&format!("\"{guest}\""))).collect();
    assert!(guests.len() > 20, "{guests:?}");
    assert!(unused.is_empty(), "no test uses {unused:?}");
}
