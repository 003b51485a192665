//! From `--policies`, or the built-in ones, to a [`PolicySet`].

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use stateward_core::exemption::WrongExemption;
use stateward_core::manifest::Profile;
use stateward_core::pointer::field_path;
use stateward_core::policy::SpecError;
use stateward_core::policy_set::PolicySet;
use stateward_core::resources::{PolicyExemption, WasmPolicy};
use stateward_engine::{FetchError, MAX_COMPONENT_BYTES, PolicyLoader};
use stateward_manifests::policy_files::{self, FromFile, PolicyFiles};
use stateward_manifests::{Documents, InputError, cause, read, read_text};

use crate::args::PolicyArgs;

/// Where policies come from.
#[derive(Clone, Debug)]
pub(crate) struct PolicySource {
    /// Files and folders; empty: the built-in policies.
    pub(crate) paths: Vec<PathBuf>,
    /// In place of each policy's own.
    pub(crate) profile: Option<Profile>,
    /// Of exemptions that name none.
    pub(crate) namespace: String,
}

/// The policies that are in force, and what is wrong with the others.
pub(crate) struct LoadedSet {
    pub(crate) set: PolicySet,
    /// Files that cannot be read or parsed.
    pub(crate) unreadable: Vec<InputError>,
    /// Policies and exemptions that did not load, each error at its line.
    pub(crate) refused: Vec<InputError>,
    /// What is in force, and is not all that its file says.
    pub(crate) warnings: Vec<InputError>,
    /// Exemptions of which the set takes no notice; what is wrong with them is said above, too.
    pub(crate) wrong_exemptions: Vec<WrongExemption>,
    /// A policy may be missing.
    pub(crate) is_partial: bool,
    /// Exemptions may not be listed: there may be some.
    pub(crate) are_exemptions_unread: bool,
}

/// Policies as they are written, with what the arguments change in them.
pub(crate) struct Written {
    /// With what is wrong with them.
    pub(crate) files: PolicyFiles,
    /// Files that cannot be read or parsed.
    pub(crate) unreadable: Vec<InputError>,
}

impl PolicySource {
    /// As the arguments say.
    pub(crate) fn of(args: &PolicyArgs) -> Self {
        Self { paths: args.policies.clone(), profile: args.profile.map(Into::into), namespace: args.namespace.clone() }
    }

    /// Reads and loads all of it; `loader` keeps the last good version of what fails.
    pub(crate) async fn load(&self, loader: &PolicyLoader) -> LoadedSet {
        let Written { files, unreadable } = self.written();
        let of_exemptions: usize = files.wrong_exemptions.iter().map(|wrong| wrong.errors.len()).sum();
        let is_partial = !unreadable.is_empty() || files.errors.len() > of_exemptions;
        let mut refused = files.errors;
        let policies: Vec<WasmPolicy> = files.policies.iter().map(|from| from.resource.clone()).collect();
        let exemptions: Vec<PolicyExemption> = files.exemptions.iter().map(|from| from.resource.clone()).collect();
        let loaded = loader.load(&policies, &exemptions, &fetch).await;
        refused.extend(loaded.errors.iter().map(|wrong| located(&files.policies, &wrong.policy, &wrong.error)));
        let mut warnings = Vec::new();
        for complaint in loaded.set.exemption_complaints(Timestamp::now()) {
            let Some(from) = files.exemptions.get(complaint.exemption) else { continue };
            let list = if complaint.refused { &mut refused } else { &mut warnings };
            list.push(from.error(&complaint.error));
        }
        LoadedSet {
            set: loaded.set,
            unreadable,
            refused,
            warnings,
            wrong_exemptions: files.wrong_exemptions,
            is_partial: is_partial || !loaded.errors.is_empty(),
            are_exemptions_unread: false,
        }
    }

    /// Reads all of it.
    pub(crate) fn written(&self) -> Written {
        let documents = self.read();
        let mut files = policy_files::parse(&documents.objects);
        for FromFile { resource, document } in &mut files.policies {
            resource.spec.profile = self.profile.unwrap_or(resource.spec.profile);
            resource.spec.component = from_folder(&resource.spec.component, document.folder());
        }
        for FromFile { resource, .. } in &mut files.exemptions {
            resource.metadata.namespace.get_or_insert_with(|| self.namespace.clone());
        }
        for wrong in &mut files.wrong_exemptions {
            wrong.namespace.get_or_insert_with(|| self.namespace.clone());
        }
        Written { files, unreadable: documents.errors }
    }

    /// Where some should have been; for a person.
    pub(crate) fn no_policy(&self) -> String {
        let paths: Vec<String> = self.paths.iter().map(|path| format!("`{}`", path.display())).collect();
        format!("there is no WasmPolicy in {}", paths.join(", "))
    }

    fn read(&self) -> Documents {
        if self.paths.is_empty() {
            return read_text("built-in policies", stateward_builtin::DEFAULT_POLICIES.to_owned());
        }
        read(&self.paths)
    }
}

/// An error of a policy at its line.
pub(crate) fn located(policies: &[FromFile<WasmPolicy>], name: &str, error: &SpecError) -> InputError {
    match policies.iter().find(|from| from.resource.metadata.name == name) {
        Some(from) => from.error(error),
        None => InputError::new(format!("policy {name}"), error.message.clone()),
    }
}

/// An error of a resource of the cluster's, in place of a file's line.
pub(crate) fn stored_error(kind: &str, name: &str, error: &SpecError) -> InputError {
    let at = if error.path.is_empty() { String::new() } else { format!("{}: ", field_path(&error.path)) };
    let wrong = InputError::new(format!("{kind}/{name}"), format!("{at}{}", error.message));
    match &error.hint {
        Some(hint) => wrong.hint(hint.clone()),
        None => wrong,
    }
}

/// `file:PATH` is relative to the policy's own file, so that a folder of policies can be moved as a whole.
pub(crate) fn from_folder(reference: &str, folder: &str) -> String {
    match reference.strip_prefix(FILE) {
        Some(path) => format!("{FILE}{}", Path::new(folder).join(path).display()),
        None => reference.to_owned(),
    }
}

/// The bytes of `builtin:NAME` or `file:PATH`.
pub(crate) fn fetch(reference: &str) -> Result<Cow<'static, [u8]>, FetchError> {
    let failed = |message: String, hint: &str| FetchError { message, hint: Some(hint.to_owned()) };
    if let Some(name) = reference.strip_prefix("builtin:") {
        let component = stateward_builtin::component(name).map(Cow::Borrowed);
        return component
            .ok_or_else(|| failed(format!("there is no built-in component `{name}`"), "`builtin:stateful`"));
    }
    let Some(path) = reference.strip_prefix(FILE) else {
        return Err(failed(
            format!("`{reference}` is no component that can be loaded here"),
            "`builtin:stateful` or `file:PATH`",
        ));
    };
    // One byte more than a component may have: the loader says that it is too large.
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_COMPONENT_BYTES as u64 + 1).read_to_end(&mut bytes)).map_err(
        |error| FetchError { message: format!("cannot read the component `{path}`: {}", cause(&error)), hint: None },
    )?;
    Ok(Cow::Owned(bytes))
}

const FILE: &str = "file:";
