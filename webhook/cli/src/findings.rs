//! What `check` and `audit` do with what they find: they say it, write it, and end as it asks.

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, ValueEnum};
use stateward_core::manifest::Action;
use stateward_report::check::{CheckReport, Finding, NotJudged};
use stateward_report::comparison::{OldReport, Scope};
use stateward_report::{github, html, json, jsonl, junit, markdown, openreports, sarif, table, text};

use crate::check::Input;
use crate::exit::{ERROR, Exit, NOTE, print_errors, print_warnings};
use crate::output::{Format, Output, one_of, require_distinct_files};
use crate::page::{self, Sources};
use crate::policies::LoadedSet;
use crate::rules::in_force;

#[derive(Args, Clone, Debug)]
pub(crate) struct FindingsArgs {
    /// text, json, jsonl, html, sarif, junit, github, markdown, table or report (objects of `openreports.io`, for `kubectl apply`); with `=FILE` into a file. May be given several times.
    #[arg(short, long, value_name = "FORMAT[=FILE]", default_value = "text", value_parser = one_of(Format::OF_FINDINGS))]
    output: Vec<Output>,
    /// An older report (`-o json`) to compare with: which findings are new since then, and which are gone.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Exit with 1 where a rule could not be decided; of what is stored, but for those that need to know who asks.
    #[arg(long)]
    require_decided: bool,
    /// The least action of a finding that ends with 1.
    #[arg(long, value_name = "ACTION", default_value = "deny")]
    fail_on: FailOn,
    /// Leave audit findings and undecided rules out of the reports; their summaries still count them.
    #[arg(long)]
    only_failures: bool,
}

/// An action as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// What would be refused.
    Deny,
    /// And what would be warned about.
    Warn,
    /// And what would only be noted.
    Audit,
}

/// What was checked before anything was judged.
pub(crate) struct Ready {
    older: Option<OldReport>,
    scope: Scope,
    what: Input,
}

impl FindingsArgs {
    /// Whether the reports can be written, as far as that can be known before. `scope`: what is judged.
    pub(crate) fn ready(&self, what: Input, scope: Scope) -> anyhow::Result<Ready> {
        require_distinct_files(&self.output)?;
        let older = self.baseline.as_deref().map(page::read_older).transpose()?;
        Ok(Ready { older, scope: Scope { only_failures: self.only_failures, ..scope }, what })
    }

    /// Those that go to files: standard output is for something else.
    pub(crate) fn to_files(&self) -> anyhow::Result<Self> {
        if self.output.iter().any(|output| output.file.is_none() && output.format != Format::Text) {
            bail!("`--diff` has standard output for itself\nhint: give each `-o FORMAT=FILE` a file");
        }
        Ok(Self {
            output: self.output.iter().filter(|output| output.file.is_some()).cloned().collect(),
            ..self.clone()
        })
    }

    /// Whether such a finding is to be mended: an exemption is somebody's word that it stays.
    pub(crate) fn mends(&self, finding: &Finding) -> bool {
        finding.exemption.is_none() && finding.action >= Action::from(self.fail_on).min(Action::Warn)
    }

    /// Whether a report shows lines of objects that it does not hold.
    pub(crate) fn shows_objects(&self) -> bool {
        self.output.iter().any(|output| output.format == Format::Html)
    }

    /// Whether what is said of each object is wanted as an object of `openreports.io`.
    pub(crate) fn wants_open_reports(&self) -> bool {
        self.output.iter().any(|output| output.format == Format::Report)
    }

    /// Says what is beside the report, and what it means for the exit code.
    pub(crate) fn conclude(&self, report: &CheckReport, is_stored: bool, exit: &mut Exit) {
        print_not_judged(&report.not_judged);
        say_broken(report, exit);
        let fail_on = Action::from(self.fail_on);
        let is_missing_fact = report.undecided.iter().any(|undecided| !(is_stored && undecided.needs_user));
        exit.denied = report.findings.iter().any(|finding| finding.action >= fail_on)
            || (self.require_decided && is_missing_fact);
        exit.nothing_judged = report.judged == 0;
    }

    /// Writes all reports.
    pub(crate) fn write(&self, report: CheckReport, mut sources: Sources, ready: &Ready) -> anyhow::Result<()> {
        if let Some(older) = &ready.older {
            sources.compare(older, &ready.scope, &report);
        }
        let report = if self.only_failures { report.only_failures() } else { report };
        let (rules, json_of) = (in_force(sources.policies()), |index| sources.json(index));
        for output in &self.output {
            output.write(|out| match output.format {
                Format::Json => json::write(&report, out),
                Format::Jsonl => jsonl::write(&report, out),
                Format::Html => html::write(&sources.page(&report, &json_of), out),
                Format::Sarif => sarif::write(&report, &rules, out),
                Format::Junit => junit::write(&report, ready.what.command(), out),
                Format::Github => github::write(&report, out),
                Format::Markdown => markdown::write(&report, out),
                Format::Table => table::write(&report, out),
                Format::Report => openreports::write(&report, out),
                Format::Text => text::write(&report, out),
            })?;
        }
        Ok(())
    }
}

impl From<FailOn> for Action {
    fn from(name: FailOn) -> Self {
        match name {
            FailOn::Deny => Self::Deny,
            FailOn::Warn => Self::Warn,
            FailOn::Audit => Self::Audit,
        }
    }
}

/// Objects and policies that are to blame for what was not judged.
pub(crate) fn say_broken(report: &CheckReport, exit: &mut Exit) {
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
