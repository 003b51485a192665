use proptest::prelude::*;

use super::*;
use crate::manifest::Severity;
use crate::testing;

fn ruling(action: Action, path: &str, message: &str, hint: Option<&str>) -> Ruling {
    Ruling {
        policy: "p".to_owned(),
        rule: "family/rule".to_owned(),
        severity: Severity::High,
        action,
        steps: vec![],
        path: path.to_owned(),
        place: path.to_owned(),
        message: message.to_owned(),
        hint: hint.map(str::to_owned),
        remedy: None,
        exemption: None,
    }
}

fn responded(rulings: Vec<Ruling>, operation: Operation) -> Response {
    let allowed = rulings.iter().all(|ruling| ruling.action != Action::Deny);
    let mut verdict = Verdict { allowed, rulings, ..Verdict::default() };
    respond(&mut verdict, &testing::request(operation, "{}"));
    verdict.response
}

#[test]
fn the_code_says_what_kind_of_no_it_is() {
    let code = |paths: &[&str], operation| {
        responded(paths.iter().map(|path| ruling(Action::Deny, path, "m", None)).collect(), operation)
            .status
            .unwrap()
            .code
    };
    assert_eq!(code(&["/spec/a"], Operation::Create), 422);
    assert_eq!(code(&["/spec/a", "/spec/b"], Operation::Update), 422);
    assert_eq!(code(&["/spec/a", ""], Operation::Create), 403);
    assert_eq!(code(&["/spec/a"], Operation::Delete), 403);
}

#[test]
fn causes_carry_rule_and_hint_because_kubectl_prints_nothing_else() {
    let status = responded(
        vec![ruling(Action::Deny, "/metadata/annotations/stateward.dev~1writes", "is `x`", Some("write `any`"))],
        Operation::Create,
    )
    .status
    .unwrap();
    assert_eq!(status.message, "[family/rule] metadata.annotations[stateward.dev/writes]: is `x`; write `any`");
    assert_eq!(
        status.causes,
        [Cause {
            reason: "FieldValueInvalid".to_owned(),
            message: "[family/rule] is `x`; write `any`".to_owned(),
            field: "metadata.annotations[stateward.dev/writes]".to_owned()
        }]
    );
}

#[test]
fn the_same_denial_of_two_policies_is_said_once() {
    let twice = vec![
        ruling(Action::Deny, "/spec/a", "m", None),
        Ruling { policy: "q".to_owned(), ..ruling(Action::Deny, "/spec/a", "m", None) },
    ];
    assert_eq!(responded(twice, Operation::Create).status.unwrap().causes.len(), 1);
}

#[test]
fn a_long_warning_loses_its_path_before_its_hint() {
    let warning = |message: usize, hint: usize| {
        let (message, hint) = ("m".repeat(message), "h".repeat(hint));
        let path = "/spec/template/spec/terminationGracePeriodSeconds";
        responded(vec![ruling(Action::Warn, path, &message, Some(&hint))], Operation::Create).warnings.remove(0)
    };
    assert!(warning(20, 20).starts_with("[family/rule] spec.template.spec.terminationGracePeriodSeconds: m"));
    assert!(warning(40, 30).starts_with("[family/rule] terminationGracePeriodSeconds: m"));
    assert!(warning(80, 80).starts_with("[family/rule] spec.template.spec.terminationGracePeriodSeconds: m"));
    assert!(warning(100, 140).ends_with('m'), "the hint goes when nothing else helps");
    assert!(warning(600, 600).ends_with('…'));
}

#[test]
fn says_kinds_in_the_plural() {
    for (kind, many) in [
        ("StatefulSet", "StatefulSets"),
        ("StorageClass", "StorageClasses"),
        ("NetworkPolicy", "NetworkPolicies"),
        ("Gateway", "Gateways"),
    ] {
        assert_eq!(plural(kind), many);
    }
}

#[test]
fn shows_what_would_hide() {
    assert_eq!(clean("a\nb\tc"), "a b c");
    assert_eq!(clean("a\u{202E}b\u{0}c\u{1b}[31m"), "a\u{FFFD}b\u{FFFD}c\u{FFFD}[31m");
    assert!(matches!(clean("plain ünïcode 漢字"), Cow::Borrowed(_)));
}

proptest! {
    #[test]
    fn never_exceeds_the_servers_limits(
        texts in proptest::collection::vec(("\\PC{0,300}", proptest::option::of("\\PC{0,200}"), "(/[a-zA-Z0-9~/.]{0,40}){0,4}", 0..4usize), 0..80)
    ) {
        let rulings: Vec<Ruling> = texts
            .iter()
            .map(|(message, hint, path, action)| {
                let action = [Action::Audit, Action::Warn, Action::Warn, Action::Deny][*action];
                ruling(action, path, &clean(message), hint.as_deref().map(clean).as_deref())
            })
            .collect();
        let warned = rulings.iter().filter(|ruling| ruling.action == Action::Warn).count();
        let response = responded(rulings, Operation::Create);
        for warning in &response.warnings {
            prop_assert!(warning.chars().count() <= MAX_WARNING);
            prop_assert!(!warning.contains(|c: char| c.is_control()) && !warning.is_empty());
        }
        prop_assert!(response.warnings.iter().map(|warning| warning.chars().count()).sum::<usize>() <= MAX_WARNINGS);
        prop_assert_eq!(warned > 0, !response.warnings.is_empty());
        if let Some(status) = &response.status {
            prop_assert!(status.message.chars().count() <= MAX_MESSAGE && !status.message.is_empty());
            prop_assert!(status.causes.len() <= MAX_CAUSES + 1);
        }
        for (key, value) in &response.audit_annotations {
            prop_assert!(crate::labels::qualified_name_problem(key).is_none());
            prop_assert!(value.chars().count() <= MAX_ANNOTATION && !value.contains('\n'));
        }
    }
}
