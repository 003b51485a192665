//! `stateward audit`: what already runs in a cluster, or lies in a folder, judged by the rules that judge requests.

pub(crate) mod judge;
mod shown;
mod store;

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;

use anyhow::Result;
use jiff::Timestamp;
use stateward_cluster::audit::{Scanner, Stored, Unread};
use stateward_cluster::client::Client;
use stateward_cluster::wanted;
use stateward_core::manifest::Profile;
use stateward_core::request::GroupVersionResource;
use stateward_core::resources::WasmPolicy;
use stateward_engine::PolicyLoader;
use stateward_report::check::CheckReport;
use stateward_report::wrong::Wrong;

use crate::args::{CheckArgs, FixArgs};
use crate::check::{self, Input};
use crate::cluster::{Connection, Impersonation};
use crate::engine;
use crate::exit::{self, Exit, NOTE};
use crate::findings::{FindingsArgs, complain_of_policies};
use crate::judged::{Exempting, Judged, ScanArgs};
use crate::page::Sources;
use crate::policies::{self, LoadedSet, PolicySource};
use judge::{Judge, Wants};
use store::Store;

#[derive(clap::Args, Clone, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct AuditArgs {
    #[command(flatten)]
    scan: ScanArgs,
    /// Keep what is said of each object as a report of `openreports.io` in the cluster, as the leader does.
    #[arg(long, conflicts_with_all = ["paths", "policies", "profile"])]
    store: bool,
    #[command(flatten)]
    findings: FindingsArgs,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    impersonation: Impersonation,
}

/// Reads, judges, reports.
pub(crate) fn run(args: &AuditArgs) -> Result<Exit> {
    if !args.scan.paths.is_empty() {
        return check::run_on(&args.of_files(), Input::Stored);
    }
    let ready = args.findings.ready(Input::Stored, args.scan.compared())?;
    args.connection.run_as(&args.impersonation, async |client| {
        // First, so that nobody waits for a scan whose reports nobody takes.
        let mut store = if args.store { Some(Store::open(&client, &args.scan.scope()).await?) } else { None };
        let wants = Wants {
            objects: if args.findings.shows_objects() { usize::MAX } else { 0 },
            open_reports: args.store || args.findings.wants_open_reports(),
        };
        let saw = |page: &[Stored]| store.iter_mut().for_each(|store| store.saw(page));
        let Judged { report, sources, mut exit, are_exemptions_unread } = scan(&args.scan, wants, client, saw).await?;
        args.findings.conclude(&report, true, &mut exit);
        if let Some(store) = store {
            store.keep(&report, !are_exemptions_unread, &mut exit).await;
        }
        args.findings.write(report, sources, &ready)?;
        Ok(exit)
    })
}

/// Judges what a cluster holds. `saw` sees every page before it is judged.
pub(crate) async fn scan(
    args: &ScanArgs,
    wants: Wants,
    client: Client,
    mut saw: impl FnMut(&[Stored]),
) -> Result<Judged> {
    let mut exit = Exit::default();
    let now = Timestamp::now();
    let loader = PolicyLoader::new(engine::start(engine::print_warning)?);
    let mut policies = load(args, &client, &loader).await?;
    complain_of_policies(&policies, &mut exit);
    let mut report = CheckReport {
        unreadable: policies.unreadable.iter().map(exit::wrong).collect(),
        refused: policies.refused.iter().map(exit::wrong).collect(),
        ..CheckReport::default()
    };
    let (exempting, are_exemptions_unread) = (Exempting::of(&mut policies), policies.are_exemptions_unread);
    let set = Arc::new(policies.set);
    let mut scanner = Scanner::new(client, args.scope());
    let mut progress = Progress::start();
    progress.says("reading what rules look up");
    let (others, mut unread) = scanner.others(&set.reads()).await?;
    let judge = Arc::new(Judge::new(Arc::clone(&set), others, now, wants));
    let each = |resource: &GroupVersionResource<'_>, seen: usize, page: &[Stored]| {
        progress.says(&format!("{}: {seen}", resource.resource));
        saw(page);
    };
    unread.extend(judge.all(&mut scanner, set.judged_at_create(), &mut report, each).await?);
    progress.end();
    unread.sort();
    unread.dedup();
    for missing in &unread {
        anstream::eprintln!("{}error{:#}: {missing}\nhint: {LIST_RIGHT}", exit::ERROR, exit::ERROR);
    }
    exit.unreachable |= !unread.is_empty();
    report.unreadable.extend(unread.iter().map(wrong));
    report.sort();
    exempting.conclude(&set, now, (args.namespace.as_deref(), args.selector.as_deref()), &mut report);
    let sources = Sources::of_stored(judge.kept(), &set, args.about());
    Ok(Judged { report, sources, exit, are_exemptions_unread })
}

