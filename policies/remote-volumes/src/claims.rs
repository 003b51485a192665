//! Claim templates: what each member's own claims are made from.

use stateward_sdk::objects::Quantity;
use stateward_sdk::prelude::*;

use crate::Settings;

/// VOL-1 of the rule catalogue.
pub const NO_CLAIM_TEMPLATE: Rule = Rule {
    id: "remote-volumes/no-claim-template",
    title: "Members have volumes of their own",
    description: "Without `volumeClaimTemplates` a member has nothing that outlives it: what it wrote is gone with the pod, or shared with others. \
                  Caches and controllers may do without (kyverno/policies#617); the field cannot be changed later.",
    category: "own volume, remote, re-attaching",
    severity: Severity::Medium,
    baseline: Action::Audit,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// VOL-4 of the rule catalogue.
pub const SHARED_ACCESS_MODE: Rule = Rule {
    id: "remote-volumes/shared-access-mode",
    title: "A member's claim is for that member alone",
    description: "`ReadWriteMany` lets other pods write to a member's volume, `ReadOnlyMany` lets nobody write, and with several modes the volume \
                  that is bound decides. A member's own data wants exactly one of `ReadWriteOnce` and `ReadWriteOncePod` (KEP-2485).",
    category: promise::OWN_VOLUME,
    severity: Severity::High,
    baseline: Action::Warn,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// VOL-5 of the rule catalogue.
pub const INCOMPLETE_CLAIM: Rule = Rule {
    id: "remote-volumes/incomplete-claim",
    title: "Claim templates say how much and for whom",
    description: "A claim needs an access mode and a storage request above 0. API servers before 1.34 store a template without them, and then not \
                  one pod is made (kubernetes/kubernetes#132211).",
    category: promise::OWN_VOLUME,
    severity: Severity::High,
    baseline: Action::Deny,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// Fires on a set without claim templates.
pub fn no_claim_template(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    if set.spec.volume_claim_templates.is_empty() {
        out.finding(
            "/spec/volumeClaimTemplates",
            "volumeClaimTemplates",
            "members have no volume of their own: what they write is lost with the pod",
        )
        .hint("add a claim template and mount it where the data is; the field cannot be changed after creation");
    }
}

/// Fires on `ReadWriteMany`, `ReadOnlyMany`, and on several modes.
pub fn shared_access_mode(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    for template in set.claim_templates() {
        let modes = &template.claim.spec.access_modes;
        let what = match modes.as_slice() {
            [] => continue,
            [mode] => match mode.as_str() {
                "ReadWriteOnce" | "ReadWriteOncePod" => continue,
                "ReadWriteMany" => "`ReadWriteMany` lets other pods write to a member's volume".to_owned(),
                "ReadOnlyMany" => "with `ReadOnlyMany` a member cannot write to its own volume".to_owned(),
                other => {
                    out.undecided(format!("access mode `{other}` is not known here"));
                    continue;
                }
            },
            several => format!("{} access modes are asked for; the volume that is bound decides which", several.len()),
        };
        out.finding(template.path().key("spec").key("accessModes"), template.place(), what)
            .hint("write `accessModes: [ReadWriteOnce]`, or `[ReadWriteOncePod]` where the driver has it");
    }
}

/// Fires on a template without an access mode or without a storage request. Of one that is not above 0 the server makes no claim either.
pub fn incomplete_claim(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    for template in set.claim_templates() {
        let spec = template.path().key("spec");
        let has_mode = !template.claim.spec.access_modes.is_empty();
        let storage = template.claim.spec.resources.requests.storage.as_ref().filter(|storage| !storage.is_empty());
        let is_positive = storage.map_or(Some(false), Quantity::is_positive);
        if let (None, Some(storage)) = (is_positive, storage) {
            out.undecided(format!("`{storage}` is not a quantity that is known here"));
        }
        // What cannot be read is something.
        let has_storage = is_positive.unwrap_or(true);
        let request = match storage {
            Some(storage) => format!("a storage request (`{storage}` asks for nothing)"),
            None => "a storage request".to_owned(),
        };
        let (path, lacks, hint) = match (has_mode, has_storage) {
            (true, true) => continue,
            (false, true) => {
                (spec.key("accessModes"), "an access mode".to_owned(), "write `accessModes: [ReadWriteOnce]`")
            }
            (true, false) => (
                spec.key("resources"),
                request,
                "write `resources: {requests: {storage: 10Gi}}` with the size it needs",
            ),
            (false, false) => (
                spec,
                format!("an access mode and {request}"),
                "write `accessModes: [ReadWriteOnce]` and `resources: {requests: {storage: 10Gi}}` with the size it needs",
            ),
        };
        let finding = out
            .finding(
                path.clone(),
                template.place(),
                format!("claim template `{}` lacks {lacks}: no pod can be made", template.name()),
            )
            .hint(hint);
        // How large it must be is for its owner to say.
        if has_storage {
            finding.remedy(Remedy::set(path, ["ReadWriteOnce"]));
        }
    }
}
