//! `stateward report`: what a scan says beside its findings, each in a command of its own.

mod exemptions;

use anyhow::Result;
use clap::Subcommand;

use crate::exit::Exit;
use exemptions::ExemptionsArgs;

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct ReportArgs {
    #[command(subcommand)]
    report: Report,
}

#[derive(Clone, Debug, Subcommand)]
enum Report {
    /// Who exempts what from which rules, why and until when, and whether anything still needs it.
    Exemptions(ExemptionsArgs),
}

/// The one that is asked for.
pub(crate) fn run(args: &ReportArgs) -> Result<Exit> {
    match &args.report {
        Report::Exemptions(args) => exemptions::run(args),
    }
}
