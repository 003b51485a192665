//! Folders of policies and manifests become what the server has in force, again after each change. Whatever breaks stays as it was last good.

mod kept;

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use stateward_core::exemption::Complaint;
use stateward_core::manifest::Profile;
use stateward_core::policy::SpecError;
use stateward_core::resources::{PolicyExemption, WasmPolicy};
use stateward_engine::{EngineError, LoadedPolicies, PolicyError, PolicyLoader};
use stateward_manifests::policy_files::{self, FromFile, PolicyFiles};
use stateward_manifests::{Document, Documents, InputError};
use stateward_server::State;
use stateward_server::watch::Watch;

use super::statuses;
use crate::{engine, policies};
use kept::{Held, cut_off, keep};

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
    /// The complaints of the last load.
    said: HashSet<String>,
}

impl Sources {
    /// Fails where a folder is not there: that is a mistake in the command line.
    pub(super) fn new(policies: Option<PathBuf>, profile: Option<Profile>, inventory: Option<PathBuf>) -> Result<Self> {
        let folders = [
            ("--policies", &policies, "`WasmPolicy` files, or leave it out for the built-in policies"),
            ("--inventory", &inventory, "manifests that stand for the cluster, or leave it out"),
        ];
        for (flag, folder, of) in folders {
            if let Some(folder) = folder.as_deref().filter(|folder| !folder.is_dir()) {
                bail!("{flag} `{}` is not a folder that can be read\nhint: name a folder of {of}", folder.display());
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
            said: HashSet::new(),
        })
    }

    /// Loads, then loads again whenever a folder changes. Ends only where there is no engine to load with.
    pub(super) async fn keep_loaded(&mut self, state: &State) -> Result<()> {
        // Watched from before the first reading, so that nothing falls between the two.
        let mut policies_watch = self.policies.as_deref().map(Watch::new);
        let mut inventory_watch = self.inventory.as_deref().map(Watch::new);
        let engine =
            tokio::task::spawn_blocking(|| engine::start(log_engine)).await.context("could not start the engine")??;
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
        let statuses = statuses::of(&set, &resources, |name| {
            let of_it = errors.iter().filter(|error| error.policy == name);
            of_it.map(|error| one_line(&self.located(error))).collect()
        });
        let (refused, told): (Vec<_>, Vec<_>) =
            set.exemption_complaints(Timestamp::now()).into_iter().partition(|complaint| complaint.refused);
        file_errors.extend(refused.iter().filter_map(|complaint| self.exemption_error(complaint)));
        let warnings: Vec<InputError> = told.iter().filter_map(|complaint| self.exemption_error(complaint)).collect();

        let object_errors = objects.map(|objects| self.take_objects(objects)).unwrap_or_default();
        let objects = self.known_objects.as_deref().unwrap_or_default();
        let (inventory, unstored) = stateward_manifests::stored(objects, &set.reads(), DEFAULT_NAMESPACE);
        let loaded = set.policies().len();
        // What was never whole does not begin: to answer now would be to allow what nobody judged.
        let is_first = state.in_force().is_none();
        file_errors.extend(self.policies.as_deref().filter(|_| is_first && loaded == 0).map(no_policy));
        let is_usable = !is_first || (loaded > 0 && self.known_objects.is_some());

        let mut said = HashSet::new();
        for error in &errors {
            let words = format!("{} {}", error.policy, one_line(&self.located(error)));
            if self.is_news(&words, &mut said) {
                self.log(error);
            }
        }
        let refused = file_errors.iter().chain(&object_errors).chain(&unstored);
        for error in refused.filter(|error| self.is_news(&one_line(error), &mut said)) {
            let InputError { file, message, hint, .. } = error;
            let (line, column) = place(error);
            tracing::error!(file, line, column, error = message, hint, "file not loaded");
        }
        for warning in warnings.iter().filter(|warning| self.is_news(&one_line(warning), &mut said)) {
            let InputError { file, message, hint, .. } = warning;
            let (line, column) = place(warning);
            tracing::warn!(file, line, column, warning = message, hint, "exemption does not exempt all that it names");
        }
        self.said = said;
        state.metrics().count_policy_reload(errors.is_empty() && file_errors.is_empty());
        let report = || {
            state.report("policies", file_errors.iter().map(one_line).collect());
            state.report("inventory", object_errors.iter().chain(&unstored).map(one_line).collect());
        };
        if !is_usable {
            tracing::error!(
                policies = loaded,
                inventory = self.known_objects.is_some(),
                "not ready: what is to be in force could not be loaded"
            );
            report();
            return Ok(());
        }
        if loaded == 0 {
            tracing::warn!("no policy is loaded: nothing is enforced");
        }
        state.install(set, Arc::new(inventory), statuses);
        // Afterwards, so that whoever reads of a repair is answered by it.
        report();
        let generation = state.in_force().map(|in_force| in_force.generation);
        tracing::info!(generation, policies = loaded, failed = errors.len() + file_errors.len(), "policies in force");
        Ok(())
    }

