//! One review, from bytes to bytes: decode, decide, encode, one log line, one sample.

use std::sync::Arc;
use std::time::Instant;

use stateward_core::admit::{self, Facts};
use stateward_core::contract;
use stateward_core::request::{GroupVersionResource, Operation, Request};
use stateward_core::unread;
use stateward_core::verdict::Verdict;

use crate::decisions::{self, Decision};
use crate::metrics::{self, Admission};
use crate::review::{self, Phase};
use crate::routes::Rejection;
use crate::state::{InForce, State};

/// What the path asks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Question {
    /// `/mutate`
    Mutate,
    /// `/validate/..`
    Validate(admit::Route),
}

/// Answers a review.
pub(crate) async fn decide(
    state: &State,
    question: Question,
    body: &[u8],
    received: Instant,
    deadline: Instant,
) -> Result<Vec<u8>, Rejection> {
    let request = review::decode(body)?;
    // Before the first load nothing is known to be allowed.
    let in_force = state.in_force().ok_or(Rejection::NotLoaded)?;
    let facts =
        Facts { inventory: Arc::clone(&in_force.inventory), now: jiff::Timestamp::now(), deadline, trace: false };
    let (verdict, phase) = match question {
        Question::Mutate => (admit::mutate(&in_force.policies, &request, &facts).await, Phase::Mutating),
        Question::Validate(route) => {
            (admit::validate(&in_force.policies, &request, route, &facts).await, Phase::Validating)
        }
    };
    if matches!(question, Question::Validate(admit::Route::Closed))
        && contract::is_members_birth(&request, &in_force.controller_accounts)
    {
        state.see_member();
    }
    let answer = review::encode(&request.uid, &verdict, phase).map_err(Rejection::NotEncoded)?;
    record(state, &in_force, question, &request, &verdict, received);
    state.tell(|| unread::of(&request, &verdict));
    Ok(answer)
}

fn record(
    state: &State,
    in_force: &InForce,
    question: Question,
    request: &Request<'_>,
    verdict: &Verdict,
    received: Instant,
) {
    let took = received.elapsed();
    let word = word_of(verdict);
    let denied_by = denied_by(verdict);
    tracing::info!(
        uid = cut(&request.uid),
        route = question.name(),
        operation = operation_name(request.operation),
        kind = cut(&request.kind.kind),
        namespace = request.namespace.as_deref().map(cut),
        name = request.name.as_deref().map(cut),
        user = request.user.as_ref().map(|user| cut(&user.username)),
        dry_run = request.dry_run,
        // Which set decided: its generation, as `/policies` shows it.
        policies = in_force.generation,
        verdict = word,
        denied_by,
        duration_ms = took.as_secs_f64() * 1e3,
        "admission"
    );
    let text = |text: &str| cut(text).to_owned();
    state.decisions.keep(Decision {
        time: jiff::Timestamp::now(),
        uid: text(&request.uid),
        route: question.name().to_owned(),
        operation: operation_name(request.operation).to_owned(),
        kind: text(&request.kind.kind),
        namespace: request.namespace.as_deref().map(text),
        name: request.name.as_deref().map(text),
        user: request.user.as_ref().map(|user| text(&user.username)),
        dry_run: request.dry_run,
        policies: in_force.generation,
        verdict: word.to_owned(),
        rules: decisions::rules(verdict),
        duration_ms: took.as_secs_f64() * 1e3,
    });
    let metrics = state.metrics();
    metrics
        .admissions
        .get_or_create(&Admission {
            route: question.name(),
            operation: operation_name(request.operation),
            resource: resource_name(&request.resource),
            verdict: word,
        })
        .inc();
    metrics.admission_seconds.get_or_create(&metrics::Route { route: question.name() }).observe(took.as_secs_f64());
    metrics::count(&in_force.metrics, verdict);
}

/// The uid of a review that was not answered, for the log.
pub(crate) fn uid(body: &[u8]) -> Option<String> {
    review::decode(body).ok().map(|request| request.uid.into_owned())
}

/// A client's text in our log: a body of 3 MiB must not become a line of 3 MiB.
pub(crate) fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_LOGGED_BYTES)).unwrap_or_default()
}

/// The verdict in one word, worst first.
fn word_of(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict { allowed: false, response, .. }
            if response.status.as_ref().is_some_and(|status| status.code >= 500) =>
        {
            "failed"
        }
        Verdict { allowed: false, .. } => "denied",
        Verdict { patch: Some(_), .. } => "changed",
        Verdict { response, .. } if !response.warnings.is_empty() => "warned",
        _ => "allowed",
    }
}

/// Rules, or the policies that broke.
fn denied_by(verdict: &Verdict) -> Option<String> {
    use stateward_core::manifest::Action::Deny;
    use stateward_core::resources::FailurePolicy::Fail;

    if verdict.allowed {
        return None;
    }
    let rules = verdict.rulings.iter().filter(|ruling| ruling.action == Deny).map(|ruling| &ruling.rule);
    let undecided = verdict.undecided.iter().filter(|ruling| ruling.action == Deny).map(|ruling| &ruling.rule);
    let failures =
        verdict.failures.iter().filter(|failure| failure.failure_policy == Fail).map(|failure| &failure.policy);
    let mut names: Vec<&str> = rules.chain(undecided).chain(failures).map(String::as_str).collect();
    names.dedup();
    Some(names.join(","))
}

impl Question {
    const fn name(self) -> &'static str {
        match self {
            Self::Mutate => "mutate",
            Self::Validate(admit::Route::Closed) => "closed",
            Self::Validate(admit::Route::Fail) => "fail",
            Self::Validate(admit::Route::Ignore) => "ignore",
            Self::Validate(admit::Route::All) => "all",
        }
    }
}

const fn operation_name(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "CREATE",
        Operation::Update => "UPDATE",
        Operation::Delete => "DELETE",
        Operation::Connect => "CONNECT",
    }
}

/// The resources that our own rules judge; all else is one label, however many kinds a cluster has.
fn resource_name(resource: &GroupVersionResource<'_>) -> &'static str {
    match (&*resource.group, &*resource.resource, &*resource.subresource) {
        ("apps", "statefulsets", "") => "statefulsets",
        ("apps", "statefulsets", "scale") => "statefulsets/scale",
        ("apps", "statefulsets", "status") => "statefulsets/status",
        ("apps", "deployments", "") => "deployments",
        ("apps", "daemonsets", "") => "daemonsets",
        ("apps", "replicasets", "") => "replicasets",
        ("batch", "jobs", "") => "jobs",
        ("batch", "cronjobs", "") => "cronjobs",
        ("", "pods", "") => "pods",
        ("", "pods", "status") => "pods/status",
        ("", "pods", "binding") => "pods/binding",
        ("", "pods", "eviction") => "pods/eviction",
        ("", "bindings", "") => "bindings",
        ("", "persistentvolumeclaims", "") => "persistentvolumeclaims",
        ("", "services", "") => "services",
        ("", "namespaces", "") => "namespaces",
        ("policy", "poddisruptionbudgets", "") => "poddisruptionbudgets",
        _ => "other",
    }
}

/// The longest that Kubernetes has: `system:serviceaccount:NAMESPACE:NAME` with 63 and 253 bytes.
const MAX_LOGGED_BYTES: usize = 339;
