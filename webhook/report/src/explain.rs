//! One verdict step by step: which policies matched and why the others did not, what decided each finding, what is answered.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use serde_json::{Value, json};
use stateward_core::pointer::field_path;
use stateward_core::request::Request;
use stateward_core::trace::PolicyTrace;
use stateward_core::verdict::{Step, Verdict};

use crate::text::printable;

/// One answered call of a request.
pub struct Answered<'a> {
    /// `mutate` or `validate`.
    pub phase: &'static str,
    /// The answer, with its trace.
    pub verdict: &'a Verdict,
}

/// Writes the way of one request for people.
pub fn write_text(request: &Request<'_>, answers: &[Answered<'_>], out: &mut dyn Write) -> io::Result<()> {
    let bold = Style::new().bold();
    writeln!(out, "{bold}{}{bold:#}", printable(&title(request)))?;
    for Answered { phase, verdict } in answers {
        writeln!(out, "\n{bold}{phase}{bold:#}")?;
        for policy in verdict.trace.iter().flat_map(|trace| &trace.policies) {
            policy_lines(policy, out)?;
        }
        verdict_lines(verdict, out)?;
    }
    if let Some(Answered { phase, verdict }) = answers.last() {
        writeln!(out)?;
        answer_lines(phase, verdict, out)?;
    }
    Ok(())
}

