use proptest::prelude::*;
use stateward_core::manifest::{Profile, Rule, Severity};

use super::*;

fn rule(kind: RuleKind) -> Rule {
    Rule {
        id: "team/rule".to_owned(),
        kind,
        title: String::new(),
        description: String::new(),
        category: String::new(),
        severity: Severity::Low,
        since: "0.1.0".to_owned(),
        baseline: Action::Warn,
        strict: Action::Deny,
        when_undecided: Action::Audit,
        fixed: false,
        compares: false,
        needs_user: false,
        subjects: Vec::new(),
        reads: Vec::new(),
    }
}

/// Rules 0 and 1 judge, rule 2 changes.
fn manifest() -> Manifest {
    Manifest {
        name: "team".to_owned(),
        version: "0.1.0".to_owned(),
        description: String::new(),
        url: None,
        rules: vec![rule(RuleKind::Validate), rule(RuleKind::Validate), rule(RuleKind::Mutate)],
        settings_schema: "{}".to_owned(),
    }
}

fn unit(rules: &[RuleIndex]) -> Unit<'_> {
    Unit { rules, profile: Profile::Baseline, settings: "{}" }
}

fn raw(rule: RuleIndex, path: &str, place: &str, at_most: Option<wit::Action>) -> wit::Finding {
    wit::Finding {
        rule,
        path: path.to_owned(),
        place: place.to_owned(),
        message: format!("{place} is wrong"),
        hint: None,
        at_most,
        remedy: None,
    }
}

fn judge(rules: &[RuleIndex], findings: Vec<wit::Finding>) -> Result<Judgement, EvaluateError> {
    let judgement = wit::Judgement { findings, undecided: Vec::new() };
    judgements(&manifest(), &[unit(rules)], vec![judgement]).map(|mut all| all.remove(0))
}

#[test]
fn refuses_rules_that_were_not_asked_for() {
    for (rules, rule) in [(&[0][..], 1), (&[0, 1], 7), (&[0, 2], 2)] {
        let error = judge(rules, vec![raw(rule, "", "", None)]).unwrap_err();
        assert_eq!(error.cause(), "bad_answer", "{error}");
    }
}

#[test]
fn refuses_a_wrong_count() {
    let error = judgements(&manifest(), &[unit(&[0])], Vec::new()).unwrap_err();
    assert_eq!(error.to_string(), "gave a bad answer: 0 judgements for 1 policies");
}

#[test]
fn a_path_that_is_no_pointer_becomes_the_whole_object() {
    for (path, kept) in [
        ("spec.replicas", ""),
        ("/spec/a~2b", ""),
        ("/spec/~", ""),
        ("/a\u{1b}", ""),
        ("/a~1b/~0", "/a~1b/~0"),
        ("/", "/"),
    ] {
        let judgement = judge(&[0], vec![raw(0, path, "", None)]).unwrap();
        assert_eq!(judgement.findings[0].path, kept, "{path}");
    }
}

#[test]
fn of_two_findings_in_one_place_the_heavier_stays() {
    let lower = Some(wit::Action::Audit);
    for findings in
        [vec![raw(0, "", "a", lower), raw(0, "", "a", None)], vec![raw(0, "", "a", None), raw(0, "", "a", lower)]]
    {
        let judgement = judge(&[0], findings).unwrap();
        assert_eq!(judgement.findings.len(), 1);
        assert_eq!(judgement.findings[0].at_most, None);
    }
}

#[test]
fn at_most_apply_lowers_nothing() {
    let judgement = judge(&[0], vec![raw(0, "", "a", Some(wit::Action::Apply))]).unwrap();
    assert_eq!(judgement.findings[0].at_most, None);
}

#[test]
fn changes_are_for_changing_rules() {
    let mutation =
        |rule| wit::Mutation { rule, change: wit::Change::MergePatch("{}".to_owned()), note: Some("a\nb".to_owned()) };
    let outcome_of = |rule| {
        outcome(&manifest(), &unit(&[0, 2]), wit::Outcome { mutations: vec![mutation(rule)], undecided: Vec::new() })
    };
    assert_eq!(outcome_of(2).unwrap().mutations[0].note.as_deref(), Some("a b"));
    assert_eq!(outcome_of(0).unwrap_err().cause(), "bad_answer");
}

proptest! {
    /// Whatever a guest says about the rules it was asked for, each rule it names keeps a finding, and the heaviest one.
    #[test]
    fn bounded_and_never_weaker(findings in prop::collection::vec((0_u32..2, 0_u8..150, 0_u8..4), 0..400)) {
        let action = |level| match level { 0 => None, 1 => Some(wit::Action::Deny), 2 => Some(wit::Action::Warn), _ => Some(wit::Action::Off) };
        let answer = findings.iter().map(|(rule, place, level)| raw(*rule, "", &place.to_string(), action(*level))).collect();
        let judgement = judge(&[0, 1], answer).unwrap();
        for rule in 0..2 {
            let kept: Vec<_> = judgement.findings.iter().filter(|finding| finding.rule == rule).collect();
            prop_assert!(kept.len() <= MAX_FINDINGS_PER_RULE);
            let heaviest = findings.iter().filter(|finding| finding.0 == rule).map(|finding| action(finding.2).map_or(Action::Apply, convert::action)).max();
            prop_assert_eq!(kept.iter().map(|finding| weight(finding)).max(), heaviest);
        }
    }
}
