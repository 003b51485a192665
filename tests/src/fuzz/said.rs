//! What may be said to the API server, whatever was asked and answered.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use stateward_core::manifest::Action;
use stateward_core::request::Request;
use stateward_core::resources::FailurePolicy;
use stateward_core::verdict::Verdict;
use stateward_server::review::{Phase, encode};

/// One line of at most so many characters.
#[track_caller]
pub(super) fn is_a_line(text: &str, limit: usize) {
    assert!(
        !text.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')),
        "more than a line: {text:?}"
    );
    assert!(text.chars().count() <= limit, "{} characters: {text}", text.chars().count());
}

/// The verdict agrees with itself, and its answer with the limits of `reference/control-plane.md` section 5.
pub(super) fn keeps_to_the_limits(verdict: &Verdict, request: &Request<'_>, phase: Phase) {
    let refuses = verdict.rulings.iter().any(|ruling| ruling.action == Action::Deny)
        || verdict.undecided.iter().any(|undecided| undecided.action == Action::Deny)
        || verdict.failures.iter().any(|failure| failure.failure_policy == FailurePolicy::Fail);
    assert_eq!(verdict.allowed, !refuses || phase == Phase::Mutating, "{verdict:#?}");
    assert!(verdict.rulings.iter().all(|ruling| ruling.action != Action::Apply), "{:#?}", verdict.rulings);

    let response = &verdict.response;
    assert_eq!(response.status.is_some(), !verdict.allowed, "a status is for refusals");
    if let Some(status) = &response.status {
        assert!([403, 422, 429, 500].contains(&status.code), "{}", status.code);
        assert!(!status.message.is_empty(), "a refusal says why");
        status.message.split('\n').for_each(|line| is_a_line(line, 16 << 10));
        assert!(status.message.chars().count() <= 16 << 10);
        assert!(status.causes.len() <= 51, "{} causes", status.causes.len());
        status.causes.iter().for_each(|cause| is_a_line(&cause.message, 2560));
        status.causes.iter().for_each(|cause| is_a_line(&cause.field, usize::MAX));
    }
    response.warnings.iter().for_each(|warning| is_a_line(warning, 256));
    assert!(response.warnings.iter().map(|warning| warning.chars().count()).sum::<usize>() <= 4096);
    response.audit_annotations.iter().for_each(|(_, text)| is_a_line(text, 1024));
    is_encoded(verdict, request, phase);
}

fn is_encoded(verdict: &Verdict, request: &Request<'_>, phase: Phase) {
    let bytes = encode(&request.uid, verdict, phase).expect("a verdict can be written");
    let review: Value = serde_json::from_slice(&bytes).expect("an answer is JSON");
    let said = |pointer: &str| review.pointer(pointer).cloned().unwrap_or_default();
    assert_eq!(said("/apiVersion"), "admission.k8s.io/v1");
    assert_eq!(said("/kind"), "AdmissionReview");
    assert_eq!(said("/response/uid"), request.uid.as_ref());
    assert_eq!(said("/response/allowed"), verdict.allowed);
    assert_eq!(said("/response/status").is_null(), verdict.allowed);
    match (&verdict.patch, phase) {
        (Some(patch), Phase::Mutating) => {
            assert_eq!(said("/response/patchType"), "JSONPatch");
            let text =
                STANDARD.decode(said("/response/patch").as_str().unwrap_or_default()).expect("a patch is base64");
            assert_eq!(&serde_json::from_slice::<json_patch::Patch>(&text).expect("a patch is JSON Patch"), patch);
        }
        _ => assert!(said("/response/patch").is_null() && said("/response/patchType").is_null(), "{review}"),
    }
}
