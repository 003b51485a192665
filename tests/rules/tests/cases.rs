//! The cases of every family run natively, each rule has those that it needs, and the rules agree with what was judged by hand.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeSet;

use stateward_cases::{Cover, Coverage, RuleCoverage, Runner};
use stateward_core::manifest::RuleKind;
use stateward_core::policy_set::PolicySet;
use stateward_core::verdict::Verdict;
use stateward_native::NativeBinder;
use stateward_rules_tests::by_hand::{self, FamilySaid};
use stateward_rules_tests::corpus::{Corpus, strict};
use stateward_rules_tests::{block_on, case_files, default_policies, root, run_all, skip};

#[test]
fn every_case_says_what_it_expects() {
    let files = case_files();
    let mut complaints: Vec<String> =
        files.errors.iter().chain(&files.skipped).map(|error| format!("{error}\n")).collect();
    let binder = NativeBinder::default();
    let ran = block_on(run_all(&files, &binder)).unwrap();
    complaints.extend(ran.iter().filter_map(|ran| ran.complaint()));
    assert!(complaints.is_empty(), "{} of {} cases:\n\n{}", complaints.len(), ran.len(), complaints.join("\n"));
}

/// What a user sees of a finding is whole: where it is, what is wrong, what to write instead.
#[test]
fn every_finding_says_the_way_out() {
    let files = case_files();
    let binder = NativeBinder::default();
    let mut wrong = BTreeSet::new();
    for ran in block_on(run_all(&files, &binder)).unwrap() {
        for finding in ran.result.runs.iter().flat_map(|run| &run.said.findings) {
            let place = format!("{}:{}: {}", ran.file.data.file, ran.case.position.line, finding.path);
            if finding.hint.is_none() {
                wrong.insert(format!("{place}: says not what to write instead"));
            }
            if finding.place.is_empty() {
                wrong.insert(format!("{place}: has no stable name"));
            }
            if !leads_somewhere(&ran.case.object().unwrap_or_default(), &finding.path) {
                wrong.insert(format!("{place}: leads nowhere in the object"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.into_iter().collect::<Vec<_>>().join("\n"));
}

/// The field is there, or its parent, or the parent of that.
fn leads_somewhere(object: &serde_json::Value, path: &str) -> bool {
    let parent = |path: &str| path.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned();
    object.pointer(&parent(&parent(path))).is_some()
}

#[test]
fn every_rule_has_the_cases_that_it_needs() {
    let files = case_files();
    let binder = NativeBinder::default();
    let runner = block_on(Runner::new(default_policies(), &binder)).unwrap();
    let coverage = Coverage::of(&runner.rules(), &files.files);
    let names = |covers: &[Cover]| covers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut wrong = Vec::new();
    for RuleCoverage { rule, missing, needless, .. } in &coverage.rules {
        if !missing.is_empty() {
            wrong.push(format!("{rule}: no case covers {}", names(missing)));
        }
        if !needless.is_empty() {
            wrong.push(format!("{rule}: it is said that it lacks cases that it has: {}", names(needless)));
        }
    }
    let hint = "write the case, or say in the file why there can be none: `lacks: {absent: why}`";
    assert!(wrong.is_empty(), "{}\nhint: {hint}", wrong.join("\n"));
}

#[test]
fn the_rules_agree_with_what_was_judged_by_hand() {
    let binder = NativeBinder::default();
    let set = || {
        let resources = strict(default_policies());
        let bound = resources.iter().map(|resource| block_on(stateward_cases::Bind::bind(&binder, resource)).unwrap());
        PolicySet::new(bound.collect(), Vec::new()).unwrap_or_else(|errors| panic!("{errors:?}"))
    };
    let Some(corpus) = Corpus::find(&root(), set) else {
        return skip("by hand", "there is no ../shared/corpus");
    };
    let manifest = stateward_native::component().manifest;
    let is_judging = |id: &str| manifest.rules.iter().any(|rule| rule.id == id && rule.kind == RuleKind::Validate);
    let mut complaints = Vec::new();
    let mut unknown = BTreeSet::new();
    let mut objects = 0;
    for entry in std::fs::read_dir(root().join("tests/cases/by-hand")).unwrap() {
        let file = entry.unwrap().path();
        let family = by_hand::read(&file).unwrap_or_else(|error| panic!("{error}"));
        for (line, verdict) in &family.verdicts {
            objects += 1;
            let place = format!("{}.yaml:{line}: {}", family.name, verdict.object);
            let said = match block_on(corpus.judge(&verdict.object)) {
                Ok(said) => family_said(&family.name, &said),
                Err(error) => {
                    complaints.push(format!("{place}: {error}"));
                    continue;
                }
            };
            let id = |rule: &str| format!("{}/{rule}", family.name);
            unknown.extend(verdict.rules().map(id).filter(|id| !is_judging(id)));
            let wrong = verdict.disagreements(&said);
            let wrong = wrong.iter().filter(|(rule, _)| is_judging(&id(rule)));
            complaints.extend(wrong.map(|(rule, what)| format!("{place}: {rule} {what}")));
        }
    }
    assert!(objects >= 100, "only {objects} objects were judged by hand");
    assert!(unknown.is_empty(), "there are no such rules: {}", unknown.into_iter().collect::<Vec<_>>().join(", "));
    let hint = "mend the rule; or say why it is right: `reconsidered: {RULE: why}` beside what was judged";
    assert!(complaints.is_empty(), "{} verdicts:\n{}\nhint: {hint}", complaints.len(), complaints.join("\n"));
}

fn family_said(family: &str, verdict: &Verdict) -> FamilySaid {
    let of_family = |rule: &str| rule.strip_prefix(family)?.strip_prefix('/').map(str::to_owned);
    FamilySaid {
        broken: verdict.rulings.iter().filter_map(|ruling| of_family(&ruling.rule)).collect(),
        undecided: verdict.undecided.iter().filter_map(|undecided| of_family(&undecided.rule)).collect(),
    }
}
