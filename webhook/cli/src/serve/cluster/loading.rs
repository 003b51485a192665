//! What the cluster asks for becomes what the server has in force, again after each change. Whatever breaks stays as it was last good.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use stateward_cluster::crds::status::ReplicaStatus;
use stateward_cluster::inventory::{ClusterInventory, Health, Inventories};
use stateward_cluster::status::ExemptionProblem;
use stateward_cluster::wanted::{StoredPolicy, Wanted};
use stateward_core::manifest::profile_version;
use stateward_core::policy::{Policy, SpecError};
use stateward_core::policy_set::PolicySet;
use stateward_core::request::GroupVersionKind;
use stateward_core::resources::{PolicyExemption, WasmPolicy};
use stateward_engine::{LoadedPolicies, PolicyError, PolicyLoader};
use stateward_server::State;

use crate::policies;
use crate::serve::statuses;

/// Loads one state of the cluster after the other.
pub(super) struct Loading {
    replica: String,
    loader: PolicyLoader,
    inventories: Inventories,
    /// What was loaded last; status and the order of events do not matter.
    last: Option<Asked>,
    /// By the policy's uid: what could be read last. A definition that is older or newer than this program must not end a policy.
    readable: HashMap<String, WasmPolicy>,
    loaded: Option<Loaded>,
    exemptions: Vec<ExemptionProblem>,
    /// What had not come in time when nothing was loaded yet.
    awaited: Vec<String>,
    said: HashSet<String>,
}

/// What loading depends on.
#[derive(Clone, PartialEq)]
struct Asked {
    policies: Vec<(String, i64, Result<WasmPolicy, SpecError>)>,
    exemptions: Vec<PolicyExemption>,
    /// What is wrong is said anew when it changes, though nothing else does.
    exemption_errors: Vec<(String, SpecError)>,
}

/// What came of it.
struct Loaded {
    policies: Vec<Policy>,
    errors: Vec<PolicyError>,
    inventory: Arc<ClusterInventory>,
}

impl Loading {
    /// `replica` is the pod's name.
    pub(super) fn new(replica: &str, loader: PolicyLoader, inventories: Inventories) -> Self {
        Self {
            replica: replica.to_owned(),
            loader,
            inventories,
            last: None,
            readable: HashMap::new(),
            loaded: None,
            exemptions: Vec::new(),
            awaited: Vec::new(),
            said: HashSet::new(),
        }
    }

    /// Puts in force what is wanted, if it is not already. Waits for facts that the new policies look up; a kind that does not come in time is
    /// *unknown*, and says so in the status.
    pub(super) async fn load(&mut self, wanted: &Wanted, state: &State) {
        if self.last.is_some() && self.last == Some(self.asked(wanted)) {
            return;
        }
        let (resources, mut errors) = self.readable(&wanted.policies);
        let LoadedPolicies { set, errors: more } =
            self.loader.load(&resources, &wanted.exemptions, &policies::fetch).await;
        errors.extend(more);
        if state.in_force().is_none()
            && let Some(name) = self.served_elsewhere(wanted, &set)
        {
            let problem = format!("policy `{name}` is in force on other replicas and does not load here");
            // Tried again at every change and look, for as long as it takes.
            if !self.said.contains(&problem) {
                tracing::error!(problem, "not ready");
            }
            self.log(&set, wanted, &errors, state);
            self.said.insert(problem.clone());
            state.report("policies", vec![problem]);
            return;
        }
        state.report("policies", Vec::new());
        let inventory = self.inventories.with(&set.reads());
        let is_first = state.in_force().is_none();
        if tokio::time::timeout(SYNC, inventory.settled()).await.is_err() {
            if is_first {
                // Nothing is answered before all is known, or known not to be knowable.
                self.awaited = words(&inventory.problems());
                self.log(&set, wanted, &errors, state);
                return;
            }
            tracing::warn!(
                kinds = %words(&inventory.problems()).join("; "),
                "some kinds are not known yet; rules that look them up are undecided"
            );
        }
        let mut statuses = statuses::of(&set, &resources, |name| {
            errors.iter().filter(|error| error.policy == name).map(|error| one_line(&error.error)).collect()
        });
        for status in &mut statuses {
            let stored = wanted.policies.iter().find(|stored| stored.name == status.name);
            status.generation = stored.map(|stored| stored.generation);
        }
        self.log(&set, wanted, &errors, state);
        let policies = set.policies().to_vec();
        state.metrics().count_policy_reload(errors.is_empty());
        state.install(set, Arc::<ClusterInventory>::clone(&inventory), statuses);
        let generation = state.in_force().map(|in_force| in_force.generation);
        tracing::info!(generation, policies = policies.len(), failed = errors.len(), "policies in force");
        self.loaded = Some(Loaded { policies, errors, inventory });
        self.last = Some(self.asked(wanted));
    }

