//! Which Services lead to a set's manager, where they lead now, and which lead writes elsewhere.

use stateward_manager_writes::Settings;
use stateward_manager_writes::members::{Role, is_write_service, selects};
use stateward_manager_writes::services::{governs, is_for_reading, reaches_as_well};
use stateward_sdk::contract::{ROLE, SERVICE, SET};
use stateward_sdk::objects::{Service, StatefulSet};

use super::gather::Endpoint;
use super::judge::Seen;
use super::problems::{at, problem};
use super::view::{Endpoints, PodState, Problem, ServiceView, Stamp};

/// The Services for writing, by name, with where they lead now.
pub(super) fn write_services(seen: &Seen) -> Option<Vec<ServiceView>> {
    let view = |service: &Service| {
        let name = service.metadata.name.to_string();
        let endpoints = seen.stored.facts.endpoints.as_ref().map(|all| {
            let own = all.iter().filter(|endpoint| endpoint.service == name);
            own.map(|endpoint| Endpoints {
                pod: endpoint.pod.clone(),
                addresses: endpoint.addresses.clone(),
                ready: endpoint.is_ready,
            })
            .collect()
        });
        ServiceView { name, endpoints }
    };
    let services = seen.stored.services.as_ref()?;
    let mut views: Vec<ServiceView> =
        services.iter().filter(|service| is_for_writing(service, seen.set)).map(view).collect();
    views.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Some(views)
}

/// What is wrong with them. What follows from a manager that is away or has no role is not said again.
pub(super) fn problems(seen: &Seen) -> Vec<Problem> {
    let Some(services) = &seen.stored.services else { return Vec::new() };
    let mut problems = Vec::new();
    let for_writing: Vec<&Service> = services.iter().filter(|service| is_for_writing(service, seen.set)).collect();
    if for_writing.is_empty() {
        problems.push(none(seen));
    }
    for service in for_writing {
        problems.extend(if is_write_service(service, seen.set) {
            elsewhere(seen, service).or_else(|| nowhere(seen, service))
        } else {
            Some(nobody(seen, service))
        });
    }
    problems.extend(services.iter().filter_map(|service| mixed(seen, service)));
    problems
}

/// By its selector it is there for the set's manager, whether it reaches it or not.
fn is_for_writing(service: &Service, set: &StatefulSet) -> bool {
    let selector = &service.spec.selector;
    let means = selector.get(ROLE) == Some("manager") && selector.get(SET) == Some(&set.metadata.name);
    means || is_write_service(service, set)
}

fn none(seen: &Seen) -> Problem {
    let name = format!("{}-write", seen.set.metadata.name);
    let is_taken = seen.stored.services.iter().flatten().any(|service| *service.metadata.name == *name);
    let is_there =
        seen.members.iter().flatten().any(|member| member.name == seen.manager && member.state != PodState::Absent);
    let hint = if is_taken {
        set_selector(seen, &name)
    } else if is_there {
        format!(
            "`kubectl expose pod {} {} --name {name} --port PORT --selector {}`, and let clients write there",
            seen.manager,
            at(seen),
            selector(seen.set)
        )
    } else {
        format!("make a Service whose `spec.selector` is `{ROLE}: manager` and `{SET}: {}`", seen.set.metadata.name)
    };
    problem("no-write-service", "only the manager may write, and no Service leads to it alone", hint)
}

/// It asks for the role and for something that no member has.
fn nobody(seen: &Seen, service: &Service) -> Problem {
    let name = &service.metadata.name;
    let labels = &seen.set.spec.template.metadata.labels;
    let wrong: Vec<String> = service
        .spec
        .selector
        .iter()
        .filter(|(key, value)| *key != ROLE && *key != SET && labels.get(key) != Some(*value))
        .map(|(key, value)| format!("`{key}: {value}`"))
        .collect();
    let because = if wrong.is_empty() { String::new() } else { format!(": members have no {}", wrong.join(", ")) };
    problem(
        "write-service-selects-nobody",
        format!("Service `{name}` asks for the manager and can lead to no member{because}"),
        set_selector(seen, name),
    )
}

