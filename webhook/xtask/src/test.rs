//! `cargo xtask test`: every suite in turn, minutes for each, and at the end what was skipped and why.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::cargo::{cargo, ensure_wasm_target};

pub(crate) fn run(names: &[String]) -> Result<ExitCode> {
    let suites = suites()?;
    if let Some(unknown) = names.iter().find(|name| !suites.iter().any(|suite| suite.name == **name)) {
        let known: Vec<&str> = suites.iter().map(|suite| suite.name.as_str()).collect();
        bail!("there is no suite `{unknown}`\nhint: {}", known.join(", "));
    }
    ensure_wasm_target()?;

    // Tests that lack something write why into this file; a skip that nobody sees is a test that nobody has.
    let skipped = std::env::temp_dir().join(format!("stateward-skipped-{}", std::process::id()));
    std::fs::write(&skipped, "").with_context(|| format!("cannot write {}", skipped.display()))?;

    let mut rows = Vec::new();
    for suite in suites.iter().filter(|suite| names.is_empty() || names.contains(&suite.name)) {
        println!("\n== {}: {}", suite.name, suite.what);
        let start = Instant::now();
        let arguments: Vec<&str> = suite.arguments.iter().map(String::as_str).collect();
        let status = cargo(&arguments)?.env("STATEWARD_SKIPPED", &skipped).stdin(Stdio::null()).status();
        let passed = status.with_context(|| format!("cargo {} does not run", arguments.join(" ")))?.success();
        rows.push(Row { name: &suite.name, took: start.elapsed(), passed });
    }
    let reasons = std::fs::read_to_string(&skipped).unwrap_or_default();
    let _ = std::fs::remove_file(&skipped);
    Ok(print_summary(&rows, &reasons))
}

/// One cargo call. They all select the whole workspace, so that features unify the same way and everything is built once.
struct Suite {
    name: String,
    what: String,
    arguments: Vec<String>,
}

struct Row<'a> {
    name: &'a str,
    took: Duration,
    passed: bool,
}

fn suites() -> Result<Vec<Suite>> {
    let suite = |name: &str, what: &str, arguments: &[&str]| Suite {
        name: name.to_owned(),
        what: what.to_owned(),
        arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
    };
    let mut suites = vec![
        suite("format", "rustfmt has nothing to change", &["fmt", "--all", "--check"]),
        suite("build", "everything, once", &["build", "--workspace", "--all-targets", "--locked"]),
        suite(
            "units",
            "unit and property tests beside the code",
            &["test", "--workspace", "--locked", "--lib", "--bins"],
        ),
        suite("docs", "examples in the documentation", &["test", "--workspace", "--locked", "--doc"]),
    ];
    for (name, file) in integration_tests()? {
        let arguments = ["test", "--workspace", "--locked", "--test", &name];
        suites.push(suite(&name, &first_line(Path::new(&file))?, &arguments));
    }
    suites.push(suite(
        "clippy",
        "no lint is silenced without a reason",
        &["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"],
    ));
    Ok(suites)
}

/// Name and file of every integration test of the workspace. Crates that share a name share a suite.
fn integration_tests() -> Result<BTreeMap<String, String>> {
    let output = cargo(&["metadata", "--no-deps", "--locked", "--format-version", "1"])?
        .output()
        .context("cargo does not run")?;
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata does not answer")?;
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let mut tests = BTreeMap::new();
    for target in list(metadata.get("packages")).iter().flat_map(|package| list(package.get("targets"))) {
        let text = |field: &str| target.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        if list(target.get("kind")).contains(&Value::from("test")) {
            tests.insert(text("name"), text("src_path"));
        }
    }
    Ok(tests)
}

/// The first `//!` line of a test file says what it is for.
fn first_line(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let line = text.lines().next().and_then(|line| line.strip_prefix("//! "));
    Ok(line
        .with_context(|| format!("{} does not begin with a line `//! ..` that says what it tests", path.display()))?
        .to_owned())
}

fn print_summary(rows: &[Row], reasons: &str) -> ExitCode {
    println!("\n{:<16} {:>7}  result", "suite", "minutes");
    for row in rows {
        let result = if row.passed { "passed" } else { "FAILED" };
        println!("{:<16} {:>7.1}  {result}", row.name, row.took.as_secs_f64() / 60.0);
    }
    let total: Duration = rows.iter().map(|row| row.took).sum();
    println!("{:<16} {:>7.1}", "total", total.as_secs_f64() / 60.0);

    let mut reasons: Vec<&str> = reasons.lines().filter(|line| !line.is_empty()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    match reasons.as_slice() {
        [] => println!("\nnothing was skipped"),
        reasons => {
            println!("\nskipped:");
            reasons.iter().for_each(|reason| println!("  {reason}"));
        }
    }
    let failed = rows.iter().filter(|row| !row.passed).count();
    println!("\nsuites: {} passed, {failed} failed", rows.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
