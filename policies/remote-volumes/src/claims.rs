//! Claim templates: what each member's own claims are made from.

use stateward_sdk::prelude::*;

use crate::Settings;

/// VOL-1 of the rule catalogue.
pub const NO_CLAIM_TEMPLATE: Rule = Rule {
    id: "remote-volumes/no-claim-template",
    title: "Members have volumes of their own",
    description: "Without `volumeClaimTemplates` a member has nothing that outlives it: what it wrote is gone with the pod, or shared with others. \
                  Caches and controllers may do without; the field cannot be changed later.",
    category: "own volume, re-attaching",
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
    description: "`ReadWriteMany` lets other pods write to a member's volume, `ReadOnlyMany` lets nobody write, and with several modes the volume that \
                  is bound decides. A member's own data wants exactly one of `ReadWriteOnce` and `ReadWriteOncePod`.",
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
    description: "A claim needs an access mode and a storage request. API servers before 1.34 store a template without them, and then not one pod \
                  is made.",
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

/// Fires on a template without an access mode or without a storage request.
pub fn incomplete_claim(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    for template in set.claim_templates() {
        let spec = template.path().key("spec");
        let has_mode = !template.claim.spec.access_modes.is_empty();
        let has_storage = template.claim.spec.resources.requests.storage.is_some();
        let (path, lacks, hint) = match (has_mode, has_storage) {
            (true, true) => continue,
            (false, true) => (spec.key("accessModes"), "an access mode", "write `accessModes: [ReadWriteOnce]`"),
            (true, false) => (
                spec.key("resources"),
                "a storage request",
                "write `resources: {requests: {storage: 10Gi}}` with the size it needs",
            ),
            (false, false) => (
                spec,
                "an access mode and a storage request",
                "write `accessModes: [ReadWriteOnce]` and `resources: {requests: {storage: 10Gi}}` with the size it needs",
            ),
        };
        out.finding(
            path,
            template.place(),
            format!("claim template `{}` lacks {lacks}: no pod can be made", template.name()),
        )
        .hint(hint);
    }
}

#[cfg(test)]
mod tests {
    use super::{INCOMPLETE_CLAIM, NO_CLAIM_TEMPLATE, SHARED_ACCESS_MODE};
    use crate::RemoteVolumes;
    use serde_json::Value;
    use stateward_sdk::testing::{Test, json};

    /// A set with claim templates `data`, .. of these specs.
    fn set(specs: Value) -> Test<RemoteVolumes> {
        let names = ["data", "wal"];
        let specs = specs.as_array().unwrap().clone();
        let templates: Vec<_> =
            names.iter().zip(specs).map(|(name, spec)| json!({"metadata": {"name": name}, "spec": spec})).collect();
        Test::create(json!({"kind": "StatefulSet", "spec": {"volumeClaimTemplates": templates}}))
    }

    fn modes(modes: Value) -> Test<RemoteVolumes> {
        set(json!([{"accessModes": modes}]))
    }

    #[test]
    fn a_set_without_templates_is_reported() {
        assert_eq!(set(json!([])).judge(&NO_CLAIM_TEMPLATE).paths(), ["/spec/volumeClaimTemplates"]);
        let absent =
            Test::<RemoteVolumes>::create(json!({"kind": "StatefulSet", "spec": {"volumeClaimTemplates": null}}));
        assert_eq!(absent.judge(&NO_CLAIM_TEMPLATE).places(), ["volumeClaimTemplates"]);
        assert!(modes(json!(["ReadWriteOnce"])).judge(&NO_CLAIM_TEMPLATE).is_silent());
    }

    #[test]
    fn one_private_mode_is_accepted() {
        for accepted in [json!(["ReadWriteOnce"]), json!(["ReadWriteOncePod"]), json!([]), json!(null)] {
            assert!(modes(accepted.clone()).judge(&SHARED_ACCESS_MODE).is_silent(), "{accepted}");
        }
        for refused in [
            json!(["ReadWriteMany"]),
            json!(["ReadOnlyMany"]),
            json!(["ReadWriteOnce", "ReadWriteOncePod"]),
            json!(["ReadWriteOnce", "New"]),
        ] {
            let said = modes(refused.clone()).judge(&SHARED_ACCESS_MODE);
            assert_eq!(said.paths(), ["/spec/volumeClaimTemplates/0/spec/accessModes"], "{refused}");
            assert_eq!(said.places(), ["volumeClaimTemplates[data]"]);
        }
        assert!(modes(json!(["ReadWriteSometimes"])).judge(&SHARED_ACCESS_MODE).is_undecided());
    }

    #[test]
    fn a_claim_needs_a_mode_and_a_size() {
        let size = json!({"requests": {"storage": "1Gi"}});
        let complete = json!({"accessModes": ["ReadWriteOnce"], "resources": size});
        let cases = [
            (json!({"resources": size}), "/spec/volumeClaimTemplates/1/spec/accessModes"),
            (json!({"accessModes": [], "resources": size}), "/spec/volumeClaimTemplates/1/spec/accessModes"),
            (json!({"accessModes": ["ReadWriteOnce"]}), "/spec/volumeClaimTemplates/1/spec/resources"),
            (
                json!({"accessModes": ["ReadWriteOnce"], "resources": {"limits": {"storage": "1Gi"}}}),
                "/spec/volumeClaimTemplates/1/spec/resources",
            ),
            (json!({}), "/spec/volumeClaimTemplates/1/spec"),
        ];
        for (spec, path) in cases {
            let said = set(json!([complete, spec])).judge(&INCOMPLETE_CLAIM);
            assert_eq!((said.paths(), said.places()), (vec![path], vec!["volumeClaimTemplates[wal]"]), "{spec}");
        }
        assert!(set(json!([complete, complete])).judge(&INCOMPLETE_CLAIM).is_silent());
        // A bare number is a quantity too.
        assert!(
            set(json!([{"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": 1024}}}]))
                .judge(&INCOMPLETE_CLAIM)
                .is_silent()
        );
        assert!(set(json!([])).judge(&INCOMPLETE_CLAIM).is_silent());
    }
}
