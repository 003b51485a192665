//! `stateward pause` and `stateward resume`: the webhook out of the way of an incident, and back.

use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use stateward_cluster::registration;

use crate::cluster::ClusterOptions;
use crate::exit::Exit;

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct PauseArgs {
    /// How long, such as `30m` or `1h`; then the leader registers again [default: until `stateward resume`].
    #[arg(long = "for", value_name = "DURATION", value_parser = lasting)]
    lasting: Option<Duration>,
    #[command(flatten)]
    cluster: ClusterOptions,
}

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    cluster: ClusterOptions,
}

/// Takes both webhook configurations away. Works with no replica up.
pub(crate) fn pause(args: &PauseArgs) -> Result<Exit> {
    args.cluster.run(|client| async move {
        let paused = registration::pause(&client, &args.cluster.namespace, args.lasting, Timestamp::now()).await?;
        writeln!(std::io::stdout(), "{paused}: nothing is judged or changed meanwhile")?;
        Ok(Exit::default())
    })
}

/// Lets the leader register again what a pause, or somebody by hand, took away.
pub(crate) fn resume(args: &ResumeArgs) -> Result<Exit> {
    args.cluster.run(|client| async move {
        match registration::resume(&client, &args.cluster.namespace).await? {
            Some(ended) => writeln!(
                std::io::stdout(),
                "ended: {ended}\nthe leader registers again within seconds; `stateward doctor` tells"
            )?,
            None => writeln!(std::io::stdout(), "nothing is paused")?,
        }
        Ok(Exit::default())
    })
}

/// `90s`, `30m`, `1h30m`, `2d`.
fn lasting(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration\nhint: `30m`, `1h`, `1d`");
    let span: Span = text.parse().map_err(|_| wrong())?;
    let lasting = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    let positive = Some(lasting).filter(|lasting| *lasting > SignedDuration::ZERO);
    positive.and_then(|lasting| Duration::try_from(lasting).ok()).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_people_write_them() {
        assert_eq!(lasting("1h30m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(lasting("2d"), Ok(Duration::from_secs(172_800)));
        for wrong in ["", "5", "0s", "-1h", "soon", "1x"] {
            assert!(lasting(wrong).is_err(), "{wrong}");
        }
    }
}
