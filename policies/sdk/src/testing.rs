//! Runs rules natively, as the host would run them in Wasm: look-ups answer only what rules declare, changes are applied to the object.
//!
//! ```
//! # use stateward_sdk::prelude::*;
//! # const RULE: Rule = Rule { id: "team/x", subjects: &[Subject::STATEFUL_SETS], ..Rule::VALIDATE };
//! # fn rule(set: &StatefulSet, _: &Context<NoSettings>, out: &mut Findings) {
//! #     if set.replicas() == 0 { out.finding("/spec/replicas", "replicas", "has no replicas").hint("write one"); }
//! # }
//! # stateward_sdk::rules! { pub struct Team(NoSettings); validate { RULE => StatefulSet: rule; } mutate {} }
//! use stateward_sdk::testing::{Test, json};
//!
//! let said = Test::<Team>::create(json!({"kind": "StatefulSet", "spec": {"replicas": 0}})).judge(&RULE);
//! assert_eq!(said.places(), ["replicas"]);
//! ```
//!
//! Wrong use panics: this is for tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a test kit fails by panicking"
)]

use std::marker::PhantomData;

use serde_json::Value;
pub use serde_json::json;

use crate::bindings::stateward::policy::types::{
    Change, Finding, GroupVersionKind, Outcome, Request, RuleIndex, UndecidedReason, Unit, User,
};
use crate::changes::Changes;
use crate::component;
use crate::context::{Answer, Lookup, Query};
use crate::family::Family;
use crate::objects::{
    Deployment, Namespace, PersistentVolumeClaim, Pod, PodDisruptionBudget, ReplicaSet, Service, StatefulSet, Stored,
};
use crate::rule::{Kind, Operation, Profile, Resource, Rule, RuleKind};

/// One request to the rules of a family.
#[derive(Clone, Debug)]
pub struct Test<F> {
    request: Request,
    profile: Profile,
    settings: Value,
    neighbours: Vec<Value>,
    known: Vec<&'static str>,
    family: PhantomData<F>,
}

/// What one rule said.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// What is broken.
    pub findings: Vec<Finding>,
    /// What could not be decided.
    pub undecided: Vec<UndecidedReason>,
}

/// What mutating rules did.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    /// The object afterwards.
    pub object: Value,
    /// How many changes there were.
    pub changes: usize,
    /// What could not be decided.
    pub undecided: Vec<UndecidedReason>,
}

impl<F: Family> Test<F> {
    /// The creation of a StatefulSet, a Pod or a Binding.
    pub fn create(object: Value) -> Self {
        Self::new(Operation::Create, object, None)
    }

    /// The update of a StatefulSet or a Pod.
    pub fn update(old: Value, new: Value) -> Self {
        Self::new(Operation::Update, new, Some(old))
    }

    /// The deletion of an object.
    pub fn delete(old: Value) -> Self {
        let mut test = Self::new(Operation::Delete, old.clone(), Some(old));
        test.request.object = None;
        test
    }

    /// With options: how to delete, for example.
    #[must_use]
    pub fn options(mut self, options: Value) -> Self {
        self.request.options = Some(options.to_string());
        self
    }

    /// A change of a StatefulSet's replicas through its subresource.
    pub fn scale(set: &str, from: i64, to: i64) -> Self {
        let scale = |replicas: i64| json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": set, "namespace": "shop"}, "spec": {"replicas": replicas}});
        let mut test = Self::new(Operation::Update, scale(to), Some(scale(from)));
        test.request.resource = Resource::STATEFUL_SETS.sub("scale").into();
        test
    }

    /// Sent to a subresource.
    #[must_use]
    pub fn to_subresource(mut self, subresource: &str) -> Self {
        self.request.resource.subresource = subresource.to_owned();
        if subresource == "binding" {
            self.request.resource.resource = "pods".to_owned();
        }
        self
    }

    /// Sent by this account.
    #[must_use]
    pub fn by(mut self, username: &str) -> Self {
        let groups = if username.starts_with("system:node:") { vec!["system:nodes".to_owned()] } else { Vec::new() };
        self.request.user = Some(User { username: username.to_owned(), uid: String::new(), groups, extra: Vec::new() });
        self
    }

