//! What `test` found in every format, byte for byte: cases as people write them, and names and texts as nobody should.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod fixture;

use std::io::{self, Write};
use std::time::Duration;

use serde_json::Value;
use stateward_core::manifest::Profile;
use stateward_report::cases::{
    CaseFile, CaseResult, CasesReport, Coverage, DiffLine, Difference, Outcome, github, html, jsonl, markdown, sarif,
    table,
};
use stateward_report::wrong::Wrong;

fn written(write: impl FnOnce(&CasesReport, &mut dyn Write) -> io::Result<()>) -> String {
    let mut out = anstream::StripStream::new(Vec::new());
    write(&report(), &mut out).unwrap();
    String::from_utf8(out.into_inner()).unwrap()
}

#[test]
fn table_of_cases() {
    insta::assert_snapshot!(written(|report, out| table::write(report, out)));
}

#[test]
fn jsonl_of_cases() {
    let text = written(|report, out| jsonl::write(report, out));
    assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok_and(|line| line["file"].is_string())));
    insta::assert_snapshot!(text);
}

#[test]
fn sarif_of_cases() {
    let text = written(|report, out| sarif::write(report, out));
    let schema: Value = serde_json::from_str(&fixture::sarif_schema()).unwrap();
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let log: Value = serde_json::from_str(&text).unwrap();
    let errors: Vec<String> = validator.iter_errors(&log).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
    insta::assert_snapshot!(text);
}

#[test]
fn github_of_cases() {
    insta::assert_snapshot!(written(|report, out| github::write(report, out)));
}

#[test]
fn markdown_of_cases() {
    insta::assert_snapshot!(written(|report, out| markdown::write(report, out)));
}

/// Without its style, which the page of findings has, too.
#[test]
fn page_of_cases() {
    let page = written(|report, out| html::write(report, out));
    let (head, rest) = page.split_once("<style>").unwrap();
    let (_, body) = rest.split_once("</style>").unwrap();
    // The style's hash changes with it.
    let (before, hash) = head.split_once("sha256-").unwrap();
    let (_, after) = hash.split_once('\'').unwrap();
    assert!(!body.contains("<script") && !body.contains("<img"), "{body}");
    insta::assert_snapshot!(format!("{before}sha256-_'{after}{body}"));
}

/// One that passed, one that failed, one that is broken, and a file that cannot be read.
fn report() -> CasesReport {
    let case = |name: &str, line, outcome| CaseResult {
        name: name.to_owned(),
        rule: "ordered-identity/zero-grace".to_owned(),
        line,
        column: 3,
        took: Duration::from_micros(7),
        outcome,
    };
    let line = |sign, text: &str| DiffLine { sign, text: text.to_owned() };
    let difference = Difference {
        profiles: vec![Profile::Baseline, Profile::Strict],
        lines: vec![line(' ', "findings:"), line('-', "  action: Warn"), line('+', "  action: <b>`Deny`</b> | x")],
    };
    let wrong = |file: &str, line, message: &str| Wrong {
        file: file.to_owned(),
        line: Some(line),
        column: Some(9),
        message: message.to_owned(),
        hint: Some("`ordered-identity/zero-grace`".to_owned()),
    };
    CasesReport {
        files: vec![CaseFile {
            file: "cases/ü <b>.yaml".to_owned(),
            cases: vec![
                case("a second is enough", 12, Outcome::Passed),
                case("at <img src=x> once, 100%", 19, Outcome::Failed(vec![difference])),
                case("a rule that there is not", 27, Outcome::Broken(wrong("cases/ü <b>.yaml", 29, "no rule `x`"))),
            ],
        }],
        unreadable: vec![wrong("cases/unreadable.yaml", 4, "unknown field `finding`")],
        coverage: Coverage { rules: 2, with_cases: 1, without: vec!["ordered-identity/short-grace".to_owned()] },
        requires_coverage: false,
    }
}
