//! `check` agrees with a second, independent computation of every rule that files can break: on the corpus and its neighbours, on each of them changed so that
//! each rule fires and just does not, and on random changes; under both profiles, with the cluster's classes and volumes known and unknown.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]
#![expect(clippy::needless_pass_by_value, reason = "patches are written where they are used, with `json!`")]

mod case;
mod changes;
mod compare;
mod objects;
mod random;
mod ways;

use std::collections::BTreeSet;

use case::Case;
use changes::Change;
use random::Random;
use stateward_tests::oracle::{self, NOT_JUDGED, RULES, World};
use stateward_tests::{corpus, root, skip};

/// Every real object, some of the changes on each, so that each change meets many, and random ones.
#[test]
fn check_agrees_with_the_oracle_on_the_corpus() {
    let Some(folder) = corpus::folder() else {
        return skip("agreement", "there is no ../shared/corpus; only the objects written here were compared");
    };
    let mut cases = Vec::new();
    for real in corpus::sets(&folder) {
        let mut beside: Vec<_> = corpus::neighbours(&folder, &real.group).into_iter().map(|each| each.object).collect();
        // What has no namespace would be everybody's neighbour.
        beside.retain(|object| object["kind"] != "StorageClass");
        cases.push(Case::new(real.file, real.set, beside));
    }
    let real = cases.len();
    assert!(real > 300, "the corpus has only {real} sets");
    let changes: Vec<Change> = changes::all().into_iter().filter(|change| change.kind() == "StatefulSet").collect();
    let mut random = Random::new(7);
    let mut next = changes.iter().cycle();
    for number in 0..real {
        for change in next.by_ref().take(2) {
            cases.push(change.applied_to(&cases[number]));
        }
        for _ in 0..2 {
            cases.push(random::changed(&cases[number], &mut random));
        }
    }
    compare::compare(&mut cases);
}

/// Each change on an object that is otherwise sound, alone and with others. Without the corpus this is what remains, so it stands alone.
#[test]
fn check_agrees_with_the_oracle_on_objects_made_up() {
    let mut random = Random::new(11);
    let mut cases = Vec::new();
    for change in changes::all() {
        let case = change.case();
        cases.extend((0..2).map(|_| random::changed(&case, &mut random)));
        cases.push(case);
    }
    compare::compare(&mut cases);
}

/// An oracle that never fires would agree with anything.
#[test]
fn each_rule_has_a_change_that_breaks_it_and_one_that_just_does_not() {
    let mut lacking = BTreeSet::new();
    for (rule, _) in RULES {
        for fires in [true, false] {
            if !changes::all().iter().any(|change| change.rule == *rule && change.fires == fires) {
                lacking.insert(format!("{rule} {}", if fires { "fires" } else { "does not fire" }));
            }
        }
    }
    assert!(lacking.is_empty(), "no change where {lacking:#?}");
    let cluster = objects::cluster();
    for change in changes::all() {
        let case = change.case();
        let said = [false, true].map(|is_strict| {
            let admitted: Vec<_> = case.objects.iter().map(|each| oracle::after_mutation(each, is_strict)).collect();
            oracle::judge(&case.objects[0], World { namespace: &admitted, cluster: &cluster }, is_strict)
        });
        let says = |line: &String| {
            let (rule, what) = line.split_once(' ').unwrap();
            rule == change.rule && (what != "undecided" || UNDECIDED.contains(&rule))
        };
        let fires = said.iter().flat_map(|said| said.keys()).any(says);
        assert_eq!(fires, change.fires, "{}: {}\n{said:#?}", change.rule, change.patch);
    }
}

/// A rule that nobody computes twice would be believed.
#[test]
fn every_rule_is_computed_or_is_said_why_not() {
    let computed: BTreeSet<&str> = RULES.iter().map(|(rule, _)| *rule).collect();
    let excused: BTreeSet<&str> = NOT_JUDGED.iter().map(|(rule, _)| *rule).collect();
    assert!(computed.is_disjoint(&excused));
    let manifest = stateward_stateful::describe();
    let rules: BTreeSet<&str> = manifest.rules.iter().map(|rule| rule.id.as_str()).collect();
    let nowhere: Vec<_> = rules.iter().filter(|rule| !computed.contains(*rule) && !excused.contains(*rule)).collect();
    assert!(nowhere.is_empty(), "neither computed nor excused: {nowhere:?}");
    for rule in computed.union(&excused).filter(|rule| !rules.contains(*rule)) {
        println!("not yet there: {rule}");
    }
}

/// What would be broken by anybody but some users ends undecided in a file.
const UNDECIDED: &[&str] = &["workload-kind/foreign-claim"];

/// Real objects, 1,000 that were changed at random, and what a real API server sent us.
#[test]
fn server_check_and_audit_agree() {
    let mut cases: Vec<Case> = changes::all().iter().map(Change::case).collect();
    if let Some(folder) = corpus::folder() {
        for real in corpus::sets(&folder) {
            let beside = corpus::neighbours(&folder, &real.group).into_iter().map(|each| each.object);
            cases.push(Case::new(real.file, real.set, beside.filter(|object| object["kind"] != "StorageClass")));
        }
    }
    let mut random = Random::new(23);
    let changed = (0..1_000).map(|number| random::changed(&cases[number % cases.len()], &mut random));
    let changed: Vec<Case> = changed.collect();
    cases.extend(changed);
    cases.extend(sent());
    ways::agree(&mut cases);
}

/// The objects that were made, of the reviews that a real API server sent.
fn sent() -> Vec<Case> {
    let files = std::fs::read_dir(root().join("tests/cases/reviews")).unwrap().map(|file| file.unwrap().path());
    let reviews = files.map(|file| serde_json::from_slice::<serde_json::Value>(&std::fs::read(file).unwrap()).unwrap());
    let created = reviews.map(|mut review| review["request"].take()).filter(|request| {
        let object = &request["object"];
        let is_whole = request["subResource"].is_null() && request["operation"] == "CREATE";
        is_whole && object["metadata"]["namespace"].is_string() && object["metadata"]["name"].is_string()
    });
    created.map(|mut request| Case::new("a review", request["object"].take(), [])).collect()
}
