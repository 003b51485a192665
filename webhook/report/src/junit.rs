//! Findings as CI systems read test results: JUnit's XML, a suite for each file, a case for each object.
//!
//! The case of an object is there whether it passes or fails, under one name: readers tell what is new and what is fixed by the names of cases, GitLab by
//! class and name, so the class is the file. It fails with all denials. What is only warned of has passed, with what was said in `system-out`: a failure
//! would turn the pipeline red against our own exit code, and `skipped` would say that nobody looked. Nobody did look where rules could not be decided, of
//! which each object has one case more, or where no rule judges the object: these are `skipped`. What broke or cannot be read is an `error`. Audit findings
//! are left out.

pub(crate) mod parts;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, Write};

use stateward_core::manifest::Action;
use stateward_core::pointer::field_path;

use crate::check::{CheckReport, Finding, Object, is_failure};
use crate::text::in_numbers;
use crate::wrong::Wrong;

use parts::{error, escaped, unreadable};

/// Writes the whole report. `command`: `check` or `audit`.
pub fn write(report: &CheckReport, command: &str, out: &mut dyn Write) -> io::Result<()> {
    let title = format!("stateward {command}");
    let suites = suites(report, &title);
    let all: Vec<&Case<'_>> = suites.iter().flat_map(|suite| &suite.cases).collect();
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(out, r#"<testsuites name="{title}" {}>"#, counts(&all))?;
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

/// Rules by what they lacked.
type Lacking<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

enum Case<'a> {
    /// What rules refuse of one object, or warn of; the worst first.
    Judged(&'a Object, Vec<&'a Finding>),
    /// Rules that lacked a fact of one object, and the object's line.
    Undecided(&'a Object, usize, Lacking<'a>),
    /// An object that no rule judges, and why.
    NotJudged(&'a Object, &'a [String]),
    /// A policy that failed, or an object that cannot be judged: whose, what should have been, what broke.
    Broken(&'a Object, String, Wrong),
    /// A file, or something in it, that cannot be read.
    Unreadable(&'a Wrong),
    /// Readers take a report without cases for one that was cut off.
    Nothing(&'a CheckReport, &'a str),
}

/// In the order of the input; then what could not be read of it.
fn suites<'a>(report: &'a CheckReport, title: &'a str) -> Vec<Suite<'a>> {
    let mut cases = judged(report);
    cases.extend(undecided(report));
    cases.extend(report.not_judged.iter().map(|not_judged| {
        let object = &*not_judged.object;
        (object, Case::NotJudged(object, &not_judged.because))
    }));
    cases.extend(report.malformed.iter().map(|malformed| {
        let wrong = Wrong {
            file: malformed.object.file.clone(),
            line: Some(malformed.at.line),
            column: Some(malformed.at.column),
            message: format!("{}: {}", field_path(&malformed.path), malformed.message),
            hint: malformed.hint.clone(),
        };
        (&*malformed.object, Case::Broken(&malformed.object, "is well-formed".to_owned(), wrong))
    }));
    cases.extend(report.failures.iter().map(|failure| {
        let message = format!("policy `{}` failed: {}", failure.policy, failure.error);
        let wrong = Wrong { file: failure.object.file.clone(), line: None, column: None, message, hint: None };
        (&*failure.object, Case::Broken(&failure.object, format!("is judged by `{}`", failure.policy), wrong))
    }));
    cases.sort_by_key(|(object, _)| object.index);

    let mut suites = Suites::default();
    for (object, case) in cases {
        suites.add(&object.file, case);
    }
    for wrong in report.unreadable.iter().chain(&report.refused) {
        suites.add(&wrong.file, Case::Unreadable(wrong));
    }
    if suites.all.is_empty() {
        suites.add(title, Case::Nothing(report, title));
    }
    suites.all
}

/// Those that passed as well; but an object on which a policy broke has not.
fn judged(report: &CheckReport) -> Vec<(&Object, Case<'_>)> {
    let broken: BTreeSet<usize> = report.failures.iter().map(|failure| failure.object.index).collect();
    let passed = report.judged_objects.iter().filter(|object| !broken.contains(&object.index));
    let mut said: BTreeMap<usize, (&Object, Vec<&Finding>)> =
        passed.map(|object| (object.index, (&**object, Vec::new()))).collect();
    for finding in report.findings.iter().filter(|finding| is_failure(finding.action)) {
        said.entry(finding.object.index).or_insert((&finding.object, Vec::new())).1.push(finding);
    }
    said.into_values().map(|(object, findings)| (object, Case::Judged(object, findings))).collect()
}

fn undecided(report: &CheckReport) -> Vec<(&Object, Case<'_>)> {
    let mut lacking: BTreeMap<usize, (&Object, usize, Lacking<'_>)> = BTreeMap::new();
    for each in &report.undecided {
        let of = lacking.entry(each.object.index).or_insert((&each.object, each.at.line, BTreeMap::new()));
        of.2.entry(&each.reason).or_default().insert(&each.rule);
    }
    lacking.into_values().map(|(object, line, rules)| (object, Case::Undecided(object, line, rules))).collect()
}

/// In the order in which their files come up; an audit has a file for each object.
#[derive(Default)]
struct Suites<'a> {
    all: Vec<Suite<'a>>,
    by_file: HashMap<&'a str, usize>,
}

impl<'a> Suites<'a> {
    fn add(&mut self, file: &'a str, case: Case<'a>) {
        let at = *self.by_file.entry(file).or_insert(self.all.len());
        match self.all.get_mut(at) {
            Some(suite) => suite.cases.push(case),
            None => self.all.push(Suite { file, cases: vec![case] }),
        }
    }
}

impl Case<'_> {
    fn is_failure(&self) -> bool {
        matches!(self, Self::Judged(_, findings) if findings.iter().any(|finding| finding.action == Action::Deny))
    }

    fn is_error(&self) -> bool {
        matches!(self, Self::Broken(..) | Self::Unreadable(_))
    }

    fn is_skipped(&self) -> bool {
        matches!(self, Self::Undecided(..) | Self::NotJudged(..))
            || matches!(self, Self::Nothing(report, _) if report.judged == 0)
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
        Case::Judged(object, findings) => judged_case(object, findings, out),
        Case::Undecided(object, line, rules) => undecided_case(object, *line, rules, out),
        Case::NotJudged(object, because) => {
            begin(object, "is judged", None, out)?;
            writeln!(out, r#"      <skipped message="{}"/>"#, escaped(&because.join("; ")))?;
            writeln!(out, "    </testcase>")
        }
        Case::Broken(object, what, wrong) => {
            begin(object, what, wrong.line, out)?;
            error(wrong, "      ", out)?;
            writeln!(out, "    </testcase>")
        }
        Case::Unreadable(wrong) => unreadable(wrong, out),
        Case::Nothing(report, title) => {
            let name = escaped(&in_numbers(&report.summary()));
            writeln!(out, r#"    <testcase name="{name}" classname="{title}">"#)?;
            if report.judged == 0 {
                writeln!(out, r#"      <skipped message="no object that any rule judges"/>"#)?;
            }
            writeln!(out, "    </testcase>")
        }
    }
}

/// One failure for everything that is refused of an object: of several in a case, readers show the first.
fn judged_case(object: &Object, findings: &[&Finding], out: &mut dyn Write) -> io::Result<()> {
    begin(object, "is admitted", findings.first().map(|first| first.at.line), out)?;
    let (denied, warned): (Vec<&Finding>, Vec<&Finding>) =
        findings.iter().partition(|finding| finding.action == Action::Deny);
    let text = |findings: &[&Finding]| {
        escaped(&findings.iter().map(|finding| described(finding)).collect::<Vec<_>>().join("\n"))
    };
    if let Some(first) = denied.first() {
        let more = if denied.len() == 1 { String::new() } else { format!(" (and {} more)", denied.len() - 1) };
        let message = escaped(&format!("{}: {}{more}", first.rule, first.message));
        writeln!(out, r#"      <failure type="deny" message="{message}">{}</failure>"#, text(&denied))?;
    }
    if !warned.is_empty() {
        writeln!(out, "      <system-out>{}</system-out>", text(&warned))?;
    }
    writeln!(out, "    </testcase>")
}

fn undecided_case(object: &Object, line: usize, lacking: &Lacking<'_>, out: &mut dyn Write) -> io::Result<()> {
    begin(object, "is decided", Some(line), out)?;
    let rules: BTreeSet<&str> = lacking.values().flatten().copied().collect();
    let message = match rules.len() {
        1 => "1 rule is undecided".to_owned(),
        count => format!("{count} rules are undecided"),
    };
    let lines = lacking
        .iter()
        .map(|(reason, rules)| format!("{}: {reason}", rules.iter().copied().collect::<Vec<_>>().join(", ")));
    let text = escaped(&lines.collect::<Vec<_>>().join("\n"));
    writeln!(out, r#"      <skipped message="{message}">{text}</skipped>"#)?;
    writeln!(out, "    </testcase>")
}

/// `what`: what should be true of the object.
fn begin(object: &Object, what: &str, line: Option<usize>, out: &mut dyn Write) -> io::Result<()> {
    let (name, file) = (escaped(&format!("{} {what}", object.title())), escaped(&object.file));
    let line = line.filter(|&line| line > 0).map(|line| format!(r#" line="{line}""#)).unwrap_or_default();
    writeln!(out, r#"    <testcase name="{name}" classname="{file}" file="{file}"{line}>"#)
}

fn described(finding: &Finding) -> String {
    let Finding { object, at, action, rule, path, message, hint, .. } = finding;
    let word = if *action == Action::Deny { "deny" } else { "warn" };
    let hint = hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    format!("{word}[{rule}]: {}:{}:{}: {}: {message}{hint}", object.file, at.line, at.column, field_path(path))
}
