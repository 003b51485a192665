//! The way of a request through admission: the API server's conditions, the mutating call unless it is skipped, the validating call. All of it is the
//! product's own code; what is made up here is the request and what look-ups find. Both calls are made at one instant: the second computes anew all that the
//! first wrote, and what matters is the time between it and the storing.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use serde_json::Value;
use stateward_core::admit::{Facts, Route, mutate, validate};
use stateward_core::evaluate::{Call, Component, Evaluate, Evaluated, Judgement, Outcome, RuleIndex, Unit};
use stateward_core::inventory::{BoxFuture, Found, Inventory, Labels, Query};
use stateward_core::manifest::{Action, RuleKind};
use stateward_core::policy::Policy;
use stateward_core::policy_set::PolicySet;
use stateward_core::request::{self, GroupVersionKind, GroupVersionResource, Operation};

use crate::conditions::Conditions;
use crate::objects::{NAMESPACE, Pod, Set};
use crate::request::{Object, Request};

/// What look-ups find.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// Stored sets.
    pub sets: [Option<Arc<Set>>; 2],
    /// What the replica that is asked has in its cache.
    pub cached: [Option<Arc<Set>>; 2],
    /// Stored pods.
    pub pods: Vec<Arc<Pod>>,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is to be stored, as the mutating call left it.
    Admitted(Object),
    /// By these rules.
    Refused(Vec<String>),
}

/// The webhook, as it is registered and as it answers, with one rule taken out or none.
pub struct Webhook {
    policies: PolicySet,
    conditions: Conditions,
    remembered: RwLock<HashMap<(Request, bool), Vec<Remembered>>>,
}

/// An earlier answer, which holds as long as the look-ups find the same.
struct Remembered {
    found: Vec<(Asked, Answer)>,
    decision: Decision,
}

impl Webhook {
    /// As it is shipped, but for a rule that is taken out.
    pub fn new(without: Option<&str>) -> Self {
        let component = without_rule(stateward_native::component(), without);
        let conditions = Conditions::of(&component.manifest, without);
        let policy = serde_json::from_value(serde_json::json!({
            "apiVersion": "stateward.dev/v1alpha1", "kind": "WasmPolicy", "metadata": {"name": "manager-writes"},
            "spec": {"component": "builtin:stateful", "rules": ["manager-writes/*"], "mode": "Enforce", "profile": "baseline", "failurePolicy": "Fail"},
        }));
        let policy = Policy::new(&policy.expect("a policy"), component).expect("a policy that can be bound");
        let policies = PolicySet::new(vec![policy], Vec::new()).expect("one policy");
        Self { policies, conditions, remembered: RwLock::default() }
    }

    /// Judges a request by what look-ups find now. Mutation may be skipped: it fails open.
    pub fn judge(&self, request: &Request, is_mutated: bool, cluster: &Cluster) -> Decision {
        let key = (request.clone(), is_mutated);
        let remembered = self.remembered.read().unwrap_or_else(PoisonError::into_inner);
        let holds = |each: &&Remembered| each.found.iter().all(|(asked, answer)| asked.answer(cluster) == *answer);
        if let Some(known) = remembered.get(&key).and_then(|all| all.iter().find(holds)) {
            return known.decision.clone();
        }
        drop(remembered);
        let watched = Arc::new(Watched { cluster: cluster.clone(), found: Mutex::default() });
        let decision = self.decide(request, is_mutated, &watched);
        let found = std::mem::take(&mut *watched.found.lock().unwrap_or_else(PoisonError::into_inner));
        let mut remembered = self.remembered.write().unwrap_or_else(PoisonError::into_inner);
        remembered.entry(key).or_default().push(Remembered { found, decision: decision.clone() });
        decision
    }

