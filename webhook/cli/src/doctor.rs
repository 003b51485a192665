//! `stateward doctor`: what is registered, who leads, what is ready, what is wrong and what to do about it.

use std::io::Write;

use anyhow::Result;
use jiff::Timestamp;
use stateward_cluster::doctor;

use crate::cluster::ClusterOptions;
use crate::exit::{ERROR, Exit, NOTE};

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    cluster: ClusterOptions,
}

/// Exit code 1 where something is wrong.
pub(crate) fn run(args: &DoctorArgs) -> Result<Exit> {
    args.cluster.run(|client| async move {
        let seen = doctor::examine(&client, &args.cluster.namespace, Timestamp::now()).await?;
        let mut out = anstream::stdout();
        for (heading, words) in &seen.facts {
            writeln!(out, "{heading:<10}  {words}")?;
        }
        for finding in &seen.findings {
            writeln!(out, "\n{ERROR}finding{ERROR:#}: {}\n{NOTE}hint{NOTE:#}: {}", finding.what, finding.hint)?;
        }
        if seen.findings.is_empty() {
            writeln!(out, "\nnothing is wrong")?;
        }
        Ok(Exit { denied: !seen.findings.is_empty(), ..Exit::default() })
    })
}
