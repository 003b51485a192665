//! Who is reached by a Service: the manager alone, or anybody. Labels stop no process from writing; a Service that selects the manager does.

use stateward_sdk::contract::{SERVICE, WRITES_FIELD};
use stateward_sdk::objects::{POD_NAME, ServicePort};
use stateward_sdk::prelude::*;

use crate::Settings;
use crate::conditions;
use crate::keys::{ROLE, SET, is_governed};
use crate::members::{Role, is_write_service, meant_by, selects};

/// MG-3 of the rule catalogue.
pub const MIXED_SERVICE: Rule = Rule {
    id: "manager-writes/mixed-service",
    title: "A Service leads to the manager or is for reading",
    description: "A Service that selects the manager and its workers alike spreads writes over all of them; one that selects members of two governed sets \
                  sends what is written for one to the other. The governing Service is headless: it gives members their names, and no client writes \
                  through it. A set of one has no worker yet; what is found there is about the day when it is scaled, because nobody asks then.",
    category: promise::ONE_WRITER,
    severity: Severity::High,
    baseline: Action::Deny,
    strict: Action::Deny,
    subjects: &[
        Subject::STATEFUL_SETS,
        Subject::of(Resource::SERVICES, &[Operation::Create, Operation::Update]).when(conditions::SERVICE_SELECTS),
    ],
    reads: &[SERVICES, SETS],
    ..Rule::VALIDATE
};

/// NET-8 of the rule catalogue.
pub const NO_WRITE_SERVICE: Rule = Rule {
    id: "manager-writes/no-write-service",
    title: "Clients write through a Service of the manager's own",
    description: "Only a Service that selects the manager keeps clients from writing to a worker; an address that was looked up once, or a list of all \
                  members, does not. It follows the role, so it holds when the pod is replaced.",
    category: promise::ONE_WRITER,
    severity: Severity::Medium,
    baseline: Action::Audit,
    strict: Action::Warn,
    subjects: &[Subject::STATEFUL_SETS],
    reads: &[SERVICES],
    ..Rule::VALIDATE
};

/// NET-8 of the rule catalogue.
pub const WRITE_SERVICE_CHANGED: Rule = Rule {
    id: "manager-writes/write-service-changed",
    title: "The write Service stays while the set lives",
    description: "Clients reach the manager by this Service alone. Without it they stop, or find another way in and write to a worker; with another selector \
                  or port they write to whatever it leads to. Scale the set to 0 first: then an uninstall (Helm deletes Services before StatefulSets) goes \
                  through.",
    category: promise::ONE_WRITER,
    severity: Severity::High,
    baseline: Action::Warn,
    strict: Action::Deny,
    compares: true,
    needs_user: true,
    subjects: &[Subject::of(Resource::SERVICES, &[Operation::Update, Operation::Delete])
        .when(conditions::WRITE_SERVICE_CHANGED)],
    reads: &[Read::by_name(
        StatefulSet::KIND,
        &[WRITES_FIELD, "/spec/replicas", "/spec/ordinals", "/spec/template/metadata/labels", "/status/replicas"],
    )],
    ..Rule::VALIDATE
};

/// Fires once for each Service beside a governed set that selects its manager and workers, or members of another governed set as well.
pub fn mixed_service_of_set(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    if !is_governed(set) {
        return;
    }
    let Some(services) = cx.list::<Service>() else { return out.unavailable::<Service>() };
    for service in services {
        let (manager, worker) = (selects(&service, set, Role::Manager), selects(&service, set, Role::Worker));
        if !(manager || worker) || is_for_reading(&service, &cx.settings) {
            continue;
        }
        let name = &service.metadata.name;
        let place = || format!("services[{name}]");
        if let Some(other) = other_set(&service, set, cx, out) {
            out.finding(TEMPLATE_LABELS, place(), reaches_two(name, &set.metadata.name, &other)).hint(format!(
                "add `stateward.dev/set: {}` to its selector, or mark it `{SERVICE}: read-only`",
                set.metadata.name
            ));
        } else if manager && worker && !governs(&service, set) {
            let finding = out.finding(TEMPLATE_LABELS, place(), reaches_all(name, set));
            lower(finding, cx).hint(narrow(&set.metadata.name));
        }
    }
}

