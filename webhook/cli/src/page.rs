//! What reports need beside the report: the objects for their lines, the rules for what they say of themselves, an older report.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;
use jiff::Timestamp;
use stateward_core::manifest::{Manifest, Profile};
use stateward_core::policy::Policy;
use stateward_core::policy_set::PolicySet;
use stateward_manifests::{Document, cause};
use stateward_report::check::CheckReport;
use stateward_report::comparison::{Comparison, OldReport, Scope};
use stateward_report::html::Page;

use crate::exit::NOTE;

/// The objects and the rules of one run, shared with those who judge.
pub(crate) struct Sources {
    objects: Objects,
    policies: Vec<Policy>,
    manifests: Vec<Arc<Manifest>>,
    about: String,
    comparison: Option<Comparison>,
}

/// JSON by an object's index in the report.
enum Objects {
    Files(Arc<Vec<Document>>),
    Kept(BTreeMap<usize, String>),
}

impl Sources {
    /// `about`: what was judged, and by what.
    pub(crate) fn of_files(objects: &Arc<Vec<Document>>, set: &PolicySet, about: String) -> Self {
        Self::new(Objects::Files(Arc::clone(objects)), set, about)
    }

    /// The same of objects that no file has.
    pub(crate) fn of_stored(objects: BTreeMap<usize, String>, set: &PolicySet, about: String) -> Self {
        Self::new(Objects::Kept(objects), set, about)
    }

    fn new(objects: Objects, set: &PolicySet, about: String) -> Self {
        let mut manifests: Vec<Arc<Manifest>> = Vec::new();
        for policy in set.policies() {
            // Policies of one component share its description.
            if !manifests.iter().any(|known| Arc::ptr_eq(known, &policy.component.manifest)) {
                manifests.push(Arc::clone(&policy.component.manifest));
            }
        }
        Self { objects, policies: set.policies().to_vec(), manifests, about, comparison: None }
    }

    /// Those that judged.
    pub(crate) fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// Says what is new and what is gone, and keeps it for the page.
    pub(crate) fn compare(&mut self, older: &OldReport, scope: &Scope, report: &CheckReport) {
        let comparison = older.compare(report, scope);
        let Comparison { new, gone, unknown, kept } = &comparison;
        let (new, gone) = (new.len(), gone.len());
        let unknown = if unknown.is_empty() { String::new() } else { format!(", {} not known", unknown.len()) };
        anstream::eprintln!(
            "{NOTE}note{NOTE:#}: since the older report: {new} new, {gone} gone, {kept} as before{unknown}"
        );
        self.comparison = Some(comparison);
    }

    /// The JSON of an object, by its index in the report.
    pub(crate) fn json(&self, index: usize) -> Option<&str> {
        match &self.objects {
            Objects::Files(objects) => objects.get(index).map(|document| document.json.as_str()),
            Objects::Kept(objects) => objects.get(&index).map(String::as_str),
        }
    }

    /// What is written as `html`.
    pub(crate) fn page<'a>(&'a self, report: &'a CheckReport, json: &'a dyn Fn(usize) -> Option<&'a str>) -> Page<'a> {
        Page {
            report,
            objects: json,
            rules: self.manifests.iter().flat_map(|manifest| &manifest.rules).collect(),
            about: self.about.clone(),
            made: Some(Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string()),
            comparison: self.comparison.as_ref(),
        }
    }
}

/// What `--baseline` names.
pub(crate) fn read_older(path: &Path) -> anyhow::Result<OldReport> {
    let wrong =
        |why: String| anyhow!("`{}`: {why}\nhint: `-o json=FILE` writes a report to compare with", path.display());
    let json = std::fs::read_to_string(path).map_err(|error| wrong(format!("cannot be read: {}", cause(&error))))?;
    OldReport::read(&json).map_err(wrong)
}

/// The profile that was asked for, or that none was.
pub(crate) fn named(profile: Option<Profile>) -> String {
    match profile {
        Some(profile) => format!("profile {profile}"),
        None => "the policies' own profiles".to_owned(),
    }
}
