//! `cargo xtask test`: every suite in turn, minutes for each, and at the end what was skipped and why. `--kubernetes` runs those in a cluster on another
//! version.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::browser::ensure_browser;
use crate::cargo::{cargo, ensure_wasm_target, root};
use crate::kubernetes;
use crate::promtool::ensure_promtool;

pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let mut names = arguments.to_vec();
    let version = kubernetes::take(&mut names)?;
    let mut suites = suites()?;
    if version.is_some() {
        suites.retain(|suite| suite.is_in_cluster);
    }
    if let Some(unknown) = names.iter().find(|name| !suites.iter().any(|suite| suite.name == **name)) {
        let known: Vec<&str> = suites.iter().map(|suite| suite.name.as_str()).collect();
        bail!("there is no suite `{unknown}`\nhint: {}", known.join(", "));
    }
    ensure_wasm_target()?;
    let is_asked =
        |name: &str| suites.iter().any(|suite| suite.name == name && (names.is_empty() || names.contains(&suite.name)));
    if is_asked(PAGE) {
        ensure_browser();
    }
    if is_asked(DASHBOARDS) {
        ensure_promtool()?;
    }

    // Tests that lack something write why into this file; a skip that nobody sees is a test that nobody has.
    let skipped = std::env::temp_dir().join(format!("stateward-skipped-{}", std::process::id()));
    std::fs::write(&skipped, "").with_context(|| format!("cannot write {}", skipped.display()))?;

    let mut rows = Vec::new();
    for suite in suites.iter().filter(|suite| names.is_empty() || names.contains(&suite.name)) {
        println!("\n== {}: {}", suite.name, suite.what);
        let start = Instant::now();
        let arguments: Vec<&str> = suite.arguments.iter().map(String::as_str).collect();
        let mut command = cargo(&arguments)?;
        command.env("STATEWARD_SKIPPED", &skipped).stdin(Stdio::null());
        if let Some(version) = &version {
            command.env(kubernetes::VARIABLE, version);
        }
        let passed = command.status().with_context(|| format!("cargo {} does not run", arguments.join(" ")))?.success();
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
    is_in_cluster: bool,
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
        is_in_cluster: false,
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
    let cluster = root()?.join("tests/cluster");
    for (name, file) in integration_tests()? {
        let file = Path::new(&file);
        let arguments = ["test", "--workspace", "--locked", "--test", &name];
        let suite = suite(&name, &first_line(file)?, &arguments);
        suites.push(Suite { is_in_cluster: file.starts_with(&cluster), ..suite });
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

/// The suite that wants a browser.
const PAGE: &str = "page";
/// The suite that wants promtool.
const DASHBOARDS: &str = "dashboards";
