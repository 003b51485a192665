//! Arguments as they are typed.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use regex::Regex;
use stateward_core::manifest::Profile;

use crate::audit::AuditArgs;
use crate::decisions::DecisionsArgs;
use crate::doctor::DoctorArgs;
use crate::findings::FindingsArgs;
use crate::install::{InstallArgs, UninstallArgs};
use crate::output::{Format, Output, one_of};
use crate::pause::{PauseArgs, ResumeArgs};
use crate::report::ReportArgs;
use crate::roles::RolesArgs;
use crate::serve::ServeArgs;

/// Keeps stateful workloads stateful: an admission webhook that runs WebAssembly policies.
#[derive(Debug, Parser)]
#[command(name = "stateward", version, propagate_version = true, after_help = EXIT_CODES)]
pub(crate) struct Stateward {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Judge manifests as the API server would let them be judged.
    Check(CheckArgs),
    /// Judge what already runs in a cluster, or what a folder holds of one.
    Audit(AuditArgs),
    /// Say what a scan shows beside its findings: exemptions.
    Report(ReportArgs),
    /// Run cases: what a rule must say of an object, in files beside the rules or the policies.
    Test(TestArgs),
    /// Say step by step why an AdmissionReview gets its answer.
    Explain(ExplainArgs),
    /// List the rules in force, or say all about one.
    Rules(RulesArgs),
    /// Serve the webhook.
    Serve(ServeArgs),
    /// Put Stateward into a cluster, or bring it up to date.
    Install(InstallArgs),
    /// Take Stateward out of a cluster.
    Uninstall(UninstallArgs),
    /// Say what of an installation works and what does not.
    Doctor(DoctorArgs),
    /// Say who may write in the sets of the manager contract, what is wrong there and how to mend it.
    Roles(RolesArgs),
    /// Say what replicas answered last, to whom and by which rules.
    Decisions(DecisionsArgs),
    /// Take the webhook out of the way, for a time or until `resume`.
    Pause(PauseArgs),
    /// End a pause, or what somebody deleted by hand.
    Resume(ResumeArgs),
    /// Print a script that completes commands and flags.
    Completions(CompletionsArgs),
    /// Read Wasm, write machine code: the child process that `serve` and `check` compile in.
    #[command(hide = true)]
    CompileComponent,
}

/// What judges, and what it may look up.
#[derive(Args, Clone, Debug)]
pub(crate) struct PolicyArgs {
    /// Folders or files with WasmPolicy and PolicyExemption objects, instead of the built-in policies.
    #[arg(long, value_name = "DIR", env = "STATEWARD_POLICIES", value_delimiter = ',')]
    pub(crate) policies: Vec<PathBuf>,
    /// The profile of all policies, whatever they say themselves.
    #[arg(long, env = "STATEWARD_PROFILE")]
    pub(crate) profile: Option<ProfileName>,
    /// Folders or files with objects that stand for the cluster: rules look them up, they are not judged.
    #[arg(long, value_name = "DIR", env = "STATEWARD_INVENTORY", value_delimiter = ',')]
    pub(crate) inventory: Vec<PathBuf>,
    /// The namespace of objects that name none.
    #[arg(short, long, default_value = "default", env = "STATEWARD_NAMESPACE", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) namespace: String,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct CheckArgs {
    /// Files, folders (*.yaml, *.yml, *.json, recursively), or `-` for standard input.
    #[arg(required = true, value_name = "FILE|DIR|-")]
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) policies: PolicyArgs,
    #[command(flatten)]
    pub(crate) findings: FindingsArgs,
    #[command(flatten)]
    pub(crate) fix: FixArgs,
}

