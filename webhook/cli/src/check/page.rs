//! What the page of a report needs beside the report.

use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;
use jiff::Timestamp;
use stateward_core::manifest::Manifest;
use stateward_core::policy_set::PolicySet;
use stateward_manifests::{Document, cause};
use stateward_report::check::CheckReport;
use stateward_report::comparison::{Comparison, OldReport};
use stateward_report::html::Page;

use crate::args::CheckArgs;
use crate::exit::NOTE;

/// The objects and the rules of one run, shared with those who judge.
#[derive(Default)]
pub(crate) struct Sources {
    objects: Arc<Vec<Document>>,
    manifests: Vec<Arc<Manifest>>,
    comparison: Option<Comparison>,
}

impl Sources {
    pub(crate) fn new(objects: &Arc<Vec<Document>>, set: &PolicySet) -> Self {
        let mut manifests: Vec<Arc<Manifest>> = Vec::new();
        for policy in set.policies() {
            // Policies of one component share its description.
            if !manifests.iter().any(|known| Arc::ptr_eq(known, &policy.component.manifest)) {
                manifests.push(Arc::clone(&policy.component.manifest));
            }
        }
        Self { objects: Arc::clone(objects), manifests, comparison: None }
    }

    /// Says what is new and what is gone, and keeps it for the page.
    pub(crate) fn compare(&mut self, older: &OldReport, report: &CheckReport) {
        let comparison = older.compare(report);
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
        self.objects.get(index).map(|document| document.json.as_str())
    }

    /// What is written as `html`.
    pub(crate) fn page<'a>(
        &'a self,
        args: &CheckArgs,
        report: &'a CheckReport,
        json: &'a dyn Fn(usize) -> Option<&'a str>,
    ) -> Page<'a> {
        Page {
            report,
            objects: json,
            rules: self.manifests.iter().flat_map(|manifest| &manifest.rules).collect(),
            about: about(args),
            made: Some(Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string()),
            comparison: self.comparison.as_ref(),
        }
    }
}

/// What `--baseline` names.
pub(crate) fn read_older(path: &Path) -> anyhow::Result<OldReport> {
    let wrong = |why: String| {
        anyhow!("`{}`: {why}\nhint: `stateward check -o json=FILE` writes a report to compare with", path.display())
    };
    let json = std::fs::read_to_string(path).map_err(|error| wrong(format!("cannot be read: {}", cause(&error))))?;
    OldReport::read(&json).map_err(wrong)
}

/// `check of a.yaml, b.yaml, profile strict`.
fn about(args: &CheckArgs) -> String {
    let mut paths: Vec<String> = args.paths.iter().take(SHOWN).map(|path| path.display().to_string()).collect();
    if args.paths.len() > SHOWN {
        paths.push(format!("{} more", args.paths.len() - SHOWN));
    }
    let profile = match args.policies.profile {
        Some(profile) => format!("profile {}", stateward_core::manifest::Profile::from(profile)),
        None => "the policies' own profiles".to_owned(),
    };
    format!("check of {}, {profile}", paths.join(", "))
}

const SHOWN: usize = 3;
