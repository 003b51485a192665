//! What code scanning and editors may write instead.

use serde::Serialize;

use super::location::{Artifact, Region};
use super::{Text, text};
use crate::check::{Finding, Replacement};

/// A `fix`: changes of one file that are made together.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Fix<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Text>,
    artifact_changes: [ArtifactChange<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ArtifactChange<'a> {
    artifact_location: Artifact,
    replacements: Vec<Written<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    deleted_region: Region,
    #[serde(skip_serializing_if = "Option::is_none")]
    inserted_content: Option<Content<'a>>,
}

#[derive(Serialize)]
struct Content<'a> {
    text: &'a str,
}

impl<'a> Fix<'a> {
    pub(super) fn of(finding: &'a Finding) -> Option<Self> {
        let (_, written) = finding.written().filter(|(_, written)| !written.is_empty())?;
        Some(Self {
            description: finding.hint.as_deref().map(text),
            artifact_changes: [ArtifactChange {
                artifact_location: Artifact::of(&finding.object.file),
                replacements: written.iter().map(Written::of).collect(),
            }],
        })
    }
}

impl<'a> Written<'a> {
    fn of(replacement: &'a Replacement) -> Self {
        let Replacement { start, end, text, .. } = replacement;
        let deleted_region = Region { start_line: start.0, start_column: start.1, end_line: end.0, end_column: end.1 };
        Self { deleted_region, inserted_content: (!text.is_empty()).then_some(Content { text }) }
    }
}
