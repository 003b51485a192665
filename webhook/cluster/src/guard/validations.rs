//! What the guard refuses: one validation for each thing, with the words for it.
//!
//! As for [`variables`](super::variables), none may fail. A message is one line: the API server drops one that has more.

use stateward_core::contract::{DOMAIN, GOVERNED, MANAGER, MANAGER_ONLY, WRITES};

use super::cel::list;
use super::variables::COVERED;

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
                "'pod `' + variables.name + '` carries keys under `{DOMAIN}` that are not those of one member of its set; hint: leave them out of the \
                 template: they are computed'"
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
