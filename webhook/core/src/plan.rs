//! Which policies a request concerns, and the calls that follow from it. What does not match costs a hash look-up or a few comparisons.

use std::cell::OnceCell;
use std::sync::Arc;

use crate::admit::{Facts, Route};
use crate::conditions::{Condition, ConditionFailure, Variables};
use crate::contract;
use crate::evaluate::{Call, Evaluate, EvaluateError, Limits, RuleIndex, Unit};
use crate::inventory::Labels;
use crate::manifest::Profile;
use crate::object::{Head, value_of};
use crate::policy::Policy;
use crate::policy_set::{Entry, PolicySet};
use crate::request::Request;
use crate::resources::{FailurePolicy, Mode};
use crate::trace::{PolicyTrace, ProfileSource, Trace};
use crate::verdict::Failure;

/// Which rules of an entry are wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted {
    /// Those of a validating route.
    Validating(Route),
    /// The mutating ones.
    Mutating,
}

/// What is known of the request's namespace.
#[derive(Clone, Debug)]
pub(crate) enum NamespaceFacts {
    /// A cluster-scoped object that is not a Namespace: it is in none, and selectors let it pass.
    NoNamespace,
    /// The labels.
    Labels(Arc<Labels>),
    /// A Namespace is updated: the labels that selectors match, and those of its other version. The stricter profile of the two is in force,
    /// or a request could take the label away and be judged as if it had never been there.
    Updated {
        /// Of the new object; of a subresource's request, of the old one: what the API server goes by.
        matched: Arc<Labels>,
        /// Of the other one.
        other: Arc<Labels>,
    },
    /// Not known here: no labels, the policies' own profiles.
    Unknown,
}

/// One installed policy that is asked.
pub(crate) struct Planned<'s> {
    pub policy: &'s Policy,
    /// Ascending, never empty.
    pub rules: &'s [RuleIndex],
    /// In force for this request.
    pub profile: Profile,
    /// What a failure means here.
    pub on_failure: FailurePolicy,
}

/// What a request leads to.
#[derive(Default)]
pub(crate) struct Plan<'s> {
    /// In name order.
    pub planned: Vec<Planned<'s>>,
    /// Matched, if it were known who asks: all of their rules are undecided.
    pub needs_user: Vec<Planned<'s>>,
    /// Conditions that could not be evaluated.
    pub failures: Vec<Failure>,
}

impl NamespaceFacts {
    /// Asks the Inventory, unless the object is a Namespace or in none.
    pub(crate) async fn find(request: &Request<'_>, facts: &Facts) -> Self {
        if request.resource.group.is_empty() && request.resource.resource == "namespaces" {
            let (new, old) = (labels_of(request.object.as_deref()), labels_of(request.old_object.as_deref()));
            let is_whole = request.resource.subresource.is_empty();
            return match if is_whole { (new, old) } else { (old, new) } {
                (Some(matched), Some(other)) => Self::Updated { matched, other },
                (Some(labels), None) | (None, Some(labels)) => Self::Labels(labels),
                (None, None) => Self::Unknown,
            };
        }
        match request.namespace.as_deref() {
            None | Some("") => Self::NoNamespace,
            Some(namespace) => facts.inventory.namespace_labels(namespace).await.map_or(Self::Unknown, Self::Labels),
        }
    }

    fn label(&self, key: &str) -> Option<&str> {
        match self {
            Self::Labels(labels) | Self::Updated { matched: labels, .. } => labels.get(key).map(String::as_str),
            Self::NoNamespace | Self::Unknown => None,
        }
    }

    /// The stricter of the policy's profile and the namespace's. A value that is not known is as good as none.
    fn profile(&self, policy: Profile) -> Profile {
        let other = match self {
            Self::Updated { other, .. } => other.get(contract::PROFILE).map(String::as_str),
            Self::NoNamespace | Self::Labels(_) | Self::Unknown => None,
        };
        if [self.label(contract::PROFILE), other].contains(&Some("strict")) { Profile::Strict } else { policy }
    }

