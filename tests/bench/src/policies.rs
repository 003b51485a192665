//! The policies in force while something is measured: the shipped ones, in profile `strict`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use stateward_core::evaluate::Component;
use stateward_core::manifest::{Manifest, RuleKind};
use stateward_core::policy::Policy;
use stateward_core::policy_set::PolicySet;
use stateward_core::resources::{PolicyExemption, WasmPolicy};

/// Which rules are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Those that look at the object alone, and the contract's fixed rules, which cannot be left out.
    ObjectRules,
    /// Every built-in rule, with 2 KB of settings.
    AllRules,
}

/// The shipped policies, changed to what is measured.
pub fn resources(selection: Selection, manifest: &Manifest) -> Result<Vec<WasmPolicy>> {
    let documents =
        stateward_manifests::read_text("default-policies.yaml", stateward_builtin::DEFAULT_POLICIES.to_owned());
    let files = stateward_manifests::policy_files::parse(&documents.objects);
    if let Some(error) = documents.errors.iter().chain(&files.errors).next() {
        bail!("the shipped policies cannot be read: {error}");
    }
    let mut policies: Vec<WasmPolicy> = files.policies.into_iter().map(|from| from.resource).collect();
    for policy in &mut policies {
        policy.spec.profile = stateward_core::manifest::Profile::Strict;
        match selection {
            Selection::AllRules => policy.spec.settings = settings(manifest)?,
            Selection::ObjectRules => {
                let family = policy.spec.rules.first().and_then(|pattern| pattern.strip_suffix("/*"));
                let family =
                    family.with_context(|| format!("policy `{}` does not select a family", policy.metadata.name))?;
                let on = manifest
                    .rules
                    .iter()
                    .filter(|rule| rule.family() == family && (rule.reads.is_empty() || rule.fixed));
                policy.spec.rules = on.map(|rule| rule.id.clone()).collect();
            }
        }
    }
    policies.retain(|policy| !policy.spec.rules.is_empty());
    Ok(policies)
}

/// The resources bound to a component that somebody else loaded.
pub fn bind(resources: &[WasmPolicy], component: &Component) -> Result<PolicySet> {
    let mut policies = Vec::new();
    for resource in resources {
        match Policy::new(resource, component.clone()) {
            Ok(policy) => policies.push(policy),
            Err(errors) => bail!("policy `{}` is refused: {}", resource.metadata.name, join(&errors)),
        }
    }
    let no_exemptions: Vec<PolicyExemption> = Vec::new();
    PolicySet::new(policies, no_exemptions)
        .map_err(|errors| anyhow::anyhow!("the policies contradict each other: {errors:?}"))
}

/// The resources as a folder for `--policies`.
pub fn write(resources: &[WasmPolicy], folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for resource in resources {
        let mut document = serde_json::to_value(resource)?;
        if let Some(object) = document.as_object_mut() {
            object.insert("apiVersion".to_owned(), stateward_core::resources::API_VERSION.into());
            object.insert("kind".to_owned(), "WasmPolicy".into());
        }
        fs::write(folder.join(format!("{}.json", resource.metadata.name)), document.to_string())?;
    }
    Ok(())
}

/// How many validating rules the resources switch on.
pub fn count_of_rules(resources: &[WasmPolicy], component: &Component) -> Result<usize> {
    let set = bind(resources, component)?;
    let ids: Vec<&str> = set.policies().iter().flat_map(Policy::rule_ids).collect();
    let judges =
        |id: &str| component.manifest.rules.iter().any(|rule| rule.id == id && rule.kind == RuleKind::Validate);
    Ok(ids.into_iter().filter(|id| judges(id)).count())
}

/// 2 KB of settings, as a cluster with many storage drivers and accounts has them: every list of texts that the schema knows is filled.
fn settings(manifest: &Manifest) -> Result<serde_json::Map<String, Value>> {
    let schema: Value = serde_json::from_str(&manifest.settings_schema).context("the settings schema is no JSON")?;
    let properties =
        schema.get("properties").and_then(Value::as_object).context("the settings schema has no properties")?;
    let lists: Vec<&String> = properties
        .iter()
        .filter(|(_, property)| {
            property.pointer("/items/type") == Some(&json!("string")) && property.pointer("/items/pattern").is_none()
        })
        .map(|(name, _)| name)
        .collect();
    let mut settings = serde_json::Map::new();
    if lists.is_empty() {
        return Ok(settings);
    }
    for n in 0.. {
        for &name in &lists {
            let list = settings.entry(name.clone()).or_insert_with(|| json!([]));
            if let Some(list) = list.as_array_mut() {
                list.push(format!("driver-{n}.storage.example.com").into());
            }
            if Value::from(settings.clone()).to_string().len() >= SETTINGS_BYTES {
                return Ok(settings);
            }
        }
    }
    Ok(settings)
}

fn join(errors: &[stateward_core::policy::SpecError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

const SETTINGS_BYTES: usize = 2_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_policies_bind_in_both_selections() {
        let component = crate::native::component().unwrap();
        for selection in [Selection::ObjectRules, Selection::AllRules] {
            let resources = resources(selection, &component.manifest).unwrap();
            assert!(count_of_rules(&resources, &component).unwrap() > 0);
        }
    }
}