    fn decide(&self, request: &Request, is_mutated: bool, watched: &Arc<Watched>) -> Decision {
        let inventory: Arc<dyn Inventory> = Arc::<Watched>::clone(watched);
        let facts = Facts { inventory, now: jiff::Timestamp::UNIX_EPOCH, deadline: Instant::now(), trace: false };
        let mut object = request.new.clone();
        let review = review(request, &object);
        if is_mutated && self.conditions.ask(RuleKind::Mutate, &review) {
            let verdict = block_on(mutate(&self.policies, &review, &facts));
            if let Some(changed) = verdict.object {
                object = object.with_metadata_of(&changed);
            }
        }
        let review = self::review(request, &object);
        if !self.conditions.ask(RuleKind::Validate, &review) {
            return Decision::Admitted(object);
        }
        let verdict = block_on(validate(&self.policies, &review, Route::Closed, &facts));
        assert!(verdict.failures.is_empty(), "{request}: {:?}", verdict.failures);
        if verdict.allowed {
            return Decision::Admitted(object);
        }
        let denied = |action: Action| action == Action::Deny;
        let rulings = verdict.rulings.into_iter().filter(|ruling| denied(ruling.action)).map(|ruling| ruling.rule);
        let undecided = verdict.undecided.into_iter().filter(|each| denied(each.action)).map(|each| each.rule);
        let mut rules: Vec<String> = rulings.chain(undecided).collect();
        rules.sort();
        rules.dedup();
        Decision::Refused(rules)
    }
}

impl Object {
    fn json(&self) -> Value {
        match self {
            Self::Set(set) => set.json(),
            Self::Pod(pod) => pod.json(),
            Self::Binding(binding) => serde_json::json!({
                "apiVersion": "v1", "kind": "Binding",
                "metadata": {"name": binding.pod, "namespace": NAMESPACE, "labels": binding.labels, "annotations": binding.annotations},
                "target": {"kind": "Node", "name": "node"},
            }),
        }
    }

    fn with_metadata_of(&self, changed: &str) -> Self {
        let json: Value = serde_json::from_str(changed).expect("JSON");
        match self {
            Self::Set(set) => Self::Set(Arc::new(set.with_metadata_of(&json))),
            Self::Pod(pod) => Self::Pod(Arc::new(pod.with_metadata_of(&json))),
            Self::Binding(binding) => Self::Binding(Arc::clone(binding)),
        }
    }
}

/// The request as the API server sends it.
fn review(request: &Request, object: &Object) -> request::Request<'static> {
    let (resource, subresource) = request.to.path();
    let (group, kind) = match object {
        Object::Set(_) => ("apps", "StatefulSet"),
        Object::Pod(_) => ("", "Pod"),
        Object::Binding(_) => ("", "Binding"),
    };
    request::Request {
        uid: "0".into(),
        operation: if request.old.is_some() { Operation::Update } else { Operation::Create },
        kind: GroupVersionKind { group: group.into(), version: "v1".into(), kind: kind.into() },
        resource: GroupVersionResource {
            group: group.into(),
            version: "v1".into(),
            resource: resource.into(),
            subresource: subresource.into(),
        },
        name: Some(object.name().to_owned().into()),
        namespace: Some(NAMESPACE.into()),
        user: Some(request::User {
            username: request.by.name().into(),
            groups: vec!["system:authenticated".into()],
            ..request::User::default()
        }),
        dry_run: false,
        object: Some(object.json().to_string().into()),
        old_object: request.old.as_ref().map(|old| old.json().to_string().into()),
        options: None,
    }
}

/// A look-up.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    Set { name: String, is_live: bool },
    Pod { name: String },
    Pods { labels: String },
}

/// What it found.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Set(Option<Arc<Set>>),
    Pods(Vec<Arc<Pod>>),
}

impl Asked {
    fn of(query: &Query<'_>) -> Option<Self> {
        match (&*query.kind.kind, query.name, query.labels) {
            ("StatefulSet", Some(name), None) => Some(Self::Set { name: name.to_owned(), is_live: query.live }),
            ("Pod", Some(name), None) => Some(Self::Pod { name: name.to_owned() }),
            ("Pod", None, labels) => Some(Self::Pods { labels: labels.unwrap_or_default().to_owned() }),
            _ => None,
        }
    }

