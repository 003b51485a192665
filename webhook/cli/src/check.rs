//! `stateward check`: manifests as the API server would let them be judged on CREATE, without a cluster.

mod admitted;
mod fix;
pub(crate) mod judge;
pub(crate) mod located;
mod remedy;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use stateward_engine::PolicyLoader;
use stateward_manifests::{Document, Documents, FileInventory, read};
use stateward_report::check::CheckReport;
use stateward_report::openreports::Catalogue;

use crate::args::CheckArgs;
use crate::engine;
use crate::exit::{Exit, NOTE, print_errors, wrong};
use crate::findings::complain_of_policies;
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
    let ready = outputs.ready()?;
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

    let mut objects = Arc::new(input.objects);
    let (inventory, errors) =
        FileInventory::new(&objects, &more.objects, &policies.set.reads(), &args.policies.namespace);
    exit.unreadable |= !errors.is_empty();
    print_errors(&errors);
    unreadable.extend(errors.iter().map(wrong));
    let set = Arc::new(policies.set);
    let about = about(&args.paths, what, source.profile);
    // What could not be read there would count as absent: verdicts would be about another cluster.
    if !(more.errors.is_empty() && errors.is_empty()) {
        let report = CheckReport { objects: objects.len(), unreadable, refused, ..CheckReport::default() };
        outputs.write(report, Sources::of_files(&objects, &set, about), &ready)?;
        return Ok(exit);
    }
    let judge = |objects: &Arc<Vec<Document>>, inventory| {
        let (objects, set) = (Arc::clone(objects), Arc::clone(&set));
        let catalogue = args.findings.wants_open_reports().then(|| Catalogue::new(&set));
        let asked = judge::Asked { namespace: args.policies.namespace.clone(), what, catalogue };
        let mut report = runtime.block_on(judge::all(Arc::clone(&objects), set, inventory, asked));
        fix::locate(&objects, &args.findings, &mut report);
        report
    };
    let mut judged = judge(&objects, inventory);
    if args.fix.fix || args.fix.diff {
        let mut fixes = Fixes::default();
        let (mut fixed, mut left) = (Arc::clone(&objects), judged.clone());
        for _ in 0..fix::MOST_ROUNDS {
            let mut next = fixed.to_vec();
            if !fixes.take(&mut next, &left) {
                break;
            }
            fixed = Arc::new(next);
            let (inventory, _) = FileInventory::new(&fixed, &more.objects, &set.reads(), &args.policies.namespace);
            left = judge(&fixed, inventory);
        }
        if args.fix.diff {
            to_stdout(|out| fixes.show(out))?;
        } else {
            fixes.write()?;
            (objects, judged) = (fixed, left);
        }
        fixes.conclude(!args.fix.diff);
    }
    let sources = Sources::of_files(&objects, &set, about);
    let report = CheckReport { unreadable, refused, ..judged };
    args.findings.conclude(&report, what == Input::Stored, &mut exit);
    if exit == (Exit { nothing_judged: true, ..Exit::default() }) {
        let why = if has_no_policy { format!(": {}", source.no_policy()) } else { String::new() };
        anstream::eprintln!("{NOTE}note{NOTE:#}: no object that any rule judges{why}");
    }
    outputs.write(report, sources, &ready)?;
    Ok(exit)
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
