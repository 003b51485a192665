//! Whether claims and containers fit together.

use stateward_sdk::prelude::*;

use crate::Settings;

/// VOL-7 of the rule catalogue.
pub const UNMOUNTED_CLAIM: Rule = Rule {
    id: "remote-volumes/unmounted-claim",
    title: "Members use the volumes they have",
    description: "A claim template that no container mounts gives each member a disk that stays empty, while the data goes somewhere else, most \
                  often to the image's own layer. The API says that a template must have a mount; nothing checks it.",
    category: promise::OWN_VOLUME,
    severity: Severity::High,
    baseline: Action::Warn,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// VOL-9 of the rule catalogue. Some manifests keep a placeholder (a claim of the volume's own name) for older validators: that one says what it is.
pub const SHADOWED_VOLUME: Rule = Rule {
    id: "remote-volumes/shadowed-volume",
    title: "What is written is what is mounted",
    description: "A claim template replaces the pod's volume of the same name, without a word: the volume that the manifest shows is not the one \
                  that members get, and who reads it believes that they share a claim or keep nothing.",
    category: promise::OWN_VOLUME,
    severity: Severity::Low,
    baseline: Action::Audit,
    strict: Action::Warn,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// VOL-13 of the rule catalogue.
pub const VOLUME_MODE_MISMATCH: Rule = Rule {
    id: "remote-volumes/volume-mode-mismatch",
    title: "Devices are mapped and file systems are mounted",
    description: "A claim of `volumeMode: Block` is a device and has no file system to mount; any other has no device to map. The API server \
                  stores the set, and no pod of it ever starts.",
    category: promise::OWN_VOLUME,
    severity: Severity::High,
    baseline: Action::Deny,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// Fires on a template that no container or init container mounts or maps.
pub fn unmounted_claim(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    for template in set.claim_templates() {
        let name = &template.claim.metadata.name;
        let is_used = set.spec.template.spec.all_containers().any(|container| {
            container.volume_mounts.iter().any(|mount| mount.name == *name)
                || container.volume_devices.iter().any(|device| device.name == *name)
        });
        if !is_used {
            out.finding(
                template.path(),
                template.place(),
                format!("no container mounts `{}`: each member gets a volume that stays empty", template.name()),
            )
            .hint("mount it in `volumeMounts` where the data is, or remove the template");
        }
    }
}

/// Fires on a volume of the pod with a template's name, but for a placeholder.
pub fn shadowed_volume(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    for (index, volume) in set.spec.template.spec.volumes.iter().enumerate() {
        let name = &volume.name;
        let is_placeholder = volume.persistent_volume_claim.as_ref().is_some_and(|claim| claim.claim_name == *name);
        if !is_placeholder && set.has_claim_template(name) {
            out.finding(
                Pointer::new("/spec/template/spec/volumes").index(index),
                format!("volumes[{name}]"),
                format!("the claim template `{name}` takes the place of this volume"),
            )
            .hint("remove the volume, or give it another name if both are wanted");
        }
    }
}

/// Fires on a block device that is mounted, and on a file system that is mapped.
pub fn volume_mode_mismatch(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    for template in set.claim_templates() {
        let Some(is_block) = template.claim.is_block() else {
            out.undecided(format!("volume mode `{}` is not known here", template.claim.spec.volume_mode));
            continue;
        };
        let name = &template.claim.metadata.name;
        let list = if is_block { "volumeMounts" } else { "volumeDevices" };
        let wrong = set.spec.template.spec.placed_containers().find_map(|(place, container)| {
            let index = if is_block {
                container.volume_mounts.iter().position(|mount| mount.name == *name)
            } else {
                container.volume_devices.iter().position(|device| device.name == *name)
            };
            index.map(|index| place.path("/spec/template/spec").key(list).index(index))
        });
        let Some(path) = wrong else { continue };
        if is_block {
            out.finding(path, template.place(), format!("`{name}` is a block device and cannot be mounted"))
                .hint("map it in `volumeDevices`, or remove `volumeMode: Block` from the claim template");
        } else {
            out.finding(path, template.place(), format!("`{name}` is a file system and cannot be mapped as a device"))
                .hint("mount it in `volumeMounts`, or write `volumeMode: Block` in the claim template");
        }
    }
}
