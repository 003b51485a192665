//! `--update`: what rules say now is written into failing cases, reasons stay, and every other byte is what it was.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests fail by panicking")]

use proptest::prelude::*;
use stateward_cases::{Case, CaseResult, Outcome, Runner, Updated, read_text};
use stateward_native::NativeBinder;
use stateward_rules_tests::{block_on, default_policies};

fn update(text: &str, why: Option<&str>) -> Updated {
    let binder = NativeBinder::default();
    let runner = block_on(Runner::new(default_policies(), &binder)).unwrap_or_else(|errors| panic!("{errors:?}"));
    let read = read_text("cases.yaml", text.to_owned());
    assert_eq!(read.errors, []);
    let file = &read.files[0];
    let results: Vec<(&Case, CaseResult)> =
        file.cases.iter().map(|case| (case, block_on(runner.run(file, case)))).collect();
    let pairs: Vec<(&Case, &CaseResult)> = results.iter().map(|(case, result)| (*case, result)).collect();
    let updated = block_on(runner.update(file, &pairs, why));
    if let Some(text) = &updated.text {
        let read = read_text("cases.yaml", text.clone());
        for case in read.files[0].cases.iter().filter(|case| updated.cases.contains(&case.name)) {
            assert_eq!(block_on(runner.run(&read.files[0], case)).outcome, Outcome::Passed, "{}", case.name);
        }
    }
    updated
}

/// What is said, and the text afterwards.
fn shown(text: &str, why: Option<&str>) -> String {
    let updated = update(text, why);
    let left: String = updated.left.iter().map(|(case, reason)| format!("left alone: {case}: {reason}\n")).collect();
    format!("updated: {}\n{left}---\n{}", updated.cases.join(", "), updated.text.unwrap_or_default())
}

const TOP: &str = "\
# How members stop.
rule: ordered-identity/zero-grace
object: &set
  apiVersion: apps/v1
  kind: StatefulSet
  metadata: {name: db, namespace: shop}
  spec: {replicas: 3, serviceName: db, template: {spec: {containers: [{name: db, image: 'db:1'}]}}}
x-zero: &zero {spec: {template: {spec: {terminationGracePeriodSeconds: 0}}}}
cases:
";

#[test]
fn fields_change_and_all_around_them_stays() {
    let cases = "\
- name: at once   # the kubelet's doing
  covers: refused
  patch: *zero
  findings:
    # what happens
  - path: /spec/template/spec/terminationGracePeriod   # misspelt
    why: >-
      two processes
      of one identity
    place: \"terminationGracePeriodSeconds\"
    action: {baseline: Warn, strict: Deny}   # too mild
    message: 'it''s short'

# The next one is fine.
- name: a second
  patch: {spec: {template: {spec: {terminationGracePeriodSeconds: 1}}}}
";
    insta::assert_snapshot!(shown(&format!("{TOP}{cases}"), None));
}

#[test]
fn no_finding_is_added_without_a_reason() {
    let cases = "\
- name: at once
  patch: *zero   # 0
# end
";
    let text = format!("{TOP}{cases}");
    assert_eq!(update(&text, None).text, None);
    insta::assert_snapshot!(format!(
        "{}\n=====\n{}",
        shown(&text, None),
        shown(&text, Some("two processes: one name"))
    ));
}

#[test]
fn findings_go_and_come() {
    let finding =
        |field: &str| format!("  - path: /spec/{field}\n    place: {field}\n    action: Deny\n    why: '{field}'\n");
    let (a, b) = (finding("a"), finding("b"));
    let zero = "  - path: /spec/template/spec/terminationGracePeriodSeconds\n    place: terminationGracePeriodSeconds\n    action: Deny\n    why: kept\n";
    let cases = format!(
        "\
- name: nothing is left
  findings:
{a}{b}  covers: absent
- name: the first goes
  patch: *zero
  findings:
{a}{zero}- name: the last goes
  patch: *zero
  findings:
{zero}{b}- name: the only one becomes another
  patch: *zero
  findings:
{b}- name: in one line
  patch: *zero
  findings: [{{path: /spec/b, place: b, action: Deny, why: x}}]   # flow
- name: none at all
  patch: *zero
  findings: []
"
    );
    insta::assert_snapshot!(shown(&format!("{TOP}{cases}"), Some("added")));
}

