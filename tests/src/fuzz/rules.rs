//! Policies whose component answers what it was told to: what core makes of an answer is looked at without any Wasm.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use stateward_core::admit::Facts;
use stateward_core::evaluate::{
    Call, Component, Evaluate, EvaluateError, Evaluated, Finding, Judgement, Outcome, RuleIndex,
};
use stateward_core::inventory::{BoxFuture, StoredInventory};
use stateward_core::manifest::{Action, Manifest, Rule, RuleKind, Severity, Subject};
use stateward_core::policy::Policy;
use stateward_core::policy_set::PolicySet;
use stateward_core::request::{GroupVersionResource, Operation, Request};
use stateward_core::resources::{ObjectMeta, WasmPolicy};

/// What the component answers.
#[derive(Clone, Debug, Default)]
pub(super) struct Saying {
    /// `None`: a finding of every rule that is asked, at `/spec`.
    pub judgements: Option<Vec<Judgement>>,
    /// To `mutate`.
    pub outcome: Outcome,
    /// Instead of both.
    pub error: Option<EvaluateError>,
}

/// Rules 0 to 3 judge (deny, warn, audit, and deny while comparing), rules 4 and 5 change.
pub(super) fn manifest() -> Manifest {
    let comparing = Rule { compares: true, ..rule("fuzz/compares", Action::Deny) };
    let undecided = Rule { when_undecided: Action::Deny, ..rule("fuzz/warns", Action::Warn) };
    Manifest {
        name: "fuzz".to_owned(),
        version: "0.1.0".to_owned(),
        description: String::new(),
        url: None,
        rules: vec![
            rule(DENIES, Action::Deny),
            undecided,
            rule("fuzz/audits", Action::Audit),
            comparing,
            rule("fuzz/changes", Action::Apply),
            rule("fuzz/changes-too", Action::Apply),
        ],
        settings_schema: "{}".to_owned(),
    }
}

/// Rule 0.
pub(super) const DENIES: &str = "fuzz/denies";

/// A policy that enforces, and one with the same component that only warns: both are asked in one call.
pub(super) fn policies(saying: &Saying) -> PolicySet {
    set(saying, &[("enforces", "Enforce", "Fail"), ("warns", "Warn", "Ignore")])
}

/// The enforcing one alone.
pub(super) fn policy(saying: &Saying) -> PolicySet {
    set(saying, &[("enforces", "Enforce", "Fail")])
}

fn set(saying: &Saying, policies: &[(&str, &str, &str)]) -> PolicySet {
    let component = Component {
        reference: "builtin:fuzz".to_owned(),
        digest: "sha256:fuzz".to_owned(),
        manifest: Arc::new(manifest()),
        code: Arc::new(Said(saying.clone())),
    };
    let policies = policies.iter().map(|(name, mode, on_failure)| {
        let spec = serde_json::json!({"component": "builtin:fuzz", "mode": mode, "failurePolicy": on_failure});
        let spec = serde_json::from_value(spec).expect("a policy's spec");
        let metadata = ObjectMeta { name: (*name).to_owned(), ..ObjectMeta::default() };
        Policy::new(&WasmPolicy { metadata, spec }, component.clone()).expect("a policy")
    });
    PolicySet::new(policies.collect(), Vec::new()).unwrap_or_default()
}

pub(super) fn facts() -> Facts {
    Facts {
        inventory: Arc::new(StoredInventory::default()),
        now: jiff::Timestamp::UNIX_EPOCH,
        deadline: Instant::now() + Duration::from_secs(60),
        trace: true,
    }
}

/// Drives a future that waits for nothing outside.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    let mut polls = (0..10_000).map(|_| future.as_mut().poll(&mut context));
    polls
        .find_map(|poll| match poll {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
        .expect("nothing here waits")
}

struct Said(Saying);

impl Evaluate for Said {
    fn validate<'a>(
        &'a self,
        call: &'a Call<'a>,
        _request: &'a Request<'a>,
    ) -> BoxFuture<'a, Evaluated<Vec<Judgement>>> {
        let everything = || {
            let findings = |rules: &[RuleIndex]| rules.iter().map(|&rule| finding(rule)).collect();
            let judge = |rules| Judgement { findings: findings(rules), undecided: Vec::new() };
            call.units.iter().map(|unit| judge(unit.rules)).collect()
        };
        let mut judgements = self.0.judgements.clone().unwrap_or_else(everything);
        // Whoever has too few says the last once more; too many stay too many.
        let last = judgements.last().cloned().unwrap_or_default();
        judgements.resize(judgements.len().max(call.units.len()), last);
        self.answer(judgements)
    }

    fn mutate<'a>(&'a self, _call: &'a Call<'a>, _request: &'a Request<'a>) -> BoxFuture<'a, Evaluated<Outcome>> {
        self.answer(self.0.outcome.clone())
    }
}

impl Said {
    fn answer<'a, T: Send + 'a>(&self, answer: T) -> BoxFuture<'a, Evaluated<T>> {
        let answer = self.0.error.clone().map_or(Ok(answer), Err);
        Box::pin(std::future::ready(Evaluated { answer, queued: Duration::ZERO, ran: Duration::ZERO }))
    }
}

pub(super) fn finding(rule: RuleIndex) -> Finding {
    Finding {
        rule,
        path: "/spec".to_owned(),
        place: String::new(),
        message: "is wrong".to_owned(),
        hint: None,
        at_most: None,
        remedy: None,
    }
}

fn rule(id: &str, action: Action) -> Rule {
    Rule {
        id: id.to_owned(),
        kind: if action == Action::Apply { RuleKind::Mutate } else { RuleKind::Validate },
        title: String::new(),
        description: String::new(),
        category: String::new(),
        severity: Severity::Medium,
        since: "0.1.0".to_owned(),
        baseline: action,
        strict: action,
        when_undecided: Action::Audit,
        fixed: false,
        compares: false,
        needs_user: false,
        subjects: vec![
            subject("apps", "statefulsets", "", false),
            subject("", "pods", "", true),
            subject("", "pods", "eviction", false),
            subject("", "namespaces", "", false),
        ],
        reads: Vec::new(),
    }
}

fn subject(group: &'static str, resource: &'static str, subresource: &'static str, fail_closed: bool) -> Subject {
    Subject {
        resource: GroupVersionResource {
            group: group.into(),
            version: "v1".into(),
            resource: resource.into(),
            subresource: subresource.into(),
        },
        operations: vec![Operation::Create, Operation::Update, Operation::Delete, Operation::Connect],
        condition: None,
        fail_closed,
    }
}
