//! The order in which members start.

use stateward_sdk::peers::contacting_peers;
use stateward_sdk::prelude::*;

use crate::Settings;

/// OR-1 of the rule catalogue.
pub const PARALLEL_MANAGEMENT: Rule = Rule {
    id: "ordered-identity/parallel-management",
    title: "Members start one after the other",
    description: "`podManagementPolicy: Parallel` starts and stops all members at once: a worker may start to synchronise before there is anything \
                  to synchronise from. Quorum systems that find each other at start need it; the field cannot be changed later.",
    category: promise::ORDERED,
    severity: Severity::Medium,
    baseline: Action::Audit,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// OR-3 of the rule catalogue.
pub const NO_READINESS_GATE: Rule = Rule {
    id: "ordered-identity/no-readiness-gate",
    title: "The next member waits until this one serves",
    description: "`OrderedReady` starts a member once the one before it is ready. Without a readiness probe a container is ready as soon as it runs: \
                  the second member clones from a first one that does not serve yet.",
    category: "ordered, synchronised",
    severity: Severity::High,
    baseline: Action::Warn,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS, Subject::STATEFUL_SETS_SCALE],
    reads: &[Read::by_name(
        StatefulSet::KIND,
        &[
            "/spec/replicas",
            "/spec/podManagementPolicy",
            "/spec/template/spec/containers",
            "/spec/template/spec/initContainers",
        ],
    )],
    ..Rule::VALIDATE
};

/// OR-4 of the rule catalogue.
///
/// Only the field counts. The older annotation `service.alpha.kubernetes.io/tolerate-unready-endpoints` does not reach EndpointSlices, which DNS reads.
pub const UNREADY_DNS: Rule = Rule {
    id: "ordered-identity/unready-dns",
    title: "Members find each other while they start",
    description: "A member that asks for its peers by name before it is ready finds none: DNS leaves out pods that are not ready. With \
                  `OrderedReady` the next member waits for this one and this one for the next, for ever (nats-io/k8s#441, \
                  neuvector/neuvector-helm#642), unless the governing Service publishes addresses that are not ready.",
    category: "ordered, reachable by name",
    severity: Severity::Medium,
    baseline: Action::Audit,
    strict: Action::Warn,
    subjects: &[Subject::STATEFUL_SETS],
    reads: &[Read::by_name(Service::KIND, &["/spec/publishNotReadyAddresses"])],
    ..Rule::VALIDATE
};

/// Fires on `Parallel`. Absent is `OrderedReady`.
pub fn parallel_management(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    match set.is_ordered() {
        Some(true) => {}
        Some(false) => {
            out.finding(POLICY, "podManagementPolicy", "`Parallel` starts and stops all members at once")
                .hint("write `OrderedReady`, or leave it out; the field cannot be changed after creation");
        }
        None => unknown_policy(set, out),
    }
}

/// Fires on an ordered set of two replicas or more in which no container and no sidecar has a readiness probe.
pub fn no_readiness_gate(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    if set.replicas() < 2 || set.spec.template.spec.running_containers().any(|container| container.readiness_probe.0) {
        return;
    }
    match set.is_ordered() {
        Some(true) => {
            out.finding(
                "/spec/template/spec/containers",
                "containers",
                "no container has a readiness probe: the next member starts before this one serves",
            )
            .hint("give the container that serves a `readinessProbe` that succeeds once it answers");
        }
        Some(false) => {}
        None => unknown_policy(set, out),
    }
}

/// Fires on an ordered set with an init container or sidecar that contacts peers, whose governing Service hides members that are not ready.
pub fn unready_dns(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    let Some(service) = set.service_name() else { return };
    if set.is_ordered() == Some(false) {
        return;
    }
    let Some(container) = contacting_peers(set) else { return };
    if set.is_ordered().is_none() {
        return unknown_policy(set, out);
    }
    match cx.find::<Service>(service) {
        Found::Found(found) if !found.spec.publish_not_ready_addresses => {
            out.finding(
                "/spec/serviceName",
                "serviceName",
                format!("`{}` asks for peers, and Service `{service}` hides those that are not ready", container.name),
            )
            .hint(format!(
                "write `publishNotReadyAddresses: true` in Service `{service}`; give clients another Service"
            ));
        }
        Found::Found(_) | Found::Absent => {}
        Found::Unknown => out.unavailable::<Service>(),
    }
}

fn unknown_policy(set: &StatefulSet, out: &mut Findings) {
    out.undecided(format!("`podManagementPolicy: {}` is not known here", set.spec.pod_management_policy));
}

const POLICY: &str = "/spec/podManagementPolicy";