/// It leads, now, to something that is not the manager.
fn elsewhere(seen: &Seen, service: &Service) -> Option<Problem> {
    let name = service.metadata.name.as_str();
    let endpoints = seen.stored.facts.endpoints.as_ref()?;
    let is_wrong = |endpoint: &&Endpoint| {
        endpoint.service == name && endpoint.is_ready && endpoint.pod.as_deref() != Some(seen.manager.as_str())
    };
    let wrong: Vec<&Endpoint> = endpoints.iter().filter(is_wrong).collect();
    let first = wrong.first()?;
    let named = |endpoint: &&Endpoint| match &endpoint.pod {
        Some(pod) => format!("`{pod}`"),
        None => format!("`{}`", endpoint.addresses.join("`, `")),
    };
    let places: Vec<String> = wrong.iter().map(named).collect();
    let hint = match &first.pod {
        // Kubernetes' own controller follows the selector, so the pod carries the manager's labels.
        Some(pod) if first.is_derived => {
            format!("`kubectl get pod {pod} {} --show-labels` says why it is selected", at(seen))
        }
        _ => format!(
            "somebody else than Kubernetes wrote it: `kubectl delete endpointslice {} {}`",
            first.slice,
            at(seen)
        ),
    };
    Some(problem(
        "write-service-misled",
        format!("Service `{name}` leads writes to {}, and the manager is `{}`", places.join(", "), seen.manager),
        hint,
    ))
}

/// The manager serves and is not behind it.
fn nowhere(seen: &Seen, service: &Service) -> Option<Problem> {
    let name = service.metadata.name.as_str();
    let endpoints = seen.stored.facts.endpoints.as_ref()?;
    let manager = seen.members.iter().flatten().find(|member| member.name == seen.manager)?;
    let is_served = endpoints.iter().any(|endpoint| endpoint.service == name && endpoint.is_ready);
    if seen.set.replicas() == 0 || is_served || manager.state != PodState::Ready || manager.stamp != Some(Stamp::Right)
    {
        return None;
    }
    let pods = seen.stored.pods.iter().flatten();
    let pod = pods.into_iter().find(|pod| *pod.pod.metadata.name == *seen.manager)?;
    let lacking = service.spec.selector.iter().find(|(key, value)| pod.label(key) != Some(*value));
    let (because, hint) = match lacking {
        Some((key, value)) => (
            format!(": the pod has no label `{key}: {value}`"),
            format!("`kubectl label pod {} {} {key}={value} --overwrite`", seen.manager, at(seen)),
        ),
        None => (
            String::new(),
            format!(
                "Kubernetes writes its EndpointSlices within seconds; if it stays so: `kubectl describe service {name} {}`",
                at(seen)
            ),
        ),
    };
    Some(problem(
        "write-service-without-endpoints",
        format!("Service `{name}` leads nowhere, and the manager `{}` is ready{because}", seen.manager),
        hint,
    ))
}

/// As the rule `mixed-service` has it.
fn mixed(seen: &Seen, service: &Service) -> Option<Problem> {
    let set = seen.set;
    let reaches = |role| selects(service, set, role);
    let (manager, worker) = (reaches(Role::Manager), reaches(Role::Worker));
    if !(manager || worker) || is_read_only(seen, service) {
        return None;
    }
    let (name, set_name) = (&service.metadata.name, &set.metadata.name);
    let others = &seen.stored.sets;
    if let Some(other) = others.iter().find(|other| reaches_as_well(service, set, other)) {
        let other = &other.metadata.name;
        return Some(problem(
            "mixed-service",
            format!(
                "Service `{name}` leads to members of `{set_name}` and of `{other}`, and each has a manager of its own"
            ),
            set_selector(seen, name),
        ));
    }
    if !(manager && worker) || governs(service, set) {
        return None;
    }
    let message = if set.replicas() < 2 {
        format!("Service `{name}` leads to every member, to workers too once there are some")
    } else {
        format!("Service `{name}` leads to the manager and to its workers alike")
    };
    let reading = format!("`kubectl annotate service {name} {} {SERVICE}=read-only`", at(seen));
    Some(problem(
        "mixed-service",
        message,
        format!("for writing: {}; for reading: {reading}", set_selector(seen, name)),
    ))
}

/// By one of the policies that have the contract's rules, or by the built-in names.
fn is_read_only(seen: &Seen, service: &Service) -> bool {
    let settings = &seen.stored.facts.settings;
    let builtin = Settings::default();
    let mut all = settings.iter().chain(settings.is_empty().then_some(&builtin));
    all.any(|settings| is_for_reading(service, settings))
}

/// kubectl replaces the whole selector by this.
fn set_selector(seen: &Seen, service: &str) -> String {
    format!("`kubectl set selector service {service} {} {}`", at(seen), selector(seen.set))
}

fn selector(set: &StatefulSet) -> String {
    format!("{ROLE}=manager,{SET}={}", set.metadata.name)
}