    /// In profile `strict` instead of `baseline`.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.profile = Profile::Strict;
        self
    }

    /// With these settings.
    #[must_use]
    pub fn settings(mut self, settings: Value) -> Self {
        self.settings = settings;
        self
    }

    /// With another object beside it. Its kind can be looked up then.
    #[must_use]
    pub fn beside(mut self, neighbour: Value) -> Self {
        self.neighbours.push(neighbour);
        self
    }

    /// With a kind that can be looked up, though nothing may be found.
    #[must_use]
    pub fn knowing(mut self, kind: &'static str) -> Self {
        self.known.push(kind);
        self
    }

    /// Runs one validating rule.
    pub fn judge(&self, rule: &Rule) -> Said {
        assert!(rule.kind == RuleKind::Validate, "`{}` changes, it does not judge", rule.id);
        let unit = self.unit(&[rule]);
        let judgement = {
            let call = component::begin(&self.request, self);
            let judged = component::judged(&call).unwrap();
            let mut out = component::findings(&judged);
            component::validate::<F>(&call, &judged, &unit, 0, &mut out).unwrap();
            component::finish(&call, out.into_judgement()).unwrap()
        };
        for finding in &judgement.findings {
            self.check_finding(rule, finding);
        }
        let undecided: Vec<_> = judgement.undecided.into_iter().map(|undecided| undecided.reason).collect();
        assert!(
            undecided.is_empty() || !undecided.contains(&UndecidedReason::NeedsUser) || rule.needs_user,
            "`{}` does not say that it needs the user",
            rule.id
        );
        Said { findings: judgement.findings, undecided }
    }

    /// Runs mutating rules and applies what they change.
    pub fn change(&self, rules: &[&Rule]) -> Changed {
        let mut outcome = Outcome { mutations: Vec::new(), undecided: Vec::new() };
        let mut object: Value = serde_json::from_str(self.request.object.as_ref().unwrap()).unwrap();
        if !rules.is_empty() {
            let unit = self.unit(rules);
            let call = component::begin(&self.request, self);
            let judged = component::judged(&call).unwrap();
            let mut out = Changes::default();
            component::mutate::<F>(&call, &judged, &unit, 0, &mut out).unwrap();
            outcome = component::finish(&call, out.into_outcome()).unwrap();
        }
        for mutation in &outcome.mutations {
            assert!(mutation.note.as_ref().is_some_and(|note| !note.is_empty()), "a change says why");
            match &mutation.change {
                Change::MergePatch(patch) => json_patch::merge(&mut object, &serde_json::from_str(patch).unwrap()),
                Change::JsonPatch(patch) => {
                    json_patch::patch(&mut object, &serde_json::from_str::<json_patch::Patch>(patch).unwrap()).unwrap()
                }
                Change::Object(text) => object = serde_json::from_str(text).unwrap(),
            }
        }
        Changed {
            object,
            changes: outcome.mutations.len(),
            undecided: outcome.undecided.into_iter().map(|undecided| undecided.reason).collect(),
        }
    }

    /// The same request with another object, for example with what a change made of it.
    #[must_use]
    pub fn with_object(&self, object: &Value) -> Self {
        let mut test = self.clone();
        test.request.object = Some(object.to_string());
        test
    }

    fn new(operation: Operation, object: Value, old: Option<Value>) -> Self {
        let kind = object["kind"].as_str().expect("a kind");
        let (resource, kind) = match kind {
            "StatefulSet" => (Resource::STATEFUL_SETS, StatefulSet::KIND),
            "Pod" => (Resource::PODS, Pod::KIND),
            "Deployment" => (Resource::DEPLOYMENTS, Deployment::KIND),
            "ReplicaSet" => (Resource::REPLICA_SETS, ReplicaSet::KIND),
            "Service" => (Resource::SERVICES, Service::KIND),
            "PersistentVolumeClaim" => (Resource::CLAIMS, PersistentVolumeClaim::KIND),
            "PodDisruptionBudget" => (Resource::BUDGETS, PodDisruptionBudget::KIND),
            "Namespace" => (Resource::NAMESPACES, Namespace::KIND),
            "Eviction" => (Resource::PODS.sub("eviction"), Kind { group: "policy", version: "v1", kind: "Eviction" }),
            "Binding" => (Resource::BINDINGS, Kind { group: "", version: "v1", kind: "Binding" }),
            "Scale" => (Resource::STATEFUL_SETS, Kind { group: "autoscaling", version: "v1", kind: "Scale" }),
            other => panic!("no resource is known for kind `{other}`"),
        };
        let text = |field: &str| object["metadata"][field].as_str().map(str::to_owned);
        Self {
            request: Request {
                uid: "0".to_owned(),
                operation,
                kind: kind.into(),
                resource: resource.into(),
                name: text("name"),
                namespace: Some(text("namespace").unwrap_or_else(|| "shop".to_owned())),
                user: None,
                dry_run: false,
                object: Some(object.to_string()),
                old_object: old.map(|old| old.to_string()),
                options: None,
            },
            profile: Profile::Baseline,
            settings: json!({}),
            neighbours: Vec::new(),
            known: Vec::new(),
            family: PhantomData,
        }
    }

    fn unit(&self, rules: &[&Rule]) -> Unit {
        let mut indexes: Vec<_> = rules.iter().map(|rule| index::<F>(rule)).collect();
        indexes.sort_unstable();
        for rule in rules {
            let covers = rule.subjects.iter().any(|subject| {
                self.request.resource == subject.resource.into() && subject.operations.contains(&self.request.operation)
            });
            assert!(covers, "`{}` does not judge such requests", rule.id);
        }
        Unit { rules: indexes, profile: self.profile, settings: self.settings.to_string() }
    }

    fn check_finding(&self, rule: &Rule, finding: &Finding) {
        assert_eq!(finding.rule, index::<F>(rule));
        assert!(!finding.place.is_empty() && !finding.message.is_empty(), "{finding:?}");
        assert!(finding.hint.as_ref().is_some_and(|hint| !hint.is_empty()), "no way out: {finding:?}");
        let judged = self.request.object.as_ref().or(self.request.old_object.as_ref());
        let object: Value = serde_json::from_str(judged.unwrap()).unwrap();
        // The field, or where it would be.
        let parent = finding.path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let grandparent = parent.rsplit_once('/').map_or("", |(parent, _)| parent);
        assert!(object.pointer(grandparent).is_some(), "`{}` leads nowhere", finding.path);
    }
}

