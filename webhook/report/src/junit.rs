//! Findings as CI systems read test results: JUnit's XML, a suite for each file, a case for each object and rule.
//!
//! There is no other list of what passed than the summary, so a case is what was *said*: a denial is a failure. A warning is a case that passed, with what
//! was said in `system-out`: a failure would turn the pipeline red against our own exit code, and `skipped` would say that nobody looked. Nobody did look
//! where a rule could not be decided or no rule judges the object: these are `skipped`. What broke or cannot be read is an `error`. Audit findings are left out.

pub(crate) mod parts;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};

use stateward_core::manifest::Action;
use stateward_core::pointer::field_path;

use crate::check::{CheckReport, Finding, Object};
use crate::text::in_numbers;
use crate::wrong::Wrong;

use parts::{error, escaped, property, unreadable};

/// Writes the whole report.
pub fn write(report: &CheckReport, out: &mut dyn Write) -> io::Result<()> {
    let suites = suites(report);
    let all: Vec<&Case<'_>> = suites.iter().flat_map(|suite| &suite.cases).collect();
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(out, r#"<testsuites name="stateward check" {}>"#, counts(&all))?;
    for suite in &suites {
        writeln!(
            out,
            r#"  <testsuite name="{}" {}>"#,
            escaped(suite.file),
            counts(&suite.cases.iter().collect::<Vec<_>>())
        )?;
        for each in &suite.cases {
            case(each, out)?;
        }
        writeln!(out, "  </testsuite>")?;
    }
    writeln!(out, "</testsuites>")
}

struct Suite<'a> {
    file: &'a str,
    cases: Vec<Case<'a>>,
}

