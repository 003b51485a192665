//! Whether members are kept apart, so that one node does not take them all along.

use stateward_sdk::prelude::*;

use crate::Settings;

/// AV-1 of the rule catalogue. The scheduler's default spreading is a wish that the first full node overrides, and says nothing about zones of
/// volumes, so it does not count.
pub const NO_SPREAD: Rule = Rule {
    id: "operations/no-spread",
    title: "Members are kept apart",
    description: "Without an anti-affinity or a topology spread the scheduler may put all members on one node: its loss is the loss of the set, however many \
                  replicas it has. A quarter of real sets with several replicas have neither.",
    category: promise::AVAILABLE,
    severity: Severity::Medium,
    baseline: Action::Audit,
    strict: Action::Warn,
    subjects: &[Subject::STATEFUL_SETS, Subject::STATEFUL_SETS_SCALE],
    reads: &[Read::by_name(
        StatefulSet::KIND,
        &["/spec/replicas", "/spec/template/spec/affinity", "/spec/template/spec/topologySpreadConstraints"],
    )],
    ..Rule::VALIDATE
};

/// AV-2 of the rule catalogue, but for sets that keep away from others on purpose and from themselves as well: on real manifests one zone's set
/// repels the other zones' (Loki, Tempo) while a second term, or a topology spread, keeps its own members apart. A topology spread always speaks
/// of the pod's like, so each of them counts; of the terms of an anti-affinity one that selects the set's own labels is enough.
pub const INEFFECTIVE_SPREAD: Rule = Rule {
    id: "operations/ineffective-spread",
    title: "The spread selects the set's own members",
    description: "An anti-affinity or a topology spread whose selector does not fit the template's labels keeps nothing apart, and says nothing about it. \
                  Kubernetes' own ZooKeeper tutorial labels its pods `app.kubernetes.io/name: zk` and repels `app: zk`.",
    category: promise::AVAILABLE,
    severity: Severity::Medium,
    baseline: Action::Warn,
    strict: Action::Warn,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// Fires on two replicas or more that nothing keeps apart.
pub fn no_spread(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    let replicas = set.replicas();
    if replicas >= 2 && !set.spec.template.spec.is_spread() {
        out.finding(
            CONSTRAINTS,
            "topologySpreadConstraints",
            format!("nothing keeps the {replicas} members apart: one node may hold them all"),
        )
        .hint("write `topologySpreadConstraints` or a `podAntiAffinity` over `kubernetes.io/hostname` for the template's labels");
    }
}

/// Fires on every topology spread that does not select the template's labels, and on anti-affinities of which no term does.
pub fn ineffective_spread(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    let pod = &set.spec.template.spec;
    if !pod.is_spread() {
        return;
    }
    let labels = &set.spec.template.metadata.labels;
    let mut is_apart = false;
    for (index, constraint) in pod.topology_spread_constraints.iter().enumerate() {
        match constraint.selects_its_like(labels) {
            Some(true) => is_apart = true,
            Some(false) => {
                let place = format!("topologySpreadConstraints[{index}]");
                report(Pointer::new(CONSTRAINTS).index(index), place, out);
            }
            None => return out.undecided(UNKNOWN_OPERATOR),
        }
    }
    let anti_affinity = &pod.affinity.pod_anti_affinity;
    for term in anti_affinity.terms() {
        match term.term.selects_its_like(labels, cx.namespace()) {
            Some(true) => is_apart = true,
            Some(false) => {}
            None => return out.undecided(UNKNOWN_OPERATOR),
        }
    }
    if !is_apart {
        for term in anti_affinity.terms() {
            report(term.path("/spec/template/spec"), term.place(), out);
        }
    }
}

fn report(path: Pointer, place: String, out: &mut Findings) {
    out.finding(path.key("labelSelector"), place, "selects none of the set's own pods: nothing is kept apart")
        .hint("select labels of the template");
}

const CONSTRAINTS: &str = "/spec/template/spec/topologySpreadConstraints";

const UNKNOWN_OPERATOR: &str = "a selector of the spread has an operator that is not known here";
