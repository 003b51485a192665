//! Somebody else who writes our configurations again and again: two who restore theirs would change them many times in a second, and whose requests
//! are judged by whom would be chance.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::record::Which;

/// What was corrected lately.
#[derive(Default)]
pub(super) struct Dispute {
    corrections: VecDeque<Instant>,
    /// Since the first minute with too many; when the last one was, and whose.
    open: Option<(Instant, String)>,
}

impl Dispute {
    /// Takes in what a look corrected; words for a person once that has become too often, until there was a minute of peace.
    pub(super) fn see(&mut self, corrected: &[(Which, String)], now: Instant) -> Option<String> {
        let is_over = |at: Instant| now.saturating_duration_since(at) >= LATELY;
        self.corrections.extend(corrected.iter().map(|_| now));
        while self.corrections.pop_front_if(|first| is_over(*first)).is_some() {}
        let last = corrected.last().map(|(which, by)| (now, format!("`{}` last by `{by}`", which.resource())));
        match (&self.open, last) {
            (Some(_), Some(last)) => self.open = Some(last),
            (None, Some(last)) if self.corrections.len() > MOST => self.open = Some(last),
            (Some((at, _)), None) if is_over(*at) => *self = Self::default(),
            _ => {}
        }
        self.open.as_ref().map(|(_, last)| {
            format!(
                "somebody else writes our webhook configurations again and again, {last}; ours are put back twice a minute\nhint: take them out of the other's repository, or uninstall the other installation"
            )
        })
    }
}

/// Our own changes are a handful in a minute: a certificate, a policy, a proof.
const MOST: usize = 10;

const LATELY: Duration = Duration::from_secs(60);

/// Between two corrections while there is a dispute.
pub(super) const BRAKE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_corrections_are_a_dispute_until_there_is_peace() {
        let (mut dispute, begun) = (Dispute::default(), Instant::now());
        let corrected = [(Which::Validating, "argocd-controller".to_owned())];
        let at = |seconds: u64| begun + Duration::from_secs(seconds);
        let calm = (0..10).filter(|second| dispute.see(&corrected, at(*second)).is_some()).count();
        assert_eq!(calm, 0);
        let said = dispute.see(&corrected, at(10)).unwrap();
        assert!(said.contains("`validatingwebhookconfigurations` last by `argocd-controller`"), "{said}");
        assert!(dispute.see(&[], at(40)).is_some());
        assert!(dispute.see(&corrected, at(69)).is_some());
        assert!(dispute.see(&[], at(128)).is_some());
        assert_eq!(dispute.see(&[], at(129)), None);
        assert_eq!(dispute.see(&corrected, at(130)), None, "one is none");
    }
}