/// The same seen from the Service, which may be made or changed after the set.
pub fn mixed_service(service: &Service, cx: &Context<Settings>, out: &mut Findings) {
    if service.spec.selector.is_empty() || is_for_reading(service, &cx.settings) {
        return;
    }
    let Some(sets) = cx.list::<StatefulSet>() else { return out.unavailable::<StatefulSet>() };
    let reached: Vec<_> = sets
        .iter()
        .filter(|set| is_governed(set))
        .map(|set| (set, selects(service, set, Role::Manager), selects(service, set, Role::Worker)))
        .filter(|(_, manager, worker)| *manager || *worker)
        .collect();
    let name = &service.metadata.name;
    let clients = reached.iter().find(|(set, ..)| !governs(service, set));
    match (clients, reached.as_slice()) {
        (None, _) => {}
        (Some(_), [(first, ..), (second, ..), ..]) => {
            out.finding(SELECTOR, "selector", reaches_two(name, &first.metadata.name, &second.metadata.name)).hint(
                format!(
                    "add `stateward.dev/set` with the name of the one that is meant, or mark the Service `{SERVICE}: read-only`"
                ),
            );
        }
        (Some((set, manager, worker)), _) => {
            if *manager && *worker {
                lower(out.finding(SELECTOR, "selector", reaches_all(name, set)), cx).hint(narrow(&set.metadata.name));
            }
        }
    }
}

/// Fires on a governed set whose manager no Service selects alone.
pub fn no_write_service(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    if !is_governed(set) {
        return;
    }
    let Some(services) = cx.list::<Service>() else { return out.unavailable::<Service>() };
    if services.iter().any(|service| is_write_service(service, set)) {
        return;
    }
    let name = &set.metadata.name;
    out.finding(
        WRITES_FIELD,
        "annotations[stateward.dev/writes]",
        "only the manager may write, and no Service leads to it alone",
    )
    .hint(format!("make a Service that selects `stateward.dev/role: manager` and `stateward.dev/set: {name}`"));
}

/// Fires when a person deletes the Service that leads to the manager of a live governed set, or makes it lead elsewhere.
pub fn write_service_changed(service: &Service, cx: &Context<Settings>, out: &mut Findings) {
    let (before, after) = match (cx.operation(), cx.old().and_then(Object::as_service)) {
        (Operation::Delete, _) => (service, None),
        (Operation::Update, Some(old)) => (old, Some(service)),
        _ => return,
    };
    let Some(name) = meant_by(before) else { return };
    if cx.is_person(&cx.settings.trusted_users) == Some(false) {
        return;
    }
    let set = match cx.find::<StatefulSet>(name) {
        Found::Found(set) => set,
        Found::Absent => return,
        Found::Unknown => return out.unavailable::<StatefulSet>(),
    };
    let is_still = after.is_some_and(|after| is_write_service(after, &set) && selects_no_less(before, after));
    let lost = after.filter(|_| is_still).and_then(|after| lost_port(before, after));
    if !is_governed(&set) || !set.is_live() || !is_write_service(before, &set) || (is_still && lost.is_none()) {
        return;
    }
    if cx.user().is_none() {
        return out.needs_user();
    }
    let service = &before.metadata.name;
    if let Some(port) = lost {
        let port = port.port;
        out.finding(
            "/spec/ports",
            "ports",
            format!("clients write to the manager of `{name}` through port {port} of Service `{service}`, and it would lead elsewhere"),
        )
        .hint(format!("keep port {port} with its protocol and `targetPort`, add another beside it, or scale `{name}` to 0 first"));
    } else if after.is_some() {
        out.finding(
            SELECTOR,
            "selector",
            format!("Service `{service}` would no longer lead to the manager of `{name}` alone"),
        )
        .hint(format!(
            "keep `stateward.dev/role: manager` and `stateward.dev/set: {name}`, or scale `{name}` to 0 first"
        ));
    } else {
        out.finding(
            "/metadata/name",
            "name",
            format!("clients write to the manager of `{name}` through Service `{service}`, and `{name}` has members"),
        )
        .hint(format!("scale StatefulSet `{name}` to 0 first"));
    }
}

