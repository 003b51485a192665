//! One small report in every format, byte for byte.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{self, Write};
use std::sync::Arc;

use anstream::StripStream;
use proptest::prelude::*;
use stateward_core::manifest::{Action, Severity};
use stateward_core::promises::{Kept, Reason, State};
use stateward_core::verdict::ExemptedBy;
use stateward_report::check::{
    Change, ChangeKind, CheckReport, Failure, Finding, Malformed, NotJudged, Object, Place, Snippet, Undecided,
};
use stateward_report::html::{self, Page};
use stateward_report::promises::SetPromises;
use stateward_report::wrong::Wrong;
use stateward_report::{json, jsonl, text};

type WriteReport = fn(&CheckReport, &mut dyn Write) -> io::Result<()>;

/// Without colours.
fn written(report: &CheckReport, write: WriteReport) -> String {
    let mut plain = StripStream::new(Vec::new());
    write(report, &mut plain).unwrap();
    String::from_utf8(plain.into_inner()).unwrap()
}

const SET: &str = "kind: StatefulSet\nmetadata:\n  name: db\nspec:\n  replicas: \"3\"\n";

fn object(index: usize, name: Option<&str>) -> Arc<Object> {
    Arc::new(Object {
        index,
        file: format!("{index}.yaml"),
        api_version: "apps/v1".to_owned(),
        kind: "StatefulSet".to_owned(),
        namespace: Some("shop".to_owned()),
        name: name.map(str::to_owned),
        generate_name: name.is_none().then(|| "db-".to_owned()),
    })
}

/// Where `underlined` is in the set.
fn place(underlined: &str, missing: &str) -> Place {
    let start = SET.find(underlined).unwrap();
    let line_start = SET[..start].rfind('\n').map_or(0, |at| at + 1);
    Place {
        line: SET[..line_start].lines().count() + 1,
        column: start - line_start + 1,
        snippet: Some(Snippet { text: SET.to_owned(), first_line: 1, span: start..start + underlined.len() }),
        missing: missing.to_owned(),
    }
}

fn finding(object: &Arc<Object>, action: Action, rule: &str, message: &str) -> Finding {
    Finding {
        object: Arc::clone(object),
        at: place("replicas", ""),
        policy: "p".to_owned(),
        rule: format!("test/{rule}"),
        action,
        severity: Severity::High,
        path: "/spec/replicas".to_owned(),
        place: "replicas".to_owned(),
        message: message.to_owned(),
        hint: Some("write another".to_owned()),
        exemption: None,
    }
}

fn malformed(object: &Arc<Object>) -> Malformed {
    Malformed {
        object: Arc::clone(object),
        at: place("\"3\"", ""),
        path: "/spec/replicas".to_owned(),
        message: "expected an integer, found the text \"3\"".to_owned(),
        hint: Some("write `replicas: 3`, without quotes".to_owned()),
    }
}

/// Each reason is said once to people, and of each rule to programs.
fn promises(object: Arc<Object>) -> SetPromises {
    let reason = |rule: &str, words: &str| Reason { rule: Some(rule.to_owned()), words: words.to_owned() };
    let undecided = vec![
        reason("test/looks-up", "Service cannot be looked up here"),
        reason("test/looks-up-too", "Service cannot be looked up here"),
        reason("test/other", "not in force"),
        Reason { rule: None, words: "policy `q` failed".to_owned() },
    ];
    let kept = vec![
        Kept { promise: "ordered", state: State::Kept },
        Kept { promise: "identified", state: State::Broken(vec!["test/wrong".to_owned(), "test/missing".to_owned()]) },
        Kept { promise: "reachable by name", state: State::Undecided(undecided) },
    ];
    SetPromises { object, kept }
}

