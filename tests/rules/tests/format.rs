//! The format of case files: what it means, and what is said of a file or a case that is wrong.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::fmt::Write;

use stateward_cases::{CaseFiles, Runner, read_text};
use stateward_native::NativeBinder;
use stateward_rules_tests::{Ran, block_on, default_policies};

/// Reads a file of cases about `ordered-identity/zero-grace` on a small set, with more at the top of the file.
fn cases(top: &str, cases: &str) -> CaseFiles {
    text(&format!("rule: ordered-identity/zero-grace\nobject: {SET}\n{top}cases:\n{cases}"))
}

fn text(text: &str) -> CaseFiles {
    read_text("cases.yaml", text.to_owned())
}

/// What is wrong with it, and what its cases say.
fn report(files: &CaseFiles) -> String {
    let binder = NativeBinder::default();
    let runner = block_on(Runner::new(default_policies(), &binder)).unwrap_or_else(|errors| panic!("{errors:?}"));
    let mut report: String = files.errors.iter().fold(String::new(), |mut report, error| {
        let _ = writeln!(report, "{error}");
        report
    });
    for file in &files.files {
        for case in &file.cases {
            let result = block_on(runner.run(file, case));
            let ran = Ran { file, case, result };
            report.push_str(&ran.complaint().unwrap_or_else(|| format!("passed: {}\n", case.name)));
        }
    }
    report
}

const SET: &str = "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db, namespace: shop}, spec: {replicas: 3, serviceName: db, \
                   template: {spec: {containers: [{name: db, image: 'db:1'}]}}}}";

const ZERO: &str = "{spec: {template: {spec: {terminationGracePeriodSeconds: 0}}}}";

#[test]
fn a_difference_is_shown_in_the_words_of_the_file() {
    let files = cases(
        "",
        &format!(
            "
- name: as expected
  patch: {ZERO}
  findings:
  - path: /spec/template/spec/terminationGracePeriodSeconds
    place: terminationGracePeriodSeconds
    action: Deny
    message: with 0 a member's replacement may start while the member still runs
    why: two processes of one identity
- name: nothing is expected
  patch: {ZERO}
- name: another action and message
  patch: {ZERO}
  findings:
  - {{path: /spec/template/spec/terminationGracePeriodSeconds, place: terminationGracePeriodSeconds, action: {{baseline: Warn, strict: Deny}}, message: too short, why: x}}
- name: nothing is said
  profile: strict
  undecided: [a reason]
  findings:
  - {{path: /spec, place: spec, action: Warn, why: x}}
"
        ),
    );
    insta::assert_snapshot!(report(&files));
}

#[test]
fn what_was_wrong_before_is_a_warning_and_the_difference_says_so() {
    let files = cases(
        "",
        &format!(
            "
- name: it was zero before
  operation: UPDATE
  oldPatch: {ZERO}
  patch: {ZERO}
  findings:
  - {{path: /spec/template/spec/terminationGracePeriodSeconds, place: terminationGracePeriodSeconds, action: Deny, why: x}}
"
        ),
    );
    insta::assert_snapshot!(report(&files));
}

/// A rule that is off in a profile says nothing there. YAML reads a plain `Off` as a boolean.
#[test]
fn off_means_no_finding_in_that_profile() {
    let files = cases(
        "",
        "
- &off
  name: plain
  rule: operations/no-owner
  findings:
  - {path: /metadata/annotations, place: annotations, action: {baseline: Off, strict: Audit}, why: nobody is named to ask}
- <<: *off
  name: quoted
  findings:
  - {path: /metadata/annotations, place: annotations, action: {baseline: 'Off', strict: Audit}, why: nobody is named to ask}
",
    );
    assert_eq!(report(&files), "passed: plain\npassed: quoted\n");
}

#[test]
fn what_a_file_may_not_say() {
    insta::assert_snapshot!(
        report(&cases(
            "",
            "
- name: unknown key
  finding: []
"
        )) + &report(&cases(
            "",
            "
- name: ''
- name: twice
- name: twice
- {name: no reason, findings: [{path: /a, place: a, action: Deny, why: ' '}]}
- {name: no pointer, findings: [{path: spec.replicas, place: a, action: Deny, why: x}]}
- {name: no action, findings: [{path: /a, place: a, action: Refuse, why: x}]}
- {name: one profile, findings: [{path: /a, place: a, action: {strict: Deny}, why: x}]}
- {name: no such profile, findings: [{path: /a, place: a, action: {lax: Deny}, why: x}]}
- {name: covers what, covers: everything}
- {name: covers nothing, covers: refused}
- {name: not accepted, covers: accepted, undecided: [x]}
- {name: no operation, changes: [{op: put}]}
- {name: no kind, object: {apiVersion: v1}}
- {name: created from something, operation: CREATE, oldPatch: {}}
- {name: no user, user: [alice]}
- {name: no Binding, subresource: binding}
"
        )) + &report(&text("rule: a/b\ncases:\n- name: no object\n"))
            + &report(&text("cases:\n- name: no rule\n  object: {apiVersion: v1, kind: Pod}\n"))
            + &report(&text("rule: a/b\n"))
            + &report(&text("other: 1\n"))
            + &report(&text("lacks: {absent: x, refused: ''}\ncases: []\n"))
    );
}

