//! The question with which a replica finds out whether the API server reaches it: a dry run that creates a StatefulSet with [`PROBE`]. The host refuses
//! it on every validating path whatever the policies say, so that an answer "created" means: nobody was asked.

use crate::admit::Route;
use crate::contract::PROBE;
use crate::object::{Head, value_of};
use crate::request::{Operation, Request};
use crate::verdict::{Response, Status, Verdict};

/// The refusal, if the request is a probe. Of a request that is none it costs a look at the resource, and one at the text of a set's dry run.
pub(crate) fn refusal(request: &Request<'_>, route: Route) -> Option<Verdict> {
    let resource = &request.resource;
    let is_set = resource.resource == "statefulsets" && resource.group == "apps" && resource.subresource.is_empty();
    if !is_set || !request.dry_run || request.operation != Operation::Create || route == Route::All {
        return None;
    }
    let object = request.object.as_deref().filter(|object| object.contains(PROBE))?;
    let annotations = Head::read(object)?.metadata?.annotations?;
    value_of(&annotations.0, PROBE)?;
    let status = Status {
        code: 403,
        reason: "Forbidden",
        message: format!("`{PROBE}`: the webhook was reached; nothing is created"),
        causes: Vec::new(),
        kind: request.kind.kind.to_string(),
        name: request.name.as_deref().unwrap_or_default().to_owned(),
        group: request.kind.group.to_string(),
        retry_after_seconds: None,
    };
    let response = Response { status: Some(status), ..Response::default() };
    Some(Verdict { allowed: false, response, ..Verdict::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::request;

    #[test]
    fn refuses_a_dry_run_with_the_annotation_and_nothing_else() {
        let probe = r#"{"metadata":{"name":"p","annotations":{"stateward.dev/probe":"true"}}}"#;
        let asked = Request { dry_run: true, ..request(Operation::Create, probe) };
        for route in [Route::Closed, Route::Fail, Route::Ignore] {
            let refusal = refusal(&asked, route).unwrap();
            let status = refusal.response.status.unwrap();
            assert!(!refusal.allowed && status.code == 403 && status.message.contains(PROBE), "{status:?}");
        }
        let named = r#"{"metadata":{"name":"p","annotations":{"note":"stateward.dev/probe"}}}"#;
        let of_other = |change: fn(&mut Request<'_>)| {
            let mut other = asked.clone();
            change(&mut other);
            other
        };
        for (what, other) in [
            ("for real", of_other(|other| other.dry_run = false)),
            ("an update", of_other(|other| other.operation = Operation::Update)),
            ("a scale", of_other(|other| other.resource.subresource = "scale".into())),
            ("another kind", of_other(|other| other.resource.resource = "deployments".into())),
            ("only in a value", Request { object: Some(named.into()), ..asked.clone() }),
        ] {
            assert!(refusal(&other, Route::Fail).is_none(), "{what}");
        }
        assert!(refusal(&asked, Route::All).is_none(), "`check` and audit are not asked");
    }
}
