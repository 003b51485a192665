//! The guards, which are the contract's fixed rules, and the scopes in which they are tried.

use std::sync::Arc;

use stateright::{Checker, HasDiscoveries, Model, Path};

use crate::conditions::FAMILY;
use crate::model::{Contract, Scope, Step};
use crate::objects::{MANAGER_HOST, Map, ORDINAL, Origin, Owner, Pod, ROLE, SET, Set, WRITE, GOVERNED};
use crate::owner::{manifest, stamped};
use crate::world::{Left, World};

/// The contract's rules, as the crate names them: a rule that joins is a guard at once.
pub fn all() -> Vec<String> {
    let manifest = stateward_native::component().manifest;
    let fixed = manifest.rules.iter().filter(|rule| rule.fixed && rule.id.starts_with(FAMILY));
    fixed.map(|rule| rule.id.clone()).collect()
}

/// Visits every state, or stops where one breaks the contract.
pub fn explore(scope: Scope, without: Option<&str>) -> impl Checker<Contract> {
    let when = HasDiscoveries::AnyFailures;
    Contract::new(scope, without).checker().threads(2).finish_when(when).spawn_bfs().join()
}

/// Races: one owner, every delay.
pub fn races(owner: u8) -> Scope {
    let left = Left { owner, attacker: 0 };
    Scope {
        from: vec![empty(left), running(stamped(2), left)],
        replicas: 2,
        uids: 2,
        is_concurrent: true,
        has_lag: true,
        has_stale_replica: true,
        has_skips: true,
    }
}

/// Attacks: one attacker beside an owner.
pub fn attacks(owner: u8, attacker: u8) -> Scope {
    let left = Left { owner, attacker };
    Scope { from: vec![empty(left), running(stamped(2), left)], is_concurrent: false, has_lag: false, ..races(0) }
}

/// A way to a state, in words.
pub fn trace(path: Path<World, Step>) -> String {
    let mut text = String::new();
    for (number, (world, step)) in path.into_vec().into_iter().enumerate() {
        text.push_str(&format!("{world}"));
        if let Some(step) = step {
            text.push_str(&format!("{:>3}. {step}\n", number + 1));
        }
    }
    text
}

/// An empty namespace.
fn empty(left: Left) -> World {
    World { left, ..World::default() }
}

/// A set that has run for a while.
fn running(set: Arc<Set>, left: Left) -> World {
    let pods = set.ordinals().map(|ordinal| Arc::new(member(&set, ordinal))).collect();
    let mut world = World { sets: [Some(Arc::clone(&set)), None], pods, uids: 1, left, ..World::default() };
    world.show(0);
    world.refresh(0);
    world
}

fn member(set: &Set, ordinal: u8) -> Pod {
    let (role, write) = if ordinal == set.start { ("manager", "allow") } else { ("worker", "deny") };
    let host = format!("{}.{}.shop.svc", set.pod(set.start), set.name);
    let mut labels = Map::from([("app".to_owned(), set.app.to_owned())]);
    labels.extend([(GOVERNED, "true"), (ROLE, role), (SET, set.name)].map(|(key, value)| (key.to_owned(), value.to_owned())));
    let annotations = [(WRITE, write), (ORDINAL, &ordinal.to_string()), (MANAGER_HOST, &host)];
    Pod {
        name: set.pod(ordinal),
        labels,
        annotations: annotations.map(|(key, value)| (key.to_owned(), value.to_owned())).into_iter().collect(),
        owner: Some(Owner { api_version: "apps/v1", name: set.name, uid: set.uid }),
        is_terminating: false,
        origin: Origin::Controller,
    }
}
