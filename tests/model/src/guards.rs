//! The guards, which are the contract's fixed rules, and the scopes in which they are tried.

use std::fmt::Write;
use std::sync::Arc;

use stateright::{Checker, HasDiscoveries, Model, Path};
use stateward_core::manifest::RuleKind;

use crate::conditions::FAMILY;
use crate::model::{Contract, Scope, Step};
use crate::objects::{Adoption, GOVERNED, MANAGER_HOST, Map, ORDINAL, Origin, Owner, Pod, ROLE, SET, Set, WRITE};
use crate::owner::stamped;
use crate::world::{Left, World};

/// The contract's rules, as the crate names them: a rule that joins is a guard at once.
pub fn all() -> Vec<String> {
    of_kind(&[RuleKind::Validate, RuleKind::Mutate])
}

/// Those that refuse.
pub fn validating() -> Vec<String> {
    of_kind(&[RuleKind::Validate])
}

fn of_kind(kinds: &[RuleKind]) -> Vec<String> {
    let manifest = stateward_native::component().manifest;
    // What nobody waits for guards nothing: whatever it promises, a call that is not made breaks.
    let fixed = manifest.rules.iter().filter(|rule| rule.fixed && !rule.is_unawaited() && rule.id.starts_with(FAMILY));
    fixed.filter(|rule| kinds.contains(&rule.kind)).map(|rule| rule.id.clone()).collect()
}

/// Visits every state, or stops where one breaks a promise.
///
/// With one thread the ways to such a state are the shortest ones.
pub fn explore(scope: Scope, without: Option<&str>, threads: usize) -> impl Checker<Contract> {
    let contract = Contract::new(scope, without);
    contract.checker().threads(threads).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join()
}

/// Races: an owner, and everything may be late: requests, caches, statuses, terminations. The mutating call may be skipped.
pub fn races(owner: u8, uids: u8) -> Scope {
    let left = Left { owner, attacker: 0 };
    Scope {
        from: vec![empty(left), running(&stamped(2), left)],
        replicas: 2,
        uids,
        is_concurrent: true,
        has_lag: true,
        has_stale_replica: true,
        has_skips: true,
    }
}

/// Attacks: an attacker beside an owner. Terminations are slow and the mutating call may be skipped, and nothing else is late.
pub fn attacks(owner: u8, attacker: u8) -> Scope {
    let left = Left { owner, attacker };
    Scope { from: vec![empty(left), running(&stamped(2), left)], uids: 2, ..prompt(0) }
}

/// An attacker beside an owner, and everything may be late.
pub fn late_attacks(owner: u8, attacker: u8) -> Scope {
    let left = Left { owner, attacker };
    Scope { from: vec![empty(left), running(&stamped(2), left)], ..races(0, 2) }
}

/// An owner alone, and nothing is late but the pods that stop.
pub fn prompt(owner: u8) -> Scope {
    Scope { is_concurrent: false, has_lag: false, has_stale_replica: false, ..races(owner, 1) }
}

/// The same, and he may delete his set and make it anew.
pub fn anew(owner: u8) -> Scope {
    Scope { uids: 2, ..prompt(owner) }
}

/// The owner makes one set, in an empty namespace, and that is all.
pub fn one_set() -> Scope {
    let left = Left { owner: 1, attacker: 0 };
    Scope { from: vec![empty(left)], ..prompt(1) }
}

/// A way to a state, in words: each step with what it leaves otherwise than it was.
pub fn trace(path: Path<World, Step>) -> String {
    let mut text = String::new();
    let mut before = String::new();
    for (number, (world, step)) in path.into_vec().into_iter().enumerate() {
        let after = world.to_string();
        for line in after.lines().filter(|line| !before.lines().any(|known| known == *line)) {
            let _ = writeln!(text, "{line}");
        }
        before = after;
        if let Some(step) = step {
            let _ = writeln!(text, "{:>3}. {step}", number + 1);
        }
    }
    text
}

/// An empty namespace.
fn empty(left: Left) -> World {
    World { left, ..World::default() }
}

/// A set that has run for a while.
fn running(set: &Arc<Set>, left: Left) -> World {
    let pods = set.ordinals().map(|ordinal| Arc::new(member(set, ordinal))).collect();
    let mut world = World { sets: [Some(Arc::clone(set)), None], pods, uids: 1, left, ..World::default() };
    world.show(0);
    world.refresh(0);
    world
}

fn member(set: &Set, ordinal: u8) -> Pod {
    let (role, write) = if ordinal == set.start { ("manager", "allow") } else { ("worker", "deny") };
    let host = format!("{}.{}.shop.svc", set.pod(set.start), set.name);
    let mut labels = Map::from([("app".to_owned(), set.app.to_owned())]);
    labels.extend(
        [(GOVERNED, "true"), (ROLE, role), (SET, set.name)].map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    let annotations = [(WRITE, write), (ORDINAL, &ordinal.to_string()), (MANAGER_HOST, &host)];
    Pod {
        name: set.pod(ordinal),
        labels,
        annotations: annotations.map(|(key, value)| (key.to_owned(), value.to_owned())).into_iter().collect(),
        owner: Some(Owner { api_version: "apps/v1", name: set.name, uid: set.uid }),
        is_terminating: false,
        origin: Origin::Controller,
        adoption: Adoption::Never,
    }
}
