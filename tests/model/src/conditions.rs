//! The conditions with which the rules are registered. The API server evaluates them, and calls the webhook only where one of a resource's is true.

use cel::{Context, Program, Value};
use serde_json::{Value as Json, json};
use stateward_core::manifest::{Manifest, RuleKind};
use stateward_core::request::{GroupVersionResource, Operation, Request};

/// The contract's subjects.
pub struct Conditions(Vec<Subject>);

struct Subject {
    kind: RuleKind,
    resource: GroupVersionResource<'static>,
    operations: Vec<Operation>,
    condition: Option<Program>,
}

impl Conditions {
    /// Of the contract's rules, but for one that is taken out.
    pub fn of(manifest: &Manifest, without: Option<&str>) -> Self {
        let rules =
            manifest.rules.iter().filter(|rule| rule.id.starts_with(FAMILY) && Some(rule.id.as_str()) != without);
        let subjects = rules.flat_map(|rule| rule.subjects.iter().map(move |subject| (rule, subject)));
        let is_registered = |kind: RuleKind, fail_closed: bool| kind == RuleKind::Mutate || fail_closed;
        let registered = subjects.filter(|(rule, subject)| is_registered(rule.kind, subject.fail_closed));
        Self(
            registered
                .map(|(rule, subject)| Subject {
                    kind: rule.kind,
                    resource: subject.resource.clone(),
                    operations: subject.operations.clone(),
                    condition: subject.condition.as_deref().map(|text| Program::compile(text).expect("a condition")),
                })
                .collect(),
        )
    }

    /// Whether the API server asks the mutating or the fail-closed validating webhook about a request.
    pub fn ask(&self, kind: RuleKind, request: &Request<'_>) -> bool {
        let mut subjects = self.0.iter().filter(|subject| {
            subject.kind == kind
                && subject.resource == request.resource
                && subject.operations.contains(&request.operation)
        });
        subjects.any(|subject| subject.condition.as_ref().is_none_or(|condition| is_true(condition, request)))
    }
}

fn is_true(condition: &Program, request: &Request<'_>) -> bool {
    let read = |text: Option<&str>| text.map_or(Json::Null, |text| serde_json::from_str(text).expect("JSON"));
    let user = request.user.as_ref().expect("somebody asks");
    let mut context = Context::default();
    for (variable, value) in [
        ("request", json!({"userInfo": {"username": user.username, "groups": user.groups}})),
        ("object", read(request.object.as_deref())),
        ("oldObject", read(request.old_object.as_deref())),
    ] {
        context.add_variable(variable, value).expect("JSON is a value of CEL");
    }
    match condition.execute(&context) {
        Ok(Value::Bool(answer)) => answer,
        other => panic!("{other:?} for {request:?}"),
    }
}

/// The model is of this family.
pub const FAMILY: &str = "manager-writes/";
