//! `stateward audit`: what already runs in a cluster, or lies in a folder, judged by the rules that judge requests.

mod judge;
mod shown;
mod store;

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use stateward_cluster::audit::{Scanner, Scope, Unread};
use stateward_cluster::client::Client;
use stateward_cluster::wanted;
use stateward_core::manifest::Profile;
use stateward_core::resources::WasmPolicy;
use stateward_engine::PolicyLoader;
use stateward_report::check::CheckReport;
use stateward_report::wrong::Wrong;

use crate::args::{CheckArgs, FixArgs, PolicyArgs, ProfileName};
use crate::check::{self, Input};
use crate::cluster::{Connection, Impersonation};
use crate::engine;
use crate::exit::{self, Exit, NOTE};
use crate::findings::{FindingsArgs, Ready, complain_of_policies};
use crate::page::{Sources, named};
use crate::policies::{self, LoadedSet, PolicySource};
use judge::{Judge, Wants};
use store::Store;

#[derive(clap::Args, Clone, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct AuditArgs {
    /// Files or folders with objects that were stored, instead of a cluster: nothing is changed before it is judged.
    #[arg(value_name = "FILE|DIR", conflicts_with_all = ["all_namespaces", "selector", "kubeconfig", "context", "as_user", "as_group"])]
    paths: Vec<PathBuf>,
    /// Only this namespace. Of files: the namespace of objects that name none [default: all; of files `default`].
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// All namespaces, and what has none: as without `--namespace`.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    /// Only objects with these labels; the others are looked up all the same.
    #[arg(short = 'l', long, value_name = "LABELS")]
    selector: Option<String>,
    /// Folders or files with WasmPolicy and PolicyExemption objects, instead of the cluster's own, or where it has none, of the built-in ones.
    #[arg(long, value_name = "DIR", env = "STATEWARD_POLICIES", value_delimiter = ',')]
    policies: Vec<PathBuf>,
    /// The profile of all policies, whatever they say themselves.
    #[arg(long, env = "STATEWARD_PROFILE")]
    profile: Option<ProfileName>,
    /// Of files: folders or files with objects that stand for the cluster.
    #[arg(long, value_name = "DIR", env = "STATEWARD_INVENTORY", value_delimiter = ',', requires = "paths")]
    inventory: Vec<PathBuf>,
    /// Keep what is said of each object as a report of `openreports.io` in the cluster, as the leader does.
    #[arg(long, conflicts_with = "paths")]
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
    if !args.paths.is_empty() {
        return check::run_on(&args.of_files(), Input::Stored);
    }
    let ready = args.findings.ready()?;
    args.connection.run_as(&args.impersonation, |client| scan(args, ready, client))
}

async fn scan(args: &AuditArgs, ready: Ready, client: Client) -> Result<Exit> {
    let mut exit = Exit::default();
    let loader = PolicyLoader::new(engine::start(engine::print_warning)?);
    let policies = load(args, &client, &loader).await?;
    complain_of_policies(&policies, &mut exit);
    let mut report = CheckReport {
        unreadable: policies.unreadable.iter().map(exit::wrong).collect(),
        refused: policies.refused.iter().map(exit::wrong).collect(),
        ..CheckReport::default()
    };
    let set = Arc::new(policies.set);
    let scope = Scope { namespace: args.namespace.clone(), labels: args.selector.clone() };
    // First, so that nobody waits for a scan whose reports nobody takes.
    let mut store = if args.store { Some(Store::open(&client, &scope).await?) } else { None };
    let mut scanner = Scanner::new(client, scope);
    let mut progress = Progress::start();
    progress.says("reading what rules look up");
    let (others, mut unread) = scanner.others(&set.reads()).await?;
    let wants = Wants {
        objects: args.findings.shows_objects(),
        open_reports: args.store || args.findings.wants_open_reports(),
    };
    let judge = Arc::new(Judge::new(Arc::clone(&set), others, wants));
    for resource in set.judged_at_create() {
        let mut seen = 0;
        let each = async |page: Vec<_>| {
            let first = report.objects;
            seen += page.len();
            report.objects += page.len();
            progress.says(&format!("{}: {seen}", resource.resource));
            if let Some(store) = &mut store {
                store.saw(&page);
            }
            report.join(judge.page(first, page).await);
        };
        if let Err(missing) = scanner.objects(&resource, each).await? {
            unread.push(missing);
        }
    }
    progress.end();
    unread.sort();
    unread.dedup();
    say_unread(&unread, &mut report, &mut exit);
    report.sort();
    args.findings.conclude(&report, true, &mut exit);
    if let Some(store) = store {
        store.keep(&report, &mut exit).await;
    }
    let sources = Sources::of_stored(judge.kept(), &set, args.about());
    args.findings.write(report, sources, &ready)?;
    Ok(exit)
}

/// From `--policies`, else from the cluster, else the built-in ones.
async fn load(args: &AuditArgs, client: &Client, loader: &PolicyLoader) -> Result<LoadedSet> {
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
    Ok(LoadedSet { set: loaded.set, unreadable: Vec::new(), refused, warnings })
}

/// What may not be read is not judged, or leaves rules undecided: nobody may take the report for the whole.
fn say_unread(unread: &[Unread], report: &mut CheckReport, exit: &mut Exit) {
    for missing in unread {
        anstream::eprintln!("{}error{:#}: {missing}\nhint: {LIST_RIGHT}", exit::ERROR, exit::ERROR);
        report.unreadable.push(Wrong {
            file: missing.resource.clone(),
            line: None,
            column: None,
            message: missing.to_string(),
            hint: Some(LIST_RIGHT.to_owned()),
        });
    }
    exit.unreachable |= !unread.is_empty();
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
        let policies = PolicyArgs {
            policies: self.policies.clone(),
            profile: self.profile,
            inventory: self.inventory.clone(),
            namespace: self.namespace.clone().unwrap_or_else(|| "default".to_owned()),
        };
        CheckArgs { paths: self.paths.clone(), policies, findings: self.findings.clone(), fix: FixArgs::default() }
    }

    /// `audit of namespace shop, profile strict`.
    fn about(&self) -> String {
        let place = match &self.namespace {
            Some(namespace) => format!("namespace {namespace}"),
            None => "all namespaces".to_owned(),
        };
        let labels = self.selector.as_deref().map(|labels| format!(" with labels {labels}")).unwrap_or_default();
        format!("audit of {place}{labels}, {}", named(self.profile.map(Into::into)))
    }
}

const LIST_RIGHT: &str = "the ClusterRole `view` lists what is in namespaces, `--namespace` asks for one; what is not listed is not judged, or undecided";

const AFTER_HELP: &str = "\
Reads with your own rights: list on what rules judge (`stateward rules`) and look up. Stores nothing but
what `--store` says: that needs list, get, create, update and delete on reports and clusterreports of
`openreports.io`. With `--namespace` only reports there are touched, with `--selector` only those of
objects with these labels. A leader that runs writes the same under the same names.
Policies and exemptions are the cluster's own where it has some. Rules that need to know who asks are
undecided of what is stored, and never passed. Values of environment variables, commands and arguments
are left out of what is shown.

Exit codes:
  0  nothing would be refused now
  1  something would
  2  wrong arguments, files that cannot be read
  3  a policy did not load, or failed
  4  the cluster cannot be reached, or you may not list something that is judged or looked up
  5  no object that any rule judges";
