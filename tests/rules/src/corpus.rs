//! Real objects, as `check` sees one of them: a CREATE in profile `strict`, with what is in its group and the corpus's StorageClasses.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use stateward_core::admit::{Facts, Route, mutate, validate};
use stateward_core::manifest::Profile;
use stateward_core::policy_set::PolicySet;
use stateward_core::request::{Operation, Request};
use stateward_core::resources::WasmPolicy;
use stateward_core::verdict::Verdict;
use stateward_manifests::{Document, FileInventory, kinds, read};

/// The corpus beside the repository.
pub struct Corpus {
    folder: PathBuf,
    classes: Vec<Document>,
    set: PolicySet,
}

impl Corpus {
    /// `None` where there is none. The policies are those of `set`, in profile `strict`.
    pub fn find(root: &Path, set: impl FnOnce() -> PolicySet) -> Option<Self> {
        let folder = root.parent()?.join("shared/corpus");
        folder.is_dir().then(|| Self { classes: read(&[folder.join("storageclasses")]).objects, set: set(), folder })
    }

    /// Judges the object of a file, as mutating rules leave it. `name` is the path below the corpus, with `#Kind/name` where the file holds several.
    pub async fn judge(&self, name: &str) -> Result<Verdict, String> {
        let (path, which) = name.split_once('#').map_or((name, None), |(path, which)| (path, Some(which)));
        let file = self.folder.join(path);
        let documents = read(std::slice::from_ref(&file));
        if let Some(error) = documents.errors.first() {
            return Err(error.to_string());
        }
        let is_meant = |object: &&Document| {
            which.is_none_or(|which| which == format!("{}/{}", object.kind, object.name.as_deref().unwrap_or_default()))
        };
        let objects = Arc::new(documents.objects);
        let meant: Vec<&Document> = objects.iter().filter(is_meant).collect();
        let [object] = meant.as_slice() else { return Err(format!("`{name}` means {} objects", meant.len())) };
        let mut more = self.group_of(&file);
        more.extend(self.classes.iter().cloned());
        let (inventory, errors) = FileInventory::new(&objects, &more, &self.set.reads(), NAMESPACE);
        if let Some(error) = errors.first() {
            return Err(error.to_string());
        }
        Ok(self.ask(object, &inventory).await)
    }

    async fn ask(&self, object: &Document, inventory: &Arc<FileInventory>) -> Verdict {
        let facts = Facts {
            inventory: Arc::new(inventory.neighbours(object)),
            now: jiff::Timestamp::UNIX_EPOCH,
            deadline: Instant::now() + TIMEOUT,
            trace: false,
        };
        let mut request = Request {
            uid: Cow::Borrowed(""),
            operation: Operation::Create,
            kind: object.group_version_kind(),
            resource: kinds::resource(&object.group_version_kind()),
            name: object.name.as_deref().map(Cow::Borrowed),
            namespace: object.namespace_or(NAMESPACE).map(Cow::Borrowed),
            user: None,
            dry_run: false,
            object: Some(Cow::Borrowed(&object.json)),
            old_object: None,
            options: None,
        };
        if let Some(changed) = mutate(&self.set, &request, &facts).await.object {
            request.object = Some(Cow::Owned(changed));
        }
        validate(&self.set, &request, Route::All, &facts).await
    }

    /// What was written beside the object, in its group's folder; beside what is in there itself also the sets whose headers name that group. Sets of
    /// one group are not beside each other: test data holds one set in many versions.
    fn group_of(&self, file: &Path) -> Vec<Document> {
        let header = |file: &Path| {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            let group =
                text.lines().take_while(|line| line.starts_with('#')).find_map(|line| line.strip_prefix("# group: "));
            group.map(str::to_owned)
        };
        let in_folder = file.strip_prefix(self.folder.join("neighbours")).ok();
        let of_folder = in_folder.and_then(|path| Some(path.iter().next()?.to_string_lossy().into_owned()));
        let is_set = of_folder.is_none();
        let Some(group) = of_folder.or_else(|| header(file)) else { return Vec::new() };
        let sets = std::fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let is_beside = |set: &PathBuf| !is_set && set.is_file() && header(set).as_ref() == Some(&group);
        let mut files: Vec<PathBuf> = sets.filter(is_beside).collect();
        let beside = std::fs::read_dir(self.folder.join("neighbours").join(group)).into_iter().flatten().flatten();
        files.extend(beside.map(|entry| entry.path()).filter(|path| path != file));
        files.sort();
        if files.is_empty() { Vec::new() } else { read(&files).objects }
    }
}

/// Sets the profile of all policies.
pub fn strict(mut policies: Vec<WasmPolicy>) -> Vec<WasmPolicy> {
    for policy in &mut policies {
        policy.spec.profile = Profile::Strict;
    }
    policies
}

/// `kubectl`'s.
const NAMESPACE: &str = "default";
const TIMEOUT: Duration = Duration::from_secs(30);