    /// Which profile, and where it comes from: for steps.
    pub(crate) fn describe_profile(&self, policy: Profile) -> String {
        self.profile_source(policy).describe(self.profile(policy))
    }

    fn profile_source(&self, policy: Profile) -> ProfileSource {
        match self {
            Self::Unknown => ProfileSource::UnknownNamespace,
            _ if self.profile(policy) > policy => ProfileSource::Namespace,
            _ => ProfileSource::Policy,
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::NoNamespace => "none".to_owned(),
            Self::Unknown => "not known here: no labels, the policies' own profiles".to_owned(),
            Self::Labels(labels) | Self::Updated { matched: labels, .. } => {
                let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
                if labels.is_empty() { "no labels".to_owned() } else { labels.join(", ") }
            }
        }
    }
}

impl<'s> Plan<'s> {
    /// Matches the policies of the set that have rules for the request's resource and operation.
    pub(crate) fn new(
        set: &'s PolicySet,
        request: &Request<'_>,
        namespace: &NamespaceFacts,
        wanted: Wanted,
        trace: Option<&mut Trace>,
    ) -> Self {
        let objects = Objects::new(request);
        let mut plan = Self::default();
        let mut skipped: Vec<(usize, String)> = Vec::new();
        let traced = trace.is_some();
        for entry in set.entries(&request.resource, request.operation) {
            let Some(policy) = set.policies().get(entry.policy) else { continue };
            let profile = namespace.profile(policy.profile);
            let (rules, on_failure) = wanted.of(entry, policy, profile);
            // A policy that would not refuse for what it finds does not refuse for breaking either: a roll-out in `Audit` is safe.
            let on_failure = if policy.mode == Mode::Enforce { on_failure } else { FailurePolicy::Ignore };
            if rules.is_empty() {
                continue;
            }
            let planned = Planned { policy, rules, profile, on_failure };
            match mismatch(policy, request, namespace, &objects) {
                Ok(None) => plan.planned.push(planned),
                Ok(Some(reason)) => {
                    if traced {
                        skipped.push((entry.policy, reason.describe()));
                    }
                    if let Mismatch::NeedsUser(_) = reason {
                        plan.needs_user.push(planned);
                    }
                }
                Err(error) => {
                    plan.failures.push(Failure { policy: policy.name.clone(), error, failure_policy: on_failure })
                }
            }
        }
        if let Some(trace) = trace {
            trace.namespace = Some(namespace.describe());
            trace.policies = set
                .policies()
                .iter()
                .enumerate()
                .map(|(at, policy)| plan.describe(at, policy, request, namespace, &skipped))
                .collect();
        }
        plan
    }

