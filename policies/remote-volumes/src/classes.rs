//! Storage classes: whether there is one, and where its volumes live.

use stateward_sdk::prelude::*;

use crate::Settings;
use crate::drivers::{Placement, placement};

/// SC-1 of the rule catalogue.
pub const LOCAL_CLASS: Rule = Rule {
    id: "remote-volumes/local-class",
    title: "Volumes can follow their member to another node",
    description: "A class whose driver keeps volumes on one node ties the member to that node: when it is drained the member waits, when it is lost \
                  the data is lost with it (rancher/local-path-provisioner#31). The default classes of kind, k3s, minikube and Docker Desktop are of \
                  this kind.",
    category: "remote, re-attaching",
    severity: Severity::High,
    baseline: Action::Warn,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    reads: &[class_read(&["/provisioner", CREATED, DEFAULT, BETA_DEFAULT])],
    ..Rule::VALIDATE
};

/// SC-2 of the rule catalogue.
pub const UNKNOWN_DRIVER: Rule = Rule {
    id: "remote-volumes/unknown-driver",
    title: "It is known where volumes live",
    description: "The class's driver is on no list, so nobody can say whether its volumes live on one node or beyond; or Kubernetes has removed the \
                  driver (`kubernetes.io/glusterfs` and others, 1.22 to 1.26), and nothing makes its volumes. Put your own driver on the right \
                  list in the settings `localDrivers` and `remoteDrivers`.",
    category: promise::REMOTE,
    severity: Severity::Low,
    baseline: Action::Audit,
    strict: Action::Warn,
    subjects: &[Subject::STATEFUL_SETS],
    reads: LOCAL_CLASS.reads,
    ..Rule::VALIDATE
};

/// SC-4 of the rule catalogue. In `baseline` a missing default class is for the audit alone: since Kubernetes 1.28 a claim without a class gets
/// the default one as soon as there is one, and most manifests that name no class are not to blame for the cluster.
pub const MISSING_CLASS: Rule = Rule {
    id: "remote-volumes/missing-class",
    title: "There is a class to make volumes",
    description: "A claim whose class does not exist waits, and its pod with it, until somebody makes the class: the name is most often a slip of \
                  the pen. A claim that names no class waits for a default class (KEP-3333). The claim template cannot be changed.",
    category: "own volume, remote",
    severity: Severity::High,
    baseline: Action::Warn,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    reads: &[class_read(&[CREATED, DEFAULT, BETA_DEFAULT])],
    ..Rule::VALIDATE
};

