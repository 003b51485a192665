//! From resources to a [`PolicySet`]: fetches and loads components, checks settings, keeps the last good version of what fails.

use std::borrow::Cow;
use std::collections::BTreeMap;
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
    /// By policy name: the version that is in force where a newer one fails.
    good: Mutex<BTreeMap<String, Policy>>,
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
        Self { engine, good: Mutex::new(BTreeMap::new()) }
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
        let mut policies: BTreeMap<String, Policy> = BTreeMap::new();
        let mut named: BTreeMap<&str, usize> = BTreeMap::new();
        for resource in resources {
            let name = resource.metadata.name.as_str();
            let seen = named.entry(name).or_default();
            *seen += 1;
            if *seen > 1 {
                // The first one counts; which of two an author meant cannot be known.
                errors.push(about(
                    name,
                    SpecError::new("/metadata/name", format!("there are two policies named `{name}`")),
                    false,
                ));
                continue;
            }
            match self.bind(resource, &components).await {
                Ok(policy) => {
                    policies.insert(name.to_owned(), policy);
                }
                Err(found) => errors.extend(found),
            }
        }
        let set = self.join(&named.into_keys().collect::<Vec<_>>(), policies, exemptions, &mut errors);
        LoadedPolicies { set, errors }
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

    /// Puts last good versions where new ones failed, then takes back whatever contradicts the rest until nothing does.
    fn join(
        &self,
        named: &[&str],
        mut policies: BTreeMap<String, Policy>,
        exemptions: &[PolicyExemption],
        errors: &mut Vec<PolicyError>,
    ) -> PolicySet {
        let mut good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
        good.retain(|name, _| named.contains(&name.as_str()));
        // New versions that are still in the race; all others are last good versions.
        let mut fresh: Vec<String> = policies.keys().cloned().collect();
        for (name, policy) in &*good {
            policies.entry(name.clone()).or_insert_with(|| policy.clone());
        }
        let set = loop {
            let contradictions = match PolicySet::new(policies.values().cloned().collect(), exemptions.to_vec()) {
                Ok(set) => break set,
                Err(contradictions) => contradictions,
            };
            let before = (fresh.len(), policies.len());
            for (name, error) in contradictions {
                errors.push(about(&name, error, false));
                let was_fresh =
                    fresh.iter().position(|fresh| *fresh == name).map(|place| fresh.swap_remove(place)).is_some();
                match good.get(&name) {
                    Some(policy) if was_fresh => policies.insert(name, policy.clone()),
                    _ => policies.remove(&name),
                };
            }
            if before == (fresh.len(), policies.len()) {
                // Complaints about nobody we know: go without rather than round in circles.
                policies.clear();
            }
        };
        for error in &mut *errors {
            error.kept = policies.contains_key(&error.policy) && !fresh.contains(&error.policy);
        }
        *good = policies;
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
