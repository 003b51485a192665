//! What the guard looks at, in small named variables.
//!
//! None may fail, on any object: a failure refuses it. So every optional field is asked for with `has`, and every key with `in`, before it is read.
//! The API server evaluates a variable when it is first used. Its CEL refuses a map literal beside values of the object inside one list, so maps that
//! may be absent are variables of their own.

use std::collections::BTreeSet;

use stateward_core::contract::{
    GOVERNED, MANAGER, MANAGER_HOST, MANAGER_ONLY, ORDINAL, PROTECTED_ANNOTATIONS, PROTECTED_LABELS, ROLE, SET, WRITE,
    WRITES,
};
use stateward_core::labels::Selector;
use stateward_core::resources::{LabelOperator, LabelRequirement};

use super::cel::{list, or_else, present, quoted};

/// The variable that says whether the contract is enforced in the object's namespace.
pub(super) const COVERED: &str = "isCovered";

/// In their order: each uses those before it.
pub(super) fn variables(accounts: &BTreeSet<String>) -> Vec<(String, String)> {
    let mut variables: Vec<(&str, String)> = vec![
        (
            "resource",
            "request.resource.resource + (has(request.subResource) && request.subResource != '' ? '/' + request.subResource : '')"
                .to_owned(),
        ),
        ("name", "object != null && has(object.metadata.name) ? object.metadata.name : ''".to_owned()),
        ("isByController", format!("request.userInfo.username in {}", list(accounts))),
    ];
    for (name, of, path) in [
        ("labels", "object", "metadata.labels"),
        ("oldLabels", "oldObject", "metadata.labels"),
        ("annotations", "object", "metadata.annotations"),
        ("oldAnnotations", "oldObject", "metadata.annotations"),
    ] {
        variables.push((name, or_else(of, path, "{}")));
    }
    variables.extend(of_pods());
    variables.extend(of_sets());
    variables.into_iter().map(|(name, expression)| (name.to_owned(), expression)).collect()
}

/// Of pods and of bindings, which are written onto pods.
fn of_pods() -> Vec<(&'static str, String)> {
    let (labels, annotations) = (list(PROTECTED_LABELS), list(PROTECTED_ANNOTATIONS));
    let differs = |map: &str, old: &str| {
        format!(
            "(k in variables.{map}) != (k in variables.{old}) || k in variables.{map} && variables.{map}[k] != variables.{old}[k]"
        )
    };
    let controllers = |of: &str| {
        let references = or_else(of, "metadata.ownerReferences", "[]");
        format!("({references}).filter(r, has(r.controller) && r.controller)")
    };
    let is_label =
        |key: &str, value: &str| format!("'{key}' in variables.labels && variables.labels['{key}'] == {value}");
    let is_annotation = |key: &str, value: &str| {
        format!("'{key}' in variables.annotations && variables.annotations['{key}'] == {value}")
    };
    vec![
        (
            "keys",
            format!(
                "{labels}.filter(k, k in variables.labels) + {annotations}.filter(k, k in variables.annotations)"
            ),
        ),
        (
            "changed",
            format!(
                "{labels}.filter(k, {}) + {annotations}.filter(k, {})",
                differs("labels", "oldLabels"),
                differs("annotations", "oldAnnotations")
            ),
        ),
        ("controllers", controllers("object")),
        ("oldControllers", controllers("oldObject")),
        (
            "owners",
            "variables.controllers.filter(r, r.kind == 'StatefulSet' && r.apiVersion.startsWith('apps/')).map(r, r.name)"
                .to_owned(),
        ),
        (
            "isStamped",
            format!(
                "{}.all(k, k in variables.labels) && {}.all(k, k in variables.annotations)",
                list([ROLE, SET]),
                list([WRITE, ORDINAL])
            ),
        ),
        // The set's name and the ordinal make the pod's name, as the controller writes it.
        (
            "isItsOwn",
            format!(
                "variables.isStamped && variables.owners.exists(o, o == variables.labels['{SET}']) && \
                 variables.name == variables.labels['{SET}'] + '-' + variables.annotations['{ORDINAL}'] && \
                 variables.annotations['{ORDINAL}'].matches('^(0|[1-9][0-9]*)$') && !('{MANAGER}' in variables.annotations)"
            ),
        ),
        ("isManager", format!("{} && {}", is_label(ROLE, "'manager'"), is_annotation(WRITE, "'allow'"))),
        ("isWorker", format!("{} && {}", is_label(ROLE, "'worker'"), is_annotation(WRITE, "'deny'"))),
        // Each member knows the manager's host, and only the manager is that.
        (
            "isHostRight",
            format!(
                "!('{MANAGER_HOST}' in variables.annotations) || \
                 variables.annotations['{MANAGER_HOST}'].startsWith(variables.name + '.') == variables.isManager"
            ),
        ),
        ("isLabelRight", format!("!('{GOVERNED}' in variables.labels) || variables.labels['{GOVERNED}'] == 'true'")),
        (
            "isAdopted",
            "variables.isByController && size(variables.owners) > 0 && \
             !variables.controllers.exists(r, variables.oldControllers.exists(o, o.uid == r.uid))"
                .to_owned(),
        ),
    ]
}

