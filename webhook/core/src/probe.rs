//! The question with which a replica finds out whether the API server reaches it: a dry run that creates a StatefulSet with a certain annotation.
//! The host refuses it whatever the policies say, so that an answer "created" means: nobody was asked.

use crate::admit::Route;
use crate::object::{Head, value_of};
use crate::request::{Operation, Request};
use crate::verdict::{Response, Status, Verdict};

/// Annotation of the set: the path that is to refuse it (`closed`, `fail` or `ignore`), or anything else for all of them.
pub const ANNOTATION: &str = "stateward.dev/probe";

/// The refusal, if the request is a probe of this route. Of a request that is none it costs a look at the resource, and one at the text of a set's dry
/// run.
pub(crate) fn refusal(request: &Request<'_>, route: Route) -> Option<Verdict> {
    let resource = &request.resource;
    let is_set = resource.resource == "statefulsets" && resource.group == "apps" && resource.subresource.is_empty();
    if !is_set || !request.dry_run || request.operation != Operation::Create || route == Route::All {
        return None;
    }
    let object = request.object.as_deref().filter(|object| object.contains(ANNOTATION))?;
    let annotations = Head::read(object)?.metadata?.annotations?;
    let path = value_of(&annotations.0, ANNOTATION)?;
    let is_meant = match (path, route) {
        ("closed", _) => route == Route::Closed,
        ("fail", _) => route == Route::Fail,
        ("ignore", _) => route == Route::Ignore,
        _ => true,
    };
    is_meant.then(|| Verdict { allowed: false, response: response(request), ..Verdict::default() })
}

fn response(request: &Request<'_>) -> Response {
    let status = Status {
        code: 403,
        reason: "Forbidden",
        message: format!("`{ANNOTATION}`: the webhook was reached; nothing is created"),
        causes: Vec::new(),
        kind: request.kind.kind.to_string(),
        name: request.name.as_deref().unwrap_or_default().to_owned(),
        group: request.kind.group.to_string(),
        retry_after_seconds: None,
    };
    Response { status: Some(status), ..Response::default() }
}
