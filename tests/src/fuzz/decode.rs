//! Bytes as the body of a review.

use serde_json::value::RawValue;
use stateward_core::admit::{Route, mutate, validate};
use stateward_core::request::Request;
use stateward_server::review;

use super::rules::{Saying, block_on, facts, policies};
use super::said;

/// Refused in one short line; or read, judged, and answered to the same uid.
pub fn decode(data: &[u8]) {
    let request = match review::decode(data) {
        Ok(request) => request,
        Err(error) => return said::is_a_line(&error.to_string(), 512),
    };
    assert!(!request.uid.is_empty(), "an answer needs a uid");
    assert!(!request.kind.kind.is_empty() && !request.resource.resource.is_empty(), "{request:?}");
    for raw in [&request.object, &request.old_object, &request.options].into_iter().flatten() {
        serde_json::from_str::<&RawValue>(raw).expect("what is kept as text is JSON");
    }
    agrees_with_a_tree(data, &request);

    let set = policies(&Saying::default());
    for route in [Route::Closed, Route::Fail, Route::Ignore, Route::All] {
        let mut verdict = block_on(validate(&set, &request, route, &facts()));
        assert!(verdict.patch.is_none() && verdict.object.is_none(), "a validating verdict changes nothing");
        said::keeps_to_the_limits(&verdict, &request, review::Phase::Validating);
        // The encoder does not rely on it.
        verdict.patch = Some(json_patch::Patch::default());
        said::keeps_to_the_limits(&verdict, &request, review::Phase::Validating);
    }
    let verdict = block_on(mutate(&set, &request, &facts()));
    said::keeps_to_the_limits(&verdict, &request, review::Phase::Mutating);
}

/// Another reader of the same bytes understands the same request.
fn agrees_with_a_tree(data: &[u8], request: &Request<'_>) {
    // A tree cannot hold everything that may be kept as text: deep nesting, numbers that are too large, halves of surrogate pairs.
    let Ok(tree) = serde_json::from_slice::<serde_json::Value>(data) else { return };
    let text = tree.to_string();
    let again = review::decode(text.as_bytes()).expect("a tree of a review is a review");
    assert_eq!(again.uid, request.uid);
    assert_eq!(again.operation, request.operation);
    assert_eq!((&again.kind, &again.resource), (&request.kind, &request.resource));
    assert_eq!((&again.name, &again.namespace), (&request.name, &request.namespace));
    assert_eq!(again.user.map(|user| user.username), request.user.as_ref().map(|user| user.username.clone()));
    assert_eq!(again.object.is_some(), request.object.is_some());
    assert_eq!(again.old_object.is_some(), request.old_object.is_some());
}
