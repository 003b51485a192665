//! Volumes that several members would share.

use stateward_sdk::prelude::*;

use crate::Settings;

/// VOL-2 of the rule catalogue.
pub const SHARED_CLAIM: Rule = Rule {
    id: "remote-volumes/shared-claim",
    title: "Members do not share a claim",
    description: "A PersistentVolumeClaim that the pod template names is mounted by every member. Two members that write to one volume corrupt it, \
                  and a claim of mode ReadWriteOnce lets them as long as they run on one node.",
    category: promise::OWN_VOLUME,
    severity: Severity::Critical,
    baseline: Action::Deny,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS, Subject::STATEFUL_SETS_SCALE],
    reads: &[Read {
        kind: StatefulSet::KIND,
        fields: &[
            "/spec/replicas",
            "/spec/template/spec/containers",
            "/spec/template/spec/initContainers",
            "/spec/template/spec/volumes",
            "/spec/volumeClaimTemplates",
        ],
        live: false,
    }],
    ..Rule::VALIDATE
};

/// VOL-3 of the rule catalogue.
pub const UNSCALABLE_CLAIM: Rule = Rule {
    id: "remote-volumes/unscalable-claim",
    title: "A second member would have a volume of its own",
    description: "A set of one replica that writes to a claim by its name works until somebody scales it: then all members write to that claim. \
                  `volumeClaimTemplates` cannot be added later, so this is the time.",
    category: promise::OWN_VOLUME,
    severity: Severity::Medium,
    baseline: Action::Warn,
    strict: Action::Warn,
    subjects: &[Subject::STATEFUL_SETS, Subject::STATEFUL_SETS_SCALE],
    reads: SHARED_CLAIM.reads,
    ..Rule::VALIDATE
};

/// Fires on a named claim that is writable in an effective volume of a set with two replicas or more.
pub fn shared_claim(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    let replicas = set.replicas();
    if replicas < 2 {
        return;
    }
    for (index, volume, claim) in set.shared_claims() {
        let name = &claim.claim_name;
        out.finding(
            claim_path(index),
            format!("volumes[{}]", volume.name),
            format!("all {replicas} members write to the one claim `{name}`"),
        )
        .hint(format!(
            "declare `{}` in `volumeClaimTemplates`, so that each member has a claim of its own, or keep `replicas: 1`",
            volume.name
        ));
    }
}

/// The same with one replica.
pub fn unscalable_claim(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    if set.replicas() != 1 {
        return;
    }
    for (index, volume, claim) in set.shared_claims() {
        let name = &claim.claim_name;
        out.finding(
            claim_path(index),
            format!("volumes[{}]", volume.name),
            format!("a second member would write to the claim `{name}` too"),
        )
        .hint(format!("declare `{}` in `volumeClaimTemplates`; the field cannot be added later", volume.name));
    }
}

fn claim_path(volume: usize) -> Pointer {
    Pointer::new("/spec/template/spec/volumes").index(volume).key("persistentVolumeClaim").key("claimName")
}

#[cfg(test)]
mod tests {
    use super::SHARED_CLAIM;
    use crate::RemoteVolumes;
    use serde_json::Value;
    use stateward_sdk::testing::{Said, Test, json};

    /// A set whose pods name the claim `pool` in their volume `data`.
    fn set(replicas: i64) -> Value {
        json!({"kind": "StatefulSet", "metadata": {"name": "db", "namespace": "shop"}, "spec": {"replicas": replicas, "template": {"spec": {
            "containers": [{"name": "db", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
            "volumes": [{"name": "config", "configMap": {"name": "db"}}, {"name": "data", "persistentVolumeClaim": {"claimName": "pool"}}]}}}})
    }

    fn judge(set: Value) -> Said {
        Test::<RemoteVolumes>::create(set).judge(&SHARED_CLAIM)
    }

    #[test]
    fn two_writers_of_one_claim_are_refused() {
        let said = judge(set(2));
        assert_eq!(said.paths(), ["/spec/template/spec/volumes/1/persistentVolumeClaim/claimName"]);
        assert_eq!(said.places(), ["volumes[data]"]);
        assert!(judge(set(1)).is_silent());
        let mut absent = set(2);
        absent["spec"]["replicas"] = Value::Null;
        assert!(judge(absent).is_silent());
    }

    #[test]
    fn a_claim_template_of_the_same_name_takes_its_place() {
        let mut shadowed = set(3);
        shadowed["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}}]);
        assert!(judge(shadowed).is_silent());
        let mut other = set(3);
        other["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "wal"}}]);
        assert_eq!(judge(other).places(), ["volumes[data]"]);
    }

    #[test]
    fn readers_may_share() {
        let mut read_only_volume = set(3);
        read_only_volume["spec"]["template"]["spec"]["volumes"][1]["persistentVolumeClaim"]["readOnly"] = true.into();
        assert!(judge(read_only_volume).is_silent());
        let mut read_only_mount = set(3);
        read_only_mount["spec"]["template"]["spec"]["containers"][0]["volumeMounts"][0]["readOnly"] = true.into();
        assert!(judge(read_only_mount.clone()).is_silent());
        // One writer among the mounts, in an init container, is a writer.
        read_only_mount["spec"]["template"]["spec"]["initContainers"] =
            json!([{"name": "init", "volumeMounts": [{"name": "data"}]}]);
        assert_eq!(judge(read_only_mount).places(), ["volumes[data]"]);
        let mut mapped = set(3);
        mapped["spec"]["template"]["spec"]["containers"] =
            json!([{"name": "db", "volumeDevices": [{"name": "data", "devicePath": "/dev/x"}]}]);
        assert_eq!(judge(mapped).places(), ["volumes[data]"]);
    }

    #[test]
    fn scaling_is_judged_too() {
        let scale = |to| Test::<RemoteVolumes>::scale("db", 1, to);
        assert_eq!(scale(2).beside(set(1)).judge(&SHARED_CLAIM).paths(), ["/spec/replicas"]);
        assert_eq!(scale(2).beside(set(1)).judge(&SHARED_CLAIM).places(), ["volumes[data]"]);
        assert!(scale(1).beside(set(2)).judge(&SHARED_CLAIM).is_silent());
        assert!(scale(2).judge(&SHARED_CLAIM).is_undecided());
    }
}
