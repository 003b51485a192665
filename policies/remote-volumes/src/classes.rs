//! Storage classes: where a claim's volume will live.

use stateward_sdk::prelude::*;

use crate::Settings;
use crate::drivers::{Placement, placement};

/// SC-1 of the rule catalogue.
pub const LOCAL_CLASS: Rule = Rule {
    id: "remote-volumes/local-class",
    title: "Volumes can follow their member to another node",
    description: "A class whose driver keeps volumes on one node ties the member to that node: when it is drained the member waits, when it is lost \
                  the data is lost with it. The default classes of kind, k3s, minikube and Docker Desktop are of this kind.",
    category: "Storage classes",
    severity: Severity::High,
    baseline: Action::Warn,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    reads: &[Read {
        kind: StorageClass::KIND,
        fields: &[
            "/provisioner",
            "/metadata/creationTimestamp",
            "/metadata/annotations/storageclass.kubernetes.io~1is-default-class",
            "/metadata/annotations/storageclass.beta.kubernetes.io~1is-default-class",
        ],
        live: false,
    }],
    ..Rule::VALIDATE
};

/// Fires on templates whose class, named or default, has a driver with volumes on one node. A class that is absent has no driver to judge.
pub fn local_class(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    for template in set.claim_templates() {
        let Some(class) = known_class(&template, cx, out) else { continue };
        if placement(&class.provisioner, &cx.settings) == Placement::NodeLocal {
            report(&template, template.claim.class_name().is_some(), class, out);
        }
    }
}

/// The class behind a template. `None` where there is none to judge: static volumes only, absent, or not to be known here, which is said.
fn known_class<'x, 'c>(
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

fn report(template: &ClaimTemplate, is_named: bool, class: &StorageClass, out: &mut Findings) {
    let spec = template.path().key("spec");
    let (name, driver) = (&class.metadata.name, &class.provisioner);
    let which = if is_named { "class" } else { "the default class" };
    out.finding(
        if is_named { spec.key("storageClassName") } else { spec },
        template.place(),
        format!("{which} `{name}` (`{driver}`) keeps volumes on one node: the member is tied to it"),
    )
    .hint("name a class with remote storage in `storageClassName`");
}

#[cfg(test)]
mod tests {
    use super::LOCAL_CLASS;
    use crate::RemoteVolumes;
    use serde_json::Value;
    use stateward_sdk::testing::{Test, json};

    fn set(class: Value) -> Test<RemoteVolumes> {
        let templates = json!([{"metadata": {"name": "data"}, "spec": {"storageClassName": class}}]);
        Test::create(json!({"kind": "StatefulSet", "spec": {"volumeClaimTemplates": templates}}))
    }

    fn class(name: &str, provisioner: &str) -> Value {
        json!({"kind": "StorageClass", "metadata": {"name": name}, "provisioner": provisioner})
    }

    fn default_class(name: &str, provisioner: &str, annotation: &str, made: &str) -> Value {
        let mut class = class(name, provisioner);
        class["metadata"]["annotations"] = json!({annotation: "true"});
        class["metadata"]["creationTimestamp"] = made.into();
        class
    }

    const LOCAL: &str = "rancher.io/local-path";
    const REMOTE: &str = "ebs.csi.aws.com";
    const DEFAULT: &str = "storageclass.kubernetes.io/is-default-class";
    const BETA_DEFAULT: &str = "storageclass.beta.kubernetes.io/is-default-class";

    #[test]
    fn the_named_class_is_judged() {
        let set = set(json!("fast"));
        let local = set.clone().beside(class("fast", LOCAL)).judge(&LOCAL_CLASS);
        assert_eq!(
            (local.paths(), local.places()),
            (vec!["/spec/volumeClaimTemplates/0/spec/storageClassName"], vec!["volumeClaimTemplates[data]"])
        );
        assert!(set.clone().beside(class("fast", REMOTE)).judge(&LOCAL_CLASS).is_silent());
        assert!(set.clone().beside(class("fast", "example.com/new")).judge(&LOCAL_CLASS).is_silent());
        assert!(set.clone().beside(class("slow", LOCAL)).judge(&LOCAL_CLASS).is_silent());
        assert!(set.judge(&LOCAL_CLASS).is_undecided());
    }

    #[test]
    fn an_absent_class_is_the_newest_default() {
        let set = set(json!(null));
        assert!(set.judge(&LOCAL_CLASS).is_undecided());
        assert!(set.clone().beside(class("standard", LOCAL)).judge(&LOCAL_CLASS).is_silent());
        let old = default_class("old", REMOTE, DEFAULT, "2024-01-01T00:00:00Z");
        let new = default_class("new", LOCAL, BETA_DEFAULT, "2025-01-01T00:00:00Z");
        let said = set.clone().beside(old.clone()).beside(new.clone()).judge(&LOCAL_CLASS);
        assert_eq!(said.paths(), ["/spec/volumeClaimTemplates/0/spec"]);
        assert!(said.findings[0].message.contains("default class `new`"));
        let newer = default_class("newer", REMOTE, DEFAULT, "2026-01-01T00:00:00Z");
        assert!(set.clone().beside(new).beside(newer).judge(&LOCAL_CLASS).is_silent());
        // Of equally old ones the first by name, as in Kubernetes.
        let twin = default_class("a", LOCAL, DEFAULT, "2024-01-01T00:00:00Z");
        assert_eq!(set.beside(old).beside(twin).judge(&LOCAL_CLASS).places(), ["volumeClaimTemplates[data]"]);
    }

    #[test]
    fn an_empty_class_means_static_volumes() {
        assert!(set(json!("")).judge(&LOCAL_CLASS).is_silent());
    }

    #[test]
    fn the_older_annotation_goes_before_the_field() {
        let templates = json!([{"metadata": {"name": "data", "annotations": {"volume.beta.kubernetes.io/storage-class": "disk"}},
            "spec": {"storageClassName": "fast"}}]);
        let set =
            Test::<RemoteVolumes>::create(json!({"kind": "StatefulSet", "spec": {"volumeClaimTemplates": templates}}));
        assert_eq!(
            set.clone().beside(class("disk", LOCAL)).judge(&LOCAL_CLASS).places(),
            ["volumeClaimTemplates[data]"]
        );
        assert!(set.beside(class("fast", LOCAL)).judge(&LOCAL_CLASS).is_silent());
    }

    #[test]
    fn settings_change_the_lists() {
        let set = set(json!("fast")).beside(class("fast", "example.com/new"));
        let local = set.clone().settings(json!({"localDrivers": {"add": ["example.com/new"]}}));
        assert_eq!(local.judge(&LOCAL_CLASS).places(), ["volumeClaimTemplates[data]"]);
        assert!(set.settings(json!({"ofAnotherFamily": 1})).judge(&LOCAL_CLASS).is_silent());
    }
}
