//! From resources to a [`PolicySet`]: fetches and loads components, checks settings, keeps the last good version of what fails.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use stateward_core::inventory::BoxFuture;
use stateward_core::policy::{Policy, SpecError};
use stateward_core::policy_set::PolicySet;
use stateward_core::resources::{PolicyExemption, WasmPolicy};
use tokio::task::JoinSet;

use crate::engine::Engine;
use crate::guest::Guest;
use crate::load::{self, LoadError};

/// Gets a component's bytes by its reference: `builtin:stateful`, `file:rules.wasm`. Closures do.
pub trait Fetch: Send + Sync {
    /// The bytes of one component.
    fn fetch<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<Cow<'static, [u8]>, FetchError>>;
}

/// Why a component's bytes cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FetchError {
    /// What failed, with the value.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Loads sets, one after the other, and remembers what was good.
pub struct PolicyLoader {
    engine: Arc<Engine>,
    /// What is in force, and stays where a newer version fails or another policy contradicts it.
    good: Mutex<Vec<Policy>>,
}

/// A set, and what is wrong with those that it lacks or has in an older version.
pub struct LoadedPolicies {
    /// All that can be enforced.
    pub set: PolicySet,
    /// In the order of the resources.
    pub errors: Vec<PolicyError>,
}

/// One thing that is wrong with one policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("policy `{policy}`: {error}")]
pub struct PolicyError {
    /// `metadata.name`.
    pub policy: String,
    /// What, and where in the resource.
    pub error: SpecError,
    /// Its last good version stays in force.
    pub kept: bool,
    /// The component does not load, or breaks; else the resource is wrong.
    pub component: bool,
}

type Loaded = Result<(Arc<Guest>, String), SpecError>;

impl<F> Fetch for F
where
    F: Fn(&str) -> Result<Cow<'static, [u8]>, FetchError> + Send + Sync,
{
    fn fetch<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<Cow<'static, [u8]>, FetchError>> {
        Box::pin(std::future::ready(self(reference)))
    }
}