/// What becomes of findings whose rule knows the one right answer.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct FixArgs {
    /// Write into the files what rules know the one right value of; only the bytes of these fields change. What is reported is what is left.
    ///
    /// Only of findings that are denied or warned about, with `--fail-on audit` also of those that are noted; never of exempted ones.
    #[arg(long)]
    pub(crate) fix: bool,
    /// Show what `--fix` would write, and write nothing.
    ///
    /// A unified diff on standard output in place of the text report, for `git apply` or `patch -p1`. Other reports go to files (`-o json=FILE`);
    /// they and the exit code speak of the files as they are.
    #[arg(long)]
    pub(crate) diff: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct TestArgs {
    /// Case files, or folders with them (*.yaml, *.yml, *.json, recursively).
    #[arg(value_name = "FILE|DIR", default_value = ".")]
    pub(crate) paths: Vec<PathBuf>,
    /// Folders or files with WasmPolicy objects, instead of the built-in policies.
    #[arg(long, value_name = "DIR", env = "STATEWARD_POLICIES", value_delimiter = ',')]
    pub(crate) policies: Vec<PathBuf>,
    /// Only cases whose `FILE: NAME` matches.
    #[arg(long, value_name = "REGEX")]
    pub(crate) run: Option<Regex>,
    /// text, json, jsonl, html, sarif, junit, github, markdown or table; with `=FILE` into a file. May be given several times.
    #[arg(short, long, value_name = "FORMAT[=FILE]", default_value = "text", value_parser = one_of(Format::OF_CASES))]
    pub(crate) output: Vec<Output>,
    /// Write what the rules say now into failing cases; the rest of a file stays as it is, byte by byte.
    #[arg(long)]
    pub(crate) update: bool,
    /// Why the findings are right that `--update` adds; without it no finding is added.
    #[arg(long, value_name = "TEXT", requires = "update")]
    pub(crate) why: Option<String>,
    /// Exit with 1 where a rule of the policies has no case.
    #[arg(long)]
    pub(crate) require_coverage: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ExplainArgs {
    /// An AdmissionReview, or `-` for standard input.
    #[arg(value_name = "REVIEW.json")]
    pub(crate) review: PathBuf,
    #[command(flatten)]
    pub(crate) policies: PolicyArgs,
    /// text or json; with `=FILE` into a file.
    #[arg(short, long, value_name = "FORMAT[=FILE]", default_value = "text", value_parser = one_of(&[Format::Text, Format::Json]))]
    pub(crate) output: Vec<Output>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct RulesArgs {
    /// Ids or `family/*`; default: all rules.
    #[arg(value_name = "RULE|FAMILY/*")]
    pub(crate) rules: Vec<String>,
    /// Folders or files with WasmPolicy objects, instead of the built-in policies.
    #[arg(long, value_name = "DIR", env = "STATEWARD_POLICIES", value_delimiter = ',')]
    pub(crate) policies: Vec<PathBuf>,
    /// One rule in full: why, what it judges, examples, the ways past it. The family may be left out.
    #[arg(long, value_name = "RULE", conflicts_with_all = ["rules", "output"])]
    pub(crate) explain: Option<String>,
    /// text, json or markdown; with `=FILE` into a file. May be given several times.
    #[arg(short, long, value_name = "FORMAT[=FILE]", default_value = "text", value_parser = one_of(&[Format::Text, Format::Json, Format::Markdown]))]
    pub(crate) output: Vec<Output>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    pub(crate) shell: clap_complete::Shell,
}

/// A profile as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProfileName {
    /// Denies only what is surely wrong.
    Baseline,
    /// The whole lecture.
    Strict,
}

impl From<ProfileName> for Profile {
    fn from(name: ProfileName) -> Self {
        match name {
            ProfileName::Baseline => Self::Baseline,
            ProfileName::Strict => Self::Strict,
        }
    }
}

const EXIT_CODES: &str = "\
Exit codes:
  0  nothing is denied; warnings, audit findings and undecided rules do not count
  1  something is denied, or as `--fail-on` and `--require-decided` ask; `test`: a case fails; `roles`, `doctor`: something is wrong
  2  wrong arguments, input that cannot be read or parsed
  3  a policy did not load, or failed
  4  the cluster or a registry cannot be reached; `roles`: something may not be read there
  5  no object that any rule judges; `test`: no case
  130, 143  `serve`: a second SIGINT or SIGTERM ended it before all requests were answered
Of several the first in this order: 2, 4, 3, 1.";
