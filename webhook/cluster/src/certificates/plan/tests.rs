//! Whole lives of certificates: the Secret, the leader, three replicas and what the API servers trust, with real certificates and a clock of our own.

use std::sync::Arc;

use k8s_openapi::ByteString;
use proptest::prelude::*;

use super::super::memory::Memory;
use super::super::{CaBundle, ServingCertificate};
use super::*;

type Data = BTreeMap<String, ByteString>;

const HOUR: Duration = Duration::from_secs(60 * 60);
const KEYS: [&str; 7] = ["tls.crt", "tls.key", "ca.crt", "ca.key", "next-ca.crt", "next-ca.key", "old-ca.crt"];

struct World {
    start: Timestamp,
    clock: Instant,
    now: Timestamp,
    names: Names,
    terms: Terms,
    secret: Data,
    backup: Data,
    replicas: Vec<Replica>,
    leader: usize,
    sightings: Sightings,
    /// What the API servers trust; nobody calls before the first.
    in_force: Option<CaBundle>,
    register_at: Option<Timestamp>,
    /// The registration does not reach the API server before then.
    stuck_until: Timestamp,
    lead_at: Timestamp,
    lag: Duration,
    history: Vec<(Timestamp, Stored)>,
}

struct Replica {
    memory: Memory,
    see_at: Option<Timestamp>,
    lag: Duration,
}

impl World {
    fn new(lags: [u64; 4]) -> Self {
        let start = "2026-11-22T00:00:00Z".parse().unwrap();
        let [lag, lags @ ..] = lags.map(Duration::from_secs);
        let replica = |lag| Replica { memory: Memory::default(), see_at: Some(start), lag };
        Self {
            start,
            clock: Instant::now(),
            now: start,
            names: Names::new("stateward", "stateward-system", None),
            terms: Terms::default(),
            secret: Data::new(),
            backup: Data::new(),
            replicas: lags.map(replica).into(),
            leader: 0,
            sightings: Sightings::default(),
            in_force: None,
            register_at: None,
            stuck_until: start,
            lead_at: start,
            lag,
            history: Vec::new(),
        }
    }

    fn clock(&self) -> Instant {
        self.clock + since(self.start, self.now)
    }

    fn stored(&self) -> Stored {
        Stored::read(&self.secret)
    }

    fn put(&mut self, secret: Data) {
        self.secret = secret;
        self.history.push((self.now, self.stored()));
        self.lead_at = self.now;
        for replica in &mut self.replicas {
            replica.see_at = Some(after(self.now, replica.lag));
        }
    }

    fn run(&mut self, wait: Duration) {
        let end = after(self.now, wait);
        for turn in 0.. {
            assert!(
                turn < 5000,
                "does not come to rest: {:?}",
                plan(&self.stored(), &self.names, &Trusted::Unknown, &self.terms, self.now)
            );
            let replicas = self.replicas.iter().filter_map(|replica| replica.see_at);
            let next = replicas.chain(self.register_at).chain([self.lead_at]).min().unwrap();
            if next > end {
                break;
            }
            self.now = next.max(self.now);
            self.check();
            self.turn();
            self.check();
        }
        self.now = end;
        self.check();
    }

    /// What is due now.
    fn turn(&mut self) {
        let (stored, clock) = (self.stored(), self.clock());
        for replica in &mut self.replicas {
            if replica.see_at.is_some_and(|at| at <= self.now) {
                let again = replica.memory.see(&stored, &self.names, &self.terms, self.now, clock);
                replica.see_at = again.map(|again| after(self.now, again));
            }
        }
        let bundle = self.replicas[self.leader].memory.bundle(self.now);
        if self.register_at.is_some_and(|at| at <= self.now) {
            self.register_at = None;
            self.in_force = bundle;
            self.lead_at = self.now;
        } else if bundle.is_some() && bundle != self.in_force && self.register_at.is_none() {
            self.register_at = Some(after(self.now, self.lag).max(self.stuck_until));
        }
        if self.lead_at <= self.now {
            self.lead();
        }
    }