/// SC-5 of the rule catalogue.
pub const STATIC_ONLY_CLASS: Rule = Rule {
    id: "remote-volumes/static-only-class",
    title: "Volumes are made when members need them",
    description: "`storageClassName: \"\"` does not mean the default class: such claims take only volumes that somebody made by hand, and wait for \
                  them. It is usually a slip of a chart's template (streamnative/charts#149, opensearch-project/opensearch-k8s-operator#440).",
    category: "own volume, re-attaching",
    severity: Severity::Medium,
    baseline: Action::Warn,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// SC-6 of the rule catalogue.
pub const DEFAULT_CLASS: Rule = Rule {
    id: "remote-volumes/default-class",
    title: "The class is chosen, not found",
    description: "A claim template without a class gets whatever class is the default one when each claim is made. Another cluster has another \
                  default, often a node-local one, and a default that is moved gives new members other storage than old ones.",
    category: promise::REMOTE,
    severity: Severity::Low,
    baseline: Action::Audit,
    strict: Action::Warn,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// Fires on templates whose class, named or default, has a driver with volumes on one node. A class that is absent has no driver to judge.
pub fn local_class(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    for template in set.claim_templates() {
        let Some(class) = known_class(&template, cx, out) else { continue };
        if placement(&class.provisioner, &cx.settings) == Placement::NodeLocal {
            let (which, driver) = (which(&template, class), &class.provisioner);
            out.finding(
                class_path(&template),
                template.place(),
                format!("{which} (`{driver}`) keeps volumes on one node: the member is tied to it"),
            )
            .hint("name a class with remote storage in `storageClassName`");
        }
    }
}

/// Fires on templates whose class has a driver that is on no list, or one that is no more.
pub fn unknown_driver(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    for template in set.claim_templates() {
        let Some(class) = known_class(&template, cx, out) else { continue };
        let driver = &class.provisioner;
        match placement(driver, &cx.settings) {
            Placement::NodeLocal | Placement::Remote => {}
            Placement::Unknown => {
                out.finding(
                    class_path(&template),
                    template.place(),
                    format!(
                        "nobody knows where the driver `{driver}` of {} keeps its volumes",
                        which(&template, class)
                    ),
                )
                .hint(
                    "put the driver on a list in the settings `remoteDrivers` or `localDrivers`, or name another class",
                );
            }
            Placement::Obsolete => {
                out.finding(
                    class_path(&template),
                    template.place(),
                    format!(
                        "{} has the driver `{driver}`, which Kubernetes has removed: no volume is made",
                        which(&template, class)
                    ),
                )
                .hint("name a class with a CSI driver in `storageClassName`");
            }
        }
    }
}

/// Fires on templates with a class that does not exist, and on those without one where there is no default class.
pub fn missing_class(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    for template in set.claim_templates() {
        let name = template.claim.class_name();
        if name == Some("") {
            continue;
        }
        match (cx.storage_class(name), name) {
            (Found::Unknown, _) => out.unavailable::<StorageClass>(),
            (Found::Found(_), _) => {}
            (Found::Absent, Some(name)) => {
                out.finding(
                    class_path(&template),
                    template.place(),
                    format!("there is no StorageClass `{name}`: the claim waits for it, and the member with the claim"),
                )
                .hint("name a class that exists (`kubectl get storageclass`), or make it first");
            }
            (Found::Absent, None) => {
                let made = out
                    .finding(
                        class_path(&template),
                        template.place(),
                        "no class is named and the cluster has no default one: the claim waits for it",
                    )
                    .hint("name a class in `storageClassName`");
                if cx.profile() == Profile::Baseline {
                    made.at_most(Action::Audit);
                }
            }
        }
    }
}

/// Fires on templates with the empty class.
pub fn static_only_class(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    for template in set.claim_templates().filter(|template| template.claim.class_name() == Some("")) {
        out.finding(
            class_path(&template),
            template.place(),
            "the empty class makes no volumes: members wait for volumes made by hand",
        )
        .hint("name a class, or remove the field for the default one");
    }
}

/// Fires on templates that name no class.
pub fn default_class(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    for template in set.claim_templates().filter(|template| template.claim.class_name().is_none()) {
        out.finding(
            class_path(&template),
            template.place(),
            "no class is named: members get what happens to be the default class",
        )
        .hint("name a class with remote storage in `storageClassName`; the field cannot be added later");
    }
}

/// The class behind a template. `None` where there is none to judge: static volumes only, absent, or not to be known here, which is said.
pub(crate) fn known_class<'x, 'c>(
    template: &ClaimTemplate,
    cx: &'x Context<'c, '_, Settings>,
    out: &mut Findings,
) -> Option<&'x StorageClass<'c>> {
    let name = template.claim.class_name();
    if name == Some("") {
        return None;
    }
    match cx.storage_class(name) {
        Found::Unknown => {
            out.unavailable::<StorageClass>();
            None
        }
        Found::Absent => None,
        Found::Found(class) => Some(class),
    }
}

/// Where the class is named, or would be.
pub(crate) fn class_path(template: &ClaimTemplate) -> Pointer {
    let spec = template.path().key("spec");
    match (&template.claim.spec.storage_class_name, template.claim.class_name()) {
        (Some(_), _) => spec.key("storageClassName"),
        // The older annotation.
        (None, Some(_)) => template.path().key("metadata").key("annotations"),
        (None, None) => spec,
    }
}

/// The class in words: ``class `fast` ``.
pub(crate) fn which(template: &ClaimTemplate, class: &StorageClass) -> String {
    let default = if template.claim.class_name().is_none() { "the default " } else { "" };
    format!("{default}class `{}`", class.metadata.name)
}

/// What rules read of StorageClasses.
pub(crate) const fn class_read(fields: &'static [&'static str]) -> Read {
    Read::of(StorageClass::KIND, fields)
}

/// What tells the default class, beside its name.
pub(crate) const CREATED: &str = "/metadata/creationTimestamp";
/// As above.
pub(crate) const DEFAULT: &str = "/metadata/annotations/storageclass.kubernetes.io~1is-default-class";
/// As above.
pub(crate) const BETA_DEFAULT: &str = "/metadata/annotations/storageclass.beta.kubernetes.io~1is-default-class";

#[cfg(test)]
mod tests {
    use super::LOCAL_CLASS;
    use crate::RemoteVolumes;
    use proptest::prelude::*;
    use serde_json::Value;
    use stateward_sdk::testing::{Test, json};

    /// A class of a driver that is local; `made` may be equal to another one's.
    fn class(name: &str, made: u8, is_default: bool) -> Value {
        json!({"kind": "StorageClass", "provisioner": "rancher.io/local-path", "metadata": {"name": name,
            "creationTimestamp": format!("2025-01-01T00:00:0{made}Z"),
            "annotations": {"storageclass.kubernetes.io/is-default-class": is_default.to_string()}}})
    }

    proptest! {
        /// As in Kubernetes: the newest default class, of equally old ones the first by name, in whatever order they are listed.
        #[test]
        fn the_newest_default_class_is_meant(classes in prop::collection::vec(("[a-d]", 0..3_u8, any::<bool>()), 1..5)) {
            let set = json!({"kind": "StatefulSet", "spec": {"volumeClaimTemplates": [{"metadata": {"name": "data"}}]}});
            let mut test = Test::<RemoteVolumes>::create(set);
            for (name, made, is_default) in &classes {
                test = test.beside(class(name, *made, *is_default));
            }
            let mut defaults: Vec<_> = classes.iter().filter(|(_, _, is_default)| *is_default).collect();
            defaults.sort_by(|(a, a_made, _), (b, b_made, _)| b_made.cmp(a_made).then(a.cmp(b)));
            let said = test.judge(&LOCAL_CLASS);
            let expected = defaults.first().map(|(name, ..)| format!("the default class `{name}` "));
            prop_assert_eq!(said.findings.len(), usize::from(expected.is_some()));
            for finding in &said.findings {
                prop_assert!(finding.message.starts_with(expected.as_deref().unwrap()));
            }
        }
    }
}
