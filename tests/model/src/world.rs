//! What is stored, what is cached, and what is on its way: one state of the model.

use std::fmt;
use std::sync::Arc;

use crate::model::Whose;
use crate::objects::{Pod, SETS, Set};
use crate::request::{Object, Request, User};

/// One state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct World {
    /// Stored sets, by their place in [`SETS`].
    pub sets: [Option<Arc<Set>>; 2],
    /// Stored pods, by name.
    pub pods: Vec<Arc<Pod>>,
    /// The sets as the StatefulSet controller knows them. Its cache may lag; of pods it need not, since two pods cannot have one name.
    pub seen: [Option<Arc<Set>>; 2],
    /// The sets as the webhook's second replica has them in its cache.
    pub stale: [Option<Arc<Set>>; 2],
    /// Requests that were admitted and are not stored yet: of the controller one for each set, which it works on one after the other, and
    /// one of an admin.
    pub in_flight: [Option<Request>; 3],
    /// Uids that were given out.
    pub uids: u8,
    /// What admins may still do.
    pub left: Left,
}

/// How many steps are left, so that the states can be counted out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Left {
    /// To the set's owner.
    pub owner: u8,
    /// To an attacker.
    pub attacker: u8,
}

impl World {
    /// The stored set.
    pub fn set(&self, name: &str) -> Option<&Arc<Set>> {
        self.sets.iter().flatten().find(|set| set.name == name)
    }

    /// The stored pod.
    pub fn pod(&self, name: &str) -> Option<&Arc<Pod>> {
        self.pods.iter().find(|pod| pod.name == name)
    }

    /// The set as the controller knows it.
    pub fn seen(&self, name: &str) -> Option<&Arc<Set>> {
        self.seen.iter().flatten().find(|set| set.name == name)
    }

    /// Pods that a set owns.
    pub fn pods_of<'w>(&'w self, set: &'w Set) -> impl Iterator<Item = &'w Arc<Pod>> {
        self.pods.iter().filter(|pod| pod.is_owned_by(set))
    }

    /// Takes an admitted request, to be stored later.
    pub fn admit(&mut self, request: Request) {
        if let Some(place) = self.in_flight.get_mut(lane(&request)) {
            *place = Some(request);
        }
    }

    /// Stores what was admitted. The API server refuses a second object of one name, and an UPDATE of an object that has changed in the meantime
    /// is judged again: [`Self::put_set`] and [`Self::put_pod`] take such requests back.
    pub fn store(&mut self, request: Request) {
        match (request.old, request.new) {
            (None, Object::Set(set)) if self.set(set.name).is_none() => {
                self.uids += 1;
                self.put_set(Set { uid: self.uids, ..(*set).clone() });
            }
            (Some(Object::Set(old)), Object::Set(set)) => {
                let is_observed = old.is_observed && old.has_spec_of(&set);
                self.put_set(Set { is_observed, ..(*set).clone() });
            }
            (None, Object::Pod(pod)) if self.pod(&pod.name).is_none() => self.put_pod((*pod).clone()),
            (Some(_), Object::Pod(pod)) => self.put_pod((*pod).clone()),
            (_, Object::Binding(binding)) => {
                if let Some(pod) = self.pod(&binding.pod) {
                    let mut pod = (**pod).clone();
                    pod.labels.extend(binding.labels.clone());
                    pod.annotations.extend(binding.annotations.clone());
                    self.put_pod(pod);
                }
            }
            (_, Object::Set(_)) | (None, Object::Pod(_)) => {}
        }
    }

    /// Stores a set.
    pub fn put_set(&mut self, set: Set) {
        self.conflict(set.name);
        if let Some(place) = place_of(set.name).and_then(|place| self.sets.get_mut(place)) {
            *place = Some(Arc::new(set));
        }
    }

    /// Removes a set.
    pub fn remove_set(&mut self, name: &str) {
        self.conflict(name);
        if let Some(place) = place_of(name).and_then(|place| self.sets.get_mut(place)) {
            *place = None;
        }
    }

    /// Stores a pod.
    pub fn put_pod(&mut self, pod: Pod) {
        self.conflict(&pod.name);
        match self.pods.binary_search_by(|each| each.name.cmp(&pod.name)) {
            Ok(place) => {
                if let Some(each) = self.pods.get_mut(place) {
                    *each = Arc::new(pod);
                }
            }
            Err(place) => self.pods.insert(place, Arc::new(pod)),
        }
    }

    /// Removes a pod: its containers have stopped.
    pub fn remove_pod(&mut self, name: &str) {
        self.conflict(name);
        self.pods.retain(|pod| pod.name != name);
    }

    /// What caches hold that do not lag.
    pub fn now(&self) -> [Option<Arc<Set>>; 2] {
        self.sets.each_ref().map(|set| set.as_ref().map(|set| Arc::new(set.without_status())))
    }

    /// An admin has one step less.
    pub fn spend(&mut self, whose: Whose) {
        match whose {
            Whose::Nobody => {}
            Whose::Owner => self.left.owner -= 1,
            Whose::Attacker => self.left.attacker -= 1,
        }
    }

    /// The StatefulSet controller learns what a set is now.
    pub fn show(&mut self, place: usize) {
        copy(&self.sets, &mut self.seen, place);
    }

    /// The controller has seen everything and said so.
    pub fn catch_up(&mut self) {
        for place in 0..self.sets.len() {
            self.show(place);
            let Some(set) = self.sets.get(place).cloned().flatten() else { continue };
            let status_replicas = u8::try_from(self.pods_of(&set).count()).unwrap_or(u8::MAX);
            if (set.status_replicas, set.is_observed) != (status_replicas, true) {
                self.put_set(Set { status_replicas, is_observed: true, ..(*set).clone() });
            }
        }
    }

    /// So does the second replica's cache.
    pub fn refresh(&mut self, place: usize) {
        copy(&self.sets, &mut self.stale, place);
    }

    /// Updates of this object that are not stored yet fail; whoever asked may ask again.
    fn conflict(&mut self, name: &str) {
        for flight in &mut self.in_flight {
            if flight.as_ref().is_some_and(|request| request.old.is_some() && request.new.name() == name) {
                *flight = None;
            }
        }
    }
}

/// The place of a set's name.
pub fn place_of(name: &str) -> Option<usize> {
    SETS.iter().position(|each| *each == name)
}

/// Where a request waits until it is stored.
pub fn lane(request: &Request) -> usize {
    let of_set = || match &request.new {
        Object::Pod(pod) => pod.owner.map(|owner| owner.name).or(pod.identity().map(|(set, _)| set)).and_then(place_of),
        Object::Set(_) | Object::Binding(_) => None,
    };
    match request.by {
        User::Controller => of_set().unwrap_or_default(),
        User::Admin => ADMIN,
    }
}

/// The admins' place among [`World::in_flight`].
pub const ADMIN: usize = 2;

fn copy(from: &[Option<Arc<Set>>; 2], to: &mut [Option<Arc<Set>>; 2], place: usize) {
    if let (Some(from), Some(to)) = (from.get(place), to.get_mut(place)) {
        *to = from.as_ref().map(|set| Arc::new(set.without_status()));
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for set in self.sets.iter().flatten() {
            writeln!(f, "      set {set}")?;
        }
        for pod in &self.pods {
            writeln!(f, "      pod {pod}")?;
        }
        for request in self.in_flight.iter().flatten() {
            writeln!(f, "      admitted, not stored: {request}")?;
        }
        Ok(())
    }
}

/// Whether a request changes nothing.
pub fn is_idle(request: &Request) -> bool {
    request.old.as_ref() == Some(&request.new)
}
