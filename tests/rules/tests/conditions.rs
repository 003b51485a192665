//! The conditions that the API server evaluates to save calls: they never fail, and they never hide a request to which their rule has something
//! to say. A failure refuses every request of that resource, or skips the rule; a condition that hides too much is a hole that no case shows.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeMap;

use cel::{Context, Program, Value};
use serde_json::Value as Json;
use stateward_core::manifest::{Action, Manifest, Profile, Rule, RuleKind};
use stateward_core::request::Request;
use stateward_native::{NativeBinder, component};
use stateward_rules_tests::reviews::{captured, review_of};
use stateward_rules_tests::{block_on, case_files, run_all};

/// What `ValidatingAdmissionPolicy` and webhooks allow for one.
const MAX_BYTES: usize = 1024;

#[test]
fn conditions_never_fail_on_what_an_api_server_sends() {
    let manifest = component().manifest;
    let programs = programs(&manifest);
    let reviews = captured();
    for (name, review) in &reviews {
        never_fails(&manifest, &programs, review, name);
    }
    assert!(reviews.len() >= 60, "{} reviews", reviews.len());
}

#[test]
fn conditions_never_fail_on_cases() {
    let manifest = component().manifest;
    let programs = programs(&manifest);
    for case in case_files().files.iter().flat_map(|file| &file.cases) {
        never_fails(&manifest, &programs, &review_of(case.request()), &case.name);
    }
}

#[test]
fn a_condition_hides_no_request_to_which_its_rule_has_something_to_say() {
    let manifest = component().manifest;
    let programs = programs(&manifest);
    let files = case_files();
    let binder = NativeBinder::default();
    let (mut hidden, mut shown) = (Vec::new(), 0);
    for ran in block_on(run_all(&files, &binder)).unwrap() {
        let rule = manifest.rules.iter().find(|rule| rule.id == ran.case.rule).unwrap();
        let request = review_of(ran.case.request());
        for run in &ran.result.runs {
            if run.said.findings.is_empty() && run.said.changes.is_empty() {
                continue;
            }
            shown += 1;
            // One call for all that change: what one of them writes another one reads.
            let is_asked_with = |each: &Rule| each.kind == RuleKind::Mutate && action(each, run.profile) != Action::Off;
            let mut rules = manifest
                .rules
                .iter()
                .filter(|each| each.id == rule.id || rule.kind == RuleKind::Mutate && is_asked_with(each));
            if !rules.any(|each| is_asked(each, ran.case.request(), &request, &programs)) {
                let place = format!("{}:{}", ran.file.data.file, ran.case.position.line);
                hidden.push(format!("{place}: {} [{}, {}]", ran.case.name, rule.id, run.profile));
            }
        }
    }
    assert!(hidden.is_empty(), "the API server would not ask:\n{}", hidden.join("\n"));
    assert!(shown > 100, "only {shown} runs said something");
}

/// On every operation of the resource, since conditions are joined for it.
fn never_fails(manifest: &Manifest, programs: &BTreeMap<&str, Program>, request: &Json, place: &str) {
    let field = |pointer: &str| request.pointer(pointer).and_then(Json::as_str).unwrap_or_default();
    let sent_to = (field("/resource/group"), field("/resource/resource"), field("/subResource"));
    for subject in manifest.rules.iter().flat_map(|rule| &rule.subjects) {
        let of = &subject.resource;
        if let Some(condition) = subject.condition.as_deref()
            && (&*of.group, &*of.resource, &*of.subresource) == sent_to
        {
            evaluate(&programs[condition], request).unwrap_or_else(|error| panic!("{place}: {error}: {condition}"));
        }
    }
}

/// Whether the API server asks the rule: a subject fits, and has no condition or a true one.
fn is_asked(rule: &Rule, request: &Request<'_>, review: &Json, programs: &BTreeMap<&str, Program>) -> bool {
    let mut subjects = rule
        .subjects
        .iter()
        .filter(|subject| subject.resource == request.resource && subject.operations.contains(&request.operation));
    subjects.any(|subject| {
        subject.condition.as_deref().is_none_or(|condition| evaluate(&programs[condition], review).unwrap())
    })
}

fn action(rule: &Rule, profile: Profile) -> Action {
    match profile {
        Profile::Baseline => rule.baseline,
        Profile::Strict => rule.strict,
    }
}

fn programs(manifest: &Manifest) -> BTreeMap<&str, Program> {
    let conditions = manifest.rules.iter().flat_map(|rule| &rule.subjects).filter_map(|subject| {
        let condition = subject.condition.as_deref()?;
        assert!(condition.len() <= MAX_BYTES, "{} bytes: {condition}", condition.len());
        Some((condition, Program::compile(condition).unwrap_or_else(|error| panic!("{error}: {condition}"))))
    });
    conditions.collect()
}

fn evaluate(program: &Program, request: &Json) -> Result<bool, String> {
    let mut context = Context::default();
    let of_request = |field: &str| request.get(field).cloned().unwrap_or_default();
    for (variable, value) in
        [("request", request.clone()), ("object", of_request("object")), ("oldObject", of_request("oldObject"))]
    {
        context.add_variable(variable, value).map_err(|error| error.to_string())?;
    }
    match program.execute(&context) {
        Ok(Value::Bool(answer)) => Ok(answer),
        Ok(other) => Err(format!("answers {other:?}")),
        Err(error) => Err(error.to_string()),
    }
}
