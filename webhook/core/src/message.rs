//! What the API server, and through it the user, is told: status, warnings, audit annotations.
//! The limits are the API server's own (`reference/control-plane.md` section 5).

use std::borrow::Cow;

use crate::evaluate::UndecidedReason;
use crate::manifest::Action;
use crate::pointer::field_path;
use crate::request::{Operation, Request};
use crate::resources::FailurePolicy;
use crate::verdict::{
    AppliedChange, BuiltinExemption, Cause, Failure, Response, Ruling, Status, StepKind, UndecidedRuling, Verdict,
};

/// Fills in [`Verdict::response`].
pub(crate) fn respond(verdict: &mut Verdict, request: &Request<'_>) {
    let is_plain = verdict.rulings.is_empty()
        && verdict.undecided.is_empty()
        && verdict.failures.is_empty()
        && verdict.changes.is_empty()
        && verdict.exempt.is_none();
    if is_plain {
        return;
    }
    let status = (!verdict.allowed).then(|| status(verdict, request));
    verdict.response = Response { status, warnings: warnings(verdict), audit_annotations: annotations(verdict) };
}

/// Something that is said of a rule, in parts, so that it can be shortened.
struct Line<'v> {
    rule: &'v str,
    /// As Kubernetes writes it; empty for the object as a whole.
    field: String,
    message: Cow<'v, str>,
    hint: Option<&'v str>,
}

impl<'v> Line<'v> {
    fn of_ruling(ruling: &'v Ruling) -> Self {
        Self {
            rule: &ruling.rule,
            field: field_path(&ruling.path),
            message: Cow::Borrowed(&ruling.message),
            hint: ruling.hint.as_deref(),
        }
    }

    fn of_undecided(undecided: &'v UndecidedRuling) -> Self {
        Self {
            rule: &undecided.rule,
            field: String::new(),
            message: Cow::Owned(undecided_text(&undecided.reason)),
            hint: None,
        }
    }

    fn of_change(change: &'v AppliedChange) -> Self {
        let field = change.patch.first().map(|operation| field_path(operation.path().as_str())).unwrap_or_default();
        let message = change
            .note
            .as_deref()
            .map_or_else(|| "would be changed".to_owned(), |note| format!("would be changed: {note}"));
        Self { rule: &change.rule, field, message: Cow::Owned(message), hint: None }
    }

    /// `[rule] path: message; hint`
    fn full(&self) -> String {
        self.with(&self.field, self.hint)
    }

    /// `[rule] message; hint`: with 422 kubectl prints the field itself.
    fn without_field(&self) -> String {
        self.with("", self.hint)
    }

    fn with(&self, field: &str, hint: Option<&str>) -> String {
        let mut line = format!("[{}] ", self.rule);
        if !field.is_empty() {
            line.push_str(field);
            line.push_str(": ");
        }
        line.push_str(&self.message);
        if let Some(hint) = hint {
            line.push_str("; ");
            line.push_str(hint);
        }
        line
    }

    /// As much as fits a warning: the end of the path goes first, and the hint only where there is no other way.
    fn warning(&self) -> String {
        let full = self.full();
        if fits(&full, GOOD_WARNING) {
            return full;
        }
        let last = self.field.rsplit_once('.').map_or(self.field.as_str(), |(_, last)| last);
        let shorter = self.with(last, self.hint);
        if fits(&shorter, GOOD_WARNING) {
            return shorter;
        }
        [full, shorter]
            .into_iter()
            .find(|line| fits(line, MAX_WARNING))
            .unwrap_or_else(|| cut(&self.with(last, None), MAX_WARNING))
    }
}

fn status(verdict: &Verdict, request: &Request<'_>) -> Status {
    let denials = denials(verdict);
    let failures: Vec<&Failure> =
        verdict.failures.iter().filter(|failure| failure.failure_policy == FailurePolicy::Fail).collect();
    let is_eviction = request.resource.group.is_empty()
        && request.resource.resource == "pods"
        && request.resource.subresource == "eviction";
    let is_about_fields =
        !denials.is_empty() && failures.is_empty() && denials.iter().all(|line| !line.field.is_empty());
    let (code, reason) = if is_eviction {
        // So that a drain tries again instead of giving up.
        (429, "TooManyRequests")
    } else if denials.is_empty() {
        (500, "InternalError")
    } else if is_about_fields && matches!(request.operation, Operation::Create | Operation::Update) {
        (422, "Invalid")
    } else {
        (403, "Forbidden")
    };
    let lines = denials.iter().map(Line::full).chain(failures.iter().map(|failure| failure_text(failure)));
    let mut causes: Vec<Cause> = denials.iter().take(MAX_CAUSES).map(cause).collect();
    let rest = denials.len() - causes.len();
    if rest > 0 {
        causes.push(Cause {
            reason: "FieldValueInvalid".to_owned(),
            message: format!("and {rest} more"),
            field: String::new(),
        });
    }
    Status {
        code,
        reason,
        message: join_lines(lines, "\n", MAX_MESSAGE),
        causes,
        kind: request.kind.kind.to_string(),
        name: crate::matching::request_name(request).map(Cow::into_owned).unwrap_or_default(),
        group: request.kind.group.to_string(),
        retry_after_seconds: is_eviction.then_some(RETRY_AFTER_SECONDS),
    }
}