    /// The calls of all planned policies. Each with the places of its units in [`Self::planned`].
    pub(crate) fn calls<'a>(&'a self, facts: &Facts) -> Vec<(Vec<usize>, Call<'a>)> {
        self.group(self.planned.iter().enumerate().map(|(at, planned)| (at, planned.rules)), facts)
    }

    /// The calls of some policies with some of their rules.
    pub(crate) fn calls_with<'a>(
        &'a self,
        rules: &'a [(usize, Vec<RuleIndex>)],
        facts: &Facts,
    ) -> Vec<(Vec<usize>, Call<'a>)> {
        self.group(rules.iter().map(|(at, rules)| (*at, rules.as_slice())), facts)
    }

    /// The code behind a call.
    pub(crate) fn code(&self, units: &[usize]) -> Option<&dyn Evaluate> {
        let first = self.planned.get(*units.first()?)?;
        Some(first.policy.component.code.as_ref())
    }

    /// Policies of one component share a call; the smallest limits apply to it.
    fn group<'a>(
        &'a self,
        asked: impl Iterator<Item = (usize, &'a [RuleIndex])>,
        facts: &Facts,
    ) -> Vec<(Vec<usize>, Call<'a>)> {
        let mut calls: Vec<(Vec<usize>, Call<'a>)> = Vec::new();
        for (at, rules) in asked {
            let Some(planned) = self.planned.get(at) else { continue };
            let digest = &planned.policy.component.digest;
            let shares = |units: &[usize]| {
                let first = units.first().and_then(|&unit| self.planned.get(unit));
                first.is_some_and(|first| first.policy.component.digest == *digest)
            };
            match calls.iter_mut().find(|(units, _)| shares(units)) {
                Some((units, call)) => {
                    units.push(at);
                    call.limits = smaller(call.limits, planned.policy.limits);
                    call.units.push(planned.unit(rules));
                }
                None => calls.push((vec![at], planned.call(rules, facts))),
            }
        }
        calls
    }

    fn describe(
        &self,
        at: usize,
        policy: &Policy,
        request: &Request<'_>,
        namespace: &NamespaceFacts,
        skipped: &[(usize, String)],
    ) -> PolicyTrace {
        let planned = self.planned.iter().find(|planned| planned.policy.name == policy.name);
        let failed = self.failures.iter().find(|failure| failure.policy == policy.name);
        let reason = match (planned, failed, skipped.iter().find(|(n, _)| *n == at)) {
            (Some(_), ..) => None,
            (None, Some(failure), _) => Some(failure.error.to_string()),
            (None, None, Some((_, reason))) => Some(reason.clone()),
            (None, None, None) => {
                Some(format!("no rule of it is asked about {} of {} here", request.operation, request.resource))
            }
        };
        let rules = planned.map_or(&[][..], |planned| planned.rules);
        PolicyTrace {
            policy: policy.name.clone(),
            skipped: reason,
            profile: namespace.profile(policy.profile),
            profile_from: namespace.profile_source(policy.profile),
            rules: rules.iter().filter_map(|&rule| Some(policy.component.manifest.rule(rule)?.id.clone())).collect(),
            ran_us: None,
        }
    }
}

impl<'s> Planned<'s> {
    /// A call of this policy alone, with some of its rules.
    pub(crate) fn call<'a>(&'a self, rules: &'a [RuleIndex], facts: &Facts) -> Call<'a> {
        Call {
            policy: &self.policy.name,
            units: vec![self.unit(rules)],
            limits: self.policy.limits,
            deadline: facts.deadline,
            inventory: Arc::clone(&facts.inventory),
        }
    }

    fn unit<'a>(&'a self, rules: &'a [RuleIndex]) -> Unit<'a> {
        Unit { rules, profile: self.profile, settings: &self.policy.settings }
    }

    /// Whether a fixed rule is among the asked ones.
    pub(crate) fn has_fixed(&self) -> bool {
        self.rules.iter().any(|&rule| self.policy.component.manifest.rule(rule).is_some_and(|rule| rule.fixed))
    }
}

impl Wanted {
    fn of<'s>(self, entry: &'s Entry, policy: &Policy, profile: Profile) -> (&'s [RuleIndex], FailurePolicy) {
        let own = policy.failure_policy;
        match self {
            // What refuses nothing is asked where a missing answer refuses nothing either.
            Self::Validating(Route::Closed | Route::Fail) if !policy.may_refuse() => (&[], own),
            Self::Validating(Route::Ignore) if !policy.may_refuse() => (entry.all.of(profile), own),
            Self::Validating(Route::Closed) => (entry.closed.of(profile), FailurePolicy::Fail),
            Self::Validating(Route::Fail) if own == FailurePolicy::Fail => (entry.open.of(profile), own),
            Self::Validating(Route::Fail) => (&[], own),
            Self::Validating(Route::Ignore) if own == FailurePolicy::Fail => {
                (entry.unawaited.of(profile), FailurePolicy::Ignore)
            }
            Self::Validating(Route::Ignore) => (entry.open.of(profile), own),
            Self::Validating(Route::All) => {
                let is_closed = policy.may_refuse() && !entry.closed.of(profile).is_empty();
                (entry.all.of(profile), if is_closed { FailurePolicy::Fail } else { own })
            }
            // Mutation fails open, validation fails closed (DESIGN section 8).
            Self::Mutating => (entry.mutating.of(profile), FailurePolicy::Ignore),
        }
    }
}

