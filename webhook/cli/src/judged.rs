//! What judging an input gave, of files or of a cluster: what `check`, `audit` and `report` begin with.

use std::path::PathBuf;

use jiff::Timestamp;
use stateward_cluster::audit::Scope;
use stateward_cluster::names;
use stateward_core::exemption::WrongExemption;
use stateward_core::policy_set::PolicySet;
use stateward_report::check::CheckReport;
use stateward_report::comparison;
use stateward_report::exemptions::{Scan, list};

use crate::args::{PolicyArgs, ProfileName};
use crate::exit::Exit;
use crate::page::{Sources, named};
use crate::policies::LoadedSet;

/// Everything that is asked of an input, before anything of it is written.
pub(crate) struct Judged {
    /// Sorted.
    pub(crate) report: CheckReport,
    /// What reports need beside it.
    pub(crate) sources: Sources,
    /// What was said on stderr until here.
    pub(crate) exit: Exit,
    /// Exemptions may not be listed: there may be some.
    pub(crate) are_exemptions_unread: bool,
}

/// What is judged, and by what.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct ScanArgs {
    /// Files or folders with objects that were stored, instead of a cluster: nothing is changed before it is judged.
    #[arg(value_name = "FILE|DIR", conflicts_with_all = ["all_namespaces", "selector", "kubeconfig", "context", "as_user", "as_group"])]
    pub(crate) paths: Vec<PathBuf>,
    /// Only this namespace. Of files: the namespace of objects that name none [default: all; of files `default`].
    #[arg(short, long, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// All namespaces, and what has none: as without `--namespace`.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub(crate) all_namespaces: bool,
    /// Only objects with these labels; the others are looked up all the same.
    #[arg(short = 'l', long, value_name = "LABELS")]
    pub(crate) selector: Option<String>,
    /// Folders or files with WasmPolicy and PolicyExemption objects, instead of the cluster's own, or where it has none, of the built-in ones.
    #[arg(long, value_name = "DIR", env = "STATEWARD_POLICIES", value_delimiter = ',')]
    pub(crate) policies: Vec<PathBuf>,
    /// The profile of all policies, whatever they say themselves.
    #[arg(long, env = "STATEWARD_PROFILE")]
    pub(crate) profile: Option<ProfileName>,
    /// Of files: folders or files with objects that stand for the cluster.
    #[arg(long, value_name = "DIR", env = "STATEWARD_INVENTORY", value_delimiter = ',', requires = "paths")]
    pub(crate) inventory: Vec<PathBuf>,
}

impl ScanArgs {
    /// Of files.
    pub(crate) fn policies_of_files(&self) -> PolicyArgs {
        PolicyArgs {
            policies: self.policies.clone(),
            profile: self.profile,
            inventory: self.inventory.clone(),
            namespace: self.namespace.clone().unwrap_or_else(|| "default".to_owned()),
        }
    }

    /// Of a cluster.
    pub(crate) fn scope(&self) -> Scope {
        let (namespace, labels) = (self.namespace.clone(), self.selector.clone());
        Scope { namespace, labels, unasked: Some(names::NAMESPACE.to_owned()) }
    }

    /// The same, as reports are compared.
    pub(crate) fn compared(&self) -> comparison::Scope {
        let Scope { namespace, labels, .. } = self.scope();
        comparison::Scope { namespace, has_labels: labels.is_some(), ..comparison::Scope::default() }
    }

    /// `audit of namespace shop, profile strict`.
    pub(crate) fn about(&self) -> String {
        let place = match &self.namespace {
            Some(namespace) => format!("namespace {namespace}"),
            None => "all namespaces".to_owned(),
        };
        let labels = self.selector.as_deref().map(|labels| format!(" with labels {labels}")).unwrap_or_default();
        format!("audit of {place}{labels}, {}", named(self.profile.map(Into::into)))
    }
}

/// What of a set's exemptions stays when the set goes to those who judge.
pub(crate) struct Exempting {
    wrong: Vec<WrongExemption>,
    is_partial: bool,
}

impl Exempting {
    /// Takes it out.
    pub(crate) fn of(policies: &mut LoadedSet) -> Self {
        Self { wrong: std::mem::take(&mut policies.wrong_exemptions), is_partial: policies.is_partial }
    }

    /// Of what a replica has in force: those that are wrong it knows.
    pub(crate) const fn of_cluster(wrong: Vec<WrongExemption>) -> Self {
        Self { wrong, is_partial: false }
    }

    /// Puts all exemptions beside what was judged. `scope`: a namespace and labels that others were left out for.
    pub(crate) fn conclude(
        &self,
        set: &PolicySet,
        now: Timestamp,
        scope: (Option<&str>, Option<&str>),
        report: &mut CheckReport,
    ) {
        let (namespace, labels) = scope;
        let is_whole = report.unreadable.is_empty() && !self.is_partial;
        let gap = match (labels, is_whole) {
            (Some(_), _) => Some("only objects with some labels were looked at"),
            (None, false) => Some("not everything could be read"),
            (None, true) => None,
        };
        let covered = std::mem::take(&mut report.covered);
        let malformed = report.malformed.iter().filter_map(|malformed| malformed.object.namespace.clone());
        let scan = Scan { wrong: &self.wrong, covered, gap, unjudged: malformed.collect(), namespace };
        report.exemptions = list(set, now, scan);
    }
}