enum Case<'a> {
    /// What one rule says of one object; never empty.
    Said(Vec<&'a Finding>),
    /// What nobody could judge: whose, the rule's id or what stands for it, the line, why.
    Skipped(&'a Object, &'a str, Option<usize>, Cow<'a, str>),
    /// A policy that failed, or an object that cannot be judged: whose, the policy or what stands for it, what broke.
    Broken(&'a Object, &'a str, Wrong),
    /// A file, or something in it, that cannot be read.
    Unreadable(&'a Wrong),
    /// Readers take a report without cases for one that was cut off.
    Nothing(&'a CheckReport),
}

/// In the order of the input; then what could not be read of it.
fn suites(report: &CheckReport) -> Vec<Suite<'_>> {
    let mut said: BTreeMap<(usize, &str), Vec<&Finding>> = BTreeMap::new();
    for finding in report.findings.iter().filter(|finding| finding.action >= Action::Warn) {
        said.entry((finding.object.index, &finding.rule)).or_default().push(finding);
    }
    let mut cases: Vec<(&Object, Case<'_>)> = Vec::new();
    for findings in said.into_values() {
        if let Some(first) = findings.first() {
            cases.push((&first.object, Case::Said(findings)));
        }
    }
    cases.extend(report.undecided.iter().map(|undecided| {
        let object = &*undecided.object;
        (object, Case::Skipped(object, &undecided.rule, Some(undecided.at.line), Cow::Borrowed(&undecided.reason)))
    }));
    cases.extend(report.not_judged.iter().map(|not_judged| {
        let object = &*not_judged.object;
        (object, Case::Skipped(object, "judged", None, not_judged.because.join("; ").into()))
    }));
    cases.extend(report.malformed.iter().map(|malformed| {
        let wrong = Wrong {
            file: malformed.object.file.clone(),
            line: Some(malformed.at.line),
            column: Some(malformed.at.column),
            message: format!("{}: {}", field_path(&malformed.path), malformed.message),
            hint: malformed.hint.clone(),
        };
        (&*malformed.object, Case::Broken(&malformed.object, "well-formed", wrong))
    }));
    cases.extend(report.failures.iter().map(|failure| {
        let message = format!("policy `{}` failed: {}", failure.policy, failure.error);
        let wrong = Wrong { file: failure.object.file.clone(), line: None, column: None, message, hint: None };
        (&*failure.object, Case::Broken(&failure.object, &failure.policy, wrong))
    }));
    cases.sort_by_key(|(object, _)| object.index);

    let mut suites = Vec::new();
    for (object, case) in cases {
        add(&mut suites, &object.file, case);
    }
    for wrong in report.unreadable.iter().chain(&report.refused) {
        add(&mut suites, &wrong.file, Case::Unreadable(wrong));
    }
    if suites.is_empty() {
        add(&mut suites, "stateward check", Case::Nothing(report));
    }
    suites
}

fn add<'a>(suites: &mut Vec<Suite<'a>>, file: &'a str, case: Case<'a>) {
    // Objects of one file stand together, and most are in the last.
    match suites.iter_mut().rev().find(|suite| suite.file == file) {
        Some(suite) => suite.cases.push(case),
        None => suites.push(Suite { file, cases: vec![case] }),
    }
}

impl Case<'_> {
    fn is_failure(&self) -> bool {
        matches!(self, Self::Said(findings) if findings.iter().any(|finding| finding.action == Action::Deny))
    }

    fn is_error(&self) -> bool {
        matches!(self, Self::Broken(..) | Self::Unreadable(_))
    }

    fn is_skipped(&self) -> bool {
        matches!(self, Self::Skipped(..)) || matches!(self, Self::Nothing(report) if report.judged == 0)
    }
}

fn counts(cases: &[&Case<'_>]) -> String {
    let count = |is_it: fn(&Case<'_>) -> bool| cases.iter().filter(|case| is_it(case)).count();
    let (tests, failures) = (cases.len(), count(|case| case.is_failure()));
    let (errors, skipped) = (count(|case| case.is_error()), count(|case| case.is_skipped()));
    format!(r#"tests="{tests}" failures="{failures}" errors="{errors}" skipped="{skipped}""#)
}

fn case(case: &Case<'_>, out: &mut dyn Write) -> io::Result<()> {
    match case {
        Case::Said(findings) => findings_of_rule(findings, case.is_failure(), out),
        Case::Skipped(object, rule, line, why) => {
            begin(object, rule, *line, out)?;
            writeln!(out, r#"      <skipped message="{}"/>"#, escaped(why))?;
            writeln!(out, "    </testcase>")
        }
        Case::Broken(object, of, wrong) => {
            begin(object, of, wrong.line, out)?;
            error(wrong, "      ", out)?;
            writeln!(out, "    </testcase>")
        }
        Case::Unreadable(wrong) => unreadable(wrong, out),
        Case::Nothing(report) => {
            let name = escaped(&in_numbers(&report.summary()));
            writeln!(out, r#"    <testcase name="{name}" classname="stateward.check">"#)?;
            if report.judged == 0 {
                writeln!(out, r#"      <skipped message="no object that any rule judges"/>"#)?;
            }
            writeln!(out, "    </testcase>")
        }
    }
}

/// One failure for all that a rule says of an object: of several in a case, readers show the first.
fn findings_of_rule(findings: &[&Finding], is_failure: bool, out: &mut dyn Write) -> io::Result<()> {
    let Some(first) = findings.first() else { return Ok(()) };
    begin(&first.object, &first.rule, Some(first.at.line), out)?;
    writeln!(out, "      <properties>")?;
    property("rule", &first.rule, "        ", out)?;
    property("policy", &first.policy, "        ", out)?;
    writeln!(out, "      </properties>")?;
    let text = escaped(&findings.iter().map(|finding| described(finding)).collect::<Vec<_>>().join("\n"));
    if is_failure {
        let more = if findings.len() == 1 { String::new() } else { format!(" (and {} more)", findings.len() - 1) };
        let message = escaped(&format!("{}{more}", first.message));
        writeln!(out, r#"      <failure type="deny" message="{message}">{text}</failure>"#)?;
    } else {
        writeln!(out, "      <system-out>{text}</system-out>")?;
    }
    writeln!(out, "    </testcase>")
}

/// Readers take a dot for a level.
fn begin(object: &Object, rule: &str, line: Option<usize>, out: &mut dyn Write) -> io::Result<()> {
    let (name, class, file) = (escaped(&object.title()), escaped(&rule.replace('/', ".")), escaped(&object.file));
    let line = line.filter(|&line| line > 0).map(|line| format!(r#" line="{line}""#)).unwrap_or_default();
    writeln!(out, r#"    <testcase name="{name}" classname="{class}" file="{file}"{line}>"#)
}

fn described(finding: &Finding) -> String {
    let Finding { object, at, action, path, message, hint, .. } = finding;
    let word = if *action == Action::Deny { "deny" } else { "warn" };
    let hint = hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    format!("{word}: {}:{}:{}: {}: {message}{hint}", object.file, at.line, at.column, field_path(path))
}
