//! A policy whose component is a closure's worth of Rust: what it answers is written in the object it is asked about.

use std::sync::Arc;
use std::time::Duration;

use stateward_core::evaluate::{Call, Change, Component, Evaluate, Evaluated, Finding, Judgement, Mutation, Outcome};
use stateward_core::inventory::{BoxFuture, StoredInventory};
use stateward_core::manifest::{Action, Manifest, Rule, RuleKind, Severity, Subject};
use stateward_core::policy::Policy;
use stateward_core::policy_set::PolicySet;
use stateward_core::request::{GroupVersionResource, Operation, Request};
use stateward_core::resources::{FailurePolicy, WasmPolicy};
use stateward_server::{PolicyStatus, State};
use tokio::sync::Semaphore;

/// Says what the object's label `say` wants to hear: `deny`, `warn`, `panic`, `wait`.
pub(crate) struct Echo {
    /// Lets those that `wait` go on.
    pub(crate) gate: Arc<Semaphore>,
}

impl Evaluate for Echo {
    fn validate<'a>(
        &'a self,
        call: &'a Call<'a>,
        request: &'a Request<'a>,
    ) -> BoxFuture<'a, Evaluated<Vec<Judgement>>> {
        Box::pin(async move {
            let says =
                |word: &str| request.subject().is_some_and(|object| object.contains(&format!(r#""say":"{word}""#)));
            if says("wait") {
                self.gate.acquire().await.unwrap().forget();
            }
            assert!(!says("panic"), "asked to");
            let finding = |at_most| Finding {
                rule: 0,
                path: "/metadata/labels/say".to_owned(),
                place: "labels[say]".to_owned(),
                message: "the label asks for it".to_owned(),
                hint: Some("remove the label".to_owned()),
                at_most,
                remedy: None,
            };
            let findings = match (says("deny"), says("warn")) {
                (true, _) => vec![finding(None)],
                (_, true) => vec![finding(Some(Action::Warn))],
                _ => Vec::new(),
            };
            let judgement = Judgement { findings, undecided: Vec::new() };
            evaluated(vec![judgement; call.units.len()])
        })
    }

    fn mutate<'a>(&'a self, _: &'a Call<'a>, request: &'a Request<'a>) -> BoxFuture<'a, Evaluated<Outcome>> {
        let change = Change::MergePatch(r#"{"metadata":{"labels":{"seen":"yes"}}}"#.to_owned());
        let mutations = match &request.object {
            Some(object) if object.contains(r#""say":"change""#) => vec![Mutation { rule: 1, change, note: None }],
            _ => Vec::new(),
        };
        Box::pin(async move { evaluated(Outcome { mutations, undecided: Vec::new() }) })
    }
}

/// A state with the policy `echo` in force.
pub(crate) fn state(gate: Arc<Semaphore>) -> Arc<State> {
    let state = Arc::new(State::new());
    install(&state, gate);
    state
}

pub(crate) fn install(state: &State, gate: Arc<Semaphore>) {
    let manifest = Manifest {
        name: "echo".to_owned(),
        version: "0.1.0".to_owned(),
        description: "Says what it is told to.".to_owned(),
        url: None,
        rules: vec![
            rule("test/echo", RuleKind::Validate, Action::Deny),
            rule("test/seen", RuleKind::Mutate, Action::Apply),
        ],
        settings_schema: "{}".to_owned(),
    };
    let component = Component {
        reference: "builtin:echo".to_owned(),
        digest: "sha256:0".to_owned(),
        manifest: Arc::new(manifest),
        code: Arc::new(Echo { gate }),
    };
    let resource: WasmPolicy = serde_json::from_value(
        serde_json::json!({ "metadata": { "name": "echo" }, "spec": { "component": "builtin:echo" } }),
    )
    .unwrap();
    let set = PolicySet::new(vec![Policy::new(&resource, component).unwrap()], Vec::new()).unwrap();
    let status = PolicyStatus {
        name: "echo".to_owned(),
        component: "builtin:echo".to_owned(),
        digest: Some("sha256:0".to_owned()),
        loaded: true,
        generation: Some(3),
        mode: resource.spec.mode,
        profile: resource.spec.profile,
        failure_policy: FailurePolicy::Fail,
        rules: vec!["test/echo".to_owned(), "test/seen".to_owned()],
        errors: Vec::new(),
    };
    state.install(set, Arc::new(StoredInventory::default()), vec![status]);
}

/// A review of a ConfigMap whose label `say` is this word.
pub(crate) fn review(say: &str) -> String {
    serde_json::json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": format!("uid-{say}"),
            "kind": { "group": "", "version": "v1", "kind": "ConfigMap" },
            "resource": { "group": "", "version": "v1", "resource": "configmaps" },
            "name": "settings",
            "namespace": "demo",
            "operation": "CREATE",
            "userInfo": { "username": "alice", "groups": ["dev"] },
            "object": { "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "settings", "namespace": "demo", "labels": { "say": say } } },
            "oldObject": null,
            "dryRun": false,
        },
    })
    .to_string()
}

fn rule(id: &str, kind: RuleKind, action: Action) -> Rule {
    let resource = GroupVersionResource {
        group: "".into(),
        version: "v1".into(),
        resource: "configmaps".into(),
        subresource: "".into(),
    };
    Rule {
        id: id.to_owned(),
        kind,
        title: "Echo".to_owned(),
        description: "Says what it is told to.".to_owned(),
        category: "Test".to_owned(),
        severity: Severity::Low,
        since: "0.1.0".to_owned(),
        baseline: action,
        strict: action,
        when_undecided: Action::Audit,
        fixed: false,
        compares: false,
        needs_user: false,
        subjects: vec![Subject {
            resource,
            operations: vec![Operation::Create, Operation::Update],
            condition: None,
            fail_closed: false,
        }],
        reads: Vec::new(),
    }
}

fn evaluated<T>(answer: T) -> Evaluated<T> {
    Evaluated { answer: Ok(answer), queued: Duration::ZERO, ran: Duration::from_micros(20) }
}
