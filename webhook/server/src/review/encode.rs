//! [`Verdict`] to bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};
use stateward_core::verdict::{Cause, Response, Status, Verdict};

use super::{API_VERSION, KIND};

/// Which of the API server's phases asked. It takes a `patch` in a validating answer for a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// May carry a patch.
    Mutating,
    /// Never carries a patch.
    Validating,
}

/// The answer to the review with this uid.
pub fn encode(uid: &str, verdict: &Verdict, phase: Phase) -> Result<Vec<u8>, serde_json::Error> {
    let patch = match (&verdict.patch, phase) {
        (Some(patch), Phase::Mutating) if verdict.allowed => Some(STANDARD.encode(serde_json::to_vec(patch)?)),
        _ => None,
    };
    let Response { status, warnings, audit_annotations } = &verdict.response;
    let mut bytes = Vec::with_capacity(EXPECTED_BYTES + patch.as_ref().map_or(0, String::len));
    serde_json::to_writer(
        &mut bytes,
        &Review {
            api_version: API_VERSION,
            kind: KIND,
            response: ReviewResponse {
                uid,
                allowed: verdict.allowed,
                status: status.as_ref().filter(|_| !verdict.allowed).map(ReviewStatus::from),
                patch_type: patch.as_ref().map(|_| "JSONPatch"),
                patch,
                audit_annotations,
                warnings,
            },
        },
    )?;
    Ok(bytes)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    kind: &'a str,
    api_version: &'a str,
    response: ReviewResponse<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReviewResponse<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<ReviewStatus<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "as_map")]
    audit_annotations: &'a [(String, String)],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    warnings: &'a [String],
}

/// `metav1.Status`.
#[derive(Serialize)]
struct ReviewStatus<'a> {
    status: &'static str,
    message: &'a str,
    reason: &'a str,
    details: ReviewDetails<'a>,
    code: u16,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReviewDetails<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    group: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<ReviewCause<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u32>,
}

#[derive(Serialize)]
struct ReviewCause<'a> {
    reason: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    field: &'a str,
}

impl<'a> From<&'a Status> for ReviewStatus<'a> {
    fn from(status: &'a Status) -> Self {
        Self {
            status: "Failure",
            message: &status.message,
            reason: status.reason,
            details: ReviewDetails {
                name: &status.name,
                group: &status.group,
                kind: &status.kind,
                causes: status.causes.iter().map(ReviewCause::from).collect(),
                retry_after_seconds: status.retry_after_seconds,
            },
            code: status.code,
        }
    }
}

impl<'a> From<&'a Cause> for ReviewCause<'a> {
    fn from(cause: &'a Cause) -> Self {
        Self { reason: &cause.reason, message: &cause.message, field: &cause.field }
    }
}

fn as_map<S: Serializer>(pairs: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(key, value)| (key, value)))
}

/// An allowed answer is 150 bytes, a denial with two causes 1 KiB.
const EXPECTED_BYTES: usize = 512;
