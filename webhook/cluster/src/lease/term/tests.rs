use proptest::prelude::*;

use super::*;

fn record(holder: &str, version: u64) -> Record {
    Record { holder: holder.to_owned(), lease: LEASE, version: version.to_string() }
}

fn seen(holder: &str, at: Instant) -> Observed {
    let mut observed = Observed::default();
    observed.see(Some(record(holder, 1)), at);
    observed
}

#[test]
fn takes_what_is_free_absent_or_its_own() {
    let now = Instant::now();
    assert_eq!(next_step("a", &Observed::default(), None, now), Step::Create);
    assert_eq!(next_step("a", &seen("", now), None, now), Step::Take);
    assert_eq!(next_step("a", &seen("a", now), None, now), Step::Take);
}

#[test]
fn waits_until_a_record_has_stood_for_the_lease() {
    let t0 = Instant::now();
    let mut observed = seen("b", t0);
    assert_eq!(next_step("a", &observed, None, t0 + LEASE / 2), Step::Wait(RETRY_EVERY));
    // Any write begins the wait anew.
    observed.see(Some(record("b", 2)), t0 + LEASE / 2);
    assert_ne!(next_step("a", &observed, None, t0 + LEASE), Step::Take);
    // The same again does not.
    observed.see(Some(record("b", 2)), t0 + LEASE);
    assert_eq!(next_step("a", &observed, None, t0 + LEASE / 2 + LEASE), Step::Take);
}

#[test]
fn a_deleted_record_is_left_to_its_holder() {
    let t0 = Instant::now();
    let mut observed = seen("b", t0);
    observed.see(None, t0 + RETRY_EVERY);
    observed.see(None, t0 + 2 * RETRY_EVERY);
    assert_eq!(next_step("a", &observed, None, t0 + LEASE), Step::Wait(RETRY_EVERY));
    assert_eq!(next_step("a", &observed, None, t0 + RETRY_EVERY + LEASE), Step::Create);
    // One that was free belongs to nobody.
    let mut free = seen("", t0);
    free.see(None, t0);
    assert_eq!(next_step("a", &free, None, t0), Step::Create);
}

#[test]
fn an_edited_duration_neither_hurries_nor_stops_the_others() {
    let t0 = Instant::now();
    let edited = |lease| {
        let mut observed = Observed::default();
        observed.see(Some(Record { lease, ..record("b", 1) }), t0);
        observed
    };
    let short = edited(Duration::ZERO);
    assert_ne!(next_step("a", &short, None, t0 + LEASE - Duration::from_millis(1)), Step::Take);
    assert_eq!(next_step("a", &edited(Duration::from_secs(1 << 40)), None, t0 + LONGEST_LEASE), Step::Take);
}

#[test]
fn a_leader_renews_and_gives_up() {
    let t0 = Instant::now();
    let ours = seen("a", t0);
    let at = |seconds| next_step("a", &ours, Some(t0), t0 + Duration::from_secs(seconds));
    assert_eq!(at(1), Step::Wait(Duration::from_secs(4)));
    assert_eq!(at(5), Step::Renew);
    assert_eq!(at(9), Step::Renew);
    assert_eq!(at(10), Step::GiveUp);
    assert_eq!(next_step("a", &seen("b", t0), Some(t0), t0), Step::GiveUp);
    assert_eq!(next_step("a", &Observed::default(), Some(t0), t0), Step::Create);
}

/// The Lease as the API server keeps it.
#[derive(Default)]
struct Server {
    record: Option<Record>,
    version: u64,
}

impl Server {
    fn write(&mut self, holder: &str, read: Option<&str>) -> Option<Record> {
        if self.record.as_ref().map(|record| record.version.as_str()) != read {
            return None;
        }
        self.version += 1;
        self.record = Some(record(holder, self.version));
        self.record.clone()
    }
}

#[derive(Clone, Debug)]
enum Fault {
    /// The call fails.
    Unreachable,
    /// The call arrives and the answer does not.
    Unanswered,
    /// The process stands still for seconds before it sees the answer.
    Stalled(u64),
    /// The answer takes milliseconds.
    Slow(u64),
}

