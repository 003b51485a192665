//! Storage classes: what they do to the data.

use stateward_sdk::images::is_database;
use stateward_sdk::prelude::*;

use crate::Settings;
use crate::classes::{BETA_DEFAULT, CREATED, DEFAULT, class_path, class_read, known_class, which};
use crate::drivers::{is_bound_to_topology, is_file_system};

/// SC-3 of the rule catalogue.
pub const DEGRADED_REMOTE_CLASS: Rule = Rule {
    id: "remote-volumes/degraded-remote-class",
    title: "Remote volumes survive the loss of a node",
    description: "A replicated driver that is told to keep one copy, or to keep it on the pod's own node, is node-local storage under a remote \
                  driver's name: when that node is lost the volume is lost.",
    category: "remote, re-attaching",
    severity: Severity::Medium,
    baseline: Action::Warn,
    strict: Action::Warn,
    subjects: &[Subject::STATEFUL_SETS],
    reads: &[class_read(&["/provisioner", "/parameters", CREATED, DEFAULT, BETA_DEFAULT])],
    ..Rule::VALIDATE
};

/// SC-7 of the rule catalogue.
pub const RECLAIM_DELETE: Rule = Rule {
    id: "remote-volumes/reclaim-delete",
    title: "Disks outlive their claims",
    description: "With `reclaimPolicy: Delete`, the default, a disk is destroyed with its claim: deleting the namespace, or a claim by mistake, \
                  destroys the data (jupyterhub/zero-to-jupyterhub-k8s#901). With `Retain` it can be attached again.",
    category: promise::RE_ATTACHING,
    severity: Severity::Medium,
    baseline: Action::Audit,
    strict: Action::Warn,
    subjects: &[Subject::STATEFUL_SETS],
    reads: &[class_read(&["/reclaimPolicy", CREATED, DEFAULT, BETA_DEFAULT])],
    ..Rule::VALIDATE
};

/// SC-8 of the rule catalogue.
pub const IMMEDIATE_BINDING: Rule = Rule {
    id: "remote-volumes/immediate-binding",
    title: "Volumes are made where members can run",
    description: "With `volumeBindingMode: Immediate`, the default, a disk is made before anybody knows where its pod can run. Where disks belong to \
                  a zone or a node, it may be made where no node has room, and the member never starts (kubernetes/kubernetes#49906).",
    category: promise::RE_ATTACHING,
    severity: Severity::Medium,
    baseline: Action::Warn,
    strict: Action::Warn,
    subjects: &[Subject::STATEFUL_SETS],
    reads: &[class_read(&["/provisioner", "/volumeBindingMode", CREATED, DEFAULT, BETA_DEFAULT])],
    ..Rule::VALIDATE
};

/// SC-9 of the rule catalogue.
pub const FIXED_SIZE_CLASS: Rule = Rule {
    id: "remote-volumes/fixed-size-class",
    title: "Volumes can grow",
    description: "Without `allowVolumeExpansion: true` a full disk stays full: the size in a claim template cannot be changed, and the claims \
                  cannot grow. What is left is to copy the data to new volumes, member by member.",
    category: promise::OWN_VOLUME,
    severity: Severity::Low,
    baseline: Action::Audit,
    strict: Action::Warn,
    subjects: &[Subject::STATEFUL_SETS],
    reads: &[class_read(&["/allowVolumeExpansion", CREATED, DEFAULT, BETA_DEFAULT])],
    ..Rule::VALIDATE
};

/// SC-10 of the rule catalogue.
pub const FILE_SYSTEM_DATABASE: Rule = Rule {
    id: "remote-volumes/file-system-database",
    title: "Databases are on block storage",
    description: "Network file systems (NFS, SMB, EFS, Azure Files) are remote, but their locks and flushes are not those that databases rely on: \
                  corrupted indexes and write-ahead logs are the usual reports (prometheus/prometheus#2805). Images are known by name only.",
    category: promise::REMOTE,
    severity: Severity::Medium,
    baseline: Action::Audit,
    strict: Action::Warn,
    subjects: &[Subject::STATEFUL_SETS],
    reads: &[class_read(&["/provisioner", CREATED, DEFAULT, BETA_DEFAULT])],
    ..Rule::VALIDATE
};

