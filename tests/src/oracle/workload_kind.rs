//! Stateful applications run as StatefulSets: what Deployments, ReplicaSets and Pods do with claims and databases.

use serde_json::Value;

use super::ordered_identity::is_member_name;
use super::tree::{Set, list, name, split_ordinal, text, written_claim};
use super::{Asker, Verdicts, kind, lists};

pub(super) fn judge(asker: &Asker<'_>, verdicts: &mut Verdicts) {
    let object = asker.object;
    let is_pod = kind(object).1 == "Pod";
    let pod = if is_pod { &object["spec"] } else { &object["spec"]["template"]["spec"] };
    foreign_claim(asker, pod, verdicts);
    let is_controlled = list(&object["metadata"]["ownerReferences"]).iter().any(|owner| owner["controller"] == true);
    if is_controlled {
        return;
    }
    let is_database = list(&pod["containers"]).iter().any(lists::runs_database);
    let mut volumes = list(&pod["volumes"]).iter();
    let has_claim = volumes.any(|volume| volume["persistentVolumeClaim"].is_object());
    verdicts.fires_if(is_database && !has_claim, "workload-kind/database-image", "audit", "warn");
    claims(asker, pod, verdicts);
}

fn claims(asker: &Asker<'_>, pod: &Value, verdicts: &mut Verdicts) {
    let object = asker.object;
    let replicas = if kind(object).1 == "Pod" { 1 } else { object["spec"]["replicas"].as_i64().unwrap_or(1) };
    let is_rolled = kind(object).1 != "Pod";
    let strategy = text(&object["spec"]["strategy"]["type"]);
    let known = asker.find("v1", "PersistentVolumeClaim");
    for volume in list(&pod["volumes"]) {
        let Some(claim_name) = volume["persistentVolumeClaim"]["claimName"].as_str() else { continue };
        let place = text(&volume["name"]);
        let claim = known.iter().flatten().find(|claim| name(claim) == claim_name);
        let modes = claim.map(|claim| list(&claim["spec"]["accessModes"]));
        let has = |wanted: &[&str]| modes.map(|modes| modes.iter().any(|mode| wanted.contains(&text(mode))));
        if is_rolled && strategy != "Recreate" {
            match has(&["ReadWriteMany", "ReadOnlyMany"]) {
                Some(true) => {}
                _ if !matches!(strategy, "" | "RollingUpdate") => verdicts.undecided("workload-kind/rolling-claim"),
                Some(false) => verdicts.fires("workload-kind/rolling-claim", place, "warn", "deny"),
                None => verdicts.undecided("workload-kind/rolling-claim"),
            }
        }
        if replicas > 1 {
            match has(&["ReadWriteMany", "ReadOnlyMany"]) {
                Some(true) => {}
                Some(false) => verdicts.fires("workload-kind/replicated-claim", place, "deny", "deny"),
                None => verdicts.undecided("workload-kind/replicated-claim"),
            }
        }
    }
}

/// A second writer on a member's disk; a file does not say whether it is a back-up tool's.
fn foreign_claim(asker: &Asker<'_>, pod: &Value, verdicts: &mut Verdicts) {
    const RULE: &str = "workload-kind/foreign-claim";
    let is_pod = kind(asker.object).1 == "Pod";
    for volume in list(&pod["volumes"]) {
        let Some(claim) = written_claim(volume, pod) else { continue };
        let Some((prefix, ordinal)) = split_ordinal(claim) else { continue };
        let Some(sets) = asker.find("apps/v1", "StatefulSet") else {
            verdicts.undecided(RULE);
            continue;
        };
        for set in sets.into_iter().map(Set) {
            let is_member = is_pod
                && is_member_name(name(asker.object), set.name())
                && split_ordinal(name(asker.object)).is_some_and(|(_, number)| number == ordinal);
            let mut templates = set.claim_templates().iter();
            let is_theirs = templates.any(|template| format!("{}-{}", name(template), set.name()) == prefix);
            if is_theirs && !is_member {
                verdicts.undecided(RULE);
            }
        }
    }
}