/// One of everything, in no order.
fn report() -> CheckReport {
    let (db, unnamed) = (object(0, Some("db")), object(1, None));
    let mut missing = finding(&db, Action::Warn, "missing", "no Service is named");
    missing.at = place("spec", "/serviceName");
    missing.path = "/spec/serviceName".to_owned();
    missing.hint = None;
    let mut exempted = finding(&db, Action::Audit, "wrong", "`3` are too many");
    exempted.at = place("metadata", "");
    exempted.exemption = Some(ExemptedBy {
        namespace: "shop".to_owned(),
        name: "migration".to_owned(),
        reason: "moves\nnext week".to_owned(),
        expires: "2026-12-31T00:00:00Z".parse().unwrap(),
    });
    let undecided = Undecided {
        object: Arc::clone(&db),
        at: place("StatefulSet", ""),
        policy: "p".to_owned(),
        rule: "test/looks-up".to_owned(),
        action: Action::Audit,
        reason: "v1 Service cannot be looked up here".to_owned(),
        needs_user: false,
    };
    let change = |action, operation, path: &str, value: Option<&str>| Change {
        object: Arc::clone(&db),
        at: place("metadata", ""),
        policy: "p".to_owned(),
        rule: "test/stamps".to_owned(),
        action,
        operation,
        path: path.to_owned(),
        value: value.map(str::to_owned),
        note: (operation == ChangeKind::Add).then(|| "only `db-0` may write".to_owned()),
    };
    CheckReport {
        objects: 4,
        judged: 2,
        findings: vec![
            finding(&unnamed, Action::Deny, "control", "never\u{1b}[2J\nhere"),
            finding(&db, Action::Audit, "noted", "only noted"),
            missing,
            exempted,
            finding(&db, Action::Deny, "wrong", "`3` are too many"),
        ],
        undecided: vec![undecided],
        changes: vec![
            change(Action::Apply, ChangeKind::Add, "/metadata/labels/a.b~1c", Some("\"x\"")),
            change(Action::Warn, ChangeKind::Replace, "/spec/replicas", Some("1")),
            change(Action::Apply, ChangeKind::Remove, "/spec/replicas", None),
        ],
        failures: vec![Failure {
            object: Arc::clone(&unnamed),
            policy: "q".to_owned(),
            error: "trapped: no".to_owned(),
        }],
        malformed: vec![malformed(&object(3, Some("quoted")))],
        unreadable: vec![Wrong {
            file: "4.yaml".to_owned(),
            line: Some(7),
            column: Some(3),
            message: "the key `size` is there twice".to_owned(),
            hint: None,
        }],
        refused: Vec::new(),
        not_judged: vec![NotJudged {
            object: object(2, Some("old")),
            because: vec!["there is none for `apps/v1beta1`".to_owned()],
        }],
        promises: vec![promises(db)],
        covered: Vec::new(),
        exemptions: Vec::new(),
        counted: None,
    }
}

#[test]
fn one_of_everything_for_people() {
    let mut report = report();
    report.sort();
    insta::assert_snapshot!(written(&report, text::write));
}

#[test]
fn one_of_everything_as_a_document() {
    let mut report = report();
    report.sort();
    insta::assert_snapshot!(written(&report, json::write));
}

#[test]
fn one_finding_a_line() {
    let mut report = report();
    report.sort();
    let lines = written(&report, jsonl::write);
    assert_eq!(lines.lines().count(), report.findings.len());
    insta::assert_snapshot!(lines);
}

const SET_JSON: &str = r#"{"kind": "StatefulSet", "metadata": {"name": "db"}, "spec": {"replicas": "3"}}"#;

fn page(report: &CheckReport) -> String {
    let json = |index| (index == 0).then_some(SET_JSON);
    let rules = Vec::new();
    let about = "check of <b>.yaml".to_owned();
    let page = Page { report, objects: &json, rules, about, made: None, comparison: None };
    let mut out = Vec::new();
    html::write(&page, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Without the style and the script, which are not what a report says.
#[test]
fn one_of_everything_as_a_page() {
    let mut report = report();
    report.sort();
    let mut page = page(&report);
    for (open, close) in [("<style>", "</style>"), ("<script>", "</script>")] {
        let start = page.find(open).unwrap() + open.len();
        let end = page[start..].find(close).unwrap() + start;
        page.replace_range(start..end, "..");
    }
    // The hashes that the page's policy names are those of what was left out.
    let (start, end) = (page.find("script-src").unwrap(), page.find("; base-uri").unwrap());
    page.replace_range(start..end, "..");
    insta::assert_snapshot!(page);
}

fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("</script><img src=x onerror=alert(1)>".to_owned()),
        Just("<!--<script>".to_owned()),
        Just("\"'`><svg onload=alert(1)>".to_owned()),
        "\\PC{0,4}",
    ];
    proptest::collection::vec(piece, 1..4).prop_map(|pieces| format!("x{}", pieces.concat()))
}

