//! Each member has its own DNS name: the governing Service, and sets whose selectors overlap.

use serde_json::{Value, json};

use super::selector::{selects, service_selects};
use super::tree::{Set, list, name, text};
use super::{Asker, Verdicts};

pub(super) fn judge(set: Set<'_>, asker: &Asker<'_>, verdicts: &mut Verdicts) {
    overlapping_selector(set, asker, verdicts);
    let when_several = if set.is_several() { "warn" } else { "audit" };
    if set.service_name().is_empty() {
        verdicts.fires("ordered-identity/no-service-name", "", when_several, "deny");
        return;
    }
    let needs_unready_dns = contacts_peers(set) && set.is_ordered() == Some(true);
    if contacts_peers(set) && set.is_ordered().is_none() {
        verdicts.undecided("ordered-identity/unready-dns");
    }
    let Some(services) = asker.find("v1", "Service") else {
        verdicts.undecided("ordered-identity/missing-service");
        verdicts.undecided("ordered-identity/not-headless");
        verdicts.undecided("ordered-identity/dead-service");
        if needs_unready_dns {
            verdicts.undecided("ordered-identity/unready-dns");
        }
        return;
    };
    let Some(service) = services.into_iter().find(|service| name(service) == set.service_name()) else {
        return verdicts.fires("ordered-identity/missing-service", "", "audit", "warn");
    };
    let spec = &service["spec"];
    let is_alias = spec["type"] == "ExternalName";
    verdicts.fires_if(!is_alias && !is_headless(service), "ordered-identity/not-headless", when_several, "deny");
    let has_selector = spec["selector"].as_object().is_some_and(|selector| !selector.is_empty());
    let is_dead = is_alias || (has_selector && !service_selects(service, &member_labels(set)));
    verdicts.fires_if(is_dead, "ordered-identity/dead-service", "warn", "deny");
    if needs_unready_dns && spec["publishNotReadyAddresses"] != true {
        verdicts.fires("ordered-identity/unready-dns", "", "audit", "warn");
    }
}

pub(super) fn is_headless(service: &Value) -> bool {
    let spec = &service["spec"];
    spec["clusterIP"] == "None" || list(&spec["clusterIPs"]).first().is_some_and(|address| address == "None")
}

/// What every member carries: the template's labels, its set's name where the set is governed, and what Kubernetes writes, where one member is all.
fn member_labels(set: Set<'_>) -> Value {
    let mut labels = if set.pod_labels().is_object() { set.pod_labels().clone() } else { json!({}) };
    if set.annotation("stateward.dev/writes") == Some("manager-only") {
        labels["stateward.dev/set"] = json!(set.name());
    }
    let is_alone = !set.is_several();
    let written = |value: String| if is_alone { json!(value) } else { Value::Null };
    labels["statefulset.kubernetes.io/pod-name"] = written(format!("{}-{}", set.name(), set.start()));
    labels["apps.kubernetes.io/pod-index"] = written(set.start().to_string());
    labels
}

/// Another set's pods that this set's selector takes for its own, or this set's that another's does.
fn overlapping_selector(set: Set<'_>, asker: &Asker<'_>, verdicts: &mut Verdicts) {
    const RULE: &str = "ordered-identity/overlapping-selector";
    let Some(others) = asker.find("apps/v1", "StatefulSet") else { return verdicts.undecided(RULE) };
    let overlaps = |other: Set<'_>| {
        selects(&set.spec()["selector"], other.pod_labels()) || selects(&other.spec()["selector"], set.pod_labels())
    };
    verdicts.fires_if(others.into_iter().any(|other| overlaps(Set(other))), RULE, "warn", "deny");
}

/// An init container or native sidecar whose command, arguments or environment name the Service or a member.
fn contacts_peers(set: Set<'_>) -> bool {
    list(&set.pod()["initContainers"]).iter().any(|container| {
        let words = list(&container["command"]).iter().chain(list(&container["args"]));
        let values = list(&container["env"]).iter().map(|variable| &variable["value"]);
        words.chain(values).map(text).any(|said| names(said, set.service_name()) || names_member(said, set.name()))
    })
}

/// Whether a text holds a name as a word of its own.
fn names(said: &str, wanted: &str) -> bool {
    said.match_indices(wanted).any(|(at, _)| {
        let before = said[..at].chars().next_back();
        let after = said[at + wanted.len()..].chars().next();
        ![before, after].into_iter().flatten().any(is_of_a_name)
    })
}

/// Whether a text holds `<set>-<digit>`.
fn names_member(said: &str, set: &str) -> bool {
    let prefix = format!("{set}-");
    !set.is_empty()
        && said.match_indices(&prefix).any(|(at, _)| {
            let is_start = !said[..at].chars().next_back().is_some_and(is_of_a_name);
            is_start && said[at + prefix.len()..].starts_with(|next: char| next.is_ascii_digit())
        })
}

fn is_of_a_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '-' || letter == '_'
}