    /// Takes what could be read. What is gone from a file that could not be read whole stays as it was: a slip of the pen must not end a policy.
    fn take_policies(&mut self, (files, with_objects): (PolicyFiles, HashSet<Arc<str>>)) -> Vec<InputError> {
        let PolicyFiles { policies, exemptions, mut errors, wrong_exemptions: _ } = files;
        let held = |policies: &[FromFile<WasmPolicy>]| -> Vec<Held> {
            policies.iter().map(|policy| Held::new(&policy.document.file, &policy.resource.metadata.name)).collect()
        };
        errors.extend(cut_off(&held(&self.known_policies), &held(&policies), &with_objects, &errors));
        // A folder that cannot be read stands for all that is below it.
        let broken: BTreeSet<&Path> = errors.iter().map(|error| Path::new(&error.file)).collect();
        let is_broken = |document: &Document| Path::new(&*document.file).ancestors().any(|path| broken.contains(path));
        keep(&mut self.known_policies, policies, &is_broken, |policy| policy.metadata.name.clone());
        keep(&mut self.known_exemptions, exemptions, &is_broken, |exemption| {
            (exemption.metadata.namespace.clone(), exemption.metadata.name.clone())
        });
        errors
    }

    /// Takes the objects, unless some could not be read: an object that is not there is known to be absent, and rules act on that.
    fn take_objects(&mut self, documents: Documents) -> Vec<InputError> {
        let held = |objects: &[Document]| -> Vec<Held> {
            objects.iter().map(|object| Held::new(&object.file, &title(object))).collect()
        };
        let mut errors = documents.errors;
        let with_objects = documents.objects.iter().map(|object| Arc::clone(&object.file)).collect();
        let known = self.known_objects.as_deref().unwrap_or_default();
        errors.extend(cut_off(&held(known), &held(&documents.objects), &with_objects, &errors));
        if errors.is_empty() {
            self.known_objects = Some(documents.objects);
        }
        errors
    }

    /// Whether a complaint has not been logged since it last was in order: each file that changes brings all of them again.
    fn is_news(&self, words: &str, said: &mut HashSet<String>) -> bool {
        said.insert(words.to_owned()) && !self.said.contains(words)
    }

    /// The policy as it is to be loaded.
    fn resource(&self, policy: &FromFile<WasmPolicy>) -> WasmPolicy {
        let mut resource = policy.resource.clone();
        resource.spec.profile = self.profile.unwrap_or(resource.spec.profile);
        resource.spec.component = policies::from_folder(&resource.spec.component, policy.document.folder());
        resource
    }

    fn log(&self, error: &PolicyError) {
        let SpecError { path, hint, .. } = &error.error;
        let located = self.located(error);
        let (line, column) = place(&located);
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

    /// A complaint about an exemption at its line in its file: the set has them in the order of those that are known.
    fn exemption_error(&self, complaint: &Complaint) -> Option<InputError> {
        Some(self.known_exemptions.get(complaint.exemption)?.error(&complaint.error))
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

fn no_policy(folder: &Path) -> InputError {
    InputError::new(folder.to_string_lossy(), "no policy could be loaded; nothing is answered until one is").hint(
        "policies are objects of kind `WasmPolicy` in `*.yaml`, `*.yml` or `*.json` files; without --policies the built-in ones are in force",
    )
}

/// The exemption in its namespace.
fn exemption(from: &FromFile<PolicyExemption>) -> PolicyExemption {
    let mut exemption = from.resource.clone();
    exemption.metadata.namespace.get_or_insert_with(|| DEFAULT_NAMESPACE.to_owned());
    exemption
}

/// What a file holds, for a person.
fn title(object: &Document) -> String {
    let unnamed = || if object.generate_name().is_some() { "(generated name)" } else { "(no name)" };
    let name = object.name.as_deref().unwrap_or_else(unnamed);
    let namespace = object.namespace.as_deref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
    format!("{} {namespace}{name}", object.group_version_kind())
}

pub(super) fn log_engine(error: &EngineError) {
    let words = error.to_string();
    let (error, hint) =
        words.split_once("\nhint: ").map_or((words.as_str(), None), |(error, hint)| (error, Some(hint)));
    tracing::warn!(error, hint, "compiled policies are not kept");
}

/// Line and column, for a log's fields.
fn place(error: &InputError) -> (Option<usize>, Option<usize>) {
    error.position.map(|position| (position.line, position.column)).unzip()
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