#[test]
fn reasons_and_changes_are_lists_of_their_own() {
    let cases = "\
- name: nobody knows the Service
  rule: ordered-identity/not-headless
  undecided: [nobody knows]   # says who
- name: it is known
  rule: ordered-identity/not-headless
  known: [Service]
  undecided:
  - Service cannot be looked up here
- name: governed
  rule: manager-writes/stamp-set
  patch: {metadata: {annotations: {stateward.dev/writes: manager-only}}}
  changes:
  - op: add
    path: /metadata/annotations/stateward.dev~1manager
    value: db-1
- name: by profile
  rule: manager-writes/declare-writes
- name: off in one of them
  rule: operations/no-owner
  findings:
  - {path: /metadata/annotations, place: annotations, action: Audit, why: nobody is named to ask}
";
    insta::assert_snapshot!(shown(&format!("{TOP}{cases}"), None));
}

#[test]
fn what_cannot_be_edited_is_left_alone() {
    let cases = "\
- {name: in braces, patch: *zero}
- name: behind an anchor
  patch: *zero
  findings: &none []
- name: an alias
  patch: *zero
  findings: *none
- &shared
  name: shared
  patch: *zero
  findings:
  - {path: /spec, place: terminationGracePeriodSeconds, action: Deny, why: x}
- <<: *shared
  name: merged
";
    insta::assert_snapshot!(shown(&format!("{TOP}{cases}"), Some("why")));
}

#[test]
fn line_breaks_are_those_of_the_file() {
    let cases = "- name: at once\n  patch: *zero\n- name: again\n  patch: *zero\n  findings: []\n";
    let text = format!("{TOP}{cases}").replace('\n', "\r\n");
    let updated = update(&text, Some("why")).text.unwrap();
    assert_eq!(updated.matches('\n').count(), updated.matches("\r\n").count());
    assert_eq!(updated.matches("why: why\r\n").count(), 2);
}

/// Fields of a finding in any order and style, with comments and blank lines between.
fn written() -> impl Strategy<Value = String> {
    let field = |name: &'static str, values: &'static [&'static str]| {
        (proptest::sample::select(values), proptest::sample::select(&["", "  # note", " # a: b"][..]))
            .prop_map(move |(value, comment)| format!("{name}: {value}{comment}\n"))
    };
    let fields = (
        field("path", &["/spec", "'/spec'", "/spec/template/spec/terminationGracePeriodSeconds"]),
        field("place", &["terminationGracePeriodSeconds", "\"terminationGracePeriodSeconds\""]),
        field(
            "action",
            &[
                "Warn",
                "Deny",
                "{baseline: Audit, strict: Deny}",
                "{baseline: 'Deny', strict: Off}",
                "{baseline: \"Off\", strict: Deny}",
            ],
        ),
        field("message", &["short", "'is: short'", "\"a \\\"b\\\"\"", "|-\n      several\n      lines"]),
        field("why", &["because", "'because # of'", ">-\n      it\n      breaks"]),
    );
    let shuffled = fields.prop_map(|(a, b, c, d, e)| vec![a, b, c, d, e]).prop_shuffle();
    (shuffled, proptest::collection::vec(proptest::sample::select(&["", "    # between\n", "\n"][..]), 5)).prop_map(
        |(fields, between)| {
            let lines = fields.iter().zip(between).enumerate().map(|(at, (field, between))| {
                let first = if at == 0 { "  - " } else { "    " };
                let between = if at == 0 { "" } else { between };
                // A comment behind the head of a block text is fine, behind its lines it is text.
                format!("{between}{first}{field}")
            });
            lines.collect()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// A second update finds nothing to do, the reason stays, and what is not of the case is the same byte by byte.
    #[test]
    fn an_update_is_whole_and_touches_nothing_else(finding in written(), after in "(# [a-z]{0,5}\n|\n){0,3}") {
        let before = format!("{TOP}- name: before\n  covers: absent\n");
        let rest = format!("{after}- name: after\n  covers: absent   # 30\n");
        let text = format!("{before}- name: this\n  patch: *zero\n  findings:\n{finding}{rest}");
        let read = read_text("cases.yaml", text.clone());
        prop_assume!(read.errors.is_empty());
        let why = read.files[0].cases[1].expected.findings[0].why.clone();
        let updated = update(&text, None);
        prop_assert_eq!(&updated.left, &[]);
        let new = updated.text.unwrap_or(text);
        prop_assert!(new.starts_with(&before) && new.ends_with(&rest), "{}", new);
        let again = read_text("cases.yaml", new.clone());
        prop_assert_eq!(&again.files[0].cases[1].expected.findings[0].why, &why);
        prop_assert_eq!(update(&new, None), Updated::default());
    }
}
