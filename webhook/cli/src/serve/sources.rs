//! Folders of policies and manifests become what the server has in force, again after each change. Whatever breaks stays as it was last good.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use stateward_core::manifest::Profile;
use stateward_core::policy::SpecError;
use stateward_core::policy_set::PolicySet;
use stateward_core::resources::{PolicyExemption, WasmPolicy};
use stateward_engine::{LoadedPolicies, PolicyError, PolicyLoader};
use stateward_manifests::policy_files::{self, FromFile, PolicyFiles};
use stateward_manifests::{Document, Documents, InputError};
use stateward_server::watch::Watch;
use stateward_server::{PolicyStatus, State};

use crate::{engine, policies};

/// Where policies and other objects come from.
pub(super) struct Sources {
    /// `None`: the built-in ones.
    policies: Option<PathBuf>,
    profile: Option<Profile>,
    inventory: Option<PathBuf>,
    /// The last good version of each, by the file that it came from.
    known_policies: Vec<FromFile<WasmPolicy>>,
    known_exemptions: Vec<FromFile<PolicyExemption>>,
    known_objects: Vec<Document>,
}

impl Sources {
    /// Fails where a folder is not there: that is a mistake in the command line.
    pub(super) fn new(policies: Option<PathBuf>, profile: Option<Profile>, inventory: Option<PathBuf>) -> Result<Self> {
        for (flag, folder) in [("--policies", &policies), ("--inventory", &inventory)] {
            if let Some(folder) = folder.as_deref().filter(|folder| !folder.is_dir()) {
                bail!("{flag} `{}` is not a folder that can be read", folder.display());
            }
        }
        Ok(Self {
            policies,
            profile,
            inventory,
            known_policies: Vec::new(),
            known_exemptions: Vec::new(),
            known_objects: Vec::new(),
        })
    }

    /// Loads, then loads again whenever a folder changes. Ends only where there is no engine to load with.
    pub(super) async fn keep_loaded(&mut self, state: &State) -> Result<()> {
        // Watched from before the first reading, so that nothing falls between the two.
        let mut policies_watch = self.policies.as_deref().map(Watch::new);
        let mut inventory_watch = self.inventory.as_deref().map(Watch::new);
        let engine = tokio::task::spawn_blocking(engine::start).await.context("could not start the engine")??;
        let loader = PolicyLoader::new(engine);
        loop {
            self.load(&loader, state).await?;
            tokio::select! {
                () = changed(policies_watch.as_mut()) => {}
                () = changed(inventory_watch.as_mut()) => {}
            }
        }
    }

    async fn load(&mut self, loader: &PolicyLoader, state: &State) -> Result<()> {
        let (policies, objects) = (self.policies.clone(), self.inventory.clone());
        let read = tokio::task::spawn_blocking(move || {
            (read_policies(policies.as_deref()), objects.map(|folder| read(&folder)))
        });
        let (files, objects) = read.await.context("could not read the folders")?;

        let file_errors = self.take_policies(files);
        let resources: Vec<WasmPolicy> = self.known_policies.iter().map(|policy| self.resource(policy)).collect();
        let exemptions: Vec<PolicyExemption> = self.known_exemptions.iter().map(exemption).collect();
        let LoadedPolicies { set, errors } = loader.load(&resources, &exemptions, &policies::fetch).await;
        let statuses = self.statuses(&set, &resources, &errors);

        let object_errors = objects.map(|objects| self.take_objects(objects)).unwrap_or_default();
        let (inventory, unstored) = stateward_manifests::stored(&self.known_objects, &set.reads(), DEFAULT_NAMESPACE);

        for error in &errors {
            self.log(error);
        }
        for error in file_errors.iter().chain(&object_errors).chain(&unstored) {
            let (line, column) = error.position.map(|position| (position.line, position.column)).unzip();
            tracing::error!(
                file = error.file,
                line,
                column,
                error = error.message,
                hint = error.hint,
                "file not loaded"
            );
        }
        state.metrics().count_policy_reload(errors.is_empty() && file_errors.is_empty());
        state.report("policies", file_errors.iter().map(one_line).collect());
        state.report("inventory", object_errors.iter().chain(&unstored).map(one_line).collect());
        let loaded = set.policies().len();
        if loaded == 0 {
            tracing::warn!("no policy is loaded: nothing is enforced");
        }
        state.install(set, Arc::new(inventory), statuses);
        let generation = state.in_force().map(|in_force| in_force.generation);
        tracing::info!(generation, policies = loaded, failed = errors.len() + file_errors.len(), "policies in force");
        Ok(())
    }

    /// Takes what could be read. What is gone from a file that could not be read whole stays as it was: a slip of the pen must not end a policy.
    fn take_policies(&mut self, files: PolicyFiles) -> Vec<InputError> {
        let PolicyFiles { policies, exemptions, errors } = files;
        let broken: HashSet<&str> = errors.iter().map(|error| error.file.as_str()).collect();
        let whole_folder = self.policies.as_ref().is_some_and(|folder| broken.contains(&*folder.to_string_lossy()));
        let is_broken = |document: &Document| whole_folder || broken.contains(&*document.file);
        keep(&mut self.known_policies, policies, &is_broken, |policy| policy.metadata.name.clone());
        keep(&mut self.known_exemptions, exemptions, &is_broken, |exemption| {
            (exemption.metadata.namespace.clone(), exemption.metadata.name.clone())
        });
        errors
    }

