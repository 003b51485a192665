//! Numbers that the README quotes about speed and size are those of tests/bench/RESULTS.md, and that page says where they come from.
//!
//! The convention: between `<!-- measured -->` and `<!-- /measured -->` every number with a unit is a measured one and stands in RESULTS.md in the
//! same words. Elsewhere in the prose (not in code) the units that only speed and size have must not appear at all, so that no number hides.

use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn every_number_of_the_readme_was_measured() {
    let readme = read("README.md");
    let measured = quantities(&read("tests/bench/RESULTS.md"), UNITS);
    for quantity in measured_parts(&readme).iter().flat_map(|part| quantities(part, UNITS)) {
        assert!(measured.contains(&quantity), "README.md says `{quantity}`, tests/bench/RESULTS.md does not");
    }
}

#[test]
fn no_measured_number_hides_elsewhere_in_the_readme() {
    let readme = without_code(&without_measured_parts(&read("README.md")));
    let hidden = quantities(&readme, UNITS_OF_MEASUREMENT);
    assert!(hidden.is_empty(), "README.md says {hidden:?} outside of `{BEGIN}` .. `{END}`");
}

#[test]
fn the_results_name_command_machine_and_date() {
    let results = read("tests/bench/RESULTS.md");
    for part in ["`cargo xtask bench`", "Machine: ", " cores of ", "Linux ", "Rust 1.", " on 20", "## Notes"] {
        assert!(results.contains(part), "tests/bench/RESULTS.md does not say `{part}`");
    }
}

#[test]
fn every_row_of_the_design_is_in_the_results() {
    let results = read("tests/bench/RESULTS.md");
    let rows = [
        "fresh, isolated evaluation, clean",
        "fresh, isolated evaluation, real",
        "run natively, clean",
        "run natively, real",
        "server CPU per request over TLS, clean",
        "server with native rules, clean",
        "requests/s to the native server, clean",
        "p99 to p50 at 64 connections, clean",
        "resident memory, idle",
        "ready, cold",
        "ready, warm",
        "does not match by resource",
        "does not match by operation",
        "does not match by namespace",
        "`check`, JSON",
        "`check`, YAML",
        "`check` to parsing alone",
        "binary, stripped",
    ];
    for row in rows {
        assert!(results.contains(row), "tests/bench/RESULTS.md has no row `{row}`");
    }
}

/// Every missed budget is explained by a person.
#[test]
fn missed_budgets_have_notes() {
    let results = read("tests/bench/RESULTS.md");
    let (table, notes) = results.split_once("## Notes").unwrap();
    if table.contains("| **no** |") {
        assert!(notes.split_whitespace().count() > 30, "budgets are missed and the notes do not say why");
    }
}

/// The whole bench, once around, with the programs of this profile: its numbers mean nothing here, but every part of it runs.
#[test]
fn a_quick_run_measures_everything() {
    let Some(bench) = program("bench") else {
        skip("the bench did not run: its programs are not built (`cargo build --workspace --bins`)");
        return;
    };
    let output = Command::new(bench).arg("--quick").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    for part in ["| Measure | Measured | Budget | Met |", "binary, stripped", "RESULTS.md stays as it is"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn finds_numbers_with_units_and_nothing_else() {
    let text = "costs 26.1 µs (2.5 × native), 1,234 objects/s; 30MB, 5 sets and 8 MiB, HTTP/1.1 is `12 ms`.";
    assert_eq!(quantities(text, UNITS), ["26.1 µs", "2.5 ×", "1,234 objects/s", "30 MB", "12 ms"]);
}

/// `12.3 µs`, `1,234 objects/s`: numbers followed by one of the units.
fn quantities(text: &str, units: &[&str]) -> Vec<String> {
    let is_number = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_digit()) && word.chars().all(|c| c.is_ascii_digit() || ".,".contains(c))
    };
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || "|()*`".contains(c)).filter(|word| !word.is_empty()).collect();
    let mut found = Vec::new();
    for (place, word) in words.iter().enumerate() {
        let bare = |word: &str| word.trim_end_matches(['.', ',', ';', ':']).to_owned();
        // `12 µs`
        if let Some(next) = words.get(place + 1)
            && is_number(word)
            && units.contains(&bare(next).as_str())
        {
            found.push(format!("{word} {}", bare(next)));
        }
        // `12µs`
        let attached = units.iter().find_map(|unit| Some((bare(word).strip_suffix(unit)?.to_owned(), unit)));
        if let Some((number, unit)) = attached.filter(|(number, _)| is_number(number)) {
            found.push(format!("{number} {unit}"));
        }
    }
    found
}

fn measured_parts(text: &str) -> Vec<String> {
    text.split(BEGIN).skip(1).map(|part| part.split(END).next().unwrap_or_default().to_owned()).collect()
}

fn without_measured_parts(text: &str) -> String {
    let mut parts = text.split(BEGIN);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + part.split_once(END).map_or("", |(_, rest)| rest))
}

/// Commands and transcripts show what they show.
fn without_code(text: &str) -> String {
    let prose = text.split("```").step_by(2).collect::<String>();
    prose.split('`').step_by(2).collect::<Vec<_>>().join(" ")
}

fn read(path: &str) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A program of the workspace, built in the profile of this test.
fn program(name: &str) -> Option<PathBuf> {
    let folder = std::env::current_exe().unwrap().ancestors().nth(2)?.to_path_buf();
    [name, "stateward"].iter().all(|each| folder.join(each).is_file()).then(|| folder.join(name))
}

/// What `cargo xtask test` prints at its end.
fn skip(why: &str) {
    use std::io::Write;
    if let Some(path) = std::env::var_os("STATEWARD_SKIPPED") {
        let mut file = std::fs::File::options().append(true).open(path).unwrap();
        writeln!(file, "{why}").unwrap();
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

const BEGIN: &str = "<!-- measured -->";
const END: &str = "<!-- /measured -->";

/// Of everything that the bench measures.
const UNITS: &[&str] = &["µs", "us", "ms", "s", "×", "x", "%", "MB", "KB", "requests/s", "objects/s"];
/// Those that nothing else in the README has: limits are in MiB and s, time-outs in s.
const UNITS_OF_MEASUREMENT: &[&str] = &["µs", "us", "MB", "requests/s", "objects/s"];