    fn answer(&self, cluster: &Cluster) -> Answer {
        match self {
            Self::Set { name, is_live } => {
                let sets = if *is_live { &cluster.sets } else { &cluster.cached };
                Answer::Set(sets.iter().flatten().find(|set| set.name == name).cloned())
            }
            Self::Pod { name } => Answer::Pods(cluster.pods.iter().filter(|pod| pod.name == *name).cloned().collect()),
            Self::Pods { labels } => {
                let selects = |pod: &&Arc<Pod>| {
                    labels.split(',').filter(|each| !each.is_empty()).all(|requirement| {
                        let (key, value) = requirement.split_once('=').expect("`key=value`");
                        pod.labels.get(key).map(String::as_str) == Some(value)
                    })
                };
                Answer::Pods(cluster.pods.iter().filter(selects).cloned().collect())
            }
        }
    }
}

/// Answers look-ups and writes down what was found.
struct Watched {
    cluster: Cluster,
    found: Mutex<Vec<(Asked, Answer)>>,
}

impl Inventory for Watched {
    fn find<'a>(&'a self, query: &'a Query<'a>) -> BoxFuture<'a, Found> {
        let asked = Asked::of(query).unwrap_or_else(|| panic!("the model knows no answer to {query:?}"));
        let answer = asked.answer(&self.cluster);
        let objects: Vec<Arc<str>> = match &answer {
            Answer::Set(set) => set.iter().map(|set| set.json().to_string().into()).collect(),
            Answer::Pods(pods) => pods.iter().map(|pod| pod.json().to_string().into()).collect(),
        };
        self.found.lock().unwrap_or_else(PoisonError::into_inner).push((asked, answer));
        Box::pin(std::future::ready(Found::Objects(objects)))
    }

    fn namespace_labels<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Option<Arc<Labels>>> {
        Box::pin(std::future::ready(Some(Arc::default())))
    }
}

/// The component with one rule less: it is not even asked.
fn without_rule(component: Component, without: Option<&str>) -> Component {
    let place = component.manifest.rules.iter().position(|rule| Some(rule.id.as_str()) == without);
    assert!(place.is_some() == without.is_some(), "there is no rule `{without:?}`");
    let rule = place.and_then(|place| RuleIndex::try_from(place).ok());
    Component { code: Arc::new(Without { rule, code: Arc::clone(&component.code) }), ..component }
}

struct Without {
    rule: Option<RuleIndex>,
    code: Arc<dyn Evaluate>,
}

impl Without {
    fn rules(&self, call: &Call<'_>) -> Vec<Vec<RuleIndex>> {
        let keeps = |rule: &&RuleIndex| Some(**rule) != self.rule;
        call.units.iter().map(|unit| unit.rules.iter().filter(keeps).copied().collect()).collect()
    }
}

fn call_with<'a>(call: &Call<'a>, rules: &'a [Vec<RuleIndex>]) -> Call<'a> {
    let units = call.units.iter().zip(rules).map(|(unit, rules)| Unit { rules, ..unit.clone() }).collect();
    Call { units, ..call.clone() }
}

impl Evaluate for Without {
    fn validate<'a>(
        &'a self,
        call: &'a Call<'a>,
        request: &'a request::Request<'a>,
    ) -> BoxFuture<'a, Evaluated<Vec<Judgement>>> {
        Box::pin(async move {
            let rules = self.rules(call);
            self.code.validate(&call_with(call, &rules), request).await
        })
    }

    fn mutate<'a>(
        &'a self,
        call: &'a Call<'a>,
        request: &'a request::Request<'a>,
    ) -> BoxFuture<'a, Evaluated<Outcome>> {
        Box::pin(async move {
            let rules = self.rules(call);
            self.code.mutate(&call_with(call, &rules), request).await
        })
    }
}

/// Native rules and an Inventory in memory answer at once.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("native rules wait for nothing"),
    }
}
