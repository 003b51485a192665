//! The governing Service, which gives each member its DNS name.

use stateward_sdk::contract::{SET, is_governed};
use stateward_sdk::objects::{POD_INDEX, POD_NAME};
use stateward_sdk::prelude::*;

use crate::Settings;

/// NET-1 of the rule catalogue.
pub const NO_SERVICE_NAME: Rule = Rule {
    id: "ordered-identity/no-service-name",
    title: "The set names its governing Service",
    description: "Members get DNS names (`<pod>.<service>.<namespace>.svc`) from the headless Service that `serviceName` names. Without it they can \
                  only be reached by addresses that change; API servers do not ask for it (kubernetes/kubernetes#130233), and it cannot be set \
                  later.",
    category: promise::REACHABLE,
    severity: Severity::Medium,
    baseline: Action::Warn,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS, Subject::STATEFUL_SETS_SCALE],
    reads: &[Read::by_name(StatefulSet::KIND, &["/spec/replicas", "/spec/serviceName"])],
    ..Rule::VALIDATE
};

/// NET-3 of the rule catalogue.
pub const NOT_HEADLESS: Rule = Rule {
    id: "ordered-identity/not-headless",
    title: "The governing Service is headless",
    description: "Only a headless Service (`clusterIP: None`) gives every pod a DNS record of its own. Behind a Service with an address members share \
                  one name, and which of them answers is chance. Of type `ExternalName` speaks `dead-service` alone.",
    category: promise::REACHABLE,
    severity: Severity::Medium,
    baseline: Action::Warn,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS, Subject::STATEFUL_SETS_SCALE],
    reads: &[
        Read::by_name(Service::KIND, &["/spec/clusterIP", "/spec/clusterIPs", "/spec/type"]),
        Read::by_name(StatefulSet::KIND, &["/spec/replicas", "/spec/serviceName"]),
    ],
    ..Rule::VALIDATE
};

/// NET-2 of the rule catalogue.
pub const MISSING_SERVICE: Rule = Rule {
    id: "ordered-identity/missing-service",
    title: "The governing Service exists",
    description: "`serviceName` alone gives members no DNS names: the Service of that name does, once it is there. Nothing makes it, and nothing \
                  complains when it is missing (grafana/helm-charts#2970). It may be made after the set, so this is never refused.",
    category: promise::REACHABLE,
    severity: Severity::Medium,
    baseline: Action::Audit,
    strict: Action::Warn,
    subjects: &[Subject::STATEFUL_SETS],
    reads: &[Read::by_name(Service::KIND, &[])],
    ..Rule::VALIDATE
};

/// NET-4 and NET-5 of the rule catalogue.
///
/// A Service without a selector passes: Patroni and others write its endpoints themselves.
pub const DEAD_SERVICE: Rule = Rule {
    id: "ordered-identity/dead-service",
    title: "The governing Service is about the members",
    description: "DNS names of members come from the endpoints of the governing Service. One of type `ExternalName` has none, and one whose selector does not \
                  fit the template's labels has those of other pods, or none. Labels that the manager contract or Kubernetes writes on every member \
                  are as good as the template's.",
    category: promise::REACHABLE,
    severity: Severity::Medium,
    baseline: Action::Warn,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    reads: &[Read::by_name(Service::KIND, &["/spec/type", "/spec/selector"])],
    ..Rule::VALIDATE
};

/// Fires on an absent or empty `serviceName`.
pub fn no_service_name(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    if set.service_name().is_none() {
        let finding = out
            .finding(SERVICE_NAME, "serviceName", "no Service is named: members have no DNS names of their own")
            .hint("name a headless Service (`clusterIP: None`); the field cannot be set after creation");
        lower(finding, set, cx);
    }
}

/// Fires when the governing Service exists and has an address. An alias (`ExternalName`) has none; `dead-service` speaks of it.
pub fn not_headless(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    let Some(name) = set.service_name() else { return };
    match cx.find::<Service>(name) {
        Found::Found(service) if !service.is_headless() && service.is_external() != Some(true) => {
            let finding = out
                .finding(SERVICE_NAME, "serviceName", format!("Service `{name}` is not headless: members have no DNS names of their own"))
                .hint(format!("write `clusterIP: None` in Service `{name}` (make it anew: the field is immutable), or name a headless one"));
            lower(finding, set, cx);
        }
        Found::Found(_) | Found::Absent => {}
        Found::Unknown => out.unavailable::<Service>(),
    }
}

/// Fires when the Service that is named is known not to exist.
pub fn missing_service(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    let Some(name) = set.service_name() else { return };
    match cx.find::<Service>(name) {
        Found::Found(_) => {}
        Found::Absent => {
            out.finding(
                SERVICE_NAME,
                "serviceName",
                format!("there is no Service `{name}`: members have no DNS names"),
            )
            .hint(format!("make a Service `{name}` with `clusterIP: None` that selects the template's labels"));
        }
        Found::Unknown => out.unavailable::<Service>(),
    }
}

/// Fires when the Service that is named has no endpoints of the members.
pub fn dead_service(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    let Some(name) = set.service_name() else { return };
    let service = match cx.find::<Service>(name) {
        Found::Found(service) => service,
        Found::Absent => return,
        Found::Unknown => return out.unavailable::<Service>(),
    };
    match service.is_external() {
        Some(true) => {
            out.finding(
                SERVICE_NAME,
                "serviceName",
                format!("Service `{name}` is of type `ExternalName`: it has no members behind it"),
            )
            .hint(format!("make Service `{name}` anew with `clusterIP: None` and a selector, or name another one"));
        }
        None => out.undecided(format!("`type: {}` of Service `{name}` is not known here", service.spec.kind)),
        Some(false) => {
            if let Some((key, value)) = service.spec.selector.iter().find(|&label| !is_on_members(label, set)) {
                out.finding(
                    SERVICE_NAME,
                    "serviceName",
                    format!("Service `{name}` selects `{key}: {value}`, which is not among the template's labels"),
                )
                .hint(format!("let Service `{name}` select labels that the template has, or name another one"));
            }
        }
    }
}

/// The label is on every member. Some are that are not in the template: on members of a governed set the contract writes the set's name, and on
/// each Kubernetes writes its own name and ordinal, which are every member's where there is but one.
fn is_on_members((key, value): (&str, &str), set: &StatefulSet) -> bool {
    let is_alone = set.replicas() <= 1;
    match key {
        SET if is_governed(set) => value == set.metadata.name.as_str(),
        POD_NAME => is_alone && member_of(value) == Some((set.metadata.name.as_str(), set.start())),
        POD_INDEX => is_alone && value == set.start().to_string(),
        _ => set.spec.template.metadata.labels.get(key) == Some(value),
    }
}

/// A single member is rarely asked for by name.
fn lower(finding: Made, set: &StatefulSet, cx: &Context<Settings>) {
    if cx.profile() == Profile::Baseline && set.replicas() < 2 {
        finding.at_most(Action::Audit);
    }
}

const SERVICE_NAME: &str = "/spec/serviceName";
