//! `stateward report exemptions`: every exemption beside what a scan says of the objects that it names. The scan is that of `audit`.

use anyhow::Result;
use clap::ValueEnum;
use stateward_report::exemptions::{Exemption, State, json, markdown, text};

use crate::audit::{self, judge::Wants};
use crate::check::{Beside, Files, Input, judge_files};
use crate::cluster::{Connection, Impersonation};
use crate::exit::{self, Exit};
use crate::findings::say_broken;
use crate::judged::{Judged, ScanArgs};
use crate::output::{Format, Output, one_of, require_distinct_files};

#[derive(clap::Args, Clone, Debug)]
#[command(after_help = AFTER_HELP)]
pub(super) struct ExemptionsArgs {
    #[command(flatten)]
    scan: ScanArgs,
    /// text, json or markdown; with `=FILE` into a file. May be given several times.
    #[arg(short, long, value_name = "FORMAT[=FILE]", default_value = "text", value_parser = one_of(&[Format::Text, Format::Json, Format::Markdown]))]
    output: Vec<Output>,
    /// Exit with 1 where an exemption is so; may be given several times, or with commas.
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    fail_on: Vec<FailOn>,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    impersonation: Impersonation,
}

/// What is not as it should be, as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Its time is over.
    Expired,
    /// It is in force, and matches nothing.
    Unused,
    /// No policy in force has a rule that it could exempt from.
    Unknown,
    /// It is wrong, and exempts nothing.
    Refused,
}

/// Judges, and tells of the exemptions alone.
pub(super) fn run(args: &ExemptionsArgs) -> Result<Exit> {
    require_distinct_files(&args.output)?;
    if args.scan.paths.is_empty() {
        return args.connection.run_as(&args.impersonation, async |client| {
            write(args, audit::scan(&args.scan, Wants::default(), client, |_| {}).await?)
        });
    }
    match judge_files(&args.scan.paths, &args.scan.policies_of_files(), Input::Stored, &Beside::default())? {
        Files::Unreadable(judged) | Files::Judged(judged, _) => write(args, judged),
    }
}

fn write(args: &ExemptionsArgs, judged: Judged) -> Result<Exit> {
    let Judged { report, mut exit, are_exemptions_unread, .. } = judged;
    say_broken(&report, &mut exit);
    if are_exemptions_unread {
        anstream::eprintln!(
            "{}error{:#}: this account may not list exemptions: those of others are not in the report\nhint: {LIST_RIGHT}",
            exit::ERROR,
            exit::ERROR
        );
        exit.unreachable = true;
    }
    for output in &args.output {
        output.write(|out| match output.format {
            Format::Json => json::write(&report.exemptions, out),
            Format::Markdown => markdown::write(&report.exemptions, out),
            _ => text::write(&report.exemptions, out),
        })?;
    }
    exit.denied = report.exemptions.iter().any(|exemption| args.fail_on.iter().any(|fail_on| fail_on.is(exemption)));
    Ok(exit)
}

impl FailOn {
    fn is(self, exemption: &Exemption) -> bool {
        match self {
            Self::Expired => exemption.state == State::Expired,
            Self::Unused => exemption.is_unused(),
            Self::Unknown => exemption.state == State::Unknown,
            Self::Refused => exemption.state == State::Refused,
        }
    }
}

const LIST_RIGHT: &str = "list on `policyexemptions.stateward.dev`";

const AFTER_HELP: &str = "\
Judges what is stored as `audit` does, with your own rights, and says of each exemption whether it makes
audits of findings now. One that matches nothing is told apart from one of which nobody can tell: its rules
are undecided there, or are asked only when something changes. The API server does not keep who made an
exemption; with what it was made is told where the object says it.

With `--output json` a document `version`, `exemptions`, `summary`: fields are added to it, none is changed.

Exit codes:
  0  as `--fail-on` asks, or it asks nothing
  1  an exemption is in a state that `--fail-on` names
  2  wrong arguments, files that cannot be read
  3  a policy did not load, or failed; of files: an exemption is refused
  4  the cluster cannot be reached, or you may not list something that belongs to it";
