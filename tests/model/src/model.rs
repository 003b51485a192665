//! The model: which steps a state has, and where each leads.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use stateright::{Model, Property};

use crate::objects::{Adoption, Pod, ROLE, Set};
use crate::request::{Object, Request, User};
use crate::webhook::{Cluster, Decision, Webhook};
use crate::world::{ADMIN, World, is_idle};
use crate::{attacker, controller, owner, properties};

/// The manager contract at work in one namespace.
pub struct Contract {
    scope: Scope,
    webhook: Webhook,
    events: AtomicU8,
    first_broken: OnceLock<World>,
    refusals: Mutex<BTreeMap<String, usize>>,
}

/// How far the model goes.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Where it begins.
    pub from: Vec<World>,
    /// The most replicas that the owner asks for.
    pub replicas: u8,
    /// How often sets are made in all.
    pub uids: u8,
    /// Requests are stored some time after they were judged.
    pub is_concurrent: bool,
    /// The controller's caches lag behind.
    pub has_lag: bool,
    /// The webhook's second replica has a cache that lags behind.
    pub has_stale_replica: bool,
    /// The mutating call may be skipped, whenever it is.
    pub has_skips: bool,
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Somebody asks, and a replica of the webhook answers.
    Asks {
        /// Whose step it is.
        whose: Whose,
        /// What is asked.
        request: Request,
        /// The replica with the cache that lags behind answers.
        is_stale: bool,
        /// The mutating call is made.
        is_mutated: bool,
    },
    /// What was admitted is stored.
    Stores(usize),
    /// The controller learns what a set is now.
    Sees(usize),
    /// The stale replica does.
    Refreshes(usize),
    /// The controller writes the set's status.
    Reports(Set),
    /// Through `statefulsets/scale`, which no rule of the contract judges.
    Scales(Set),
    /// A pod is deleted: it goes on until its grace period is over.
    Deletes(Whose, String),
    /// A deleted pod's containers have stopped.
    Stops(String),
    /// A set is deleted, and its pods are left alone or follow.
    Removes {
        /// The set's name.
        name: &'static str,
        /// `--cascade=orphan`.
        is_orphaning: bool,
    },
}

/// Whose step it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Of the machinery, which never tires.
    Nobody,
    /// Of the set's owner.
    Owner,
    /// Of an attacker.
    Attacker,
}

/// What can only be seen while it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A governed set without pods is scaled up again.
    ScaledToZeroAndBack,
    /// The first ordinal of a governed set changes.
    StartMoved,
    /// An attacker's request is refused.
    AttackerRefused,
    /// A PUT without the contract's keys is stored with them.
    KeysPutBack,
}

impl Scope {
    /// Nothing is late but the pods that stop, and nobody attacks.
    pub fn is_prompt(&self) -> bool {
        let is_attacked = self.from.iter().any(|world| world.left.attacker > 0);
        !self.is_concurrent && !self.has_lag && !is_attacked
    }

    /// A set may be deleted, with or without its members, and made anew.
    pub fn makes_anew(&self) -> bool {
        self.uids > 1
    }
}

impl Contract {
    /// The contract with all its rules, or without one of them.
    pub fn new(scope: Scope, without: Option<&str>) -> Self {
        Self {
            scope,
            webhook: Webhook::new(without),
            events: AtomicU8::new(0),
            first_broken: OnceLock::new(),
            refusals: Mutex::default(),
        }
    }

    /// Whether it has happened on any way so far.
    pub fn saw(&self, event: Event) -> bool {
        self.events.load(Ordering::Relaxed) & event.bit() != 0
    }

    /// The checker keeps the last state that breaks a promise, and the way to the first is the shortest.
    pub fn is_first_broken(&self, world: &World) -> bool {
        self.first_broken.get_or_init(|| world.clone()) == world
    }

    /// How many requests each rule refused.
    pub fn refusals(&self) -> BTreeMap<String, usize> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn see(&self, event: Event) {
        self.events.fetch_or(event.bit(), Ordering::Relaxed);
    }

    /// The request as it is admitted.
    fn judge(
        &self,
        world: &World,
        whose: Whose,
        request: &Request,
        is_stale: bool,
        is_mutated: bool,
    ) -> Option<Request> {
        let cluster = Cluster {
            sets: world.sets.clone(),
            cached: if is_stale { world.stale.clone() } else { world.sets.clone() },
            pods: world.pods.clone(),
        };
        match self.webhook.judge(request, is_mutated, &cluster) {
            Decision::Admitted(new) => Some(Request { new: marked(world, request, new), ..request.clone() }),
            Decision::Refused(rules) => {
                if whose == Whose::Attacker {
                    self.see(Event::AttackerRefused);
                }
                let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
                for rule in rules {
                    *refusals.entry(rule).or_default() += 1;
                }
                None
            }
        }
    }

    fn watch(&self, asked: &Request, admitted: &Request) {
        if let (Some(Object::Set(old)), Object::Set(asked), Object::Set(new)) = (&asked.old, &asked.new, &admitted.new)
        {
            if old.is_governed() && new.is_governed() && old.start != new.start {
                self.see(Event::StartMoved);
            }
            if old.is_governed() && !asked.is_governed() && new.is_governed() {
                self.see(Event::KeysPutBack);
            }
        }
    }
}

