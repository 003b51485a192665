//! What is counted. Label sets are closed: routes, operations, known resources, and the names and rules of the policies in force.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use stateward_core::manifest::Action;
use stateward_core::verdict::Verdict;

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
    findings: Family<RuleAction, Counter>,
    undecided: Family<Rule, Counter>,
    failures: Family<PolicyCause, Counter>,
    evaluation_seconds: Family<Component, Histogram, fn() -> Histogram>,
    queue_seconds: Family<Component, Histogram, fn() -> Histogram>,
    /// What `for_policies` made, so that it can be taken away when a policy goes.
    policy_labels: Mutex<PolicyLabels>,
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

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Component {
    component: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RuleAction {
    policy: String,
    rule: String,
    action: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Rule {
    policy: String,
    rule: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PolicyCause {
    policy: String,
    cause: &'static str,
}

#[derive(Default)]
struct PolicyLabels {
    findings: HashSet<RuleAction>,
    undecided: HashSet<Rule>,
    failures: HashSet<PolicyCause>,
}

/// One policy's counters, found once when it is installed, so that a request formats no label.
pub(crate) struct PolicyMetrics {
    rules: HashMap<String, RuleMetrics>,
    failures: HashMap<&'static str, Counter>,
}

#[derive(Default)]
struct RuleMetrics {
    audit: Counter,
    warn: Counter,
    deny: Counter,
    apply: Counter,
    undecided: Counter,
}

/// One component's histograms.
#[derive(Clone)]
pub(crate) struct ComponentMetrics {
    ran: Histogram,
    queued: Histogram,
}

impl ComponentMetrics {
    /// One evaluation: how long it waited for a permit, and how long it ran.
    pub(crate) fn observe(&self, queued: Duration, ran: Duration) {
        self.queued.observe(queued.as_secs_f64());
        self.ran.observe(ran.as_secs_f64());
    }
}

impl Metrics {
    /// Histograms of a component: a closed set, since only administrators install them.
    pub(crate) fn component(&self, reference: &str) -> ComponentMetrics {
        let labels = Component { component: reference.to_owned() };
        ComponentMetrics {
            ran: self.evaluation_seconds.get_or_create_owned(&labels),
            queued: self.queue_seconds.get_or_create_owned(&labels),
        }
    }

    /// Counts an attempt to load policies or objects.
    pub fn count_policy_reload(&self, succeeded: bool) {
        self.policy_reloads.get_or_create(&Outcome::of(succeeded)).inc();
    }

    /// Counters for each policy and rule; those of policies that are gone are taken away.
    pub(crate) fn for_policies(&self, statuses: &[PolicyStatus]) -> HashMap<String, PolicyMetrics> {
        let mut labels = PolicyLabels::default();
        let metrics = statuses.iter().map(|status| (status.name.clone(), self.for_policy(status, &mut labels))).collect();
        let mut known = self.policy_labels.lock().unwrap_or_else(PoisonError::into_inner);
        known.findings.difference(&labels.findings).for_each(|gone| {
            self.findings.remove(gone);
        });
        known.undecided.difference(&labels.undecided).for_each(|gone| {
            self.undecided.remove(gone);
        });
        known.failures.difference(&labels.failures).for_each(|gone| {
            self.failures.remove(gone);
        });
        *known = labels;
        metrics
    }

    fn for_policy(&self, status: &PolicyStatus, labels: &mut PolicyLabels) -> PolicyMetrics {
        let policy = &status.name;
        let rules = status.rules.iter().map(|rule| {
            let mut finding = |action| {
                let label = RuleAction { policy: policy.clone(), rule: rule.clone(), action };
                let counter = self.findings.get_or_create_owned(&label);
                labels.findings.insert(label);
                counter
            };
            let (audit, warn, deny, apply) = (finding("audit"), finding("warn"), finding("deny"), finding("apply"));
            let label = Rule { policy: policy.clone(), rule: rule.clone() };
            let undecided = self.undecided.get_or_create_owned(&label);
            labels.undecided.insert(label);
            (rule.clone(), RuleMetrics { audit, warn, deny, apply, undecided })
        });
        let rules = rules.collect();
        let failures = CAUSES.iter().map(|&cause| {
            let label = PolicyCause { policy: policy.clone(), cause };
            let counter = self.failures.get_or_create_owned(&label);
            labels.failures.insert(label);
            (cause, counter)
        });
        PolicyMetrics { failures: failures.collect(), rules }
    }

    /// OpenMetrics text.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// Counts what a verdict says of each policy.
pub(crate) fn count_verdict(metrics: &HashMap<String, PolicyMetrics>, verdict: &Verdict) {
    let rule = |policy: &str, rule: &str| metrics.get(policy).and_then(|policy| policy.rules.get(rule));
    for ruling in &verdict.rulings {
        if let Some(rule) = rule(&ruling.policy, &ruling.rule) {
            rule.count(ruling.action);
        }
    }
    for change in &verdict.changes {
        if let Some(rule) = rule(&change.policy, &change.rule) {
            rule.count(change.action);
        }
    }
    for undecided in &verdict.undecided {
        if let Some(rule) = rule(&undecided.policy, &undecided.rule) {
            rule.undecided.inc();
        }
    }
    for failure in &verdict.failures {
        if let Some(counter) = metrics.get(&failure.policy).and_then(|policy| policy.failures.get(failure.error.cause()).or_else(|| policy.failures.get("other"))) {
            counter.inc();
        }
    }
}

impl RuleMetrics {
    fn count(&self, action: Action) {
        match action {
            Action::Off => return,
            Action::Audit => &self.audit,
            Action::Warn => &self.warn,
            Action::Deny => &self.deny,
            Action::Apply => &self.apply,
        }
        .inc();
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
        let seconds: fn() -> Histogram = || Histogram::new(SECONDS);

        let admissions = Family::default();
        registry.register("admissions", "Reviews answered, by what was asked and what was answered", Family::clone(&admissions));
        let admission_seconds = Family::new_with_constructor(seconds);
        registry.register_with_unit("admission_duration", "From header to answer", Unit::Seconds, Family::clone(&admission_seconds));
        let rejected = Family::default();
        registry.register("rejected_requests", "Requests that were not answered with a review", Family::clone(&rejected));
        let in_flight = Gauge::default();
        registry.register("in_flight_requests", "Reviews being decided", Gauge::clone(&in_flight));
        let connections = Gauge::default();
        registry.register("connections", "Open connections", Gauge::clone(&connections));
        let connections_closed = Family::default();
        registry.register("closed_connections", "Connections closed by us, by cause", Family::clone(&connections_closed));
        let handshake_failures = Family::default();
        registry.register("handshake_failures", "TLS handshakes that failed, by cause", Family::clone(&handshake_failures));
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
        registry.register("policy_set_generation", "Counts the policy sets that were put in force", Gauge::clone(&policy_set_generation));
        let findings = Family::default();
        registry.register("findings", "Findings and changes, by final action", Family::clone(&findings));
        let undecided = Family::default();
        registry.register("undecided", "Rules that lacked a fact", Family::clone(&undecided));
        let failures = Family::default();
        registry.register("policy_failures", "Policies that broke on a request, by cause", Family::clone(&failures));
        let evaluation_seconds = Family::new_with_constructor(seconds);
        registry.register_with_unit("evaluation_duration", "One call of a component", Unit::Seconds, Family::clone(&evaluation_seconds));
        let queue_seconds = Family::new_with_constructor(seconds);
        registry.register_with_unit("evaluation_queue", "Waiting to call a component", Unit::Seconds, Family::clone(&queue_seconds));

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
            findings,
            undecided,
            failures,
            evaluation_seconds,
            queue_seconds,
            policy_labels: Mutex::default(),
        }
    }
}

/// From a tenth of an ordinary request to the API server's default time-out.
const SECONDS: [f64; 16] =
    [0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0];

/// Of `EvaluateError::cause`, and one for what is not known here.
const CAUSES: [&str; 11] = [
    "timeout",
    "deadline",
    "trap",
    "memory",
    "answer_size",
    "bad_answer",
    "gave_up",
    "undeclared_lookup",
    "overload",
    "condition",
    "other",
];