    /// Takes the objects, unless some could not be read: an object that is not there is known to be absent, and rules act on that.
    fn take_objects(&mut self, documents: Documents) -> Vec<InputError> {
        if documents.errors.is_empty() || self.known_objects.is_empty() {
            self.known_objects = documents.objects;
        }
        documents.errors
    }

    /// The policy as it is to be loaded.
    fn resource(&self, policy: &FromFile<WasmPolicy>) -> WasmPolicy {
        let mut resource = policy.resource.clone();
        resource.spec.profile = self.profile.unwrap_or(resource.spec.profile);
        resource.spec.component = policies::from_folder(&resource.spec.component, policy.document.folder());
        resource
    }

    fn statuses(&self, set: &PolicySet, resources: &[WasmPolicy], errors: &[PolicyError]) -> Vec<PolicyStatus> {
        let mut statuses: Vec<PolicyStatus> = resources
            .iter()
            .map(|resource| {
                let name = &resource.metadata.name;
                let errors = errors
                    .iter()
                    .filter(|error| error.policy == *name)
                    .map(|error| one_line(&self.located(error)))
                    .collect();
                // What is in force may be an older version than what the file says now.
                match set.policies().iter().find(|policy| policy.name == *name) {
                    Some(policy) => PolicyStatus {
                        name: name.clone(),
                        component: policy.component.reference.clone(),
                        digest: Some(policy.component.digest.clone()),
                        loaded: true,
                        mode: policy.mode,
                        profile: policy.profile,
                        failure_policy: policy.failure_policy,
                        rules: policy.rule_ids().map(str::to_owned).collect(),
                        errors,
                    },
                    None => PolicyStatus {
                        name: name.clone(),
                        component: resource.spec.component.clone(),
                        digest: None,
                        loaded: false,
                        mode: resource.spec.mode,
                        profile: resource.spec.profile,
                        failure_policy: resource.spec.failure_policy,
                        rules: Vec::new(),
                        errors,
                    },
                }
            })
            .collect();
        statuses.sort_by(|a, b| a.name.cmp(&b.name));
        statuses
    }

    fn log(&self, error: &PolicyError) {
        let SpecError { path, hint, .. } = &error.error;
        let located = self.located(error);
        let (line, column) = located.position.map(|position| (position.line, position.column)).unzip();
        tracing::error!(
            policy = error.policy,
            file = located.file,
            line,
            column,
            field = path,
            error = located.message,
            hint,
            kept = error.kept,
            "policy not loaded"
        );
    }

    /// The error at its line in the policy's file.
    fn located(&self, error: &PolicyError) -> InputError {
        match self.known_policies.iter().find(|policy| policy.resource.metadata.name == error.policy) {
            Some(policy) => policy.error(&error.error),
            None => InputError::new(error.policy.clone(), error.error.to_string()),
        }
    }
}

fn read_policies(folder: Option<&Path>) -> PolicyFiles {
    let documents = match folder {
        Some(folder) => read(folder),
        None => stateward_manifests::read_text("built-in policies", stateward_builtin::DEFAULT_POLICIES.to_owned()),
    };
    let mut files = policy_files::parse(&documents.objects);
    files.errors.extend(documents.errors);
    files
}

fn read(folder: &Path) -> Documents {
    stateward_manifests::read(&[folder.to_path_buf()])
}

/// Replaces what is known by what was found, and keeps what a broken file held before and does not hold now. Of two of one name the first counts.
fn keep<T, K: PartialEq>(
    known: &mut Vec<FromFile<T>>,
    found: Vec<FromFile<T>>,
    is_broken: &dyn Fn(&Document) -> bool,
    name: impl Fn(&T) -> K,
) {
    let former = std::mem::replace(known, Vec::with_capacity(found.len()));
    let kept = former.into_iter().filter(|former| is_broken(&former.document));
    for resource in found.into_iter().chain(kept) {
        if known.iter().all(|known| name(&known.resource) != name(&resource.resource)) {
            known.push(resource);
        }
    }
}

/// The exemption in its namespace.
fn exemption(from: &FromFile<PolicyExemption>) -> PolicyExemption {
    let mut exemption = from.resource.clone();
    exemption.metadata.namespace.get_or_insert_with(|| DEFAULT_NAMESPACE.to_owned());
    exemption
}

fn one_line(error: &InputError) -> String {
    error.to_string().replace("\nhint: ", "; hint: ")
}

async fn changed(watch: Option<&mut Watch>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}

/// Where manifests go that name no namespace, as `kubectl` has it.
const DEFAULT_NAMESPACE: &str = "default";