/// Whether a selector still names the role and the set, which nobody forges, where it did, and asks nothing more of the pod: another label is its author's
/// word, and one that the template has need not be on the manager that runs.
fn selects_no_less(before: &Service, after: &Service) -> bool {
    let (before, after) = (&before.spec.selector, &after.spec.selector);
    let is_ours = |key: &str| key == ROLE || key == SET;
    before.iter().all(|(key, value)| !is_ours(key) || after.get(key) == Some(value))
        && after.iter().all(|(key, value)| is_ours(key) || before.get(key) == Some(value))
}

/// A port that clients know and that is gone, or leads to another port of the pods.
fn lost_port<'s, 'a>(before: &'s Service<'a>, after: &Service) -> Option<&'s ServicePort<'a>> {
    before.spec.ports.iter().find(|port| !after.spec.ports.iter().any(|other| port.leads_as(other)))
}

/// Another governed set in which the Service selects somebody. A selector that names a set, or a pod, leads to no other; a headless Service
/// that governs both gives both their names.
fn other_set(service: &Service, set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) -> Option<String> {
    if names_one_set(service) {
        return None;
    }
    let Some(sets) = cx.list::<StatefulSet>() else {
        out.unavailable::<StatefulSet>();
        return None;
    };
    sets.iter().find(|other| reaches_as_well(service, set, other)).map(|other| other.metadata.name.to_string())
}

/// Whether a Service of this set leads to members of another governed one.
pub fn reaches_as_well(service: &Service, set: &StatefulSet, other: &StatefulSet) -> bool {
    !names_one_set(service)
        && other.metadata.name != set.metadata.name
        && is_governed(other)
        && !(governs(service, set) && governs(service, other))
        && (selects(service, other, Role::Manager) || selects(service, other, Role::Worker))
}

/// Its selector names a set, or a pod: it leads to members of no other set.
fn names_one_set(service: &Service) -> bool {
    [SET, POD_NAME].iter().any(|key| service.spec.selector.has(key))
}

/// Workers may be behind it: it says so, or its name does.
pub fn is_for_reading(service: &Service, settings: &Settings) -> bool {
    service.metadata.annotations.get(SERVICE) == Some("read-only") || settings.is_read_only_name(&service.metadata.name)
}

/// It is there to give the members their names.
pub fn governs(service: &Service, set: &StatefulSet) -> bool {
    set.service_name() == Some(service.metadata.name.as_str()) && service.is_headless()
}

/// One set's workers behind its manager's Service are worth a warning, not more: many programs send writes on to whom they belong.
fn lower<'f>(finding: Made<'f>, cx: &Context<Settings>) -> Made<'f> {
    finding.at_most(if cx.profile() == Profile::Baseline { Action::Audit } else { Action::Warn })
}

fn reaches_all(service: &str, set: &StatefulSet) -> String {
    let name = &set.metadata.name;
    if set.replicas() < 2 {
        return format!("Service `{service}` leads to every member of `{name}`, to workers too once there are some");
    }
    format!("Service `{service}` leads to the manager of `{name}` and to its workers alike")
}

fn reaches_two(service: &str, set: &str, other: &str) -> String {
    format!("Service `{service}` leads to members of `{set}` and of `{other}`, and each has a manager of its own")
}

fn narrow(set: &str) -> String {
    format!("select `stateward.dev/role: manager` and `stateward.dev/set: {set}`, or mark it `{SERVICE}: read-only`")
}

const SERVICES: Read = Read::of(
    Service::KIND,
    &[
        "/metadata/annotations/stateward.dev~1service",
        "/spec/clusterIP",
        "/spec/clusterIPs",
        "/spec/selector",
        "/spec/type",
    ],
);

const SETS: Read = Read::of(
    StatefulSet::KIND,
    &[WRITES_FIELD, "/spec/ordinals", "/spec/replicas", "/spec/serviceName", "/spec/template/metadata/labels"],
);

const SELECTOR: &str = "/spec/selector";
const TEMPLATE_LABELS: &str = "/spec/template/metadata/labels";
