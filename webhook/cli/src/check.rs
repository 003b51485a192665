//! `stateward check`: manifests as the API server would let them be judged on CREATE, without a cluster.

pub(crate) mod judge;
pub(crate) mod located;

use std::sync::Arc;

use anyhow::Context;
use stateward_core::manifest::Action;
use stateward_engine::PolicyLoader;
use stateward_manifests::{Documents, FileInventory, read};
use stateward_report::check::{CheckReport, NotJudged};
use stateward_report::{json, jsonl, text};

use crate::args::CheckArgs;
use crate::engine;
use crate::exit::{ERROR, Exit, NOTE, print_errors, print_warnings, wrong};
use crate::output::{Format, Output, one_of, require_distinct_files};
use crate::policies::{LoadedSet, PolicySource};

/// Whether mutating rules come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// As at admission: manifests.
    First,
    /// Objects that were stored are judged as they are.
    Never,
}

/// What it can write: a reader of its `-o`.
pub(crate) fn formats() -> impl Fn(&str) -> Result<Output, String> + Clone {
    one_of(&[Format::Text, Format::Json, Format::Jsonl])
}

/// Reads, judges, reports.
pub(crate) fn run(args: &CheckArgs) -> anyhow::Result<Exit> {
    run_with(args, Mutation::First)
}

/// The same of objects that were stored, or of manifests.
pub(crate) fn run_with(args: &CheckArgs, mutation: Mutation) -> anyhow::Result<Exit> {
    require_distinct_files(&args.output)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build().context("cannot start threads")?;
    let mut exit = Exit::default();
    let paths = args.paths.clone();
    let reading = runtime.spawn_blocking(move || read(&paths));
    let more = read(&args.policies.inventory);
    let source = PolicySource::of(&args.policies);
    let loader = PolicyLoader::new(engine::start(engine::print_warning)?);
    let policies = runtime.block_on(source.load(&loader));
    let input = runtime.block_on(reading).context("reading the input broke off")?;
    complain(&input, &more, &policies, &mut exit);
    let mut unreadable: Vec<_> =
        [&input.errors, &more.errors, &policies.unreadable].into_iter().flatten().map(wrong).collect();
    let refused = policies.refused.iter().map(wrong).collect();
    let has_no_policy = policies.set.policies().is_empty() && policies.refused.is_empty();

    let objects = Arc::new(input.objects);
    let (inventory, errors) =
        FileInventory::new(&objects, &more.objects, &policies.set.reads(), &args.policies.namespace);
    exit.unreadable |= !errors.is_empty();
    print_errors(&errors);
    unreadable.extend(errors.iter().map(wrong));
    // What could not be read there would count as absent: verdicts would be about another cluster.
    if !(more.errors.is_empty() && errors.is_empty()) {
        let report = CheckReport { objects: objects.len(), unreadable, refused, ..CheckReport::default() };
        for output in &args.output {
            write(output, &report)?;
        }
        return Ok(exit);
    }
    let judged = runtime.block_on(judge::all(objects, policies.set, inventory, &args.policies.namespace, mutation));
    let report = CheckReport { unreadable, refused, ..judged };
    conclude(&report, &mut exit);
    exit.denied |= args.require_decided && !report.undecided.is_empty();
    if exit == (Exit { nothing_judged: true, ..Exit::default() }) {
        let why = if has_no_policy { format!(": {}", source.no_policy()) } else { String::new() };
        anstream::eprintln!("{NOTE}note{NOTE:#}: no object that any rule judges{why}");
    }
    for output in &args.output {
        write(output, &report)?;
    }
    Ok(exit)
}

/// Says what is beside the report, and what it means for the exit code.
pub(crate) fn conclude(report: &CheckReport, exit: &mut Exit) {
    print_not_judged(&report.not_judged);
    for malformed in &report.malformed {
        anstream::eprintln!("{}\n", text::malformed(malformed));
    }
    exit.unreadable |= !report.malformed.is_empty();
    for failure in &report.failures {
        anstream::eprintln!(
            "{ERROR}error{ERROR:#}: {}: policy `{}` failed on {}: {}",
            failure.object.file,
            failure.policy,
            failure.object.title(),
            failure.error
        );
    }
    exit.policy_failed |= !report.failures.is_empty();
    exit.denied |= report.findings.iter().any(|finding| finding.action == Action::Deny);
    exit.nothing_judged = report.judged == 0;
}

/// Everything that is wrong before anything is judged.
fn complain(input: &Documents, more: &Documents, policies: &LoadedSet, exit: &mut Exit) {
    for unreadable in [&input.errors, &more.errors] {
        exit.unreadable |= !unreadable.is_empty();
        print_errors(unreadable);
    }
    complain_of_policies(policies, exit);
    for skipped in &input.skipped {
        anstream::eprintln!("{NOTE}note{NOTE:#}: {skipped}");
    }
}

/// What is wrong with the policies themselves.
pub(crate) fn complain_of_policies(policies: &LoadedSet, exit: &mut Exit) {
    exit.unreadable |= !policies.unreadable.is_empty();
    print_errors(&policies.unreadable);
    exit.policy_failed |= !policies.refused.is_empty();
    print_errors(&policies.refused);
    print_warnings(&policies.warnings);
}

/// Of many objects with the same reason only the first is named: a policy for one namespace leaves out those of all others.
fn print_not_judged(all: &[NotJudged]) {
    let mut groups: Vec<(&NotJudged, usize)> = Vec::new();
    for each in all {
        match groups.iter_mut().find(|(first, _)| first.because == each.because) {
            Some((_, more)) => *more += 1,
            None => groups.push((each, 0)),
        }
    }
    for (NotJudged { object, because }, more) in groups {
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        let because = because.join("; ");
        anstream::eprintln!("{NOTE}note{NOTE:#}: {}: no rule judges {}{more}: {because}", object.file, object.title());
    }
}

/// Writes one report that is asked for.
pub(crate) fn write(output: &Output, report: &CheckReport) -> anyhow::Result<()> {
    output.write(|out| match output.format {
        Format::Json => json::write(report, out),
        Format::Jsonl => jsonl::write(report, out),
        _ => text::write(report, out),
    })
}
