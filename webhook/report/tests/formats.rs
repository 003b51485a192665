//! One whole report in every format that programs and other tools read, byte for byte.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod fixture;

use std::io::{self, Write};

use anstream::StripStream;
use serde_json::Value;
use stateward_core::manifest::Action;
use stateward_report::check::CheckReport;
use stateward_report::html::Page;
use stateward_report::{exemptions, github, html, junit, markdown, sarif, table};

/// What is written.
fn written(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn sarif(report: &CheckReport) -> String {
    let rules = fixture::rules();
    written(|out| sarif::write(report, &fixture::in_force(&rules), out))
}

#[test]
fn sarif_of_everything() {
    insta::assert_snapshot!(sarif(&fixture::report()));
}

/// By the standard's own schema, with the formats of its strings.
#[test]
fn sarif_is_valid() {
    let schema: Value = serde_json::from_str(&fixture::sarif_schema()).unwrap();
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    for report in [fixture::report(), CheckReport::default()] {
        let log: Value = serde_json::from_str(&sarif(&report)).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&log).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{}", errors.join("\n"));
    }
    // That it can say no.
    assert!(!validator.is_valid(&serde_json::json!({ "version": "2.1.0", "runs": [{}] })));
}

/// What the standard asks beyond its schema, and code scanning beyond the standard.
#[test]
fn sarif_refers_to_what_is_there() {
    let log: Value = serde_json::from_str(&sarif(&fixture::report())).unwrap();
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let mut fingerprints = std::collections::BTreeSet::new();
    for result in run["results"].as_array().unwrap() {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        // Code scanning opens an alert for each result, whatever its kind, suppressed or not.
        assert_eq!(result["kind"], "fail");
        assert_ne!(result["message"]["text"], "class `scratch` keeps volumes on one node");
        let print = result["partialFingerprints"]["primaryLocationLineHash"].as_str().unwrap();
        assert!(fingerprints.insert(print.to_owned()), "{print} is there twice");
    }
    let notes = run["invocations"][0]["toolExecutionNotifications"].as_array().unwrap().iter();
    let notes: Vec<&Value> = notes.filter(|note| note["level"] == "note").collect();
    for note in &notes {
        let index = usize::try_from(note["associatedRule"]["index"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], note["associatedRule"]["id"]);
    }
    let said: Vec<&str> = notes.iter().map(|note| note["message"]["text"].as_str().unwrap()).collect();
    assert_eq!(
        said,
        [
            "`ordered-identity/missing-service` is undecided of 1 object: v1 Service cannot be looked up here",
            "`ordered-identity/not-headless` is undecided of 2 objects: v1 Service cannot be looked up here",
            "1 finding of `remote-volumes/local-class` left out: covered by an exemption",
        ]
    );
}

#[test]
fn exemptions_in_each_state() {
    let report = fixture::report();
    let all = &report.exemptions;
    let mut plain = StripStream::new(Vec::new());
    exemptions::text::write(all, &mut plain).unwrap();
    insta::assert_snapshot!(String::from_utf8(plain.into_inner()).unwrap());
    insta::assert_snapshot!(written(|out| exemptions::json::write(all, out)));
    let rules = fixture::rules();
    let page = Page {
        report: &report,
        objects: &|_| None,
        rules: rules.iter().collect(),
        about: String::new(),
        made: None,
        comparison: None,
    };
    let page = written(|out| html::write(&page, out));
    let section = page.split("<section aria-labelledby=exemptions>").nth(1).unwrap();
    insta::assert_snapshot!(section.split("</section>").next().unwrap());
}

#[test]
fn fingerprints_do_not_depend_on_lines() {
    let prints = |report: &CheckReport| {
        let log: Value = serde_json::from_str(&sarif(report)).unwrap();
        let results = log["runs"][0]["results"].as_array().unwrap().clone();
        results.into_iter().map(|result| result["partialFingerprints"].clone()).collect::<Vec<_>>()
    };
    let report = fixture::report();
    let mut moved = report.clone();
    for finding in &mut moved.findings {
        finding.at.line += 100;
        finding.at.column += 1;
    }
    assert_eq!(prints(&report), prints(&moved));
}

