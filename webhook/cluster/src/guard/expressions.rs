//! The contract in CEL: small named variables, then one validation for each thing that is refused.
//!
//! No expression may fail, on any object: a failure refuses it. So every optional field is asked for with `has`, and every key with `in`, before it
//! is read. The API server evaluates a variable when it is first used. Its CEL refuses a map literal beside values of the object inside one list, so
//! maps that may be absent are variables of their own. A message is one line: the API server drops one that has more.

use std::collections::BTreeSet;

use stateward_core::contract::{
    GOVERNED, MANAGER, MANAGER_HOST, MANAGER_ONLY, ORDINAL, PROTECTED_ANNOTATIONS, PROTECTED_LABELS, ROLE, SET, WRITE,
    WRITES,
};
use stateward_core::labels::Selector;
use stateward_core::resources::{LabelOperator, LabelRequirement};

/// Something that is refused where it is false.
pub(super) struct Judged {
    pub expression: String,
    /// CEL, too.
    pub message: String,
}

impl Judged {
    /// `message` is CEL that begins with a text. It names the rule that our webhooks would refuse by: the API server asks the guard first.
    fn by(rule: &str, expression: String, message: impl AsRef<str>) -> Self {
        let message = message.as_ref().trim_start_matches('\'');
        Self { expression, message: format!("'[manager-writes/{rule}] {message}") }
    }
}

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

/// In the order in which a person would want to hear of them.
pub(super) fn validations(is_partly_covered: bool) -> Vec<Judged> {
    let mut validations: Vec<Judged> =
        of_new_pods().into_iter().chain(of_known_pods()).chain(of_new_and_known_sets()).collect();
    for judged in validations.iter_mut().filter(|_| is_partly_covered) {
        judged.expression = format!("!variables.{COVERED} || {}", judged.expression);
    }
    validations
}

fn of_new_pods() -> Vec<Judged> {
    let when = "variables.resource != 'pods' || request.operation != 'CREATE' || size(variables.keys) == 0";
    vec![
        Judged::by(
            "forged-role",
            format!("{when} || variables.isByController && size(variables.owners) == 1"),
            "'pod `' + variables.name + '` carries `' + variables.keys[0] + '`, which only members of governed sets carry, as the StatefulSet \
             controller makes them; hint: remove it, or raise `replicas` of the set'",
        ),
        Judged::by(
            "forged-role",
            format!("{when} || !variables.isByController || size(variables.owners) != 1 || variables.isStamped"),
            "'pod `' + variables.name + '` carries `' + variables.keys[0] + '` and no role: the webhook `stateward`, which computes it, was not asked or \
             lacked a fact; hint: the controller tries again; `stateward doctor` says what is missing, and `stateward pause` lets members start \
             without a role'",
        ),
        Judged::by(
            "forged-role",
            format!(
                "{when} || !variables.isStamped || variables.isItsOwn && variables.isLabelRight && variables.isHostRight && \
                 (variables.isManager || variables.isWorker)"
            ),
            format!(
                "'pod `' + variables.name + '` carries keys under `{}` that are not those of one member of its set; hint: leave them out of the \
                 template: they are computed'",
                stateward_core::contract::DOMAIN
            ),
        ),
    ]
}

fn of_known_pods() -> Vec<Judged> {
    let updated = list(["pods", "pods/ephemeralcontainers", "pods/resize", "pods/status"]);
    let governed = format!(
        "('{GOVERNED}' in variables.labels) == ('{GOVERNED}' in variables.oldLabels) && \
         (!('{GOVERNED}' in variables.labels) || variables.labels['{GOVERNED}'] == variables.oldLabels['{GOVERNED}'])"
    );
    vec![
        Judged::by(
            "role-change",
            format!(
                "!(variables.resource in {updated}) || request.operation != 'UPDATE' || size(variables.changed) == 0 || \
                 variables.resource == 'pods' && variables.isAdopted && variables.isItsOwn && variables.isWorker && {governed}"
            ),
            "'`' + variables.changed[0] + '` of pod `' + variables.name + '` changes, and a role stays what it is; hint: leave it as it was: only \
             making the pod anew changes it'",
        ),
        Judged::by(
            "role-change",
            "!(variables.resource in ['bindings', 'pods/binding']) || size(variables.keys) == 0".to_owned(),
            "'a binding of pod `' + variables.name + '` carries `' + variables.keys[0] + '`, which would be written onto the pod; hint: leave it out'",
        ),
    ]
}