struct Candidate {
    name: &'static str,
    observed: Observed,
    renewed: Option<Instant>,
    /// Not before.
    next: Instant,
}

impl Candidate {
    /// What [`super::super::Leadership`] does, with the calls replaced by [`Server`].
    fn step(&mut self, server: &mut Server, fault: Option<&Fault>, now: Instant) {
        let ms = |ms| Duration::from_millis(ms);
        self.next = now + ms(100);
        let (sent, answered) = match fault {
            Some(Fault::Stalled(seconds)) => (now, now + Duration::from_secs(*seconds)),
            Some(Fault::Slow(slow)) => (now, now + ms(*slow)),
            _ => (now, now + ms(1)),
        };
        if self.renewed.is_none() {
            if matches!(fault, Some(Fault::Unreachable | Fault::Unanswered)) {
                self.next = now + RETRY_EVERY;
                return;
            }
            self.observed.see(server.record.clone(), now);
        }
        match next_step(self.name, &self.observed, self.renewed, now) {
            Step::Wait(wait) => self.next = now + wait,
            Step::GiveUp => self.renewed = None,
            Step::Create | Step::Take | Step::Renew => {
                if matches!(fault, Some(Fault::Unreachable)) {
                    self.next = now + RETRY_EVERY;
                    return;
                }
                let read = self.observed.record().map(|record| record.version.clone());
                let written = server.write(self.name, read.as_deref());
                if matches!(fault, Some(Fault::Unanswered)) {
                    self.next = now + RENEW_EVERY;
                    return;
                }
                self.next = answered;
                match written {
                    Some(record) => {
                        self.observed.see(Some(record), sent);
                        self.renewed = Some(sent);
                    }
                    None => self.observed.see(server.record.clone(), now),
                }
            }
        }
    }

    /// Whether it may be working: also between the deadline and the moment that it notices.
    fn leads(&self, now: Instant) -> bool {
        self.renewed.is_some_and(|renewed| now < renewed + RENEW_DEADLINE)
    }
}

fn fault() -> impl Strategy<Value = Option<Fault>> {
    prop_oneof![
        6 => Just(None),
        1 => Just(Some(Fault::Unreachable)),
        1 => Just(Some(Fault::Unanswered)),
        1 => (1u64..40).prop_map(|seconds| Some(Fault::Stalled(seconds))),
        1 => (1u64..6000).prop_map(|ms| Some(Fault::Slow(ms))),
    ]
}

proptest! {
    /// Whatever fails, at no time do two lead; once nothing fails any more, somebody does within lease and retry.
    #[test]
    fn never_two_leaders(faults in prop::collection::vec(fault(), 0..200), start in 0u64..5000) {
        let t0 = Instant::now();
        let mut server = Server::default();
        let candidate = |name, next| Candidate { name, observed: Observed::default(), renewed: None, next };
        let mut all = [candidate("a", t0), candidate("b", t0 + Duration::from_millis(start)), candidate("c", t0)];
        let mut faults = faults.iter();
        let mut healthy_since = None;
        let mut now = t0;
        for _ in 0..4000 {
            now += Duration::from_millis(100);
            for candidate in &mut all {
                if candidate.next <= now {
                    let fault = faults.next();
                    if fault.is_none() {
                        healthy_since.get_or_insert(now);
                    }
                    candidate.step(&mut server, fault.and_then(Option::as_ref), now);
                }
            }
            let leaders: Vec<_> = all.iter().filter(|candidate| candidate.leads(now)).map(|leader| leader.name).collect();
            prop_assert!(leaders.len() <= 1, "{:?} lead at {:?}", leaders, now - t0);
            // A stall of 40 s may have begun just before.
            if healthy_since.is_some_and(|since| now > since + Duration::from_secs(40) + LEASE + 2 * RETRY_EVERY) {
                prop_assert_eq!(leaders.len(), 1);
                return Ok(());
            }
        }
    }
}
