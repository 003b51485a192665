//! `stateward roles`: who may write in the sets of the manager contract, what is wrong there and how to mend it.

mod json;
mod text;

use std::str::FromStr;

use anyhow::Result;
use stateward_cluster::client::Client;
use stateward_cluster::roles::{Look, look, look_at};

use crate::cluster::Connection;
use crate::exit::{self, Exit};
use crate::output::{Format, Output, one_of, require_distinct_files};

#[derive(clap::Args, Clone, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct RolesArgs {
    /// One set in full, of the contract or not [default: a line for each set of the contract].
    #[arg(value_name = "[NAMESPACE/]SET")]
    set: Option<SetName>,
    /// Only this namespace [default: all that you may read].
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// text or json; with `=FILE` into a file. May be given several times.
    #[arg(short, long, value_name = "FORMAT[=FILE]", default_value = "text", value_parser = one_of(&[Format::Text, Format::Json]))]
    output: Vec<Output>,
    #[command(flatten)]
    connection: Connection,
}

/// As it is typed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SetName {
    namespace: Option<String>,
    name: String,
}

/// Exit code 1 where something is wrong, 4 where something may not be read: nobody knows then.
pub(crate) fn run(args: &RolesArgs) -> Result<Exit> {
    require_distinct_files(&args.output)?;
    let asked = match args.asked() {
        Ok(asked) => asked,
        Err(words) => {
            anstream::eprintln!("{}error{:#}: {words}", exit::ERROR, exit::ERROR);
            return Ok(Exit::usage());
        }
    };
    args.connection.run(|client| show(args, asked, client))
}

/// What is looked at.
enum Asked {
    All(Option<String>),
    One { namespace: String, name: String },
}

async fn show(args: &RolesArgs, asked: Asked, client: Client) -> Result<Exit> {
    let (seen, is_one) = match &asked {
        Asked::All(namespace) => (look(&client, namespace.as_deref()).await?, false),
        Asked::One { namespace, name } => match look_at(&client, namespace, name).await? {
            Some(seen) => (seen, true),
            None => {
                anstream::eprintln!(
                    "{}error{:#}: there is no StatefulSet `{name}` in namespace `{namespace}`\nhint: `stateward roles` lists those of the contract, \
                     `kubectl get statefulsets --all-namespaces` all",
                    exit::ERROR,
                    exit::ERROR
                );
                return Ok(Exit::usage());
            }
        },
    };
    for output in &args.output {
        output.write(|out| match output.format {
            Format::Json => json::write(&seen, out),
            _ if is_one => text::write_one(&seen, out),
            _ => text::write_all(&seen, out),
        })?;
    }
    Ok(exit_of(&seen))
}

fn exit_of(seen: &Look) -> Exit {
    Exit {
        denied: seen.sets.iter().any(|set| !set.problems.is_empty()),
        unreachable: !seen.unread.is_empty(),
        ..Exit::default()
    }
}

impl RolesArgs {
    fn asked(&self) -> Result<Asked, String> {
        let Some(SetName { namespace, name }) = self.set.clone() else { return Ok(Asked::All(self.namespace.clone())) };
        match (namespace, self.namespace.clone()) {
            (Some(typed), Some(flag)) if typed != flag => {
                Err(format!("`{typed}/{name}` is not in `--namespace {flag}`\nhint: name one namespace"))
            }
            (Some(namespace), _) | (None, Some(namespace)) => Ok(Asked::One { namespace, name }),
            (None, None) => Err(format!("`{name}` says no namespace\nhint: `stateward roles NAMESPACE/{name}`")),
        }
    }
}

impl FromStr for SetName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (namespace, name) = match text.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, text),
        };
        if namespace == Some("") || name.is_empty() || name.contains('/') {
            return Err(format!("`{text}` names no set\nhint: `shop/ledger`, or `ledger --namespace shop`"));
        }
        Ok(Self { namespace: namespace.map(str::to_owned), name: name.to_owned() })
    }
}

const AFTER_HELP: &str = "\
Reads with your own rights: list on `statefulsets`, `pods`, `services` and `endpointslices`, which the
ClusterRole `view` allows. All namespaces at once want a ClusterRoleBinding. Names of Services for reading
that a policy's settings add are known to those who may also list `wasmpolicies`.

With `--output json` a document `version`, `sets`, `unread`: fields are added to it, none is changed.

Exit codes:
  0  nothing is wrong
  1  something is wrong in one of the sets
  2  wrong arguments, no such set
  4  the cluster cannot be reached, or you may not read something that belongs to it";

#[cfg(test)]
mod tests;