impl PolicyLoader {
    /// Knows no good version yet.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine, good: Mutex::new(Vec::new()) }
    }

    /// Never fails as a whole: what cannot be loaded is left out or kept in its last good version, and said. Policies that are no longer among
    /// the resources are forgotten.
    pub async fn load(
        &self,
        resources: &[WasmPolicy],
        exemptions: &[PolicyExemption],
        fetch: &dyn Fetch,
    ) -> LoadedPolicies {
        let components = self.load_components(resources, fetch).await;
        let mut errors = Vec::new();
        let mut named: BTreeMap<&str, Vec<Policy>> = BTreeMap::new();
        let mut twice: Vec<&str> = Vec::new();
        for resource in resources {
            let name = resource.metadata.name.as_str();
            if named.contains_key(name) {
                errors.push(about(
                    name,
                    SpecError::new("/metadata/name", format!("there are two policies named `{name}`")),
                    false,
                ));
                twice.push(name);
            }
            let versions = named.entry(name).or_default();
            match self.bind(resource, &components).await {
                Ok(policy) => versions.push(policy),
                Err(found) => errors.extend(found),
            }
        }
        let set = self.succeed(named, &twice, exemptions, &mut errors);
        LoadedPolicies { set, errors }
    }

    /// One policy by itself, checked and bound: it comes into no set, and nothing is remembered of it. Answers everything that is wrong with it.
    pub async fn bind_alone(&self, resource: &WasmPolicy, fetch: &dyn Fetch) -> Result<Policy, Vec<SpecError>> {
        let components = self.load_components(std::slice::from_ref(resource), fetch).await;
        let bound = self.bind(resource, &components).await;
        bound.map_err(|errors| errors.into_iter().map(|wrong| wrong.error).collect())
    }

    /// Every component that is named, once, side by side.
    async fn load_components(&self, resources: &[WasmPolicy], fetch: &dyn Fetch) -> BTreeMap<String, Loaded> {
        let mut references: Vec<&str> = resources.iter().map(|resource| resource.spec.component.as_str()).collect();
        references.sort_unstable();
        references.dedup();
        let mut components = BTreeMap::new();
        let mut loading = JoinSet::new();
        for reference in references {
            match fetch.fetch(reference).await {
                Ok(bytes) => {
                    let (engine, reference) = (Arc::clone(&self.engine), reference.to_owned());
                    loading.spawn(async move {
                        let loaded = engine.load_guest(&reference, &bytes).await;
                        let loaded = loaded.map_err(|error| component_error(&reference, &error));
                        (reference, loaded)
                    });
                }
                Err(FetchError { message, hint }) => {
                    components
                        .insert(reference.to_owned(), Err(SpecError { path: COMPONENT.to_owned(), message, hint }));
                }
            }
        }
        while let Some(joined) = loading.join_next().await {
            if let Ok((reference, loaded)) = joined {
                components.insert(reference, loaded);
            }
        }
        components
    }

    /// One resource bound to its component, or all that is wrong with it.
    async fn bind(
        &self,
        resource: &WasmPolicy,
        components: &BTreeMap<String, Loaded>,
    ) -> Result<Policy, Vec<PolicyError>> {
        let (name, reference) = (resource.metadata.name.as_str(), resource.spec.component.as_str());
        let (guest, digest) = match components.get(reference) {
            Some(Ok(loaded)) => loaded,
            Some(Err(error)) => return Err(vec![about(name, error.clone(), true)]),
            None => return Err(vec![about(name, component_error(reference, &LoadError::Interrupted), true)]),
        };
        let mut errors = guest.check_settings(name, &resource.spec.settings).await;
        match Policy::new(resource, load::component(reference, digest.clone(), Arc::clone(guest))) {
            Ok(policy) if errors.is_empty() => return Ok(policy),
            Ok(_) => {}
            Err(more) => errors.extend(more),
        }
        Err(errors.into_iter().map(|error| about(name, error, false)).collect())
    }

    /// Puts what was bound in place of what is in force, as far as that can be, and remembers the result.
    fn succeed(
        &self,
        named: BTreeMap<&str, Vec<Policy>>,
        twice: &[&str],
        exemptions: &[PolicyExemption],
        errors: &mut Vec<PolicyError>,
    ) -> PolicySet {
        let mut good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
        good.retain(|policy| named.contains_key(policy.name.as_str()));
        let in_force = |name: &str| good.iter().any(|policy| policy.name == name);
        let wanted: Vec<Policy> = named
            .into_iter()
            // Which of two of one name an author meant cannot be known: what is in force stays, else the strictest counts, of equals the first.
            .filter(|(name, _)| !(twice.contains(name) && in_force(name)))
            .filter_map(|(_, versions)| versions.into_iter().min_by_key(|policy| Reverse(policy.mode)))
            .collect();
        let mut fresh: BTreeSet<String> = wanted.iter().map(|policy| policy.name.clone()).collect();
        let (set, contradictions) = PolicySet::succeed(&good, wanted, exemptions.to_vec());
        for (name, error) in contradictions {
            fresh.remove(&name);
            errors.push(about(&name, error, false));
        }
        *good = set.policies().to_vec();
        for error in errors {
            error.kept = good.iter().any(|policy| policy.name == error.policy) && !fresh.contains(&error.policy);
        }
        set
    }
}

fn about(policy: &str, error: SpecError, component: bool) -> PolicyError {
    PolicyError { policy: policy.to_owned(), error, kept: false, component }
}

/// Errors with a hint carry it on a line of its own.
fn component_error(reference: &str, error: &LoadError) -> SpecError {
    let words = error.to_string();
    let (message, hint) = match words.split_once("\nhint: ") {
        Some((message, hint)) => (message, Some(hint.to_owned())),
        None => (words.as_str(), None),
    };
    SpecError { path: COMPONENT.to_owned(), message: format!("component `{reference}` does not load: {message}"), hint }
}

const COMPONENT: &str = "/spec/component";
