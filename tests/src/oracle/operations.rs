//! Cloning, synchronisation, back-up and management are the owner's to configure; and what keeps members apart.

use serde_json::Value;

use super::selector::selects;
use super::tree::{Set, annotation, keys, list, name, text};
use super::{Asker, Verdicts, lists};

pub(super) fn judge(set: Set<'_>, asker: &Asker<'_>, verdicts: &mut Verdicts) {
    backup(set, verdicts);
    spread(set, verdicts);
    let is_owned = keys(&set.0["metadata"]["annotations"]).any(|key| lists::OWNER_KEYS.contains(&key));
    verdicts.fires_if(!is_owned, "operations/no-owner", "off", "audit");
    if set.is_several() {
        match asker.find("policy/v1", "PodDisruptionBudget") {
            None => verdicts.undecided("operations/no-disruption-budget"),
            Some(budgets) => {
                let is_covered = budgets.iter().any(|budget| selects(&budget["spec"]["selector"], set.pod_labels()));
                verdicts.fires_if(!is_covered, "operations/no-disruption-budget", "audit", "warn");
            }
        }
    }
}

fn backup(set: Set<'_>, verdicts: &mut Verdicts) {
    let has_intent = !set.annotation("stateward.dev/backup").unwrap_or_default().is_empty() || has_marker(set);
    verdicts.fires_if(set.is_governed() && !has_intent, "operations/no-backup-intent", "audit", "warn");
    let exists = |volume: &str| {
        list(&set.pod()["volumes"]).iter().any(|each| text(&each["name"]) == volume)
            || set.claim_templates().iter().any(|template| name(template) == volume)
    };
    for volume in named(set, VOLUMES) {
        if !exists(volume) {
            verdicts.fires("operations/backup-of-missing-volume", volume, "warn", "deny");
        }
    }
    let excluded = named(set, EXCLUDES);
    for template in set.claim_templates() {
        if excluded.contains(&name(template)) || annotation(template, "k8up.io/backup") == Some("false") {
            verdicts.fires("operations/excluded-data", name(template), "warn", "warn");
        }
    }
}

/// The volumes that a pod annotation lists. Velero splits at commas and trims nothing.
fn named<'a>(set: Set<'a>, key: &str) -> Vec<&'a str> {
    let names = annotation(&set.spec()["template"], key).filter(|names| !names.is_empty());
    names.into_iter().flat_map(|names| names.split(',')).collect()
}

/// An annotation of a known tool, where that tool reads it.
fn has_marker(set: Set<'_>) -> bool {
    let has = |object: &Value, prefixes: &[&str]| {
        keys(&object["metadata"]["annotations"]).any(|key| prefixes.iter().any(|prefix| key.starts_with(prefix)))
    };
    let template = &set.spec()["template"];
    has(
        template,
        &[
            "backup.velero.io/backup-volumes",
            "pre.hook.backup.velero.io/",
            "post.hook.backup.velero.io/",
            "k8up.io/backupcommand",
        ],
    ) || has(set.0, &["stash.appscode.com/", "kanister.kasten.io/blueprint"])
        || set.claim_templates().iter().any(|claim| annotation(claim, "k8up.io/backup") == Some("true"))
}

fn spread(set: Set<'_>, verdicts: &mut Verdicts) {
    let anti = &set.pod()["affinity"]["podAntiAffinity"];
    let required = list(&anti["requiredDuringSchedulingIgnoredDuringExecution"]).iter();
    let preferred = list(&anti["preferredDuringSchedulingIgnoredDuringExecution"]).iter();
    let terms = required.chain(preferred.map(|weighted| &weighted["podAffinityTerm"]));
    let all: Vec<&Value> = terms.chain(list(&set.pod()["topologySpreadConstraints"])).collect();
    verdicts.fires_if(set.is_several() && all.is_empty(), "operations/no-spread", "audit", "warn");
    let is_effective = |term: &&Value| {
        let namespaces = list(&term["namespaces"]);
        let is_here = namespaces.is_empty() || namespaces.contains(&set.0["metadata"]["namespace"]);
        is_here && selects(&term["labelSelector"], set.pod_labels())
    };
    // One that keeps other applications away is fine beside one that works.
    if !all.iter().any(is_effective) {
        for number in 0..all.len() {
            verdicts.fires("operations/ineffective-spread", &number.to_string(), "warn", "warn");
        }
    }
}

/// A budget that lets no pod go, or all of them: by its own words, or for the members of the sets that it selects.
pub(super) fn judge_budget(asker: &Asker<'_>, verdicts: &mut Verdicts) {
    const RULE: &str = "operations/blocking-budget";
    let spec = &asker.object["spec"];
    let (most, least) = (&spec["maxUnavailable"], &spec["minAvailable"]);
    let is_any = |value: &Value, words: &[&str]| words.contains(&text(value));
    let blocks = *most == 0 || is_any(most, &["0%"]) || is_any(least, &["100%"]) || (most.is_null() && least.is_null());
    let lets_all = *least == 0 || is_any(least, &["0%"]) || is_any(most, &["100%"]);
    if blocks || lets_all {
        return verdicts.fires(RULE, "", "warn", "warn");
    }
    let Some(sets) = asker.find("apps/v1", "StatefulSet") else { return verdicts.undecided(RULE) };
    let covered = sets.into_iter().map(Set).filter(|set| selects(&spec["selector"], set.pod_labels()));
    let members: i64 = covered.map(Set::replicas).sum();
    let allowed = scaled(most, members).or_else(|| Some(members - scaled(least, members)?)).unwrap_or(0);
    // What lets the only member go lets all go: there is no budget in between.
    let is_wrong = allowed <= 0 || (allowed >= members && members > 1);
    verdicts.fires_if(members > 0 && is_wrong, RULE, "warn", "warn");
}

/// The disruption controller rounds shares up, both ways.
fn scaled(value: &Value, members: i64) -> Option<i64> {
    let percent = || text(value).strip_suffix('%')?.parse::<i64>().ok();
    value.as_i64().or_else(|| Some((percent()? * members + 99) / 100))
}

const VOLUMES: &str = "backup.velero.io/backup-volumes";
const EXCLUDES: &str = "backup.velero.io/backup-volumes-excludes";
