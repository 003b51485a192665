//! Which policy has a case's rule, with the case's settings over its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use stateward_core::inventory::BoxFuture;
use stateward_core::manifest::{Profile, Rule};
use stateward_core::policy::{Policy, SpecError};
use stateward_core::policy_set::PolicySet;
use stateward_core::resources::WasmPolicy;
use stateward_manifests::InputError;

use crate::case::Case;
use crate::file::CaseFile;

/// Makes policies of what their resources ask for: with the engine, or with native code. Checks their settings.
pub trait Bind: Send + Sync {
    /// The policy, or everything that is wrong with its resource.
    fn bind<'a>(&'a self, policy: &'a WasmPolicy) -> BoxFuture<'a, Result<Policy, Vec<SpecError>>>;
}

/// The policies that cases run with.
pub(crate) struct Policies<'b> {
    bind: &'b dyn Bind,
    loaded: Vec<(WasmPolicy, Policy)>,
    /// Sets of one policy, by what was changed in it.
    sets: Mutex<HashMap<String, Arc<PolicySet>>>,
}

/// The rule that a case is about, and the policy that has it.
#[derive(Clone, Copy)]
pub(crate) struct Found<'p> {
    pub resource: &'p WasmPolicy,
    pub policy: &'p Policy,
    pub rule: &'p Rule,
}

impl<'b> Policies<'b> {
    /// Binds all; the errors carry the name of the policy that they are about.
    pub(crate) async fn new(resources: Vec<WasmPolicy>, bind: &'b dyn Bind) -> Result<Self, Vec<(String, SpecError)>> {
        let mut loaded = Vec::new();
        let mut errors = Vec::new();
        for resource in resources {
            match bind.bind(&resource).await {
                Ok(policy) => loaded.push((resource, policy)),
                Err(wrong) => errors.extend(wrong.into_iter().map(|wrong| (resource.metadata.name.clone(), wrong))),
            }
        }
        if errors.is_empty() { Ok(Self { bind, loaded, sets: Mutex::default() }) } else { Err(errors) }
    }

    /// Every rule that a policy selects, once, in the components' order.
    pub(crate) fn rules(&self) -> Vec<&Rule> {
        let mut rules: Vec<&Rule> = Vec::new();
        for (_, policy) in &self.loaded {
            for rule in selected(policy) {
                if rules.iter().all(|known| known.id != rule.id) {
                    rules.push(rule);
                }
            }
        }
        rules
    }

    /// The policy that has the case's rule.
    pub(crate) fn find(&self, file: &CaseFile, case: &Case) -> Result<Found<'_>, InputError> {
        let having: Vec<Found<'_>> = self
            .loaded
            .iter()
            .filter(|(resource, _)| case.policy.as_ref().is_none_or(|name| resource.metadata.name == *name))
            .filter_map(|(resource, policy)| {
                let rule = selected(policy).find(|rule| rule.id == case.rule)?;
                Some(Found { resource, policy, rule })
            })
            .collect();
        match having.as_slice() {
            [one] => Ok(*one),
            [] => Err(self.not_found(file, case)),
            several => {
                let names: Vec<String> =
                    several.iter().map(|found| format!("`policy: {}`", found.policy.name)).collect();
                let error =
                    file.data.error(&case.pointer(), format!("{} policies have `{}`", several.len(), case.rule));
                Err(error.hint(format!("write {} in the case", names.join(" or "))))
            }
        }
    }

    fn not_found(&self, file: &CaseFile, case: &Case) -> InputError {
        let own = format!("{}/rule", case.pointer());
        let is_own = file.data.value().pointer(&own).is_some();
        let at = if is_own { own.as_str() } else { "/rule" };
        let in_policy = case.policy.as_ref().map(|policy| format!(" `{policy}`")).unwrap_or_default();
        let error = file.data.error(at, format!("no policy{in_policy} has a rule `{}`", case.rule));
        let rules = self.rules();
        let near: Vec<String> = rules
            .iter()
            .filter(|rule| is_like(&rule.id, &case.rule))
            .take(MOST_NAMES)
            .map(|rule| format!("`{}`", rule.id))
            .collect();
        let hint = if near.is_empty() { "`stateward rules` lists them".to_owned() } else { near.join(", ") };
        error.hint(hint)
    }

    /// The policy alone, in a profile, with what the case changes in it.
    pub(crate) async fn set(
        &self,
        found: &Found<'_>,
        file: &CaseFile,
        case: &Case,
        profile: Profile,
    ) -> Result<Arc<PolicySet>, InputError> {
        let key = json!([found.policy.name, profile, case.settings, case.actions]).to_string();
        let known = self.sets.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(set) = known {
            return Ok(set);
        }
        let mut policy = if case.settings.is_empty() && case.actions.is_empty() {
            found.policy.clone()
        } else {
            let resource = changed(found.resource, case);
            self.bind.bind(&resource).await.map_err(|errors| wrong_settings(file, case, &errors))?
        };
        policy.profile = profile;
        let set = PolicySet::new(vec![policy], Vec::new()).map_err(|errors| {
            let errors: Vec<SpecError> = errors.into_iter().map(|(_, error)| error).collect();
            wrong_settings(file, case, &errors)
        })?;
        let set = Arc::new(set);
        self.sets.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&set));
        Ok(set)
    }
}

/// Whether the names share a word.
fn is_like(known: &str, wanted: &str) -> bool {
    let name = |id: &str| id.rsplit('/').next().unwrap_or_default().to_owned();
    let (known, wanted) = (name(known), name(wanted));
    known.split('-').any(|word| wanted.split('-').any(|each| each == word))
}

fn selected(policy: &Policy) -> impl Iterator<Item = &Rule> {
    let ids: Vec<&str> = policy.rule_ids().collect();
    policy.component.manifest.rules.iter().filter(move |rule| ids.contains(&rule.id.as_str()))
}

fn changed(resource: &WasmPolicy, case: &Case) -> WasmPolicy {
    let mut resource = resource.clone();
    let mut settings = Value::Object(std::mem::take(&mut resource.spec.settings));
    json_patch::merge(&mut settings, &Value::Object(case.settings.clone()));
    if let Value::Object(settings) = settings {
        resource.spec.settings = settings;
    }
    resource.spec.actions.extend(case.actions.iter().map(|(rule, action)| (rule.clone(), *action)));
    resource
}

/// What is wrong with the policy as the case changes it, at the setting that the case writes.
fn wrong_settings(file: &CaseFile, case: &Case, errors: &[SpecError]) -> InputError {
    let Some(first) = errors.first() else { return file.data.error(&case.pointer(), "the policy is refused") };
    let field = first.path.strip_prefix("/spec").unwrap_or(&first.path);
    let at = format!("{}{field}", case.pointer());
    let error = file.data.field_error(&at, &first.message);
    InputError { hint: first.hint.clone(), ..error }
}

/// In a hint.
const MOST_NAMES: usize = 5;
