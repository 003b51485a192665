//! The command as a person runs it, and what its hints lead to.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use stateward_cluster_tests::installed::Installed;
use stateward_cluster_tests::{eventually, root, stateward};

use crate::PATIENCE;

/// What a person sees, with nodes made equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) async fn roles(on: &Installed, arguments: &[&str]) -> Result<Seen> {
    roles_as(&on.plane.admin(), arguments).await
}

pub(crate) async fn roles_as(kubeconfig: &Path, arguments: &[&str]) -> Result<Seen> {
    stateward_as(kubeconfig, &[&["roles"], arguments].concat()).await
}

pub(crate) async fn stateward_says(on: &Installed, arguments: &[&str]) -> Result<()> {
    let seen = stateward_as(&on.plane.admin(), arguments).await?;
    ensure!(seen.code == Some(0), "{seen:?}");
    Ok(())
}

async fn stateward_as(kubeconfig: &Path, arguments: &[&str]) -> Result<Seen> {
    let mut command = Command::new(stateward());
    command.args(arguments).env("KUBECONFIG", kubeconfig).env("NO_COLOR", "1");
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let text = |bytes: Vec<u8>| Ok::<_, anyhow::Error>(String::from_utf8(bytes)?);
    let same = |text: String| text.replace("node-0", "NODE").replace("node-1", "NODE");
    Ok(Seen { code: output.status.code(), out: same(text(output.stdout)?), err: text(output.stderr)? })
}

/// Waits until exactly these problems are found.
pub(crate) async fn becomes(on: &Installed, set: &str, kinds: &[&str]) -> Result<()> {
    eventually(&format!("`{set}` has the problems {kinds:?}"), PATIENCE, async || {
        let seen = roles(on, &[set, "--output", "json"]).await?;
        let told: Value = serde_json::from_str(&seen.out).with_context(|| format!("{seen:?}"))?;
        let problems = told["sets"][0]["problems"].as_array().context("no problems")?;
        let found: Vec<&str> = problems.iter().filter_map(|problem| problem["kind"].as_str()).collect();
        ensure!(found == kinds, "{problems:?}");
        ensure!(seen.code == Some(i32::from(!kinds.is_empty())), "{seen:?}");
        Ok(Some(()))
    })
    .await
}

/// The commands that a hint gives.
pub(crate) fn commands(seen: &Seen) -> Vec<String> {
    let quoted = seen.out.split('`').skip(1).step_by(2);
    quoted.filter(|text| text.starts_with("kubectl ")).map(str::to_owned).collect()
}

/// Does what the first hint says.
pub(crate) async fn mend(on: &Installed, seen: &Seen) -> Result<()> {
    run(on, commands(seen).first().context("no command")?).await
}

pub(crate) async fn run(on: &Installed, command: &str) -> Result<()> {
    let mut arguments: Vec<&str> = command.split(' ').skip(1).collect();
    // See `Installed::replace_pod`.
    arguments.extend(command.starts_with("kubectl delete pod ").then_some("--wait=false"));
    on.granted(&arguments).await
}

/// The README's transcript of this command is what it prints; what differs from cluster to cluster is left out.
pub(crate) fn the_readme_shows_it(said: &str, command: &str) -> Result<()> {
    let readme = std::fs::read_to_string(root().join("README.md"))?;
    let shown = readme
        .split(&format!("$ {command}\n"))
        .nth(1)
        .and_then(|rest| rest.split("\n$ ").next()?.split("```").next())
        .with_context(|| format!("the README does not show `{command}`"))?;
    let plain = |text: &str| -> String {
        let same = |word: &str| match word {
            node if node.starts_with("node-") => "NODE".to_owned(),
            age if is_age(age) => "AGE".to_owned(),
            word => word.to_owned(),
        };
        text.lines()
            .map(|line| line.split_whitespace().map(same).collect::<Vec<_>>().join(" "))
            .filter(|line| !line.is_empty())
            .collect::<Vec<_>>()
            .join("\n")
    };
    ensure!(plain(shown) == plain(said), "`{command}` prints something else than the README says:\n{said}");
    Ok(())
}

/// `41s`, `2m13s`.
fn is_age(word: &str) -> bool {
    word.ends_with(['s', 'm']) && word.chars().all(|c| c.is_ascii_digit() || c == 's' || c == 'm')
}