    fn lead(&mut self) {
        let registered = match &self.in_force {
            None => Registered::Nowhere,
            Some(bundle) => Registered::Bundles(vec![bundle.pem.clone().into_bytes(); 4]),
        };
        let trusted = self.sightings.see(&registered, self.clock());
        match plan(&self.stored(), &self.names, &trusted, &self.terms, self.now) {
            Step::Wait(until) => {
                assert!(until > self.now);
                self.lead_at = until;
            }
            Step::Do(change) => {
                let served_by = self.serving(self.leader).map(|serving| serving.issuer.clone());
                let stored = self.stored().changed(change, &self.names, served_by.as_ref(), &self.terms, self.now);
                let mut secret = self.secret.clone();
                stored.unwrap().write(&mut secret);
                self.put(secret);
            }
        }
    }

    fn serving(&self, replica: usize) -> Option<&Arc<ServingCertificate>> {
        self.replicas[replica].memory.serving()
    }

    /// The law: whatever a replica serves is valid, and signed by one that the API servers trust.
    fn check(&self) {
        let Some(in_force) = &self.in_force else { return };
        let trusted = Certificate::read_authorities(&in_force.pem);
        assert!(trusted.len() <= 12, "{} authorities", trusted.len());
        for serving in (0..self.replicas.len()).filter_map(|replica| self.serving(replica)) {
            let at = self.now;
            assert!(serving.certificate.is_valid_at(at), "at {at} a leaf is served that ends {}", serving.expires);
            let by = trusted.iter().find(|authority| authority.signed(&serving.certificate));
            assert!(by.is_some_and(|by| by.is_valid_at(at)), "at {at} a leaf is served whose authority is not trusted");
        }
    }

    fn strike(&mut self, fault: &Fault) {
        let mut secret = self.secret.clone();
        match fault {
            Fault::Delete => secret.clear(),
            Fault::Remove(key) => drop(secret.remove(KEYS[*key])),
            Fault::Garble(key) => drop(secret.insert(KEYS[*key].to_owned(), ByteString(b"-----BEGIN \xff".to_vec()))),
            Fault::Swap(one, other) => {
                let value = secret.get(KEYS[*other]).cloned().unwrap_or_default();
                secret.insert(KEYS[*one].to_owned(), value);
            }
            Fault::BackUp => self.backup = secret.clone(),
            Fault::Restore => secret = self.backup.clone(),
            Fault::Rename => self.names = Names::new("stateward", "stateward-system", Some("10.0.0.1")),
            Fault::Restart(replica) => {
                self.replicas[*replica].memory = Memory::default();
                // A leader that restarts is no longer one.
                if self.leader == *replica {
                    self.strike(&Fault::Lead((replica + 1) % 3));
                }
            }
            Fault::Lead(replica) => (self.leader, self.sightings) = (*replica, Sightings::default()),
            Fault::Stick(hours) => {
                self.stuck_until = after(self.now, *hours * HOUR);
                // With a new authority to be made known.
                secret.remove("ca.key");
            }
        }
        self.put(secret);
    }
}

#[derive(Clone, Debug)]
enum Fault {
    Delete,
    Remove(usize),
    Garble(usize),
    Swap(usize, usize),
    BackUp,
    Restore,
    Rename,
    Restart(usize),
    Lead(usize),
    Stick(u32),
}