/// Writes the way of one request as one JSON document.
pub fn write_json(request: &Request<'_>, answers: &[Answered<'_>], out: &mut dyn Write) -> io::Result<()> {
    let document = json!({
        "version": "v1alpha1",
        "request": {
            "uid": request.uid, "operation": request.operation, "kind": request.kind.to_string(), "resource": resource(request),
            "namespace": request.namespace, "name": request.name, "user": request.user.as_ref().map(|user| &user.username), "dryRun": request.dry_run,
        },
        "calls": answers.iter().map(|answer| call(answer)).collect::<Vec<_>>(),
    });
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

fn title(request: &Request<'_>) -> String {
    let name = request.name.as_deref().unwrap_or("(no name yet)");
    let name = request.namespace.as_deref().map_or(name.to_owned(), |namespace| format!("{namespace}/{name}"));
    let user = request.user.as_ref().map_or("nobody", |user| &user.username);
    let operation = json!(request.operation);
    let dry_run = if request.dry_run { ", dry run" } else { "" };
    format!(
        "{} {} {name} by {user}{dry_run} (uid {})",
        operation.as_str().unwrap_or_default(),
        resource(request),
        request.uid
    )
}

fn resource(request: &Request<'_>) -> String {
    let resource = &request.resource;
    let group = if resource.group.is_empty() { String::new() } else { format!("{}/", resource.group) };
    let subresource =
        if resource.subresource.is_empty() { String::new() } else { format!("/{}", resource.subresource) };
    format!("{group}{} {}{subresource}", resource.version, resource.resource)
}

fn policy_lines(policy: &PolicyTrace, out: &mut dyn Write) -> io::Result<()> {
    let name = printable(&policy.policy);
    match &policy.skipped {
        Some(reason) => writeln!(out, "  policy {name}: skipped, {}", printable(reason)),
        None => {
            let ran = policy.ran_us.map(|ran| format!(", {ran} us")).unwrap_or_default();
            writeln!(
                out,
                "  policy {name}: profile {}, rules {}{ran}",
                policy.profile_from.describe(policy.profile),
                policy.rules.join(" ")
            )
        }
    }
}

fn verdict_lines(verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    if let Some(exempt) = verdict.exempt {
        writeln!(out, "  exempt: {}", json!(exempt).as_str().unwrap_or_default())?;
    }
    for change in &verdict.changes {
        writeln!(out, "  change {} [{}]{}", change.rule, printable(&change.policy), steps(&change.steps))?;
        for operation in &change.patch.0 {
            writeln!(out, "    {}", printable(&json!(operation).to_string()))?;
        }
    }
    for ruling in &verdict.rulings {
        writeln!(out, "  {} {} [{}]{}", ruling.action, ruling.rule, printable(&ruling.policy), steps(&ruling.steps))?;
        writeln!(out, "    {}: {}", field_path(&ruling.path), printable(&ruling.message))?;
        if let Some(hint) = &ruling.hint {
            writeln!(out, "    hint: {}", printable(hint))?;
        }
    }
    for undecided in &verdict.undecided {
        writeln!(out, "  undecided {} [{}]{}", undecided.rule, printable(&undecided.policy), steps(&undecided.steps))?;
        writeln!(out, "    {}", printable(&undecided.reason.to_string()))?;
    }
    for failure in &verdict.failures {
        writeln!(
            out,
            "  failed [{}]: {}; failurePolicy {:?}",
            printable(&failure.policy),
            printable(&failure.error.to_string()),
            failure.failure_policy
        )?;
    }
    Ok(())
}

/// ` = profile strict: deny, mode Audit: audit`.
fn steps(steps: &[Step]) -> String {
    let words = steps.iter().map(|step| {
        let by = json!(step.by);
        format!("{} {}: {}", by.as_str().unwrap_or_default(), printable(&step.detail), step.action)
    });
    let words: Vec<String> = words.collect();
    if words.is_empty() { String::new() } else { format!(" = {}", words.join(", ")) }
}

fn answer_lines(phase: &str, verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    let (word, color) = if verdict.allowed { ("allowed", AnsiColor::Green) } else { ("denied", AnsiColor::Red) };
    let style = color.on_default().bold();
    match &verdict.response.status {
        Some(status) => {
            writeln!(out, "{style}{word}{style:#}: {} {}: {}", status.code, status.reason, printable(&status.message))?
        }
        None => writeln!(out, "{style}{word}{style:#}")?,
    }
    for warning in &verdict.response.warnings {
        writeln!(out, "warning: {}", printable(warning))?;
    }
    if phase == "mutate"
        && let Some(patch) = &verdict.patch
    {
        writeln!(out, "patch: {}", printable(&json!(patch).to_string()))?;
    }
    Ok(())
}

fn call(answer: &Answered<'_>) -> Value {
    let verdict = answer.verdict;
    json!({
        "phase": answer.phase,
        "allowed": verdict.allowed,
        "exempt": verdict.exempt,
        "policies": verdict.trace.as_ref().map(|trace| trace.policies.iter().map(policy).collect::<Vec<_>>()),
        "findings": verdict.rulings.iter().map(|ruling| json!({
            "policy": ruling.policy, "rule": ruling.rule, "severity": ruling.severity, "action": ruling.action, "steps": list(&ruling.steps),
            "path": ruling.path, "place": ruling.place, "message": ruling.message, "hint": ruling.hint,
        })).collect::<Vec<_>>(),
        "undecided": verdict.undecided.iter().map(|undecided| json!({
            "policy": undecided.policy, "rule": undecided.rule, "reason": undecided.reason.to_string(), "action": undecided.action,
            "steps": list(&undecided.steps),
        })).collect::<Vec<_>>(),
        "failures": verdict.failures.iter().map(|failure| json!({
            "policy": failure.policy, "error": failure.error.to_string(), "failurePolicy": failure.failure_policy,
        })).collect::<Vec<_>>(),
        "changes": verdict.changes.iter().map(|change| json!({
            "policy": change.policy, "rule": change.rule, "action": change.action, "steps": list(&change.steps), "patch": change.patch,
            "note": change.note,
        })).collect::<Vec<_>>(),
        "patch": verdict.patch,
        "code": verdict.response.status.as_ref().map(|status| status.code),
        "message": verdict.response.status.as_ref().map(|status| &status.message),
        "warnings": verdict.response.warnings,
        "auditAnnotations": verdict.response.audit_annotations,
    })
}

fn policy(policy: &PolicyTrace) -> Value {
    json!({
        "policy": policy.policy, "skipped": policy.skipped, "profile": policy.profile, "profileFrom": policy.profile_from,
        "rules": policy.rules, "ran_us": policy.ran_us,
    })
}

fn list(steps: &[impl Serialize]) -> Vec<Value> {
    steps.iter().map(|step| json!(step)).collect()
}
