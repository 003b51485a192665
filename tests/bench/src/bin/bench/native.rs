//! `bench native ..`: the server with the rules compiled in: same listener, same routes, same log, no Wasm. What `stateward serve` is measured against.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::logging;
use anyhow::{Context, Result, bail, ensure};
use stateward_bench::policies;
use stateward_server::{Limits, Options, PolicyStatus, Server, State, TlsSource};

/// Runs until it is killed.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let _log = logging::start();
    // As in the product.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(Folders::parse(arguments.iter())?))
}

async fn serve(folders: Folders) -> Result<()> {
    let documents = stateward_manifests::read(&[folders.policies]);
    let files = stateward_manifests::policy_files::parse(&documents.objects);
    ensure!(
        documents.errors.is_empty() && files.errors.is_empty(),
        "the policies cannot be read: {:?}",
        files.errors.first()
    );
    let resources: Vec<_> = files.policies.into_iter().map(|from| from.resource).collect();
    let set = policies::bind(&resources, &stateward_native::component())?;
    let objects = stateward_manifests::read(&[folders.inventory]).objects;
    let (inventory, errors) = stateward_manifests::stored(&objects, &set.reads(), "default");
    ensure!(errors.is_empty(), "the inventory cannot be read: {:?}", errors.first());

    let state = Arc::new(State::new());
    let options = Options {
        listen: folders.listen.parse()?,
        admin_listen: folders.admin_listen.parse()?,
        tls: TlsSource::Directory { path: folders.tls, checks_clients: true, trust: None },
        drain_delay: Duration::ZERO,
        limits: Limits::default(),
    };
    let server = Server::bind(options, Arc::clone(&state)).await?;
    let statuses = set.policies().iter().map(status).collect();
    state.install(set, Arc::new(inventory), statuses);
    // Whoever started it ends it.
    server.run(std::future::pending()).await;
    Ok(())
}

/// The server counts findings by policy and rule, so it wants to know them.
fn status(policy: &stateward_core::policy::Policy) -> PolicyStatus {
    PolicyStatus {
        name: policy.name.clone(),
        component: policy.component.reference.clone(),
        digest: Some(policy.component.digest.clone()),
        loaded: true,
        generation: None,
        mode: policy.mode,
        profile: policy.profile,
        failure_policy: policy.failure_policy,
        rules: policy.rule_ids().map(str::to_owned).collect(),
        errors: Vec::new(),
    }
}

/// The flags of `stateward serve` that the bench uses.
#[derive(Default)]
struct Folders {
    listen: String,
    admin_listen: String,
    tls: PathBuf,
    policies: PathBuf,
    inventory: PathBuf,
}

impl Folders {
    fn parse<'a>(mut arguments: impl Iterator<Item = &'a String>) -> Result<Self> {
        let mut folders = Self::default();
        while let Some(flag) = arguments.next() {
            let value = arguments.next().with_context(|| format!("`{flag}` needs a value"))?;
            match flag.as_str() {
                "--listen" => folders.listen.clone_from(value),
                "--admin-listen" => folders.admin_listen.clone_from(value),
                "--tls-dir" => folders.tls = value.into(),
                "--policies" => folders.policies = value.into(),
                "--inventory" => folders.inventory = value.into(),
                _ => bail!("there is no flag `{flag}`"),
            }
        }
        Ok(folders)
    }
}
