//! Every state of the manager contract's model: whatever is late, skipped or forged, no two pods of a set may write, and each rule is needed for it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
#![allow(clippy::print_stdout, reason = "states and counter-examples are seen with `--nocapture`")]

use std::collections::BTreeSet;
use std::time::Instant;

use stateright::{Checker, Model};
use stateward_model_tests::guards::{self, anew, attacks, explore, late_attacks, one_set, prompt, races, trace};
use stateward_model_tests::model::{Contract, Scope};
use stateward_model_tests::properties::A_MANAGER;

/// The races alone have more; with fewer the model has lost something.
const LEAST_STATES: usize = 100_000;

#[test]
fn every_state_keeps_the_contract() {
    let mut reached = BTreeSet::new();
    let mut refusing = BTreeSet::new();
    let mut wanted = BTreeSet::new();
    let mut states = 0;
    for (name, scope) in [
        ("an owner, and everything is late", races(4, 2)),
        ("an attacker beside him", late_attacks(2, 1)),
        ("an attacker with more patience", late_attacks(1, 2)),
        ("both, and nothing is late", attacks(2, 2)),
        ("an owner alone, and nothing is late", prompt(5)),
        ("he makes his set anew", anew(4)),
    ] {
        let began = Instant::now();
        let checker = explore(scope, None, 2);
        if let Some(broken) = counter_example(&checker) {
            panic!("{name}: {broken}");
        }
        println!(
            "{name}: {} states by {} steps, {:.1?}",
            checker.unique_state_count(),
            checker.state_count(),
            began.elapsed()
        );
        states = states.max(checker.unique_state_count());
        reached.extend(checker.discoveries().into_keys());
        refusing.extend(checker.model().refusals().into_keys());
        let possible = checker.model().properties().into_iter();
        wanted.extend(possible.filter(|one| !one.expectation.discovery_is_failure()).map(|one| one.name));
    }
    assert!(states >= LEAST_STATES, "only {states} states");
    assert_eq!(reached, wanted, "not all that should be possible is");
    let idle: Vec<String> = guards::validating().into_iter().filter(|guard| !refusing.contains(guard)).collect();
    assert!(idle.is_empty(), "nothing that these refuse is ever tried: {idle:?}");
}

#[test]
fn every_guard_is_needed() {
    let mut redundant = Vec::new();
    for guard in guards::all() {
        let scopes = [one_set(), prompt(3), attacks(1, 1), attacks(2, 2), late_attacks(2, 1), races(4, 2)];
        match scopes.into_iter().find_map(|scope| without(&guard, scope)) {
            Some(found) => println!("without {guard}, {found}"),
            None => redundant.push(guard),
        }
    }
    assert!(
        redundant.is_empty(),
        "nothing breaks without {redundant:?}: the model is too small, or the rule is redundant"
    );
}

/// What goes wrong in a scope without one of the rules.
fn without(guard: &str, scope: Scope) -> Option<String> {
    let checker = explore(scope, Some(guard), 1);
    let is_mute = checker.discovery(A_MANAGER).is_none() && counter_example(&checker).is_none();
    let states = checker.unique_state_count();
    is_mute.then(|| format!("nobody may ever write: all {states} states\n")).or_else(|| counter_example(&checker))
}

/// The shortest way to a state that must not be.
fn counter_example(checker: &impl Checker<Contract>) -> Option<String> {
    let is_failure = |name: &'static str| checker.model().property(name).expectation.discovery_is_failure();
    let broken = checker.discoveries().into_iter().filter(|(name, _)| is_failure(name));
    let (name, path) = broken.min_by_key(|(name, path)| (path.clone().into_vec().len(), *name))?;
    Some(format!("this is not so: {name}\n{}", trace(path)))
}
