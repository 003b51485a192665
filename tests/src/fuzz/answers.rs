//! Bytes as what a guest answers.

use serde_json::Value;
use stateward_core::admit::{Route, mutate, validate};
use stateward_core::evaluate::{
    Change, EvaluateError, Finding, Judgement, Mutation, RuleIndex, Undecided, UndecidedReason,
};
use stateward_core::manifest::{Action, RuleKind};
use stateward_core::policy_set::PolicySet;
use stateward_core::request::{GroupVersionKind, GroupVersionResource, Operation, Request};
use stateward_core::verdict::Verdict;
use stateward_server::review::Phase;

use super::rules::{DENIES, Saying, block_on, facts, finding, manifest, policies, policy};
use super::said;

/// Whatever a guest answers, our own answer stays within its limits, no denial is lost on the way, and no change goes where none may.
pub fn answers(data: &[u8]) {
    let script = Script::read(&String::from_utf8_lossy(data));
    let request = script.request();
    let (one, both) = (policy(&script.saying), policies(&script.saying));
    judge(&both, &request);
    let verdict = judge(&one, &request);
    let again = block_on(validate(&one, &request, Route::All, &facts()));
    assert_eq!((&again.response, &again.rulings), (&verdict.response, &verdict.rulings), "the same is said each time");
    keeps_denials(&script, &request, &verdict);
    change(&one, &both, &request);
}

fn judge(set: &PolicySet, request: &Request<'_>) -> Verdict {
    let verdict = block_on(validate(set, request, Route::All, &facts()));
    assert!(verdict.patch.is_none() && verdict.object.is_none(), "a validating verdict changes nothing");
    let manifest = manifest();
    for ruling in &verdict.rulings {
        let described = manifest.rules.iter().find(|rule| rule.id == ruling.rule).expect("a rule of the manifest");
        assert_eq!(described.kind, RuleKind::Validate, "{ruling:?}");
        assert!(ruling.action <= described.baseline, "no answer raises an action: {ruling:?}");
    }
    said::keeps_to_the_limits(&verdict, request, Phase::Validating);
    verdict
}

/// A finding of the denying rule refuses a new object, whatever else is said: through a good answer by its ruling, through a bad one as a
/// failure of the policy.
fn keeps_denials(script: &Script, request: &Request<'_>, verdict: &Verdict) {
    let denies = |judgement: &Judgement| {
        judgement
            .findings
            .iter()
            .any(|finding| finding.rule == 0 && finding.at_most.is_none_or(|most| most >= Action::Deny))
    };
    let is_denied = script.saying.judgements.iter().flatten().take(1).any(denies);
    let is_failure = script.saying.error.is_some();
    if request.operation == Operation::Create && (is_denied || is_failure) {
        assert!(!verdict.allowed, "{verdict:#?}");
        assert!(!verdict.failures.is_empty() || verdict.rulings.iter().any(|ruling| ruling.rule == DENIES));
    }
}

/// All changes or none; one patch that leads to the changed object; what names the object stays.
fn change(one: &PolicySet, both: &PolicySet, request: &Request<'_>) {
    let verdict = block_on(mutate(one, request, &facts()));
    assert!(verdict.allowed, "mutation fails open");
    said::keeps_to_the_limits(&verdict, request, Phase::Mutating);
    assert_eq!(verdict.patch.is_some(), verdict.object.is_some());
    if let (Some(patch), Some(text)) = (&verdict.patch, &verdict.object) {
        let mut object: Value =
            serde_json::from_str(request.object.as_deref().unwrap_or_default()).expect("what was changed is JSON");
        let before = object.clone();
        json_patch::patch(&mut object, patch).expect("our own patch applies");
        assert_eq!(object, serde_json::from_str::<Value>(text).expect("a changed object is JSON"));
        assert!(object.is_object(), "{object}");
        for name in ["/apiVersion", "/kind", "/metadata/name", "/metadata/namespace", "/metadata/uid"] {
            assert_eq!(object.pointer(name), before.pointer(name), "`{name}` was changed");
        }
    }
    // Where a policy only warns, nothing is changed by it.
    let both = block_on(mutate(both, request, &facts()));
    said::keeps_to_the_limits(&both, request, Phase::Mutating);
    assert_eq!(both.object, verdict.object);
}