/// Every denial once: two policies may select the same rule.
fn denials(verdict: &Verdict) -> Vec<Line<'_>> {
    let rulings = verdict.rulings.iter().filter(|ruling| ruling.action == Action::Deny).map(Line::of_ruling);
    let undecided =
        verdict.undecided.iter().filter(|undecided| undecided.action == Action::Deny).map(Line::of_undecided);
    let mut lines: Vec<Line<'_>> = Vec::new();
    for line in rulings.chain(undecided) {
        if !lines
            .iter()
            .any(|other| other.rule == line.rule && other.field == line.field && other.message == line.message)
        {
            lines.push(line);
        }
    }
    lines
}

fn cause(line: &Line<'_>) -> Cause {
    let reason = if line.field.is_empty() { line.rule.to_owned() } else { "FieldValueInvalid".to_owned() };
    Cause { reason, message: cut(&line.without_field(), MAX_CAUSE), field: line.field.clone() }
}

/// `policy X did not finish within 200 ms`, and nothing of the inside.
fn failure_text(failure: &Failure) -> String {
    cut(&clean(&format!("policy `{}` {}", failure.policy, failure.error)), MAX_CAUSE)
}

/// In the words of DESIGN section 6: could not be decided: StatefulSets cannot be looked up here.
fn undecided_text(reason: &UndecidedReason) -> String {
    match reason {
        UndecidedReason::NeedsUser => "could not be decided: it is not known here who asks".to_owned(),
        UndecidedReason::Unavailable(kind) => {
            format!("could not be decided: {} cannot be looked up here", plural(&clean(&kind.kind)))
        }
        UndecidedReason::Other(text) => format!("could not be decided: {text}"),
    }
}

fn plural(kind: &str) -> String {
    if kind.ends_with(['s', 'x']) {
        format!("{kind}es")
    } else if let Some(stem) = kind.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'o'])) {
        format!("{stem}ies")
    } else {
        format!("{kind}s")
    }
}