/// Code scanning refuses a file with too many results as a whole: what is worst stays, and it is said how much does not.
#[test]
fn sarif_leaves_out_what_is_too_much() {
    let object = fixture::object(0, "a.yaml", "StatefulSet", None, Some("db"));
    let mut report = CheckReport::default();
    report.findings.resize(sarif::MAX_RESULTS, fixture::finding(&object, Action::Audit, "operations/no-owner", "no"));
    report.findings.push(fixture::finding(&object, Action::Deny, "ordered-identity/zero-grace", "zero"));
    let log: Value = serde_json::from_str(&sarif(&report)).unwrap();
    let run = &log["runs"][0];
    assert_eq!(run["results"].as_array().unwrap().len(), sarif::MAX_RESULTS);
    assert_eq!(run["results"][0]["level"], "error");
    let said = &run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"];
    assert_eq!(said, "1 more results are left out: a run has at most 25000");
}

#[test]
fn junit_of_everything() {
    insta::assert_snapshot!(written(|out| junit::write(&fixture::report(), "check", out)));
}

/// Readers take a report without cases for one that was cut off.
#[test]
fn junit_of_nothing() {
    let clean = CheckReport { objects: 2, judged: 2, ..CheckReport::default() };
    let reports = [clean, CheckReport::default()].map(|report| written(|out| junit::write(&report, "audit", out)));
    insta::assert_snapshot!(reports.join("\n"));
}

/// GitLab compares two runs by class and name: what is fixed passes under the name under which it failed, and one object in two overlays is two cases.
#[test]
fn junit_names_an_object_alike_whether_it_passes_or_fails() {
    let [prod, test] = [(0, "prod/db.yaml"), (1, "test/db.yaml")]
        .map(|(at, file)| fixture::object(at, file, "StatefulSet", Some("shop"), Some("db")));
    let denied =
        [&prod, &test].map(|object| fixture::finding(object, Action::Deny, "ordered-identity/zero-grace", "zero"));
    let failing = CheckReport { findings: denied.to_vec(), ..CheckReport::default() };
    let passing = CheckReport { judged: 2, judged_objects: vec![prod, test], ..CheckReport::default() };
    let keys = |report: &CheckReport| {
        let text = written(|out| junit::write(report, "check", out));
        let of = |line: &str| Some(line.trim().strip_prefix("<testcase ")?.split(" file=").next()?.to_owned());
        text.lines().filter_map(of).collect::<Vec<_>>()
    };
    assert_eq!(keys(&passing), keys(&failing));
    assert_eq!(keys(&passing)[0], "name=\"StatefulSet shop/db is admitted\" classname=\"prod/db.yaml\"");
    assert_eq!(keys(&passing).iter().collect::<std::collections::BTreeSet<_>>().len(), 2);
    assert_eq!(
        written(|out| junit::write(&passing, "audit", out))
            .matches("failures=\"0\" errors=\"0\" skipped=\"0\"")
            .count(),
        3
    );
}

#[test]
fn github_of_everything() {
    insta::assert_snapshot!(written(|out| github::write(&fixture::report(), out)));
}

#[test]
fn markdown_of_everything() {
    insta::assert_snapshot!(written(|out| markdown::write(&fixture::report(), out)));
    let clean = CheckReport { objects: 2, judged: 2, ..CheckReport::default() };
    insta::assert_snapshot!(written(|out| markdown::write(&clean, out)));
}

#[test]
fn table_of_everything() {
    let mut plain = StripStream::new(Vec::new());
    table::write(&fixture::report(), &mut plain).unwrap();
    insta::assert_snapshot!(String::from_utf8(plain.into_inner()).unwrap());
}

/// What is asked for is left out; the summary counts it all the same.
#[test]
fn only_failures_of_everything() {
    let whole = fixture::report();
    let report = whole.clone().only_failures();
    assert_eq!(report.summary(), whole.summary());
    assert_eq!(report.clone().only_failures().summary(), whole.summary());
    insta::assert_snapshot!(written(|out| github::write(&report, out)));
}