/// An answer and the request that it is about, one item a line. Anything may be left out, and what is not understood is skipped, so that most
/// mutations of a script still mean something:
///
/// ```text
/// object JSON                     the new object, otherwise a small one
/// old JSON                        the stored object: an UPDATE
/// finding RULE|PATH|PLACE|AT-MOST|MESSAGE|HINT
/// many COUNT                      the last finding so many times, at other places
/// undecided RULE|KIND|REASON
/// unit                            the next unit's judgement
/// change RULE|FORM|NOTE|TEXT
/// fails REASON
/// ```
struct Script {
    saying: Saying,
    object: Option<String>,
    old_object: Option<String>,
}

impl Script {
    fn read(text: &str) -> Self {
        let mut script = Self { saying: Saying::default(), object: None, old_object: None };
        let mut judgements = vec![Judgement::default()];
        for line in text.split('\n').take(MAX_LINES) {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let unit = judgements.last_mut();
            match (word, unit) {
                ("object", _) => script.object = Some(rest.to_owned()),
                ("old", _) => script.old_object = Some(rest.to_owned()),
                ("finding", Some(unit)) => unit.findings.push(read_finding(rest)),
                ("many", Some(unit)) => unit.findings.extend(many(unit.findings.last(), rest)),
                ("undecided", Some(unit)) => unit.undecided.push(read_undecided(rest)),
                ("unit", _) => judgements.push(Judgement::default()),
                ("change", _) => script.saying.outcome.mutations.push(read_change(rest)),
                ("fails", _) => script.saying.error = Some(EvaluateError::GaveUp { message: unescape(rest) }),
                _ => {}
            }
        }
        script.saying.judgements = Some(judgements);
        script
    }

    fn request(&self) -> Request<'_> {
        Request {
            uid: "fuzz".into(),
            operation: if self.old_object.is_some() { Operation::Update } else { Operation::Create },
            kind: GroupVersionKind { group: "apps".into(), version: "v1".into(), kind: "StatefulSet".into() },
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
            object: Some(self.object.as_deref().unwrap_or(OBJECT).into()),
            old_object: self.old_object.as_deref().map(Into::into),
            options: None,
        }
    }
}

fn read_finding(text: &str) -> Finding {
    let mut fields = text.split('|');
    let mut next = || unescape(fields.next().unwrap_or_default());
    let rule = read_rule(&next());
    let (path, place) = (next(), next());
    let at_most = match next().as_str() {
        "off" => Some(Action::Off),
        "audit" => Some(Action::Audit),
        "warn" => Some(Action::Warn),
        "deny" => Some(Action::Deny),
        _ => None,
    };
    let (message, hint) = (next(), Some(next()).filter(|hint| !hint.is_empty()));
    Finding { path, place, message, hint, at_most, ..finding(rule) }
}

fn many(last: Option<&Finding>, count: &str) -> Vec<Finding> {
    let Some(last) = last else { return Vec::new() };
    let count = count.trim().parse::<usize>().unwrap_or_default().min(MAX_COPIES);
    (0..count).map(|n| Finding { place: format!("{}[{n}]", last.place), ..last.clone() }).collect()
}

fn read_undecided(text: &str) -> Undecided {
    let mut fields = text.splitn(3, '|');
    let rule = read_rule(fields.next().unwrap_or_default());
    let kind = fields.next().unwrap_or_default();
    let words = unescape(fields.next().unwrap_or_default());
    let reason = match kind {
        "user" => UndecidedReason::NeedsUser,
        "kind" => UndecidedReason::Unavailable(GroupVersionKind {
            group: "".into(),
            version: "v1".into(),
            kind: words.into(),
        }),
        _ => UndecidedReason::Other(words),
    };
    Undecided { rule, reason }
}

fn read_change(text: &str) -> Mutation {
    let mut fields = text.splitn(4, '|');
    let rule = read_rule(fields.next().unwrap_or_default());
    let form = fields.next().unwrap_or_default();
    let note = Some(unescape(fields.next().unwrap_or_default())).filter(|note| !note.is_empty());
    let text = fields.next().unwrap_or_default().to_owned();
    let change = match form {
        "json" => Change::JsonPatch(text),
        "object" => Change::Object(text),
        _ => Change::MergePatch(text),
    };
    Mutation { rule, change, note }
}

/// What is no number is the first rule: most of what is said should be about one that was asked.
fn read_rule(text: &str) -> RuleIndex {
    text.trim().parse().unwrap_or_default()
}

/// `\n` for a line break, since a line ends an item.
fn unescape(text: &str) -> String {
    text.replace("\\n", "\n").replace("\\r", "\r")
}

const OBJECT: &str = r#"{"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"db","namespace":"prod"},"spec":{"replicas":3}}"#;

/// A script is small; a mutated one need not be.
const MAX_LINES: usize = 200;

/// More than there are causes, and than warnings have room for.
const MAX_COPIES: usize = 60;
