//! `check` agrees with a second, independent computation of every rule that files can break: on the corpus and its neighbours, on each of them changed so that
//! each rule fires and just does not, and on random changes; under both profiles, with the cluster's classes and volumes known and unknown.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]
#![expect(clippy::needless_pass_by_value, reason = "patches are written where they are used, with `json!`")]

mod asked;
mod case;
mod changes;
mod compare;
mod members;
mod objects;
mod random;
mod said;
mod user;
mod ways;
mod world;

use std::collections::BTreeSet;

use asked::{Known, Rules};
use case::Case;
use changes::Change;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use random::Chance;
use serde_json::Value;
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
    let mut chance = Chance::new();
    let mut next = changes.iter().cycle();
    for number in 0..real {
        for change in next.by_ref().take(2) {
            cases.push(change.applied_to(&cases[number]));
        }
        for _ in 0..2 {
            cases.push(chance.changed(&cases[number]));
        }
    }
    compare::compare(&mut cases);
}

/// Each change on an object that is otherwise sound, alone and with others. Without the corpus this is what remains, so it stands alone.
#[test]
fn check_agrees_with_the_oracle_on_objects_made_up() {
    let mut chance = Chance::new();
    let mut cases = Vec::new();
    for change in changes::all() {
        let case = change.case();
        cases.extend((0..2).map(|_| chance.changed(&case)));
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

/// Real objects with what was found beside them, some of them changed, pods of every sort, and what a real API server sent us.
#[test]
fn server_check_and_audit_agree() {
    let mut cases = beginnings();
    let mut chance = Chance::new();
    let changed: Vec<Case> = cases.iter().step_by(3).map(|case| chance.changed(case)).collect();
    cases.extend(changed);
    ways::agree(cases);
}

/// The same in this process, with 1,000 objects that were changed: a difference is made as small as it can be.
#[test]
fn server_and_scanner_agree_on_whatever_is_changed() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let namespaces: Vec<_> =
        (0..SORTS).map(|number| world::namespace(number, &format!("sort-{number}"), Some("db"))).collect();
    let exemptions: Vec<Value> = namespaces.iter().filter_map(|namespace| namespace.exemption.clone()).collect();
    let policies = folder.path().join("policies");
    world::write_policies(&policies, &exemptions);
    let rules = runtime.block_on(Rules::load(&policies));
    let (beginnings, mut cluster) = (beginnings(), objects::cluster());
    cluster.extend(namespaces.into_iter().map(|namespace| namespace.object));
    // The same cases in every run, so that what lands is what was tried; `PROPTEST_RNG_SEED=7` tries others.
    let mut config = Config { cases: 1_000, failure_persistence: None, ..Config::default() };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(0);
    }
    let mut runner = TestRunner::new(config);
    let any = (0..beginnings.len(), random::edits(), 0..SORTS);
    let agrees = runner.run(&any, |(of, edits, sort)| {
        let Some(mut case) = random::changed(&beginnings[of], &edits).served() else { return Ok(()) };
        case.move_to(&format!("sort-{sort}"));
        let differences = runtime.block_on(differences(&rules, &cluster, &case));
        if differences.is_empty() { Ok(()) } else { Err(TestCaseError::fail(differences)) }
    });
    agrees.unwrap_or_else(|wrong| panic!("{wrong}"));
}

/// What server and scanner say otherwise of the object that the case is about, in words.
async fn differences(rules: &Rules, cluster: &[Value], case: &Case) -> String {
    let mut stored = case.objects.clone();
    if !case.is_stored {
        let inventory = rules.inventory(cluster.iter().chain(&case.objects), Known::WhereSomeAre);
        for object in &mut stored {
            *object = rules.mutate(object, &inventory).await.1;
        }
    }
    let mut words = String::new();
    for known in [Known::WhereSomeAre, Known::Everywhere] {
        let inventory = rules.inventory(cluster.iter().chain(&stored), known);
        let served = user::unbound(&rules.validate(&stored[0], &inventory).await.1);
        let scanned = user::unbound(&rules.audit(&stored[0], &inventory).await);
        for (line, [server, scanner]) in served.differences(&scanned) {
            words.push_str(&format!("\n{line}\n    server {server} times, scanner {scanner} times"));
        }
    }
    words
}

/// What the cases begin with.
fn beginnings() -> Vec<Case> {
    let mut cases: Vec<Case> = changes::all().iter().map(Change::case).chain(members::cases()).chain(sent()).collect();
    if let Some(folder) = corpus::folder() {
        for real in corpus::sets(&folder) {
            let beside = corpus::neighbours(&folder, &real.group).into_iter().map(|each| each.object);
            cases.push(Case::new(real.file, real.set, beside.filter(|object| object["kind"] != "StorageClass")));
        }
    }
    cases
}

/// The objects of the reviews that a real API server sent: those that were to be made, and those that were stored, as an update left them.
fn sent() -> Vec<Case> {
    let files = std::fs::read_dir(root().join("tests/cases/reviews")).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> = files.collect();
    files.sort();
    let reviews = files.iter().map(|file| serde_json::from_slice::<Value>(&std::fs::read(file).unwrap()).unwrap());
    let mut cases = Vec::new();
    for mut request in reviews.map(|mut review| review["request"].take()) {
        let (operation, object) = (request["operation"].clone(), request["object"].take());
        let is_whole = request["subResource"].is_null() && object["metadata"]["namespace"].is_string();
        if is_whole && (operation == "CREATE" || operation == "UPDATE") {
            let mut case = Case { is_stored: operation == "UPDATE", ..Case::new("a review", object, []) };
            let metadata = &mut case.objects[0]["metadata"];
            // What the API server chooses when it stores it.
            if let (None, Some(start)) = (metadata["name"].as_str(), metadata["generateName"].as_str()) {
                metadata["name"] = format!("{start}x7k2p").into();
            }
            cases.push(case);
        }
    }
    cases
}

/// Of namespaces: every profile with every exemption and every policy that selects some of them.
const SORTS: usize = 60;
