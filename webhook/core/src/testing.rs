//! For tests: a component made of closures, requests, and a way to drive futures without a runtime.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::admit::Facts;
use crate::evaluate::{Call, Component, Evaluate, EvaluateError, Evaluated, Finding, Judgement, Outcome};
use crate::inventory::{BoxFuture, StoredInventory};
use crate::manifest::{Action, Manifest, Rule, RuleKind, Severity, Subject};
use crate::policy::Policy;
use crate::policy_set::PolicySet;
use crate::request::{GroupVersionKind, GroupVersionResource, Operation, Request};
use crate::resources::{ObjectMeta, WasmPolicy};

/// Drives a future that never waits for anything outside.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..10_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
    panic!("the future waits for something that never comes")
}

pub(crate) type JudgeFn = dyn Fn(&Call<'_>, &Request<'_>) -> Result<Vec<Judgement>, EvaluateError> + Send + Sync;
pub(crate) type ChangeFn = dyn Fn(&Call<'_>, &Request<'_>) -> Result<Outcome, EvaluateError> + Send + Sync;

/// A component whose rules are closures.
pub(crate) struct Fake {
    pub judge: Box<JudgeFn>,
    pub change: Box<ChangeFn>,
}

impl Evaluate for Fake {
    fn validate<'a>(
        &'a self,
        call: &'a Call<'a>,
        request: &'a Request<'a>,
    ) -> BoxFuture<'a, Evaluated<Vec<Judgement>>> {
        Box::pin(async move {
            yield_once().await;
            Evaluated { answer: (self.judge)(call, request), queued: Duration::ZERO, ran: Duration::from_micros(30) }
        })
    }

    fn mutate<'a>(&'a self, call: &'a Call<'a>, request: &'a Request<'a>) -> BoxFuture<'a, Evaluated<Outcome>> {
        Box::pin(std::future::ready(Evaluated {
            answer: (self.change)(call, request),
            queued: Duration::ZERO,
            ran: Duration::from_micros(30),
        }))
    }
}

/// Pending once, so that joins are exercised.
async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A validating rule on StatefulSets: CREATE, UPDATE and DELETE.
pub(crate) fn rule(id: &str, baseline: Action, strict: Action) -> Rule {
    Rule {
        id: id.to_owned(),
        kind: if baseline == Action::Apply || strict == Action::Apply { RuleKind::Mutate } else { RuleKind::Validate },
        title: "a rule".to_owned(),
        description: "for tests".to_owned(),
        category: "tests".to_owned(),
        severity: Severity::Medium,
        since: "0.1.0".to_owned(),
        baseline,
        strict,
        when_undecided: Action::Audit,
        fixed: false,
        compares: false,
        needs_user: false,
        subjects: vec![subject("statefulsets", &[Operation::Create, Operation::Update])],
        reads: Vec::new(),
    }
}

pub(crate) fn subject(resource: &str, operations: &[Operation]) -> Subject {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let group = if resource == "pods" || resource == "namespaces" { "" } else { "apps" };
    Subject {
        resource: GroupVersionResource {
            group: group.into(),
            version: "v1".into(),
            resource: resource.to_owned().into(),
            subresource: subresource.to_owned().into(),
        },
        operations: operations.to_vec(),
        condition: None,
        fail_closed: false,
    }
}

/// Rules 0 to 3: `demo/deny`, `demo/warn`, `demo/strict` (audit, in strict deny), `demo/change` (mutating).
pub(crate) fn manifest() -> Manifest {
    Manifest {
        name: "demo".to_owned(),
        version: "0.1.0".to_owned(),
        description: "for tests".to_owned(),
        url: None,
        rules: vec![
            rule("demo/deny", Action::Deny, Action::Deny),
            rule("demo/warn", Action::Warn, Action::Deny),
            rule("demo/strict", Action::Audit, Action::Deny),
            rule("demo/change", Action::Apply, Action::Apply),
        ],
        settings_schema: "{}".to_owned(),
    }
}

/// A component that finds what `judge` says for each unit: one finding for each rule that is asked and named in the object's annotation `broken`.
pub(crate) fn component(
    manifest: Manifest,
    judge: impl Fn(&Call<'_>, &Request<'_>) -> Result<Vec<Judgement>, EvaluateError> + Send + Sync + 'static,
) -> Component {
    component_with(manifest, judge, |_, _| Ok(Outcome::default()))
}

