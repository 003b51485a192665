//! The policies in force while something is measured: the shipped ones, in profile `strict`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};
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
            Selection::AllRules => policy.spec.settings = settings(&policy.metadata.name),
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

/// 2 KB of settings over all policies: drivers and accounts as a large cluster would name them.
fn settings(policy: &str) -> Map<String, Value> {
    let names = |count: usize, name: fn(usize) -> String| -> Vec<String> { (0..count).map(name).collect() };
    let settings = match policy {
        "remote-volumes" => json!({
            "localDrivers": { "add": names(15, |n| format!("local-{n:02}.csi.storage.example.com")) },
            "remoteDrivers": { "add": names(15, |n| format!("remote-{n:02}.csi.storage.example.com")) }
        }),
        "manager-writes" => json!({
            "restorers": names(10, |n| format!("system:serviceaccount:back-up-{n:02}:velero-server")),
            "trustedUsers": names(10, |n| format!("system:serviceaccount:team-{n:02}:delivery-agent"))
        }),
        _ => json!({}),
    };
    settings.as_object().cloned().unwrap_or_default()
}

fn join(errors: &[stateward_core::policy::SpecError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_policies_bind_in_both_selections() {
        let component = stateward_native::component();
        for selection in [Selection::ObjectRules, Selection::AllRules] {
            let resources = resources(selection, &component.manifest).unwrap();
            assert!(count_of_rules(&resources, &component).unwrap() > 0);
        }
    }

    #[test]
    fn settings_are_two_kilobytes() {
        let bytes: usize = ["ordered-identity", "remote-volumes", "manager-writes"]
            .map(|policy| Value::from(settings(policy)).to_string().len())
            .iter()
            .sum();
        assert!((1_950..2_200).contains(&bytes), "{bytes}");
    }
}
