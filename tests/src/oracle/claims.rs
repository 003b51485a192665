//! Each member its own volume: the claim templates, and the claims they lead to.

use std::ops::Range;

use serde_json::Value;

use super::tree::{Set, list, name, split_ordinal, text};
use super::{Asker, Verdicts};

pub(super) fn judge(set: Set<'_>, asker: &Asker<'_>, verdicts: &mut Verdicts) {
    let templates = set.claim_templates();
    verdicts.fires_if(templates.is_empty(), "remote-volumes/no-claim-template", "audit", "deny");
    for template in templates {
        let place = name(template);
        let spec = &template["spec"];
        let modes = list(&spec["accessModes"]);
        if modes.len() > 1 || modes.iter().any(|mode| mode == "ReadWriteMany" || mode == "ReadOnlyMany") {
            verdicts.fires("remote-volumes/shared-access-mode", place, "warn", "deny");
        }
        if modes.is_empty() || asks_for_nothing(&spec["resources"]["requests"]["storage"]) {
            verdicts.fires("remote-volumes/incomplete-claim", place, "deny", "deny");
        }
        if templates.iter().filter(|other| name(other) == place).count() > 1 {
            verdicts.fires("remote-volumes/duplicate-claim", place, "deny", "deny");
        }
        if spec["dataSource"].is_object() || spec["dataSourceRef"].is_object() {
            verdicts.fires("remote-volumes/cloned-source", place, "audit", "warn");
        }
        if !text(&spec["volumeName"]).is_empty() || spec["selector"].is_object() {
            verdicts.fires("remote-volumes/pinned-volume", place, "warn", "deny");
        }
    }
    retention(set, verdicts);
    collision(set, asker, verdicts);
}

fn retention(set: Set<'_>, verdicts: &mut Verdicts) {
    let policy = &set.spec()["persistentVolumeClaimRetentionPolicy"];
    for (field, rule) in
        [("whenDeleted", "remote-volumes/delete-with-set"), ("whenScaled", "remote-volumes/delete-on-scale-down")]
    {
        match text(&policy[field]) {
            "" | "Retain" => {}
            "Delete" => verdicts.fires(rule, "", "warn", "deny"),
            _ => verdicts.undecided(rule),
        }
    }
}

/// A claim that this set's members would take for theirs: another set's, or one that does not fit its template.
fn collision(set: Set<'_>, asker: &Asker<'_>, verdicts: &mut Verdicts) {
    const RULE: &str = "remote-volumes/claim-collision";
    if set.claim_templates().is_empty() || set.name().is_empty() {
        return;
    }
    let others = asker.find("apps/v1", "StatefulSet");
    let mut is_broken = false;
    let claims = asker.find("v1", "PersistentVolumeClaim");
    for template in set.claim_templates() {
        let prefix = format!("{}-{}", name(template), set.name());
        let is_alike = |other: &Set<'_>| {
            let mut prefixes =
                other.claim_templates().iter().map(|theirs| format!("{}-{}", name(theirs), other.name()));
            prefixes.any(|theirs| theirs == prefix)
        };
        let alike: Vec<Set<'_>> = others.iter().flatten().map(|other| Set(other)).filter(is_alike).collect();
        let takes = |other: &Set<'_>| ordinals(set).any(|ordinal| ordinals(*other).contains(&ordinal));
        let is_taken = alike.iter().any(takes);
        let is_governed =
            is_taken && (set.is_governed() || alike.iter().any(|other| takes(other) && other.is_governed()));
        if !is_taken && !alike.is_empty() {
            verdicts.fires(RULE, &format!("{} one day", name(template)), "warn", "warn");
        }
        let is_derived = |claim: &&&Value| {
            split_ordinal(name(claim))
                .is_some_and(|(parent, ordinal)| parent == prefix && ordinals(set).contains(&ordinal))
        };
        let mut existing = claims.iter().flatten().filter(is_derived);
        if is_taken || existing.any(|claim| !fits(claim, template)) {
            verdicts.fires(RULE, name(template), if is_governed { "deny" } else { "warn" }, "deny");
            is_broken = true;
        }
    }
    if others.is_none() || (claims.is_none() && !is_broken) {
        verdicts.undecided(RULE);
    }
}

/// Those of its members. A set that is scaled to 0 keeps its claims: its first member's is known.
fn ordinals(set: Set<'_>) -> Range<i64> {
    set.start()..set.start() + set.replicas().max(1)
}

/// A claim that only grew re-attaches.
fn fits(claim: &Value, template: &Value) -> bool {
    let mode = |object: &Value| match text(&object["spec"]["volumeMode"]) {
        "" => "Filesystem".to_owned(),
        mode => mode.to_owned(),
    };
    let modes = |object: &Value| {
        let mut modes: Vec<String> = list(&object["spec"]["accessModes"]).iter().map(ToString::to_string).collect();
        modes.sort();
        modes
    };
    let class = |object: &Value| object["spec"]["storageClassName"].as_str().map(str::to_owned);
    let storage = |object: &Value| bytes(&object["spec"]["resources"]["requests"]["storage"]);
    let is_same_class = class(template).is_none() || class(template) == class(claim);
    let is_large_enough = match (storage(claim), storage(template)) {
        (Some(has), Some(asks)) => has >= asks,
        _ => true,
    };
    // A template without a mode asks for none.
    let is_same_modes = modes(template).is_empty() || modes(claim).is_empty() || modes(claim) == modes(template);
    mode(claim) == mode(template) && is_same_modes && is_same_class && is_large_enough
}

/// The API server wants more than 0.
fn asks_for_nothing(storage: &Value) -> bool {
    let is_below = storage.as_i64().is_some_and(|bytes| bytes < 0) || text(storage).starts_with('-');
    storage.is_null() || storage == "" || is_below || bytes(storage) == Some(0)
}

/// A quantity of storage, as far as the tests write them.
fn bytes(quantity: &Value) -> Option<u64> {
    let written = quantity.as_str().map_or_else(|| quantity.to_string(), str::to_owned);
    let digits = written.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(written.len());
    let (number, unit) = written.split_at(digits);
    let factor = match unit {
        "" => 1,
        "k" => 1000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        _ => return None,
    };
    Some(number.parse::<u64>().ok()? * factor)
}