impl Said {
    /// Nothing is broken, and that is known.
    pub fn is_silent(&self) -> bool {
        self.findings.is_empty() && self.undecided.is_empty()
    }

    /// The rule could not decide, and found nothing.
    pub fn is_undecided(&self) -> bool {
        self.findings.is_empty() && !self.undecided.is_empty()
    }

    /// Where findings are, by names.
    pub fn places(&self) -> Vec<&str> {
        self.findings.iter().map(|finding| finding.place.as_str()).collect()
    }

    /// Where findings are, by JSON Pointers.
    pub fn paths(&self) -> Vec<&str> {
        self.findings.iter().map(|finding| finding.path.as_str()).collect()
    }
}

impl<F: Family> Lookup for Test<F> {
    fn find(&self, query: &Query) -> Answer {
        let is_kind = |kind: &Kind| GroupVersionKind::from(*kind) == query.kind;
        let is_list = query.name.is_none();
        let declared = F::RULES.iter().flat_map(|rule| rule.reads);
        let reads: Vec<_> = declared.filter(|read| is_kind(&read.kind) && !(is_list && read.by_name)).collect();
        let how = if is_list { "lists" } else { "reads" };
        assert!(!reads.is_empty(), "no rule declares that it {how} {}", query.kind.kind);
        assert!(
            !query.live || reads.iter().any(|read| read.live),
            "no rule declares that it reads {} live",
            query.kind.kind
        );
        let of_kind: Vec<_> = self.neighbours.iter().filter(|object| object["kind"] == query.kind.kind).collect();
        if of_kind.is_empty() && !self.known.contains(&query.kind.kind.as_str()) {
            return Answer::Unknown;
        }
        let fields: Vec<&str> = reads.iter().flat_map(|read| read.fields).copied().collect();
        let matching = of_kind.into_iter().filter(|object| {
            let namespace = object["metadata"]["namespace"].as_str().unwrap_or("shop");
            query.name.as_deref().is_none_or(|name| object["metadata"]["name"] == name)
                && query.namespace.as_deref().is_none_or(|wanted| namespace == wanted)
                && query.labels.as_deref().is_none_or(|selector| selects(selector, &object["metadata"]["labels"]))
        });
        Answer::Objects(matching.map(|object| cut(object, &fields).to_string()).collect())
    }
}

fn index<F: Family>(rule: &Rule) -> RuleIndex {
    let place = F::RULES
        .iter()
        .position(|each| each.id == rule.id)
        .unwrap_or_else(|| panic!("`{}` is not in the table", rule.id));
    RuleIndex::try_from(place).unwrap()
}

/// Label selectors as rules write them: `key=value`, with commas between several.
fn selects(selector: &str, labels: &Value) -> bool {
    selector.split(',').all(|requirement| {
        let (key, value) = requirement.split_once('=').unwrap_or_else(|| panic!("not `key=value`: `{requirement}`"));
        labels[key] == value
    })
}

/// An object with nothing but its identity and the declared fields, as the host stores it: a field that is not declared is missed here, not in a cluster.
fn cut(object: &Value, fields: &[&str]) -> Value {
    let mut stored = json!({});
    for field in ["/metadata/name", "/metadata/namespace", "/metadata/uid", "/metadata/labels"].iter().chain(fields) {
        let Some(value) = object.pointer(field) else { continue };
        let mut at = &mut stored;
        for key in field.split('/').skip(1) {
            at = &mut at[key.replace("~1", "/").replace("~0", "~")];
        }
        *at = value.clone();
    }
    stored
}

#[cfg(test)]
mod tests {
    use super::{cut, json, selects};

    #[test]
    fn selects_by_all_labels() {
        let labels = json!({"app": "db", "x/y": "1"});
        assert!(selects("app=db", &labels) && selects("x/y=1,app=db", &labels));
        assert!(!selects("app=db,z=1", &labels) && !selects("app=web", &labels) && !selects("app=db", &json!(null)));
    }

    #[test]
    fn cuts_to_the_declared_fields() {
        let object =
            json!({"metadata": {"name": "a", "annotations": {"x/y": "1", "z": "2"}}, "spec": {"a": 1, "b": 2}});
        let stored = cut(&object, &["/spec/a", "/metadata/annotations/x~1y", "/none"]);
        assert_eq!(stored, json!({"metadata": {"name": "a", "annotations": {"x/y": "1"}}, "spec": {"a": 1}}));
    }
}