/// Worst first: what was not enforced at all, then findings (they are sorted), then what could not be decided, then would-be changes.
fn warnings(verdict: &Verdict) -> Vec<String> {
    let failures = verdict.failures.iter().filter(|failure| failure.failure_policy == FailurePolicy::Ignore);
    let not_enforced =
        failures.map(|failure| cut(&format!("{}; it was not enforced", failure_text(failure)), MAX_WARNING));
    let findings = verdict
        .rulings
        .iter()
        .filter(|ruling| ruling.action == Action::Warn)
        .map(|ruling| Line::of_ruling(ruling).warning());
    let undecided = verdict
        .undecided
        .iter()
        .filter(|undecided| undecided.action == Action::Warn)
        .map(|undecided| Line::of_undecided(undecided).warning());
    let changes = verdict
        .changes
        .iter()
        .filter(|change| change.action == Action::Warn)
        .map(|change| Line::of_change(change).warning());
    let mut lines: Vec<String> = Vec::new();
    for line in not_enforced.chain(findings).chain(undecided).chain(changes) {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    within_budget(lines)
}

/// The API server drops what goes beyond its total, so the last line says how much is missing.
fn within_budget(lines: Vec<String>) -> Vec<String> {
    let length = |line: &String| line.chars().count();
    if lines.iter().map(length).sum::<usize>() <= MAX_WARNINGS {
        return lines;
    }
    let total = lines.len();
    let mut left = MAX_WARNINGS - "and 1000000 more".len();
    let mut kept: Vec<String> = Vec::new();
    for line in lines {
        let Some(rest) = left.checked_sub(length(&line)) else { break };
        left = rest;
        kept.push(line);
    }
    kept.push(format!("and {} more", total - kept.len()));
    kept
}

fn annotations(verdict: &Verdict) -> Vec<(String, String)> {
    let audited = verdict.rulings.iter().filter(|ruling| ruling.action == Action::Audit).map(|ruling| {
        let exemption = ruling.steps.iter().find(|step| step.by == StepKind::Exemption);
        let suffix = exemption.map(|step| format!(" (exempt by {})", step.detail)).unwrap_or_default();
        format!("{}{suffix}", Line::of_ruling(ruling).full())
    });
    let undecided = verdict
        .undecided
        .iter()
        .filter(|undecided| undecided.action == Action::Audit)
        .map(|undecided| Line::of_undecided(undecided).full());
    let failed = verdict.failures.iter().map(failure_text);
    let would_change = verdict
        .changes
        .iter()
        .filter(|change| change.action == Action::Audit)
        .map(|change| Line::of_change(change).full());
    let changed =
        verdict.changes.iter().filter(|change| change.action == Action::Apply).map(|change| change.rule.clone());
    let exempt = verdict.exempt.map(|exempt| exempt_text(exempt).to_owned());
    let groups: [(&str, Vec<String>); 6] = [
        ("audit", audited.collect()),
        ("undecided", undecided.collect()),
        ("failure", failed.collect()),
        ("would-change", would_change.collect()),
        ("changed", changed.collect()),
        ("exempt", exempt.into_iter().collect()),
    ];
    groups
        .into_iter()
        .filter(|(_, lines)| !lines.is_empty())
        .map(|(key, lines)| {
            (key.to_owned(), cut(&clean(&join_lines(lines.into_iter(), "; ", MAX_ANNOTATION)), MAX_ANNOTATION))
        })
        .collect()
}

const fn exempt_text(exempt: BuiltinExemption) -> &'static str {
    match exempt {
        BuiltinExemption::ControllerAccount => "the garbage collector or the namespace controller asks",
        BuiltinExemption::BeingDeleted => "the object is being deleted",
        BuiltinExemption::FinalizersOnly => "only finalizers or managedFields change",
        BuiltinExemption::MirrorPod => "a mirror pod made by its node",
    }
}

/// As many lines as fit, then how many did not. The first is always there, cut if it must be.
fn join_lines(lines: impl Iterator<Item = String>, separator: &str, limit: usize) -> String {
    let lines: Vec<String> = lines.collect();
    let budget = limit.saturating_sub(separator.len() + "and 1000000 more".len());
    let mut text = String::new();
    for (n, line) in lines.iter().enumerate() {
        if n == 0 {
            text = cut(line, budget);
        } else if text.chars().count() + separator.len() + line.chars().count() <= budget {
            text.push_str(separator);
            text.push_str(line);
        } else {
            text.push_str(separator);
            text.push_str(&format!("and {} more", lines.len() - n));
            break;
        }
    }
    text
}

fn fits(line: &str, limit: usize) -> bool {
    // Bytes are never fewer than characters.
    line.len() <= limit || line.chars().count() <= limit
}

/// At most `limit` characters; what is cut ends with `…`.
fn cut(text: &str, limit: usize) -> String {
    if fits(text, limit) {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(limit.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// One line that shows what it holds: line breaks and blanks become blanks; other control characters, and those that turn the direction
/// of writing or take no room, become `\u{FFFD}`. The API server drops a warning with a line break without a trace.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(|c| is_blank(c) || is_hidden(c)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(
        text.chars()
            .map(|c| {
                if is_blank(c) {
                    ' '
                } else if is_hidden(c) {
                    '\u{FFFD}'
                } else {
                    c
                }
            })
            .collect(),
    )
}

const fn is_blank(c: char) -> bool {
    matches!(c, '\t'..='\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61C}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

/// What Kubernetes asks webhooks to keep a warning to.
const GOOD_WARNING: usize = 120;

/// Beyond it the API server cuts, once the total is exceeded.
const MAX_WARNING: usize = 256;

/// All warnings of all webhooks for one request, characters.
const MAX_WARNINGS: usize = 4096;

/// kubectl prints every line; a wall of text helps nobody.
const MAX_MESSAGE: usize = 16 * 1024;

/// A guest's message is at most 1 KiB, and there is a hint and a rule.
const MAX_CAUSE: usize = 2560;

const MAX_CAUSES: usize = 50;

const MAX_ANNOTATION: usize = 1024;

/// client-go tries ten times, kubectl drain goes on every five seconds after that.
const RETRY_AFTER_SECONDS: u32 = 1;

#[cfg(test)]
mod tests;