/// From `--policies`, else from the cluster, else the built-in ones.
async fn load(args: &ScanArgs, client: &Client, loader: &PolicyLoader) -> Result<LoadedSet> {
    let profile: Option<Profile> = args.profile.map(Into::into);
    let source = PolicySource { paths: args.policies.clone(), profile, namespace: "default".to_owned() };
    if !args.policies.is_empty() {
        return Ok(source.load(loader).await);
    }
    let stored = wanted::stored(client).await?.filter(|stored| !stored.policies.is_empty());
    let Some(stored) = stored else {
        anstream::eprintln!(
            "{NOTE}note{NOTE:#}: no WasmPolicy can be read in this cluster: the built-in policies judge"
        );
        return Ok(source.load(loader).await);
    };
    let (mut resources, mut refused): (Vec<WasmPolicy>, _) = (Vec::new(), Vec::new());
    for policy in stored.policies {
        match policy.resource {
            Ok(mut resource) => {
                resource.spec.profile = profile.unwrap_or(resource.spec.profile);
                resources.push(resource);
            }
            Err(error) => refused.push(policies::stored_error("wasmpolicy", &policy.name, &error)),
        }
    }
    let loaded = loader.load(&resources, &stored.exemptions, &policies::fetch).await;
    refused.extend(loaded.errors.iter().map(|wrong| policies::stored_error("wasmpolicy", &wrong.policy, &wrong.error)));
    let exemptions = stored.exemption_errors.iter();
    let warnings = exemptions.map(|(name, error)| policies::stored_error("policyexemption", name, error)).collect();
    Ok(LoadedSet {
        set: loaded.set,
        unreadable: Vec::new(),
        is_partial: !refused.is_empty(),
        refused,
        warnings,
        wrong_exemptions: stored.wrong_exemptions,
        are_exemptions_unread: stored.are_exemptions_unread,
    })
}

/// What may not be read is not judged, or leaves rules undecided: nobody may take the report for the whole.
pub(crate) fn wrong(missing: &Unread) -> Wrong {
    Wrong {
        file: missing.resource.clone(),
        line: None,
        column: None,
        message: missing.to_string(),
        hint: Some(LIST_RIGHT.to_owned()),
    }
}

/// One line on a terminal, written over; nothing elsewhere.
struct Progress {
    is_shown: bool,
}

impl Progress {
    fn start() -> Self {
        Self { is_shown: std::io::stderr().is_terminal() }
    }

    fn says(&mut self, what: &str) {
        if self.is_shown {
            let mut out = std::io::stderr();
            let _ = write!(out, "\r\x1b[2K{what}").and_then(|()| out.flush());
        }
    }

    fn end(&mut self) {
        self.says("");
        if self.is_shown {
            let _ = write!(std::io::stderr(), "\r");
        }
    }
}

impl AuditArgs {
    fn of_files(&self) -> CheckArgs {
        let policies = self.scan.policies_of_files();
        CheckArgs { paths: self.scan.paths.clone(), policies, findings: self.findings.clone(), fix: FixArgs::default() }
    }
}

const LIST_RIGHT: &str = "the ClusterRole `view` lists what is in namespaces, `--namespace` asks for one; what is not listed is not judged, or undecided";

const AFTER_HELP: &str = "\
Reads with your own rights: list on what rules judge (`stateward rules`) and look up. Stores nothing but
what `--store` says: that needs list, get, create, update and delete on reports and clusterreports of
`openreports.io`. With `--namespace` only reports there are touched, with `--selector` only those of
objects with these labels. A leader that runs writes the same under the same names.
Policies and exemptions are the cluster's own where it has some. Rules that need to know who asks are
undecided of what is stored, and never passed. Of a cluster, values of environment variables, commands
and arguments, data of Secrets and annotations of others are left out, also where a rule's message about
such a field quotes it. Files are shown as they are; only their page (`-o html`) leaves these values out.

Exit codes:
  0  nothing would be refused now
  1  something would
  2  wrong arguments, files that cannot be read
  3  a policy did not load, or failed
  4  the cluster cannot be reached, or you may not list something that is judged or looked up
  5  no object that any rule judges";
