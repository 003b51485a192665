//! `stateward check`: manifests as the API server would let them be judged on CREATE, without a cluster.

mod admitted;
mod fix;
pub(crate) mod judge;
pub(crate) mod located;
mod remedy;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use jiff::Timestamp;
use stateward_engine::PolicyLoader;
use stateward_manifests::{Document, Documents, FileInventory, read};
use stateward_report::check::CheckReport;
use stateward_report::comparison::Scope;
use stateward_report::openreports::Catalogue;

use crate::args::{CheckArgs, FixArgs, PolicyArgs};
use crate::engine;
use crate::exit::{Exit, NOTE, print_errors, wrong};
use crate::findings::{FindingsArgs, complain_of_policies};
use crate::judged::{Exempting, Judged};
use crate::output::to_stdout;
use crate::page::{Sources, named};
use crate::policies::{LoadedSet, PolicySource};
use fix::Fixes;

/// What the objects of the input are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// As at admission: mutating rules come first.
    Manifests,
    /// Judged as they are.
    Stored,
}

impl Input {
    /// The command that judges them.
    pub(crate) const fn command(self) -> &'static str {
        match self {
            Self::Manifests => "check",
            Self::Stored => "audit",
        }
    }
}

/// Reads, judges, reports.
pub(crate) fn run(args: &CheckArgs) -> anyhow::Result<Exit> {
    run_on(args, Input::Manifests)
}

/// The same of objects that were stored, or of manifests.
pub(crate) fn run_on(args: &CheckArgs, what: Input) -> anyhow::Result<Exit> {
    if args.fix.fix && !args.fix.diff && args.paths.iter().any(|path| path.as_os_str() == "-") {
        bail!(
            "`--fix` cannot write into standard input\nhint: name the file, or see with `--diff` what it would write"
        );
    }
    let outputs = if args.fix.diff { args.findings.to_files()? } else { args.findings.clone() };
    let ready = outputs.ready(what, Scope { paths: args.paths.clone(), ..Scope::default() })?;
    let beside = Beside { open_reports: outputs.wants_open_reports(), fixes: Some((&args.fix, &args.findings)) };
    let judged = judge_files(&args.paths, &args.policies, what, &beside)?;
    let (Judged { report, sources, mut exit, .. }, nothing) = match judged {
        Files::Unreadable(Judged { report, sources, exit, .. }) => {
            outputs.write(report, sources, &ready)?;
            return Ok(exit);
        }
        Files::Judged(judged, nothing) => (judged, nothing),
    };
    args.findings.conclude(&report, what == Input::Stored, &mut exit);
    if exit == (Exit { nothing_judged: true, ..Exit::default() }) {
        anstream::eprintln!("{NOTE}note{NOTE:#}: no object that any rule judges{nothing}");
    }
    outputs.write(report, sources, &ready)?;
    Ok(exit)
}

/// What became of files.
pub(crate) enum Files {
    /// What stands for the cluster could not be read: nothing was judged.
    Unreadable(Judged),
    /// They were; and where no rule judges any of them, why.
    Judged(Judged, String),
}

/// What is asked for beside what is said for people.
#[derive(Default)]
pub(crate) struct Beside<'a> {
    /// What is said of each object as an object of `openreports.io`.
    pub(crate) open_reports: bool,
    /// What becomes of findings whose rule knows the one right answer, and which of them are meant.
    pub(crate) fixes: Option<(&'a FixArgs, &'a FindingsArgs)>,
}

/// Judges what files hold. Says on stderr what is wrong before anything is judged.
pub(crate) fn judge_files(
    paths: &[PathBuf],
    args: &PolicyArgs,
    what: Input,
    beside: &Beside<'_>,
) -> anyhow::Result<Files> {
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
    let (set, mut objects) = (Arc::new(policies.set), Arc::new(input.objects));
    let about = about(paths, what, source.profile);
    let inventory_of =
        |objects: &Arc<Vec<Document>>| FileInventory::new(objects, &more.objects, &set.reads(), &args.namespace);
    let (inventory, errors) = inventory_of(&objects);
    exit.unreadable |= !errors.is_empty();
    print_errors(&errors);
    unreadable.extend(errors.iter().map(wrong));
    let are_exemptions_unread = false;
    // What could not be read there would count as absent: verdicts would be about another cluster.
    if !(more.errors.is_empty() && errors.is_empty()) {
        let mut report = CheckReport { objects: objects.len(), unreadable, refused, ..CheckReport::default() };
        exempting.conclude(&set, now, (None, None), &mut report);
        let sources = Sources::of_files(&objects, &set, about);
        return Ok(Files::Unreadable(Judged { report, sources, exit, are_exemptions_unread }));
    }
    let judge = |objects: &Arc<Vec<Document>>, inventory| {
        let catalogue = beside.open_reports.then(|| Catalogue::new(&set));
        let asked = judge::Asked { namespace: args.namespace.clone(), what, catalogue };
        let mut report = runtime.block_on(judge::all(Arc::clone(objects), Arc::clone(&set), inventory, asked));
        if let Some((_, findings)) = beside.fixes {
            fix::locate(objects, findings, &mut report);
        }
        report
    };
    let mut judged = judge(&objects, inventory);
    if let Some((fix, _)) = beside.fixes.filter(|(fix, _)| fix.fix || fix.diff) {
        let again = |objects: &Arc<Vec<Document>>| judge(objects, inventory_of(objects).0);
        let (fixes, fixed, left) = Fixes::of(&objects, &judged, again);
        if fix.diff {
            to_stdout(|out| fixes.show(out))?;
        } else {
            fixes.write()?;
            (objects, judged) = (fixed, left);
        }
        fixes.conclude(!fix.diff);
    }
    let mut report = CheckReport { unreadable, refused, ..judged };
    exempting.conclude(&set, now, (None, None), &mut report);
    let sources = Sources::of_files(&objects, &set, about);
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
    format!("{} of {}, {}", what.command(), all.join(", "), named(profile))
}

/// Of the input's paths, on a page.
const SHOWN: usize = 3;
