//! What is counted of each policy. Its label values are the names and rules of the policies in force; what goes takes its series along.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use stateward_core::evaluate::UndecidedReason;
use stateward_core::manifest::Action;
use stateward_core::verdict::Verdict;

use super::seconds;
use crate::state::PolicyStatus;

/// Every series with a policy's name.
pub(crate) struct PolicyFamilies {
    loaded: Family<Policy, Gauge>,
    generation: Family<Policy, Gauge>,
    findings: Family<RuleAction, Counter>,
    undecided: Family<RuleReason, Counter>,
    failures: Family<PolicyCause, Counter>,
    evaluation: Family<Policy, Histogram, fn() -> Histogram>,
    queue: Family<Policy, Histogram, fn() -> Histogram>,
    installed: Mutex<Installed>,
}

/// One policy's series, found once when it is installed, so that a request formats no label.
pub(crate) struct PolicyMetrics {
    rules: HashMap<String, RuleMetrics>,
    failures: HashMap<&'static str, Counter>,
    evaluation: Histogram,
    queue: Histogram,
}

struct RuleMetrics {
    audit: Counter,
    warn: Counter,
    deny: Counter,
    apply: Counter,
    /// By `UndecidedReason::cause`.
    undecided: [(&'static str, Counter); 3],
}

/// The labels that are in use.
#[derive(Default)]
struct Installed {
    findings: HashSet<RuleAction>,
    undecided: HashSet<RuleReason>,
    failures: HashSet<PolicyCause>,
    policies: HashSet<Policy>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Policy {
    policy: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RuleReason {
    policy: String,
    rule: String,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RuleAction {
    policy: String,
    rule: String,
    action: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PolicyCause {
    policy: String,
    cause: &'static str,
}

impl PolicyFamilies {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let loaded = Family::default();
        registry.register(
            "policy_loaded",
            "1 while the policy is in force as it was last read, 0 while an older version is, or none",
            Family::clone(&loaded),
        );
        // The generation of the whole set counts what happened to this process: only this one can be compared between replicas.
        let generation = Family::default();
        registry.register(
            "policy_generation",
            "The metadata.generation of the WasmPolicy that was last read",
            Family::clone(&generation),
        );
        let findings = Family::default();
        registry.register("findings", "Findings and changes, by final action", Family::clone(&findings));
        let undecided = Family::default();
        registry.register("undecided", "Rules that lacked a fact, by reason", Family::clone(&undecided));
        let failures = Family::default();
        registry.register("policy_failures", "Policies that broke on a request, by cause", Family::clone(&failures));
        let evaluation = Family::new_with_constructor(seconds as fn() -> Histogram);
        let help = "One call of a component, by the first policy that shares it";
        registry.register_with_unit("evaluation_duration", help, Unit::Seconds, Family::clone(&evaluation));
        let queue = Family::new_with_constructor(seconds as fn() -> Histogram);
        registry.register_with_unit(
            "evaluation_queue",
            "Waiting for a permit to call a component",
            Unit::Seconds,
            Family::clone(&queue),
        );
        Self { loaded, generation, findings, undecided, failures, evaluation, queue, installed: Mutex::default() }
    }

    /// Series for each policy and rule; those of what is gone are taken away.
    pub(crate) fn install(&self, statuses: &[PolicyStatus]) -> HashMap<String, PolicyMetrics> {
        let mut now = Installed::default();
        let metrics = statuses.iter().map(|status| (status.name.clone(), self.policy(status, &mut now))).collect();
        let mut installed = self.installed.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *installed, now);
        remove_gone(&self.loaded, &before.policies, &installed.policies);
        remove_gone(&self.generation, &before.policies, &installed.policies);
        remove_gone(&self.findings, &before.findings, &installed.findings);
        remove_gone(&self.undecided, &before.undecided, &installed.undecided);
        remove_gone(&self.failures, &before.failures, &installed.failures);
        remove_gone(&self.evaluation, &before.policies, &installed.policies);
        remove_gone(&self.queue, &before.policies, &installed.policies);
        metrics
    }

    fn policy(&self, status: &PolicyStatus, now: &mut Installed) -> PolicyMetrics {
        let policy = || status.name.clone();
        let is_as_read = status.loaded && status.errors.is_empty();
        find(&self.loaded, Policy { policy: policy() }, &mut now.policies).set(is_as_read.into());
        if let Some(generation) = status.generation {
            find(&self.generation, Policy { policy: policy() }, &mut now.policies).set(generation);
        }
        let rules = status.rules.iter().map(|rule| (rule.clone(), self.rule(&status.name, rule, now))).collect();
        let failures = CAUSES.iter().map(|&cause| {
            let labels = PolicyCause { policy: policy(), cause };
            (cause, find(&self.failures, labels, &mut now.failures))
        });
        let failures = failures.collect();
        PolicyMetrics {
            rules,
            failures,
            evaluation: find(&self.evaluation, Policy { policy: policy() }, &mut now.policies),
            queue: find(&self.queue, Policy { policy: policy() }, &mut now.policies),
        }
    }

    fn rule(&self, policy: &str, rule: &str, now: &mut Installed) -> RuleMetrics {
        let mut finding = |action| {
            let labels = RuleAction { policy: policy.to_owned(), rule: rule.to_owned(), action };
            find(&self.findings, labels, &mut now.findings)
        };
        let [audit, warn, deny, apply] = ["audit", "warn", "deny", "apply"].map(&mut finding);
        let undecided = UndecidedReason::CAUSES.map(|reason| {
            let labels = RuleReason { policy: policy.to_owned(), rule: rule.to_owned(), reason };
            (reason, find(&self.undecided, labels, &mut now.undecided))
        });
        RuleMetrics { audit, warn, deny, apply, undecided }
    }
}

/// Counts what a verdict says of each policy.
pub(crate) fn count(policies: &HashMap<String, PolicyMetrics>, verdict: &Verdict) {
    let rule = |policy: &str, rule: &str| policies.get(policy).and_then(|policy| policy.rules.get(rule));
    for cost in &verdict.costs {
        if let Some(policy) = policies.get(&cost.policy) {
            policy.queue.observe(cost.queued.as_secs_f64());
            policy.evaluation.observe(cost.ran.as_secs_f64());
        }
    }
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
        let reasons = rule(&undecided.policy, &undecided.rule).map(|rule| &rule.undecided);
        let cause = undecided.reason.cause();
        if let Some((_, counter)) = reasons.and_then(|reasons| reasons.iter().find(|(reason, _)| *reason == cause)) {
            counter.inc();
        }
    }
    for failure in &verdict.failures {
        let causes = policies.get(&failure.policy).map(|policy| &policy.failures);
        if let Some(counter) = causes.and_then(|causes| causes.get(failure.error.cause()).or_else(|| causes.get(OTHER)))
        {
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

fn find<L, M, C>(family: &Family<L, M, C>, labels: L, installed: &mut HashSet<L>) -> M
where
    L: Clone + Eq + Hash,
    M: Clone,
    C: MetricConstructor<M>,
{
    let metric = family.get_or_create_owned(&labels);
    installed.insert(labels);
    metric
}

fn remove_gone<L, M, C>(family: &Family<L, M, C>, before: &HashSet<L>, now: &HashSet<L>)
where
    L: Clone + Eq + Hash,
    C: MetricConstructor<M>,
{
    for gone in before.difference(now) {
        family.remove(gone);
    }
}

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
    OTHER,
];
const OTHER: &str = "other";
