//! What is to be done about the certificates: a pure function of what is stored, what the API server was told to trust, and the time.
//!
//! The order that keeps every call answered: a new authority is first trusted, then it issues, then the old one is forgotten. It is broken only when
//! nothing that is stored could serve anyway.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::authority::{Certificate, Fingerprint};
use super::issue::CLOCK_SKEW;
use super::secret::Stored;
use super::{Names, Registered};

/// How long things last.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Of an authority. At two thirds of it the next one is introduced, which leaves four months for it to become known.
    pub authority: Duration,
    /// Of a serving certificate, renewed at two thirds of it: a month to notice that it is not.
    pub leaf: Duration,
    /// How long an authority must have been in every `caBundle` before it issues. API servers use what they read about a second before (measured);
    /// a minute also covers one whose watch has to be begun anew.
    pub propagation: Duration,
    /// How long an authority is trusted after it issued last. Replicas change over within [`Terms::propagation`].
    pub overlap: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self { authority: 365 * DAY, leaf: 90 * DAY, propagation: MINUTE, overlap: 60 * MINUTE }
    }
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing before then, unless something changes.
    Wait(Timestamp),
    /// Write the Secret.
    Do(Change),
}

/// How the Secret changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing there can serve or sign: a new authority, and a leaf from it at once.
    Begin,
    /// A new leaf from the current authority.
    Issue,
    /// A next authority, to be trusted but not to sign.
    Introduce,
    /// The next authority becomes the current one and issues; the former is old.
    Promote,
    /// The old authorities are no longer trusted.
    DropOld,
}

/// For how long each authority has been in every `caBundle`.
#[derive(Clone, Debug, Default)]
pub(crate) enum Trusted {
    /// The configurations have not been read.
    #[default]
    Unknown,
    /// There are none, so nobody calls.
    NobodyCalls,
    For(BTreeMap<Fingerprint, Duration>),
}

impl Trusted {
    /// How much longer to wait until all API servers trust it; `None` when that cannot be said.
    fn left(&self, authority: &Certificate, terms: &Terms) -> Option<Duration> {
        match self {
            Self::Unknown => None,
            Self::NobodyCalls => Some(Duration::ZERO),
            Self::For(known) => known.get(&authority.fingerprint).map(|since| terms.propagation.saturating_sub(*since)),
        }
    }
}

/// Since when each authority has been in every `caBundle`, by our own clock.
#[derive(Debug, Default)]
pub(crate) struct Sightings {
    since: BTreeMap<Fingerprint, Instant>,
}

impl Sightings {
    pub(crate) fn see(&mut self, registered: &Registered, now: Instant) -> Trusted {
        let Registered::Bundles(bundles) = registered else {
            self.since.clear();
            return if *registered == Registered::Nowhere { Trusted::NobodyCalls } else { Trusted::Unknown };
        };
        let text = |bundle| Certificate::read_authorities(std::str::from_utf8(bundle).unwrap_or_default());
        let bundles: Vec<Vec<Certificate>> = bundles.iter().map(|bundle| text(bundle.as_slice())).collect();
        let everywhere = |fingerprint: &Fingerprint| {
            bundles.iter().all(|bundle| bundle.iter().any(|authority| authority.fingerprint == *fingerprint))
        };
        self.since.retain(|fingerprint, _| everywhere(fingerprint));
        for authority in bundles.iter().flatten() {
            if everywhere(&authority.fingerprint) {
                self.since.entry(authority.fingerprint).or_insert(now);
            }
        }
        let age = |since: &Instant| now.saturating_duration_since(*since);
        Trusted::For(self.since.iter().map(|(fingerprint, since)| (*fingerprint, age(since))).collect())
    }
}

/// The next step. Done again after each change until it is to wait.
pub(crate) fn plan(stored: &Stored, names: &Names, trusted: &Trusted, terms: &Terms, now: Timestamp) -> Step {
    let current = stored.current.as_ref().filter(|current| current.can_issue(now));
    let next = stored.next.as_ref().filter(|next| next.can_issue(now));
    let leaf = stored.leaf.as_ref().map(|leaf| &leaf.certificate).filter(|leaf| leaf.is_valid_at(now));
    let Some((leaf, issuer)) = leaf.zip(stored.issuer().filter(|issuer| issuer.is_valid_at(now))) else {
        // Nothing serves, so nothing is lost by hurrying.
        return Step::Do(match (current, next) {
            (Some(_), _) => Change::Issue,
            (None, Some(_)) => Change::Promote,
            (None, None) => Change::Begin,
        });
    };
    let mut again = vec![leaf.not_after];
    let mut wait_for = |left: Option<Duration>| again.push(after(now, left.unwrap_or(terms.propagation)));

    if let Some(current) = current.map(|current| &current.certificate) {
        let longer = after(now, terms.leaf).min(current.not_after) > leaf.not_after;
        let from_current = issuer.fingerprint == current.fingerprint;
        if !from_current || !names.are_in(&leaf.names) || (longer && renewal(leaf) <= now) {
            match if from_current { Some(Duration::ZERO) } else { trusted.left(current, terms) } {
                Some(Duration::ZERO) => return Step::Do(Change::Issue),
                left => wait_for(left),
            }
        }
    }
    let due = current.map(|current| renewal(&current.certificate));
    match (due.filter(|due| now < *due), next) {
        (Some(due), _) => again.push(due),
        (None, None) => return Step::Do(Change::Introduce),
        (None, Some(next)) => match trusted.left(&next.certificate, terms) {
            Some(Duration::ZERO) => return Step::Do(Change::Promote),
            left => wait_for(left),
        },
    }
    if !stored.old.is_empty() && stored.current.as_ref().is_some_and(|current| current.certificate == *issuer) {
        let unused = after(after(leaf.not_before, CLOCK_SKEW), terms.overlap);
        match trusted.left(issuer, terms) {
            Some(Duration::ZERO) if unused <= now => return Step::Do(Change::DropOld),
            left => again.push(unused.max(after(now, left.unwrap_or(terms.propagation)))),
        }
    }
    again.push(renewal(leaf));
    Step::Wait(again.into_iter().filter(|again| now < *again).min().unwrap_or_else(|| after(now, terms.propagation)))
}

/// At two thirds of its life.
fn renewal(certificate: &Certificate) -> Timestamp {
    let life = since(certificate.not_before, certificate.not_after);
    after(certificate.not_before, life / 3 * 2)
}

pub(crate) fn after(time: Timestamp, wait: Duration) -> Timestamp {
    SignedDuration::try_from(wait).ok().and_then(|wait| time.checked_add(wait).ok()).unwrap_or(Timestamp::MAX)
}

/// Zero when it lies ahead.
pub(crate) fn since(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
#[path = "plan/tests.rs"]
mod tests;
