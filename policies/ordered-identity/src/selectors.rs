//! Which pods are whose.

use stateward_sdk::prelude::*;

use crate::Settings;

/// ID-10 of the rule catalogue.
pub const OVERLAPPING_SELECTOR: Rule = Rule {
    id: "ordered-identity/overlapping-selector",
    title: "A selector means one set's members",
    description: "Owner references keep two sets from fighting over pods, but whatever is written with this selector, a headless Service, a disruption \
                  budget, an anti-affinity, means the members of both, and an orphan of the one may be adopted by the other \
                  (kubernetes/kubernetes#36859). A selector cannot be changed later.",
    category: promise::IDENTIFIED,
    severity: Severity::Medium,
    baseline: Action::Warn,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    reads: &[Read::of(StatefulSet::KIND, &["/spec/template/metadata/labels"])],
    ..Rule::VALIDATE
};

/// ID-12 of the rule catalogue.
pub const RESERVED_KEYS: Rule = Rule {
    id: "ordered-identity/reserved-keys",
    title: "Members' identity labels are the controller's",
    description: "Kubernetes writes `statefulset.kubernetes.io/pod-name`, `apps.kubernetes.io/pod-index` and `controller-revision-hash` on each member. In a \
                  template they are overwritten or, on servers that do not write them, give every member one identity; in a selector they cut members \
                  off from their set.",
    category: promise::IDENTIFIED,
    severity: Severity::High,
    baseline: Action::Deny,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// Fires when the selector fits the template of another set in the namespace.
pub fn overlapping_selector(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    let selector = &set.spec.selector;
    // The server refuses it.
    if selector.is_empty() {
        return;
    }
    let Some(siblings) = cx.list::<SiblingSet>() else { return out.unavailable::<StatefulSet>() };
    let mut others = Vec::new();
    for sibling in &siblings {
        match selector.selects(&sibling.spec.template.metadata.labels) {
            _ if sibling.metadata.name == set.metadata.name => {}
            Some(false) => {}
            Some(true) => others.push(sibling.metadata.name.as_str()),
            None => return out.undecided("the selector has an operator that is not known here"),
        }
    }
    if let [first, rest @ ..] = others.as_slice() {
        let more = if rest.is_empty() { String::new() } else { format!(" and of {} more", rest.len()) };
        out.finding("/spec/selector", "selector", format!("also selects the members of StatefulSet `{first}`{more}"))
            .hint("add a label that only this set's template has, such as `app.kubernetes.io/instance`, to both");
    }
}

/// Fires on Kubernetes' own identity labels in the template, the selector and the claim templates.
pub fn reserved_keys(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    let selector = &set.spec.selector;
    for key in RESERVED {
        if set.spec.template.metadata.labels.has(key) {
            report(
                Pointer::new("/spec/template/metadata/labels").key(key),
                format!("template.labels[{key}]"),
                key,
                out,
            );
        }
        if selector.match_labels.has(key) {
            report(Pointer::new("/spec/selector/matchLabels").key(key), format!("selector[{key}]"), key, out);
        } else if let Some(index) = selector.match_expressions.iter().position(|each| each.key.as_str() == key) {
            let path = Pointer::new("/spec/selector/matchExpressions").index(index).key("key");
            report(path, format!("selector[{key}]"), key, out);
        }
        for template in set.claim_templates().filter(|template| template.claim.metadata.labels.has(key)) {
            let path = template.path().key("metadata").key("labels").key(key);
            report(path, format!("{}.labels[{key}]", template.place()), key, out);
        }
    }
}

fn report(path: Pointer, place: String, key: &str, out: &mut Findings) {
    out.finding(path, place, format!("`{key}` is what Kubernetes tells members apart by; it is not yours to write"))
        .hint("leave it out, or choose a key of your own");
}

const RESERVED: [&str; 3] =
    ["statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index", "controller-revision-hash"];
