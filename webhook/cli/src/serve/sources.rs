//! Folders of policies and manifests become what the server has in force, again after each change. Whatever breaks stays as it was last good.

use std::collections::{BTreeMap, HashSet};
use std::fs;
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
    /// `None` until all files of the folder could be read: what is in the others is not absent.
    known_objects: Option<Vec<Document>>,
}

impl Sources {
    /// Fails where a folder is not there: that is a mistake in the command line.
    pub(super) fn new(policies: Option<PathBuf>, profile: Option<Profile>, inventory: Option<PathBuf>) -> Result<Self> {
        for (flag, folder) in [("--policies", &policies), ("--inventory", &inventory)] {
            if let Some(folder) = folder.as_deref().filter(|folder| !folder.is_dir()) {
                bail!("{flag} `{}` is not a folder that can be read", folder.display());
            }
        }
        // Without a folder all is known that there is to know.
        let known_objects = inventory.is_none().then(Vec::new);
        Ok(Self {
            policies,
            profile,
            inventory,
            known_policies: Vec::new(),
            known_exemptions: Vec::new(),
            known_objects,
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

        let mut file_errors = self.take_policies(files);
        let resources: Vec<WasmPolicy> = self.known_policies.iter().map(|policy| self.resource(policy)).collect();
        let exemptions: Vec<PolicyExemption> = self.known_exemptions.iter().map(exemption).collect();
        let LoadedPolicies { set, errors } = loader.load(&resources, &exemptions, &policies::fetch).await;
        let statuses = self.statuses(&set, &resources, &errors);

        let object_errors = objects.map(|objects| self.take_objects(objects)).unwrap_or_default();
        let objects = self.known_objects.as_deref().unwrap_or_default();
        let (inventory, unstored) = stateward_manifests::stored(objects, &set.reads(), DEFAULT_NAMESPACE);
        let loaded = set.policies().len();
        // What was never whole does not begin: to answer now would be to allow what nobody judged.
        let is_first = state.in_force().is_none();
        file_errors.extend(self.policies.as_deref().filter(|_| is_first && loaded == 0).map(no_policy));
        let is_usable = !is_first || (loaded > 0 && self.known_objects.is_some());

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
        if !is_usable {
            tracing::error!(
                policies = loaded,
                inventory = self.known_objects.is_some(),
                "not ready: what is to be in force could not be loaded"
            );
            return Ok(());
        }
        if loaded == 0 {
            tracing::warn!("no policy is loaded: nothing is enforced");
        }
        state.install(set, Arc::new(inventory), statuses);
        let generation = state.in_force().map(|in_force| in_force.generation);
        tracing::info!(generation, policies = loaded, failed = errors.len() + file_errors.len(), "policies in force");
        Ok(())
    }

    /// Takes what could be read. What is gone from a file that could not be read whole stays as it was: a slip of the pen must not end a policy.
    fn take_policies(&mut self, (files, with_objects): (PolicyFiles, HashSet<Arc<str>>)) -> Vec<InputError> {
        let PolicyFiles { policies, exemptions, mut errors } = files;
        errors.extend(cut_off(&self.known_policies, &policies, &with_objects));
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
        if documents.errors.is_empty() {
            self.known_objects = Some(documents.objects);
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

/// The policies, and the files that hold any object.
fn read_policies(folder: Option<&Path>) -> (PolicyFiles, HashSet<Arc<str>>) {
    let documents = match folder {
        Some(folder) => read(folder),
        None => stateward_manifests::read_text("built-in policies", stateward_builtin::DEFAULT_POLICIES.to_owned()),
    };
    let mut files = policy_files::parse(&documents.objects);
    files.errors.extend(documents.errors);
    (files, documents.objects.into_iter().map(|document| document.file).collect())
}

fn read(folder: &Path) -> Documents {
    stateward_manifests::read(&[folder.to_path_buf()])
}

/// Files that are still there and were emptied, or end in a bare `---` with fewer policies than before: a write in place that is not finished, or
/// never was, looks like this. It must not end a policy; a file that is removed, or holds other policies, does.
fn cut_off(
    known: &[FromFile<WasmPolicy>],
    found: &[FromFile<WasmPolicy>],
    with_objects: &HashSet<Arc<str>>,
) -> Vec<InputError> {
    let mut missing: BTreeMap<&Arc<str>, Vec<&str>> = BTreeMap::new();
    for FromFile { resource, document } in known {
        let name = &resource.metadata.name;
        if found.iter().all(|found| found.resource.metadata.name != *name) {
            missing.entry(&document.file).or_default().push(name);
        }
    }
    let count = |policies: &[FromFile<WasmPolicy>], file: &Arc<str>| {
        policies.iter().filter(|policy| policy.document.file == *file).count()
    };
    let is_cut_off = |file: &Arc<str>| {
        if with_objects.contains(file) {
            count(found, file) < count(known, file) && ends_in_separator(file)
        } else {
            Path::new(&**file).is_file()
        }
    };
    let files = missing.into_iter().filter(|(file, _)| is_cut_off(file));
    files
        .map(|(file, names)| {
            InputError::new(&**file, format!("`{}` is gone from the file; it stays in force", names.join("`, `")))
                .hint("to remove policies, delete the file, or end it with an object and not with `---`")
        })
        .collect()
}

/// Whether an object was to follow.
fn ends_in_separator(file: &str) -> bool {
    fs::read_to_string(file).is_ok_and(|text| text.trim_end().lines().last() == Some("---"))
}

fn no_policy(folder: &Path) -> InputError {
    InputError::new(folder.to_string_lossy(), "no policy could be loaded; nothing is answered until one is").hint(
        "policies are objects of kind `WasmPolicy` in `*.yaml`, `*.yml` or `*.json` files; without --policies the built-in ones are in force",
    )
}

/// Replaces what is known by what was found, and keeps what a broken file held before and does not hold now. Two of one name are both passed on:
/// which of them counts is for the loader to say, that knows what is in force.
fn keep<T, K: PartialEq>(
    known: &mut Vec<FromFile<T>>,
    found: Vec<FromFile<T>>,
    is_broken: &dyn Fn(&Document) -> bool,
    name: impl Fn(&T) -> K,
) {
    let former = std::mem::replace(known, found);
    for former in former.into_iter().filter(|former| is_broken(&former.document)) {
        if known.iter().all(|known| name(&known.resource) != name(&former.resource)) {
            known.push(former);
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
