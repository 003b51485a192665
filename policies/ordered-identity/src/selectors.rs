//! Which pods are whose.

use stateward_sdk::prelude::*;

use crate::Settings;

/// ID-10 of the rule catalogue.
pub const OVERLAPPING_SELECTOR: Rule = Rule {
    id: "ordered-identity/overlapping-selector",
    title: "A selector means one set's members",
    description: "Owner references keep two sets from fighting over pods (kubernetes/kubernetes#36859), but whatever is written with this selector, \
                  a headless Service, a disruption budget, an anti-affinity, means the members of both, and an orphan of the one may be adopted by \
                  the other. It is the same whether this set's selector means the other's members or the other's this set's. A selector cannot be \
                  changed later.",
    category: promise::IDENTIFIED,
    severity: Severity::Medium,
    baseline: Action::Warn,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    reads: &[Read::of(StatefulSet::KIND, &["/spec/selector", "/spec/template/metadata/labels"])],
    ..Rule::VALIDATE
};

/// ID-12 of the rule catalogue.
pub const RESERVED_KEYS: Rule = Rule {
    id: "ordered-identity/reserved-keys",
    title: "Members' identity labels are the controller's",
    description: "Kubernetes writes `statefulset.kubernetes.io/pod-name`, `apps.kubernetes.io/pod-index` (KEP-4017) and `controller-revision-hash` \
                  on each member. In a template they are overwritten or, on servers that do not write them, give every member one identity; in a \
                  selector they cut members off from their set.",
    category: promise::IDENTIFIED,
    severity: Severity::High,
    baseline: Action::Deny,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// Fires when the selector fits the template of another set in the namespace, or another set's selector fits this one's.
pub fn overlapping_selector(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    let selector = &set.spec.selector;
    // The server refuses it.
    if selector.is_empty() {
        return;
    }
    let Some(siblings) = cx.list::<SiblingSet>() else { return out.unavailable::<StatefulSet>() };
    let (mut selected, mut selecting) = (Vec::new(), Vec::new());
    let mut unknown = None;
    for sibling in siblings.iter().filter(|sibling| sibling.metadata.name != set.metadata.name) {
        let (name, theirs) = (sibling.metadata.name.as_str(), &sibling.spec.selector);
        let selects = selector.selects(&sibling.spec.template.metadata.labels);
        // One without a selector was left out of a file: the server refuses it.
        let is_selected =
            if theirs.is_empty() { Some(false) } else { theirs.selects(&set.spec.template.metadata.labels) };
        match (selects, is_selected) {
            (Some(true), _) => selected.push(name),
            (_, Some(true)) => selecting.push(name),
            (None, _) => unknown = Some("the selector has an operator that is not known here".to_owned()),
            (_, None) => {
                let why = format!("the selector of StatefulSet `{name}` has an operator that is not known here");
                unknown.get_or_insert(why);
            }
            (Some(false), Some(false)) => {}
        }
    }
    let more = |rest: &[&str], with: &str| match rest.len() {
        0 => String::new(),
        count => format!(" and {with} {count} more"),
    };
    if let [first, rest @ ..] = selected.as_slice() {
        let more = more(rest, "of");
        out.finding("/spec/selector", "selector", format!("also selects the members of StatefulSet `{first}`{more}"))
            .hint("add a label that only this set's template has, such as `app.kubernetes.io/instance`, to both");
    } else if let [first, rest @ ..] = selecting.as_slice() {
        let more = more(rest, "by");
        out.finding(
            "/spec/selector",
            "selector",
            format!("this set's members are also selected by StatefulSet `{first}`{more}"),
        )
        .hint(format!("give this set's template and selector another value of a label that `{first}` selects"));
    } else if let Some(why) = unknown {
        out.undecided(why);
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
