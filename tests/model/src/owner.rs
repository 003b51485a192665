//! What the victim's owner does in the life of a set, carefully or not.

use std::sync::Arc;

use crate::model::{Scope, Step, Whose};
use crate::objects::{GOVERNED, MANAGER, Map, SETS, Set, WRITES};
use crate::request::{Request, Resource};
use crate::world::World;

/// Everything that the owner may do next.
pub fn steps(world: &World, scope: &Scope, out: &mut Vec<Step>) {
    let [name, _] = SETS;
    match world.set(name) {
        None if world.uids < scope.uids => {
            for start in 0..2 {
                for writes in [Some("manager-only"), None] {
                    out.push(Step::asks(Whose::Owner, Request::create_set(manifest(name, writes, start))));
                }
            }
        }
        None => {}
        Some(set) => {
            let all = patches(set).into_iter().chain(puts(set));
            out.extend(all.map(|new| Step::asks(Whose::Owner, Request::update_set(Resource::Sets, set, new))));
            let sizes = (0..=scope.replicas).filter(|replicas| *replicas != set.replicas);
            out.extend(sizes.map(|replicas| Step::Scales(Set { replicas, ..(**set).clone() })));
            out.extend([true, false].map(|is_orphaning| Step::Removes { name, is_orphaning }));
        }
    }
    let running = world.pods.iter().filter(|pod| !pod.is_terminating);
    out.extend(running.map(|pod| Step::Deletes(Whose::Owner, pod.name.clone())));
}

/// One field changes, and the rest stays as it is stored.
fn patches(set: &Set) -> Vec<Set> {
    let mut all = vec![Set { start: 1 - set.start, ..set.clone() }];
    for writes in
        [Some("manager-only"), Some("any"), None].into_iter().filter(|writes| *writes != set.annotation(WRITES))
    {
        let mut new = set.clone();
        new.annotations.remove(WRITES);
        new.annotations.extend(writes.map(|writes| (WRITES.to_owned(), writes.to_owned())));
        // A move that hides behind the way out, or in.
        all.push(Set { start: 1 - set.start, ..new.clone() });
        all.push(new);
    }
    all
}

/// The owner's own file, which never had what the webhook wrote.
fn puts(set: &Set) -> Vec<Set> {
    let without_keys = |writes| {
        let file = manifest(set.name, writes, set.start);
        let mut template_labels = set.template_labels.clone();
        template_labels.remove(GOVERNED);
        Set { annotations: file.annotations, template_labels, ..set.clone() }
    };
    let mut all = vec![without_keys(None), without_keys(Some("manager-only"))];
    all.push(Set { start: 1 - set.start, ..without_keys(None) });
    all.retain(|new| new != set);
    all
}

/// As the owner writes it: one replica, nothing stamped.
pub fn manifest(name: &'static str, writes: Option<&str>, start: u8) -> Set {
    Set {
        name,
        uid: 0,
        app: SETS[0],
        replicas: 1,
        start,
        annotations: writes.map(|writes| (WRITES.to_owned(), writes.to_owned())).into_iter().collect(),
        template_labels: Map::new(),
        template_annotations: Map::new(),
        status_replicas: 0,
        is_observed: false,
    }
}

/// A governed set as it is stored when it has run for a while.
pub fn stamped(replicas: u8) -> Arc<Set> {
    let [name, _] = SETS;
    let mut set = manifest(name, Some("manager-only"), 0);
    set.annotations.insert(MANAGER.to_owned(), set.pod(0));
    set.template_labels.insert(GOVERNED.to_owned(), "true".to_owned());
    Arc::new(Set { uid: 1, replicas, status_replicas: replicas, is_observed: true, ..set })
}
