//! What the leader's scan says of exemptions, for the metrics.

use std::collections::BTreeMap;

use jiff::Timestamp;
use stateward_cluster::audit::Stored;
use stateward_core::exemption::{Reached, Reaches, Tally, WrongExemption};
use stateward_core::policy_set::PolicySet;
use stateward_core::verdict::Verdict;
use stateward_report::exemptions::{Covered, Exemption, Scan, State as Standing, Usage, list};
use stateward_server::{ExemptionCount, State};

/// Counts while a scan goes on.
pub(super) struct Exempting {
    reaches: Reaches,
    /// By the exemption's place in the set.
    tallies: BTreeMap<usize, Tally>,
}

impl Exempting {
    /// A scan by this set that begins.
    pub(super) fn new(set: &PolicySet) -> Self {
        Self { reaches: Reaches::new(set), tallies: BTreeMap::new() }
    }

    /// Adds one object.
    pub(super) fn count(&mut self, stored: &Stored, verdict: &Verdict) {
        let Stored { namespace, name, json, .. } = stored;
        for Reached { exemption, tally } in self.reaches.of(namespace.as_deref(), Some(name), json, verdict) {
            *self.tallies.entry(exemption).or_default() += tally;
        }
    }

    /// The scan is over. `is_whole`: everything could be listed.
    pub(super) fn tell(self, set: &PolicySet, now: Timestamp, wrong: &[WrongExemption], is_whole: bool, state: &State) {
        let covered = |(exemption, tally)| Covered { exemption, object: None, tally };
        let covered = self.tallies.into_iter().map(covered).collect();
        let gap = (!is_whole).then_some("not everything could be listed");
        let all = list(set, now, Scan { wrong, covered, gap, ..Scan::default() });
        state.metrics().exemptions(&counts(&all), &ends(&all, now));
    }
}

/// Every series is there from the first scan on, also at 0: an alert sees what comes.
fn counts(all: &[Exemption]) -> Vec<ExemptionCount> {
    let word = |exemption: &Exemption| exemption.usage.as_ref().map_or(NO_USE, Usage::word);
    let active = [Usage::Used, Usage::NotNeeded, Usage::NoFinding, Usage::NoObject, Usage::NotKnown(String::new())];
    let active = active.iter().map(|usage| (Standing::Active, usage.word()));
    let others = [Standing::Expired, Standing::Unknown, Standing::Refused].map(|state| (state, NO_USE));
    let count = |(state, usage): (Standing, &'static str)| ExemptionCount {
        state: state.word(),
        usage,
        count: all.iter().filter(|exemption| exemption.state == state && word(exemption) == usage).count(),
    };
    active.chain(others).map(count).collect()
}

/// What ends next, then what ended last. What is refused exempts nothing that could come back.
fn ends(all: &[Exemption], now: Timestamp) -> Vec<(String, i64)> {
    let counts = all.iter().filter(|exemption| exemption.state != Standing::Refused);
    let mut ends: Vec<(&Exemption, Timestamp)> =
        counts.filter_map(|exemption| Some((exemption, exemption.expires?))).collect();
    ends.sort_by_key(|(_, at)| (*at <= now, now.duration_since(*at).abs()));
    ends.into_iter().map(|(exemption, at)| (exemption.full_name(), at.as_second())).collect()
}

const NO_USE: &str = "none";