/// Where elements begin and end.
fn tags(page: &str) -> Vec<&str> {
    let tags = page.match_indices('<').map(|(at, _)| page[at..].split_inclusive('>').next().unwrap_or_default());
    tags.collect()
}

proptest! {
    /// A report of hostile texts has exactly the elements that one of harmless texts has.
    #[test]
    fn no_text_becomes_markup(text in hostile()) {
        let with = |text: &str| {
            let mut report = report();
            let object = Object {
                file: text.to_owned(),
                api_version: text.to_owned(),
                kind: text.to_owned(),
                namespace: Some(text.to_owned()),
                name: Some(text.to_owned()),
                ..(*object(0, None)).clone()
            };
            let object = Arc::new(object);
            for finding in &mut report.findings {
                finding.object = Arc::clone(&object);
                finding.rule = text.to_owned();
                finding.path = format!("/{text}");
                finding.message = text.to_owned();
                finding.hint = Some(text.to_owned());
            }
            for wrong in &mut report.unreadable {
                wrong.message = text.to_owned();
                wrong.file = text.to_owned();
            }
            report.undecided.iter_mut().for_each(|undecided| undecided.reason = text.to_owned());
            report.not_judged.iter_mut().for_each(|not_judged| not_judged.because = vec![text.to_owned()]);
            report.sort();
            // All that a text makes: code in a sentence, and a place to break behind a rule's family.
            ["<code>", "</code>", "<wbr>"].iter().fold(page(&report), |page, tag| page.replace(tag, ""))
        };
        let (harmless, hostile) = (with("x"), with(&text));
        let names = |page: &str| tags(page).iter().map(|tag| tag.split([' ', '>']).next().unwrap_or_default().to_owned()).collect::<Vec<_>>();
        prop_assert_eq!(names(&harmless), names(&hostile));
    }
}

#[test]
fn nothing_to_report() {
    let report = CheckReport { objects: 1, judged: 1, ..CheckReport::default() };
    assert_eq!(written(&report, text::write), "1 object, 1 judged: 0 denied, 0 warned, 0 undecided, 0 changed\n");
    assert_eq!(written(&report, jsonl::write), "");
}

#[test]
fn a_field_of_a_wrong_type() {
    let malformed = malformed(&object(0, Some("db")));
    insta::assert_snapshot!(anstream::adapter::strip_str(&text::malformed(&malformed)).to_string());
}

/// Two runs on one input say the same, whoever was done first.
#[test]
fn the_order_does_not_depend_on_who_was_done_first() {
    let (mut report, mut reversed) = (report(), report());
    reversed.findings.reverse();
    reversed.undecided.reverse();
    reversed.failures.reverse();
    report.sort();
    reversed.sort();
    for write in [text::write as WriteReport, json::write, jsonl::write] {
        assert_eq!(written(&report, write), written(&reversed, write));
    }
}

/// What an audit cannot know it does not know of thousands.
#[test]
fn many_objects_whose_rules_lack_the_same_are_counted() {
    let undecided = |index: usize, reason: &str| Undecided {
        object: object(index, Some(&format!("db-{index}"))),
        at: place("StatefulSet", ""),
        policy: "p".to_owned(),
        rule: "test/asks".to_owned(),
        action: Action::Audit,
        reason: reason.to_owned(),
        needs_user: true,
    };
    let mut report = CheckReport { objects: 6, judged: 6, ..CheckReport::default() };
    report.undecided = (0..5).map(|index| undecided(index, "nobody asked")).collect();
    report.undecided.push(undecided(5, "another reason"));
    let lines: Vec<String> = written(&report, text::write).lines().map(str::to_owned).collect();
    let of = |name: &str| lines.iter().find(|line| line.contains(&format!("shop/{name}:"))).map(String::as_str);
    assert!(of("db-0").is_some_and(|line| line.ends_with("nobody asked")), "{lines:#?}");
    assert!(of("db-2").is_some_and(|line| line.ends_with("nobody asked (and of 2 more)")), "{lines:#?}");
    assert_eq!((of("db-3"), of("db-4")), (None, None));
    assert!(of("db-5").is_some_and(|line| line.ends_with("another reason")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("6 undecided")), "{lines:#?}");
}