pub(crate) fn component_with(
    manifest: Manifest,
    judge: impl Fn(&Call<'_>, &Request<'_>) -> Result<Vec<Judgement>, EvaluateError> + Send + Sync + 'static,
    change: impl Fn(&Call<'_>, &Request<'_>) -> Result<Outcome, EvaluateError> + Send + Sync + 'static,
) -> Component {
    Component {
        reference: format!("builtin:{}", manifest.name),
        digest: format!("sha256:{}", manifest.name),
        manifest: Arc::new(manifest),
        code: Arc::new(Fake { judge: Box::new(judge), change: Box::new(change) }),
    }
}

/// A judgement for each unit: rule ids in `spec.broken` of the object are broken, each at `/spec/broken`.
pub(crate) fn broken_rules(
    manifest: &Manifest,
) -> impl Fn(&Call<'_>, &Request<'_>) -> Result<Vec<Judgement>, EvaluateError> + Send + Sync + 'static + use<> {
    let ids: Vec<String> = manifest.rules.iter().map(|rule| rule.id.clone()).collect();
    move |call, request| {
        let object: serde_json::Value = serde_json::from_str(request.subject().unwrap_or("{}"))
            .map_err(|error| EvaluateError::GaveUp { message: error.to_string() })?;
        let broken: Vec<&str> = object
            .pointer("/spec/broken")
            .and_then(|v| v.as_array())
            .into_iter()
            .flatten()
            .filter_map(|v| v.as_str())
            .collect();
        let judge = |unit: &crate::evaluate::Unit<'_>| Judgement {
            findings: unit
                .rules
                .iter()
                .filter(|&&rule| broken.contains(&ids[rule as usize].as_str()))
                .map(|&rule| finding(rule))
                .collect(),
            undecided: Vec::new(),
        };
        Ok(call.units.iter().map(judge).collect())
    }
}

pub(crate) fn finding(rule: u32) -> Finding {
    Finding {
        rule,
        path: "/spec/broken".to_owned(),
        place: "broken".to_owned(),
        message: "is broken".to_owned(),
        hint: Some("mend it".to_owned()),
        at_most: None,
        remedy: None,
    }
}

/// A policy with all rules of a component, changed by `change`.
pub(crate) fn wasm_policy(name: &str, change: impl FnOnce(&mut WasmPolicy)) -> WasmPolicy {
    let mut policy = WasmPolicy {
        metadata: ObjectMeta { name: name.to_owned(), ..ObjectMeta::default() },
        spec: serde_json::from_str(r#"{"component":"builtin:demo"}"#).unwrap(),
    };
    change(&mut policy);
    policy
}

/// A policy on [`manifest`] with [`broken_rules`].
pub(crate) fn policy(name: &str, change: impl FnOnce(&mut WasmPolicy)) -> Policy {
    let manifest = manifest();
    let judge = broken_rules(&manifest);
    Policy::new(&wasm_policy(name, change), component(manifest, judge)).unwrap()
}

pub(crate) fn set(policies: Vec<Policy>) -> PolicySet {
    PolicySet::new(policies, Vec::new()).unwrap()
}

pub(crate) fn facts() -> Facts {
    facts_with(StoredInventory::default())
}

pub(crate) fn facts_with(inventory: StoredInventory) -> Facts {
    Facts {
        inventory: Arc::new(inventory),
        now: jiff::Timestamp::UNIX_EPOCH,
        deadline: Instant::now() + Duration::from_secs(60),
        trace: false,
    }
}

/// A request about the StatefulSet `db` in namespace `prod`; on UPDATE the old object is `{}`.
pub(crate) fn request(operation: Operation, object: &str) -> Request<'_> {
    let kind = GroupVersionKind { group: "apps".into(), version: "v1".into(), kind: "StatefulSet".into() };
    let is_delete = operation == Operation::Delete;
    Request {
        uid: "1".into(),
        operation,
        kind,
        resource: GroupVersionResource {
            group: "apps".into(),
            version: "v1".into(),
            resource: "statefulsets".into(),
            subresource: "".into(),
        },
        name: Some("db".into()),
        namespace: Some("prod".into()),
        user: None,
        dry_run: false,
        object: (!is_delete).then(|| object.into()),
        old_object: match operation {
            Operation::Create | Operation::Connect => None,
            Operation::Update => Some("{}".into()),
            Operation::Delete => Some(object.into()),
        },
        options: None,
    }
}

/// An object of which these rules are broken.
pub(crate) fn object(broken: &[&str]) -> String {
    serde_json::json!({"metadata": {"name": "db", "namespace": "prod", "labels": {"app": "db"}}, "spec": {"broken": broken}}).to_string()
}