    /// What loading depends on, with the profile version that is in force where the cluster names none yet: the leader is about to write that very
    /// one, for each policy, and it changes nothing.
    fn asked(&self, wanted: &Wanted) -> Asked {
        let in_force = |name: &str| {
            let policies = self.loaded.as_ref().map(|loaded| &loaded.policies);
            let policy = policies.into_iter().flatten().find(|policy| policy.name == name)?;
            profile_version(&policy.component.manifest.version)
        };
        let asked = |stored: &StoredPolicy| {
            let mut resource = stored.resource.clone();
            if let Ok(WasmPolicy { metadata, spec }) = &mut resource
                && spec.profile_version.is_none()
            {
                spec.profile_version = in_force(&metadata.name);
            }
            (stored.uid.clone(), stored.generation, resource)
        };
        Asked {
            policies: wanted.policies.iter().map(asked).collect(),
            exemptions: wanted.exemptions.clone(),
            exemption_errors: wanted.exemption_errors.clone(),
        }
    }

    /// What this replica runs, by the policy's name. `member_seen`: whether it was asked when a member was made.
    pub(super) fn entries(&self, wanted: &Wanted, member_seen: bool) -> HashMap<String, ReplicaStatus> {
        let Some(loaded) = &self.loaded else { return HashMap::new() };
        let problems = loaded.inventory.problems();
        let entry = |stored| ReplicaStatus { member_seen, ..self.entry(stored, loaded, &problems) };
        wanted.policies.iter().map(|stored| (stored.name.clone(), entry(stored))).collect()
    }

    /// What is wrong with exemptions.
    pub(super) fn exemption_problems(&self) -> &[ExemptionProblem] {
        &self.exemptions
    }

    /// What is followed for the policies in force.
    pub(super) fn inventory(&self) -> Option<Arc<ClusterInventory>> {
        self.loaded.as_ref().map(|loaded| Arc::clone(&loaded.inventory))
    }

    /// What cannot be looked up now.
    pub(super) fn unknown(&self) -> Vec<String> {
        self.loaded.as_ref().map_or_else(|| self.awaited.clone(), |loaded| words(&loaded.inventory.problems()))
    }