fn fault() -> impl Strategy<Value = (Fault, Duration)> {
    let fault = prop_oneof![
        Just(Fault::Delete),
        (0usize..7).prop_map(Fault::Remove),
        (0usize..7).prop_map(Fault::Garble),
        (0usize..7, 0usize..7).prop_map(|(one, other)| Fault::Swap(one, other)),
        Just(Fault::BackUp),
        Just(Fault::Restore),
        Just(Fault::Rename),
        (0usize..3).prop_map(Fault::Restart),
        (0usize..3).prop_map(Fault::Lead),
        (1u32..6).prop_map(Fault::Stick),
    ];
    // Long enough for one to be over before the next: a minute of propagation and all the lags, or the time that it sticks.
    let calm = prop_oneof![300u64..4000, 4000u64..10_000_000];
    (fault, calm).prop_map(|(fault, calm)| {
        let least = if let Fault::Stick(hours) = fault { hours * HOUR } else { Duration::ZERO };
        (fault, least + Duration::from_secs(calm))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is done to the Secret, to a replica or to the leader, every call is answered, for years.
    #[test]
    fn what_is_served_is_always_trusted(
        faults in prop::collection::vec(fault(), 0..8),
        lags in [0u64..20, 0..20, 0..20, 0..20],
    ) {
        let mut world = World::new(lags);
        world.run(300 * DAY);
        for (fault, calm) in &faults {
            world.strike(fault);
            world.run(*calm);
        }
        world.run(800 * DAY);
        let stored = world.stored();
        prop_assert!(stored.current.is_some_and(|current| current.can_issue(world.now)));
        prop_assert!(stored.leaf.is_some_and(|leaf| world.names.are_in(&leaf.certificate.names)));
        for replica in 0..3 {
            prop_assert!(world.serving(replica).is_some());
        }
    }
}

#[test]
fn a_year_in_steps() {
    let mut world = World::new([1; 4]);
    world.run(400 * DAY);
    let mut former = Stored::default();
    let mut lines = Vec::new();
    for (at, stored) in &world.history {
        let age = since(world.start, *at);
        let (day, second) = (age.as_secs() / DAY.as_secs(), age.as_secs() % DAY.as_secs());
        let what = [
            (stored.leaf != former.leaf, "leaf"),
            (stored.current != former.current, "authority"),
            (stored.next.is_some(), "next"),
            (!stored.old.is_empty(), "old"),
        ];
        let what: Vec<_> = what.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
        let what = if what.is_empty() { "all old is gone".to_owned() } else { what.join(", ") };
        lines.push(format!("day {day}, second {second}: {what}"));
        former = stored.clone();
    }
    insta::assert_snapshot!(lines.join("\n"), @r"
    day 0, second 0: leaf, authority
    day 59, second 86300: leaf
    day 119, second 86200: leaf
    day 179, second 86100: leaf
    day 239, second 86000: leaf
    day 243, second 28700: next
    day 243, second 28762: leaf, authority, old
    day 243, second 32362: all old is gone
    day 303, second 28662: leaf
    day 363, second 28562: leaf
    ");
}

/// Found by the law: the leader changed over a second before another replica, and no longer had the former authority trusted.
#[test]
fn a_replica_that_changes_over_last_is_still_trusted() {
    let mut world = World::new([0, 0, 0, 1]);
    world.run(300 * DAY);
    for (fault, calm) in [(Fault::BackUp, 6_735_193), (Fault::Restart(0), 9_399_808), (Fault::Restore, 300)] {
        world.strike(&fault);
        world.run(Duration::from_secs(calm));
    }
}

fn settled() -> World {
    let mut world = World::new([1; 4]);
    world.run(HOUR);
    world
}

fn next_step(world: &World) -> Step {
    plan(&world.stored(), &world.names, &Trusted::Unknown, &world.terms, world.now)
}

#[test]
fn what_is_broken_is_made_good_with_the_least_change() {
    let with = |fault: Fault| {
        let mut world = settled();
        world.strike(&fault);
        next_step(&world)
    };
    let [leaf, leaf_key, ca, ca_key, next, next_key, old] = [0, 1, 2, 3, 4, 5, 6];
    assert!(matches!(next_step(&settled()), Step::Wait(_)));
    assert_eq!(with(Fault::Delete), Step::Do(Change::Begin));
    assert_eq!(with(Fault::Garble(leaf)), Step::Do(Change::Issue));
    assert_eq!(with(Fault::Garble(leaf_key)), Step::Do(Change::Issue));
    assert_eq!(with(Fault::Swap(leaf_key, ca_key)), Step::Do(Change::Issue));
    assert_eq!(with(Fault::Garble(ca)), Step::Do(Change::Begin));
    // The leaf is still good.
    assert_eq!(with(Fault::Remove(ca_key)), Step::Do(Change::Introduce));
    assert_eq!(with(Fault::Rename), Step::Do(Change::Issue));
    for unused in [next, next_key, old] {
        assert!(matches!(with(Fault::Garble(unused)), Step::Wait(_)));
    }
}

#[test]
fn expired_or_not_yet_valid_counts_as_absent() {
    let mut world = settled();
    world.now = after(world.start, 100 * DAY);
    assert_eq!(next_step(&world), Step::Do(Change::Issue));
    world.now = after(world.start, 400 * DAY);
    assert_eq!(next_step(&world), Step::Do(Change::Begin));
    world.now = "2026-11-21T00:00:00Z".parse().unwrap();
    assert_eq!(next_step(&world), Step::Do(Change::Begin));
}

#[test]
fn a_replica_keeps_what_it_serves_when_the_clock_of_the_leader_is_wrong() {
    let mut world = settled();
    let served = world.serving(1).cloned();
    let from_the_future = Stored::default()
        .changed(Change::Begin, &world.names, None, &world.terms, after(world.now, 400 * DAY))
        .unwrap();
    let mut secret = Data::new();
    from_the_future.write(&mut secret);
    let (now, clock) = (world.now, world.clock());
    let memory = &mut world.replicas[1].memory;
    memory.see(&Stored::read(&secret), &world.names, &world.terms, now, clock);
    assert_eq!(memory.serving().cloned(), served);
}

#[test]
fn the_next_authority_waits_until_every_bundle_has_had_it_for_the_propagation() {
    let mut world = settled();
    world.now = after(world.start, 300 * DAY);
    let terms = Terms { leaf: 365 * DAY, ..Terms::default() };
    let begun = Stored::default().changed(Change::Begin, &world.names, None, &terms, world.start).unwrap();
    let stored = begun.changed(Change::Introduce, &world.names, None, &terms, world.now).unwrap();
    let [old, new] =
        [&stored.current, &stored.next].map(|by| by.as_ref().unwrap().certificate.pem.clone().into_bytes());
    let both = [old.clone(), new].concat();
    let mut sightings = Sightings::default();
    let mut step = |registered: &[&Vec<u8>], seconds| {
        let registered = Registered::Bundles(registered.iter().copied().cloned().collect());
        let trusted = sightings.see(&registered, world.clock + Duration::from_secs(seconds));
        plan(&stored, &world.names, &trusted, &terms, world.now)
    };
    assert!(matches!(step(&[&both, &old], 0), Step::Wait(_)));
    assert!(matches!(step(&[&both, &both], 100), Step::Wait(_)));
    assert!(matches!(step(&[&both, &both], 159), Step::Wait(_)));
    // One entry loses it: from the beginning.
    assert!(matches!(step(&[&both, &vec![]], 160), Step::Wait(_)));
    assert!(matches!(step(&[&both, &both], 170), Step::Wait(_)));
    assert!(matches!(step(&[&both, &both], 229), Step::Wait(_)));
    assert_eq!(step(&[&both, &both], 230), Step::Do(Change::Promote));
}

#[test]
fn no_key_is_printed() {
    let world = settled();
    let key = world.stored().leaf.unwrap().key;
    let printed = format!("{:?} {:?} {:?}", world.stored(), world.serving(0), key);
    assert!(!printed.contains("PRIVATE KEY"));
    assert!(key.as_str().contains("BEGIN PRIVATE KEY"), "PKCS#8");
}
