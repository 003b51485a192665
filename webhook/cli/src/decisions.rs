//! `stateward decisions`: what replicas answered last, each from its own memory.

use std::io::{self, Write};

use anyhow::{Context, Result};
use stateward_cluster::client;
use stateward_report::text::printable;
use stateward_server::{Decision, LastDecisions};

use crate::exit::{self, Exit};
use crate::output::{Format, Output, one_of, require_distinct_files};

#[derive(clap::Args, Clone, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct DecisionsArgs {
    /// Only refusals.
    #[arg(long)]
    denied: bool,
    /// Only what some rule had something to say about.
    #[arg(long)]
    said: bool,
    /// Only objects of this namespace.
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// At most so many, the last ones.
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    last: usize,
    /// The admin port of a replica; several are read one after the other.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: Vec<String>,
    /// text or json; with `=FILE` into a file. May be given several times.
    #[arg(short, long, value_name = "FORMAT[=FILE]", default_value = "text", value_parser = one_of(&[Format::Text, Format::Json]))]
    output: Vec<Output>,
}

/// Exit code 4 where a replica does not answer.
pub(crate) fn run(args: &DecisionsArgs) -> Result<Exit> {
    require_distinct_files(&args.output)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut answered, mut exit) = (LastDecisions::default(), Exit::default());
    for url in &args.url {
        match runtime.block_on(ask(url)) {
            Ok(found) => answered.decisions.extend(found.decisions),
            Err(error) => {
                anstream::eprintln!(
                    "{}error{:#}: {}\nhint: {FORWARD}",
                    exit::ERROR,
                    exit::ERROR,
                    exit::described(&error)
                );
                exit.unreachable = true;
            }
        }
    }
    answered.decisions.retain(|decision| args.wants(decision));
    answered.decisions.sort_by_key(|decision| decision.time);
    let before = answered.decisions.len().saturating_sub(args.last);
    answered.decisions.drain(..before);
    for output in &args.output {
        output.write(|out| match output.format {
            Format::Json => {
                serde_json::to_writer_pretty(&mut *out, &answered)?;
                writeln!(out)
            }
            _ => answered.decisions.iter().try_for_each(|decision| line(decision, out)),
        })?;
    }
    Ok(exit)
}

async fn ask(url: &str) -> Result<LastDecisions> {
    let asked = format!("{}/decisions", url.trim_end_matches('/'));
    let text = client::fetch(url, "/decisions").await.with_context(|| format!("`{asked}` does not answer"))?;
    serde_json::from_str(&text).with_context(|| format!("`{asked}` answers something else"))
}

impl DecisionsArgs {
    fn wants(&self, decision: &Decision) -> bool {
        (!self.denied || decision.verdict == "denied" || decision.verdict == "failed")
            && (!self.said || !decision.rules.is_empty())
            && self.namespace.as_ref().is_none_or(|namespace| decision.namespace.as_ref() == Some(namespace))
    }
}

/// `2026-11-23T10:00:00Z denied CREATE StatefulSet shop/db by alice: deny ordered-identity/zero-grace`. Whoever asks chooses the names, and a terminal obeys.
fn line(decision: &Decision, out: &mut dyn Write) -> io::Result<()> {
    let [verdict, route] = [&decision.verdict, &decision.route].map(|text| printable(text));
    let [operation, kind] = [&decision.operation, &decision.kind].map(|text| printable(text));
    let name = printable(decision.name.as_deref().unwrap_or("(no name)"));
    let namespace =
        decision.namespace.as_ref().map(|namespace| format!("{}/", printable(namespace))).unwrap_or_default();
    let user = printable(decision.user.as_deref().unwrap_or("nobody"));
    let dry = if decision.dry_run { " (dry run)" } else { "" };
    let rules = if decision.rules.is_empty() { String::new() } else { format!(": {}", decision.rules.join(", ")) };
    let (rules, seconds) = (printable(&rules), decision.time.strftime("%Y-%m-%dT%H:%M:%SZ"));
    writeln!(out, "{seconds} {verdict:<7} {route:<6} {operation} {kind} {namespace}{name} by {user}{dry}{rules}")
}

const FORWARD: &str = "the admin port answers this on loopback alone: `kubectl -n stateward-system port-forward deployment/stateward 8080`";

const AFTER_HELP: &str = "\
Each replica remembers its last 1,000 answers, without the objects, until it ends; the log of each has
all. They are told on loopback alone, so through a port-forward:

  kubectl -n stateward-system port-forward deployment/stateward 8080 &
  stateward decisions --denied

Exit codes:
  0  they are printed
  2  wrong arguments
  4  a replica does not answer";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_is_one_line_without_escapes() {
        let evil = "a\u{1b}[2J\nb\u{9b}c";
        let decision = json!({
            "time": "2026-11-23T10:00:00Z", "uid": evil, "route": evil, "operation": evil, "kind": evil, "namespace": evil, "name": evil,
            "user": evil, "policies": 1, "verdict": evil, "rules": [evil, evil], "durationMs": 1.0,
        });
        let mut out = Vec::new();
        line(&serde_json::from_value(decision).unwrap(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.ends_with('\n') && !text.trim_end_matches('\n').contains(char::is_control), "{text:?}");
        assert_eq!(text.matches("a [2J b c").count(), 9, "{text:?}");
    }
}