fn of_new_and_known_sets() -> Vec<Judged> {
    let set = "variables.resource != 'statefulsets'";
    let leaving = format!("{set} || !variables.wasGoverned || !variables.wasLive");
    vec![
        Judged::by(
            "forged-role",
            format!("{set} || size(variables.forged) == 0"),
            "'StatefulSet `' + variables.name + '` carries a protected key: ' + variables.forged[0] + '; hint: remove it: keys of members are \
             computed'",
        ),
        Judged::by(
            "forged-role",
            format!(
                "{set} || !('{GOVERNED}' in variables.template) || \
                 '{GOVERNED}' in variables.oldTemplate && variables.template['{GOVERNED}'] == variables.oldTemplate['{GOVERNED}'] || \
                 variables.template['{GOVERNED}'] == 'true' && variables.isGoverned"
            ),
            format!(
                "'the template of StatefulSet `' + variables.name + '` carries `{GOVERNED}`, and only that of a governed set does, with `true`; hint: \
                 remove it, or write the annotation `{WRITES}: {MANAGER_ONLY}`'"
            ),
        ),
        Judged::by(
            "forged-role",
            format!(
                "{set} || !('{MANAGER}' in variables.annotations) || variables.annotations['{MANAGER}'] == variables.manager || \
                 '{MANAGER}' in variables.oldAnnotations && variables.annotations['{MANAGER}'] == variables.oldAnnotations['{MANAGER}'] && \
                 variables.manager == variables.oldManager"
            ),
            format!(
                "'`{MANAGER}` of StatefulSet `' + variables.name + '` is `' + variables.annotations['{MANAGER}'] + '`, and the manager is the first \
                 pod, `' + variables.manager + '`; hint: leave the annotation out: it is written for you'"
            ),
        ),
        Judged::by(
            "contract-change",
            format!("{leaving} || variables.isGoverned"),
            format!(
                "'`{WRITES}` of StatefulSet `' + variables.name + '` is no longer `{MANAGER_ONLY}` while the set has members; hint: keep it; to leave \
                 the contract, scale the set to 0 and then write `any`'"
            ),
        ),
        Judged::by(
            "role-change",
            format!(
                "{leaving} || !('{GOVERNED}' in variables.oldTemplate) || \
                 '{GOVERNED}' in variables.template && variables.template['{GOVERNED}'] == variables.oldTemplate['{GOVERNED}']"
            ),
            format!(
                "'the template of StatefulSet `' + variables.name + '` loses `{GOVERNED}` while the set has members; hint: keep it: `kubectl apply` \
                 does, and after `kubectl replace` the webhook `stateward` puts it back when a replica of it runs'"
            ),
        ),
        Judged::by(
            "role-change",
            format!(
                "variables.resource != 'statefulsets/status' || size(variables.changed) == 0 && \
                 ('{WRITES}' in variables.annotations) == ('{WRITES}' in variables.oldAnnotations) && \
                 (!('{WRITES}' in variables.annotations) || variables.annotations['{WRITES}'] == variables.oldAnnotations['{WRITES}'])"
            ),
            "'the status of StatefulSet `' + variables.name + '` brings other keys of the manager contract than the set has; hint: a status says what \
             is: leave labels and annotations as they are'",
        ),
    ]
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

/// A field, or something else where it or what holds it is absent.
fn or_else(of: &str, path: &str, otherwise: &str) -> String {
    format!("{} ? {of}.{path} : {otherwise}", present(of, path))
}

fn present(of: &str, path: &str) -> String {
    let mut place = of.to_owned();
    let mut all = vec![format!("{of} != null")];
    for field in path.split('.') {
        place = format!("{place}.{field}");
        // Every object has one.
        if field != "metadata" || place != format!("{of}.metadata") {
            all.push(format!("has({place})"));
        }
    }
    all.join(" && ")
}

fn list<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| quoted(word.as_ref())).collect();
    format!("[{}]", words.join(", "))
}

/// A CEL string. Account names are an administrator's text.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("'");
    for letter in text.chars() {
        match letter {
            '\\' | '\'' => quoted.extend(['\\', letter]),
            letter if letter.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(letter))),
            letter => quoted.push(letter),
        }
    }
    quoted.push('\'');
    quoted
}
