//! What the leader's last scan found. Its label values are the names and rules of the policies of that scan.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// One scan, as it is counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct AuditSample {
    /// When it began, seconds since 1970.
    pub at: i64,
    /// Seconds that it took.
    pub took: f64,
    /// How many objects it looked at.
    pub objects: usize,
    /// How many keys of ours somebody else is said to have written.
    pub suspected: usize,
}

/// Set by the leader, zero elsewhere.
pub(super) struct AuditFamilies {
    at: Gauge,
    took: Gauge<f64, AtomicU64>,
    objects: Gauge,
    suspected: Gauge,
    findings: Family<Found, Gauge>,
    pub(super) failures: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Found {
    policy: String,
    rule: String,
    action: String,
}

impl AuditFamilies {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families = Self {
            at: Gauge::default(),
            took: Gauge::default(),
            objects: Gauge::default(),
            suspected: Gauge::default(),
            findings: Family::default(),
            failures: Counter::default(),
        };
        registry.register_with_unit(
            "audit_last_scan_timestamp",
            "When the last scan of what is stored began, seconds since 1970; 0 in replicas that do not lead",
            Unit::Seconds,
            Gauge::clone(&families.at),
        );
        registry.register_with_unit(
            "audit_duration",
            "How long the last scan took, with the reports that it wrote",
            Unit::Seconds,
            Gauge::clone(&families.took),
        );
        registry.register("audit_objects", "Objects that the last scan looked at", Gauge::clone(&families.objects));
        registry.register(
            "audit_suspected",
            "Keys that only the webhook writes, of which field managers say that somebody else wrote them",
            Gauge::clone(&families.suspected),
        );
        registry.register(
            "audit_findings",
            "Findings of the last scan on what is stored, by policy, rule and action",
            Family::clone(&families.findings),
        );
        registry.register(
            "audit_failures",
            "Scans that did not end, or did not see or report everything",
            Counter::clone(&families.failures),
        );
        families
    }

    /// `findings`: policy, rule, action and how many.
    pub(super) fn set<'a>(
        &self,
        sample: AuditSample,
        findings: impl Iterator<Item = (&'a str, &'a str, String, usize)>,
    ) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.at.set(sample.at);
        self.took.set(sample.took);
        self.objects.set(number(sample.objects));
        self.suspected.set(number(sample.suspected));
        self.findings.clear();
        for (policy, rule, action, count) in findings {
            let found = Found { policy: policy.to_owned(), rule: rule.to_owned(), action };
            self.findings.get_or_create(&found).set(number(count));
        }
    }

    /// Another replica scans from now on.
    pub(super) fn clear(&self) {
        self.set(AuditSample::default(), std::iter::empty());
    }
}
