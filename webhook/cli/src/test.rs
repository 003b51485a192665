//! `stateward test`: cases, each with exactly what one rule must say; run with the policies that are loaded, by the engine that serves.

mod report;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use stateward_cases::{Bind, Case, CaseFile, CaseFiles, CaseResult, Coverage, Outcome, Runner, read, read_text};
use stateward_core::inventory::BoxFuture;
use stateward_core::manifest::Rule;
use stateward_core::policy::{Policy, SpecError};
use stateward_core::resources::WasmPolicy;
use stateward_engine::PolicyLoader;
use stateward_manifests::cause;
use stateward_report::cases::{github, html, json, jsonl, junit, markdown, sarif, table, text};

use crate::args::TestArgs;
use crate::exit::{Exit, NOTE, print_errors};
use crate::output::{Format, require_distinct_files};
use crate::policies::{PolicySource, Written, fetch, located};

/// Reads, runs, updates where that is asked for, reports.
pub(crate) fn run(args: &TestArgs) -> anyhow::Result<Exit> {
    require_distinct_files(&args.output)?;
    if args.update && args.paths.iter().any(|path| path.as_os_str() == "-") {
        bail!("`--update` writes into files, not into standard input\nhint: name the file");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build().context("cannot start threads")?;
    let source = PolicySource { paths: args.policies.clone(), profile: None, namespace: "default".to_owned() };
    let Written { files: policies, unreadable } = source.written();
    let mut files = read(&args.paths);
    let mut exit = Exit { unreadable: !(unreadable.is_empty() && files.errors.is_empty()), ..Exit::default() };
    print_errors(&unreadable);
    print_errors(&files.errors);
    for skipped in &files.skipped {
        anstream::eprintln!("{NOTE}note{NOTE:#}: {skipped}");
    }
    print_errors(&policies.errors);
    exit.policy_failed |= !policies.errors.is_empty();

    let engine = Engine(PolicyLoader::new(crate::engine::start(crate::engine::print_warning)?));
    let resources = policies.policies.iter().map(|from| from.resource.clone()).collect();
    let runner = match runtime.block_on(Runner::new(resources, &engine)) {
        Ok(runner) => runner,
        Err(errors) => {
            let errors: Vec<_> =
                errors.iter().map(|(policy, error)| located(&policies.policies, policy, error)).collect();
            print_errors(&errors);
            return Ok(Exit { policy_failed: true, ..exit });
        }
    };
    // Of all cases, also of those that `--run` leaves out.
    let coverage = coverage(&runner.rules(), &files, args.require_coverage);
    select(args, &mut files);
    let mut results = runtime.block_on(run_all(&runner, &files));
    if args.update {
        runtime.block_on(update(&runner, &mut files, &mut results, args.why.as_deref()))?;
    }
    let report = report::of(&files, results, &coverage, args.require_coverage);
    let all = || report.files.iter().flat_map(|file| &file.cases).map(|case| &case.outcome);
    exit.unreadable |= all().any(|outcome| matches!(outcome, stateward_report::cases::Outcome::Broken(_)));
    exit.denied = all().any(|outcome| matches!(outcome, stateward_report::cases::Outcome::Failed(_)))
        || (args.require_coverage && !coverage.rules.iter().all(|rule| rule.cases > 0));
    exit.nothing_judged = files.cases() == 0;
    if exit == (Exit { nothing_judged: true, ..Exit::default() }) {
        anstream::eprintln!("{NOTE}note{NOTE:#}: no case found");
    }
    for output in &args.output {
        output.write(|out| match output.format {
            Format::Json => json::write(&report, out),
            Format::Jsonl => jsonl::write(&report, out),
            Format::Html => html::write(&report, out),
            Format::Sarif => sarif::write(&report, out),
            Format::Junit => junit::write(&report, out),
            Format::Github => github::write(&report, out),
            Format::Markdown => markdown::write(&report, out),
            Format::Table => table::write(&report, out),
            Format::Text | Format::Report => text::write(&report, out),
        })?;
    }
    Ok(exit)
}

/// Of the rules of the families that cases are about: whoever tests one family need not read of all others, unless it is asked for.
fn coverage(rules: &[&Rule], files: &CaseFiles, of_all: bool) -> Coverage {
    let cases = || files.files.iter().flat_map(|file| &file.cases);
    let is_meant = |rule: &Rule| {
        let is_of_family = |case: &Case| case.rule.split_once('/').is_some_and(|(family, _)| family == rule.family());
        of_all || cases().any(is_of_family)
    };
    let rules: Vec<&Rule> = rules.iter().copied().filter(|rule| is_meant(rule)).collect();
    Coverage::of(&rules, &files.files)
}

/// Binds policies to components that the engine runs.
struct Engine(PolicyLoader);

impl Bind for Engine {
    fn bind<'a>(&'a self, policy: &'a WasmPolicy) -> BoxFuture<'a, Result<Policy, Vec<SpecError>>> {
        Box::pin(self.0.bind_alone(policy, &fetch))
    }
}

/// Leaves only cases whose `FILE: NAME` is asked for.
fn select(args: &TestArgs, files: &mut CaseFiles) {
    let Some(wanted) = &args.run else { return };
    for file in &mut files.files {
        file.cases.retain(|case| wanted.is_match(&format!("{}: {}", file.data.file, case.name)));
    }
    files.files.retain(|file| !file.cases.is_empty());
}

/// The results of every file, in the order of its cases.
async fn run_all(runner: &Runner<'_>, files: &CaseFiles) -> Vec<Vec<CaseResult>> {
    let mut all = Vec::new();
    for file in &files.files {
        all.push(run_file(runner, file, &file.cases).await);
    }
    all
}

async fn run_file(runner: &Runner<'_>, file: &CaseFile, cases: &[Case]) -> Vec<CaseResult> {
    let mut results = Vec::new();
    for case in cases {
        results.push(runner.run(file, case).await);
    }
    results
}

/// Writes what the rules say now into the files, and runs what was changed again.
async fn update(
    runner: &Runner<'_>,
    files: &mut CaseFiles,
    results: &mut [Vec<CaseResult>],
    why: Option<&str>,
) -> anyhow::Result<()> {
    for at in 0..files.files.len() {
        let (Some(file), Some(results)) = (files.files.get(at), results.get_mut(at)) else { continue };
        let pairs: Vec<(&Case, &CaseResult)> = file.cases.iter().zip(&*results).collect();
        if pairs.iter().all(|(_, result)| result.outcome == Outcome::Passed) {
            continue;
        }
        let updated = runner.update(file, &pairs, why).await;
        for (case, reason) in &updated.left {
            anstream::eprintln!("{NOTE}note{NOTE:#}: {}: `{case}` is left alone: {reason}", file.data.file);
        }
        let Some(text) = updated.text else { continue };
        write(&file.data.file, &text)?;
        let changed =
            if updated.cases.len() == 1 { "1 case".to_owned() } else { format!("{} cases", updated.cases.len()) };
        anstream::eprintln!("{NOTE}note{NOTE:#}: {}: {changed} updated", file.data.file);
        let name = Arc::clone(&file.data.file);
        read_again(&name, text, files);
        if let Some(file) = files.files.get(at) {
            *results = run_file(runner, file, &file.cases).await;
        }
    }
    Ok(())
}

/// All documents of a file that was written: their lines are others now.
fn read_again(name: &str, text: String, files: &mut CaseFiles) {
    let read = read_text(name, text).files;
    for file in files.files.iter_mut().filter(|file| *file.data.file == *name) {
        let Some(changed) = read.iter().find(|changed| changed.document == file.document) else { continue };
        let selected: Vec<usize> = file.cases.iter().map(|case| case.index).collect();
        *file = changed.clone();
        file.cases.retain(|case| selected.contains(&case.index));
    }
}

/// The text as a file, with the byte order mark that the file had.
fn write(path: &str, text: &str) -> anyhow::Result<()> {
    let failed = |error: std::io::Error| anyhow!("cannot write `{path}`: {}", cause(&error));
    let had_mark = fs::read(Path::new(path)).map_err(failed)?.starts_with(MARK.as_bytes());
    let mark = if had_mark { MARK } else { "" };
    fs::write(Path::new(path), format!("{mark}{text}")).map_err(failed)
}

const MARK: &str = "\u{feff}";