    /// A policy that does not load here, while another replica enforces it: to answer without it would be to let through what the others refuse.
    fn served_elsewhere<'w>(&self, wanted: &'w Wanted, set: &PolicySet) -> Option<&'w str> {
        let is_missing = |stored: &&StoredPolicy| !set.policies().iter().any(|policy| policy.name == stored.name);
        let is_served = |stored: &&StoredPolicy| {
            stored.status.replicas.iter().any(|replica| replica.enforced && replica.name != self.replica)
        };
        wanted.policies.iter().filter(is_missing).find(is_served).map(|stored| stored.name.as_str())
    }

    fn entry(
        &self,
        stored: &StoredPolicy,
        loaded: &Loaded,
        problems: &[(GroupVersionKind<'static>, Health)],
    ) -> ReplicaStatus {
        let policy = loaded.policies.iter().find(|policy| policy.name == stored.name);
        let mut errors: BTreeMap<String, String> = BTreeMap::new();
        for error in loaded.errors.iter().filter(|error| error.policy == stored.name) {
            let part = if error.component { "component" } else { "spec" };
            let words = errors.entry(part.to_owned()).or_default();
            if !words.is_empty() {
                words.push_str("; ");
            }
            words.push_str(&one_line(&error.error));
        }
        let reads: HashSet<&GroupVersionKind<'static>> = policy
            .into_iter()
            .flat_map(Policy::rules)
            .flat_map(|(rule, _)| &rule.reads)
            .map(|read| &read.kind)
            .collect();
        let of_it: Vec<_> = problems.iter().filter(|(kind, _)| reads.contains(kind)).cloned().collect();
        ReplicaStatus {
            name: self.replica.clone(),
            generation: stored.generation,
            loaded: errors.is_empty() && policy.is_some(),
            enforced: policy.is_some(),
            digest: policy.map(|policy| policy.component.digest.clone()),
            version: policy.map(|policy| policy.component.manifest.version.clone()),
            rule_count: policy.map_or(0, |policy| i64::try_from(policy.rule_ids().count()).unwrap_or(i64::MAX)),
            errors,
            member_seen: false,
            unknown: words(&of_it),
        }
    }

    /// The resources to load: what cannot be read stays as it was when it last could.
    fn readable(&mut self, stored: &[StoredPolicy]) -> (Vec<WasmPolicy>, Vec<PolicyError>) {
        let (mut resources, mut errors) = (Vec::new(), Vec::new());
        self.readable.retain(|uid, _| stored.iter().any(|policy| policy.uid == *uid));
        for policy in stored {
            match &policy.resource {
                Ok(resource) => {
                    self.readable.insert(policy.uid.clone(), resource.clone());
                    resources.push(resource.clone());
                }
                Err(error) => {
                    let last = self.readable.get(&policy.uid);
                    resources.extend(last.cloned());
                    let kept = last.is_some();
                    let (policy, error) = (policy.name.clone(), error.clone());
                    errors.push(PolicyError { policy, error, kept, component: false });
                }
            }
        }
        (resources, errors)
    }

    /// Logs what is news: each change brings all complaints again.
    fn log(&mut self, set: &PolicySet, wanted: &Wanted, errors: &[PolicyError], state: &State) {
        let mut said = HashSet::new();
        for error in errors {
            let words = error.to_string();
            if !self.said.contains(&words) {
                let SpecError { path, message, hint } = &error.error;
                tracing::error!(
                    policy = error.policy,
                    field = path,
                    error = message,
                    hint,
                    kept = error.kept,
                    "policy not loaded"
                );
            }
            said.insert(words);
        }
        self.exemptions.clear();
        for (name, error) in &wanted.exemption_errors {
            let (namespace, name) = name.split_once('/').unwrap_or_default();
            self.exemptions.push(exemption_problem(namespace, name, error));
        }
        for complaint in set.exemption_complaints(Timestamp::now()) {
            let named = wanted.exemptions.get(complaint.exemption).map(|exemption| &exemption.metadata);
            let namespace = named.and_then(|metadata| metadata.namespace.as_deref()).unwrap_or_default();
            let name = named.map(|metadata| metadata.name.as_str()).unwrap_or_default();
            self.exemptions.push(exemption_problem(namespace, name, &complaint.error));
        }
        let worded = |of: &ExemptionProblem| format!("exemption {}/{}: {}", of.namespace, of.name, of.problem);
        let problems: Vec<String> = self.exemptions.iter().map(worded).collect();
        for problem in &problems {
            if !self.said.contains(problem) {
                tracing::warn!(problem, "exemption does not exempt all that it names");
            }
            said.insert(problem.clone());
        }
        state.report("exemptions", problems);
        if set.policies().is_empty() && self.last.is_none() {
            tracing::warn!("there is no WasmPolicy in the cluster: nothing is enforced");
        }
        self.said = said;
    }
}

fn exemption_problem(namespace: &str, name: &str, error: &SpecError) -> ExemptionProblem {
    ExemptionProblem { namespace: namespace.to_owned(), name: name.to_owned(), problem: one_line(error) }
}

fn words(problems: &[(GroupVersionKind<'static>, Health)]) -> Vec<String> {
    problems.iter().map(|(kind, health)| format!("{kind}: {health}")).collect()
}

fn one_line(error: &SpecError) -> String {
    let hint = error.hint.as_deref().map(|hint| format!("; hint: {hint}")).unwrap_or_default();
    format!("{error}{hint}")
}

/// The API server of a large cluster lists 10,000 claims in 2 s. Until then the old policies answer, if there are any.
const SYNC: Duration = Duration::from_secs(30);