impl Model for Contract {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        self.scope.from.clone()
    }

    fn actions(&self, world: &World, out: &mut Vec<Step>) {
        out.extend((0..world.in_flight.len()).filter(|lane| world.in_flight[*lane].is_some()).map(Step::Stores));
        let mut wanted = Vec::new();
        controller::steps(world, &self.scope, &mut wanted);
        if world.left.owner > 0 {
            owner::steps(world, &self.scope, &mut wanted);
        }
        if world.left.attacker > 0 {
            attacker::steps(world, &mut wanted);
        }
        let stale: &[bool] =
            if world.stale == world.now() || !self.scope.has_stale_replica { &[false] } else { &[false, true] };
        let mutated: &[bool] = if self.scope.has_skips { &[true, false] } else { &[true] };
        for step in wanted {
            let Step::Asks { whose, request, .. } = step else {
                out.push(step);
                continue;
            };
            if whose != Whose::Nobody && world.in_flight[ADMIN].is_some() {
                continue;
            }
            for &is_stale in stale {
                out.extend(mutated.iter().map(|&is_mutated| Step::Asks {
                    whose,
                    request: request.clone(),
                    is_stale,
                    is_mutated,
                }));
            }
        }
    }

    fn next_state(&self, last: &World, step: Step) -> Option<World> {
        let mut world = last.clone();
        match step {
            Step::Asks { whose, request, is_stale, is_mutated } => {
                let admitted = self.judge(last, whose, &request, is_stale, is_mutated)?;
                if is_idle(&admitted) {
                    return None;
                }
                self.watch(&request, &admitted);
                world.spend(whose);
                if self.scope.is_concurrent {
                    world.admit(admitted);
                } else {
                    world.store(admitted);
                }
            }
            Step::Stores(lane) => {
                let request = world.in_flight.get_mut(lane)?.take()?;
                world.store(request);
            }
            Step::Sees(place) => world.show(place),
            Step::Refreshes(place) => world.refresh(place),
            Step::Reports(set) => world.put_set(set),
            Step::Scales(set) => {
                let old = last.set(set.name)?;
                if old.is_governed() && old.replicas == 0 && last.pods_of(old).next().is_none() {
                    self.see(Event::ScaledToZeroAndBack);
                }
                world.spend(Whose::Owner);
                world.put_set(Set { is_observed: false, ..set });
            }
            Step::Deletes(whose, pod) => {
                world.spend(whose);
                let pod = Pod { is_terminating: true, ..(**last.pod(&pod)?).clone() };
                world.put_pod(pod);
            }
            Step::Stops(pod) => world.remove_pod(&pod),
            Step::Removes { name, is_orphaning } => {
                world.spend(Whose::Owner);
                let set = last.set(name)?;
                world.remove_set(name);
                for pod in last.pods_of(set).filter(|_| is_orphaning) {
                    world.put_pod(Pod { owner: None, ..(**pod).clone() });
                }
            }
        }
        if !self.scope.has_lag {
            world.catch_up();
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all(&self.scope)
    }
}

/// What properties must know of an adoption: whether it left a member of a governed set without a role.
fn marked(world: &World, request: &Request, new: Object) -> Object {
    let (Object::Pod(pod), Some(Object::Pod(old))) = (&new, &request.old) else { return new };
    let set = pod.owner.filter(|_| old.owner.is_none()).and_then(|owner| world.set(owner.name));
    if request.by == User::Controller && set.is_some_and(|set| set.is_governed()) && pod.key(ROLE).is_none() {
        return Object::Pod(Arc::new(Pod { adoption: Adoption::DoneWithoutRole, ..(**pod).clone() }));
    }
    new
}

impl Step {
    /// A question that both replicas may answer, mutated or not.
    pub fn asks(whose: Whose, request: Request) -> Self {
        Self::Asks { whose, request, is_stale: false, is_mutated: true }
    }
}

impl Event {
    /// As a property.
    pub fn name(self) -> &'static str {
        match self {
            Self::ScaledToZeroAndBack => "a governed set is scaled to zero and back",
            Self::StartMoved => "the start of a governed set is moved",
            Self::AttackerRefused => "an attacker is refused",
            Self::KeysPutBack => "a PUT without our keys gets them back",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asks { request, is_stale, is_mutated, .. } => {
                request.fmt(f)?;
                f.write_str(if *is_stale { "; judged from a stale cache" } else { "" })?;
                f.write_str(if *is_mutated { "" } else { "; the mutating call is skipped" })
            }
            Self::Stores(lane) => write!(
                f,
                "what {} is stored",
                if *lane == ADMIN { "alice asked for" } else { "the controller asked for" }
            ),
            Self::Sees(_) => f.write_str("the controller's cache catches up"),
            Self::Refreshes(_) => f.write_str("the stale replica's cache catches up"),
            Self::Reports(set) => write!(f, "the controller writes the status: {set}"),
            Self::Scales(set) => write!(f, "alice scales {} to {}", set.name, set.replicas),
            Self::Deletes(Whose::Nobody, pod) => write!(f, "{pod} is deleted"),
            Self::Deletes(_, pod) => write!(f, "alice deletes {pod}"),
            Self::Stops(pod) => write!(f, "{pod} has stopped"),
            Self::Removes { name, is_orphaning: true } => write!(f, "alice deletes {name} and leaves its pods alone"),
            Self::Removes { name, .. } => write!(f, "alice deletes {name}"),
        }
    }
}
