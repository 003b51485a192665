//! Created in order, deleted in reverse, each with a unique fixed name: what the set alone shows, and other sets of the namespace.

use serde_json::Value;

use super::tree::{Set, keys, list, long_running, name, split_ordinal, text};
use super::{Verdicts, lists};

pub(super) fn judge(set: Set<'_>, verdicts: &mut Verdicts) {
    order(set, verdicts);
    update(set, verdicts);
    grace(set, verdicts);
    names(set, verdicts);
    placement(set, verdicts);
    reserved_keys(set, verdicts);
}

fn order(set: Set<'_>, verdicts: &mut Verdicts) {
    let has_gate = || long_running(set.pod()).any(|container| container["readinessProbe"].is_object());
    match set.is_ordered() {
        Some(true) if set.is_several() && !has_gate() => {
            verdicts.fires("ordered-identity/no-readiness-gate", "", "warn", "deny");
        }
        Some(true) => {}
        Some(false) => verdicts.fires("ordered-identity/parallel-management", "", "audit", "deny"),
        None => {
            verdicts.undecided("ordered-identity/parallel-management");
            if set.is_several() && !has_gate() {
                verdicts.undecided("ordered-identity/no-readiness-gate");
            }
        }
    }
}

fn update(set: Set<'_>, verdicts: &mut Verdicts) {
    let strategy = &set.spec()["updateStrategy"];
    match text(&strategy["type"]) {
        "" | "RollingUpdate" => {}
        "OnDelete" => verdicts.fires("ordered-identity/on-delete-update", "", "audit", "warn"),
        "Recreate" => verdicts.fires("ordered-identity/recreate-update", "", "warn", "deny"),
        _ => {
            verdicts.undecided("ordered-identity/on-delete-update");
            verdicts.undecided("ordered-identity/recreate-update");
        }
    }
    if !matches!(text(&strategy["type"]), "" | "RollingUpdate") {
        return;
    }
    let rolling = &strategy["rollingUpdate"];
    let is_frozen = rolling["partition"].as_i64().is_some_and(|partition| partition > 0);
    verdicts.fires_if(is_frozen, "ordered-identity/frozen-partition", "warn", "warn");
    let is_batch = is_batch(&rolling["maxUnavailable"], set.replicas());
    verdicts.fires_if(is_batch, "ordered-identity/batch-update", "warn", "deny");
}

/// More than one: the default, whatever the set's size. The controller rounds a share down, to one at least.
fn is_batch(most: &Value, replicas: i64) -> bool {
    let percent = text(most).strip_suffix('%').and_then(|share| share.parse::<i64>().ok());
    match (most.as_i64(), percent) {
        (Some(number), _) => number > 1,
        (_, Some(percent)) => percent * replicas / 100 > 1,
        _ => false,
    }
}

fn grace(set: Set<'_>, verdicts: &mut Verdicts) {
    let grace = set.pod()["terminationGracePeriodSeconds"].as_i64().unwrap_or(30);
    verdicts.fires_if(grace == 0, "ordered-identity/zero-grace", "deny", "deny");
    let is_database = long_running(set.pod()).any(|container| lists::is_database(text(&container["image"])));
    verdicts.fires_if(grace < 30 && is_database, "ordered-identity/short-grace", "audit", "warn");
}

fn names(set: Set<'_>, verdicts: &mut Verdicts) {
    let name = set.name();
    verdicts.fires_if(name.len() > 52, "ordered-identity/name-too-long", "deny", "deny");
    verdicts.fires_if(!name.is_empty() && !is_label(name), "ordered-identity/name-not-label", "deny", "deny");
    let is_generated = name.is_empty() && !text(&set.0["metadata"]["generateName"]).is_empty();
    let baseline = if set.is_governed() { "deny" } else { "warn" };
    verdicts.fires_if(is_generated, "ordered-identity/generated-name", baseline, "deny");
    let digits = name.rsplit_once('-').map(|(_, end)| end).filter(|end| !end.is_empty());
    let is_ordinal_like = digits.is_some_and(|end| end.bytes().all(|byte| byte.is_ascii_digit()));
    verdicts.fires_if(is_ordinal_like, "ordered-identity/ordinal-like-name", "audit", "warn");
    verdicts.fires_if(set.start() != 0, "ordered-identity/shifted-ordinals", "audit", "warn");
}

/// RFC 1123, as apimachinery has it.
fn is_label(name: &str) -> bool {
    let is_inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    name.len() <= 63 && name.bytes().all(is_inside) && !name.starts_with('-') && !name.ends_with('-')
}

fn placement(set: Set<'_>, verdicts: &mut Verdicts) {
    let pod = set.pod();
    for field in ["hostname", "subdomain", "hostnameOverride"] {
        if !text(&pod[field]).is_empty() {
            verdicts.fires("ordered-identity/hostname-override", field, "warn", "deny");
        }
    }
    if pod["setHostnameAsFQDN"] == true {
        verdicts.fires("ordered-identity/hostname-override", "setHostnameAsFQDN", "warn", "deny");
    }
    verdicts.fires_if(pod["hostNetwork"] == true, "ordered-identity/host-network", "warn", "deny");
    let is_named = !text(&pod["nodeName"]).is_empty();
    let is_selected = !pod["nodeSelector"]["kubernetes.io/hostname"].is_null();
    for (is_pinned, place) in [(is_named, "nodeName"), (is_selected, "nodeSelector")] {
        if is_pinned {
            verdicts.fires("ordered-identity/pinned-node", place, "warn", "deny");
        }
    }
}

fn reserved_keys(set: Set<'_>, verdicts: &mut Verdicts) {
    let mut check = |place: &str, key: &str| {
        if lists::IDENTITY_KEYS.contains(&key) {
            verdicts.fires("ordered-identity/reserved-keys", &format!("{place} {key}"), "deny", "deny");
        }
    };
    let spec = set.spec();
    keys(&spec["selector"]["matchLabels"]).for_each(|key| check("selector", key));
    let expressions = list(&spec["selector"]["matchExpressions"]);
    expressions.iter().for_each(|expression| check("expression", text(&expression["key"])));
    keys(set.pod_labels()).for_each(|key| check("template", key));
    for template in set.claim_templates() {
        keys(&template["metadata"]["labels"]).for_each(|key| check(name(template), key));
    }
}

/// A pod of this name would be a member of that set.
pub(super) fn is_member_name(pod: &str, set: &str) -> bool {
    split_ordinal(pod).is_some_and(|(parent, _)| parent == set)
}