/// Why a policy has nothing to say to a request that its rules could be about.
enum Mismatch<'s> {
    Name,
    NamespaceSelector,
    ObjectSelector,
    Condition(&'s str),
    NeedsUser(&'s str),
}

impl Mismatch<'_> {
    fn describe(&self) -> String {
        match self {
            Self::Name => "its resource rules do not select an object of this name".to_owned(),
            Self::NamespaceSelector => "its namespaceSelector does not select the namespace".to_owned(),
            Self::ObjectSelector => "its objectSelector does not select the object".to_owned(),
            Self::Condition(name) => format!("its match condition `{name}` is false"),
            Self::NeedsUser(name) => format!("its match condition `{name}` asks for the user, who is not known here"),
        }
    }
}

fn mismatch<'s>(
    policy: &'s Policy,
    request: &Request<'_>,
    namespace: &NamespaceFacts,
    objects: &Objects<'_>,
) -> Result<Option<Mismatch<'s>>, EvaluateError> {
    let matcher = &policy.matcher;
    let selector = &matcher.namespace_selector;
    // As in Kubernetes, a cluster-scoped object other than a Namespace is never left out by it.
    let in_namespace = matches!(namespace, NamespaceFacts::NoNamespace)
        || selector.is_empty()
        || selector.matches(|key| namespace.label(key));
    if !in_namespace {
        return Ok(Some(Mismatch::NamespaceSelector));
    }
    if !matcher.matches_name(request) {
        return Ok(Some(Mismatch::Name));
    }
    if !matcher.object_selector.is_empty()
        && !objects.any_selected(|labels| matcher.object_selector.matches(|key| value_of(labels, key)))
    {
        return Ok(Some(Mismatch::ObjectSelector));
    }
    conditions(&matcher.conditions, request)
}

/// As in Kubernetes: one that is false decides, then one that fails.
fn conditions<'s>(conditions: &'s [Condition], request: &Request<'_>) -> Result<Option<Mismatch<'s>>, EvaluateError> {
    let variables = Variables::new(request);
    let mut failed = None;
    let mut needs_user = None;
    for condition in conditions {
        match condition.evaluate(&variables) {
            Ok(true) => {}
            Ok(false) => return Ok(Some(Mismatch::Condition(condition.name()))),
            Err(ConditionFailure::NeedsUser) => needs_user = Some(Mismatch::NeedsUser(condition.name())),
            Err(ConditionFailure::Failed(reason)) => {
                failed =
                    failed.or(Some(EvaluateError::ConditionFailed { condition: condition.name().to_owned(), reason }));
            }
        }
    }
    failed.map_or(Ok(needs_user), Err)
}

/// The metadata of both objects, read once and only when a selector asks.
struct Objects<'r> {
    texts: [Option<&'r str>; 2],
    heads: OnceCell<[Option<Option<Head<'r>>>; 2]>,
}

impl<'r> Objects<'r> {
    fn new(request: &'r Request<'_>) -> Self {
        Self { texts: [request.object.as_deref(), request.old_object.as_deref()], heads: OnceCell::new() }
    }

    /// Whether the labels of the new or the old object are selected. Metadata that cannot be read is: the policy shall complain about it.
    fn any_selected(
        &self,
        selected: impl Fn(&[(std::borrow::Cow<'r, str>, std::borrow::Cow<'r, str>)]) -> bool,
    ) -> bool {
        let heads = self.heads.get_or_init(|| self.texts.map(|text| text.map(Head::read)));
        heads.iter().flatten().any(|head| head.as_ref().is_none_or(|head| head.labels().is_some_and(&selected)))
    }
}

/// An object's own labels; `None` without an object whose metadata can be read.
fn labels_of(object: Option<&str>) -> Option<Arc<Labels>> {
    let head = object.and_then(Head::read)?;
    let labels = head.labels().unwrap_or_default();
    Some(Arc::new(labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()))
}

fn smaller(a: Limits, b: Limits) -> Limits {
    Limits { timeout: a.timeout.min(b.timeout), memory: a.memory.min(b.memory) }
}
