//! `stateward install` and `stateward uninstall`: deploy/base, as it was when this program was built, into a cluster and out of it.

use std::io::Write;

use anyhow::{Result, ensure};
use serde_json::Value;
use stateward_cluster::client::Client;
use stateward_cluster::install::{self, Done};
use stateward_cluster::reports::{Reports, Written};
use stateward_manifests::read_data_text;

use crate::cluster::ClusterOptions;
use crate::exit::{self, Exit};
use crate::open_reports::LAYOUT;

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct InstallArgs {
    /// The image of the pods, such as `registry.example.com/stateward:0.1.0` [default: the one of deploy/base].
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Only ask the API server whether it would.
    #[arg(long)]
    dry_run: bool,
    /// Write the manifests to standard output and ask nobody.
    #[arg(long, conflicts_with = "dry_run")]
    print: bool,
    #[command(flatten)]
    cluster: ClusterOptions,
}

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct UninstallArgs {
    /// Leave both definitions, and with them all policies and exemptions.
    #[arg(long)]
    keep_policies: bool,
    #[command(flatten)]
    cluster: ClusterOptions,
}

/// Applies all of it; again, it upgrades.
pub(crate) fn install(args: &InstallArgs) -> Result<Exit> {
    let manifests = manifests(args.image.as_deref())?;
    if args.print {
        let mut out = std::io::stdout();
        for manifest in &manifests {
            write!(out, "---\n{}", stateward_manifests::to_yaml(manifest))?;
        }
        return Ok(Exit::default());
    }
    args.cluster.run(|client| async move {
        print(&install::apply(&client, &manifests, args.dry_run).await?)?;
        if !args.dry_run {
            writeln!(std::io::stdout(), "\n`stateward doctor` says when it enforces")?;
        }
        Ok(Exit::default())
    })
}

/// Deletes all of it; nothing is refused meanwhile.
pub(crate) fn uninstall(args: &UninstallArgs) -> Result<Exit> {
    let manifests = manifests(None)?;
    args.cluster.run(|client| async move {
        print(&install::delete(&client, &manifests, args.keep_policies).await?)?;
        take_reports_along(&client).await
    })
}

/// What nobody keeps true any more. The definitions of reports are others'.
async fn take_reports_along(client: &Client) -> Result<Exit> {
    let problem = match Reports::read(client, LAYOUT).await {
        Ok(None) => None,
        Ok(Some(reports)) => {
            let (Written { deleted, .. }, problem) = reports.sweep(&[]).await;
            writeln!(std::io::stdout(), "{deleted} reports deleted")?;
            problem
        }
        Err(why) => Some(why),
    };
    if let Some(why) = &problem {
        anstream::eprintln!("{}error{:#}: reports are left: {why}\nhint: {LEFT}", exit::ERROR, exit::ERROR);
    }
    Ok(Exit { unreachable: problem.is_some(), ..Exit::default() })
}

fn print(done: &[Done]) -> Result<()> {
    let mut out = std::io::stdout();
    for Done { object, what } in done {
        writeln!(out, "{object} {what}")?;
    }
    Ok(())
}

/// All objects of `deploy/crds` and `deploy/base`.
fn manifests(image: Option<&str>) -> Result<Vec<Value>> {
    let mut manifests = Vec::new();
    for (name, text) in FILES {
        let read = read_data_text(name, (*text).to_owned());
        ensure!(read.errors.is_empty(), "{name} cannot be read: {:?}", read.errors);
        manifests.extend(read.documents.iter().map(|document| document.value()));
    }
    if let Some(image) = image {
        for manifest in &mut manifests {
            if let Some(of_pod) = manifest.pointer_mut("/spec/template/spec/containers/0/image") {
                *of_pod = Value::from(image);
            }
        }
    }
    Ok(manifests)
}

const LEFT: &str = "`kubectl delete reports,clusterreports --all-namespaces -l app.kubernetes.io/managed-by=stateward`";

/// In the order in which they are applied. A test compares them with the kustomization.
const FILES: &[(&str, &str)] = &[
    ("wasmpolicies.stateward.dev.yaml", include_str!("../../../deploy/crds/wasmpolicies.stateward.dev.yaml")),
    ("policyexemptions.stateward.dev.yaml", include_str!("../../../deploy/crds/policyexemptions.stateward.dev.yaml")),
    ("namespace.yaml", include_str!("../../../deploy/base/namespace.yaml")),
    ("policies.yaml", include_str!("../../../deploy/base/policies.yaml")),
    ("serviceaccount.yaml", include_str!("../../../deploy/base/serviceaccount.yaml")),
    ("rbac.yaml", include_str!("../../../deploy/base/rbac.yaml")),
    ("exemptions.yaml", include_str!("../../../deploy/base/exemptions.yaml")),
    ("quota.yaml", include_str!("../../../deploy/base/quota.yaml")),
    ("service.yaml", include_str!("../../../deploy/base/service.yaml")),
    ("deployment.yaml", include_str!("../../../deploy/base/deployment.yaml")),
    ("disruption-budget.yaml", include_str!("../../../deploy/base/disruption-budget.yaml")),
];
