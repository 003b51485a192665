//! Who may lead: what was seen of the Lease and what time it is become the next step.
//!
//! Knows no client and reads no clock. The times written into the Lease are for people: how long a record has stood is judged by the clock of
//! whoever looks at it, so clocks may differ as long as they run at about the same rate.

use std::time::Duration;

use tokio::time::Instant;

/// How long a record that nobody renews keeps the others waiting.
pub const LEASE: Duration = Duration::from_secs(15);

/// From the start of the last renewal that succeeded. The 5 s to [`LEASE`] are for ending the work, and for clocks that run at different rates.
pub(crate) const RENEW_DEADLINE: Duration = Duration::from_secs(10);

/// Two attempts fit into [`RENEW_DEADLINE`], and further ones after [`RETRY_EVERY`].
pub(crate) const RENEW_EVERY: Duration = Duration::from_secs(5);

/// After a failure, and how often the others look. A released Lease is taken within this time.
pub(crate) const RETRY_EVERY: Duration = Duration::from_secs(2);

/// A record that promises more is taken for an edit: it must not keep everybody from leading.
const LONGEST_LEASE: Duration = Duration::from_secs(60);

/// What the Lease says, as far as it decides anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Empty when it was released.
    pub(crate) holder: String,
    /// What the holder promised to renew within.
    pub(crate) lease: Duration,
    /// Changes with every write.
    pub(crate) version: String,
}

/// The last record seen, and since when it has been the same by our own clock.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observed {
    record: Option<(Record, Instant)>,
    /// When a record that somebody held was found deleted.
    vanished: Option<Instant>,
}

impl Observed {
    /// Takes note of what was read, or of there being no Lease.
    pub(crate) fn see(&mut self, record: Option<Record>, now: Instant) {
        let former = self.record.take();
        let was_held = former.as_ref().is_some_and(|(record, _)| !record.holder.is_empty());
        match record {
            Some(record) => {
                let since = former.filter(|(former, _)| *former == record).map_or(now, |(_, since)| since);
                self.record = Some((record, since));
                self.vanished = None;
            }
            None if was_held => self.vanished = Some(now),
            None => {}
        }
    }

    pub(crate) fn record(&self) -> Option<&Record> {
        self.record.as_ref().map(|(record, _)| record)
    }
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// There is no Lease: make one that is ours.
    Create,
    /// It is free, expired or ours from before: write ourselves into it, if nobody did since it was read.
    Take,
    /// It is ours: write the time, if nobody wrote since.
    Renew,
    /// Another one leads, or we do and need not renew yet.
    Wait(Duration),
    /// We led and no longer may.
    GiveUp,
}

/// The next step of `identity`, which leads if `renewed` says when its last successful renewal was *sent*.
pub(crate) fn next_step(identity: &str, observed: &Observed, renewed: Option<Instant>, now: Instant) -> Step {
    if let Some(renewed) = renewed {
        let age = now.saturating_duration_since(renewed);
        return match observed.record() {
            _ if age >= RENEW_DEADLINE => Step::GiveUp,
            Some(record) if record.holder != identity => Step::GiveUp,
            // Deleted by hand.
            None => Step::Create,
            Some(_) if age >= RENEW_EVERY => Step::Renew,
            Some(_) => Step::Wait(RENEW_EVERY.saturating_sub(age)),
        };
    }
    match &observed.record {
        None => {
            // Deleted by hand: whoever held it still leads until it notices, and then makes it again.
            let left =
                observed.vanished.map_or(Duration::ZERO, |at| LEASE.saturating_sub(now.saturating_duration_since(at)));
            if left.is_zero() { Step::Create } else { Step::Wait(left.min(RETRY_EVERY)) }
        }
        Some((record, _)) if record.holder.is_empty() || record.holder == identity => Step::Take,
        Some((record, since)) => {
            let lease = record.lease.clamp(LEASE, LONGEST_LEASE);
            let left = lease.saturating_sub(now.saturating_duration_since(*since));
            if left.is_zero() { Step::Take } else { Step::Wait(left.min(RETRY_EVERY)) }
        }
    }
}

#[cfg(test)]
#[path = "term/tests.rs"]
mod tests;
