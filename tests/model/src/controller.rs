//! What nobody has to ask for: the StatefulSet controller as it works on ordered sets, the kubelet, the garbage collector, caches that catch up.

use std::sync::Arc;

use crate::model::{Scope, Step, Whose};
use crate::objects::{Adoption, Origin, Owner, Pod, SETS, Set};
use crate::request::{Request, Resource, User};
use crate::world::World;

/// Everything that may happen next.
pub fn steps(world: &World, scope: &Scope, out: &mut Vec<Step>) {
    for (place, name) in SETS.into_iter().enumerate() {
        caches(world, scope, place, out);
        // It works on one set at a time, and waits for each answer.
        let is_waiting = world.in_flight.get(place).is_some_and(Option::is_some);
        if let Some(set) = world.seen(name)
            && !is_waiting
        {
            claim(world, set, out);
            if let Some(step) = follow(world, set) {
                out.push(step);
            }
            if scope.has_lag {
                report(world, set, out);
            }
        }
    }
    for pod in &world.pods {
        if pod.is_terminating {
            // The kubelet: after a grace period of any length.
            out.push(Step::Stops(pod.name.clone()));
        } else if pod.owner.is_some_and(|owner| !is_there(world, owner)) {
            // The garbage collector.
            out.push(Step::Deletes(Whose::Nobody, pod.name.clone()));
        }
    }
}

fn caches(world: &World, scope: &Scope, place: usize, out: &mut Vec<Step>) {
    let now = world.sets.get(place).and_then(|set| set.as_ref().map(|set| set.without_status()));
    let is_behind = |cache: &[Option<Arc<Set>>; 2]| cache.get(place).is_some_and(|set| set.as_deref() != now.as_ref());
    if scope.has_lag && is_behind(&world.seen) {
        out.push(Step::Sees(place));
    }
    if scope.has_stale_replica && is_behind(&world.stale) {
        out.push(Step::Refreshes(place));
    }
}

/// Adopts orphans with the set's labels and a member's name, and lets go members without the labels.
fn claim(world: &World, set: &Set, out: &mut Vec<Step>) {
    // It asks the API server whether the set is still the one that it knows.
    let may_adopt = world.set(set.name).is_some_and(|stored| stored.uid == set.uid);
    for pod in world.pods.iter().filter(|pod| pod.identity().is_some_and(|(parent, _)| parent == set.name)) {
        let is_selected = pod.labels.get("app").is_some_and(|app| app == set.app);
        let new = match pod.owner {
            None if is_selected && may_adopt && !pod.is_terminating => {
                Pod { owner: Some(reference(set)), adoption: Adoption::Done, ..(**pod).clone() }
            }
            Some(_) if pod.is_owned_by(set) && !is_selected => Pod { owner: None, ..(**pod).clone() },
            _ => continue,
        };
        out.push(Step::asks(Whose::Nobody, Request::update_pod(User::Controller, Resource::Pods, pod, new)));
    }
}

/// Makes the first member that is missing once those before it are there, and then deletes the last one that is too many.
fn follow(world: &World, set: &Set) -> Option<Step> {
    for ordinal in set.ordinals() {
        match world.pod(&set.pod(ordinal)) {
            None => {
                return Some(Step::asks(Whose::Nobody, Request::create_pod(User::Controller, member(set, ordinal))));
            }
            Some(pod) if pod.is_owned_by(set) && !pod.is_terminating => {}
            Some(_) => return None,
        }
    }
    let is_too_many = |pod: &&Arc<Pod>| {
        pod.identity().is_some_and(|(parent, ordinal)| parent == set.name && !set.ordinals().contains(&ordinal))
    };
    let last = world.pods_of(set).filter(is_too_many).last()?;
    (!last.is_terminating).then(|| Step::Deletes(Whose::Nobody, last.name.clone()))
}

/// Writes the status: how many pods it knows of. Its cache of pods may lag too.
fn report(world: &World, set: &Set, out: &mut Vec<Step>) {
    let Some(stored) = world.set(set.name).filter(|stored| stored.uid == set.uid) else { return };
    let is_observed = stored.has_spec_of(set);
    let count = u8::try_from(world.pods_of(set).count()).unwrap_or(u8::MAX);
    let mut counts = vec![count];
    if count > 0 {
        counts.push(0);
    }
    for count in counts {
        if (stored.status_replicas, stored.is_observed) != (count, is_observed) {
            out.push(Step::Reports(Set { status_replicas: count, is_observed, ..(**stored).clone() }));
        }
    }
}

fn member(set: &Set, ordinal: u8) -> Pod {
    let mut labels = set.template_labels.clone();
    labels.insert("app".to_owned(), set.app.to_owned());
    Pod {
        name: set.pod(ordinal),
        labels,
        annotations: set.template_annotations.clone(),
        owner: Some(reference(set)),
        is_terminating: false,
        origin: Origin::Controller,
        adoption: Adoption::Never,
    }
}

fn reference(set: &Set) -> Owner {
    Owner { api_version: "apps/v1", name: set.name, uid: set.uid }
}

fn is_there(world: &World, owner: Owner) -> bool {
    world.set(owner.name).is_some_and(|set| set.uid == owner.uid)
}