/// Fires on parameters that make a remote driver keep one copy, or keep it on the pod's node.
pub fn degraded_remote_class(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    for template in set.claim_templates() {
        let Some(class) = known_class(&template, cx, out) else { continue };
        let parameters = &class.parameters;
        let degraded = DEGRADED
            .iter()
            .find(|(driver, key, value, _)| *class.provisioner == **driver && parameters.get(key) == Some(value));
        let Some((_, key, value, what)) = degraded else { continue };
        // Longhorn's sharded volumes have parity instead of copies.
        if parameters.get("dataLayout.type") == Some("sharded") {
            continue;
        }
        out.finding(
            class_path(&template),
            template.place(),
            format!("{} says `{key}: \"{value}\"`: {what}", which(&template, class)),
        )
        .hint("name a class that keeps copies on several nodes");
    }
}

/// Fires on classes that destroy the disk with its claim.
pub fn reclaim_delete(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    for template in set.claim_templates() {
        let Some(class) = known_class(&template, cx, out) else { continue };
        match class.reclaim_policy.as_str() {
            "Retain" => {}
            "" | "Delete" => {
                out.finding(
                    class_path(&template),
                    template.place(),
                    format!("{} destroys the disk with its claim", which(&template, class)),
                )
                .hint(
                    "name a class with `reclaimPolicy: Retain`, or set it on the PersistentVolumes once they are bound",
                );
            }
            other => out.undecided(format!("reclaim policy `{other}` is not known here")),
        }
    }
}

/// Fires on classes that make a disk before its place is known, of drivers whose disks have one.
pub fn immediate_binding(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    for template in set.claim_templates() {
        let Some(class) = known_class(&template, cx, out) else { continue };
        match class.volume_binding_mode.as_str() {
            "WaitForFirstConsumer" => {}
            "" | "Immediate" => {
                let driver = &class.provisioner;
                if is_bound_to_topology(driver, &cx.settings) {
                    out.finding(
                        class_path(&template),
                        template.place(),
                        format!(
                            "{} makes a volume of `{driver}` before the member's node is known",
                            which(&template, class)
                        ),
                    )
                    .hint("name a class with `volumeBindingMode: WaitForFirstConsumer`");
                }
            }
            other => out.undecided(format!("volume binding mode `{other}` is not known here")),
        }
    }
}

/// Fires on classes whose volumes cannot grow.
pub fn fixed_size_class(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    for template in set.claim_templates() {
        let Some(class) = known_class(&template, cx, out) else { continue };
        if !class.allow_volume_expansion {
            out.finding(
                class_path(&template),
                template.place(),
                format!("volumes of {} cannot grow", which(&template, class)),
            )
            .hint("name a class with `allowVolumeExpansion: true`, or have it set on this one");
        }
    }
}

/// Fires on network file systems that a known database mounts.
pub fn file_system_database(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    for template in set.claim_templates() {
        let database = set.spec.template.spec.running_containers().find(|container| {
            let mounts = || container.volume_mounts.iter().any(|mount| mount.name == template.claim.metadata.name);
            is_database(&container.image, &cx.settings.database_images) && mounts()
        });
        let Some(database) = database else { continue };
        let Some(class) = known_class(&template, cx, out) else { continue };
        if !is_file_system(&class.provisioner) {
            continue;
        }
        let (which, driver) = (which(&template, class), &class.provisioner);
        out.finding(
            class_path(&template),
            template.place(),
            format!("`{}` is a database, and {which} (`{driver}`) is a network file system", database.name),
        )
        .hint("name a class with block storage in `storageClassName`");
    }
}

/// Driver, parameter, value, and what that means.
const DEGRADED: [(&str, &str, &str, &str); 11] = [
    ("driver.longhorn.io", "dataLocality", "strict-local", ON_ITS_NODE),
    ("driver.longhorn.io", "numberOfReplicas", "1", ONE_COPY),
    ("linstor.csi.linbit.com", "linstor.csi.linbit.com/allowRemoteVolumeAccess", "false", ON_ITS_NODE),
    ("linstor.csi.linbit.com", "allowRemoteVolumeAccess", "false", ON_ITS_NODE),
    ("linstor.csi.linbit.com", "linstor.csi.linbit.com/placementCount", "1", ONE_COPY),
    ("linstor.csi.linbit.com", "linstor.csi.linbit.com/autoPlace", "1", ONE_COPY),
    ("linstor.csi.linbit.com", "autoPlace", "1", ONE_COPY),
    ("io.openebs.csi-mayastor", "repl", "1", ONE_COPY),
    ("cstor.csi.openebs.io", "replicaCount", "1", ONE_COPY),
    ("pxd.portworx.com", "repl", "1", ONE_COPY),
    ("kubernetes.io/portworx-volume", "repl", "1", ONE_COPY),
];

const ONE_COPY: &str = "there is one copy of the data, on one node";
const ON_ITS_NODE: &str = "the data stays on the member's node";
