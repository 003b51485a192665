//! What is counted. Label sets are closed: routes, operations, known resources, and the names and rules of the policies in force.

mod audit;
mod exemptions;
mod policies;

use std::fmt;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use stateward_core::manifest::Profile;
use stateward_core::resources::{FailurePolicy, Mode};

use audit::AuditFamilies;
pub use audit::AuditSample;
pub use exemptions::ExemptionCount;
use exemptions::ExemptionFamilies;
pub(crate) use policies::{PolicyFamilies, PolicyMetrics, count};

use crate::routes::Rejection;
use crate::state::PolicyStatus;

/// Every metric of the server.
pub struct Metrics {
    registry: Registry,
    pub(crate) admissions: Family<Admission, Counter>,
    pub(crate) admission_seconds: Family<Route, Histogram, fn() -> Histogram>,
    pub(crate) rejected: Family<Cause, Counter>,
    pub(crate) in_flight: Gauge,
    pub(crate) connections: Gauge,
    pub(crate) connections_closed: Family<Cause, Counter>,
    pub(crate) handshake_failures: Family<Cause, Counter>,
    pub(crate) panics: Counter,
    pub(crate) tls_reloads: Family<Outcome, Counter>,
    pub(crate) certificate_expiry: Gauge,
    /// Attempts to load the policies.
    pub(crate) policy_reloads: Family<Outcome, Counter>,
    pub(crate) policy_set_generation: Gauge,
    leading: Gauge,
    registered: Gauge,
    pub(crate) policies: PolicyFamilies,
    audit: AuditFamilies,
    exemptions: ExemptionFamilies,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Admission {
    pub(crate) route: &'static str,
    pub(crate) operation: &'static str,
    pub(crate) resource: &'static str,
    pub(crate) verdict: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Route {
    pub(crate) route: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Cause {
    pub(crate) cause: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Outcome {
    pub(crate) outcome: &'static str,
}

impl Metrics {
    /// With a series of each family, since [`Self::encode`] leaves out a family that has none: for whoever must know all that there is.
    pub fn with_every_family() -> Self {
        let metrics = Self::default();
        let any = "any";
        let admission = Admission { route: any, operation: any, resource: any, verdict: any };
        metrics.admissions.get_or_create_owned(&admission);
        metrics.admission_seconds.get_or_create_owned(&Route { route: any });
        for by_cause in [&metrics.rejected, &metrics.connections_closed, &metrics.handshake_failures] {
            by_cause.get_or_create_owned(&Cause { cause: any });
        }
        for by_outcome in [&metrics.tls_reloads, &metrics.policy_reloads] {
            by_outcome.get_or_create_owned(&Outcome::of(true));
        }
        let policy = PolicyStatus {
            name: any.to_owned(),
            component: any.to_owned(),
            digest: None,
            loaded: true,
            generation: Some(1),
            mode: Mode::Enforce,
            profile: Profile::Baseline,
            failure_policy: FailurePolicy::Fail,
            rules: vec![any.to_owned()],
            errors: Vec::new(),
        };
        metrics.policies.install(&[policy]);
        let sample = AuditSample::default();
        metrics.audit(sample, std::iter::once((any, any, any.to_owned(), 1)));
        metrics.exemptions(&[ExemptionCount { state: any, usage: any, count: 1 }], &[(any.to_owned(), 0)]);
        metrics
    }

    /// Counts an attempt to load policies or objects.
    pub fn count_policy_reload(&self, succeeded: bool) {
        self.policy_reloads.get_or_create(&Outcome::of(succeeded)).inc();
    }

    /// In a cluster: whether this replica leads, and whether it sees its webhooks registered. A sum of 0 over all replicas is worth an alert.
    pub fn registration(&self, leading: bool, registered: bool) {
        self.leading.set(leading.into());
        self.registered.set(registered.into());
    }

    /// The leader has scanned what is stored. `findings`: policy, rule, action and how many.
    pub fn audit<'a>(&self, sample: AuditSample, findings: impl Iterator<Item = (&'a str, &'a str, String, usize)>) {
        self.audit.set(sample, findings);
    }

    /// A scan did not end, or did not see or report everything.
    pub fn count_audit_failure(&self) {
        self.audit.failures.inc();
    }

    /// What the same scan says of exemptions. `ends`: `namespace/name` and when, seconds since 1970, those first that matter most.
    pub fn exemptions(&self, counts: &[ExemptionCount], ends: &[(String, i64)]) {
        self.exemptions.set(counts, ends);
    }

    /// Another replica scans from now on.
    pub fn no_audit(&self) {
        self.audit.clear();
        self.exemptions.set(&[], &[]);
    }

    /// OpenMetrics text.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Outcome {
    pub(crate) const fn of(succeeded: bool) -> Self {
        Self { outcome: if succeeded { "succeeded" } else { "failed" } }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut root = Registry::default();
        let registry = root.sub_registry_with_prefix("stateward");

        let admissions = Family::default();
        registry.register(
            "admissions",
            "Reviews answered, by what was asked and what was answered",
            Family::clone(&admissions),
        );
        let admission_seconds = Family::new_with_constructor(seconds as fn() -> Histogram);
        registry.register_with_unit(
            "admission_duration",
            "From header to answer",
            Unit::Seconds,
            Family::clone(&admission_seconds),
        );
        let rejected: Family<Cause, Counter> = Family::default();
        // There is an alert on these. Of a series that begins with its first request nobody can tell that one was added.
        for rejection in [Rejection::Overloaded, Rejection::DeadlinePassed] {
            rejected.get_or_create_owned(&Cause { cause: rejection.cause() });
        }
        registry.register(
            "rejected_requests",
            "Requests that were not answered with a review",
            Family::clone(&rejected),
        );
        let in_flight = Gauge::default();
        registry.register("in_flight_requests", "Reviews being decided", Gauge::clone(&in_flight));
        let connections = Gauge::default();
        registry.register("connections", "Open connections", Gauge::clone(&connections));
        let connections_closed = Family::default();
        registry.register(
            "closed_connections",
            "Connections closed by us, by cause",
            Family::clone(&connections_closed),
        );
        let handshake_failures = Family::default();
        registry.register(
            "handshake_failures",
            "TLS handshakes that failed, by cause",
            Family::clone(&handshake_failures),
        );
        let panics = Counter::default();
        registry.register("panics", "Requests that panicked; each is a bug", Counter::clone(&panics));
        let tls_reloads = Family::default();
        registry.register("certificate_reloads", "Attempts to load a changed certificate", Family::clone(&tls_reloads));
        let certificate_expiry = Gauge::default();
        registry.register_with_unit(
            "certificate_expiry_timestamp",
            "When the serving certificate expires, seconds since 1970",
            Unit::Seconds,
            Gauge::clone(&certificate_expiry),
        );
        let policy_reloads = Family::default();
        registry.register("policy_reloads", "Attempts to load changed policies", Family::clone(&policy_reloads));
        let policy_set_generation = Gauge::default();
        registry.register(
            "policy_set_generation",
            "Counts the policy sets that were put in force",
            Gauge::clone(&policy_set_generation),
        );
        let leading = Gauge::default();
        registry.register("leading", "1 in the replica that leads", Gauge::clone(&leading));
        let registered = Gauge::default();
        registry.register(
            "registered",
            "1 in the leader while both webhook configurations are as they should be",
            Gauge::clone(&registered),
        );
        let policies = PolicyFamilies::register(registry);
        let audit = AuditFamilies::register(registry);
        let exemptions = ExemptionFamilies::register(registry);

        Self {
            registry: root,
            admissions,
            admission_seconds,
            rejected,
            in_flight,
            connections,
            connections_closed,
            handshake_failures,
            panics,
            tls_reloads,
            certificate_expiry,
            policy_reloads,
            policy_set_generation,
            leading,
            registered,
            policies,
            audit,
            exemptions,
        }
    }
}

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

/// From a tenth of an ordinary request to the API server's default time-out.
const SECONDS: [f64; 16] = [
    0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5,
    10.0,
];
