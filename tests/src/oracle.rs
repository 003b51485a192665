//! Every built-in rule that a file can break, a second time: written from `rules.md` and Kubernetes' own behaviour on plain JSON trees, knowing nothing of how the
//! rules are written. Slow and simple on purpose: what agrees with it was not wrong in the same way twice.
//!
//! One file per family, as the rules have it; `tree` and `selector` read objects, `lists` holds names that no logic can tell.

mod claims;
mod classes;
mod contract;
mod lists;
mod manager_writes;
mod operations;
mod ordered_identity;
mod pod_volumes;
mod rules;
mod selector;
mod services;
mod tree;
mod workload_kind;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

pub use contract::after_mutation;
pub use rules::{NOT_JUDGED, RULES};

/// `rule action`, or `rule undecided`, with the number of places.
pub type Expected = BTreeMap<String, usize>;

/// The objects that a file's object may look up. A kind of which none is there is unknown.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    /// All objects of the namespace, the judged one among them, as [`after_mutation`] leaves them.
    pub namespace: &'a [Value],
    /// Those that have no namespace.
    pub cluster: &'a [Value],
}

/// What the rules must say of an object that is created, under a profile.
pub fn judge(object: &Value, world: World<'_>, is_strict: bool) -> Expected {
    let changed = after_mutation(object, is_strict);
    let asker = Asker { object: &changed, world };
    let mut verdicts = Verdicts { is_strict, ..Verdicts::default() };
    match kind(object) {
        ("apps/v1" | "apps/v1beta1" | "apps/v1beta2", "StatefulSet") => {
            let set = tree::Set(&changed);
            ordered_identity::judge(set, &mut verdicts);
            services::judge(set, &asker, &mut verdicts);
            pod_volumes::judge(set, &mut verdicts);
            claims::judge(set, &asker, &mut verdicts);
            classes::judge(set, &asker, &mut verdicts);
            manager_writes::judge(set, &asker, &mut verdicts);
            operations::judge(set, &asker, &mut verdicts);
        }
        ("apps/v1" | "apps/v1beta1" | "apps/v1beta2", "Deployment") | ("apps/v1", "ReplicaSet") | ("v1", "Pod") => {
            workload_kind::judge(&asker, &mut verdicts);
        }
        ("v1", "PersistentVolumeClaim") => classes::judge_claim(&asker, &mut verdicts),
        ("policy/v1", "PodDisruptionBudget") => operations::judge_budget(&asker, &mut verdicts),
        ("v1", "Service") => manager_writes::judge_service(&asker, &mut verdicts),
        _ => {}
    }
    verdicts.expected()
}

/// The object that is judged, and what it may ask for.
struct Asker<'a> {
    object: &'a Value,
    world: World<'a>,
}

impl<'a> Asker<'a> {
    /// The other objects of a kind; `None` where nothing says that the kind is known.
    fn find(&self, api_version: &str, wanted: &str) -> Option<Vec<&'a Value>> {
        let is_one = |object: &&Value| kind(object) == (api_version, wanted);
        let all = || self.world.namespace.iter().chain(self.world.cluster).filter(is_one);
        let is_itself =
            |object: &&Value| kind(object) == kind(self.object) && tree::name(object) == tree::name(self.object);
        all().next()?;
        // What has no name yet cannot be looked up.
        Some(all().filter(|object| !is_itself(object) && !tree::name(object).is_empty()).collect())
    }
}

/// `apiVersion` and `kind`.
fn kind(object: &Value) -> (&str, &str) {
    (tree::text(&object["apiVersion"]), tree::text(&object["kind"]))
}

/// What was found so far.
#[derive(Debug, Default)]
struct Verdicts {
    is_strict: bool,
    found: BTreeSet<(&'static str, &'static str, String)>,
    undecided: BTreeSet<&'static str>,
}

impl Verdicts {
    /// A finding; `off` is none.
    fn fires(&mut self, rule: &'static str, place: &str, baseline: &'static str, strict: &'static str) {
        let action = if self.is_strict { strict } else { baseline };
        if action != "off" {
            self.found.insert((rule, action, place.to_owned()));
        }
    }

    fn fires_if(&mut self, broken: bool, rule: &'static str, baseline: &'static str, strict: &'static str) {
        if broken {
            self.fires(rule, "", baseline, strict);
        }
    }

    fn undecided(&mut self, rule: &'static str) {
        self.undecided.insert(rule);
    }

    fn expected(self) -> Expected {
        let mut expected = Expected::new();
        for (rule, action, _) in self.found {
            *expected.entry(format!("{rule} {action}")).or_default() += 1;
        }
        expected.extend(self.undecided.into_iter().map(|rule| (format!("{rule} undecided"), 1)));
        expected
    }
}