fn of_sets() -> Vec<(&'static str, String)> {
    let governed = |of: &str| format!("'{WRITES}' in variables.{of} && variables.{of}['{WRITES}'] == '{MANAGER_ONLY}'");
    let first = |of: &str| {
        format!("{present} ? string({of}.spec.ordinals.start) : '0'", present = present(of, "spec.ordinals.start"))
    };
    vec![
        ("template", or_else("object", "spec.template.metadata.labels", "{}")),
        ("oldTemplate", or_else("oldObject", "spec.template.metadata.labels", "{}")),
        ("templateAnnotations", or_else("object", "spec.template.metadata.annotations", "{}")),
        ("oldTemplateAnnotations", or_else("oldObject", "spec.template.metadata.annotations", "{}")),
        ("selector", or_else("object", "spec.selector.matchLabels", "{}")),
        ("oldSelector", or_else("oldObject", "spec.selector.matchLabels", "{}")),
        ("placed", placed("object", "template", "templateAnnotations", "selector")),
        ("oldPlaced", placed("oldObject", "oldTemplate", "oldTemplateAnnotations", "oldSelector")),
        ("forged", "variables.placed.filter(p, !(p in variables.oldPlaced))".to_owned()),
        ("isGoverned", governed("annotations")),
        ("wasGoverned", governed("oldAnnotations")),
        // The API server's default is 1.
        (
            "wasLive",
            "oldObject != null && (has(oldObject.spec) && (!has(oldObject.spec.replicas) || oldObject.spec.replicas > 0) || \
             has(oldObject.status) && has(oldObject.status.replicas) && oldObject.status.replicas > 0)"
                .to_owned(),
        ),
        ("manager", format!("variables.name + '-' + ({})", first("object"))),
        ("oldManager", format!("variables.name + '-' + ({})", first("oldObject"))),
    ]
}

/// Where a set's owner wrote protected keys, beside the one that the template may carry: `template label KEY=VALUE`.
fn placed(of: &str, labels: &str, annotations: &str, selector: &str) -> String {
    let others = PROTECTED_LABELS.iter().filter(|key| **key != GOVERNED);
    let all = || PROTECTED_LABELS.iter().chain(PROTECTED_ANNOTATIONS);
    let in_map = |keys: String, map: &str, word: &str| {
        format!("{keys}.filter(k, k in variables.{map}).map(k, '{word} ' + k + '=' + variables.{map}[k])")
    };
    let in_claims = |keys: String, map: &str, word: &str| {
        let claims = or_else(of, "spec.volumeClaimTemplates", "[]");
        format!(
            "{keys}.filter(k, ({claims}).exists(c, has(c.metadata) && has(c.metadata.{map}) && k in c.metadata.{map}))\
             .map(k, 'claim template {word} ' + k)"
        )
    };
    [
        in_map(list(others), labels, "template label"),
        in_map(list(PROTECTED_ANNOTATIONS), annotations, "template annotation"),
        in_map(list(all()), selector, "selector"),
        format!(
            "{}.filter(k, ({}).exists(e, e.key == k)).map(k, 'selector ' + k)",
            list(all()),
            or_else(of, "spec.selector.matchExpressions", "[]")
        ),
        in_claims(list(PROTECTED_LABELS), "labels", "label"),
        in_claims(list(PROTECTED_ANNOTATIONS), "annotations", "annotation"),
    ]
    .join(" + ")
}

/// True where one of these selects the object's namespace.
pub(super) fn covered(selectors: &[&Selector]) -> String {
    let labels = "namespaceObject.metadata.labels";
    let holds = |requirement: LabelRequirement| {
        let key = quoted(&requirement.key);
        let has = format!("has({labels}) && {key} in {labels}");
        let is_one = || format!("{has} && {labels}[{key}] in {}", list(&requirement.values));
        match requirement.operator {
            LabelOperator::In => is_one(),
            LabelOperator::NotIn => format!("!({})", is_one()),
            LabelOperator::Exists => has,
            LabelOperator::DoesNotExist => format!("!({has})"),
        }
    };
    let each = selectors.iter().map(|selector| {
        let all: Vec<String> = selector.requirements().into_iter().map(holds).map(|one| format!("({one})")).collect();
        if all.is_empty() { "true".to_owned() } else { format!("({})", all.join(" && ")) }
    });
    format!("namespaceObject == null || {}", each.collect::<Vec<_>>().join(" || "))
}
