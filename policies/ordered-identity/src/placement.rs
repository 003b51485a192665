//! What a template says about hosts, and what is then no longer each member's own.

use stateward_sdk::prelude::*;

use crate::Settings;

/// ID-6 of the rule catalogue.
pub const HOSTNAME_OVERRIDE: Rule = Rule {
    id: "ordered-identity/hostname-override",
    title: "A member's host name is its own",
    description: "The controller gives each member its name as `hostname` and the governing Service as `subdomain`; what the template says is \
                  overwritten. `setHostnameAsFQDN` (KEP-1797) and `hostnameOverride` (KEP-4762) do change what `hostname` answers inside: scripts \
                  that read the ordinal off it fail, and with the latter all members answer alike.",
    category: "identified, reachable by name",
    severity: Severity::Medium,
    baseline: Action::Warn,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// ID-7 of the rule catalogue.
pub const HOST_NETWORK: Rule = Rule {
    id: "ordered-identity/host-network",
    title: "A member's address is its own",
    description: "With `hostNetwork` a member has its node's addresses and ports: its DNS name means a node, `hostname` answers with the node's name, and a \
                  second member on that node finds the port taken.",
    category: "identified, reachable by name",
    severity: Severity::Medium,
    baseline: Action::Warn,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// ID-8 of the rule catalogue.
pub const PINNED_NODE: Rule = Rule {
    id: "ordered-identity/pinned-node",
    title: "Members may run on any node",
    description: "A template is every member's: a node's name in it puts all members on one node, and when that node is lost none of them can start \
                  elsewhere (openebs/openebs#2915).",
    category: "re-attaching, available",
    severity: Severity::Medium,
    baseline: Action::Warn,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// Fires on each field of the template that says what a member's host is called.
pub fn hostname_override(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    let pod = &set.spec.template.spec;
    for (field, is_set, what) in [
        ("hostname", !pod.hostname.is_empty(), "is overwritten: each member has its own"),
        ("subdomain", !pod.subdomain.is_empty(), "is overwritten: each member has the governing Service's name"),
        ("setHostnameAsFQDN", pod.set_hostname_as_fqdn, "makes `hostname` answer with the whole DNS name inside"),
        ("hostnameOverride", !pod.hostname_override.is_empty(), "makes `hostname` answer the same in all members"),
    ] {
        if is_set {
            let path = Pointer::new("/spec/template/spec").key(field);
            out.finding(path.clone(), field, format!("`{field}` {what}"))
                .hint(format!("leave `{field}` out: the controller names each member's host"))
                .remedy(Remedy::remove(path));
        }
    }
}

/// Fires on members that share the network of their nodes.
pub fn host_network(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    if set.spec.template.spec.host_network {
        out.finding(
            "/spec/template/spec/hostNetwork",
            "hostNetwork",
            "members have the addresses and ports of their nodes, not their own",
        )
        .hint("leave `hostNetwork` out; reach members from outside through a Service for each");
    }
}

/// Fires on a template that names one node.
pub fn pinned_node(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    let pod = &set.spec.template.spec;
    if !pod.node_name.is_empty() {
        out.finding(
            "/spec/template/spec/nodeName",
            "nodeName",
            format!("all members are put on node `{}`, past the scheduler", pod.node_name),
        )
        .hint("leave `nodeName` out; select nodes by what they have, such as a zone or a disk type");
    }
    if let Some(node) = pod.node_selector.get(HOSTNAME) {
        out.finding(
            Pointer::new("/spec/template/spec/nodeSelector").key(HOSTNAME),
            "nodeSelector",
            format!("all members can run on node `{node}` alone"),
        )
        .hint("select nodes by what they have, such as a zone or a disk type");
    }
}

const HOSTNAME: &str = "kubernetes.io/hostname";
