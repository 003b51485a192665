//! Requests as an API server writes them, for whatever evaluates conditions on them.

use std::fs;

use serde_json::{Value as Json, json};
use stateward_core::request::Request;

use crate::root;

/// Those that were captured from a real API server, by name.
#[expect(clippy::expect_used, reason = "tests fail by panicking")]
pub fn captured() -> Vec<(String, Json)> {
    let folder = fs::read_dir(root().join("tests/cases/reviews")).expect("the captured reviews");
    let mut reviews: Vec<(String, Json)> = folder
        .map(|entry| {
            let path = entry.expect("a file").path();
            let text = fs::read(&path).expect("a readable file");
            let mut review: Json = serde_json::from_slice(&text).expect("a review");
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            (name, review.get_mut("request").map(Json::take).expect("a request"))
        })
        .collect();
    reviews.sort_by(|(a, _), (b, _)| a.cmp(b));
    reviews
}

/// As the API server writes it: absent for the main resource.
pub fn sent(mut review: Json) -> Json {
    if text(&review, "/subResource").is_empty()
        && let Some(request) = review.as_object_mut()
    {
        request.remove("subResource");
    }
    review
}

/// Whether rules with these groups, resources and operations send a request.
pub fn is_sent(
    groups: &Option<Vec<String>>,
    resources: &Option<Vec<String>>,
    operations: &Option<Vec<String>>,
    review: &Json,
) -> bool {
    let subresource = text(review, "/subResource");
    let slash = if subresource.is_empty() { "" } else { "/" };
    let resource = format!("{}{slash}{subresource}", text(review, "/resource/resource"));
    let has = |values: &Option<Vec<String>>, value: &str| values.iter().flatten().any(|one| one == value);
    has(groups, text(review, "/resource/group"))
        && has(resources, &resource)
        && has(operations, text(review, "/operation"))
}

/// A string of a review; empty where there is none.
pub fn text<'j>(review: &'j Json, pointer: &str) -> &'j str {
    review.pointer(pointer).and_then(Json::as_str).unwrap_or_default()
}

/// A case's request as it is in a review. Whoever is not known in a case is somebody in a cluster.
pub fn review_of(request: &Request<'_>) -> Json {
    let read = |text: &Option<_>| {
        text.as_ref().and_then(|text| serde_json::from_str(AsRef::<str>::as_ref(text)).ok()).unwrap_or(Json::Null)
    };
    let user = request.user.as_ref().map_or_else(
        || json!({"username": "somebody", "groups": ["system:authenticated"]}),
        |user| json!({"username": user.username, "uid": user.uid, "groups": user.groups}),
    );
    let (kind, resource) = (&request.kind, &request.resource);
    json!({
        "uid": "0",
        "kind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
        "resource": {"group": resource.group, "version": resource.version, "resource": resource.resource},
        "subResource": resource.subresource,
        "name": request.name,
        "namespace": request.namespace,
        "operation": request.operation.to_string(),
        "userInfo": user,
        "object": read(&request.object),
        "oldObject": read(&request.old_object),
        "dryRun": request.dry_run,
        "options": read(&request.options),
    })
}
