//! Requests as an API server writes them, for whatever evaluates conditions on them.

use serde_json::{Value as Json, json};
use stateward_core::request::Request;

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
