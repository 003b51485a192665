//! `stateward check`: manifests as the API server would let them be judged on CREATE, without a cluster.

pub(crate) mod judge;
pub(crate) mod located;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use jiff::Timestamp;
use stateward_engine::PolicyLoader;
use stateward_manifests::{Documents, FileInventory, read};
use stateward_report::check::CheckReport;

use crate::args::{CheckArgs, PolicyArgs};
use crate::engine;
use crate::exit::{Exit, NOTE, print_errors, wrong};
use crate::findings::complain_of_policies;
use crate::judged::{Exempting, Judged};
use crate::page::{Sources, named};
use crate::policies::{LoadedSet, PolicySource};

/// What the objects of the input are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// As at admission: mutating rules come first.
    Manifests,
    /// Judged as they are.
    Stored,
}

/// Reads, judges, reports.
pub(crate) fn run(args: &CheckArgs) -> anyhow::Result<Exit> {
    run_on(args, Input::Manifests)
}

/// The same of objects that were stored, or of manifests.
pub(crate) fn run_on(args: &CheckArgs, what: Input) -> anyhow::Result<Exit> {
    let ready = args.findings.ready()?;
    let (Judged { report, sources, mut exit, .. }, nothing) = match judge_files(&args.paths, &args.policies, what)? {
        Files::Unreadable(Judged { report, sources, exit, .. }) => {
            args.findings.write(report, sources, &ready)?;
            return Ok(exit);
        }
        Files::Judged(judged, nothing) => (judged, nothing),
    };
    args.findings.conclude(&report, what == Input::Stored, &mut exit);
    if exit == (Exit { nothing_judged: true, ..Exit::default() }) {
        anstream::eprintln!("{NOTE}note{NOTE:#}: no object that any rule judges{nothing}");
    }
    args.findings.write(report, sources, &ready)?;
    Ok(exit)
}

/// What became of files.
pub(crate) enum Files {
    /// What stands for the cluster could not be read: nothing was judged.
    Unreadable(Judged),
    /// They were; and where no rule judges any of them, why.
    Judged(Judged, String),
}

/// Judges what files hold. Says on stderr what is wrong before anything is judged.
pub(crate) fn judge_files(paths: &[PathBuf], args: &PolicyArgs, what: Input) -> anyhow::Result<Files> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build().context("cannot start threads")?;
    let mut exit = Exit::default();
    let now = Timestamp::now();
    let read_here = paths.to_vec();
    let reading = runtime.spawn_blocking(move || read(&read_here));
    let more = read(&args.inventory);
    let source = PolicySource::of(args);
    let loader = PolicyLoader::new(engine::start(engine::print_warning)?);
    let mut policies = runtime.block_on(source.load(&loader));
    let input = runtime.block_on(reading).context("reading the input broke off")?;
    complain(&input, &more, &policies, &mut exit);
    let mut unreadable: Vec<_> =
        [&input.errors, &more.errors, &policies.unreadable].into_iter().flatten().map(wrong).collect();
    let refused = policies.refused.iter().map(wrong).collect();
    let has_no_policy = policies.set.policies().is_empty() && policies.refused.is_empty();

    let exempting = Exempting::of(&mut policies);
    let (set, objects) = (Arc::new(policies.set), Arc::new(input.objects));
    let sources = Sources::of_files(&objects, &set, about(paths, what, source.profile));
    let (inventory, errors) = FileInventory::new(&objects, &more.objects, &set.reads(), &args.namespace);
    exit.unreadable |= !errors.is_empty();
    print_errors(&errors);
    unreadable.extend(errors.iter().map(wrong));
    let are_exemptions_unread = false;
    // What could not be read there would count as absent: verdicts would be about another cluster.
    if !(more.errors.is_empty() && errors.is_empty()) {
        let mut report = CheckReport { objects: objects.len(), unreadable, refused, ..CheckReport::default() };
        exempting.conclude(&set, now, (None, None), &mut report);
        return Ok(Files::Unreadable(Judged { report, sources, exit, are_exemptions_unread }));
    }
    let judged = runtime.block_on(judge::all(objects, Arc::clone(&set), inventory, &args.namespace, what));
    let mut report = CheckReport { unreadable, refused, ..judged };
    exempting.conclude(&set, now, (None, None), &mut report);
    let nothing = if has_no_policy { format!(": {}", source.no_policy()) } else { String::new() };
    Ok(Files::Judged(Judged { report, sources, exit, are_exemptions_unread }, nothing))
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

/// `check of a.yaml, b.yaml, profile strict`.
fn about(paths: &[PathBuf], what: Input, profile: Option<stateward_core::manifest::Profile>) -> String {
    let mut all: Vec<String> = paths.iter().take(SHOWN).map(|path| path.display().to_string()).collect();
    if paths.len() > SHOWN {
        all.push(format!("{} more", paths.len() - SHOWN));
    }
    let command = if what == Input::Stored { "audit" } else { "check" };
    format!("{command} of {}, {}", all.join(", "), named(profile))
}

/// Of the input's paths, on a page.
const SHOWN: usize = 3;
