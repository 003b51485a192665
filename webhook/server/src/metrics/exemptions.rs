//! What the leader's last scan said of exemptions. Label values are closed, but for the names of the exemptions that end first.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// Exemptions of one state and use.
#[derive(Clone, Copy, Debug)]
pub struct ExemptionCount {
    /// `active`, `expired`, `unknown`, `refused`.
    pub state: &'static str,
    /// Of active ones: `used`, `not-needed`, `no-finding`, `no-object`, `not-known`; else `none`.
    pub usage: &'static str,
    /// How many.
    pub count: usize,
}

/// Set by the leader; there is no series elsewhere.
pub(super) struct ExemptionFamilies {
    counts: Family<StateUse, Gauge>,
    ends: Family<Named, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateUse {
    state: &'static str,
    r#use: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Named {
    exemption: String,
}

impl ExemptionFamilies {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families = Self { counts: Family::default(), ends: Family::default() };
        registry.register(
            "audit_exemptions",
            "Exemptions at the last scan, by state and by whether anything needs them",
            Family::clone(&families.counts),
        );
        registry.register_with_unit(
            "exemption_expiry_timestamp",
            "When an exemption ends or ended, seconds since 1970; of those that end first, or ended last",
            Unit::Seconds,
            Family::clone(&families.ends),
        );
        families
    }

    /// `ends`: `namespace/name` and when, those first that matter most.
    pub(super) fn set(&self, counts: &[ExemptionCount], ends: &[(String, i64)]) {
        self.counts.clear();
        for &ExemptionCount { state, usage, count } in counts {
            let gauge = self.counts.get_or_create_owned(&StateUse { state, r#use: usage });
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        self.ends.clear();
        for (exemption, at) in ends.iter().take(MAX_NAMED) {
            self.ends.get_or_create_owned(&Named { exemption: exemption.clone() }).set(*at);
        }
    }
}

/// Who may write exemptions may write thousands, and each would be a series.
const MAX_NAMED: usize = 100;