#[test]
fn a_case_that_cannot_be_asked_is_broken() {
    let files = cases(
        "",
        "
- {name: no such rule, rule: ordered-identity/zero}
- {name: no such family, rule: nowhere/zero}
- {name: never asked, object: {apiVersion: v1, kind: Service, metadata: {name: db}}}
- {name: no such kind, known: [Services]}
- {name: no name, neighbours: [{apiVersion: v1, kind: Service}]}
- name: no such setting
  settings: {grace: 1}
- name: no such action
  actions: {ordered-identity/zero-grace: Apply}
- {name: no such policy, policy: other}
",
    );
    insta::assert_snapshot!(report(&files));
}

/// A StatefulSet with `subresource: scale` becomes the Scale, and is what can be looked up.
#[test]
fn subresources_are_made_of_the_objects_that_they_are_about() {
    let service = "{apiVersion: v1, kind: Service, metadata: {name: db}, spec: {clusterIP: 10.0.0.7}}";
    let finding = |action: &str| format!("[{{path: /spec/replicas, place: serviceName, action: {action}, why: x}}]");
    let files = cases(
        "",
        &format!(
            "
- name: from the set
  rule: ordered-identity/not-headless
  subresource: scale
  oldPatch: {{spec: {{replicas: 2}}}}
  neighbours: [{service}]
  findings: {warn}
- name: from a Scale
  rule: ordered-identity/not-headless
  subresource: scale
  object: {{apiVersion: autoscaling/v1, kind: Scale, metadata: {{name: db, namespace: shop}}, spec: {{replicas: 5}}}}
  neighbours: [{service}]
  findings: {warn}
- name: the Service is not known
  rule: ordered-identity/not-headless
  subresource: scale
  undecided: [Service cannot be looked up here]
- name: to a single member
  rule: ordered-identity/not-headless
  subresource: scale
  patch: {{spec: {{replicas: 1}}}}
  neighbours: [{service}]
  findings: {audit}
",
            warn = finding("Warn"),
            audit = finding("{baseline: Audit, strict: Warn}")
        ),
    );
    assert_eq!(
        report(&files),
        "passed: from the set\npassed: from a Scale\npassed: the Service is not known\npassed: to a single member\n"
    );
}

#[test]
fn mutating_rules_are_compared_by_their_patch() {
    let files = cases(
        "",
        "
- name: governed
  rule: manager-writes/stamp-set
  patch: {metadata: {annotations: {stateward.dev/writes: manager-only}}}
  changes:
  - {op: add, path: /spec/template/metadata, value: {labels: {stateward.dev/governed: 'true'}}}
  - {op: add, path: /metadata/annotations/stateward.dev~1manager, value: db-0}
- name: another manager
  rule: manager-writes/stamp-set
  profile: baseline
  patch: {metadata: {annotations: {stateward.dev/writes: manager-only}}}
  changes:
  - {op: add, path: /metadata/annotations/stateward.dev~1manager, value: db-1}
- name: off unless switched on
  rule: manager-writes/declare-writes
  profile: baseline
- name: switched on
  rule: manager-writes/declare-writes
  profile: baseline
  actions: {manager-writes/declare-writes: Apply}
  changes:
  - {op: add, path: /metadata/annotations, value: {stateward.dev/writes: manager-only}}
",
    );
    insta::assert_snapshot!(report(&files));
}

/// Settings are merged over the policy's and checked; who asks is known by name, with the groups that the server gives.
#[test]
fn settings_and_users_reach_the_rule() {
    let files = cases(
        "x-class: &class {apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: disks}, provisioner: disks.example.com}\n",
        "
- name: a driver of ours
  rule: remote-volumes/local-class
  patch: &patch {spec: {volumeClaimTemplates: [{metadata: {name: data}, spec: {storageClassName: disks}}]}}
  neighbours: [*class]
- name: a local driver of ours
  rule: remote-volumes/local-class
  patch: *patch
  neighbours: [*class]
  settings: {localDrivers: {add: [disks.example.com]}}
  findings:
  - {path: /spec/volumeClaimTemplates/0/spec/storageClassName, place: 'volumeClaimTemplates[data]', action: {baseline: Warn, strict: Deny}, why: x}
- name: deleted by the garbage collector
  operation: UPDATE
  patch: {spec: {template: {spec: {terminationGracePeriodSeconds: 0}}}}
  user: system:serviceaccount:kube-system:generic-garbage-collector
",
    );
    assert!(files.errors.is_empty(), "{:?}", files.errors);
    assert_eq!(
        report(&files),
        "passed: a driver of ours\npassed: a local driver of ours\npassed: deleted by the garbage collector\n"
    );
}
